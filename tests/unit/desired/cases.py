"""Golden cases: golden/<feature>/<case>/input.yaml in, objects.yaml out.

`input.yaml` holds custom resources as a user writes them, and two documents of our own: `kind: Facts` (workload,
liveDefinitions, parsed) and `kind: Options`. A resource that the parser refuses is handed on as `Unparsable`, as the
reconciler does. Used by the golden test and by the dry run against a real API server.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from kaspr_controller.api.parsing import InvalidSpec, parse
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.desired.app.packages import INSTALLER
from kaspr_controller.desired.bundle import Bundle, render_app
from kaspr_controller.desired.components import AnyComponent, Unparsable
from kaspr_controller.desired.facts import Facts, LiveWorkload
from kaspr_controller.desired.options import Options

GOLDEN = Path(__file__).parent / "golden"
PLACEHOLDER = "(the text of install_packages.py.txt)"


@dataclass(frozen=True)
class Case:
    """One folder."""

    folder: Path

    @property
    def name(self) -> str:
        """`feature/case`."""
        return str(self.folder.relative_to(GOLDEN))

    @cached_property
    def documents(self) -> list[dict[str, Any]]:
        """The documents of the input."""
        return list(yaml.safe_load_all((self.folder / "input.yaml").read_text(encoding="utf-8")))

    def resources(self) -> list[dict[str, Any]]:
        """The custom resources as written."""
        return [document for document in self.documents if document["kind"].startswith("Kaspr")]

    def app(self) -> KasprApp:
        """The parsed app."""
        parsed = parse(next(raw for raw in self.resources() if raw["kind"] == "KasprApp"))
        assert isinstance(parsed, KasprApp)
        return parsed

    def components(self) -> list[AnyComponent]:
        """The parsed components, and what could not be parsed."""
        return [component(raw) for raw in self.resources() if raw["kind"] != "KasprApp"]

    def facts(self) -> Facts:
        """What is there already."""
        facts = self._ours("Facts")
        workload = facts.get("workload")
        return Facts(
            workload=LiveWorkload.of(workload) if workload else None,
            live_definitions=facts.get("liveDefinitions", {}),
            parsed=facts.get("parsed", {}),
            packages_size=facts.get("packagesSize", ""),
            settings_in_use=facts.get("settingsInUse", {}),
        )

    def options(self) -> Options:
        """The choices of the controller."""
        return Options(**self._ours("Options"))

    def render(self) -> Bundle:
        """The result."""
        return render_app(self.app(), self.components(), self.facts(), self.options())

    def _ours(self, kind: str) -> dict[str, Any]:
        found = next((document for document in self.documents if document["kind"] == kind), {})
        return {key: value for key, value in found.items() if key != "kind"}


def component(raw: dict[str, Any]) -> AnyComponent:
    """A component as the reconciler hands it over."""
    try:
        parsed = parse(raw)
    except InvalidSpec as error:
        return Unparsable(raw["kind"], raw["metadata"]["name"], tuple(map(str, error.errors)))
    assert not isinstance(parsed, KasprApp)
    return parsed


def cases() -> list[Case]:
    """All cases, sorted."""
    return sorted((Case(path.parent) for path in GOLDEN.glob("*/*/input.yaml")), key=lambda case: case.name)


def as_text(bundle: Bundle) -> str:
    """A bundle as one YAML stream: objects in writing order, then everything that is no object."""
    documents = [shortened(intent.obj) for intent in bundle.intents]
    return "---\n".join(dumped(document) for document in [*documents, outcome(bundle)])


def outcome(bundle: Bundle) -> dict[str, Any]:
    """Everything but the objects."""
    rest: dict[str, Any] = {
        "refused": [str(problem) for problem in bundle.refused],
        "warnings": [f"{problem.reason}: {problem}" for problem in bundle.warnings],
        "components": {
            " ".join(key): {
                "configMap": one.config_map,
                "hash": one.hash,
                "problem": f"{one.problem.reason}: {one.problem}" if one.problem else "",
                "warnings": [f"{problem.reason}: {problem}" for problem in one.warnings],
                "tables": {name: dict(table) for name, table in one.tables.items()},
            }
            for key, one in sorted(bundle.components.items())
        },
        "subscriptions": list(bundle.subscriptions.all),
        "storageResize": f"{bundle.storage_resize.live} -> {bundle.storage_resize.wanted}"
        if bundle.storage_resize
        else "",
    }
    return {"outcome": pruned(rest)}


def pruned(value: Any) -> Any:
    """Without empty texts, lists and maps."""
    if isinstance(value, dict):
        return {key: pruned(item) for key, item in value.items() if item not in ("", [], {}, None)}
    return value


def shortened(obj: Any) -> Any:
    """The object without the installer's text."""
    if isinstance(obj, dict):
        return {key: shortened(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [shortened(value) for value in obj]
    return PLACEHOLDER if obj == INSTALLER else obj


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, no aliases: a diff of a golden file must be readable."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def dumped(value: Any) -> str:
    """A document of the golden file."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text

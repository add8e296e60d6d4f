"""`helm template` as a function: values in, objects out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from hack.controlplane.recipe import Recipe

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "kaspr-controller"
RELEASE = "prod"
NAMESPACE = "kaspr-system"
SECONDS = 60
# The one in C where there is one: the CRDs are long, and each render has them.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Object: TypeAlias = dict[str, Any]
Values: TypeAlias = Mapping[str, Any]


class RefusedError(Exception):
    """Helm renders nothing; the message is its own."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart and the helm that renders it; `seconds` is the time that a command may take."""

    helm: Path
    environment: Mapping[str, str]
    folder: Path = CHART
    seconds: int = SECONDS

    def render(
        self, values: Values | None = None, *, release: str = RELEASE, namespace: str = NAMESPACE
    ) -> list[Object]:
        """The objects in Helm's order.

        Raises:
            RefusedError: the values do not fit the schema, or a template says no.
        """
        out = self.run(
            "template",
            release,
            str(self.folder),
            "--namespace",
            namespace,
            "--kube-version",
            Recipe().kubernetes,
            values=values,
        )
        return [obj for obj in yaml.load_all(out, LOADER) if obj]

    def run(self, *arguments: str, values: Values | None = None) -> str:
        """Any command of helm; `values` are given as a file.

        Raises:
            RefusedError: it ended with an error.
        """
        done = subprocess.run(
            [self.helm, *arguments, *(["--values", "-"] if values is not None else [])],
            input=yaml.safe_dump(dict(values)) if values is not None else "",
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=self.seconds,
            check=False,
        )
        if done.returncode:
            raise RefusedError(done.stderr)
        return done.stdout


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    """The objects of a kind."""
    return [obj for obj in objects if obj["kind"] == kind]


def only(objects: list[Object], kind: str) -> Object:
    """The only object of a kind."""
    (found,) = of_kind(objects, kind)
    return found


def container(objects: list[Object]) -> Object:
    """The controller's container."""
    (found,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def environment(objects: list[Object]) -> dict[str, str]:
    """The variables that the container gets."""
    return {item["name"]: item["value"] for item in container(objects)["env"]}


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Sets of values, by name: golden/<name>/values.yaml."""
    for path in sorted((Path(__file__).parent / "golden").glob("*/values.yaml")):
        yield path.parent.name, yaml.safe_load(path.read_text("utf-8")) or {}

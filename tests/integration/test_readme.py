"""The README's section "Use it", command by command, on a real API server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.integration.fixtures.commands import ROOT, Commands
from tests.unit.test_documentation import blocks, commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hack.controlplane.cluster import ControlPlane
    from kaspr_controller.kube.kinds import Kind
    from tests.integration.fixtures.controller import Controller

SECTION = (ROOT / "README.md").read_text("utf-8").partition("\n## Use it\n")[2].partition("\n## ")[0]
MANIFEST = SECTION.partition("```yaml\n")[2].partition("```")[0]
EXIT_CODES = {"diff": {0, 1}, "validate": {0}, "render": {0}}


@pytest.fixture
def typed(control_plane: ControlPlane, tmp_path: Path, crds: Sequence[Kind]) -> Commands:
    return Commands(control_plane.kubeconfig, tmp_path)


def test_what_the_readme_tells_to_type_works(typed: Commands, controller: Controller, namespace: str) -> None:
    """In its order, in the test's namespace; `make` and `run` are stood for by this test run and its controller."""
    applied = typed.kubectl("apply", "-n", namespace, "-f", "-", stdin=MANIFEST)
    assert (applied.code, applied.err) == (0, "")
    ran: list[str] = []
    for program, *words in commands("\n".join(f"    {line}" for line in blocks(SECTION))):
        name = Path(program).name
        ran.append(" ".join([name, words[0]]))
        if name == "make" or words[0] == "run":
            continue
        answer = (
            typed.controller(*words, *(("-n", namespace) if words[0] == "explain" else ()))
            if name == "kaspr-controller"
            else typed.kubectl(*words, "-n", namespace)
        )
        assert answer.code in EXIT_CODES.get(words[0], {0}), (words, answer)
    assert ran == [
        "make setup",
        "kubectl apply",
        "kaspr-controller run",
        "kubectl wait",
        "kubectl get",
        "kaspr-controller validate",
        "kaspr-controller render",
        "kaspr-controller diff",
        "kaspr-controller explain",
    ]


def test_its_manifest_becomes_what_it_says(typed: Commands, controller: Controller, namespace: str) -> None:
    """Both objects Ready, the code mounted as it is written in the README."""
    assert typed.kubectl("apply", "-n", namespace, "-f", "-", stdin=MANIFEST).code == 0
    waited = typed.kubectl(
        "wait", "-n", namespace, "--for=condition=Ready", "--timeout=40s", "kaspr", "--all"
    )
    assert waited.code == 0, waited.err
    assert len(waited.out.splitlines()) == len(list(yaml.safe_load_all(MANIFEST)))
    mounted = typed.kubectl("get", "configmap", "greet-agent", "-n", namespace, "-o", "json")
    definition = json.loads(json.loads(mounted.out)["data"]["greet-agent.yaml"])
    (operation,) = definition["agents"][0]["processors"]["operations"]
    assert operation["map"]["python"] == 'def greet(name):\n    return f"hello {name}"\n'

"""The commands of the pages about operation, on a real API server, with an app on a simulated node.

What asks a kubelet (logs, a pod's own port) is left to the cluster of tests/e2e, and so is what waits for pods of the controller,
which runs here as a process beside the cluster.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hack.nodesim.simulator import NodeSimulator
from kaspr_controller.kube.kinds import NAMESPACE as NAMESPACES
from tests.chart.rendering import ROOT, Chart
from tests.integration.fixtures import shop
from tests.integration.fixtures.commands import Commands
from tests.integration.fixtures.controller import Controller
from tests.integration.waiting import eventually
from tests.unit.test_documentation import blocks, commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.controlplane.cluster import ControlPlane
    from tests.integration.fixtures.oracle import Kube

DOCS = ROOT / "docs"
RUNBOOKS = sorted(path for path in (DOCS / "runbooks").glob("*.md") if path.stem != "README")
SYSTEM = "kaspr-system"
RELEASE = "kaspr-controller"
NAMES = {"NAMESPACE": "default", "NAME": "shop"}
NO_KUBELET = re.compile(r"kubectl (logs|top|rollout status|port-forward|get --raw \S*/proxy/)")
PAIRS = {"diff": {0, 1}}
"""Exit codes that mean something: `diff` has 1 when it has something to show."""


@pytest.fixture(scope="module")
def operated(
    control_plane: ControlPlane, kube: Kube, chart: Chart, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Commands]:
    """The chart is installed, and an app runs in the namespace `default`, with an agent of the same name."""
    folder = tmp_path_factory.mktemp("pages")
    chart.run("upgrade", "--install", RELEASE, str(chart.folder), *_place(), "--take-ownership")
    eventually(lambda: kube.request("GET", shop.AGENT.collection()), what="CRDs served")
    with (
        NodeSimulator(control_plane.kubeconfig),
        Controller(control_plane.kubeconfig, folder, namespace="default"),
    ):
        kube.create(shop.app("default"), shop.APP)
        kube.create(shop.agent("default", "shop"), shop.AGENT)
        typed = Commands(control_plane.kubeconfig, folder)
        ready = ("wait", "--for=condition=Ready", "kasprapp/shop", "-n", "default", "--timeout=60s")
        answer = typed.kubectl(*ready)
        assert answer.code == 0, answer
        yield typed
        kube.delete(shop.APP, "default", "shop")
        kube.delete(shop.AGENT, "default", "shop")
    chart.run("uninstall", RELEASE, "--namespace", SYSTEM)
    kube.delete(NAMESPACES, "", SYSTEM)


def _place() -> tuple[str, ...]:
    return ("--namespace", SYSTEM, "--create-namespace")


def told(path: Path) -> list[list[str]]:
    """The commands of a page, with names for its placeholders; those for a kubelet are left out."""
    found = []
    for words in commands(path.read_text("utf-8")):
        named = [_named(word) for word in words]
        # A name alone, as in "`kubectl apply` is refused", is no command.
        if len(words) > 2 and not NO_KUBELET.match(shlex.join(named)):
            found.append(named)
    return found


def _named(word: str) -> str:
    for placeholder, name in NAMES.items():
        word = re.sub(rf"\b{placeholder}\b", name, word)
    return word


def run(typed: Commands, words: list[str]) -> None:
    """One command; what kubectl deletes or waits for must not hold the test up."""
    program = Path(words[0]).name
    if "|" in words:
        words = words[: words.index("|")]
    answer = typed.controller(*words[1:]) if program == RELEASE else typed.kubectl(*words[1:])
    assert answer.code in PAIRS.get(words[1], {0}), (shlex.join(words), answer)


def _deletes(text: str) -> tuple[bool, str]:
    return " delete " in text, text


EVERY: dict[str, list[str]] = {shlex.join(words): words for path in RUNBOOKS for words in told(path)}


ORDERED: list[str] = sorted(EVERY, key=_deletes)


@pytest.mark.parametrize("text", ORDERED)
def test_commands_of_runbooks(typed_in: Commands, text: str) -> None:
    """Each of them once, those that delete something last."""
    run(typed_in, EVERY[text])


@pytest.fixture
def typed_in(operated: Commands, kube: Kube) -> Commands:
    """With what a command may name: a lease of the controller, which runs here without one."""
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    kube.apply({**lease, "metadata": {"name": RELEASE, "namespace": SYSTEM}})
    return operated


@pytest.mark.parametrize("name", ["observe", "troubleshoot"])
def test_commands_of_pages(operated: Commands, chart: Chart, name: str, monitoring: None) -> None:
    """In their order; helm's too."""
    path = DOCS / f"{name}.md"
    for line in blocks(path.read_text("utf-8")):
        if line.startswith("helm "):
            helm(chart, line)
    for words in told(path):
        run(operated, words)


def test_commands_about_the_chart(operated: Commands, chart: Chart, kube: Kube, tmp_path: Path) -> None:
    """The page about upgrades, and what the page about installation says of values: accepted, and with its effect."""
    page = (DOCS / "install.md").read_text("utf-8").partition("\n## With Helm\n")[2].partition("\n## ")[0]
    values = tmp_path / "values.yaml"
    values.write_text(page.partition("```yaml\n")[2].partition("```")[0])
    lines = [line for line in blocks(page) if line.startswith("helm ")]
    assert [line.split()[1] for line in lines] == ["install", "status", "upgrade"]
    install = shlex.split(lines[0])
    assert [*install[:4], *install[4:6]] == [
        "helm",
        "install",
        RELEASE,
        "charts/kaspr-controller",
        "-n",
        SYSTEM,
    ]
    for line in lines[1:]:
        helm(chart, line.replace("values.yaml", str(values)))
    for line in blocks((DOCS / "upgrade.md").read_text("utf-8")):
        if line.startswith("helm "):
            helm(chart, line)
    for words in told(DOCS / "upgrade.md"):
        if words[1] != "apply":  # over the chart's objects it would be a fight; tested with the manifests
            run(operated, words)


def helm(chart: Chart, line: str) -> None:
    """One command of helm, as it is typed in the root of the project."""
    done = subprocess.run(
        [chart.helm, *shlex.split(re.sub(r"\s+#.*", "", line))[1:]],
        cwd=ROOT,
        env=dict(chart.environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (line, done.stderr)

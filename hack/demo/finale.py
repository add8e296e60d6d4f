"""The end of the demo: where to look on, and what to say when it failed.

In: a `Stage`, maybe the error. Out: lines on the screen. Main thread only.
"""

from __future__ import annotations

import shlex
import shutil
import traceback
from collections.abc import Iterator

from hack.controlplane.assets import AssetsError
from hack.controlplane.processes import ProgramError
from hack.demo.stage import NAMESPACE, ROOT, Stage
from hack.demo.world import Raw, Stuck

DOCUMENTS = {
    "README.md": "what this is and how to install it",
    "docs/reference/api.md": "every field of the custom resources",
    "docs/design/README.md": "why it works as it does",
    "examples/": "what was applied here",
    "hack/demo/": "this demo",
}
KEPT_LOG = ROOT / ".cache" / "demo-controller.log"
LOG_LINES = 30


def stop_controller(stage: Stage) -> None:
    """SIGTERM ends the controller at once and cleanly."""
    stage.voice.scene("The end")
    code, seconds = stage.running.stop()
    if code != 0:
        raise Stuck(f"the controller ended with exit code {code} after SIGTERM, {seconds:.1f} s later")
    stage.voice.say(f"SIGTERM: the controller ended after {seconds:.1f} s with exit code 0.")


def where_to_look() -> str:
    """The documents."""
    width = max(map(len, DOCUMENTS))
    return "\n".join(["Where to look:", *(f"  {path:<{width}}  {text}" for path, text in DOCUMENTS.items())])


def how_to_go_on(stage: Stage) -> str:
    """Commands for a second terminal, while everything runs on."""
    lines = [
        "Everything runs on. In another terminal:",
        f"  export KUBECONFIG={shlex.quote(str(stage.plane.kubeconfig))}",
    ]
    if shutil.which("kubectl") is None:
        lines.append(f"  alias kubectl={shlex.quote(str(stage.plane.kubectl))}")
    lines += [
        f"  kubectl get kaspr -n {NAMESPACE}",
        f"  kubectl get statefulsets,pods,configmaps -n {NAMESPACE}",
        f"  kubectl edit kaspragents -n {NAMESPACE}            # and watch the lines here",
        f"  kubectl get events -n {NAMESPACE}",
        "  kubectl explain kaspragent.spec.input",
        f"  tail -f {stage.running.log}",
        f"  curl http://127.0.0.1:{stage.running.port}/metrics",
        f"  curl {stage.simulator.control_url}/members         # what the simulated members do",
        "Ctrl-C ends it and leaves nothing behind.",
    ]
    return "\n".join(lines)


def report(error: Exception, stage: Stage) -> None:
    """What was awaited, the conditions of what is not Ready, and the end of the controller's log."""
    expected = isinstance(error, Stuck | ProgramError | AssetsError)
    text = str(error) if expected else "".join(traceback.format_exception(error))
    stage.voice.say(f"\nThe demo failed: {text}", "bad")
    lines = list(conditions(stage.world.custom()))
    if lines:
        stage.voice.say("\nConditions:")
        stage.voice.block("\n".join(lines))
    if stage.controller is not None:
        KEPT_LOG.parent.mkdir(exist_ok=True)
        shutil.copyfile(stage.controller.log, KEPT_LOG)
        stage.voice.say(f"\nThe end of the controller's log; all of it is in {KEPT_LOG}:")
        stage.voice.block(stage.controller.tail(LOG_LINES))


def conditions(objects: list[Raw]) -> Iterator[str]:
    """A line for each custom resource and each of its conditions."""
    for obj in objects:
        status = obj.get("status") or {}
        generations = (
            f"generation {obj['metadata'].get('generation')}, seen {status.get('observedGeneration')}"
        )
        yield f"{obj['kind']} {obj['metadata']['name']}: {generations}"
        for one in status.get("conditions") or ():
            yield f"  {one['type']}={one['status']} {one['reason']}: {one.get('message', '')}"

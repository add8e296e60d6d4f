"""The examples of the project, as they are, in a cluster.

Rule: what the README tells to apply becomes Ready. Only what a cluster brings along is given: a broker under the name that the
examples use, and a mirror with the image that the controller chooses.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hack.kind.running import run
from kaspr_controller.desired.app.versions import REPOSITORY
from tests.e2e import images
from tests.e2e.running import preparing
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from tests.e2e.running.stage import Stage

EXAMPLES = Path(__file__).parents[3] / "examples"
MIRROR = "mirror.example"
READY_SECONDS = 180
BROKER: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "kafka"},
    "spec": {"type": "ExternalName", "externalName": preparing.INSIDE.partition(":")[0]},
}


def test_the_examples_become_ready(stage: Stage) -> None:
    """Purpose: `kubectl apply -f examples/`, then `kubectl wait --for=condition=Ready kasprapp --all`.

    Every kind of definition is loaded, the volume is of the cluster's default class, and a product that is sent to the agents' topic
    comes out of the web view, with what the table's agent adds.
    """
    mirrored = f"{MIRROR}/{REPOSITORY}:{images.RUNTIME_VERSION}"
    run(["docker", "tag", stage.image, mirrored])
    stage.cluster.load(mirrored)
    preparing.settings(stage.kube, KASPR_IMAGE_REGISTRY=MIRROR)
    stage.cluster.apply(stage.namespace, BROKER)
    in_it = f"--namespace={stage.namespace}"
    stage.cluster.kubectl("apply", in_it, "-f", str(EXAMPLES))
    wait = ["wait", in_it, "--for=condition=Ready", f"--timeout={READY_SECONDS}s"]
    stage.cluster.kubectl(*wait, "kasprapp", "--all", timeout=READY_SECONDS + 10)
    stage.cluster.kubectl(*wait, "kaspr", "--all", timeout=READY_SECONDS + 10)
    listed = json.loads(stage.cluster.kubectl("get", in_it, "pods", "--output=json"))["items"]
    (pod,) = listed
    assert pod["spec"]["containers"][0]["image"] == mirrored
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    assert {"orders", "products"} <= stage.actives("shop-app-0").keys()
    stage.kafka.send("products", {"id": "p-1", "price": "2.50"}, key="p-1")
    stage.kafka.flush()
    shown = {"id": "p-1", "price": "2.50", "cents": 250}
    eventually(lambda: stage.ask("shop-app-0", "/products/p-1") == shown, timeout=30)

"""A Secret that an app names is replaced: one rolling restart, on a real API server, without a list or watch of Secrets."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from kaspr_controller.kube.kinds import POD, SECRET, STATEFUL_SET
from tests.integration.fixtures import shop
from tests.integration.fixtures.scraping import quiet
from tests.integration.fixtures.watching import apply, await_ready, revisions
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from tests.integration.fixtures.controller import Controller
    from tests.integration.fixtures.oracle import Kube

HIDDEN = "open sesame"


def test_a_replaced_secret_restarts_the_members_once(
    controller: Controller, kube: Kube, namespace: str
) -> None:
    """F19: noticed also by a controller that was not there; its content is in no object, status or log of ours."""
    meta = {"name": "token", "namespace": namespace}
    kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"k": "old"}})
    variable = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "k"}}}
    app = shop.app(namespace, replicas=2, template={"kasprContainer": {"env": [variable]}})
    app["metadata"]["annotations"] = {"kaspr.io/restart-on-secret-change": "true"}
    apply(kube, app, shop.agent(namespace, "enrich"))
    await_ready(kube, namespace)

    def seen() -> object:
        live = kube.get(STATEFUL_SET, namespace, "shop-app")
        return live["metadata"]["annotations"].get("kaspr.io/references-seen")

    eventually(seen, timeout=30)
    quiet(controller)
    before = {pod["metadata"]["uid"] for pod in kube.list_objects(POD, namespace)}
    known = revisions(kube, namespace)
    controller.kill()
    kube.patch(SECRET, namespace, "token", {"stringData": {"k": HIDDEN}})
    controller.start()

    def replaced() -> None:
        pods = kube.list_objects(POD, namespace)
        assert len(pods) == 2
        assert not before & {pod["metadata"]["uid"] for pod in pods}

    eventually_holds(replaced, timeout=60)
    await_ready(kube, namespace)
    quiet(controller)
    assert revisions(kube, namespace) == known + 1
    ours = [item for kind in (shop.APP, STATEFUL_SET) for item in kube.list_objects(kind, namespace)]
    told = json.dumps(ours) + controller.log.read_text(errors="replace")
    assert HIDDEN not in told
    assert base64.b64encode(HIDDEN.encode()).decode() not in told

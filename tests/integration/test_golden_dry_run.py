"""Everything that is rendered is accepted by a real API server, with strict field validation, by server-side apply."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.kube.client import Client
from kaspr_controller.kube.credentials import from_kubeconfig
from kaspr_controller.kube.errors import ApiError
from kaspr_controller.kube.transport import HttpTransport
from tests.fakes.clock import FakeClock
from tests.unit.desired.cases import Case, cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.controlplane.cluster import ControlPlane

CASES = cases()
FEATURES = sorted({case.folder.parent.name for case in CASES})


@pytest.fixture(scope="module")
def client(control_plane: ControlPlane) -> Iterator[Client]:
    """The program's own client: its bytes are what the server will see."""
    transport = HttpTransport(from_kubeconfig(control_plane.kubeconfig, None))
    yield Client(transport, clock=FakeClock(), rng=random.Random(1))  # noqa: S311 - jitter
    transport.close()


@pytest.mark.parametrize("feature", FEATURES)
def test_the_api_server_accepts_every_golden_object(client: Client, namespace: str, feature: str) -> None:
    """No duplicate list keys, no unknown field, no value out of range: what a unit test cannot know."""
    rendered = [(case, case.render()) for case in CASES if case.folder.parent.name == feature]
    refused = [
        f"{case.name}: {refusal}"
        for case, bundle in rendered
        for intent in bundle.intents
        if (refusal := refusal_of(client, namespace, intent.obj, case))
    ]
    assert not refused
    assert all(bundle.intents or bundle.refused for _, bundle in rendered)


def refusal_of(client: Client, namespace: str, obj: Any, case: Case) -> str:
    """What the server has against an object or did to its content, "" for nothing."""
    moved = {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}
    name = f"{moved['kind']} {moved['metadata']['name']}"
    try:
        stored = client.apply(moved, dry_run=True, field_validation="Strict")
    except ApiError as error:
        return f"{name}: {error}"
    return "" if stored.get("data") == moved.get("data") else f"{name}: other data is stored than was sent"

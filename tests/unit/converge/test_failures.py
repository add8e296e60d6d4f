"""What becomes of requests that fail: one entry each, and nobody else is kept from being written."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.kube.errors import (
    ApiError,
    ConnectionLost,
    Forbidden,
    Invalid,
    Malformed,
    NotLeading,
    QuotaExceeded,
    ServerError,
    Timeout,
)
from kaspr_controller.kube.kinds import ObjectKey, key_of
from kaspr_controller.telemetry import metrics
from tests.unit.converge.objects import children, config_map, edited, service, stateful_set
from tests.unit.converge.world import World

_A = config_map("a", {"x": "1"})
_KEY = key_of(_A)


def test_one_refused_child_does_not_stop_the_others() -> None:
    """D16: a PVC that cannot be grown blocked the autoscaler, the workload and the status."""
    world = World()
    wanted = children()
    bad = key_of(wanted[7].obj)
    world.server.faults["apply", bad] = [Invalid("spec.ports: nonsense", status=422, reason="Invalid")]
    changes = world.converge(*wanted)
    assert [entry.outcome for entry in changes].count("created") == 10
    entry = changes.get(bad)
    assert entry is not None
    assert (entry.outcome, entry.reason, entry.category) == ("refused", "Invalid", "terminal")
    assert entry.message == "spec.ports: nonsense"
    assert not changes.complete


def test_a_replaced_object_is_not_overwritten() -> None:
    """The UID goes with the request: between cache and server the name may have changed hands."""
    world = World()
    world.converge(_A)
    world.sync()
    world.server.vanish(_KEY)
    theirs = world.server.put({**_A, "metadata": {"name": "a", "namespace": "shop"}})
    entry = world.converge(edited(_A, "data", "x", to="2")).entries[0]
    assert (entry.outcome, entry.reason, entry.category) == ("waiting", "Replaced", "transient")
    assert world.live(_A) == theirs


def test_a_deleted_object_is_not_created_by_a_late_write() -> None:
    """The same for a name that belongs to nobody now: the next pass decides with a fresh cache."""
    world = World()
    world.converge(_A)
    world.sync()
    world.server.vanish(_KEY)
    assert world.outcomes(edited(_A, "data", "x", to="2")) == ["waiting"]
    assert world.server.objects == {}


@pytest.mark.parametrize(
    ("error", "outcome", "category"),
    [
        (Malformed("duplicate entries for key", status=500), "refused", "terminal"),
        (QuotaExceeded("exceeded quota: small", status=403), "refused", "wait"),
        (Forbidden('admission webhook "x" denied the request: no', status=403), "refused", "wait"),
        (ServerError("boom", status=503, retry_after=7.0), "failed", "transient"),
        (Timeout("no answer"), "failed", "transient"),
    ],
)
def test_an_error_becomes_an_entry_with_the_words_of_the_server(
    error: ApiError, outcome: str, category: str
) -> None:
    """How to go on comes from the error's class, the message from the server, the wait from Retry-After."""
    world = World()
    world.server.faults["apply", _KEY] = [error]
    before = metrics.APPLIES.labels("ConfigMap", "error")._value.get()
    entry = world.converge(_A).entries[0]
    assert (entry.outcome, entry.category, entry.message) == (outcome, category, error.message)
    assert entry.after == error.retry_after
    assert metrics.APPLIES.labels("ConfigMap", "error")._value.get() == before + 1


@pytest.mark.parametrize(
    ("intent", "message", "hint"),
    [
        (service("a"), "spec.clusterIPs[0]: may not change once set", "kubectl delete service a -n shop"),
        (
            stateful_set(),
            "updates to statefulset spec for fields other than 'replicas'",
            "kubectl delete statefulset demo-app -n shop --cascade=orphan",
        ),
    ],
)
def test_an_immutable_field_is_refused_with_a_way_out(
    intent: dict[str, Any], message: str, hint: str
) -> None:
    """S7: never deleted and recreated without being told; the entry says what a user can do."""
    world = World()
    world.converge(intent)
    world.server.faults["apply", key_of(intent)] = [Invalid(message, status=422, reason="Invalid")]
    entry = world.converge(edited(intent, "metadata", "labels", "new", to="x")).entries[0]
    assert (entry.outcome, entry.category) == ("refused", "terminal")
    assert hint in entry.message


def test_a_silent_server_is_asked_once() -> None:
    """A pass over many objects must not wait for each of them; what needs no request is still told."""
    world = World()
    world.converge(_A)
    world.server.requests.clear()
    names = ["b", "c", "d"]
    world.server.faults["get", ObjectKey("ConfigMap", "shop", "b")] = [ConnectionLost("gone")]
    changes = world.converge(*(config_map(name, {}) for name in names), _A, edited(_A, "data", "x", to="2"))
    assert [entry.outcome for entry in changes] == ["failed", "failed", "failed", "unchanged", "failed"]
    assert len(world.server.requests) == 1
    assert {entry.category for entry in changes.problems} == {"transient"}


def test_losing_the_lease_ends_the_pass() -> None:
    """L4: the one error that is no entry: whoever does not lead has nothing to report."""
    world = World()
    world.server.faults["apply", _KEY] = [NotLeading("not sent")]
    with pytest.raises(NotLeading):
        world.converge(_A, config_map("b", {}))
    assert world.server.objects == {}

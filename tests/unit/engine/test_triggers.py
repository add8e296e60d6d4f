"""The trigger table: which change queues which key, and how urgently."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kaspr_controller.engine.changes import Change
from kaspr_controller.engine.journal import Journal
from kaspr_controller.engine.triggers import Trigger, TriggerTable
from kaspr_controller.kube.kinds import POD, SERVICE, ObjectKey
from kaspr_controller.telemetry import metrics
from tests.fakes.clock import FakeClock

THING = ObjectKey("Pod", "ns", "a")


class Queue:
    def __init__(self) -> None:
        self.keys: list[tuple[ObjectKey, int]] = []

    def add(self, key: ObjectKey, priority: int = 0) -> None:
        self.keys.append((key, priority))


def thing(version: str = "1") -> dict[str, Any]:
    return {"metadata": {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": version}}


def itself(change: Change, stores: dict[str, Any]) -> Iterable[ObjectKey]:
    return (change.key, ObjectKey("Seen", "", stores["name"]))


def always(change: Change) -> bool:
    return True


def never(change: Change) -> bool:
    return False


def table(queue: Queue, *triggers: Trigger) -> TriggerTable:
    return TriggerTable(triggers, stores={"name": "x"}, queue=queue)


def test_a_matching_row_queues_its_keys_with_its_priority() -> None:
    """E1: source, predicate and map decide; the map gets the stores."""
    queue = Queue()
    table(queue, Trigger(POD, always, itself, -50)).handle(Change(THING, None, thing()))
    assert queue.keys == [(THING, -50), (ObjectKey("Seen", "", "x"), -50)]


def test_other_sources_and_failed_predicates_queue_nothing() -> None:
    """A row is silent about what it does not name."""
    queue = Queue()
    table(queue, Trigger(SERVICE, always, itself), Trigger(POD, never, itself)).handle(
        Change(THING, None, thing())
    )
    assert queue.keys == []


def test_what_a_first_list_brings_is_queued_behind_users() -> None:
    """C4: initial adds and unchanged re-deliveries get priority -100."""
    queue = Queue()
    rows = table(queue, Trigger(POD, always, itself))
    rows.handle(Change(THING, None, thing(), initial=True))
    rows.handle(Change(THING, thing(), thing()))
    assert {priority for _, priority in queue.keys} == {-100}


def test_the_table_explains_itself() -> None:
    """E1: one row a line, with the names of predicate and map."""
    text = table(Queue(), Trigger(POD, always, itself, -50)).explain()
    assert text.split() == ["Pod", "always", "->", "itself", "(priority", "-50)"]


def broken(change: Change) -> bool:
    raise RuntimeError("a bug")


def test_a_row_that_raises_costs_itself_only() -> None:
    """The rows after it still queue their keys, and the failure is counted."""
    queue, counted = Queue(), metrics.HANDLER_ERRORS.labels("Pod", "Pod.broken")._value
    before = counted.get()
    table(queue, Trigger(POD, broken, itself), Trigger(POD, always, itself)).handle(
        Change(THING, None, thing())
    )
    assert queue.keys[0] == (THING, 0)
    assert counted.get() - before == 1


def test_the_journal_says_why() -> None:
    """O2: which row of which object queued a key; the first list is left out, it would only say that we started."""
    queue, journal = Queue(), Journal(FakeClock())
    rows = TriggerTable([Trigger(POD, always, itself)], stores={"name": "x"}, queue=queue, journal=journal)
    rows.handle(Change(THING, None, thing(), initial=True))
    rows.handle(Change(THING, thing("1"), thing("2")))
    assert [line.text for line in journal.read(THING)] == ["queued by Pod.always of Pod/ns/a"]

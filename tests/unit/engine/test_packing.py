"""Packing: what goes in comes out, small, and as a copy of its own."""

from __future__ import annotations

import threading
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from kaspr_controller.engine.packing import Packer, unpacked_once

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=5), min_size=1, max_size=12))
def test_every_object_survives(objects: list[dict[str, Any]]) -> None:
    """Any JSON comes back equal, before and after the dictionary was learned."""
    packer = Packer()
    packed = [packer.pack(obj) for obj in objects]
    assert [each.unpack() for each in packed] == objects


def service(number: int) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"orders-{number}",
            "uid": f"{number * 7919:032x}",
            "labels": {"kaspr.io/name": f"orders-{number}"},
        },
        "spec": {
            "ports": [{"name": "http", "port": 6065, "protocol": "TCP"}],
            "clusterIP": f"10.0.0.{number}",
            "type": "ClusterIP",
        },
    }


def test_the_dictionary_is_learned_from_the_kind() -> None:
    """Objects of one kind repeat each other: after eight of them, the next takes less than half of its JSON."""
    packer = Packer()
    first = [packer.pack(service(number)) for number in range(8)]
    later = packer.pack(service(9))
    assert len(later.data) < len(to_json(service(9))) / 2
    assert len(later.data) < len(first[0].data)
    assert first[0].unpack() == service(0)


def test_the_dictionary_is_shared_and_bounded() -> None:
    """A megabyte object does not make a megabyte dictionary, and each object only refers to it."""
    packer = Packer()
    for number in range(8):
        packer.pack({"data": {"text": f"{number}" * 200_000}})
    one, two = packer.pack({"a": 1}), packer.pack({"b": 2})
    assert one.dictionary is two.dictionary
    assert len(one.dictionary) <= 12 * 1024


def test_a_reader_cannot_damage_what_is_stored() -> None:
    """C5: every read is a copy."""
    packed = Packer().pack({"spec": {"replicas": 3}})
    packed.unpack()["spec"]["replicas"] = 99
    assert packed.unpack() == {"spec": {"replicas": 3}}


def test_a_run_unpacks_each_state_once() -> None:
    """Within a run the same state is the same object, another state is not, and the next run begins anew."""
    packer = Packer()
    one, two = packer.pack({"spec": {"replicas": 3}}), packer.pack({"spec": {"replicas": 4}})
    with unpacked_once() as seen:
        first = one.read()
        assert one.read() is first
        assert two.read() == {"spec": {"replicas": 4}}
        assert len(seen) == 2
    with unpacked_once():
        assert one.read() is not first


def test_outside_of_a_run_nothing_is_shared() -> None:
    """An informer's handler, and another thread's run, get copies of their own."""
    packed, found = Packer().pack({"a": 1}), list[object]()
    assert packed.read() is not packed.read()
    with unpacked_once():
        mine = packed.read()
        thread = threading.Thread(target=lambda: found.append(packed.read()))
        thread.start()
        thread.join()
    assert found == [mine]
    assert found[0] is not mine


def test_threads_may_pack_at_once() -> None:
    """Informer and workers share a packer while it learns."""
    packer, failed = Packer(), list[int]()
    barrier = threading.Barrier(4)

    def run(offset: int) -> None:
        barrier.wait(5)
        for number in range(offset, offset + 100):
            if packer.pack(service(number)).unpack() != service(number):
                failed.append(number)

    threads = [threading.Thread(target=run, args=(offset,)) for offset in range(0, 400, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert not failed

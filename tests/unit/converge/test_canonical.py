"""The hash of an intent, amounts in every spelling, and the body that is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.converge.canonical import (
    HASH_ANNOTATION,
    body_of,
    hash_of,
    quantity,
    same_quantity,
    without_nulls,
)
from tests.unit.converge.objects import config_map, edited, stateful_set


def test_the_order_of_members_does_not_count() -> None:
    """S1: the same intent rendered in another order has the same hash."""
    intent = stateful_set()
    turned = {name: intent[name] for name in reversed(intent)}
    turned["spec"] = {name: intent["spec"][name] for name in reversed(intent["spec"])}
    assert hash_of(turned) == hash_of(intent)


def test_every_field_counts() -> None:
    """S1: a field that is added, changed or taken out gives another hash."""
    intent = config_map("a", {"x": "1", "y": "2"})
    variants = [
        edited(intent, "data", "x", to="3"),
        edited(intent, "data", "y", to=None),
        edited(intent, "data", "z", to="4"),
        edited(intent, "metadata", "labels", "kaspr.io/app", to="other"),
    ]
    assert len({hash_of(each) for each in [intent, *variants]}) == 5


def test_nulls_and_our_own_annotation_do_not_count() -> None:
    """A null is no wish, and a hash that covers itself would never settle (the predecessor's self-referential hash)."""
    intent = config_map("a", {"x": "null and void"})
    with_null = edited(edited(intent, "data", "y", to=0), "data", "y", to=[])
    with_null["data"]["y"] = None
    assert hash_of(with_null) == hash_of(intent)
    signed = body_of(intent, hash_of(intent), None)
    assert signed["metadata"]["annotations"] == {HASH_ANNOTATION: hash_of(intent)}
    assert hash_of(signed) == hash_of({**intent, "metadata": {**intent["metadata"], "annotations": {}}})


def test_the_body_carries_hash_and_uid_and_no_nulls() -> None:
    """What is sent: the intent, its hash on the object, the incarnation it is meant for; never in the pod template."""
    intent = stateful_set()
    intent["spec"]["replicas"] = None
    body = body_of(intent, "abc", "u1")
    assert body["metadata"]["annotations"] == {HASH_ANNOTATION: "abc"}
    assert body["metadata"]["uid"] == "u1"
    assert "replicas" not in body["spec"]
    assert body["spec"]["template"] == intent["spec"]["template"]
    assert "uid" not in intent["metadata"], "the intent was edited"
    assert "uid" not in body_of(intent, "abc", None)["metadata"]


def test_nulls_go_away_at_every_depth() -> None:
    """Members that are null are left out, items of lists stay."""
    assert without_nulls({"a": None, "b": [{"c": None, "d": 1}], "e": {"f": None}}) == {
        "b": [{"d": 1}],
        "e": {},
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1024Mi", "1Gi"),
        ("1000m", "1"),
        (1, "1"),
        (0.5, "500m"),
        ("1e3", "1k"),
        ("1E3", "1000"),
        ("1E", "1000P"),
        (".5G", "500M"),
        ("0.0001", "1m"),
        ("100n", "1m"),
        ("1500000Ki", "1536000000"),
        ("-1000m", "-1"),
        ("5.", "5"),
        ("0", "0Gi"),
        ("12e-1", "1200m"),
    ],
)
def test_equal_amounts(one: str | float, other: str | float) -> None:
    """Amounts are compared by value, to the thousandth that the server keeps."""
    assert same_quantity(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1Gi", "1G"),
        ("1", "2"),
        ("1m", "2m"),
        ("1", "-1"),
        ("", "0"),
        ("x", "x1"),
        ("1Kb", "1K"),
        ("1e999999999", "1"),
    ],
)
def test_different_amounts(one: str, other: str) -> None:
    """What is no amount equals nothing, and a hostile exponent costs nothing."""
    assert not same_quantity(one, other)


@given(st.integers(0, 10**12), st.sampled_from(["", "k", "M", "Ki", "Mi", "Gi"]))
def test_an_amount_is_its_number_times_its_suffix(number: int, suffix: str) -> None:
    """Whole amounts are exact, however large."""
    factor = {"": 1, "k": 1000, "M": 10**6, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}[suffix]
    assert quantity(f"{number}{suffix}") == number * factor * 1000

"""One spelling for what can be spelt in several ways: the hash of an intent, and amounts.

In: the intent as rendered. Out: its hash (rule S1), the body that is sent, numbers for quantities. Called by `applying`,
`planning` and `covering` on worker threads; pure. Invariant: two intents that ask the server for the same thing in the
same words have the same hash, whatever the order of their members.
"""

from __future__ import annotations

import functools
import json
import re
from fractions import Fraction
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kaspr_controller.kube.kinds import Raw

HASH_ANNOTATION: Final = "kaspr.io/desired-hash"
"""On every object this program writes: the hash of the intent it was written from. It tells that a field was taken out
of the intent, which a comparison of fields cannot see. On a StatefulSet it stands on the object, never in the template,
where it would restart the members."""

_HASH_BYTES = 16
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode

_QUANTITY = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?\Z")
_SUFFIXES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", 1)},
    **{suffix: Fraction(1024**power) for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
_LONGEST_QUANTITY = 64
_MILLI = 1000


def hash_of(intent: Raw) -> str:
    """32 hexadecimal digits over the intent; its own annotation and members that are null do not count."""
    if HASH_ANNOTATION in (intent["metadata"].get("annotations") or ()):
        intent = with_annotations(intent, None)
    text = _encode(intent)
    # A null in a map. The documents in ConfigMaps have a space there, so their intents are not encoded twice.
    if '":null' in text:
        text = _encode(without_nulls(intent))
    return blake2b(text.encode(), digest_size=_HASH_BYTES).hexdigest()


def body_of(intent: Raw, desired_hash: str, uid: str | None) -> dict[str, Any]:
    """What is sent for an intent: with its hash, without nulls, and with the UID of the object it is meant for.

    A UID makes the request fail where the object was deleted or replaced meanwhile: an apply would otherwise create it
    again, or take over its successor. Nulls are left out because the server takes them for values: a null in a map of
    texts is stored as an empty text, and `replicas: null` takes the field from the autoscaler.
    """
    body = with_annotations(without_nulls(intent), desired_hash)
    if uid is not None:
        body["metadata"]["uid"] = uid
    return body


def with_annotations(intent: Raw, desired_hash: str | None) -> dict[str, Any]:
    """The intent with the hash annotation set, or taken out; shares everything else."""
    meta = intent["metadata"]
    annotations = {
        name: text for name, text in (meta.get("annotations") or {}).items() if name != HASH_ANNOTATION
    }
    if desired_hash is not None:
        annotations[HASH_ANNOTATION] = desired_hash
    return {**intent, "metadata": {**meta, "annotations": annotations}}


def without_nulls(value: Any) -> Any:
    """The value with every null member of a map left out."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def same_quantity(one: Any, other: Any) -> bool:
    """Whether two amounts are equal in whatever spelling: `1024Mi` and `1Gi`, `0.5` and `500m`."""
    amount = quantity(str(one))
    return amount is not None and amount == quantity(str(other))


@functools.lru_cache(maxsize=1024)
def quantity(text: str) -> int | None:
    """An amount in thousandths; None for what is no quantity.

    Rounded away from zero, as the server rounds resources of containers and claims. It keeps finer amounts elsewhere (a
    metric's target); there a new intent is told by its hash, and what somebody edits below a thousandth is left alone.
    """
    match = _QUANTITY.match(text) if len(text) <= _LONGEST_QUANTITY else None
    if match is None:
        return None
    sign, digits, suffix, exponent = match.groups()
    amount = (
        Fraction(digits) * _SUFFIXES.get(suffix, Fraction(1)) * Fraction(10) ** int(exponent or 0) * _MILLI
    )
    rounded = -(-amount.numerator // amount.denominator)
    return -rounded if sign == "-" else rounded

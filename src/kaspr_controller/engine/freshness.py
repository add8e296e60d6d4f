"""Which of two states is newer.

Resource versions are compared by the rules of KEP-5504: decimal numbers of one resource that only grow. Called by stores,
which keep our own writes in front of the watch until it has passed them (rule F2; why nobody waits for that, as rule F1
asks: docs/design/0006-rules-that-do-not-hold.md). Any thread; values only. The invariant: an answer that cannot be given
(a server whose versions are no numbers) never blocks anybody.
"""

from __future__ import annotations


def comparable(version: str) -> bool:
    """Whether a resource version is a number by KEP-5504: digits only, no leading zero, not empty."""
    return version.isascii() and version.isdigit() and version[0] != "0"


def compare(one: str, other: str) -> int:
    """-1, 0 or 1 as `one` is older than, the same as, or newer than `other`.

    Raises:
        ValueError: one of the two is not a number by KEP-5504.
    """
    for version in (one, other):
        if not comparable(version):
            raise ValueError(f"resource version {version!r} cannot be compared")
    first, second = (len(one), one), (len(other), other)
    return (first > second) - (first < second)


def reached(seen: str, wanted: str) -> bool:
    """Whether who has seen `seen` has seen `wanted`; True when nobody can tell."""
    try:
        return compare(seen, wanted) >= 0
    except ValueError:
        return True

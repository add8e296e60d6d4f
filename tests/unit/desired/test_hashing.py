"""Fingerprints: fixed recipes with fixed answers."""

from __future__ import annotations

import pytest

from kaspr_controller.desired import hashing


@pytest.mark.parametrize(
    ("packages", "policy", "expected"),
    [
        (["requests"], None, "705ebf671c1c70ee"),
        (["a", "b"], None, "c943c08732f2b619"),
        (["b", "a"], None, "c943c08732f2b619"),
        (["requests"], {"retries": 3, "timeout": 600, "on_failure": "block"}, "63f011ff27d11c16"),
        (["requests"], {"retries": None, "timeout": None, "on_failure": None}, "705ebf671c1c70ee"),
    ],
)
def test_the_packages_hash_is_the_predecessors(
    packages: list[str], policy: dict[str, object] | None, expected: str
) -> None:
    """Test vectors of contract 4.1: caches that were filled before stay valid."""
    assert hashing.of_packages(packages, install_policy=policy) == expected


def test_every_source_counts_and_order_does_not() -> None:
    """Another index is another set; the order of extra indexes is not."""
    base = hashing.of_packages(["a"], index_url="https://i")
    assert base != hashing.of_packages(["a"])
    one = hashing.of_packages(["a"], extra_index_urls=["https://x", "https://y"], trusted_hosts=["h", "g"])
    two = hashing.of_packages(["a"], extra_index_urls=["https://y", "https://x"], trusted_hosts=["g", "h"])
    assert one == two
    assert hashing.of_packages(["a"], extra_index_urls=[], trusted_hosts=()) == hashing.of_packages(["a"])


def test_files_are_names_and_texts_in_any_order() -> None:
    """Moving text from one file to another changes the hash, the order of a mapping does not."""
    assert hashing.of_files({"a": "1", "b": "2"}) == hashing.of_files({"b": "2", "a": "1"})
    assert hashing.of_files({"a": "1", "b": "2"}) != hashing.of_files({"a": "2", "b": "1"})
    assert hashing.of_files({"a": "1b", "c": ""}) != hashing.of_files({"a": "1", "bc": ""})


def test_hashes_are_sixteen_digits_of_any_text() -> None:
    """Whatever a text holds, it has a fingerprint."""
    for text in ("", "ä€😀", "\ud800"):
        assert len(hashing.of_text(text)) == 16
        assert int(hashing.of_text(text), 16) >= 0

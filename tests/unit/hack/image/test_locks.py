"""What gets into the image: lines of the locks that the tests ran with, and no more than a pod needs."""

from __future__ import annotations

import re

from hack.image import locks


def _names(text: str) -> set[str]:
    return {locks.normal(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}


def test_the_image_has_what_the_program_needs_and_not_the_kubernetes_package() -> None:
    """The closure of the project's requirements; `kubernetes` and what only it needs stay outside."""
    text = locks.files()[locks.HERE / "requirements.lock"]
    assert {"httpx", "httpcore", "h11", "pydantic", "pydantic-core", "structlog", "tenacity"} <= _names(text)
    assert not _names(text) & {"kubernetes", "aiohttp", "requests", "urllib3", "pytest", "hatchling"}


def test_every_entry_of_the_image_is_one_of_the_locks_with_its_hashes() -> None:
    """No version is chosen here: whatever is in the image was in the environment of the tests."""
    whole = (locks.ROOT / "requirements.lock").read_text("utf-8")
    body = locks.files()[locks.HERE / "requirements.lock"].split("\n", 1)[1]
    entries = re.split(r"(?m)^(?=\S)", body)[1:]
    assert len(entries) == len(_names(body)) > 10
    for entry in entries:
        assert entry in whole
        assert "--hash=sha256:" in entry


def test_an_entry_is_chosen_whole_and_by_any_spelling_of_its_name() -> None:
    """Hashes stand on lines of their own; `_`, `-` and capitals make no difference."""
    lock = "A_b==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nc==2\nd==3 \\\n    --hash=sha256:cc\n"
    assert locks.chosen(lock, frozenset({"a-b", "c"})) == lock[: lock.index("d==3")]


def test_the_builder_needs_no_package_without_a_hash() -> None:
    """The wheel of the program is made by hatchling and its requirements from the lock of the developers."""
    names = _names(locks.files()[locks.HERE / "build.lock"])
    assert {"hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers"} == names

"""The version table and the rules about images (contract 7.1, D24)."""

from __future__ import annotations

import pytest

from kaspr_controller.desired.app import versions
from kaspr_controller.desired.problems import Problem

DIGEST = "kasprio/kaspr@sha256:" + "0" * 64


def test_the_table_is_complete() -> None:
    """71 versions, three of them unsupported, two numbers never published."""
    assert len(versions.TAGS) == 71
    assert versions.TAGS.keys() >= versions.UNSUPPORTED
    assert not {"0.11.3", "0.11.10"} & versions.TAGS.keys()


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        (None, "0.11.19"),
        ("", "0.11.19"),
        ("0.11.18", "0.11.18"),
        ("0.10.6", "0.10.6"),
        ("0.10.5", "0.10.5-alpha"),
        ("0.7.5", "0.7.6-alpha"),
        ("0.6.0", "0.6.6-alpha"),
        ("0.5.28", "0.6.5-alpha"),
        ("0.5.20", "0.5.19-alpha"),
        ("0.3.0-dev1", "0.3.0-dev1"),
        ("0.1.0", "0.1.0"),
    ],
)
def test_versions_resolve_to_their_first_row(version: str | None, tag: str) -> None:
    """Several versions run another tag than their own."""
    assert versions.resolve(version, None) == f"kasprio/kaspr:{tag}"


@pytest.mark.parametrize("version", ["0.11.3", "0.1.1", "0.1.2", "0.2.2-alpha", "v0.11.18", "latest"])
def test_other_versions_are_refused(version: str) -> None:
    """Unknown and unsupported ones, with the way out."""
    problem = versions.resolve(version, None)
    assert isinstance(problem, Problem)
    assert (problem.reason, problem.field) == ("UnsupportedVersion", "spec.version")
    assert version in problem.message
    assert "0.11.19" in problem.message


@pytest.mark.parametrize(
    ("image", "registry", "expected"),
    [
        ("kasprio/kaspr:1", "mirror.local/", "mirror.local/kasprio/kaspr:1"),
        ("kaspr:1", "mirror.local:5000/team", "mirror.local:5000/team/kaspr:1"),
        ("ghcr.io/x/kaspr:1", "mirror.local", "ghcr.io/x/kaspr:1"),
        ("localhost/kaspr:1", "mirror.local", "localhost/kaspr:1"),
        ("registry:5000/kaspr", "mirror.local", "registry:5000/kaspr"),
        ("kasprio/kaspr:1", "", "kasprio/kaspr:1"),
        (DIGEST, "mirror.local", f"mirror.local/{DIGEST}"),
    ],
)
def test_a_registry_is_put_before_images_that_name_none(image: str, registry: str, expected: str) -> None:
    """An image that says where it comes from is pulled from there; the version is not looked at (D24, D30)."""
    assert versions.resolve("no-such-version", image, registry=registry) == expected


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("kasprio/kaspr:0.11.18", "0.11.18"),
        ("registry:5000/kaspr", ""),
        ("registry:5000/team/kaspr:0.7.6-alpha", "0.7.6-alpha"),
        (DIGEST, ""),
        ("kaspr:1.2@sha256:00", "1.2"),
    ],
)
def test_the_version_of_an_image_is_its_tag(image: str, version: str) -> None:
    """Neither a registry's port nor a digest is a version."""
    assert versions.version_of(image) == version


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("k:0.11.18", False),
        ("k:0.11.19", True),
        ("k:0.12.0-rc1", True),
        ("k:0.7.6-alpha", False),
        ("k:edge", True),
        ("k", True),
    ],
)
def test_output_topics_are_declared_since_0_11_19(image: str, *, expected: bool) -> None:
    """An unknown tag is not warned about."""
    assert versions.declares_outputs(image) is expected

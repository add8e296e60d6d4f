"""Which container image runs a Kaspr version.

In: `spec.version` and `spec.image`, and the registry that the controller was told to pull from. Out: an image, or the
problem that there is none. The table is the predecessor's (contract 7.1): a version missing from it is refused, because
nobody has tried that runtime with these definitions. Where a version occurred in several rows, the first one counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kaspr_controller.desired.problems import UNSUPPORTED_VERSION, Problem

REPOSITORY = "kasprio/kaspr"
DEFAULT = "0.11.19"
UNSUPPORTED = frozenset({"0.2.2-alpha", "0.1.2", "0.1.1"})

# Version -> tag where they differ in more than the ending; the rows below say the rest.
_ODD_TAGS = {
    "0.7.5": "0.7.6-alpha",
    "0.6.0": "0.6.6-alpha",
    "0.5.28": "0.6.5-alpha",
    "0.5.27": "0.6.5-alpha",
    "0.5.26": "0.6.4-alpha",
    "0.5.25": "0.6.3-alpha",
    "0.5.24": "0.6.2-alpha",
    "0.5.22": "0.6.1-alpha",
    "0.5.21": "0.5.19-alpha",
    "0.5.20": "0.5.19-alpha",
    "0.5.19": "0.5.18-alpha",
    "0.5.18": "0.5.17-alpha",
    "0.5.17": "0.5.16-alpha",
    "0.5.16": "0.5.15-alpha",
    "0.5.15": "0.5.14-alpha",
    "0.5.14": "0.5.13-alpha",
    "0.5.13": "0.5.12-alpha",
}
_SAME_TAG = (
    "0.11.19 0.11.18 0.11.17 0.11.16 0.11.15 0.11.14 0.11.13 0.11.12 0.11.11 0.11.9 0.11.8 0.11.7 0.11.6 0.11.5 "
    "0.11.4 0.11.2 0.10.6 0.3.0-dev1 0.2.2-alpha 0.1.2 0.1.1 0.1.0"
)
_ALPHA_TAG = (
    "0.10.5 0.10.4 0.10.3 0.10.2 0.10.1 0.9.1 0.8.2 0.8.1 0.8.0 0.7.4 0.7.3 0.7.2 0.7.1 0.7.0 0.6.15 0.6.14 0.6.13 "
    "0.6.12 0.6.11 0.6.10 0.6.9 0.6.8 0.6.7 0.5.11 0.5.10 0.5.9 0.5.8 0.5.6 0.5.4 0.5.2 0.5.1 0.4.4"
)

TAGS: Mapping[str, str] = (
    {version: version for version in _SAME_TAG.split()}
    | {version: f"{version}-alpha" for version in _ALPHA_TAG.split()}
    | _ODD_TAGS
)
"""Every known version with the tag of its image, unsupported ones included."""

OUTPUT_DECLARATION_SINCE = (0, 11, 19)
"""The first runtime that reads `declare`, `partitions`, `retention` and the like of an output topic."""

_NUMBERS = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)")


def resolve(version: str | None, image: str | None, *, registry: str = "") -> str | Problem:
    """The image to run.

    Args:
        version: `spec.version`; empty means the default version.
        image: `spec.image`; when set, `version` is not even looked at.
        registry: put before the image unless the image names a registry host itself. (The predecessor prefixed such
            images too, which made them impossible to pull.)
    """
    if image:
        return _prefixed(image, registry)
    wanted = version or DEFAULT
    tag = TAGS.get(wanted)
    if tag is None or wanted in UNSUPPORTED:
        known = "is not supported any more" if tag else "is unknown"
        return Problem(
            UNSUPPORTED_VERSION,
            "spec.version",
            f"version {wanted} {known}: choose another (the newest is {DEFAULT}) or name an image in spec.image",
        )
    return _prefixed(f"{REPOSITORY}:{tag}", registry)


def running(image: str) -> str | None:
    """The version that a live image was made for, None when this program would not have chosen that image."""
    name, _, tag = image.partition("@")[0].rpartition(":")
    if name != REPOSITORY and not name.endswith(f"/{REPOSITORY}"):
        return None
    return next((known for known, of in TAGS.items() if of == tag and known not in UNSUPPORTED), None)


def names_registry(image: str) -> bool:
    """Whether the first part of an image is a registry host, by the rule of the image reference grammar."""
    host, slash, _ = image.partition("/")
    return bool(slash) and ("." in host or ":" in host or host == "localhost")


def version_of(image: str) -> str:
    """The tag of an image, "" when it has none; a registry port and a digest are not taken for one."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]


def declares_outputs(image: str) -> bool:
    """Whether the runtime in an image creates output topics; an image whose tag says nothing gets the benefit of doubt."""
    found = _NUMBERS.match(version_of(image))
    return found is None or tuple(map(int, found.groups())) >= OUTPUT_DECLARATION_SINCE


def _prefixed(image: str, registry: str) -> str:
    prefix = registry.rstrip("/")
    return f"{prefix}/{image}" if prefix and not names_registry(image) else image

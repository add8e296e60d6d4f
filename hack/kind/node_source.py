"""Which node image: the public one, or the one that is built on this machine.

In: the environment, the engine, the network. Out: `NodeImage`. Called by `cluster.py`. One switch,
KASPR_NODE_IMAGE_SOURCE: `public`, `local`, or `auto` (the default), which goes by what is there and what answers.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from hack.kind import engine, node_image, pins
from hack.kind.running import KindError, succeeds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hack.controlplane.sources import Say

SWITCH = "KASPR_NODE_IMAGE_SOURCE"
REGISTRY = "https://registry-1.docker.io/v2/"
ANSWER_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class NodeImage:
    """An image that kind takes as a node, and whether it was built here and so brings its own network."""

    name: str
    local: bool


def choose(say: Say, *, environ: Mapping[str, str] = os.environ, registry: str = REGISTRY) -> NodeImage:
    """The image, which is built if need be; a public one is left to kind to pull.

    Raises:
        KindError: the switch has another value, or the image cannot be built.
    """
    source = environ.get(SWITCH, "auto")
    if source not in {"auto", "public", "local"}:
        raise KindError(f"{SWITCH} is {source!r}; it may be auto, public or local")
    if source == "auto":
        source, reason = _found_out(registry)
        say(f"node image: {source}, because {reason} ({SWITCH} chooses)")
    if source == "public":
        return NodeImage(pins.PUBLIC_NODE_IMAGE, local=False)
    return NodeImage(node_image.build(say), local=True)


def answers(registry: str) -> bool:
    """Whether a container registry can be reached; it asks for a login, which is an answer."""
    try:
        status = httpx.get(registry, timeout=ANSWER_SECONDS).status_code
    except httpx.HTTPError:
        return False
    return status in {httpx.codes.OK, httpx.codes.UNAUTHORIZED}


def _found_out(registry: str) -> tuple[str, str]:
    if not engine.has_sys_resource():
        return "local", "root lacks CAP_SYS_RESOURCE, without which the public one starts no pods"
    if succeeds(["docker", "image", "inspect", pins.PUBLIC_NODE_IMAGE]):
        return "public", "the engine has it"
    if node_image.exists():
        return "local", "the engine has one"
    if answers(registry):
        return "public", "a container registry answers"
    return "local", f"no container registry answered within {ANSWER_SECONDS:.0f} s"

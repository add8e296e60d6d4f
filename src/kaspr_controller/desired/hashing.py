"""Fingerprints of content: what makes pods restart, and what a status shows.

In: the very text or values that pods will read. Out: 16 hexadecimal digits. Pure; called by every renderer. The
invariant: a hash covers bytes that the runtime reads and nothing else, in an order that does not depend on the order
of a list call, a dictionary or a hash seed. Labels, annotations and descriptions are no part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

LENGTH = 16
"""Digits kept: 64 bits are plenty to tell one version of one app's content from another."""


def of_text(text: str) -> str:
    """The hash of one text as it is stored."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:LENGTH]


def of_files(files: Mapping[str, str]) -> str:
    """The hash of a set of files: names and texts, whatever the order of the mapping."""
    return of_text(json.dumps(sorted(files.items()), separators=(",", ":")))


def of_value(value: Any) -> str:
    """The hash of a JSON value, whatever the order of its keys."""
    return of_text(json.dumps(value, sort_keys=True, separators=(",", ":")))


def of_packages(
    packages: Sequence[str],
    *,
    index_url: str | None = None,
    extra_index_urls: Sequence[str] | None = None,
    trusted_hosts: Sequence[str] | None = None,
    install_policy: Mapping[str, Any] | None = None,
) -> str:
    """The packages hash exactly as the predecessor computes it (contract 4.1), so that its caches stay valid.

    Absent parts are left out, and so are absent keys of the policy: writing a default explicitly changes the hash.
    """
    content: dict[str, Any] = {"packages": sorted(packages)}
    if index_url:
        content["index_url"] = index_url
    if extra_index_urls:
        content["extra_index_urls"] = sorted(extra_index_urls)
    if trusted_hosts:
        content["trusted_hosts"] = sorted(trusted_hosts)
    policy = {key: value for key, value in (install_policy or {}).items() if value is not None}
    if policy:
        content["install_policy"] = policy
    return of_value(content)

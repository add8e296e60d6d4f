"""Paths of objects and collections as they go over the wire, with their queries.

Comes in: a kind, names from objects or from users' specs. Goes out: a quoted path. Used by the modules that build
requests; values only. The invariant: whatever a name contains, the request never addresses anything but one object of
that kind and namespace. An empty name would address the whole collection, `..` another resource.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote as _quote
from urllib.parse import quote_plus as _quote_plus

from kaspr_controller.kube import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaspr_controller.kube.kinds import Kind

_NO_NAMES = {"", ".", ".."}

# The same names and parameters come back with every request.
quote = lru_cache(maxsize=4096)(_quote)
quote_plus = lru_cache(maxsize=1024)(_quote_plus)


def object_path(
    kind: Kind,
    namespace: str,
    name: str,
    subresource: str | None = None,
    *,
    query: Mapping[str, str] | None = None,
) -> str:
    """The path of one object or its subresource.

    Raises:
        errors.BadRequest: the name, or the namespace of a namespaced kind, cannot be a name.
    """
    _check(name, f"name of the {kind.kind}")
    if kind.namespaced:
        _check(namespace, f"namespace of the {kind.kind} {name!r}")
    return _with(kind.path(quote(namespace, safe=""), quote(name, safe=":"), subresource), query)


def collection_path(
    kind: Kind, namespace: str | None = None, *, query: Mapping[str, str] | None = None
) -> str:
    """The path of a collection; namespace None means all namespaces."""
    if namespace is not None and kind.namespaced:
        _check(namespace, f"namespace of a {kind.kind} collection")
    return _with(kind.collection(quote(namespace, safe="") if namespace else None), query)


def _check(name: str, what: str) -> None:
    if name in _NO_NAMES:
        raise errors.BadRequest(f"{name!r} cannot be the {what}")


def _with(path: str, query: Mapping[str, str] | None) -> str:
    if not query:
        return path
    return path + "?" + "&".join([f"{name}={quote_plus(value)}" for name, value in query.items()])

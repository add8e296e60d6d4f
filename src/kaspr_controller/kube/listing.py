"""Reading objects: one by name, or a collection page by page.

The client sends what `one` and `page` build and hands back what `parse_page` reads. A page is decoded before the next one
is asked for, so a list never stands in memory twice (rule W4). Resource versions follow the API: "0" takes any cached
state, "N" one not older than N, both in a single page because the server's cache ignores limits for them; "" is the
newest state, in pages. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kaspr_controller.kube import errors
from kaspr_controller.kube.addressing import collection_path, object_path
from kaspr_controller.kube.decoding import JSON, LEAN_JSON, decode, strip
from kaspr_controller.kube.transport import Request

if TYPE_CHECKING:
    from typing import Any

    from kaspr_controller.kube.kinds import Kind, Raw

PAGE_SIZE = 500

# A server that does not know one form sends the next one: whole objects have names too.
_METADATA = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1;drop=metadata.managedFields,"
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a list's objects, each with its `kind` and `apiVersion`, and the list's resource version."""

    items: list[Raw]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind: namespace (None means all) and selectors."""

    kind: Kind
    namespace: str | None = None
    label_selector: str | None = None
    field_selector: str | None = None

    def query(self) -> dict[str, str]:
        """The selectors as query parameters."""
        selectors = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: value for name, value in selectors.items() if value}


def one(kind: Kind, namespace: str, name: str, *, managed_fields: bool) -> Request:
    """The request for one object."""
    path = object_path(kind, namespace, name)
    return Request("get", "GET", path, accept=JSON if managed_fields else LEAN_JSON)


def page(selection: Selection, *, resource_version: str, size: int, token: str) -> Request:
    """The request for one page; `token` continues a list and excludes a resource version."""
    query = selection.query()
    if token:
        query |= {"limit": str(size), "continue": token}
    elif resource_version:
        query |= {"resourceVersion": resource_version, "resourceVersionMatch": "NotOlderThan"}
    elif size:
        query["limit"] = str(size)
    path = collection_path(selection.kind, selection.namespace, query=query)
    return Request("list", "GET", path, accept=LEAN_JSON)


def names(selection: Selection, *, limit: int) -> Request:
    """The request for the metadata of at most `limit` objects, as they are now."""
    query = selection.query() | {"limit": str(limit)}
    path = collection_path(selection.kind, selection.namespace, query=query)
    return Request("list", "GET", path, accept=_METADATA)


def parse_names(body: bytes, request: Request) -> tuple[frozenset[str], bool]:
    """The names, and whether there are no others.

    Raises:
        errors.ProtocolError: this is not a list.
    """
    answer = decode(body, request=str(request))
    if not str(answer.get("kind")).endswith("List"):
        raise errors.ProtocolError(f"a {answer.get('kind')} came instead of a list", request=str(request))
    found = frozenset(item["metadata"]["name"] for item in answer.get("items") or ())
    return found, not (answer.get("metadata") or {}).get("continue")


def parse_page(body: bytes, kind: Kind, request: Request) -> tuple[Page, str]:
    """A page and the token of the next one, "" at the end.

    Raises:
        errors.ProtocolError: this is not a list of that kind.
    """
    answer = decode(body, request=str(request))
    meta = answer.get("metadata") or {}
    items: Any = answer.get("items")
    if items is None:
        items = []
    if answer.get("kind") != f"{kind.kind}List" or not isinstance(items, list):
        raise errors.ProtocolError(
            f"a {answer.get('kind')} came instead of a {kind.kind}List", request=str(request)
        )
    for item in items:
        # The server leaves both out inside a list of built-in kinds.
        item["apiVersion"], item["kind"] = kind.api_version, kind.kind
        strip(item)
    return Page(items, str(meta.get("resourceVersion", ""))), str(meta.get("continue") or "")

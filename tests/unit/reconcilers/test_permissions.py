"""The table of permissions says what the sources do: no request without a row, no row without a request."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import kaspr_controller
from kaspr_controller.kube import kinds as built_in
from kaspr_controller.kube.kinds import Kind
from kaspr_controller.reconcilers import kinds, permissions
from kaspr_controller.reconcilers.permissions import Permission

SOURCES = Path(kaspr_controller.__file__).parent
VERBS = {
    "get": ("get",),
    "one": ("get",),
    "list_pages": ("list",),
    "watch": ("watch",),
    "create": ("create",),
    "replace": ("update",),
    "apply": ("create", "patch"),
    "patch_json": ("patch",),
    "patch_merge": ("patch",),
    "delete": ("delete",),
}
"""Methods of `kube.client.Client` and of what the lease is read with -> what RBAC calls them."""

Need = tuple[str, str, str]
"""Plural, subresource, verb."""


def _named_kinds() -> dict[str, Kind]:
    """Constants by which the sources call a kind."""
    modules = (built_in, kinds)
    return {
        name: value for module in modules for name, value in vars(module).items() if isinstance(value, Kind)
    }


def _requests() -> Iterator[Need]:
    """Requests whose kind is written out; the others are about the kinds that are watched, written and reported.

    Commands act with the rights of whoever calls them.
    """
    named = _named_kinds()
    for path in set(SOURCES.rglob("*.py")) - set((SOURCES / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            for kind in (named[word] for word in map(_word, given) if word in named):
                for verb in VERBS.get(node.func.attr, ()):
                    yield kind.plural, _subresource(node), verb


def _word(part: ast.expr) -> str:
    """`POD` or `kinds.APP`; a constant of another module is no kind."""
    if isinstance(part, ast.Attribute):
        return part.attr if isinstance(part.value, ast.Name) and part.value.id == "kinds" else ""
    return part.id if isinstance(part, ast.Name) else ""


def _subresource(call: ast.Call) -> str:
    for keyword in call.keywords:
        if keyword.arg == "subresource" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value or "")
    return ""


def _need(row: Permission) -> Need:
    return row.kind.plural, row.subresource, row.verb


def _derived(row: Permission) -> bool:
    """From the lists of kinds, not from a line that names the kind."""
    return (
        (row.verb in {"list", "watch"} and row.kind in kinds.WATCHED)
        or row.kind in kinds.CHILDREN
        or (row.verb == "patch" and row.kind in kinds.COMPONENTS)
        or row.subresource == "status"
    )


def test_every_request_has_a_row() -> None:
    """Who adds a request adds its right, or the program is refused in every cluster but that of the tests."""
    missing = set(_requests()) - {_need(row) for row in permissions.table()}
    assert not missing, "add rows to reconcilers/permissions.py"


def test_every_row_has_a_request() -> None:
    """Least privilege: a right that nothing uses goes. The one on finalizers is asked for by an admission plugin."""
    stated = {_need(row) for row in permissions.table() if not _derived(row)}
    assert stated - set(_requests()) == {("kasprapps", "finalizers", "update")}


def test_every_kind_that_is_watched_or_written_has_its_verbs() -> None:
    """The caches list and watch; what an app owns is read, made, changed and deleted; what a user writes is only read."""
    verbs: dict[Kind, set[str]] = {}
    for row in permissions.table():
        if not row.subresource:
            verbs.setdefault(row.kind, set()).add(row.verb)
    assert all({"list", "watch"} <= verbs[kind] for kind in kinds.WATCHED)
    for kind in kinds.CHILDREN:
        assert verbs[kind] == {"get", "list", "watch", "create", "patch", "delete"}
    for kind in (kinds.APP, *kinds.COMPONENTS):
        assert verbs[kind] <= {"list", "watch", "patch"}


def test_secrets_cannot_be_listed() -> None:
    """Whoever may list or watch Secrets has them all."""
    found = {row.verb for row in permissions.table() if row.kind.kind == "Secret"}
    assert found <= {"get"}


def test_no_row_comes_twice_and_each_has_its_reasons() -> None:
    """Why, and what one sees without it: the page is made of both."""
    needs = [_need(row) for row in permissions.table()]
    assert len(needs) == len(set(needs))
    assert all(row.why and row.without for row in permissions.table())

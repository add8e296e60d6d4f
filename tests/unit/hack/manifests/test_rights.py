"""RBAC rules and their page: what is granted is what the table says, no more and no less, in both modes."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from hack.manifests import rbac, rights
from kaspr_controller.kube.kinds import CONFIG_MAP, LEASE, POD, STORAGE_CLASS, Kind
from kaspr_controller.reconcilers import permissions
from kaspr_controller.reconcilers.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Iterable

MODES = get_args(rbac.Mode)
Grant = tuple[str, str, str, str]


def granted(rules: Iterable[rbac.Rule]) -> list[Grant]:
    """Group, resource, name, verb of everything that rules grant."""
    return [
        (group, resource, name, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    ]


def stated(rows: Iterable[Permission]) -> set[Grant]:
    return {(row.kind.group, row.resource, name, row.verb) for row in rows for name in (row.names or ("",))}


def row(kind: Kind, verb: str, **more: object) -> Permission:
    return Permission(kind, verb, "why", "without", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_the_rules_grant_the_table_and_nothing_else(mode: rbac.Mode) -> None:
    """Each right once; no wildcard anywhere. A Role can say nothing about what belongs to no namespace."""
    both = granted(rbac.rules(mode)) + granted(rbac.own_rules())
    rows = (each for each in permissions.table() if mode == "cluster" or each.kind.namespaced)
    assert set(both) == stated(rows)
    assert len(both) == len(set(both))
    assert not [grant for grant in both if "*" in grant]


def test_a_lease_of_another_name() -> None:
    """The chart calls it after its release; to make one cannot be tied to a name."""
    found = granted(rbac.own_rules("mine"))
    assert {(name, verb) for _, _, name, verb in found} == {
        ("", "create"),
        ("mine", "get"),
        ("mine", "update"),
    }


def test_roles_do_without_what_belongs_to_no_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Role with such a rule would be accepted and grant nothing."""
    monkeypatch.setattr(permissions, "table", lambda: (row(POD, "get"), row(STORAGE_CLASS, "get")))
    assert [grant[1] for grant in granted(rbac.rules("cluster"))] == ["pods", "storageclasses"]
    assert [grant[1] for grant in granted(rbac.rules("namespaced"))] == ["pods"]


def test_only_equal_verbs_share_a_rule() -> None:
    """A rule grants all its verbs on all its resources; names and groups keep rules apart as well."""
    found = rbac.merged(
        [
            row(POD, "list"),
            row(CONFIG_MAP, "list"),
            row(CONFIG_MAP, "delete"),
            row(LEASE, "get", names=("one",)),
            row(LEASE, "get", names=("two",)),
            row(POD, "list", subresource="status"),
        ]
    )
    assert len(granted(found)) == len(found) + 2 == 6
    assert {"apiGroups": [""], "resources": ["pods", "pods/status"], "verbs": ["list"]} in found
    assert {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "delete"]} in found


def test_the_page_has_a_line_for_each_verb_and_reason() -> None:
    """Resources as `kubectl auth can-i` names them; those that share verb, reason and consequence stand together."""
    rows = [row(POD, "list"), row(CONFIG_MAP, "list"), row(LEASE, "get", names=("one",))]
    assert rights.rows(rows) == [
        ("`pods`, `configmaps`", "`list`", "why", "without"),
        ("`leases.coordination.k8s.io` called `one`", "`get`", "why", "without"),
    ]

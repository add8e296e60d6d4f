"""RBAC rules from the table of permissions, for the manifests, the chart's test and docs/rbac.md.

In: `kaspr_controller.reconcilers.permissions.table`. Out: rules as a Role or ClusterRole holds them, in a stable order.
Invariant: a rule holds exactly the verbs of the table, so whoever changes what the program does changes one table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from kaspr_controller.reconcilers import permissions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kaspr_controller.reconcilers.permissions import Permission

Mode: TypeAlias = Literal["cluster", "namespaced"]
Rule: TypeAlias = dict[str, Any]

_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")


def rules(mode: Mode) -> list[Rule]:
    """The rules for the watched namespaces: of one ClusterRole, or of a Role in each of them.

    A Role can say nothing about resources that belong to no namespace; `namespaced` does without them.
    """
    rows = (row for row in permissions.table() if row.place == "watched")
    return merged(row for row in rows if mode == "cluster" or row.kind.namespaced)


def own_rules(lease: str = permissions.LEASE_NAME) -> list[Rule]:
    """The rules for the namespace that the program runs in, a Role in both modes; `lease` is LEADER_ELECTION_NAME."""
    found = merged(row for row in permissions.table() if row.place == "own")
    return [{**rule, "resourceNames": [lease]} if "resourceNames" in rule else rule for rule in found]


def merged(rows: Iterable[Permission]) -> list[Rule]:
    """The fewest rules that grant the rows and nothing else: resources of a group with equal verbs share one."""
    verbs: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    for row in rows:
        verbs.setdefault((row.kind.group, row.resource, row.names), set()).add(row.verb)
    shared: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, resource, names), granted in verbs.items():
        ordered = tuple(sorted(granted, key=_VERBS.index))
        shared.setdefault((group, names, ordered), []).append(resource)
    return [
        {
            "apiGroups": [group],
            "resources": sorted(resources),
            **({"resourceNames": list(names)} if names else {}),
            "verbs": list(ordered),
        }
        for (group, names, ordered), resources in sorted(shared.items(), key=lambda item: (item[0], item[1]))
    ]

"""docs/rbac.md: every verb that the program asks for, why, and what one sees without it.

In: the table of `kaspr_controller.reconcilers.permissions`. Out: one Markdown text. Invariant: rows come from the table that
the manifests are made of; a test compares them with what the API server says that the account may do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspr_controller.reconcilers import permissions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kaspr_controller.reconcilers.permissions import Permission

INTRODUCTION = """\
# What the controller may do

Generated from `src/kaspr_controller/reconcilers/permissions.py` by `make manifests`. The manifests and the chart are made of
the same table; tests take away one verb after the other on a real API server and look for what the last column says.

There are two modes, with the same rights in the namespaces that are watched:

- **cluster-wide**: a ClusterRole, for all namespaces (`kubectl apply -k manifests`)
- **namespaced**: a Role in each namespace of `WATCH_NAMESPACES`, nothing cluster-wide (`kubectl apply -k manifests/namespaced`)

To ask a cluster what the account may do:

    kubectl auth can-i --list --namespace default --as system:serviceaccount:kaspr-system:kaspr-controller

What Kubernetes gives every account comes on top: reading the API's description, asking what it may do itself.

Nothing is asked for that is not used: nothing about nodes, roles or admission. Secrets cannot be listed or watched, one is
read by its name when an app names it; RBAC can narrow that only where the names are known beforehand, with `resourceNames` in a
Role of one's own. What is refused is tried again by itself, so a right that is granted later needs no restart. Every refusal
counts in `rest_client_requests_total{code="403"}`, whatever else the last column names.
"""

WATCHED = """\
## In every namespace that is watched
"""

OWN = """\
## In the namespace of the controller

A Role in both modes. `kaspr-controller` is the default of `LEADER_ELECTION_NAME`.
"""

USERS = """\
## For users

The cluster-wide manifests bring two ClusterRoles that the cluster's own roles take in: `kaspr-view` (into `view`, `edit`,
`admin`) reads the custom resources, `kaspr-edit` (into `edit`, `admin`) writes them and scales apps. Without them only
administrators could. Whoever may write apps runs code in their namespace, as with a Deployment.
"""

_HEADS = ("Resources", "Verb", "Why", "Without it")


def text() -> str:
    """The whole page."""
    table = permissions.table()
    watched = rows(row for row in table if row.place == "watched")
    own = rows(row for row in table if row.place == "own")
    return "\n".join([INTRODUCTION, WATCHED, *_table(watched), "", OWN, *_table(own), "", USERS])


def rows(found: Iterable[Permission]) -> list[tuple[str, ...]]:
    """One row for each verb and reason; resources that share both stand together, named as `kubectl auth can-i` does."""
    together: dict[tuple[str, str, str], list[str]] = {}
    for row in found:
        resource = f"{row.kind.plural}.{row.kind.group}" if row.kind.group else row.kind.plural
        resource += f"/{row.subresource}" if row.subresource else ""
        names = f" called {', '.join(f'`{name}`' for name in row.names)}" if row.names else ""
        together.setdefault((row.verb, row.why, row.without), []).append(f"`{resource}`{names}")
    return [
        (", ".join(resources), f"`{verb}`", why, without)
        for (verb, why, without), resources in together.items()
    ]


def _table(cells: list[tuple[str, ...]]) -> list[str]:
    line, *lines = [f"| {' | '.join(row)} |" for row in (_HEADS, *cells)]
    return [line, "|---" * len(_HEADS) + "|", *lines]

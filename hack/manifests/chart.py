"""The generated files of charts/kaspr-controller: copies of CRDs, RBAC rules, dashboards, the values' schema.

In: the CRDs, the table of permissions, the panels, the settings. Out: path below the chart -> text. Helm reads only files inside a
chart, hence the copies. Invariant: nothing that a chart's user may rely on is typed a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from hack.manifests import crds, dashboards, installation, rbac, values_schema

if TYPE_CHECKING:
    from hack.manifests.rbac import Rule

LEASE = "LEADER_ELECTION_NAME"
"""Stands for the lease's name, which the template knows."""
HEADER = (
    "# Generated from src/kaspr_controller/reconcilers/permissions.py by `make manifests`. Do not edit.\n"
)


def files() -> dict[str, str]:
    """Every generated file of the chart."""
    roles = {role["metadata"]["name"]: role for role in installation.rights("cluster")}
    return {
        **{f"files/crds/{name}": text for name, text in crds.files().items()},
        "files/rbac/cluster.yaml": _rules(rbac.rules("cluster")),
        "files/rbac/namespaced.yaml": _rules(rbac.rules("namespaced")),
        "files/rbac/own.yaml": _rules(rbac.own_rules(LEASE)),
        **{f"files/rbac/{name}.yaml": _rules(roles[f"kaspr-{name}"]["rules"]) for name in ("view", "edit")},
        **{f"files/dashboards/{name}": text for name, text in dashboards.files().items()},
        "values.schema.json": values_schema.text(),
    }


def _rules(rules: list[Rule]) -> str:
    return HEADER + yaml.safe_dump({"rules": rules}, sort_keys=False, width=120)

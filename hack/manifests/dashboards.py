"""The two Grafana dashboards of the chart: one about the controller, one about the apps.

In: rows of panels. Out: file name -> JSON. `make manifests` writes them below charts/kaspr-controller/files/dashboards.
"""

from __future__ import annotations

import json

from hack.manifests import apps_dashboard, controller_dashboard
from hack.manifests.grafana import Variable, dashboard

VARIABLES = (
    Variable("namespace", "kaspr_app_members", "namespace"),
    Variable("app", "kaspr_app_members", "app_name"),
)


def files() -> dict[str, str]:
    """The dashboards as they are imported."""
    found = {
        "controller": dashboard("kaspr-controller", "Kaspr / Controller", controller_dashboard.ROWS),
        "apps": dashboard("kaspr-apps", "Kaspr / Apps", apps_dashboard.ROWS, VARIABLES),
    }
    return {f"{name}.json": json.dumps(board, indent=1) + "\n" for name, board in found.items()}

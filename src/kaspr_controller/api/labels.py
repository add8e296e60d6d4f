"""Label and annotation keys: the words in which objects of this product find each other.

Constants only, used by every room above. Invariant: keys and values of existing objects never change, since selectors
and users' own tooling depend on them.
"""

from __future__ import annotations

from typing import Final

APP: Final = "kaspr.io/app"
"""On a component: the KasprApp it belongs to, in the same namespace. On children: the same."""

KIND: Final = "kaspr.io/kind"
NAME: Final = "kaspr.io/name"
CLUSTER: Final = "kaspr.io/cluster"
COMPONENT_TYPE: Final = "kaspr.io/component-type"
COMPONENT: Final = "kaspr.io/component"

K8S_NAME: Final = "app.kubernetes.io/name"
K8S_INSTANCE: Final = "app.kubernetes.io/instance"
K8S_PART_OF: Final = "app.kubernetes.io/part-of"
K8S_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY_VALUE: Final = "kaspr-operator"

PAUSE_RECONCILIATION: Final = "kaspr.io/pause-reconciliation"
REBALANCE: Final = "kaspr.io/rebalance"
AUTO_REBALANCE: Final = "kaspr.io/auto-rebalance"
HUNG_DETECTION_ENABLED: Final = "kaspr.io/hung-member-detection-enabled"
HUNG_THRESHOLD_SECONDS: Final = "kaspr.io/hung-rebalancing-threshold-seconds"
DISABLE_STATIC_MEMBERSHIP: Final = "kaspr.io/disable-static-group-membership"
RESTART_ON_SECRET_CHANGE: Final = "kaspr.io/restart-on-secret-change"  # noqa: S105  # a name
RESOURCE_HASH: Final = "kaspr.io/resource-hash"

KEPT_TEMPLATE: Final = "kaspr.io/kept-template"
"""On a StatefulSet of the predecessor: its pod template is kept as long as the one we would write has this hash."""

KOPF_PREFIX: Final = "kopf.zalando.org/"
KOPF_FINALIZER: Final = "kopf.zalando.org/KopfFinalizerMarker"
KOPF_LAST_HANDLED: Final = "kopf.zalando.org/last-handled-configuration"

_TRUTHY = frozenset({"true", "1", "yes"})


def truthy(value: str | None) -> bool:
    """Whether an annotation switches something on: `true`, `1` or `yes`, in any case."""
    return value is not None and value.strip().lower() in _TRUTHY

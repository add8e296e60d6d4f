"""The kinds that the reconcilers watch and write: ours as the API server serves them, and those of the children."""

from __future__ import annotations

from kaspr_controller.api import metadata
from kaspr_controller.kube import kinds
from kaspr_controller.kube.kinds import Kind


def _served(custom: metadata.CustomKind) -> Kind:
    return Kind(custom.group, custom.version, custom.kind, custom.plural)


APP = _served(metadata.APP)
COMPONENTS = tuple(_served(custom) for custom in metadata.COMPONENT_KINDS)
COMPONENT_NAMES = frozenset(kind.kind for kind in COMPONENTS)

CHILDREN = (
    kinds.SERVICE_ACCOUNT,
    kinds.CONFIG_MAP,
    kinds.SERVICE,
    kinds.PERSISTENT_VOLUME_CLAIM,
    kinds.HORIZONTAL_POD_AUTOSCALER,
    kinds.STATEFUL_SET,
)
"""Kinds of the objects that an app owns. Claims of the tables belong to the StatefulSet controller, not to us."""

CONTROLLER_REVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions")

WATCHED = (APP, *COMPONENTS, *CHILDREN, kinds.POD)

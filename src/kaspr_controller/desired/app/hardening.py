"""Security contexts, and the writable places that a pod without root needs.

In: what the user wrote and the chosen level. Out: contexts for pod and containers, extra volumes, mounts and variables.
Pure. The default level adds nothing: images and volumes that need root would not start any more. What the user writes wins
key by key over what a level adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kaspr_controller.api.v1alpha1.app import ContainerTemplate, KasprApp
from kaspr_controller.desired.app.config import DEFINITIONS_DIRECTORY
from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.desired.facts import Raw
from kaspr_controller.desired.options import Options, PodSecurity

USER = 1000
"""User and group of a restricted pod: the image names none, and it must not be root."""
WORK_DIRECTORY = "/var/lib/data/work"

_POD_LEVELS: dict[PodSecurity, Raw] = {
    "none": {},
    "restricted": {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}
_CONTAINER_LEVELS: dict[PodSecurity, Raw] = {
    "none": {},
    "restricted": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}


@dataclass(frozen=True, slots=True)
class Hardening:
    """Security of one pod.

    Attributes:
        pod, main, installer: security contexts, empty where there is nothing to say.
        volumes, mounts, environment: for the main container, where it may not write elsewhere.
    """

    pod: Raw
    main: Raw
    installer: Raw
    volumes: tuple[Raw, ...] = ()
    mounts: tuple[Raw, ...] = ()
    environment: tuple[Raw, ...] = ()


def harden(app: KasprApp, identity: Identity, options: Options, *, has_definitions: bool) -> Hardening:
    """The contexts, with a place to write as soon as one restricts the main container.

    The runtime makes a data directory in its working directory and the definitions directory where nothing is mounted;
    both end a process that may not write there (contract 9.1).
    """
    template, level = app.spec.template, options.pod_security
    pod: dict[str, Any] = {**_POD_LEVELS[level], **((template.pod and template.pod.security_context) or {})}
    main = _container(template.kaspr_container, level)
    installer = _container(template.python_packages_init_container, level)
    if not _restricts(pod) and not _restricts(main):
        return Hardening(pod, main, installer)
    volume = f"{identity.workload}-definitions"
    mounts: list[Raw] = [{"name": volume, "mountPath": WORK_DIRECTORY, "subPath": "work"}]
    if not has_definitions:
        mounts.append({"name": volume, "mountPath": DEFINITIONS_DIRECTORY, "subPath": "definitions"})
    return Hardening(
        pod=pod,
        main=main,
        installer=installer,
        volumes=({"name": volume, "emptyDir": {}},),
        mounts=tuple(mounts),
        environment=({"name": "F_DATADIR", "value": WORK_DIRECTORY},),
    )


def _restricts(context: Raw) -> bool:
    """Whether the process cannot write wherever it likes."""
    return any(context.get(key) for key in ("runAsNonRoot", "runAsUser", "readOnlyRootFilesystem"))


def _container(template: ContainerTemplate | None, level: PodSecurity) -> dict[str, Any]:
    return {**_CONTAINER_LEVELS[level], **((template and template.security_context) or {})}

"""What the render must know about the objects that are there already.

Values, filled in by the reconcilers from complete, synced caches. Nothing here decides; `None` and empty mean "there is
none", and an app that is rendered for the first time gets the defaults. The shapes are what the API server and the
runtime force on us: immutable claim templates are repeated as they are, a definition that cannot be used any more is
replaced by the last one that could.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from kaspr_controller.api import labels

Raw: TypeAlias = Mapping[str, Any]

WRITTEN_REPLICAS = "kaspr.io/written-replicas"
"""Annotation of the StatefulSet: the replica count that this program wrote last, absent while an autoscaler counts."""

RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""Annotation of the pod template that `kubectl rollout restart` writes."""

CARRIED_RESTART = "kaspr.io/carried-restart"
"""Annotation of a StatefulSet that was made anew around running pods: the `RESTARTED` that its template has from the old one."""

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LiveWorkload:
    """The live StatefulSet of an app, as far as it binds the render.

    Attributes:
        uid: of this incarnation.
        replicas: `spec.replicas`.
        written_replicas: the count that this program wrote last, None when it wrote none or let go of it.
        annotations: of the StatefulSet.
        selector: `spec.selector.matchLabels`, immutable.
        service_name: `spec.serviceName`, immutable.
        pod_management_policy: immutable.
        volume_claim_templates: immutable and repeated exactly (a difference is refused with 422).
        template: the live pod template, for the adoption of a workload of the predecessor.
        orphaned: there is no StatefulSet, only its pods; the rest is what is known of the one that made them.
        generation, observed_generation, current_revision, update_revision: for whoever judges a rollout.
    """

    uid: str = ""
    replicas: int | None = None
    written_replicas: int | None = None
    annotations: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    selector: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    service_name: str = ""
    pod_management_policy: str = ""
    volume_claim_templates: tuple[Raw, ...] = ()
    template: Raw = field(default_factory=lambda: _EMPTY)
    orphaned: bool = False
    generation: int = 0
    observed_generation: int = 0
    current_revision: str = ""
    update_revision: str = ""

    @property
    def kept_template(self) -> str:
        """The hash of our template that the live one stands for, "" unless it is the predecessor's."""
        return self.annotations.get(labels.KEPT_TEMPLATE, "")

    @property
    def carried_restart(self) -> str:
        """The `CARRIED_RESTART` annotation, "" when it has none."""
        return self.annotations.get(CARRIED_RESTART, "")

    @property
    def image(self) -> str:
        """The image of the members, "" when there is none."""
        containers = self.template.get("spec", {}).get("containers") or ()
        return next((str(each.get("image", "")) for each in containers if each.get("name") == "kaspr"), "")

    @classmethod
    def of(cls, stateful_set: Raw) -> LiveWorkload:
        """The facts of a StatefulSet as the API server returns it."""
        meta, spec = stateful_set["metadata"], stateful_set.get("spec", {})
        status = stateful_set.get("status", {})
        annotations = meta.get("annotations") or {}
        written = annotations.get(WRITTEN_REPLICAS, "")
        return cls(
            uid=meta.get("uid", ""),
            replicas=spec.get("replicas"),
            written_replicas=int(written) if written.isdecimal() else None,
            annotations=annotations,
            selector=spec.get("selector", {}).get("matchLabels", {}),
            service_name=spec.get("serviceName", ""),
            pod_management_policy=spec.get("podManagementPolicy", ""),
            volume_claim_templates=tuple(spec.get("volumeClaimTemplates") or ()),
            template=spec.get("template", {}),
            generation=meta.get("generation", 0),
            observed_generation=status.get("observedGeneration", 0),
            current_revision=status.get("currentRevision", ""),
            update_revision=status.get("updateRevision", ""),
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the render takes from live objects.

    Attributes:
        workload: the live StatefulSet, None when there is none.
        live_definitions: file name -> document text, from the live ConfigMaps of this app: the last good definitions;
            read from the caches when first asked, which only an app with a fault does.
        parsed: file name -> value of documents that are not JSON (the predecessor wrote YAML), read by the caller.
        packages_size: what the live claim of the packages cache asks for, "" when there is none.
        settings_in_use: live settings that a pod may still be started with: those that the live template names, and all
            of them while pods of an older one are left.
        releasing: the StatefulSet is about to be replaced around its pods, so the claims must not belong to it.
        references: hash of the versions of the objects that the app names, "" while it is not known, None when nobody wants to
            know.
        unread: why it is not known.
        inherited: the workload was written by the predecessor and stands for what the resources say today.
    """

    workload: LiveWorkload | None = None
    live_definitions: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    parsed: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    packages_size: str = ""
    settings_in_use: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    inherited: bool = False
    releasing: bool = False
    references: str | None = None
    unread: tuple[str, ...] = ()

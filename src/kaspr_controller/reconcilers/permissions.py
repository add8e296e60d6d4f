"""What the program may do: one row for each verb on each resource, with its reason and with what is missed without it.

The one source of the RBAC manifests, of the chart and of docs/rbac.md (`hack/manifests/rbac.py`). Derived from the kinds
that are watched and written; what only one module asks for has a row of its own. Values only. Invariants: a verb that no
line of the program uses has no row, and a request without a row is a failing test; nobody may list Secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kaspr_controller.kube.kinds import EVENT, LEASE, POD, SECRET, STORAGE_CLASS, Kind
from kaspr_controller.reconcilers import kinds
from kaspr_controller.reconcilers.kinds import CONTROLLER_REVISION

LEASE_NAME = "kaspr-controller"
"""The default of LEADER_ELECTION_NAME."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One verb on one resource.

    Attributes:
        kind: whose resource.
        verb: as RBAC calls it.
        why: what the program does with it.
        without: what one sees when it is missing.
        subresource: `status` and the like, "" for the object itself.
        names: the only objects that it is needed for; empty for all.
        place: where it is needed: in every namespace that is watched, or in the one that the program runs in.
    """

    kind: Kind
    verb: str
    why: str
    without: str
    subresource: str = ""
    names: tuple[str, ...] = ()
    place: Literal["watched", "own"] = "watched"

    @property
    def resource(self) -> str:
        """`kasprapps`, `kasprapps/status`."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


def _watched(kind: Kind) -> Iterator[Permission]:
    yield Permission(
        kind,
        "list",
        "fills the cache at the start, and after a watch has lost its place",
        "not ready: `/readyz` names the kind and the refusal; nothing is written before it is granted",
    )
    yield Permission(
        kind,
        "watch",
        "a change is noticed without asking again and again",
        "changes are noticed late, by lists with growing pauses; `kaspr_reflector_errors_total` grows",
    )


_REFUSED = "`Ready=False` of the app has the server's words; the other objects are written"


def _written(kind: Kind) -> Iterator[Permission]:
    yield Permission(
        kind,
        "get",
        "before something is deleted, and before something is made whose name may be taken: whose is it?",
        _REFUSED,
    )
    yield Permission(kind, "create", "a server-side apply of an object that is not there yet", _REFUSED)
    yield Permission(kind, "patch", "a server-side apply that changes an object", _REFUSED)
    yield Permission(
        kind, "delete", "an object of the app that it does not need any more", f"the object stays; {_REFUSED}"
    )


def _reported(kind: Kind) -> Iterator[Permission]:
    yield Permission(
        kind,
        "patch",
        "conditions and figures",
        "the status stands still; `controller_runtime_reconcile_errors_total` grows, the log has the refusal; "
        "children are still written",
        subresource="status",
    )


def _of_apps() -> Iterator[Permission]:
    yield Permission(
        kinds.APP,
        "patch",
        "the annotation that asks for a rebalance is removed once it is carried out, and marks of the existing operator",
        "the annotation stays; `controller_runtime_reconcile_errors_total` grows, the log has the refusal",
    )
    yield Permission(
        kinds.APP,
        "update",
        "children block the foreground deletion of their app; clusters with the admission plugin "
        "OwnerReferencesPermissionEnforcement, OpenShift among them, ask for this right before they store such an owner",
        f"nothing changes elsewhere; in such clusters {_REFUSED}",
        subresource="finalizers",
    )


def _of_components(kind: Kind) -> Iterator[Permission]:
    yield Permission(
        kind,
        "patch",
        "a finalizer of the existing operator is removed, since nobody else would do it",
        "resources that the existing operator has handled cannot be deleted; "
        "`controller_runtime_reconcile_errors_total` grows, the log has the refusal",
    )


def _of_members() -> Iterator[Permission]:
    stays = "the member stays as it is; the Event `MemberReplacementFailed` of the app and the log have the refusal"
    yield Permission(POD, "get", "before a member is replaced: is it still the same pod?", stays)
    yield Permission(POD, "delete", "a member that hangs is replaced", stays)
    yield Permission(
        SECRET,
        "get",
        "the password of the app's Kafka user, from the one Secret that the app names, for goodbyes to Kafka and a look at "
        "its group; not needed with KAFKA_GOODBYES_ENABLED=false, nor for apps without a password. Of apps with the annotation "
        "`kaspr.io/restart-on-secret-change` also the version of each Secret that they name",
        "no goodbyes: partitions of members that are gone wait for the session timeout; a condition of the app names the Secret",
    )


def _of_volumes() -> Iterator[Permission]:
    yield Permission(
        STORAGE_CLASS,
        "get",
        "before volumes grow: does their class allow it? In the cluster-wide mode only, classes belong to no namespace",
        "the server refuses the first claim of a class that does not allow it, which the condition `StorageResizing` says",
    )
    yield Permission(
        CONTROLLER_REVISION,
        "get",
        "the pod template of a StatefulSet that is gone while its pods are still there, to make one of the same revision",
        "a StatefulSet that is made anew may have another revision; members are then replaced one after the other",
    )


def _of_events() -> Iterator[Permission]:
    dropped = '`kaspr_event_drops_total{reason="error"}` grows; nothing waits for an Event'
    yield Permission(EVENT, "create", "tells when a condition flips", dropped)
    yield Permission(EVENT, "patch", "counts what is told again", dropped)
    yield Permission(
        EVENT,
        "list",
        "those about a StatefulSet whose pods have been missing for a minute: which quota or policy refuses them?",
        "the condition `RolloutStuck` says that pods are missing, not why",
    )


def _of_the_lease() -> Iterator[Permission]:
    standby = "stays a standby, which is ready and writes nothing; `leader_election_master_status` is 0, the log has the refusal"
    named = (LEASE_NAME,)
    yield Permission(LEASE, "get", "who leads?", standby, names=named, place="own")
    yield Permission(
        LEASE,
        "create",
        "the first start makes the lease (RBAC cannot tie this verb to a name)",
        f"without a lease that somebody else made: {standby}",
        place="own",
    )
    yield Permission(
        LEASE,
        "update",
        "takes and renews the lease",
        f"{standby}; one that leads already ends with code 1 when it cannot renew",
        names=named,
        place="own",
    )


def table() -> tuple[Permission, ...]:
    """Every permission, in the order of the documentation."""
    return (
        *(row for kind in kinds.WATCHED for row in _watched(kind)),
        *(row for kind in kinds.CHILDREN for row in _written(kind)),
        *(row for kind in (kinds.APP, *kinds.COMPONENTS) for row in _reported(kind)),
        *_of_apps(),
        *(row for kind in kinds.COMPONENTS for row in _of_components(kind)),
        *_of_members(),
        *_of_volumes(),
        *_of_events(),
        *_of_the_lease(),
    )

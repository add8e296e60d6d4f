"""Every reason that a condition may carry, in one place: users write alerts and scripts against them.

Names of the predecessor are kept where a consumer may know them (contract 1.2). Components reuse the words of the
app where they mean the same. The text below each one is a row of docs/reference/conditions.md: the conditions that carry
it, what it means, and what to do, if anything, after `Do:`.
"""

from __future__ import annotations

# Ready is True because ...
HEALTHY = "Healthy"
"""`Ready=True` of an app: every object is as wanted, the rollout is over, and every member says that it is calm."""
APPLIED = "Applied"
"""`Accepted=True`, `Ready=True` of a component: its definition can be used; when Ready, every pod of the app runs it."""

# Ready is False because ...
NOT_READY = "NotReady"
"""`Ready=False` of an app: it is on its way. Do: read `Reconciling`, whose reason says what is awaited."""
SCALED_TO_ZERO = "ScaledToZero"
"""`Ready=False` of an app and of its components: `spec.replicas` is 0 and nothing runs, as asked. Do: set it to 1 or more to
start the app."""
ERROR = "Error"
"""`Ready=False`, `Progressing=False` of an app: an object could not be written. Do: read the message; whether it is tried
again by itself is said by `Reconciling` (yes) or `Stalled` (not until something is changed)."""

# Stalled: nothing happens until somebody changes something
INVALID_SPEC = "InvalidSpec"
"""`Stalled=True`, `Ready=False`: the spec cannot be used. Nothing is changed, and what ran before runs on. Do: repair the
field that the message names."""
NAME_CONFLICT = "NameConflict"
"""`Reconciling=True` of an app, `Accepted=False` of a component: an object that it needs exists and belongs to somebody else.
It is left alone and looked at again every minute. Do: delete or rename it, or rename the resource that needs its name."""
APPLY_LOOP = "ApplyLoop"
"""`Reconciling=True` of an app: something else keeps changing the fields that the message names. The object is written twice
a minute at most, so the two do not fight. Do: find the other writer (`kubectl get -o yaml --show-managed-fields`) and let one
of the two have the field."""
MISSING_APP_LABEL = "MissingAppLabel"
"""`Stalled=True`, `Ready=False` of a component: it does not say to which app it belongs. Do: set the label `kaspr.io/app`
to the name of a KasprApp in the same namespace."""

# Reconciling: we are at it
WAITING_FOR_COMPONENTS = "WaitingForComponents"
"""`Reconciling=True` of a new app: the first pod waits until no component has been added for a moment (`SETTLE_SECONDS`), because
a member must find all definitions when it starts."""
WAITING_FOR_CONTENT = "WaitingForContent"
"""`Reconciling=True`: an object waits for another one that it refers to, or the app has not looked at this component yet. Do:
nothing for a minute; then the message names what is missing."""
ROLLOUT_IN_PROGRESS = "RolloutInProgress"
"""`Reconciling=True`, `Ready=False` of a component: pods are being replaced; the message counts them. Do: if it does not
move, look at the pods (`kubectl get pods -l kaspr.io/app=NAME`)."""
WAITING_FOR_MEMBERS = "WaitingForMembers"
"""`Reconciling=True` of an app: the pods run, but a member is not calm yet, or reads nothing, or does not answer. Do: if it
does not pass, look at the log of the member that the message names."""
SCALING_DOWN = "ScalingDown"
"""`Reconciling=True` of an app that is to have no members: its last pods are still there."""
APP_NOT_FOUND = "AppNotFound"
"""`Reconciling=True`, `Ready=False` of a component, and its `status.app.status`: there is no KasprApp of that name in the
namespace. Do: create it, or correct the label `kaspr.io/app`; either is noticed at once."""
APP_FOUND = "AppFound"
"""`status.app.status` of a component: its app is there. No condition carries it."""

# Progressing, as the predecessor writes it
NEW_SPEC = "NewSpec"
"""`Progressing=True` of an app: a new generation of the spec was seen for the first time."""
RECONCILING = "Reconciling"
"""`Progressing=True` of an app: the same as `Reconciling=True`, whose message it repeats."""
RECONCILE_COMPLETE = "ReconcileComplete"
"""`Progressing=False` of an app: nothing is left to do."""

# Paused
PAUSED = "PauseRequested"
"""`Paused=True` of an app: the annotation `kaspr.io/pause-reconciliation` is set, so nothing is changed. Do: remove it to
go on."""

PAUSED_EDITED = "Paused"
"""`Ready=Unknown` of a paused app: it was edited since it was paused, so nobody knows."""

# Warnings
READ_CAREFULLY = "ReadCarefully"
"""`Warnings=True`: the message has the warnings, each with its field; the table of warnings says more."""

# PythonPackagesReady
PACKAGES_INSTALLED = "PackagesInstalled"
"""`PythonPackagesReady=True`: every member has the packages of the spec."""
INSTALLING = "Installing"
"""`PythonPackagesReady=False`: the members that the message names do not have them yet."""
PACKAGES_UPDATING = "PackagesUpdating"
"""`PythonPackagesReady=False`: members run with other packages, and none has been started with those of the spec."""
INSTALLATION_FAILED = "InstallationFailed"
"""`PythonPackagesReady=False`: the installer of a member failed, also where `installPolicy.onFailure: allow` lets the member start
without packages. Do: what the message says after the category of the failure; the kubelet tries again by itself."""

# ComponentsAccepted
ALL_ACCEPTED = "AllAccepted"
"""`ComponentsAccepted=True` of an app: the definitions of all its components are used."""
SOME_HELD_BACK = "SomeHeldBack"
"""`ComponentsAccepted=False` of an app: the components that the message names are held back, the rest of the app goes on.
Do: look at the conditions of those components."""

# The conditions about members: True for one of these reasons, absent when they do not hold
REBALANCE_PENDING = frozenset(
    {
        "Disabled",
        "GhostsInGroup",
        "MembersNotAsked",
        "MembersNotCalm",
        "NoLeader",
        "Requested",
        "RolloutInProgress",
        "ScaledToZero",
        "Signalled",
        "WaitingForAssignments",
    }
)
HUNG_MEMBERS = frozenset(
    {
        "AppInError",
        "BudgetSpent",
        "Confirming",
        "Disabled",
        "MembersNotCalm",
        "NobodyAnswers",
        "RecoveryInFlight",
        "Replacing",
        "RolloutInProgress",
        "SlotTaken",
    }
)
SEATS_ABANDONED = frozenset({"GoodbyesOff", "KafkaNotReachable"})
STORAGE_RESIZING = frozenset(
    {
        "ClaimRefused",
        "EnlargingClaims",
        "ExpansionNotAllowed",
        "ReleasingClaims",
        "ReplacingStatefulSet",
        "StatefulSetKept",
        "WaitingForBinding",
        "WaitingForRollout",
        "WaitingForVolumes",
    }
)
ROLLOUT_STUCK = frozenset(
    {
        "ContainerConfigError",
        "CrashLoop",
        "ImagePullFailed",
        "MembersNotCalm",
        "NoProgress",
        "PodFailed",
        "PodsMissing",
        "PodsRefused",
        "QuotaExceeded",
        "Unschedulable",
        "VolumeClaimPending",
    }
)
"""Or the word of the kubelet, where it has one: `Evicted`."""

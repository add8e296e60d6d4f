"""Why something is not rendered as it was asked for: a reason, the field, and what to do about it.

Values only. A `Problem` of a component holds that component back and nothing else; a `Problem` of the app holds the
whole render back (nothing is written, what runs keeps running). The same shape is used for warnings, which hold
nothing back. Reasons are CamelCase and stable: those of components become condition reasons that users write alerts against.
The text below each one is a row of docs/reference/conditions.md, as in status/reasons.py.
"""

from __future__ import annotations

from dataclasses import dataclass

ComponentKey = tuple[str, str]
"""Kind and name of a component, for example `("KasprAgent", "enrich")`. The namespace is the app's."""

# A component cannot be used
INVALID_SPEC = "InvalidSpec"
"""`Accepted=False` of a component: a field has a value that admission could not see to be wrong. Do: repair it."""
INVALID_CODE = "InvalidCode"
"""`Accepted=False` of a component: its Python does not compile, has no function to call or no function of that name. Do:
repair the code; the message has field and line."""
TABLE_NOT_FOUND = "TableNotFound"
"""`Accepted=False` of a component: an operation uses a table that is not there or is held back. Do: create the KasprTable
with the same `kaspr.io/app` label, or repair it."""
LEFT_TABLE_NOT_FOUND = "LeftTableNotFound"
"""`Accepted=False` of a KasprJoin: the same for `spec.leftTable`. Do: the same."""
RIGHT_TABLE_NOT_FOUND = "RightTableNotFound"
"""`Accepted=False` of a KasprJoin: the same for `spec.rightTable`. Do: the same."""
CHANNEL_WITHOUT_JOIN = "ChannelWithoutJoin"
"""`Accepted=False` of a KasprAgent: no usable join emits to the channel that it reads. Do: create or repair the KasprJoin
with that `outputChannel`."""
DUPLICATE_JOIN = "DuplicateJoin"
"""`Accepted=False` of a KasprJoin: another one joins the same two tables. Do: remove one of the two."""
DUPLICATE_CHANNEL = "DuplicateChannel"
"""`Accepted=False` of a KasprJoin: another one emits to the same channel. Do: choose another `outputChannel`."""
DUPLICATE_ROUTE = "DuplicateRoute"
"""`Accepted=False` of a KasprWebView: another one serves the same method and path. Do: choose another path."""
RESERVED_ROUTE = "ReservedRoute"
"""`Accepted=False` of a KasprWebView: the runtime serves its metrics on this path. Do: choose another path."""
RESERVED_NAME = "ReservedName"
"""`Accepted=False` of a component: the runtime makes a table of this name itself, for a join or for its scheduler. Do: use
another name."""
VOLUME_NAME_CONFLICT = "VolumeNameConflict"
"""`Accepted=False` of a component: a volume in the app's template has the name that this component's file needs; between
two volumes of an app the same is found as `InvalidSpec` of the app. Do: rename one of them."""
DOCUMENT_TOO_BIG = "DocumentTooBig"
"""`Accepted=False` of a component: its definition is too big for a ConfigMap. Do: move code into a package that the app
installs with `spec.pythonPackages`."""

MAY_COME = frozenset({TABLE_NOT_FOUND, LEFT_TABLE_NOT_FOUND, RIGHT_TABLE_NOT_FOUND, CHANNEL_WITHOUT_JOIN})
"""Reasons that another object settles: one in another file, or one that `kubectl apply` is about to send."""

# An app cannot be rendered
UNSUPPORTED_VERSION = "UnsupportedVersion"
"""`Stalled=True` of an app, as `InvalidSpec`: `spec.version` is unknown or too old. Do: choose another, or name an image in
`spec.image`."""
MOUNT_PATH_CONFLICT = "MountPathConflict"
"""`Stalled=True` of an app, as `InvalidSpec`: two volumes are mounted at one path. Do: move the one of the template."""

# Works otherwise than one may think
AMBIGUOUS_CODE = "AmbiguousCode"
"""`Warnings=True` of a component: code without an entrypoint, so the runtime would call a function of `init`. Do: name the
entrypoint."""
UNCHECKED_CODE = "UncheckedCode"
"""`Warnings=True` of a component: its Python needs a newer version than the controller runs on, so it was mounted unchecked. Do:
make sure that the members' image has that version; a controller on the same one checks it."""
NO_EFFECT = "NoEffect"
"""`Warnings=True`: the runtime does not read this field. Do: remove it, or do not rely on it."""
BROKEN_IN_RUNTIME = "BrokenInRuntime"
"""`Warnings=True` of a component: the runtime accepts this and does not do it. Do: write it in another way."""
JOIN_HINT = "JoinHint"
"""`Warnings=True` of a KasprJoin: rows of the tables may never meet, or meet defaults. Do: follow the message."""
IMMUTABLE = "Immutable"
"""`Warnings=True` of an app: this cannot change while the app lives, so it keeps what it has. Do: undo the change."""
TEMPLATE_KEPT = "TemplateKept"
"""`Warnings=True` of an app: its pods are still those of the former operator, whose template is kept so that nobody restarts.
Do: nothing; the next change replaces it."""
REFERENCE_UNREAD = "ReferenceUnread"
"""`Warnings=True` of an app with `kaspr.io/restart-on-secret-change`: a Secret or ConfigMap that it names is not there or cannot
be read, so no change is noticed. Do: create it, or grant `get`; it is looked at once a minute."""
OVERRIDDEN = "Overridden"
"""`Warnings=True` of an app: two places set the same thing; the message says which one counts. Do: remove the other."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    Attributes:
        reason: one of the constants of this module.
        field: path inside the object, for example `spec.input.topic.name`; "" when it is about the whole.
        message: a sentence that says what is wrong and what to do; never a secret.
    """

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


@dataclass(frozen=True, slots=True)
class Unstorable:
    """A component whose content cannot be stored; found out while writing, so it comes in with the next render.

    Attributes:
        problem: why not.
        keep: its last good definition is stored and may stay; False when there is no place for any.
    """

    problem: Problem
    keep: bool

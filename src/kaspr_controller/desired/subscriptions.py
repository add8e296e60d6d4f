"""What the members of an app read from Kafka: the set whose changes need care under static membership.

In: the chosen definitions. Out: `Subscriptions`, and the annotation that lets a running pod say which set it was started
with. Pure. A topic added is not assigned until somebody rebalances; a topic removed turns members into zombies
(real-runtime C1, C3), so whoever decides must be able to compare what runs with what is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kaspr_controller.desired import hashing
from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.desired.claims import SCHEDULER_TABLES
from kaspr_controller.desired.problems import ComponentKey
from kaspr_controller.desired.resolving import Choice

ANNOTATION = "kaspr.io/subscriptions"
"""On the pod template: the topics and then the marks, each sorted, separated by commas; or a hash where they are too many.
What has a colon in it is no topic."""
LIMIT = 64 * 1024
"""Characters of that annotation; all annotations of an object together may have 256 KiB."""

_SCHEDULER_TOPICS = ("schedule-requests", "schedule-actions", "schedule-rejections")


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """Topics by origin, each sorted.

    Attributes:
        topics: input topics of agents.
        patterns: patterns of agents; the runtime does not read them yet.
        changelogs: changelog topics of tables, those of joins and of the scheduler included.
        internal: topics that the runtime makes for itself (leader election, joins, scheduler).
        marks: what changes who reads what without changing a topic (D44): tables that everybody reads whole or that have a
            number of partitions of their own, joins, and agents on their channels.
    """

    topics: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    changelogs: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every topic that some member must have in its assignment."""
        return tuple(sorted({*self.topics, *self.changelogs, *self.internal}))


def of(chosen: Mapping[ComponentKey, Choice], identity: Identity, *, scheduler: bool) -> Subscriptions:
    """The subscriptions that follow from the definitions."""
    application = identity.workload
    topics: set[str] = set()
    patterns: set[str] = set()
    marks: set[str] = set()
    tables: set[str] = set(SCHEDULER_TABLES if scheduler else ())
    internal = {f"{application}-assignor-leader"}
    internal |= {f"{application}-{name}" for name in _SCHEDULER_TOPICS} if scheduler else set()
    for (kind, name), choice in chosen.items():
        claims = choice.claims
        topics.update(claims.topics)
        patterns.update({claims.pattern} - {""})
        marks.update(_marks(kind, name, choice))
        if kind == "KasprTable":
            tables.add(name)
        elif kind == "KasprJoin":
            tables.update(claims.internal_tables)
            stem = f"{application}-{claims.left}-{claims.right}-subscription"
            internal.update({f"{stem}-registration", f"{stem}-response"})
    return Subscriptions(
        topics=tuple(sorted(topics)),
        patterns=tuple(sorted(patterns)),
        changelogs=tuple(sorted(f"{application}-{table}-changelog" for table in tables)),
        internal=tuple(sorted(internal)),
        marks=tuple(sorted(marks)),
    )


def _marks(kind: str, name: str, choice: Choice) -> Iterator[str]:
    claims = choice.claims
    if kind == "KasprTable":
        if choice.entry.get("global"):
            yield f"global:{name}"
        if partitions := choice.entry.get("partitions"):
            yield f"partitions:{name}:{partitions}"
    elif kind == "KasprJoin":
        yield f"join:{name}:{claims.left}:{claims.right}"
    elif claims.listens:
        yield f"channel:{name}:{hashing.of_text(claims.listens)}"


def annotation_of(subscriptions: Subscriptions) -> dict[str, str]:
    """The annotation for the pod template.

    A subscription never changes without a definition, so it restarts nothing that would not be restarted anyway.
    """
    text = ",".join((*subscriptions.all, *subscriptions.marks))
    return {ANNOTATION: text if len(text) <= LIMIT else f"hash:{hashing.of_text(text)}"}

"""Has something that an app names been replaced? Its Secrets and ConfigMaps, each read by its name once a minute.

In: an app that asks for it by annotation. Out: a hash of UIDs and resource versions for the render, and what could not be
read. Called by the app's worker; what is kept, per app, saves requests and may be lost. Invariant: of an object only its
metadata is looked at, and no content is kept, hashed or told; nothing is listed or watched, since whoever may list Secrets
has them all (decision record 0012).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from kaspr_controller.api import labels
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.desired import hashing
from kaspr_controller.desired.app.references import Reference, references
from kaspr_controller.desired.facts import Facts
from kaspr_controller.engine.clock import Clock
from kaspr_controller.kube.errors import ApiError, NotFound
from kaspr_controller.kube.kinds import CONFIG_MAP, SECRET, Kind, ObjectKey, Raw

INTERVAL_SECONDS = 60.0
"""Between two looks at the objects of one app, more or less by a fifth so that apps do not look at once."""
QUIET_SECONDS = 5.0
"""A change counts when the next look shows the same: Secrets that are replaced together give one restart."""
MOST = 32
"""Objects of one app that are looked at; a request each."""


class Reads(Protocol):
    """The one request of this module."""

    def get(self, kind: Kind, namespace: str, name: str) -> Raw:
        """One object, read live."""
        ...


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen: of which objects, when to look again, the hash ("" for unknown), the one that counts, and problems."""

    named: tuple[Reference, ...]
    again_at: float
    hash: str
    counts: str
    problems: tuple[str, ...]


class Rotating:
    """Looks at what apps name. Thread-safe as long as one app is looked at by one thread at a time.

    Args:
        reads: the API server.
        clock: monotonic seconds.
    """

    def __init__(self, reads: Reads, clock: Clock) -> None:
        self._reads = reads
        self._clock = clock
        self._looks: dict[ObjectKey, _Look] = {}

    def look(self, key: ObjectKey, app: KasprApp, facts: Facts) -> Facts:
        """The facts, with what is known of the objects that the app names."""
        if not labels.truthy(app.metadata.annotations.get(labels.RESTART_ON_SECRET_CHANGE)):
            self.forget(key)
            return facts
        named = references(app)
        last, now = self._looks.get(key), self._clock.monotonic()
        if last is None or last.named != named or now >= last.again_at:
            last = self._looks[key] = self._see(key, named, last, now)
        return replace(facts, references=last.counts, unread=last.problems)

    def after(self, key: ObjectKey) -> float | None:
        """Seconds until the next look at the objects of an app; None when there is none."""
        last = self._looks.get(key)
        return None if last is None else max(0.0, last.again_at - self._clock.monotonic())

    def forget(self, key: ObjectKey) -> None:
        """The app is gone, or does not ask for it."""
        self._looks.pop(key, None)

    def _see(self, key: ObjectKey, named: tuple[Reference, ...], last: _Look | None, now: float) -> _Look:
        problems: list[str] = []
        versions = list(self._versions(key.namespace, named[:MOST], problems))
        if len(named) > MOST:
            problems.append(f"{len(named)} Secrets and ConfigMaps are named, changes of {MOST} are noticed")
        unknown = len(versions) < len(named[:MOST])
        found = "" if unknown else hashing.of_value(versions)
        same = last is not None and last.named == named and last.hash == found
        # Equal objects as at the last look: the hash counts. A new one has to last until the next look, which is soon.
        wait = INTERVAL_SECONDS * _spread(key) if same or unknown else QUIET_SECONDS
        return _Look(named, now + wait, found, found if same else "", tuple(problems))

    def _versions(
        self, namespace: str, named: Iterable[Reference], problems: list[str]
    ) -> Iterable[tuple[str, str, str, str]]:
        for reference in named:
            kind = SECRET if reference.kind == SECRET.kind else CONFIG_MAP
            try:
                meta = self._reads.get(kind, namespace, reference.name)["metadata"]
            except NotFound:
                # Pods that are restarted for an object that is gone would not come back.
                if reference.optional:
                    yield reference.kind, reference.name, "", ""
                else:
                    problems.append(f"there is no {reference}")
            except ApiError as error:
                problems.append(f"{reference} cannot be read ({error.reason})")
            else:
                yield reference.kind, reference.name, meta["uid"], meta["resourceVersion"]


def _spread(key: ObjectKey) -> float:
    """0.8 to 1.2, always the same for an app."""
    return 0.8 + 0.4 * (zlib.crc32(str(key).encode()) % 1000) / 1000

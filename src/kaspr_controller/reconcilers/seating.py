"""What Kafka says of an app's group, and goodbyes for its seats: the reconcilers' side of the `groups` desk.

In: an app, and who is owed a goodbye. Out: `Seating`, a value for the decisions. Nothing here waits for Kafka: requests are
handed in, and the desk wakes the app when an answer is news. The password is one key of one Secret that the app names; it
is read by `get` right before a request and kept by nobody but the request. Whatever goes wrong ends as a reason.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.engine.clock import Clock
from kaspr_controller.groups.address import AddressError, Credentials, GroupAddress, Secret, group_address
from kaspr_controller.groups.answers import Farewell, GroupFault, GroupView
from kaspr_controller.groups.requests import Answered, Describe, Goodbye, Request, Ticket
from kaspr_controller.kube.errors import ApiError, NotFound
from kaspr_controller.kube.kinds import SECRET, Kind, ObjectKey, Raw
from kaspr_controller.status.actions import SayGoodbye
from kaspr_controller.status.farewell import Access, Owed
from kaspr_controller.status.judging import Seats

FRESH_SECONDS = 10.0
"""Age up to which a description speaks for the present."""
AGAIN_SECONDS = 5.0
"""Time between two descriptions while an app is not settled."""
_PASSING = frozenset({"busy", "not-leading", "not-ready"})
"""Faults that say nothing about whether Kafka can be reached."""


class Desk(Protocol):
    """What is needed of the groups desk."""

    def submit(self, request: Request, *, max_age: float = 0.0) -> Ticket:
        """Have a request carried out."""
        ...

    def answer(self, ticket: Ticket) -> Answered | None:
        """The newest answer."""
        ...

    def pending(self, ticket: Ticket) -> bool:
        """Whether it waits or is under way."""
        ...

    def forget(self, app: ObjectKey) -> None:
        """Drop everything about an app."""
        ...


class Reads(Protocol):
    """The one request to the API server."""

    def get(self, kind: Kind, namespace: str, name: str) -> Raw:
        """One object."""
        ...


@dataclass(frozen=True, slots=True)
class Seating:
    """What is known of an app's seats.

    Attributes:
        access: whether goodbyes can be said, as far as is known.
        reason: why not.
        proven: Kafka has answered lately, and lets us say goodbyes.
        seats: what Kafka says, None when nobody could ask or the answer is old.
        viewed_at: when that was read, seconds since 1970.
        done: (name, gone UID) of goodbyes that were said.
    """

    access: Access = "off"
    reason: str = ""
    proven: bool = False
    seats: Seats | None = None
    viewed_at: float | None = None
    done: frozenset[tuple[str, str]] = frozenset()


class Seatings:
    """Asks the desk for apps. Thread-safe as long as one app is looked at by one thread at a time.

    Args:
        desk: carries requests out.
        reads: for the Secret with the password.
        clock: both of its times.
    """

    def __init__(self, *, desk: Desk, reads: Reads, clock: Clock) -> None:
        self._desk = desk
        self._reads = reads
        self._clock = clock
        self._faults: dict[ObjectKey, str] = {}

    def look(self, key: ObjectKey, app: KasprApp, owed: Iterable[Owed]) -> Seating:
        """What the newest answers say; asks nothing."""
        group = _group(app)
        done = frozenset(
            (each.name, each.gone_uid)
            for each in owed
            if (said := self._desk.answer(Ticket(key, "goodbye", group, each.name, each.gone_uid)))
            is not None
            and isinstance(said.answer, Farewell)
            and said.answer.ok
        )
        found = self._desk.answer(Ticket(key, "describe", group))
        fault = self._faults.get(key, "") or _fault_of(found)
        if fault:
            return Seating("failing", fault, done=done)
        if found is None or not isinstance(found.answer, GroupView):
            return Seating("ok", done=done)
        age = self._clock.monotonic() - found.at
        view = found.answer
        if age > FRESH_SECONDS:
            return Seating("ok", done=done)
        seats = Seats(stable=view.state == "stable", instances=view.instances)
        return Seating("ok", "", True, seats, self._clock.now().timestamp() - age, done)

    def ask(self, key: ObjectKey, app: KasprApp) -> None:
        """Have the group described, unless that was done a moment ago."""
        ticket = Ticket(key, "describe", _group(app))
        known = self._desk.answer(ticket)
        young = known is not None and self._clock.monotonic() - known.at < AGAIN_SECONDS
        if young or self._desk.pending(ticket):
            return
        if (reach := self._reach(key, app)) is not None:
            self._desk.submit(Describe(key, *reach))

    def say(self, key: ObjectKey, app: KasprApp, goodbye: SayGoodbye) -> None:
        """Have a goodbye said."""
        if (reach := self._reach(key, app)) is not None:
            self._desk.submit(Goodbye(key, *reach, goodbye.instance_id, goodbye.gone_uid))

    def forget(self, key: ObjectKey) -> None:
        """The app is gone."""
        self._faults.pop(key, None)
        self._desk.forget(key)

    def _reach(self, key: ObjectKey, app: KasprApp) -> tuple[GroupAddress, Credentials] | None:
        """Where the group lives and who asks; None when that cannot be told, which is remembered as the reason."""
        self._faults.pop(key, None)
        try:
            return _address(app), self._credentials(key, app)
        except (AddressError, _NoPasswordError) as fault:
            self._faults[key] = str(fault)
            return None

    def _credentials(self, key: ObjectKey, app: KasprApp) -> Credentials:
        authentication = app.spec.authentication
        if authentication.username is None or authentication.password_secret is None:
            return Credentials()
        name = authentication.password_secret.secret_name
        entry = authentication.password_secret.password_key
        try:
            secret = self._reads.get(SECRET, key.namespace, name)
            text = base64.b64decode(secret.get("data", {})[entry], validate=True).decode()
        except NotFound:
            raise _NoPasswordError(f"there is no Secret {name}") from None
        except ApiError as error:
            raise _NoPasswordError(f"Secret {name} cannot be read: {error.reason}") from None
        except KeyError:
            raise _NoPasswordError(f"Secret {name} has no key {entry}") from None
        except (binascii.Error, UnicodeDecodeError):
            raise _NoPasswordError(f"the key {entry} of Secret {name} is no text") from None
        return Credentials(authentication.username, Secret(text))


class _NoPasswordError(Exception):
    """The password cannot be had; the message names the Secret."""


def _group(app: KasprApp) -> str:
    """The consumer group, which is the app's id in the runtime."""
    return Identity(app.metadata.name, app.metadata.namespace or "", app.metadata.uid).workload


def _address(app: KasprApp) -> GroupAddress:
    spec = app.spec
    return group_address(
        spec.bootstrap_servers,
        _group(app),
        authentication=spec.authentication.type,
        username=spec.authentication.username,
        tls=spec.tls is not None,
    )


def _fault_of(found: Answered | None) -> str:
    """Why goodbyes cannot be said, from a description; "" when nothing says so."""
    if found is None:
        return ""
    if isinstance(found.answer, GroupFault):
        return "" if found.answer.kind in _PASSING else found.answer.reason
    if isinstance(found.answer, GroupView) and found.answer.may_say_goodbye is False:
        return "the app's Kafka user may not change its group (it needs READ)"
    return ""

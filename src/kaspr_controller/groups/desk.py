"""Takes requests about groups from workers, has them carried out on threads of its own, keeps the answers.

Reconcilers `submit` and read `answer`, from any thread, and never wait; the desk's slots (threads made by the engine)
carry requests out one after another and call `on_change` when an answer is there that is news. Goodbyes go before
descriptions, since partitions are unread until they are said.
Invariants: one request at a time to a listener with the same credentials; listeners that have just failed never hold all
slots; everything kept is bounded; a goodbye with an answer that ends it is not said again under the same ticket.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias, cast

from kaspr_controller.groups.address import Credentials, Listener
from kaspr_controller.groups.answers import Answer, Farewell, FaultKind, GroupFault, GroupView
from kaspr_controller.groups.breaker import Breaker
from kaspr_controller.groups.requests import Answered, Describe, Goodbye, Request, Ticket
from kaspr_controller.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, MutableMapping

    from kaspr_controller.engine.clock import Clock
    from kaspr_controller.groups.client import GroupClient
    from kaspr_controller.kube.kinds import ObjectKey

SLOTS = 2
"""Requests at a time: a good one takes 30 ms, so the second slot is there for when the first meets a dead broker."""
CAPACITY = 256
"""Requests that wait; one more is answered with `busy`."""
ANSWERS = 1024
"""Answers that are kept, the newest; one that is gone can be asked for again."""
BREAKERS = 256
"""Listeners of which failures are remembered."""

_NOT_LEADING = Farewell("not-leading", "another controller acts now")
_Place: TypeAlias = tuple[Listener, Credentials]


class GroupDesk:
    """Requests in, answers out, nobody waits.

    Args:
        client: carries requests out.
        on_change: called without a lock, with the app that has news: every end of a goodbye, and each description that
            says something else than the one before (lag and the wording of faults apart).
        clock: its monotonic seconds are the times of the answers.
        may_act: asked right before a goodbye is said; False (no longer leading) answers it with `not-leading`.
        slots: requests at a time, as many threads run `run_slot`.
    """

    def __init__(
        self,
        client: GroupClient,
        *,
        on_change: Callable[[ObjectKey], None],
        clock: Clock,
        may_act: Callable[[], bool] = lambda: True,
        slots: int = SLOTS,
    ) -> None:
        self.slots = slots
        self._client = client
        self._on_change = on_change
        self._clock = clock
        self._may_act = may_act
        self._waiting: dict[str, OrderedDict[Ticket, Request]] = {
            "goodbye": OrderedDict(),
            "describe": OrderedDict(),
        }
        self._running: dict[Ticket, _Place] = {}
        self._answers: OrderedDict[Ticket, Answered] = OrderedDict()
        self._breakers: OrderedDict[_Place, Breaker] = OrderedDict()
        self._wake = threading.Condition()
        self._stopping = False

    def submit(self, request: Request, *, max_age: float = 0.0) -> Ticket:
        """Have a request carried out, unless it is under way or has an answer that is good enough.

        Args:
            request: one with the same ticket that still waits is replaced (its credentials may be old).
            max_age: seconds; an answer younger than this will do. A goodbye that ended well is never said again.
        """
        ticket = request.ticket
        with self._wake:
            known = self._answers.get(ticket)
            if ticket in self._running or (known and self._will_do(known, max_age)):
                return ticket
            waiting = self._waiting[ticket.kind]
            if ticket not in waiting and self._depth() >= CAPACITY:
                self._note(ticket, _fault(request, "busy", "too many requests wait"))
                return ticket
            waiting[ticket] = request
            metrics.GROUP_QUEUE.set(self._depth())
            self._wake.notify()
        return ticket

    def answer(self, ticket: Ticket) -> Answered | None:
        """The newest answer, None when there was none yet (or it is long gone)."""
        with self._wake:
            return self._answers.get(ticket)

    def pending(self, ticket: Ticket) -> bool:
        """Whether it waits or is being carried out."""
        with self._wake:
            return ticket in self._running or ticket in self._waiting[ticket.kind]

    def forget(self, app: ObjectKey) -> None:
        """Drop what waits and what is kept for an app; a request in hand is still carried out."""
        with self._wake:
            for kept in self._kept():
                for ticket in [ticket for ticket in kept if ticket.app == app]:
                    del kept[ticket]
            metrics.GROUP_QUEUE.set(self._depth())

    def run_slot(self) -> None:
        """Carry requests out until `stop`; the body of one thread."""
        while (request := self._next()) is not None:
            self.carry_out(request)

    def stop(self) -> None:
        """Let every slot end after the request in hand (10 s at most); what waits is dropped."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    def take(self) -> Request | None:
        """The next request that may run now; it must be handed to `carry_out`."""
        with self._wake:
            return self._take()

    def carry_out(self, request: Request) -> None:
        """Carry one request out, keep its answer and say so if it is news."""
        place = _place(request)
        with self._wake:
            refusal = self._breaker(place).refusal(self._clock.monotonic())
        answer = _fault(request, *refusal) if refusal else self._try(request)
        with self._wake:
            if refusal is None and answer != _NOT_LEADING:
                self._breaker(place).note(answer, self._clock.monotonic())
            news = self._note(request.ticket, answer)
            del self._running[request.ticket]
            # Another request may have waited for this listener.
            self._wake.notify_all()
        if news:
            self._on_change(request.app)

    def _try(self, request: Request) -> Answer:
        if isinstance(request, Describe):
            with metrics.GROUP_REQUEST_SECONDS.labels(request="describe").time():
                return self._client.describe(request.address, request.credentials, lag=request.lag)
        if not self._may_act():
            return _NOT_LEADING
        with metrics.GROUP_REQUEST_SECONDS.labels(request="goodbye").time():
            return self._client.goodbye(request.address, request.credentials, request.instance_id)

    def _next(self) -> Request | None:
        while True:
            # Outside the lock: closing may wait for a socket.
            idle = self._client.tidy()
            with self._wake:
                if self._stopping:
                    return None
                if found := self._take():
                    return found
                self._clock.park(self._wake, idle)

    def _take(self) -> Request | None:
        busy = set(self._running.values())
        crowded = sum(self._breaker(place).suspect for place in busy) >= max(1, self.slots - 1)
        for waiting in self._waiting.values():
            for ticket, request in waiting.items():
                place = _place(request)
                if place in busy or (crowded and self._breaker(place).suspect):
                    continue
                del waiting[ticket]
                self._running[ticket] = place
                metrics.GROUP_QUEUE.set(self._depth())
                return request
        return None

    def _will_do(self, known: Answered, max_age: float) -> bool:
        done = isinstance(known.answer, Farewell) and known.answer.ok
        return done or self._clock.monotonic() - known.at < max_age

    def _note(self, ticket: Ticket, answer: Answer) -> bool:
        """Keep an answer; True when it is news."""
        outcome = "ok" if isinstance(answer, GroupView) else answer.kind
        metrics.GROUP_REQUESTS.labels(request=ticket.kind, outcome=outcome).inc()
        if isinstance(answer, Farewell):
            metrics.GOODBYES.labels(outcome=outcome).inc()
        before = self._answers.pop(ticket, None)
        self._answers[ticket] = Answered(answer, self._clock.monotonic())
        if len(self._answers) > ANSWERS:
            self._answers.popitem(last=False)
        return isinstance(answer, Farewell) or before is None or _gist(before.answer) != _gist(answer)

    def _breaker(self, place: _Place) -> Breaker:
        found = self._breakers.pop(place, None) or Breaker()
        self._breakers[place] = found
        if len(self._breakers) > BREAKERS:
            self._breakers.popitem(last=False)
        return found

    def _kept(self) -> Iterator[MutableMapping[Ticket, object]]:
        # Only keys are looked at and removed, so the values may be of any type.
        yield from cast("Iterable[MutableMapping[Ticket, object]]", self._waiting.values())
        yield cast("MutableMapping[Ticket, object]", self._answers)

    def _depth(self) -> int:
        return sum(map(len, self._waiting.values()))


def _place(request: Request) -> _Place:
    return request.address.listener, request.credentials


def _fault(request: Request, kind: FaultKind, reason: str) -> Answer:
    return Farewell(kind, reason) if isinstance(request, Goodbye) else GroupFault(kind, reason)


def _gist(answer: Answer) -> object:
    """What makes a description differ from the one before."""
    if isinstance(answer, GroupView):
        return GroupView(answer.state, answer.members, answer.may_say_goodbye)
    return answer.kind

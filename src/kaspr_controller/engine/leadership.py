"""One process writes: leader election over a Lease, and the fence that every write passes.

In: a lease (read, create, update) and a clock. Out: `ready` while this process leads, `lost` called once when it no longer
may, and `Fence.check` for the client. Runs on one thread with a connection of its own. The invariant (rules L2, L4): the
fence opens for `renew_deadline` seconds from the moment before a successful renewal was sent, others wait for the longer
`lease` seconds from the moment after they saw it; so two processes never write at once, however wrong the clocks are and
however long a process was frozen. Times in the record are for people only.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from kaspr_controller.engine import threads
from kaspr_controller.kube import errors
from kaspr_controller.kube.leasing import LeaseRecord
from kaspr_controller.telemetry import metrics
from kaspr_controller.telemetry.logs import get_logger

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from kaspr_controller.engine.clock import Clock

RELEASE_TRIES = 3
RELEASED_SECONDS = 1
"""Duration written into a released lease: should a client judge by it, it does not wait long."""

log = get_logger("engine.leadership")


class LeaseStore(Protocol):
    """The lease; every call may raise errors.ApiError and ends within half of the renew deadline."""

    def get(self) -> LeaseRecord:
        """The record. Raises errors.NotFound before the first create."""
        ...

    def create(self, record: LeaseRecord) -> LeaseRecord:
        """Raises errors.AlreadyExists when somebody was faster."""
        ...

    def update(self, record: LeaseRecord) -> LeaseRecord:
        """Raises errors.Conflict when the record changed since it was read."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds (rule L1).

    Attributes:
        lease: how long others wait after the last renewal that they saw.
        renew_deadline: how long the leader may write after its last renewal, and tries to renew.
        retry: between two tries.
        jitter: of the tries to acquire: each pause is in [retry, retry + jitter * retry).
    """

    lease: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0
    jitter: float = 1.2

    def __post_init__(self) -> None:
        if not self.lease > self.renew_deadline > self.jitter * self.retry > 0:
            raise ValueError(
                f"lease {self.lease:g} > renew_deadline {self.renew_deadline:g} > jitter * retry "
                f"{self.jitter * self.retry:g} > 0 must hold, or two processes may lead at once"
            )


class Fence:
    """Whether this process may write right now. Asked by any thread before each write; no lock, no waiting.

    Args:
        clock: that of the elector.
        margin: seconds for which nobody else acts after the fence has closed: `lease` less `renew_deadline`.
    """

    def __init__(self, clock: Clock, *, margin: float = 0.0) -> None:
        self._clock = clock
        self._margin = margin
        self._until = float("-inf")  # written by the elector's thread only

    def open_until(self, moment: float) -> None:
        """Writes may go out before this monotonic time."""
        self._until = moment

    def close(self) -> None:
        """No write from now on."""
        self._until = float("-inf")

    @property
    def left(self) -> float:
        """Seconds until the fence closes; 0 or less when it is closed."""
        return self._until - self._clock.monotonic()

    def check(self) -> None:
        """Let a write pass.

        Raises:
            errors.NotLeading: this process cannot prove that it leads.
        """
        self.admit()

    def admit(self) -> float:
        """Let a write pass; gives the seconds after which it must have ended, since somebody else may act then.

        Raises:
            errors.NotLeading: as `check`.
        """
        left = self.left
        if left <= 0:
            raise errors.NotLeading("this process does not hold the lease (any more); nothing was sent")
        return left + self._margin


class Elector:
    """Acquires the lease, renews it, gives it back; a `Runnable`.

    Args:
        leases: the lease.
        identity: unique for each process, e.g. the pod's name and a UUID.
        fence: opened by each renewal.
        clock: everything is measured with it.
        rng: jitter.
        lost: called once when the lease was lost; must end the process, at once and with an error.
        timing: see there.
        name: of the lease, for metrics.
    """

    def __init__(  # noqa: PLR0913  # every tool is handed in
        self,
        leases: LeaseStore,
        identity: str,
        fence: Fence,
        *,
        clock: Clock,
        rng: random.Random,
        lost: Callable[[], None],
        timing: Timing | None = None,
        name: str = "kaspr-controller",
    ) -> None:
        self.name = "elector"
        self.identity = identity
        self._leases = leases
        self._fence = fence
        self._clock = clock
        self._rng = rng
        self._lost = lost
        self._timing = timing or Timing()
        self._gauge = metrics.LEADER.labels(name)
        self._slowpath = metrics.LEADER_SLOWPATH.labels(name)
        self._gauge.set(0)
        self._stop = threading.Event()
        self._leading = threading.Event()
        self._thread = threads.make(self.name, self._run)
        # Below: the elector's thread only.
        self._seen: LeaseRecord | None = None
        self._seen_at = float("-inf")  # when the record was seen to have changed

    # Runnable.

    def start(self) -> None:
        """Begin to acquire."""
        self._thread.start()

    def stop(self) -> None:
        """Give the lease back, if we have it, and end; only after all work that writes has ended. Returns at once."""
        self._stop.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread; whether it has ended."""
        return threads.join_all([self._thread], timeout, self._clock.monotonic)

    @property
    def ready(self) -> bool:
        """Whether this process leads."""
        return self._leading.is_set()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def holder(self) -> str:
        """Who held the lease when we last looked, "" if nobody."""
        return self._seen.holder if self._seen else ""

    # The thread.

    def _run(self) -> None:
        while not self._stop.is_set():
            pause = self.step()
            if pause is None:
                return
            self._clock.wait(self._stop, pause)
        self.release()

    def step(self) -> float | None:
        """One try to acquire or to renew; gives the pause after it, None when the lease was lost."""
        began = self._clock.monotonic()
        if self._try():
            self._fence.open_until(began + self._timing.renew_deadline)
            if not self.ready:
                log.info("this process leads", identity=self.identity)
                self._leading.set()
                self._gauge.set(1)
            # After a slow answer little of the deadline is left; then the next renewal does not wait.
            return min(self._timing.retry, max(0.0, self._fence.left))
        if not self.ready:
            return self._timing.retry * (1 + self._timing.jitter * self._rng.random())
        taken = self._seen is not None and self._seen.holder != self.identity
        if taken or self._fence.left <= 0:
            self._lose()
            return None
        return min(self._timing.retry, self._fence.left)

    def release(self) -> None:
        """Give the lease back, so that the next one need not wait for its end."""
        if not self.ready:
            return
        self._fence.close()
        self._leading.clear()
        self._gauge.set(0)
        for _ in range(RELEASE_TRIES):
            record = self._seen
            if record is None or record.holder != self.identity:
                return
            free = replace(record, holder="", duration_seconds=RELEASED_SECONDS, renew_time=self._clock.now())
            try:
                self._leases.update(free)
            except errors.Conflict:
                self._look()
            except errors.ApiError as error:
                log.warning("the lease was not given back; it will expire", error=error.message)
                return
            else:
                log.info("the lease was given back", identity=self.identity)
                return

    def _lose(self) -> None:
        self._fence.close()
        self._leading.clear()
        self._gauge.set(0)
        log.error("the lease was lost", identity=self.identity, holder=self.holder)
        self._lost()

    # One try.

    def _try(self) -> bool:
        try:
            return self._renew_blindly() or self._acquire()
        except errors.ApiError as error:
            log.warning(
                "the lease could not be acquired or renewed", error=f"{error.reason}: {error.message}"
            )
            return False

    def _renew_blindly(self) -> bool:
        """The fast path: while our own record stands, an update needs no read before it."""
        record = self._seen
        if not self.ready or record is None or record.holder != self.identity:
            return False
        try:
            self._observe(self._leases.update(replace(record, renew_time=self._clock.now())))
        except errors.ApiError as error:
            # Perhaps only the answer was lost, or somebody labelled the lease: look, then decide.
            log.info("a renewal without a look failed", error=error.message)
            self._slowpath.inc()
            return False
        return True

    def _acquire(self) -> bool:
        if not self._look():
            self._observe(self._leases.create(self._record(None)))
            return True
        record = self._seen
        if record is None or not self._free(record):
            return False
        self._observe(self._leases.update(self._record(record)))
        return True

    def _look(self) -> bool:
        """Read the record; False when there is none."""
        try:
            self._observe(self._leases.get())
        except errors.NotFound:
            self._seen = None
            return False
        return True

    def _observe(self, record: LeaseRecord) -> None:
        if self._seen is None or record.resource_version != self._seen.resource_version:
            self._seen_at = self._clock.monotonic()
        self._seen = record

    def _free(self, record: LeaseRecord) -> bool:
        if record.holder in ("", self.identity):
            return True
        # The holder's own duration counts; ours would cut short one that was configured longer.
        patience = max(float(record.duration_seconds), self._timing.lease)
        return self._clock.monotonic() >= self._seen_at + patience

    def _record(self, old: LeaseRecord | None) -> LeaseRecord:
        """The record with us as its holder."""
        now = self._clock.now()
        ours = old is not None and old.holder == self.identity
        return LeaseRecord(
            holder=self.identity,
            duration_seconds=round(self._timing.lease),
            acquire_time=old.acquire_time if old and ours else now,
            renew_time=now,
            transitions=old.transitions + (not ours) if old else 0,
            metadata=old.metadata if old else {},
        )

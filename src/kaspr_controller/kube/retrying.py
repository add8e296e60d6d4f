"""Which requests are sent again, how often and after how long (rule A2).

The client wraps each exchange in `Retrier.call`, on the caller's thread. A read or an apply is safe to repeat after any
passing failure; a create or a patch with a test only when the server surely did not carry it out (no connection, 429).
`Retry-After` is the floor of each wait, the rest of the call's time its ceiling: a wait that does not fit ends the call
with the error at hand. Errors that are not `transient` are never repeated. The only user of tenacity in this room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import tenacity

from kaspr_controller.kube import errors

if TYPE_CHECKING:
    import random
    import threading
    from collections.abc import Callable

    from kaspr_controller.kube.timing import Clock

T = TypeVar("T")

FIRST_WAIT = 0.2
LONGEST_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much trouble a kind of request is worth.

    Attributes:
        attempts: sent at most this often.
        seconds: limit for one exchange.
        repeatable: whether it may be sent again although it may have been carried out.
    """

    attempts: int
    seconds: float
    repeatable: bool = True


GET = Effort(3, 10.0)
LIST = Effort(3, 30.0)
APPLY = Effort(3, 10.0)
DELETE = Effort(2, 10.0)
WRITE = Effort(3, 10.0, repeatable=False)
ONCE = Effort(1, 10.0, repeatable=False)

_NOT_CARRIED_OUT = (errors.ConnectFailed, errors.TooManyRequests)
_PASSING = (errors.TransportError, errors.TooManyRequests, errors.ServerError)
_HOPELESS = (errors.Unavailable, errors.ResourceVersionTooLarge)


class Retrier:
    """Sends again after a jittered wait; `stop` ends all waits, and then nothing is sent again."""

    def __init__(self, clock: Clock, rng: random.Random, stop: threading.Event) -> None:
        self._clock = clock
        self._rng = rng
        self._stop = stop

    def call(
        self,
        attempt: Callable[[], T],
        effort: Effort,
        left: Callable[[], float],
        on_retry: Callable[[errors.ApiError], None],
    ) -> T:
        """The result of the first attempt that succeeds.

        Args:
            attempt: one exchange.
            effort: how often, and after what.
            left: seconds that the whole call still has.
            on_retry: told of each failure that is followed by another attempt.

        Raises:
            errors.ApiError: that of the last attempt.
        """
        try:
            return attempt()
        except errors.ApiError as error:
            if effort.attempts == 1 or not _repeats(error, effort):
                raise
            return self._again(_after(error, attempt), effort, left, on_retry)

    def _again(
        self,
        attempt: Callable[[], T],
        effort: Effort,
        left: Callable[[], float],
        on_retry: Callable[[errors.ApiError], None],
    ) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: _repeats(error, effort)),
            stop=lambda state: self._ends(state, effort, left()),
            wait=self._wait,
            sleep=lambda _seconds: None,
            before_sleep=lambda state: self._pause(state, on_retry),
            reraise=True,
        )
        return retrying(attempt)

    def _ends(self, state: tenacity.RetryCallState, effort: Effort, left: float) -> bool:
        # tenacity computes the wait before it asks this.
        spent = state.attempt_number >= effort.attempts or state.upcoming_sleep >= left
        return spent or self._stop.is_set()

    def _wait(self, state: tenacity.RetryCallState) -> float:
        base = min(FIRST_WAIT * 2.0 ** (state.attempt_number - 1), LONGEST_WAIT / 2)
        # In [d, 2d): many workers that failed together do not come back together.
        return max(_error_of(state).retry_after or 0.0, base * (1.0 + self._rng.random()))

    def _pause(self, state: tenacity.RetryCallState, on_retry: Callable[[errors.ApiError], None]) -> None:
        # Here and not in tenacity's `sleep`, because the error is at hand here: a stop ends wait and call with it.
        error = _error_of(state)
        if self._clock.wait(self._stop, state.upcoming_sleep):
            raise error
        on_retry(error)


def _after(first: errors.ApiError, attempt: Callable[[], T]) -> Callable[[], T]:
    """The attempts as tenacity should see them: the first one has failed already.

    Tenacity costs as much as encoding and decoding together (15 us), so a request that succeeds does without.
    """
    failures = [first]

    def replayed() -> T:
        if failures:
            raise failures.pop()
        return attempt()

    return replayed


def _error_of(state: tenacity.RetryCallState) -> errors.ApiError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, errors.ApiError):  # `_repeats` lets nothing else come here
        raise TypeError(f"{type(error).__name__} is not repeatable")
    return error


def _repeats(error: BaseException, effort: Effort) -> bool:
    if (
        not isinstance(error, errors.ApiError)
        or error.category != "transient"
        or isinstance(error, _HOPELESS)
    ):
        return False
    return isinstance(error, _PASSING if effort.repeatable else _NOT_CARRIED_OUT)

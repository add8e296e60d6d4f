"""Waiting for a real API server: by deadline, in short steps, and with the last reason in the failure."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from kubernetes.client import ApiException

T = TypeVar("T")

TIMEOUT = 20.0
INTERVAL = 0.05
NOT_FOUND = 404


def eventually(check: Callable[[], T | None], *, timeout: float = TIMEOUT, what: str = "") -> T:
    """Return the first truthy value of `check`.

    A missing object (404), key or item and a failed assertion inside `check` mean "not yet". For a function that only
    asserts use `eventually_holds`: its None would never pass here.
    """
    value = _until(check, bool, timeout, what)
    assert value is not None
    return value


def eventually_holds(assertions: Callable[[], None], *, timeout: float = TIMEOUT, what: str = "") -> None:
    """Return when `assertions` raises no AssertionError, LookupError or 404 any more."""
    _until(assertions, lambda _: True, timeout, what)


def stays(check: Callable[[], object], *, seconds: float = 1.0) -> None:
    """Fail unless `check` is truthy now and again and again for that many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = check()
        assert value, f"did not stay so for {seconds} s: {value!r}"
        time.sleep(INTERVAL)


def _until(check: Callable[[], T], enough: Callable[[T], bool], timeout: float, what: str) -> T:
    deadline = time.monotonic() + timeout
    while True:
        try:
            value = check()
            if enough(value):
                return value
            last = f"last value: {value!r}"
        except (AssertionError, LookupError) as error:
            last = f"{type(error).__name__}: {error}"
        except ApiException as error:
            if error.status != NOT_FOUND:
                raise
            last = f"not found: {error.body}"
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s{': ' + what if what else ''}; {last}")
        time.sleep(INTERVAL)

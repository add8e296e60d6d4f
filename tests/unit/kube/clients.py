"""A client of a fake server, whose backoffs cost no time."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

from kaspr_controller.kube.client import Client
from kaspr_controller.kube.limiting import RateLimiter
from kaspr_controller.kube.transport import HttpTransport
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaspr_controller.kube.connections import TlsSource
    from tests.fakes.apiserver import ApiServer


@contextlib.contextmanager
def client_for(
    server: ApiServer, *, clock: FakeClock | None = None, tls: TlsSource = lambda: None, **options: Any
) -> Iterator[Client]:
    clock = clock or FakeClock()
    options.setdefault("limiter", RateLimiter(clock, qps=0))
    rng = random.Random(1)  # noqa: S311 (jitter)
    client = Client(HttpTransport(server.cluster(tls=tls)), clock=clock, rng=rng, **options)
    yield client
    client.close()

"""Our client against a real API server, and the smallest objects to use it on."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

from kaspr_controller.engine.clock import SystemClock
from kaspr_controller.kube.client import Client
from kaspr_controller.kube.kinds import CONFIG_MAP
from kaspr_controller.kube.limiting import RateLimiter
from kaspr_controller.kube.transport import HttpTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaspr_controller.kube.credentials import Cluster
    from kaspr_controller.kube.watching import WatchStream

CLOCK = SystemClock()


@contextlib.contextmanager
def connected(cluster: Cluster, **options: Any) -> Iterator[Client]:
    rng = random.Random(1)  # noqa: S311 (jitter)
    limiter = RateLimiter(CLOCK, qps=0)
    client = Client(HttpTransport(cluster), clock=CLOCK, rng=rng, limiter=limiter, **options)
    yield client
    client.close()


def config_map(namespace: str, name: str = "a", **data: str) -> dict[str, Any]:
    meta = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def watch(client: Client, namespace: str, version: str, seconds: int = 60, **options: Any) -> WatchStream:
    return client.watch(CONFIG_MAP, namespace, resource_version=version, timeout_seconds=seconds, **options)

"""Follow a namespace: one thread for each kind, list then watch, into a `World`.

What a reader learns here: how little a watcher needs when it only shows. The controller's own informers
(`kaspr_controller.engine.reflector`) do the same with back-off, bookkeeping and proofs; this one shares only the client
with them, so it would notice what they miss. Threads end when the client is closed.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from hack.demo.world import World
from kaspr_controller.engine.clock import SystemClock
from kaspr_controller.kube import errors
from kaspr_controller.kube.client import Client
from kaspr_controller.kube.credentials import from_kubeconfig
from kaspr_controller.kube.kinds import Kind
from kaspr_controller.kube.limiting import RateLimiter
from kaspr_controller.kube.transport import HttpTransport

WATCH_SECONDS = 300
PAUSE_SECONDS = 0.2
SYNC_SECONDS = 15.0
STOP_SECONDS = 5.0


class Following:
    """Watches on some kinds of one namespace; use it in a `with` statement."""

    def __init__(self, kubeconfig: Path, namespace: str, kinds: Iterable[Kind], world: World) -> None:
        clock = SystemClock()
        transport = HttpTransport(from_kubeconfig(kubeconfig, None))
        rng = random.Random()  # noqa: S311  # jitter
        self._client = Client(transport, clock=clock, rng=rng, limiter=RateLimiter(clock, qps=0))
        self._namespace = namespace
        self._world = world
        self._over = threading.Event()
        self._synced = {kind.kind: threading.Event() for kind in kinds}
        self._threads = [
            threading.Thread(target=self._run, args=(kind,), name=f"follow-{kind.plural}", daemon=True)
            for kind in kinds
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        for kind, synced in self._synced.items():
            if not synced.wait(SYNC_SECONDS):
                raise TimeoutError(f"{kind} objects could not be listed within {SYNC_SECONDS:g} s")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._client.close()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _run(self, kind: Kind) -> None:
        while not self._over.is_set():
            try:
                version = self._list(kind)
                while not self._over.is_set():
                    version = self._watch(kind, version)
            except errors.ApiError:
                # Whatever it was, the next list tells the truth again.
                self._over.wait(PAUSE_SECONDS)

    def _list(self, kind: Kind) -> str:
        pages = list(self._client.list_pages(kind, self._namespace))
        self._world.replace(kind.kind, [obj for page in pages for obj in page.items])
        self._synced[kind.kind].set()
        return pages[-1].resource_version

    def _watch(self, kind: Kind, version: str) -> str:
        stream = self._client.watch(
            kind, self._namespace, resource_version=version, timeout_seconds=WATCH_SECONDS
        )
        for event in stream:
            if event.type != "BOOKMARK":
                self._world.take(event.object, gone=event.type == "DELETED")
        return stream.resource_version

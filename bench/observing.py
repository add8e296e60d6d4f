"""The observer: sees what the API server tells, with one clock for all subjects.

In: collections. Out: when which child appeared, and when a mark arrived in a workload. A process of the bench's Go
program watches as the administrator and stamps every event when it reads it; a thread collects its lines here.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

from bench.workload import APPS, CHILDREN, NAMESPACE, WORKLOADS
from hack.controlplane.processes import leashed


class Observer:
    """Watches apps and their children; use it in a `with` statement.

    Args:
        program: the Go program.
        kubeconfig: the administrator's.
    """

    def __init__(self, program: Path, kubeconfig: Path) -> None:
        self._collections = [APPS, *(kind.collection(NAMESPACE) for kind in CHILDREN)]
        self._command = [str(program), "observe", "--kubeconfig", str(kubeconfig), *self._collections]
        self._changed = threading.Condition()
        # All below: under the condition.
        self._watching = 0
        self._added: Counter[str] = Counter()
        self._last = 0
        self._marks: dict[tuple[str, str], int] = {}
        self._generations: dict[str, int] = {}
        self._ended = False

    def __enter__(self) -> Self:
        # The leash ends it with this thread, which is the main one.
        self._process = subprocess.Popen(leashed(self._command), stdout=subprocess.PIPE)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self._await(lambda: self._watching == len(self._collections), 30.0, "the observer to watch")
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()

    def await_children(self, wanted: dict[str, int], *, timeout: float) -> float:
        """Wait until that many children appeared by collection; when the last one did, in seconds since 1970."""

        def complete() -> bool:
            return all(self._added[collection] >= count for collection, count in wanted.items())

        self._await(complete, timeout, f"children: {wanted}; there are {dict(self._added)}")
        with self._changed:
            return self._last / 1e9

    def await_mark(self, workload: str, mark: str, *, timeout: float) -> float:
        """Wait until a workload carries a mark; when it did, in seconds since 1970."""
        self._await(lambda: (workload, mark) in self._marks, timeout, f"{mark} in {workload}")
        with self._changed:
            return self._marks[workload, mark] / 1e9

    def rewritten(self) -> int:
        """Workloads whose spec was written more than once so far."""
        with self._changed:
            return sum(generation > 1 for generation in self._generations.values())

    def _await(self, done: Any, timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        with self._changed:
            while not done():
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    raise TimeoutError(f"waited {timeout:g} s for {what}")
                self._changed.wait(left)

    def _read(self) -> None:
        assert self._process.stdout  # noqa: S101  # asked for above
        for line in self._process.stdout:
            with self._changed:
                self._take(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, sight: dict[str, Any]) -> None:
        if sight["event"] == "WATCHING":
            self._watching += 1
        elif sight["collection"] == APPS:
            return
        elif sight["event"] == "ADDED":
            self._added[sight["collection"]] += 1
            self._last = sight["at"]
        if sight["collection"] == WORKLOADS and sight["name"]:
            self._generations[sight["name"]] = sight["generation"]
            self._marks.setdefault((sight["name"], sight["mark"]), sight["at"])

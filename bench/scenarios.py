"""One run: a subject on a fresh control plane, from the empty namespace to the restart over settled apps.

In: a subject and a number of apps. Out: measures by name. Called by `__main__.py` on the main thread. A scenario begins
when the subject is calm: no request of it counted and hardly any CPU used for some seconds. So whatever one scenario
still causes late is charged to it and not to the next one.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import plane, proc, workload
from bench.counting import Counts
from bench.observing import Observer
from bench.plane import Plane
from bench.subjects import Running, Subject
from bench.workload import CHILDREN, NAMESPACE

Measures = dict[str, float]

_LOADERS = 8
_PAUSE = 0.3
"""Seconds between edits: each sets off a rollout, and the latency of the next edit must not measure that."""
_STEP = 0.1
_BUSY = 0.02
"""CPU seconds within a step that make a subject busy; the kernel counts hundredths."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything: seconds for the periods, numbers for the rest.

    `late` is how long after a rollout something is still to come: statuses that wait for news, and half a minute later
    the one that says that a pod finds no node, which none does here.
    """

    calm: float = 3.0
    late: float = 33.0
    idle: float = 15.0
    edits: int = 60
    touches: int = 100
    hot: float = 8.0
    patience: float = 600.0


class Run:
    """The scenarios of one run, in order."""

    def __init__(  # noqa: PLR0913  # what a run consists of
        self,
        subject: Subject,
        apps: int,
        *,
        sizes: Sizes,
        floor: Path,
        place: Plane,
        observer: Observer,
        folder: Path,
        core: int | None,
    ) -> None:
        self._subject = subject
        self._apps = apps
        self._sizes = sizes
        self._floor = floor
        self._plane = place
        self._observer = observer
        self._folder = folder
        self._core = core
        # Seeded: every subject gets the same edits.
        self._rng = random.Random(apps)
        self._marks = 0
        self.running = self._start()

    def measure(self) -> Measures:
        """All scenarios; the process has ended afterwards."""
        found: Measures = {}
        steps = [self._empty, self._burst, self._idle, self._touch, self._edit, self._fair]
        for step in steps:
            found |= step()
        found["stop_s"] = self.running.stop()
        if not self._subject.is_floor:
            found |= self._cold()
            found["stop_s"] = max(found["stop_s"], self.running.stop())
            found |= self._edit_while_cold()
        return found

    def _start(self) -> Running:
        return Running(self._subject, self._floor, self._plane.kubeconfig, self._folder, core=self._core)

    # The scenarios.

    def _empty(self) -> Measures:
        self._calm()
        return {"rss_empty_mib": self.running.resident()}

    def _burst(self) -> Measures:
        """All apps at once; until the last child is there, and until nothing more happens."""
        cpu, counts = self.running.cpu(), self._plane.counts()
        self.running.memory.peak()
        requests = "\n".join(map(json.dumps, workload.creations(self._apps)))
        command = [str(self._floor), "load", "--kubeconfig", str(self._plane.cluster.kubeconfig)]
        loader = subprocess.run(
            [*command, "--concurrency", str(_LOADERS)],
            input=requests,
            text=True,
            check=True,
            capture_output=True,
        )
        began = json.loads(loader.stdout)["began"] / 1e9
        wanted = {kind.collection(NAMESPACE): count * self._apps for kind, count in CHILDREN.items()}
        there = self._observer.await_children(wanted, timeout=self._sizes.patience) - began
        meanwhile = self._plane.counts() - counts
        self._settle()
        spent, total = self.running.cpu() - cpu, self._plane.counts() - counts
        peak, steady = self.running.memory.peak(), self.running.resident()
        per_app = _per(self._apps)
        return {
            "burst_s": there,
            "burst_writes_per_app": per_app(meanwhile.writes),
            "writes_per_app": per_app(total.writes),
            "object_writes_per_app": per_app(total.objects),
            "status_writes_per_app": per_app(total.statuses),
            "event_writes_per_app": per_app(total.events),
            "gets_per_app": per_app(total.gets),
            "rewritten": self._observer.rewritten(),
            "cpu_ms_per_app": per_app(1000 * spent),
            "rss_mib": steady,
            "burst_peak_ratio": peak / steady,
        }

    def _idle(self) -> Measures:
        cpu, counts, began = self.running.cpu(), self._plane.counts(), time.monotonic()
        time.sleep(self._sizes.idle)
        seconds = time.monotonic() - began
        found = self._plane.counts() - counts
        return {
            "idle_writes": found.writes,
            "idle_requests_per_s": found.all / seconds,
            "idle_cpu_percent": 100 * (self.running.cpu() - cpu) / seconds,
        }

    def _touch(self) -> Measures:
        """A stranger annotates children: each is an event after which nothing is to be done."""
        with self._charged() as bill:
            for number in range(self._sizes.touches):
                self._plane.hand.send(workload.touch(self._any(), number))
                time.sleep(0.01)
        per_touch = _per(self._sizes.touches)
        return {
            "touch_cpu_ms": per_touch(1000 * bill.cpu),
            "touch_requests": per_touch(bill.counts.all - bill.counts.lease),
        }

    def _edit(self) -> Measures:
        """Edits of single apps, one after the other, with a pause."""
        with self._charged() as bill:
            latencies = [self._one_edit(self._any(), _PAUSE) for _ in range(self._sizes.edits)]
            self._settle()
        per_edit = _per(self._sizes.edits)
        return {
            "edit_p50_ms": 1000 * statistics.median(latencies),
            "edit_p99_ms": 1000 * _p99(latencies),
            "edit_cpu_ms": per_edit(1000 * bill.cpu),
            "edit_writes": per_edit(bill.counts.writes),
            "edit_requests": per_edit(bill.counts.all - bill.counts.lease),
        }

    def _fair(self) -> Measures:
        """One app is edited ten times a second; the latency of others meanwhile."""
        deadline = time.monotonic() + self._sizes.hot
        hot, latencies, due = workload.name_of(0), list[float](), 0.0
        while time.monotonic() < deadline:
            if time.monotonic() >= due:
                due = time.monotonic() + 0.1
                self._plane.hand.send(workload.edit(hot, self._mark()))
            latencies.append(self._one_edit(self._any(but_first=True), _PAUSE / 3))
        self._settle()
        return {"fair_p99_ms": 1000 * _p99(latencies)}

    def _cold(self) -> Measures:
        """Start over settled apps."""
        counts = self._plane.counts()
        self.running = self._start()
        self._calm()
        found = self._plane.counts() - counts
        return {
            "cold_s": self._last_active - self.running.began,
            "cold_requests": found.all,
            "cold_writes": found.writes,
            "cold_cpu_s": self.running.cpu(),
            "cold_peak_ratio": self.running.memory.peak() / self.running.resident(),
        }

    def _edit_while_cold(self) -> Measures:
        """An edit right after the first list of a start."""
        lists = self._plane.counts().lists
        self.running = self._start()
        while self._plane.counts().lists == lists:
            time.sleep(0.02)
        return {"cold_edit_s": self._one_edit(self._any())}

    # Their parts.

    def _any(self, *, but_first: bool = False) -> str:
        return workload.name_of(self._rng.randrange(int(but_first), self._apps))

    def _mark(self) -> str:
        self._marks += 1
        return workload.mark_of(self._marks)

    def _one_edit(self, app: str, pause: float = 0.0) -> float:
        """Seconds from the begin of the edit until the observer sees it in the StatefulSet; waits before it."""
        time.sleep(pause)
        mark = self._mark()
        began = self._plane.hand.send(workload.edit(app, mark))
        return self._observer.await_mark(f"{app}-app", mark, timeout=60) - began

    @contextmanager
    def _charged(self) -> Iterator[Bill]:
        """CPU and requests of what happens within, until calm again; what idling costs is taken off."""
        bill, idle_cpu = Bill(), self._idle_cpu
        cpu, counts, began = self.running.cpu(), self._plane.counts(), time.monotonic()
        yield bill
        self._calm()
        seconds = time.monotonic() - began
        bill.cpu = max(0.0, self.running.cpu() - cpu - idle_cpu * seconds)
        bill.counts = self._plane.counts() - counts

    def _settle(self) -> None:
        """Wait until nothing comes late either; the floor does nothing late."""
        if not self._subject.is_floor:
            time.sleep(self._sizes.late)
        self._calm()

    def _calm(self) -> None:
        """Wait until the subject is calm; notes when it was active last, and what idling costs."""
        seconds = self._sizes.calm
        deadline = time.monotonic() + self._sizes.patience
        self._last_active = time.time()
        while True:
            asked = self._asked()
            if self._stays_calm(seconds) and self._asked() == asked:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"the subject is not calm after {self._sizes.patience:g} s")

    def _asked(self) -> int:
        """Requests so far, those of the lease aside."""
        counts = self._plane.counts()
        return counts.all - counts.lease

    def _stays_calm(self, seconds: float) -> bool:
        """Whether hardly any CPU is used for some seconds; ends at once when it is."""
        cpu, began = self.running.cpu(), time.monotonic()
        before = cpu
        while time.monotonic() - began < seconds:
            time.sleep(_STEP)
            used = self.running.cpu()
            if used - before > _BUSY:
                self._last_active = time.time()
                return False
            before = used
        self._idle_cpu = (before - cpu) / (time.monotonic() - began)
        return True


@dataclass(slots=True)
class Bill:
    """What a scenario cost."""

    cpu: float = 0.0
    counts: Counts = Counts()  # noqa: RUF009  # frozen


def measure(subject: Subject, apps: int, *, sizes: Sizes, floor: Path, core: int | None) -> Measures:
    """One run on a control plane of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="kaspr-bench-") as folder,
        plane.start() as place,
        Observer(floor, place.cluster.kubeconfig) as observer,
    ):
        run = Run(
            subject,
            apps,
            sizes=sizes,
            floor=floor,
            place=place,
            observer=observer,
            folder=Path(folder),
            core=core,
        )
        stolen, began = proc.stolen_seconds(), time.monotonic()
        try:
            found = run.measure()
        finally:
            run.running.kill()
        lost = (proc.stolen_seconds() - stolen) / (time.monotonic() - began)
        return {**found, "stolen_percent": 100 * lost}


def _per(count: int) -> Callable[[float], float]:
    return lambda amount: amount / count


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]

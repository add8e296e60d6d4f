"""`python -m bench.micro`: the price of each step of a reconcile, next to its budget.

In: nothing; no API server is needed. Out: a table; exit code 1 when `--check` is given and a budget is exceeded by more
than the factor that is named, since a busy machine alone may double any of these. What is measured is what one pass
over an app of the bench does, on objects as an API server would return them.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench import proc, workload
from kaspr_controller.api.parsing import parse
from kaspr_controller.converge.canonical import body_of, hash_of
from kaspr_controller.converge.covering import differences
from kaspr_controller.desired.bundle import Bundle, render_app
from kaspr_controller.engine.clock import SystemClock
from kaspr_controller.engine.collecting import Collector
from kaspr_controller.engine.store import Store
from kaspr_controller.engine.workqueue import WorkQueue
from kaspr_controller.kube.decoding import decode, encode
from kaspr_controller.kube.kinds import Kind, ObjectKey, built_in
from kaspr_controller.status import composing
from kaspr_controller.status.facts import AppFacts
from kaspr_controller.status.rollout import Rollout

_APPS = 1000
_ROUNDS = 7
_BUSY_FOR = 0.05
_NOW = "2026-01-01T00:00:00.000000+00:00"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line: what it takes, and what it may take."""

    what: str
    value: float
    unit: str
    budget: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.micro", description=__doc__)
    parser.add_argument("--check", type=float, metavar="FACTOR", help="fail beyond FACTOR times a budget")
    factor = parser.parse_args().check
    worst = 0.0
    for outcome in _outcomes():
        worst = max(worst, outcome.value / outcome.budget)
        line = f"{outcome.what:<52} {outcome.value:>9.1f} {outcome.unit:<4} budget {outcome.budget:g}"
        sys.stdout.write(line + ("" if outcome.value <= outcome.budget else "   exceeded") + "\n")
    sys.exit(int(factor is not None and worst > factor))


def _outcomes() -> Iterator[Outcome]:
    raws = [_stored(obj, number) for number, obj in enumerate(workload.objects("orders"))]
    bundle = _render(raws)
    live = [_stored(intent.obj, number) for number, intent in enumerate(bundle.intents, 10)]
    yield from _steps(raws, bundle, live)
    yield from _stores(bundle)
    yield from _queues()


def _steps(raws: list[dict[str, Any]], bundle: Bundle, live: list[dict[str, Any]]) -> Iterator[Outcome]:
    """What one pass over one app consists of."""
    intents = [intent.obj for intent in bundle.intents]
    text = encode(live[-1])
    hashes = [hash_of(intent) for intent in intents]
    pairs = list(zip(intents, live, strict=True))
    facts = AppFacts(generation=1, old={}, now=_NOW, rollout=Rollout(exists=True), replicas=1)
    yield Outcome("decode a StatefulSet", _micros(lambda: decode(text)), "us", 25)
    yield Outcome("parse an app and 5 components", _micros(lambda: [parse(raw) for raw in raws]), "us", 600)
    yield Outcome("render an app, parsing included", _micros(lambda: _render(raws)), "us", 2500)
    yield Outcome("hash 11 intents", _micros(lambda: [hash_of(intent) for intent in intents]), "us", 350)
    yield Outcome(
        "diff 11 intents with equal objects",
        _micros(lambda: [differences(intent, obj) for intent, obj in pairs]),
        "us",
        150,
    )
    yield Outcome(
        "make and encode 11 bodies",
        _micros(
            lambda: [
                encode(body_of(intent, text, None)) for intent, text in zip(intents, hashes, strict=True)
            ]
        ),
        "us",
        250,
    )
    yield Outcome("compose the status of an app", _micros(lambda: composing.compose(facts)), "us", 50)


def _stores(bundle: Bundle) -> Iterator[Outcome]:
    """Caches of a thousand apps: what they take, and what the garbage collector makes of them."""
    collector, before, began = Collector(), proc.resident_here(), time.thread_time()
    stores: dict[Kind, Store] = {}
    count = 0
    for app in range(_APPS):
        for intent in bundle.intents:
            obj = _stored(intent.obj, count := count + 1)
            obj["metadata"]["name"] += f"-{app}"
            kind = built_in(obj)
            stores.setdefault(kind, Store(kind)).apply("ADDED", obj)
    seconds = time.thread_time() - began
    yield Outcome(f"memory of {count} objects", proc.resident_here() - before, "MiB", 25)
    yield Outcome("make, pack and store one", seconds / count * 1e6, "us", 80)
    workloads = next(store for kind, store in stores.items() if kind.kind == "StatefulSet")
    some = workloads.keys()[:100]
    yield Outcome(
        "read a StatefulSet", _micros(lambda: [workloads.get(key) for key in some]) / len(some), "us", 50
    )
    yield Outcome("full garbage collection", _micros(gc.collect) / 1e3, "ms", 60)
    collector.freeze()
    yield Outcome("full garbage collection after the freeze", _micros(gc.collect) / 1e3, "ms", 10)
    gc.unfreeze()


def _queues() -> Iterator[Outcome]:
    """The work queue: throughput, and how long a worker takes to wake up."""
    for workers in (1, 4):
        yield Outcome(f"queue: add, get, done with {workers} workers", _throughput(workers), "us", 25)
    yield Outcome("from add until a waiting worker has the key", _wake_up(), "us", 300)


def _throughput(workers: int, count: int = 30_000) -> float:
    queue = WorkQueue(f"bench-{workers}", SystemClock(), random.Random(1))

    def work() -> None:
        while (one := queue.get()) is not None:
            queue.forget(one)
            queue.done(one)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    keys = [ObjectKey("KasprApp", "bench", f"k{number}") for number in range(count)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for one in keys:
        queue.add(one)
    queue.shutdown(drain=True)
    for thread in threads:
        thread.join()
    return (time.perf_counter() - began) / count * 1e6


def _wake_up(count: int = 200) -> float:
    queue = WorkQueue("bench-wake", SystemClock(), random.Random(1))
    woken: list[float] = []
    ready = threading.Semaphore(0)

    def work() -> None:
        while (one := queue.get()) is not None:
            woken.append(time.perf_counter())
            queue.forget(one)
            queue.done(one)
            ready.release()

    thread = threading.Thread(target=work)
    thread.start()
    added: list[float] = []
    for number in range(count):
        time.sleep(0.001)  # so that the worker waits again
        added.append(time.perf_counter())
        queue.add(ObjectKey("KasprApp", "bench", f"k{number}"))
        ready.acquire()
    queue.shutdown()
    thread.join()
    return 1e6 * statistics.median(there - then for there, then in zip(woken, added, strict=True))


def _render(raws: list[dict[str, Any]]) -> Bundle:
    app, *components = (parse(raw) for raw in raws)
    return render_app(app, components)  # type: ignore[arg-type]  # the first one is the app


def _stored(obj: Any, number: int) -> dict[str, Any]:
    """The object as the API server would return it."""
    meta = {
        **obj["metadata"],
        "uid": f"5eed0000-0000-4000-8000-{number:012}",
        "resourceVersion": str(1000 + number),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 1,
    }
    return {**obj, "metadata": meta}


def _micros(step: Callable[[], object]) -> float:
    """Microseconds of CPU that a step takes: the best of some rounds, since every disturbance only adds."""
    rounds = []
    for _ in range(_ROUNDS):
        count, began = 0, time.thread_time()
        while (seconds := time.thread_time() - began) < _BUSY_FOR:
            step()
            count += 1
        rounds.append(seconds / count)
    return 1e6 * min(rounds)


if __name__ == "__main__":
    main()

"""The garbage collector's set-up is undone by `uninstall`, and its pauses are measured without a lock (rule M4)."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kaspr_controller.engine.collecting import SWITCH_SECONDS, THRESHOLDS, Collector
from kaspr_controller.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def collector() -> Iterator[Collector]:
    times = iter(range(0, 10_000, 2))
    collector = Collector(lambda: float(next(times)))
    yield collector
    collector.uninstall()


def pauses(generation: int) -> tuple[float, float]:
    labels = {"generation": str(generation)}
    found = [
        metrics.REGISTRY.get_sample_value(f"kaspr_gc_pause_seconds_{part}", labels)
        for part in ("count", "sum")
    ]
    return found[0] or 0.0, found[1] or 0.0


def test_install_and_uninstall(collector: Collector) -> None:
    """Thresholds and the switch interval are set, once, and put back."""
    before = (gc.get_threshold(), sys.getswitchinterval(), len(gc.callbacks))
    collector.install()
    collector.install()
    assert gc.get_threshold()[:2] == THRESHOLDS[:2]
    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    assert len(gc.callbacks) == before[2] + 1
    collector.uninstall()
    collector.uninstall()
    assert (gc.get_threshold(), sys.getswitchinterval(), len(gc.callbacks)) == before


def test_pauses_are_published_later(collector: Collector) -> None:
    """The callback only takes notes; `publish` observes each pause once, under its generation."""
    collector.install()
    collector._pauses.clear()
    count, total = pauses(2)
    gc.disable()
    try:
        gc.collect(2)
        assert pauses(2) == (count, total)
        collector.publish()
        collector.publish()
    finally:
        gc.enable()
    assert pauses(2) == (count + 1, total + 2.0)


def test_a_collection_during_a_scrape_does_not_deadlock(collector: Collector) -> None:
    """The reason for taking notes: a collection while this thread holds the histogram's lock must come back."""
    collector.install()
    histogram = collector._histograms[2]
    with histogram._sum._lock:
        gc.collect(2)
    assert collector._pauses


def test_notes_are_bounded(collector: Collector) -> None:
    """A process whose chores do not run must not fill its memory with pauses."""
    for _ in range(20_000):
        collector._pauses.append((0, 0.0))
    assert len(collector._pauses) == 10_000


def test_frozen_objects_are_not_looked_at(collector: Collector) -> None:
    """M4: what lives at the freeze is out of later collections, until uninstall."""
    collector.install()
    mine = [[number] for number in range(1000)]
    assert collector.freeze() >= len(mine)
    assert gc.get_freeze_count() >= len(mine)
    collector.uninstall()
    assert gc.get_freeze_count() == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_threads_share_the_heaps_of_the_c_library() -> None:
    """M4: the library takes the number; in a process of its own, since it cannot be taken back."""
    code = (
        "import sys; from kaspr_controller.engine import collecting; sys.exit(not collecting.share_arenas())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

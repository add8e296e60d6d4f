"""Scrapers get the format they ask for, with the process's own figures."""

from __future__ import annotations

import gzip
import re

from kaspr_controller.serve.servers import public_server
from tests.unit.serve.asking import running


def test_metrics_in_the_formats_of_scrapers() -> None:
    """Prometheus text by default, OpenMetrics on request, compressed when that is accepted."""
    with running(public_server(healthy={}, ready={}, address="127.0.0.1", port=0)) as ask:
        plain = ask("/metrics")
        open_metrics = ask("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        packed = ask("/metrics", headers={"Accept-Encoding": "gzip"})
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_metrics.text.endswith("# EOF\n")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body).startswith(plain.body[:30])
    assert len(packed.body) < len(plain.body) / 2


def test_the_process_describes_itself() -> None:
    """`process_*`, `python_info` and `python_gc_*` are there, once, however many servers were made."""
    for _ in range(2):
        with running(public_server(healthy={}, ready={}, address="127.0.0.1", port=0)) as ask:
            text = ask("/metrics").text
    assert len(re.findall(r"^# TYPE python_info ", text, re.MULTILINE)) == 1
    assert "# TYPE python_gc_collections_total counter" in text
    assert "# TYPE process_cpu_seconds_total counter" in text


def test_there_are_no_created_series() -> None:
    """They double the number of series and say nothing (rule P3)."""
    with running(public_server(healthy={}, ready={}, address="127.0.0.1", port=0)) as ask:
        names = re.findall(r"^([a-z_]+)", ask("/metrics").text, re.MULTILINE)
    assert [name for name in names if name.endswith("_created")] == []

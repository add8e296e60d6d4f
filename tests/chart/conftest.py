"""Fixtures of the chart's tests: helm, which renders on this machine and asks no cluster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hack.gotools.fetching import fetch
from hack.gotools.tools import TOOLS
from tests.chart.rendering import Chart

HERE = Path(__file__).parent


def pytest_collection_finish(session: pytest.Session) -> None:
    """Get the programs before the first test: a build takes longer than a test may."""
    if session.config.option.collectonly or not any(item.path.is_relative_to(HERE) for item in session.items):
        return
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    for tool in TOOLS.values():
        fetch(tool, say=terminal.write_line if terminal else print)


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """The chart, rendered by a helm that knows nothing of the user's repositories and plugins."""
    home = tmp_path_factory.mktemp("helm")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))
    }
    folders = {f"HELM_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    return Chart(fetch(TOOLS["helm"]), environment | folders)


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' own checker of rules."""
    return fetch(TOOLS["promtool"])

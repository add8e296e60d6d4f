"""Fixtures of the scenarios with running pods: a broker, volumes, the controller set up for them, and a stage for each test.

In: `cluster`, `controller` and `namespace` of tests/e2e/conftest.py. Out: a `Stage`, on which members run and messages flow.
Broker and volumes are made once a run and stay as long as the cluster does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.kafka import jars
from tests.e2e import images
from tests.e2e.cluster import Cluster
from tests.e2e.running import preparing
from tests.e2e.running.stage import Stage
from tests.e2e.running.stream import Kafka

HERE = Path(__file__).parent
SCENARIO_SECONDS = 600
MEASURED = "measured"
LEFT_OPEN = "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
"""kafka-python, the tests' own client here, drops a socket that was never connected when the broker is away for a moment."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A scenario may take minutes; without jars there is no broker, and so no scenario."""
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    reason = _missing() if ours else None
    for item in ours:
        item.add_marker(pytest.mark.timeout(SCENARIO_SECONDS))
        item.add_marker(pytest.mark.filterwarnings(LEFT_OPEN))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Leave the controller as it is shipped to the tests of other folders."""
    if nextitem is not None and nextitem.path.is_relative_to(HERE):
        return
    fixtures: dict[str, Any] = getattr(item, "funcargs", {})
    if (stage := fixtures.get("stage")) is not None:
        preparing.as_shipped(stage.kube)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties if report.when == "call" else ():
            if name == MEASURED:
                terminalreporter.write_line(f"measured: {value}")


def _missing() -> str | None:
    try:
        jars.fetch()
    except jars.KafkaUnavailableError as error:
        return f"no Kafka broker: {error}"
    return None


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Notes a measurement, which is shown at the end of the run."""
    return lambda words: record_property(MEASURED, words)


@pytest.fixture(scope="session")
def member_image(cluster: Cluster) -> str:
    """The image of the members, known to the node."""
    image = images.member(preparing.say)
    cluster.load(image)
    return image


@pytest.fixture
def volumes(cluster: Cluster) -> str:
    """The name of a storage class with free volumes, which belong to the group of the pod, as those of real storage do.

    Asked for by each test: no volume is used twice, so those of the first tests would not do for the last ones.
    """
    return preparing.volumes(cluster.kube)


@pytest.fixture(scope="session")
def kafka(cluster: Cluster) -> Iterator[Kafka]:
    """The broker, reachable from pods and from here."""
    image = images.broker(preparing.say)
    cluster.load(image)
    with Kafka(preparing.kafka(cluster.kube, image)) as made:
        yield made


@pytest.fixture
def stage(
    cluster: Cluster, controller: str, namespace: str, kafka: Kafka, member_image: str, volumes: str
) -> Stage:
    """A fresh namespace, which enforces `restricted`, with everything that apps need around it."""
    preparing.settings(cluster.kube)
    # All tests share the broker: the app's name is that of its group, its topics and its transactions.
    name = f"shop{namespace.rpartition('-')[2]}"
    return Stage(cluster, kafka, namespace, member_image, volumes, name)

"""Fixtures of the tests against a real broker: one broker per run, one fresh group per test."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient, NewTopic

from hack.kafka import jars
from hack.kafka.broker import Broker
from kaspr_controller.groups.client import KafkaGroupClient, kafka_connect
from tests.conformance.group_cases import PARTITIONS
from tests.kafka.crew import Crew

HERE = Path(__file__).parent
MEASURED = "measured"
_NUMBERS = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a broker; where there can be none, it is skipped with the reason."""
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    reason = _missing() if ours else None
    for item in ours:
        item.add_marker(pytest.mark.kafka)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties if report.when == "call" else ():
            if name == MEASURED:
                terminalreporter.write_line(f"measured: {value}")


def _missing() -> str | None:
    try:
        jars.java()
        jars.fetch()
    except jars.KafkaUnavailableError as error:
        return f"no Kafka broker: {error}"
    return None


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """The broker of this run, with the topics of the cases; a test that stops it must leave it running."""
    with Broker.start() as started:
        admin = KafkaAdminClient(bootstrap_servers=started.address())
        admin.create_topics([NewTopic(name, count, 1) for name, count in PARTITIONS.items()])
        admin.close()
        yield started


@pytest.fixture
def group() -> str:
    """The name of a group that nobody has used."""
    return f"group-{next(_NUMBERS)}"


@pytest.fixture
def crew(broker: Broker, group: str) -> Iterator[Crew]:
    """Real members of the group; they are killed at the end."""
    with Crew(broker.address(), group) as made:
        yield made


@pytest.fixture
def client(broker: Broker) -> Iterator[KafkaGroupClient]:
    """The client under test, which trusts the broker's certificate."""
    made = KafkaGroupClient(kafka_connect(trusting(broker)))
    yield made
    made.close()


def trusting(broker: Broker) -> Callable[[], ssl.SSLContext]:
    """A context that trusts the broker instead of the system's authorities."""
    return lambda: ssl.create_default_context(cafile=str(broker.ca_file))

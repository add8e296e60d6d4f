"""The member that the end-to-end tests run in pods, as a plain process on a real broker.

It must be no kinder than the real runtime, and answer like the simulated member: both are held against the same words.
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer

from hack.kafka.broker import Broker
from hack.nodesim.answers import answer
from hack.nodesim.behaviour import Behaviour
from hack.nodesim.group import Group, Topics
from hack.nodesim.member import Callbacks, Member
from hack.nodesim.timings import Timings
from kaspr_controller.groups.address import Credentials, group_address
from kaspr_controller.groups.client import KafkaGroupClient
from tests.e2e.member.documents import read
from tests.kafka.pods import Pod, agent, definition, within
from tests.unit.hack.nodesim.scheduler import FakeScheduler

START = 20.0
PASS = "def f(value):\n    return value\n"
COUNT = """
def count(value, seen):
    seen[value["key"]] = seen.get(value["key"], 0) + 1
    return {"key": value["key"], "count": seen[value["key"]]}
"""
SEEN = definition("tables", name="seen", key_serializer="json", value_serializer="json")
LOOKUP = definition(
    "webviews",
    name="lookup",
    request={"method": "GET", "path": "/seen/{key}"},
    response={"content_type": "application/json"},
    processors={
        "pipeline": ["get"],
        "operations": [
            {
                "name": "get",
                "tables": [{"name": "seen", "param_name": "seen"}],
                "map": {"python": "async def get(request, key, seen):\n    return seen.get(key)\n"},
            }
        ],
    },
)
_NUMBERS = itertools.count(1)


@pytest.fixture
def names() -> Callable[[str], str]:
    """Names that no other test uses: groups and topics live as long as the broker."""
    number = next(_NUMBERS)
    return lambda stem: f"{stem}{number}"


@pytest.fixture
def pods(broker: Broker, tmp_path: Path, names: Callable[[str], str]) -> Iterator[Callable[..., Pod]]:
    """Makes members of one app; all are killed at the end."""
    made: list[Pod] = []

    def make(ordinal: int = 0, **variables: str) -> Pod:
        app = names("shop") + "-app"
        pod = Pod(tmp_path, f"{app}-{ordinal}", app, broker.address(), **variables)
        made.append(pod)
        return pod

    yield make
    for pod in made:
        if pod.popen is not None:
            pod.kill()


def calm(pod: Pod, *topics: str, seconds: float = START) -> None:
    """Wait until a member processes exactly these topics, besides its internal ones."""
    app = pod.variables["K_APP_NAME"]

    def holds() -> bool:
        read = {topic for topic in pod.actives() if not topic.startswith(app)}
        return read == set(topics) and bool(pod.actives())

    within(seconds, holds, lambda: f"{pod.status()}\n{pod.log()}")


def put(pod: Pod, name: str, text: str) -> None:
    """Mount a definition."""
    (pod.definitions / f"{name}.yaml").write_text(text)


def send(broker: Broker, topic: str, values: list[Any]) -> None:
    """Write messages; the key decides the partition."""
    producer = KafkaProducer(bootstrap_servers=broker.address())
    for value in values:
        producer.send(topic, json.dumps(value).encode(), key=json.dumps(value.get("key")).encode())
    producer.flush()
    producer.close()


def received(broker: Broker, topic: str, count: int) -> list[Any]:
    """The committed messages of a topic, at least so many, and those of another moment."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker.address(),
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    values: list[Any] = []

    def polled() -> bool:
        batches = consumer.poll(200)
        values.extend(json.loads(record.value) for batch in batches.values() for record in batch)
        return len(values) >= count and not batches

    try:
        within(START, polled, lambda: f"{len(values)} of {count}: {values[-3:]}")
    finally:
        consumer.close()
    return values


def goodbye(pod: Pod) -> bool:
    """Say goodbye for a member."""
    app, bootstrap = pod.variables["K_APP_NAME"], pod.variables["K_KAFKA_BOOTSTRAP_SERVERS"]
    client = KafkaGroupClient()
    try:
        return client.goodbye(group_address(bootstrap, app), Credentials(), pod.name).kind == "said"
    finally:
        client.close()


def shape(value: Any) -> Any:
    """The keys and types of a document; the names of topics and members are no part of its shape."""
    if isinstance(value, dict):
        named = {"leader", "rebalancing", "recovering", "assignment", "table_metadata", "actives", "standbys"}
        return {key if key in named else "*": shape(item) for key, item in value.items()}
    return [shape(item) for item in value][:1] if isinstance(value, list) else type(value).__name__


def simulated(pod: Pod) -> list[dict[str, Any]]:
    """Every different `/status/` of a simulated member with the same settings and definitions, in order."""
    program, _ = read(pod.variables, pod.name)
    scheduler, seen = FakeScheduler(), list[dict[str, Any]]()
    group = Group(pod.variables["K_APP_NAME"], Topics(), scheduler)

    def look(member: Member) -> None:
        response = answer(member, "GET", "/status/")
        if response is not None and response.status == 200:
            document = json.loads(response.body)
            seen.extend([document] if document not in seen[-1:] else [])

    member = Member(pod.name, program, group, scheduler, Timings(), Callbacks(look, lambda *_: None))
    member.start(Behaviour())
    scheduler.advance(60.0)
    return seen


def test_a_start_answers_in_the_order_of_the_runtime_and_in_the_words_of_the_simulator(
    pods: Callable[..., Pod], names: Callable[[str], str]
) -> None:
    """C9: refused, 500, idle, rebalancing without and with assignment, recovering, calm; one shape with the simulator."""
    pod = pods(KASPR_MEMBER_SCALE="0.1")
    source = names("in")
    put(
        pod,
        "count-agent",
        agent("count", COUNT, source=source, tables=[{"name": "seen", "param_name": "seen"}]),
    )
    put(pod, "seen-table", SEEN)
    pod.start()
    answers: list[tuple[int, bytes]] = []

    def looked() -> bool:
        reply = pod.request("/status/")
        answers.extend([reply] if reply not in answers[-1:] else [])
        return bool(pod.actives())

    within(START, looked, pod.log)
    codes = [code for code, _ in itertools.groupby(answers, key=lambda reply: reply[0])]
    real = [json.loads(body) for code, body in answers if code == 200]
    assert codes == [0, 500, 200]
    double = simulated(pod)
    order = [(one["rebalancing"], one["recovering"], bool(one["assignment"]["actives"])) for one in double]
    seen = [(one["rebalancing"], one["recovering"], bool(one["assignment"]["actives"])) for one in real]
    # Recovering lasts as long as it takes, here a few milliseconds: it may be missed, as with the runtime.
    assert [state for state in order if state in seen] == seen
    assert order[0] in seen
    assert order[-1] == seen[-1]
    assert shape(real[-1]) == shape(double[-1])
    assert real[-1]["assignment"]["actives"].keys() == double[-1]["assignment"]["actives"].keys()


def test_every_message_counts_once_through_a_kill_and_the_loss_of_the_volume(
    pods: Callable[..., Pod], broker: Broker, names: Callable[[str], str]
) -> None:
    """Exactly once, and the changelog is the truth: rows return when the volume is gone."""
    pod = pods()
    source, target = names("in"), names("out")
    tables = [{"name": "seen", "param_name": "seen"}]
    put(pod, "count-agent", agent("count", COUNT, source=source, target=target, tables=tables))
    put(pod, "relay-agent", agent("relay", PASS, source=target))
    put(pod, "seen-table", SEEN)
    put(pod, "lookup-webview", LOOKUP)
    calm(pod.start(), source, target)
    send(broker, source, [{"key": f"k{number % 5}"} for number in range(500)])
    within(START, lambda: pod.request("/seen/k1") != (200, b"null"), pod.log)
    pod.kill()
    shutil.rmtree(pod.variables["K_TABLE_DIR"])
    calm(pod.start(), source, target)
    results = received(broker, target, 500)
    assert sorted((one["key"], one["count"]) for one in results) == [
        (f"k{key}", count) for key in range(5) for count in range(1, 101)
    ]
    assert pod.request("/seen/k1") == (200, b"100")


def test_a_removed_topic_makes_a_zombie_and_an_added_one_waits_for_a_signal(
    pods: Callable[..., Pod], names: Callable[[str], str]
) -> None:
    """C1 and C3: a static member gets its old assignment back; a goodbye before the return heals it."""
    pod = pods()
    one, two, three = names("one"), names("two"), names("three")
    put(pod, "one-agent", agent("one", PASS, source=one))
    put(pod, "two-agent", agent("two", PASS, source=two))
    calm(pod.start(), one, two)
    assert pod.terminate() == 0
    (pod.definitions / "two-agent.yaml").unlink()
    pod.start()
    within(START, lambda: "zombie" in pod.log(), pod.log)
    status = pod.status()
    assert (status["rebalancing"], status["recovering"], status["assignment"]["actives"]) == (True, False, {})
    assert pod.request("/signal/rebalance", b"")[0] == 200
    assert pod.status() == status
    pod.kill()
    assert goodbye(pod)
    calm(pod.start(), one)
    pod.terminate()
    put(pod, "three-agent", agent("three", PASS, source=three))
    calm(pod.start(), one)
    assert pod.request("/signal/rebalance", b"")[0] == 200
    calm(pod, one, three)


def test_a_frozen_member_answers_nothing_and_another_takes_over_after_its_goodbye(
    pods: Callable[..., Pod], broker: Broker, names: Callable[[str], str]
) -> None:
    """C11: SIGSTOP; the session of the sleeper is ended by a goodbye, and when it wakes it joins again."""
    first, second = pods(0, KASPR_MEMBER_SCALE="0.1"), pods(1, KASPR_MEMBER_SCALE="0.1")
    source = names("in")
    put(first, "pass-agent", agent("pass", PASS, source=source))
    calm(first.start(), source)
    calm(second.start(), source)
    within(START, lambda: len(first.actives().get(source, ())) == 2, lambda: first.log() + second.log())
    first.signal(signal.SIGSTOP)
    assert first.request("/status/") == (0, b"")
    assert goodbye(first)
    within(START, lambda: second.actives().get(source) == [0, 1, 2, 3], second.log)
    first.signal(signal.SIGCONT)
    within(START, lambda: len(first.actives().get(source, ())) == 2, lambda: first.log() + second.log())


def test_bad_python_costs_its_own_messages_only(
    pods: Callable[..., Pod], broker: Broker, names: Callable[[str], str]
) -> None:
    """C12: the member starts, the broken agent fails at each message, the other agent goes on, `/status/` shows nothing."""
    pod = pods()
    source, target = names("in"), names("out")
    put(pod, "bad-agent", agent("bad", "def f(value:\n", source=source))
    put(pod, "good-agent", agent("good", PASS, source=source, target=target))
    put(pod, "relay-agent", agent("relay", PASS, source=target))
    calm(pod.start(), source, target)
    send(broker, source, [{"key": "a"}, {"key": "b"}])
    assert len(received(broker, target, 2)) == 2
    assert pod.log().count("agent bad crashed") == 2
    assert "SyntaxError" in pod.log()
    calm(pod, source, target)


def test_what_the_runtime_does_not_start_with_ends_the_process(pods: Callable[..., Pod]) -> None:
    """Contract 3.2, T1: exit code 1 with the reason as the last words, before any port opens."""
    pod = pods()
    put(pod, "bad-agent", definition("agents", name="bad", input={"topic": {"name": "x"}}, processors=None))
    assert pod.start().process.wait(START) == 1
    assert "processors: Field may not be null." in pod.log()
    (pod.definitions / "bad-agent.yaml").unlink()
    comma = pods(1, K_KAFKA_BOOTSTRAP_SERVERS="a:9092,b:9092")
    assert comma.start().process.wait(START) == 1
    assert "port can't be converted to integer" in comma.log()


def test_it_lies_hangs_and_crashes_when_told(pods: Callable[..., Pod], names: Callable[[str], str]) -> None:
    """The control port: the behaviours of the simulated member, without touching the process from outside."""
    pod = pods()
    source = names("in")
    put(pod, "pass-agent", agent("pass", PASS, source=source))
    calm(pod.start(), source)
    pod.control("/behaviour", "lying=garbage")
    assert pod.request("/status/") == (200, b'{"leader": tru')
    pod.control("/behaviour", "hung")
    within(START, lambda: pod.status()["rebalancing"])
    pod.control("/behaviour")
    assert pod.request("/nonsense", b"", port=pod.control_port)[0] == 404
    pod.control("/crash")
    assert pod.process.wait(START) == 137

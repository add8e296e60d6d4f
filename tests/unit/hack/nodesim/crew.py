"""Members of one app on a hand-moved clock, in real seconds (scale 1)."""

from __future__ import annotations

from hack.nodesim.answers import status_document
from hack.nodesim.behaviour import parse as behaviour
from hack.nodesim.definitions import Agent, LoadedApp, StartupCrash, Table
from hack.nodesim.group import Group, Topics
from hack.nodesim.member import Callbacks, Member, Program
from hack.nodesim.settings import parse as settings
from hack.nodesim.timings import Timings
from tests.unit.hack.nodesim.scheduler import FakeScheduler

APP = "x-app"
START = 21.0  # pod created to calm on a quiet machine; the container's second is the kubelet's


def reads(*topics: str, tables: tuple[str, ...] = ()) -> LoadedApp:
    """Return an app with one agent a topic and some tables."""
    return LoadedApp(
        agents=tuple(
            Agent(topic, (topic,), None, consumes=True, declare=False, partitions=None) for topic in topics
        ),
        tables=tuple(Table(name, is_global=False, partitions=None, has_default=False) for name in tables),
    )


class Crew:
    """The processes of one app; `start` on a name that runs replaces the process as a new pod does."""

    def __init__(self, partitions: int = 4, *, static: bool = True) -> None:
        self.clock = FakeScheduler()
        self.topics = Topics(default=partitions)
        self.group = Group(APP, self.topics, self.clock)
        self.static = static
        self.members: dict[str, Member] = {}
        self.exits: list[tuple[str, int, str]] = []

    def start(self, ordinal: int, app: LoadedApp, script: str = "", **env: str) -> Member:
        name = f"{APP}-{ordinal}"
        if name in self.members:
            self.members[name].stop()
        variables = {
            "K_APP_NAME": APP,
            "K_WEB_HOST": f"{name}.{APP}.ns.svc.cluster.local",
            "K_WEB_PORT": "6065",
        }
        if self.static:
            variables["K_CONSUMER_GROUP_INSTANCE_ID"] = name
        program = Program(settings(variables | env, hostname=name), app)
        on = Callbacks(
            changed=lambda _: None, ended=lambda one, code, words: self.exits.append((one.name, code, words))
        )
        member = Member(name, program, self.group, self.clock, Timings(scale=1.0, container=0.0), on)
        self.members[name] = member
        member.start(behaviour(script))
        return member

    def crash(self, ordinal: int, words: str) -> None:
        program = Program(None, LoadedApp(), StartupCrash(words))
        on = Callbacks(
            changed=lambda _: None, ended=lambda one, code, last: self.exits.append((one.name, code, last))
        )
        Member(f"{APP}-{ordinal}", program, self.group, self.clock, Timings(scale=1.0), on).start(
            behaviour("")
        )

    def running(self, count: int, app: LoadedApp) -> list[Member]:
        """Start members together and wait until all are calm."""
        members = [self.start(ordinal, app) for ordinal in range(count)]
        self.clock.advance(60)
        assert [calm(member) for member in members] == [True] * count
        return members

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def seconds_until(self, happened: object, limit: float = 400.0) -> float:
        """Return how long it takes until the condition (a callable) holds, to half a second."""
        assert callable(happened)
        began = self.clock.now
        while not happened():
            assert self.clock.now - began < limit, "never happened"
            self.clock.advance(0.5)
        return self.clock.now - began

    def readers(self, topic: str) -> dict[int, str]:
        """Return which calm member reads each partition."""
        return {
            partition: member.name
            for member in self.members.values()
            if calm(member) and member.assignment is not None
            for partition in member.assignment.actives.get(topic, ())
        }

    def covered(self, *topics: str) -> bool:
        """Whether every partition of the topics is read by a calm member."""
        return all(len(self.readers(topic)) == self.topics.counts[topic] for topic in topics)


def calm(member: Member) -> bool:
    """Return the runtime's own view of running: 200, nothing going on, an assignment."""
    document = status_document(member)
    flags = document["rebalancing"] or document["recovering"] or member.frozen
    return member.serves and not flags and bool(document["assignment"]["actives"])

"""The runtime's loader of definition files: what it builds from them, or why it does not start.

In: file path -> text, as mounted in a pod. Out: a `LoadedApp`, or `StartupCrash` with the words the log would end
with. Called by the simulated members at their start and by tests that judge rendered definitions. Pure; runs on any
thread. Invariant: whatever the real runtime refuses is refused here, and nothing that it takes.
Sources: the runtime's accept/reject matrix, its build order, and what was measured (C6, T5 to T8).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from hack.nodesim import sandbox
from hack.nodesim.schema import validate

# Turns the sorted paths in one directory into the order in which the directory yields them. The real order is
# whatever the file system returns: code that works only with `sorted` is wrong.
Order = Callable[[list[str]], Iterable[str]]

SCHEDULER_TOPICS = ("schedule-requests", "schedule-actions", "schedule-rejections")
SCHEDULER_TABLES = ("timetable", "timetable-index", "cron-registry", "cron-due-index")


class StartupCrash(Exception):  # noqa: N818  # it is what happens, not a fault of ours
    """The process ends before it serves anything; `exit_code` is 1 unless the runtime has a special one."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as built; `topics` is empty for one that reads a join's channel."""

    name: str
    topics: tuple[str, ...]
    channel: str | None
    consumes: bool
    declare: bool
    partitions: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table as built, the internal ones of joins included."""

    name: str
    is_global: bool
    partitions: int | None
    has_default: bool
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Join:
    """A foreign-key join; `channel` is where agents read its output."""

    name: str
    left: str
    right: str
    inner: bool
    channel: str

    def topics(self, app_id: str) -> tuple[str, str]:
        """Return the two internal topics through which the sides talk."""
        stem = f"{app_id}-{self.left}-{self.right}-subscription"
        return f"{stem}-registration", f"{stem}-response"


@dataclass(frozen=True, slots=True)
class WebView:
    """A web route."""

    name: str
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Task:
    """A timer or one-shot task."""

    name: str
    on_leader: bool
    cron: str | None
    interval: str | None


@dataclass(frozen=True, slots=True)
class LoadedApp:
    """Everything one process built at its start.

    `warnings`: files the process skipped (it runs WITHOUT them). `faults`: code that starts fine and fails at its
    first message, or silently gives the wrong result; the runtime itself never tells (C12, C13).
    """

    agents: tuple[Agent, ...] = ()
    tables: tuple[Table, ...] = ()
    joins: tuple[Join, ...] = ()
    webviews: tuple[WebView, ...] = ()
    tasks: tuple[Task, ...] = ()
    warnings: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def subscription(self, app_id: str, *, scheduler: bool = False) -> frozenset[str]:
        """Return every topic a member with these definitions consumes.

        The leader topic is always among them. An agent whose processors are empty ends at once and consumes
        nothing; one with only a pattern consumes nothing either (patterns do not work in the runtime).
        """
        topics = {leader_topic(app_id), *self.changelogs(app_id, scheduler=scheduler)}
        topics.update(topic for agent in self.agents if agent.consumes for topic in agent.topics)
        topics.update(topic for join in self.joins for topic in join.topics(app_id))
        if scheduler:
            topics.update(f"{app_id}-{name}" for name in SCHEDULER_TOPICS)
        return frozenset(topics)

    def changelogs(self, app_id: str, *, scheduler: bool = False) -> frozenset[str]:
        """Return the changelog topics of all tables, global ones included."""
        names = [table.name for table in self.tables] + list(SCHEDULER_TABLES if scheduler else ())
        return frozenset(changelog(app_id, name) for name in names)

    def global_changelogs(self, app_id: str) -> frozenset[str]:
        """Return the changelogs of which every member keeps a full copy."""
        return frozenset(changelog(app_id, table.name) for table in self.tables if table.is_global)

    def partitions(self, app_id: str, default: int) -> dict[str, int]:
        """Return the partition count of each topic the runtime itself would create."""
        counts = {leader_topic(app_id): 1}
        counts |= {changelog(app_id, table.name): table.partitions or default for table in self.tables}
        counts |= {topic: default for join in self.joins for topic in join.topics(app_id)}
        for agent in self.agents:
            if agent.declare:
                counts |= dict.fromkeys(agent.topics, agent.partitions or default)
        return counts


def leader_topic(app_id: str) -> str:
    """Return the one-partition topic whose owner is the leader."""
    return f"{app_id}-assignor-leader"


def changelog(app_id: str, table: str) -> str:
    """Return the changelog topic of a table."""
    return f"{app_id}-{table}-changelog"


def load(files: Mapping[str, str], *, order: Order = sorted) -> LoadedApp:
    """Build the app from all definition files below one directory.

    Args:
        files: path -> text. Files with another ending than `.yml` or `.yaml` are ignored (case-sensitive).
        order: the raw order of each directory.

    Raises:
        StartupCrash: where the real process would end.
    """
    builder = Builder()
    paths = list(walk(files, order))
    documents = [
        document
        for ending in (".yml", ".yaml")
        for path in paths
        if path.endswith(ending)
        for document in builder.parsed(path, files[path])
    ]
    for document in documents:
        builder.build_document(document)
    for document in documents:
        for webview in document["webviews"]:
            builder.add_webview(webview)
    return builder.result()


@lru_cache(maxsize=256)
def checked_document(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return the checked document of a text; cached because all members of an app read the same one.

    Raises:
        yaml.YAMLError, ValueError: the text is no YAML.
    """
    return validate(yaml.safe_load(text))


def walk(files: Iterable[str], order: Order) -> Iterator[str]:
    """Yield the paths as a recursive search does: a directory's own files first, then its directories."""
    entries: dict[str, set[str]] = {}
    paths = set(files)
    for path in paths:
        child = path
        while (parent := posixpath.dirname(child)) != child:
            entries.setdefault(parent, set()).add(child)
            child = parent
    # Relative paths start below "", absolute ones below "/".
    pending: list[str] = [top for top in ("", "/") if top in entries]
    while pending:
        children = list(order(sorted(entries[pending.pop(0)])))
        yield from (child for child in children if child in paths)
        pending[:0] = [child for child in children if child in entries]


class Builder:
    """Collects what is built so far; the order of calls is the runtime's build order."""

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.tables: dict[str, Table] = {}
        self.joins: dict[str, Join] = {}
        self.channels: set[str] = set()
        self.webviews: dict[tuple[str, str], WebView] = {}
        self.tasks: list[Task] = []
        self.warnings: list[str] = []
        self.faults: list[str] = []

    def parsed(self, path: str, text: str) -> Iterator[dict[str, Any]]:
        """Yield the checked document of a file; a file that is no YAML is skipped with a printed message."""
        try:
            checked, errors = checked_document(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            self.warnings.append(f"{path}: skipped: {' '.join(str(error).split())}")
            return
        if errors:
            raise StartupCrash(f"ValidationError: {path}: " + "; ".join(errors))
        yield checked

    def build_document(self, document: Mapping[str, Any]) -> None:
        """Build one file: tables, joins, tasks, agents, whatever the order in the text."""
        for table in document["tables"]:
            self.add_table(table)
        for join in document["joins"]:
            self.add_join(join)
        for task in document["tasks"]:
            self.add_task(task)
        for agent in document["agents"]:
            self.add_agent(agent)

    def add_table(self, entry: Mapping[str, Any]) -> None:
        """Register a table; its default selector is executed now."""
        selector = entry["default_selector"]
        if selector is not None:
            require_class(entry["name"], selector)
        self.register(Table(entry["name"], entry["global_"], entry["partitions"], selector is not None))

    def register(self, table: Table) -> None:
        """Add a table unless its name is taken."""
        if table.name in self.tables:
            raise StartupCrash(f"ValueError: Table with name {table.name!r} already exists")
        self.tables[table.name] = table

    def add_join(self, entry: Mapping[str, Any]) -> None:
        """Register a join with its two internal tables; both sides must have been built before."""
        left, right = entry["left_table"], entry["right_table"]
        for side in (left, right):
            if side not in self.tables:
                raise StartupCrash(f"KeyError: {side!r}")
        inner = entry["type"] in {None, "inner"}
        # Two joins over one pair meet here: their internal names are the same.
        for suffix in ("subscriptions", "previous-fk"):
            self.register(
                Table(
                    f"{left}-{right}-{suffix}",
                    is_global=False,
                    partitions=None,
                    has_default=False,
                    internal=True,
                )
            )
        channel = entry["output_channel"] or f"{entry['name']}-channel"
        self.channels.add(channel)
        self.joins[entry["name"]] = Join(entry["name"], left, right, inner, channel)
        if self.tables[right].has_default:
            self.faults.append(
                f"join {entry['name']}: table {right} has a default selector, unmatched rows get the default (C13)"
            )
        self.note_syntax(f"join {entry['name']}", entry["extractor"])

    def add_task(self, entry: Mapping[str, Any]) -> None:
        """Register a task; cron and interval together are refused."""
        schedule = entry["schedule"] or {}
        cron, interval = schedule.get("cron"), schedule.get("interval")
        if cron and interval:
            raise StartupCrash(f"ValueError: task {entry['name']}: cron and interval are mutually exclusive")
        self.tasks.append(Task(entry["name"], entry["on_leader"], cron, interval))
        self.note_processors(f"task {entry['name']}", entry["processors"])

    def add_agent(self, entry: Mapping[str, Any]) -> None:
        """Register an agent; a later one of the same name replaces it without a word."""
        source = entry["input"]
        topics, channel = self.input_of(source)
        processors = entry["processors"]
        self.agents[entry["name"]] = Agent(
            name=entry["name"],
            topics=topics,
            channel=channel,
            consumes=bool(processors["pipeline"] and processors["operations"]),
            declare=bool(source["declare"]),
            partitions=(source["topic"] or {}).get("partitions"),
        )
        self.note_processors(f"agent {entry['name']}", processors)

    def input_of(self, source: Mapping[str, Any]) -> tuple[tuple[str, ...], str | None]:
        """Return topics and channel of an agent's input; a topic wins over a channel, a name over a pattern."""
        topic, channel = source["topic"], source["channel"]
        if topic is not None:
            if not topic["name"] and not topic["pattern"]:
                raise StartupCrash("ValueError: an input topic needs a name or a pattern")
            names = [name.strip() for name in (topic["name"] or "").split(",")]
            return tuple(name for name in names if name), None
        if channel is None:
            raise StartupCrash("ValueError: agent input needs a topic or a channel")
        if (
            channel["name"] not in self.channels
        ):  # C6: the private channel the runtime means to make cannot be made
            raise StartupCrash("TypeError: App.channel() takes 1 positional argument but 2 were given")
        return (), channel["name"]

    def add_webview(self, entry: Mapping[str, Any]) -> None:
        """Register a route; one path may carry several methods, each once."""
        method, path = entry["request"]["method"], entry["request"]["path"]
        if method is None:
            raise StartupCrash("AttributeError: 'NoneType' object has no attribute 'upper'")
        key = (method.upper(), path)
        if key in self.webviews:
            raise StartupCrash(f"ValueError: web view {path} has method {key[0]} already")
        self.webviews[key] = WebView(entry["name"], key[0], path)
        if entry["processors"]:
            self.note_processors(f"webview {entry['name']}", entry["processors"])

    def note_processors(self, owner: str, processors: Mapping[str, Any]) -> None:
        """Note what would fail at the first message: unknown operations, text that does not compile."""
        operations = {operation["name"] for operation in processors["operations"]}
        for name in processors["pipeline"]:
            if name not in operations:
                self.faults.append(f"{owner}: pipeline names the undefined operation {name!r}")
        self.note_syntax(f"{owner}: init", processors["init"])
        for operation in processors["operations"]:
            for part in ("map", "filter"):
                self.note_syntax(f"{owner}: operation {operation['name']}", operation[part])

    def note_syntax(self, owner: str, code: Mapping[str, Any] | None) -> None:
        """Note Python text that does not compile: the app starts, its user crashes later (C12)."""
        try:
            compile((code or {"python": ""})["python"], "compiled_python", "exec")
        except (SyntaxError, ValueError) as error:
            self.faults.append(f"{owner}: {type(error).__name__}: {error}")

    def result(self) -> LoadedApp:
        """Return what was built."""
        return LoadedApp(
            agents=tuple(self.agents.values()),
            tables=tuple(self.tables.values()),
            joins=tuple(self.joins.values()),
            webviews=tuple(self.webviews.values()),
            tasks=tuple(self.tasks),
            warnings=tuple(self.warnings),
            faults=tuple(self.faults),
        )


def require_class(table: str, selector: Mapping[str, Any]) -> None:
    """Run a default selector; anything but a class as its result ends the start."""
    try:
        value = sandbox.entry_point(selector["python"], selector["entrypoint"])()
    except Exception as error:  # whatever test code raises is the crash
        raise StartupCrash(f"{type(error).__name__}: table {table}: {error}") from error
    if not isinstance(value, type):
        raise StartupCrash(f"TypeError: table {table}: default_selector must return a class, not {value!r}")

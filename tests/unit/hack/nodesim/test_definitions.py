"""The double of the runtime's loader takes and refuses what the real one does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hack.nodesim.definitions import LoadedApp, StartupCrash, leader_topic, load

DIR = "/var/lib/data/definitions"
CODE = {"python": "def f(v):\n    return v\n", "entrypoint": "f"}
PROCESSORS: dict[str, Any] = {
    "pipeline": ["one"],
    "init": None,
    "operations": [{"name": "one", "tables": [], "map": CODE, "filter": None, "topic_send": None}],
}


def agent(name: str = "a", **changes: Any) -> dict[str, Any]:
    return {"name": name, "input": {"topic": {"name": "in"}}, "processors": PROCESSORS} | changes


def channel_agent(channel: str, name: str = "reader") -> dict[str, Any]:
    return agent(name, input={"channel": {"name": channel}})


def table(name: str = "t", **changes: Any) -> dict[str, Any]:
    return {"name": name, "extra_topic_configs": {}, "options": {}} | changes


def join(name: str = "j", left: str = "l", right: str = "r", **changes: Any) -> dict[str, Any]:
    return {"name": name, "left_table": left, "right_table": right, "extractor": CODE} | changes


def webview(name: str = "w", method: str | None = "GET", path: str = "/w", **changes: Any) -> dict[str, Any]:
    return {"name": name, "request": {"method": method, "path": path}} | changes


def task(name: str = "k", **changes: Any) -> dict[str, Any]:
    return {"name": name, "processors": PROCESSORS} | changes


def one(document: Any) -> LoadedApp:
    return load({f"{DIR}/app.yaml": json.dumps(document)})


def operation(**changes: Any) -> dict[str, Any]:
    return {"pipeline": ["one"], "operations": [PROCESSORS["operations"][0] | changes]}


def topic_out(**changes: Any) -> dict[str, Any]:
    return {"output": {"topics": [{"name": "out", "name_selector": None} | changes]}}


WINDOW: dict[str, Any] = {"tumbling": {"size": 30}, "hopping": None, "relative_to": "custom"}

ACCEPTED: dict[str, Any] = {
    "nothing": {},
    "processors empty": {"agents": [agent(processors={})]},
    "init null": {"agents": [agent(processors=PROCESSORS | {"init": None})]},
    "actions null": {"agents": [agent(processors=operation(map=None, filter=None, topic_send=None))]},
    "entrypoint null": {"agents": [agent(processors=operation(map={"python": "x = 1", "entrypoint": None}))]},
    "topic name and pattern": {"agents": [agent(input={"topic": {"name": "in", "pattern": ".*"}})]},
    "topic and unknown channel": {"agents": [agent(input={"topic": {"name": "in"}, "channel": {"name": "c"}})]},
    "take": {"agents": [agent(input={"topic": {"name": "in"}, "take": {"max": 10, "within": "5s"}})]},
    "output null": {"agents": [agent(output=None)]},
    "newer output keys": {"agents": [agent(**topic_out(declare="anything", partitions="x"))]},
    "two agents with one name": {"agents": [agent("a"), agent("a")]},
    "window size as text": {"tables": [table(window=WINDOW | {"tumbling": {"size": "30", "expires": "1m"}})]},
    "join type of any word": {"tables": [table("l"), table("r")], "joins": [join(type="outer")]},
    "join type null": {"tables": [table("l"), table("r")], "joins": [join(type=None, output_channel=None)]},
    "webview without parts": {"webviews": [webview(response=None, processors=None)]},
    "webview methods of one path": {"webviews": [webview("a", "GET"), webview("b", "POST")]},
    "empty headers and selector": {
        "webviews": [webview(response={"headers": {}, "headers_selector": {"on_success": CODE}})]
    },
    "empty schedule": {"tasks": [task(schedule={})]},
    "schedule null": {"tasks": [task(schedule=None)]},
    "timezone": {"tasks": [task(schedule={"cron": "0 * * * *", "timezone": "Europe/Berlin"})]},
    "unknown keys at every level": {"agents": [agent(isolatedPartitions=True, input={"topic": {"name": "in", "keySerializer": 1}})], "x": 1},
}  # fmt: skip

REFUSED: dict[str, Any] = {
    "agent without input": {"agents": [{"name": "a", "processors": PROCESSORS}]},
    "agent without name": {"agents": [{"input": {"topic": {"name": "in"}}, "processors": PROCESSORS}]},
    "processors missing": {"agents": [{"name": "a", "input": {"topic": {"name": "in"}}}]},
    "processors null": {"agents": [agent(processors=None)]},
    "pipeline null": {"agents": [agent(processors={"pipeline": None})]},
    "operations null": {"agents": [agent(processors={"operations": None})]},
    "operation tables null": {"agents": [agent(processors=operation(tables=None))]},
    "take with a blank": {"agents": [agent(input={"topic": {"name": "in"}, "take": {"max": 1, "within": "10 s"}})]},
    "take without unit": {"agents": [agent(input={"topic": {"name": "in"}, "take": {"max": 1, "within": "10"}})]},
    "neither topic nor channel": {"agents": [agent(input={"declare": True})]},
    "empty topic": {"agents": [agent(input={"topic": {}})]},
    "output without name": {"agents": [agent(**topic_out(name=None))]},
    "output with both names": {"agents": [agent(**topic_out(name_selector=CODE))]},
    "topic_send with both names": {
        "agents": [agent(processors=operation(topic_send={"name": "o", "name_selector": CODE}))]
    },
    "python null": {"agents": [agent(processors=operation(map={"python": None}))]},
    "number as topic config": {"agents": [agent(input={"topic": {"name": "in", "config": {"retention.ms": 1}}})]},
    "number as extra config": {"tables": [table(extra_topic_configs={"retention.ms": 604800000})]},
    "number as option": {"tables": [table(options={"a": 1})]},
    "window size as duration": {"tables": [table(window={"tumbling": {"size": "30s"}})]},
    "boolean as partitions": {"tables": [table(partitions=True)]},
    "two tables with one name": {"tables": [table("t"), table("t")]},
    "join without name": {"tables": [table("l"), table("r")], "joins": [join() | {"name": None}]},
    "join before its tables": {"joins": [join()]},
    "two joins over one pair": {"tables": [table("l"), table("r")], "joins": [join("j"), join("k")]},
    "status code twice": {"webviews": [webview(response={"status_code": 200, "status_code_selector": {"on_success": CODE}})]},
    "headers twice": {"webviews": [webview(response={"headers": {"A": "b"}, "headers_selector": {"on_success": CODE}})]},
    "content type": {"webviews": [webview(response={"content_type": "text/csv"})]},
    "method null": {"webviews": [webview(method=None)]},
    "webview twice": {"webviews": [webview("a"), webview("b", "get")]},
    "cron and interval": {"tasks": [task(schedule={"cron": "* * * * *", "interval": "5s"})]},
    "interval with a blank": {"tasks": [task(schedule={"interval": "5 m"})]},
    "null list": {"agents": None},
    "list as document": [],
    "text as document": "agents",
    "empty document": None,
    "yaml boolean as name": {"tables": [table(True)]},  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_the_runtime_takes_is_taken(case: str) -> None:
    """Accept/reject matrix of the loader: the accepting rows."""
    assert one(ACCEPTED[case]).warnings == ()


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_runtime_refuses_ends_the_start(case: str) -> None:
    """Accept/reject matrix of the loader: one bad entry takes the whole process down with exit code 1 (T2, T3, T7)."""
    with pytest.raises(StartupCrash) as crash:
        one(REFUSED[case])
    assert crash.value.exit_code == 1


def test_every_fault_is_named_with_its_place() -> None:
    """The log's last words name field and reason, all of them at once."""
    with pytest.raises(StartupCrash) as crash:
        one({"agents": [agent(processors=None), agent(input=None)]})
    assert "agents[0].processors: Field may not be null." in crash.value.message
    assert "agents[1].input: Field may not be null." in crash.value.message


@pytest.mark.parametrize(
    "text", ["agents: [", "tables: =", "a: !!python/object:x {}", "\t- x", "a: 2024-13-45"]
)
def test_a_file_that_is_no_yaml_is_skipped_and_the_app_starts_without_it(text: str) -> None:
    """Malformed YAML drops the component with a printed message, and nothing else."""
    app = load({f"{DIR}/bad.yaml": text, f"{DIR}/good.yaml": json.dumps({"tables": [table()]})})
    assert [item.name for item in app.tables] == ["t"]
    assert app.warnings[0].startswith(f"{DIR}/bad.yaml: skipped")


def test_yaml_is_version_1_1() -> None:
    """Bare `on` is a boolean, so a component called on is refused, a quoted one is not."""
    with pytest.raises(StartupCrash, match="Not a valid string"):
        load({f"{DIR}/a.yaml": "tables: [{name: on}]"})
    assert load({f"{DIR}/a.yaml": "tables: [{name: 'on', partitions: 017}]"}).tables[0].partitions == 15


def test_only_yml_and_yaml_files_are_read_and_yml_comes_first() -> None:
    """`*.yml` before `*.yaml`, case-sensitive; `.json` is ignored, JSON text in a `.yaml` file is not."""
    files = {
        f"{DIR}/a.yaml": json.dumps({"joins": [join()]}),
        f"{DIR}/z.yml": json.dumps({"tables": [table("l"), table("r")]}),
        f"{DIR}/x.json": "{",
        f"{DIR}/x.YAML": "{",
    }
    app = load(files)
    assert [item.name for item in app.joins] == ["j"]
    assert app.warnings == ()


def test_a_mounted_directory_is_found_twice() -> None:
    """T5: the kubelet's timestamped directory is a real one, the second copy of a table already exists."""
    text = json.dumps({"tables": [table()]})
    with pytest.raises(StartupCrash, match="already exists"):
        load({f"{DIR}/a.yaml": text, f"{DIR}/..2025_01_01_00_00_00.1/a.yaml": text})


def test_inside_one_file_the_order_of_the_text_does_not_matter() -> None:
    """Tables, joins, tasks, agents: one file with everything always builds."""
    document = {
        "agents": [channel_agent("j-channel")],
        "joins": [join()],
        "tables": [table("l"), table("r")],
    }
    app = one(document)
    assert app.agents[0].channel == "j-channel"
    assert [item.name for item in app.tables] == ["l", "r", "l-r-subscriptions", "l-r-previous-fk"]


FILES = {
    f"{DIR}/1-tables.yaml": json.dumps({"tables": [table("l"), table("r")]}),
    f"{DIR}/2-join.yaml": json.dumps({"joins": [join()]}),
    f"{DIR}/3-agent.yaml": json.dumps({"agents": [channel_agent("j-channel")]}),
}


def test_across_files_the_order_of_the_directory_decides() -> None:
    """T6: a join before its tables is a KeyError; a lucky order works and proves nothing."""
    assert load(FILES).joins[0].channel == "j-channel"
    with pytest.raises(StartupCrash, match="KeyError: 'l'"):
        load(FILES, order=lambda names: sorted(names, key=lambda name: "join" not in name))


def test_an_agent_before_its_join_crashes() -> None:
    """C6: a channel without a join built before it cannot be made."""
    with pytest.raises(StartupCrash, match=r"App\.channel\(\) takes 1 positional argument"):
        load(FILES, order=lambda names: sorted(names, key=lambda name: "join" in name))
    with pytest.raises(StartupCrash, match=r"App\.channel\(\)"):
        load(FILES, order=reversed)
    with pytest.raises(StartupCrash, match=r"App\.channel\(\)"):
        one({"agents": [channel_agent("nowhere")]})


def test_an_output_channel_replaces_the_default_channel() -> None:
    """C6: only the join's own channel name counts."""
    document = {"tables": [table("l"), table("r")], "joins": [join(output_channel="c")]}
    assert one(document | {"agents": [channel_agent("c")]}).joins[0].channel == "c"
    with pytest.raises(StartupCrash):
        one(document | {"agents": [channel_agent("j-channel")]})


def test_directories_are_searched_below_their_own_files() -> None:
    """The search is recursive; a directory's own files come first."""
    files = {
        f"{DIR}/z.yaml": FILES[f"{DIR}/1-tables.yaml"],
        f"{DIR}/a/deep/b.yaml": FILES[f"{DIR}/2-join.yaml"],
    }
    assert load(files).joins[0].name == "j"
    assert load({"b.yaml": json.dumps({"tables": [table()]})}).tables[0].name == "t"


@pytest.mark.parametrize(
    ("python", "entrypoint", "fault"),
    [
        ("def d():\n  return dict\n", "d", None),
        ("def d():\n  return dict\n", "misspelled", None),
        ("from collections import OrderedDict\ndef d():\n  return OrderedDict\n", "d", None),
        ("def d():\n  return {}\n", "d", "must return a class"),
        ("from collections import OrderedDict\ndef d():\n  return dict\n", None, "must return a class"),
        ("def d(x):\n  return dict\n", "d", "missing 1 required positional argument"),
        ("def d(:\n", "d", "SyntaxError"),
        ("x = 1\n", "x", "No callable"),
        ("def d():\n  return open('/etc/passwd')\n", "d", "NameError"),
        ("import os\n", None, "ModuleNotFoundError"),
    ],
)
def test_a_default_selector_returns_a_class(python: str, entrypoint: str | None, fault: str | None) -> None:
    """The selector runs at start; without entry point the first callable in scope is taken, an import too."""
    document = {"tables": [table(default_selector={"python": python, "entrypoint": entrypoint})]}
    if fault is None:
        assert one(document).tables[0].has_default
        return
    with pytest.raises(StartupCrash, match=fault):
        one(document)


def test_broken_python_starts_and_is_only_noted() -> None:
    """C12: a syntax error in an operation shows at the first message, not at the start."""
    app = one({"agents": [agent(processors=operation(map={"python": "def f(:"}))]})
    assert "SyntaxError" in app.faults[0]
    assert one({"agents": [agent(processors=PROCESSORS | {"pipeline": ["two"]})]}).faults == (
        "agent a: pipeline names the undefined operation 'two'",
    )


def test_a_right_table_with_a_default_is_noted() -> None:
    """C13: with a default selector an unmatched row joins the default instead of nothing."""
    default = {"python": "def d():\n  return dict\n", "entrypoint": "d"}
    app = one({"tables": [table("l"), table("r", default_selector=default)], "joins": [join()]})
    assert "C13" in app.faults[0]


def test_the_subscription_is_everything_a_member_consumes() -> None:
    """Agent topics (comma list, trimmed), leader topic, changelogs, join topics and tables; no channels."""
    app = one(
        {
            "agents": [agent("a", input={"topic": {"name": "in-a, in-b"}}), channel_agent("j-channel")],
            "tables": [table("l"), table("r")],
            "joins": [join()],
        }
    )
    assert app.subscription("x-app") == {
        "in-a",
        "in-b",
        "x-app-assignor-leader",
        "x-app-l-changelog",
        "x-app-r-changelog",
        "x-app-l-r-subscriptions-changelog",
        "x-app-l-r-previous-fk-changelog",
        "x-app-l-r-subscription-registration",
        "x-app-l-r-subscription-response",
    }


def test_agents_that_do_nothing_consume_nothing() -> None:
    """Empty processors end the agent at once; a pattern alone never works."""
    idle = one({"agents": [agent("a", processors={}), agent("b", input={"topic": {"pattern": "in-.*"}})]})
    assert idle.subscription("x-app") == {leader_topic("x-app")}


def test_the_scheduler_adds_its_topics_and_tables() -> None:
    """The scheduler's three topics and four tables belong to the subscription when it is on."""
    topics = LoadedApp().subscription("x", scheduler=True)
    assert {"x-schedule-requests", "x-timetable-index-changelog"} <= topics
    assert len(topics) == 1 + 3 + 4


def test_partition_counts_come_from_the_definitions() -> None:
    """The leader topic has one partition, a table its own or the default, a declared input what it asks for."""
    declared = {"declare": True, "topic": {"name": "in", "partitions": 4}}
    app = one({"agents": [agent(input=declared), agent("b", input={"topic": {"name": "other"}})],
               "tables": [table("t", partitions=8), table("g", **{"global": True})]})  # fmt: skip
    assert app.partitions("x", 3) == {"x-assignor-leader": 1, "x-t-changelog": 8, "x-g-changelog": 3, "in": 4}
    assert app.global_changelogs("x") == {"x-g-changelog"}


def test_the_later_agent_of_one_name_replaces_the_earlier() -> None:
    """Two agents with one name are no error."""
    app = one({"agents": [agent("a"), agent("a", input={"topic": {"name": "later"}})]})
    assert [item.topics for item in app.agents] == [("later",)]

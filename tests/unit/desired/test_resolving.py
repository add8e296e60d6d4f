"""Which definition each component gets: faults cost their own component, and the chosen set always starts (D26, D27, T6)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hack.nodesim.definitions import load
from kaspr_controller.desired.bundle import Bundle, render_app
from kaspr_controller.desired.components import AnyComponent, Unparsable, prepare
from kaspr_controller.desired.facts import Facts, LiveWorkload
from tests.unit.desired.resources import agent, app, join, listener, table, task, view


def render(*components: AnyComponent, live: Bundle | None = None, **spec: Any) -> Bundle:
    """Render after `live` has been applied."""
    return render_app(app(**spec), components, Facts(live_definitions=live.files if live else {}))


def held(bundle: Bundle) -> dict[str, str]:
    """Name -> reason."""
    return {name: problem.reason for (_, name), problem in bundle.problems.items()}


def homes(bundle: Bundle) -> dict[str, str]:
    """Name -> ConfigMap."""
    return {name: outcome.config_map for (_, name), outcome in bundle.components.items()}


TABLES = [table("left"), table("right")]


def test_a_join_and_all_around_it_share_one_document() -> None:
    """Tables, joins over them, and agents on their channels; others keep theirs (T6, C6)."""
    parts = [
        table("l"),
        table("m"),
        table("r"),
        table("alone"),
        agent("stranger"),
        listener("reads", "b-channel"),
    ]
    bundle = render(
        *parts, join("b", "l", "m"), join("a", "m", "r"), join("z", "x", "y"), table("x"), table("y")
    )
    assert homes(bundle) == {
        "l": "a-join",
        "m": "a-join",
        "r": "a-join",
        "a": "a-join",
        "b": "a-join",
        "reads": "a-join",
        "z": "z-join",
        "x": "z-join",
        "y": "z-join",
        "alone": "alone-table",
        "stranger": "stranger-agent",
    }
    assert set(bundle.files) == {"a-join.yaml", "z-join.yaml", "alone-table.yaml", "stranger-agent.yaml"}
    document = json.loads(bundle.files["a-join.yaml"])
    assert {name: [one["name"] for one in entries] for name, entries in document.items()} == {
        "agents": ["reads"],
        "joins": ["a", "b"],
        "tables": ["l", "m", "r"],
    }
    assert ("ConfigMap", "l-table") not in bundle.wanted


def test_an_agent_on_a_tables_topic_stays_outside() -> None:
    """Only a channel ties an agent to a join; a table it is given does not."""
    bundle = render(*TABLES, join("j", "left", "right"), agent("a", tables=("left",)))
    assert homes(bundle)["a"] == "a-agent"


def test_a_join_waits_for_its_tables_with_its_agents() -> None:
    """The tables that are there go on alone."""
    bundle = render(table("left"), join("j", "left", "right"), listener("reads", "j-channel"), agent("free"))
    assert held(bundle) == {"j": "RightTableNotFound", "reads": "ChannelWithoutJoin"}
    assert homes(bundle) == {"left": "left-table", "j": "", "reads": "", "free": "free-agent"}
    both = render(join("j", "left", "right"))
    assert held(both) == {"j": "LeftTableNotFound"}
    tables = both.components[("KasprJoin", "j")].tables
    assert tables["leftTable"] == {"name": "left", "status": "LeftTableNotFound"}
    assert tables["rightTable"] == {"name": "right", "status": "RightTableNotFound"}


def test_a_bad_component_keeps_its_last_good_definition_byte_for_byte() -> None:
    """A fault restarts nothing (D27)."""
    before = render(agent("a", "one"), agent("b", "two"))
    after = render(agent("a", "changed", map_="def ("), agent("b", "two"), live=before)
    assert held(after) == {"a": "InvalidCode"}
    assert after.files == before.files
    assert after.intents == before.intents
    assert after.components[("KasprAgent", "a")].hash == before.components[("KasprAgent", "a")].hash
    fixed = render(agent("a", "changed"), agent("b", "two"), live=after)
    assert held(fixed) == {}
    assert "changed" in fixed.files["a-agent.yaml"]


def test_an_unparsable_component_keeps_its_last_good_definition() -> None:
    """Admission may have been more lenient, or older."""
    before = render(agent("a", "one"))
    after = render(Unparsable("KasprAgent", "a", ("spec.input: no",)), live=before)
    assert after.files == before.files
    assert held(after) == {"a": "InvalidSpec"}


def test_inside_a_document_of_many_the_rest_goes_on() -> None:
    """The last good entry is taken out of the live document of the join."""
    parts = [*TABLES, join("j", "left", "right")]
    before = render(*parts, listener("reads", "j-channel"))
    broken = agent("reads", map_="def (", input={"channel": {"name": "j-channel"}})
    after = render(
        table("left", partitions=4), table("right"), join("j", "left", "right"), broken, live=before
    )
    assert held(after) == {"reads": "InvalidCode"}
    document = json.loads(after.files["j-join.yaml"])
    assert [one["partitions"] for one in document["tables"]] == [4, None]
    assert document["agents"] == json.loads(before.files["j-join.yaml"])["agents"]


def test_a_last_good_definition_must_still_fit() -> None:
    """What it needs is gone: then it goes too, or nothing would start."""
    before = render(
        *TABLES, join("j", "left", "right"), listener("reads", "j-channel"), agent("uses", tables=("left",))
    )
    after = render(
        table("right"),
        join("j", "left", "right"),
        listener("reads", "j-channel"),
        agent("uses", tables=("left",)),
        live=before,
    )
    assert held(after) == {"j": "LeftTableNotFound", "reads": "ChannelWithoutJoin", "uses": "TableNotFound"}
    assert set(after.files) == {"right-table.yaml"}


def test_a_join_that_points_nowhere_keeps_pointing_where_it_did() -> None:
    """A typo costs nothing but the change."""
    before = render(*TABLES, join("j", "left", "right"))
    after = render(*TABLES, join("j", "left", "typo"), live=before)
    assert held(after) == {"j": "RightTableNotFound"}
    assert after.files == before.files


def test_who_runs_comes_before_who_is_new() -> None:
    """A newcomer cannot take a route, a channel or a pair of tables from a component that works."""
    before = render(*TABLES, view("z", "/x"), join("zz", "left", "right", outputChannel="c"))
    after = render(
        *TABLES,
        view("a", "/x"),
        view("z", "/x"),
        join("aa", "left", "right", outputChannel="d"),
        join("zz", "left", "right", outputChannel="c"),
        live=before,
    )
    assert held(after) == {"a": "DuplicateRoute", "aa": "DuplicateJoin"}
    assert after.files == before.files


def test_an_edit_into_a_taken_route_keeps_the_old_route() -> None:
    """The fault is the edit's, so the edit waits."""
    before = render(view("a", "/a"), view("b", "/b"))
    after = render(view("a", "/b"), view("b", "/b"), live=before)
    assert held(after) == {"a": "DuplicateRoute"}
    assert after.files == before.files


def test_among_newcomers_the_names_decide() -> None:
    """Two joins over one pair, two joins on one channel, two views on one route: the second is held."""
    pair = render(*TABLES, join("b", "left", "right", outputChannel="x"), join("a", "left", "right"))
    assert held(pair) == {"b": "DuplicateJoin"}
    channel = render(
        *TABLES,
        table("third"),
        join("b", "left", "third", outputChannel="c"),
        join("a", "left", "right", outputChannel="c"),
    )
    assert held(channel) == {"b": "DuplicateChannel"}
    assert held(render(view("b", "/x"), view("a", "/x"), view("c", "/x", "POST"))) == {"b": "DuplicateRoute"}
    assert held(render(*TABLES, join("a", "left", "right"), join("b", "right", "left"))) == {}


def test_a_join_that_is_held_takes_nothing() -> None:
    """What cannot run must not win a quarrel about a name."""
    bundle = render(
        *TABLES,
        join("a", "left", "missing", outputChannel="c"),
        join("b", "left", "right", outputChannel="c"),
    )
    assert held(bundle) == {"a": "LeftTableNotFound"} or held(bundle) == {"a": "RightTableNotFound"}
    assert homes(bundle)["b"] == "b-join"


def test_tables_of_the_runtime_itself_are_taken() -> None:
    """The scheduler's tables only where it runs; those of a join by name."""
    assert held(render(table("timetable"), config={"schedulerCronEnabled": True})) == {
        "timetable": "ReservedName"
    }
    assert held(render(table("timetable"))) == {}
    names = render(*TABLES, table("left-right-previous-fk"), join("j", "left", "right"))
    assert held(names) == {"j": "ReservedName"}


def test_a_moved_metrics_path_is_taken() -> None:
    """The parser knows the runtime's fixed paths; this one depends on the app."""
    views = [view("a", "/internal/metrics"), view("b", "/internal")]
    assert held(render(*views, config={"webMetricsBasePath": "/internal"})) == {"a": "ReservedRoute"}
    assert held(render(*views)) == {}


@pytest.mark.parametrize("name", ["has.dots", "a" * 58])
def test_a_name_that_fits_no_volume_holds_its_component_back_alone(name: str) -> None:
    """Such a volume name would be refused by the API server, and with it every change of the app (D32, T46)."""
    bundle = render(agent(name), agent("good"))
    assert held(bundle) == {name: "InvalidSpec"}
    assert set(bundle.files) == {"good-agent.yaml"}


def test_a_volume_of_the_template_keeps_its_name() -> None:
    """Two volumes of one name are refused by the API server, and with them every change of the app."""
    volumes = {"pod": {"volumes": [{"name": "a-agent", "emptyDir": {}}]}}
    bundle = render(agent("a"), agent("b"), template=volumes)
    assert held(bundle) == {"a": "VolumeNameConflict"}
    assert set(bundle.files) == {"b-agent.yaml"}


def test_a_mounted_document_knows_better_than_one_that_waits_for_removal() -> None:
    """After a join came, the old file of its table is still in its ConfigMap for a while."""
    old = '{"tables": [{"name": "t", "partitions": 1}]}'
    new = '{"tables": [{"name": "t", "partitions": 2}], "joins": []}'
    mounts = [{"name": "j-join", "subPath": "j-join.yaml", "mountPath": "/x"}]
    workload = LiveWorkload(template={"spec": {"containers": [{"volumeMounts": mounts}]}})
    facts = Facts(workload=workload, live_definitions={"j-join.yaml": new, "t-table.yaml": old})
    bundle = render_app(app(), [Unparsable("KasprTable", "t", ("no",))], facts)
    assert json.loads(bundle.files["t-table.yaml"])["tables"][0]["partitions"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"agents": null}',
        '{"agents": [{"name": "a"}]}',
        '{"agents": [{"name": "a", "input": null, "processors": null}]}',
        '{"agents": ["a"]}',
    ],
)
def test_a_live_document_of_any_shape_is_survived(text: str) -> None:
    """The predecessor, or a user, may have written anything."""
    facts = Facts(live_definitions={"a-agent.yaml": text})
    bundle = render_app(app(), [Unparsable("KasprAgent", "a", ("no",)), agent("b")], facts)
    assert set(bundle.files) == {"b-agent.yaml"}


def test_a_group_too_big_for_one_document_falls_apart_to_its_last_good() -> None:
    """Joins and their agents wait; tables go on alone."""
    filler = "def f(v): return v  # " + "x" * 200_000
    agents = [agent(f"a{n}", map_=filler, input={"channel": {"name": "j-channel"}}) for n in range(5)]
    bundle = render(*TABLES, join("j", "left", "right"), *agents)
    assert set(held(bundle).values()) == {"DocumentTooBig", "ChannelWithoutJoin"} or set(
        held(bundle).values()
    ) == {"DocumentTooBig"}
    assert set(bundle.files) == {"left-table.yaml", "right-table.yaml"}
    before = render(*TABLES, join("j", "left", "right"), agents[0])
    after = render(*TABLES, join("j", "left", "right"), *agents, live=before)
    assert after.files == before.files


NAMES = st.sampled_from("abc")
PARTS = st.one_of(
    st.builds(
        table,
        NAMES,
        defaultSelector=st.sampled_from([{"python": "def d(): return int"}, {"python": "def ("}]),
    ),
    st.builds(table, NAMES),
    st.builds(join, NAMES, NAMES, NAMES, outputChannel=st.sampled_from(["x", "y"])),
    st.builds(listener, NAMES, st.sampled_from(["x", "y", "z"])),
    st.builds(agent, NAMES, NAMES, tables=st.tuples(NAMES), map_=st.sampled_from(["", "def (", "X = 1"])),
    st.builds(view, NAMES, st.sampled_from(["/x", "/y"])),
    st.builds(task, NAMES),
)


def unique(parts: Iterable[AnyComponent]) -> list[AnyComponent]:
    """One of each kind and name, the last one."""
    return list({prepare(part).key: part for part in parts}.values())


@given(history=st.lists(st.lists(PARTS, max_size=8), min_size=1, max_size=4), scheduler=st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_users_do_the_app_starts(history: list[list[AnyComponent]], scheduler: bool) -> None:  # noqa: FBT001
    """Through any history of edits the definitions start, in any order of files, and rendering again changes nothing."""
    live = None
    for step in history:
        parts = unique(step)
        bundle = render(*parts, live=live, config={"schedulerEnabled": scheduler})
        for order in (sorted, lambda paths: sorted(paths, reverse=True)):
            assert not load(bundle.files, order=order).warnings
        for outcome in bundle.components.values():
            assert outcome.config_map or outcome.problem
            assert bool(outcome.config_map) == bool(outcome.hash)
        again = render(*reversed(parts), live=bundle, config={"schedulerEnabled": scheduler})
        assert again.files == bundle.files
        live = bundle

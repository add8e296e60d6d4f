"""Parsing: what the models hold afterwards, and how problems are told."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest

from kaspr_controller.api.metadata import KINDS
from kaspr_controller.api.parsing import MODELS, InvalidSpec, parse, path_text
from kaspr_controller.api.v1alpha1.agent import KasprAgent
from kaspr_controller.api.v1alpha1.app import KafkaAuthentication, KasprApp
from kaspr_controller.api.v1alpha1.join import KasprJoin
from kaspr_controller.api.v1alpha1.parts import Code
from kaspr_controller.api.v1alpha1.table import KasprTable
from kaspr_controller.api.v1alpha1.webview import KasprWebView
from tests.corpus.loading import BASES, changed


def errors(obj: dict[str, Any]) -> dict[str, str]:
    """Message by path of what the parser refuses."""
    with pytest.raises(InvalidSpec) as refused:
        parse(obj)
    return {error.path: error.message for error in refused.value.errors}


def test_every_kind_has_its_model() -> None:
    """The kind of an object chooses the model."""
    assert set(MODELS) == {kind.kind for kind in KINDS}
    for base in BASES.values():
        assert type(parse(base)) is MODELS[base["kind"]]


@pytest.mark.parametrize("raw", [{}, {"kind": "Pod"}, {"kind": "kasprapp"}])
def test_an_object_of_no_kind_of_ours_is_refused_by_its_kind(raw: dict[str, Any]) -> None:
    """Without a known kind nothing else can be said."""
    assert list(errors(raw)) == ["kind"]


def test_defaults_are_those_of_the_schema() -> None:
    """An app that leaves everything out gets one member, no authentication, no settings."""
    app = parse(
        {
            "apiVersion": "kaspr.io/v1alpha1",
            "kind": "KasprApp",
            "metadata": {"name": "a"},
            "spec": {"bootstrapServers": "k:9092", "storage": {"type": "ephemeral"}},
        }
    )
    assert isinstance(app, KasprApp)
    assert app.spec.replicas == 1
    assert app.spec.authentication == KafkaAuthentication(type="plain")
    assert app.spec.storage.delete_claim is False
    assert app.spec.config.passthrough == {}
    assert app.spec.template.pod is None
    assert app.status == {}


def test_attributes_are_snake_case_and_reserved_words_get_an_underscore() -> None:
    """`class` and `global` are fields of the API and words of Python."""
    app, table = parse(BASES["app"]), parse(changed(BASES["table"], {"spec.global": True}))
    assert isinstance(app, KasprApp)
    assert isinstance(table, KasprTable)
    assert app.spec.bootstrap_servers == "kafka:9092"
    assert app.spec.storage.class_ == "standard"
    assert table.spec.global_ is True


def test_the_python_names_are_not_part_of_the_api() -> None:
    """What the API server would refuse as unknown, the parser refuses too."""
    assert "spec.bootstrap_servers" in errors(
        changed(BASES["app"], {"spec.bootstrap_servers": "k:9092"}, ["spec.bootstrapServers"])
    )


def test_scalars_in_maps_become_text_and_keys_stay() -> None:
    """Users write numbers and booleans; Kafka and HTTP know text; `X-App` is not `_x-_app`."""
    table = parse(
        changed(
            BASES["table"], {"spec.extraTopicConfigs": {"retention.ms": 604800000, "Max.Foo": True, "r": 0.5}}
        )
    )
    view = parse(changed(BASES["webview"], {"spec.response.headers": {"X-App": False, "x": "y"}}))
    assert isinstance(table, KasprTable)
    assert isinstance(view, KasprWebView)
    assert view.spec.response is not None
    assert table.spec.extra_topic_configs == {"retention.ms": "604800000", "Max.Foo": "true", "r": "0.5"}
    assert view.spec.response.headers == {"X-App": "false", "x": "y"}


def test_nulls_count_as_absent() -> None:
    """The API server drops nulls; an object that was not stored yet reads the same."""
    agent = parse(
        changed(
            BASES["agent"],
            {
                "spec.processors.operations[0].tables": None,
                "spec.isolatedPartitions": None,
                "spec.output": None,
            },
        )
    )
    assert isinstance(agent, KasprAgent)
    assert agent.spec.processors is not None
    assert agent.spec.processors.operations[0].tables == ()
    assert agent.spec.isolated_partitions is False
    assert agent.spec.output is None


def test_lists_are_tuples_and_models_are_frozen() -> None:
    """A parsed object is shared between threads and never edited."""
    agent = parse(BASES["agent"])
    assert isinstance(agent, KasprAgent)
    assert agent.spec.processors is not None
    assert isinstance(agent.spec.processors.operations, tuple)
    with pytest.raises(ValueError, match="frozen"):
        agent.spec.description = "x"  # type: ignore[misc]
    assert agent.spec.processors.operations[0].map == Code(python="def f(v, p): return v", entrypoint="f")


def test_parsing_leaves_the_object_alone() -> None:
    """The raw object belongs to a store."""
    raw = changed(BASES["app"], {"spec.config": {"web_port": "7000", "topicPartitions": None}})
    before = copy.deepcopy(raw)
    parse(raw)
    assert raw == before


def test_a_join_knows_its_channel() -> None:
    """Absent means `<name>-channel`."""
    join, named = parse(BASES["join"]), parse(changed(BASES["join"], {"spec.outputChannel": "c"}))
    assert isinstance(join, KasprJoin)
    assert isinstance(named, KasprJoin)
    assert (join.output_channel, named.output_channel) == ("orders-products-channel", "c")


def test_a_component_names_its_app_by_label() -> None:
    """Without the label it belongs to none; that is a condition, since admission sees no labels."""
    agent = parse(changed(BASES["agent"], {"metadata.labels": {"kaspr.io/app": "shop"}}))
    orphan = parse(BASES["agent"])
    assert isinstance(agent, KasprAgent)
    assert isinstance(orphan, KasprAgent)
    assert (agent.app, orphan.app) == ("shop", "")


def test_a_status_of_any_shape_is_no_reason_to_refuse() -> None:
    """Older and newer programs write their own status."""
    app = parse(changed(BASES["app"], {"status": {"kopf": {"progress": [1]}, "conditions": "none"}}))
    assert app.status == {"kopf": {"progress": [1]}, "conditions": "none"}


def test_all_problems_are_told_at_once() -> None:
    """A user fixes a manifest in one round."""
    found = errors(
        changed(
            BASES["app"],
            {"spec.replicas": -1, "spec.storage.size": "1GB", "spec.tls": {"ca": "x"}, "spec.x": 1},
        )
    )
    assert set(found) == {"spec.replicas", "spec.storage.size", "spec.tls.ca", "spec.x"}


def test_all_broken_rules_are_told_at_once() -> None:
    """Rules of different depth too."""
    found = errors(
        changed(
            BASES["agent"],
            {
                "metadata.name": "a.b",
                "spec.input.channel": {"name": "c"},
                "spec.output.topics[0].nameSelector": {"python": "x"},
                "spec.processors.pipeline": ["two"],
            },
        )
    )
    assert set(found) == {"metadata.name", "spec.input", "spec.output.topics[0]", "spec.processors.pipeline"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("spec.replicas", "3", "must be a whole number"),
        ("spec.replicas", -1, "must be at least 0"),
        ("spec.replicas", 2**31, "must be at most 2147483647"),
        ("spec.version", 1, "must be text"),
        ("spec.image", "", "must not be empty"),
        ("spec.image", "x" * 1025, "must have at most 1024 characters"),
        ("spec.config", [], "must be an object"),
        ("spec.config.topicAllowDeclare", "yes", "must be true or false"),
        ("spec.config.schedulerCronTickIntervalSeconds", "30s", "must be a number"),
        ("spec.storage.size", "1GB", "must be a Kubernetes quantity: 512Mi, 10Gi"),
        ("spec.storage.type", "jbod", "must be one of 'ephemeral' or 'persistent-claim'"),
        ("spec.storage.clas", "x", "unknown field; did you mean class?"),
        ("spec.entirelyElse", "x", "unknown field"),
        ("spec.pythonPackages", {"packages": []}, "needs at least 1 items"),
        ("spec.pythonPackages", {"packages": "requests"}, "must be a list"),
        ("spec.pythonPackages", {"packages": ["a"] * 101}, "must have at most 100 items"),
        ("spec.pythonPackages", {}, "is required"),
        ("spec.template", {"pod": {"nodeSelector": []}}, "must be a map"),
        ("spec.resources", {"limits": {"cpu": {}}}, "must be text or a number"),
        ("spec.resources", {"limit": {}}, "unknown field"),
    ],
)
def test_messages_say_what_would_be_right(path: str, value: Any, message: str) -> None:
    """One sentence per problem, in words a user of YAML knows."""
    assert message in errors(changed(BASES["app"], {path: value})).values()


def test_messages_never_repeat_what_was_written() -> None:
    """It may be a password in the wrong field."""
    secret = "hunter2-geheim"
    places = ("password", "username.x", "passwordSecret", "type")
    for place in places:
        obj = changed(BASES["app"], {"spec.authentication": {"type": "plain"}})
        obj = changed(
            obj,
            {f"spec.authentication.{place}": secret} if "." not in place else {"spec.version": f"{secret} "},
        )
        with pytest.raises(InvalidSpec) as refused:
            parse(obj)
        assert secret not in str(refused.value)


def test_the_exception_reads_as_a_sentence_per_problem() -> None:
    """It ends up in logs and conditions."""
    with pytest.raises(InvalidSpec) as refused:
        parse(changed(BASES["task"], {"spec.schedule.cron": "* * * * *"}))
    assert str(refused.value) == (
        "spec.schedule: set exactly one of cron and interval; leave schedule out to run once when the app starts"
    )


@pytest.mark.parametrize(
    ("at", "text"),
    [
        ((), ""),
        (("spec",), "spec"),
        (("spec", "operations", 0, "map"), "spec.operations[0].map"),
        (("spec", "config", "retention.ms"), "spec.config[retention.ms]"),
        (("spec", ""), "spec[]"),
    ],
)
def test_paths_read_as_in_the_api_servers_messages(at: tuple[str | int, ...], text: str) -> None:
    """Dots part fields, brackets hold indices and keys that contain dots."""
    assert path_text(at) == text


def test_parsing_is_cheap_enough_to_do_at_every_reconcile() -> None:
    """150 us for an app and 60 us for an agent on a free core; a busy machine may take ten times as long."""
    for base, microseconds in (("app", 1500), ("agent", 600)):
        times = []
        for _ in range(200):
            start = time.perf_counter()
            parse(BASES[base])
            times.append(time.perf_counter() - start)
        assert sorted(times)[len(times) // 4] * 1e6 < microseconds

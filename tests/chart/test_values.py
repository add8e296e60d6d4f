"""Values: what is documented is accepted, what is misspelt is refused, and the program reads what it is given."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from hack.image.building import version
from hack.manifests.values_schema import OWNED
from kaspr_controller.settings import Settings
from tests.chart.rendering import CHART, NAMESPACE, Chart, RefusedError, cases, container, environment, only

CASES = dict(cases())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text("utf-8"))
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))

SAMPLES: dict[str, Any] = {
    "CLUSTER_DOMAIN": "k8s.example",
    "KASPR_IMAGE_REGISTRY": "registry.example.com/mirror",
    "METRICS_ADDRESS": "::",
}
"""Values of settings that are any text; the others take theirs from the schema."""


def sample(name: str, schema: dict[str, Any]) -> Any:
    """A value of a setting that the schema accepts, other than the default where there is another one."""
    if name in SAMPLES:
        return SAMPLES[name]
    default = Settings.model_fields[name.lower()].default
    if "enum" in schema:
        return next(value for value in schema["enum"] if value != default)
    return default * 2 if default * 2 <= schema.get("maximum", default * 2) else default


def test_every_variable_is_one_that_the_program_reads(chart: Chart) -> None:
    """In each case: known by name, accepted by the settings, all of them together."""
    known = {name.upper() for name in Settings.model_fields}
    for name, values in CASES.items():
        found = [item["name"] for item in container(chart.render(values))["env"]]
        extra = {item["name"] for item in values.get("extraEnv", ())}
        assert len(found) == len(set(found)), name
        assert set(found) - extra <= known, name
        given = {
            item["name"]: item["value"] for item in container(chart.render(values))["env"] if "value" in item
        }
        Settings.load(given)


def test_every_setting_reaches_the_program(chart: Chart) -> None:
    """Each by itself with another value than the default: what is written below `settings` is what the program has."""
    properties = SCHEMA["properties"]["settings"]["properties"]
    wanted = {name: sample(name, schema) for name, schema in properties.items()}
    # These fit together; what each one alone would break is tested with the settings.
    wanted |= {"LEADER_ELECTION": False, "LEADER_ELECTION_LEASE_SECONDS": 30}
    loaded = Settings.load(environment(chart.render({"replicas": 1, "settings": wanted})))
    for name, value in wanted.items():
        assert getattr(loaded, name.lower()) == value, name
    assert set(wanted) | {name.upper() for name in OWNED} == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("RESYNC_SECONDS", 36000000, "36000000"),
        ("SETTLE_SECONDS", 0.5, "0.5"),
        ("API_QPS", "250", "250"),
        ("AUTO_REBALANCE_ENABLED", False, "false"),
        ("LEADER_ELECTION", "true", "true"),
    ],
)
def test_values_are_written_as_the_program_reads_them(
    chart: Chart, setting: str, value: Any, expected: str
) -> None:
    """A number is not written with an exponent, a switch not as a number."""
    assert environment(chart.render({"settings": {setting: value}}))[setting] == expected


REFUSED: dict[str, dict[str, Any]] = {
    "a misspelt value": {"replica": 2},
    "a misspelt value further in": {"metrics": {"serviceMonitor": {"enable": True}}},
    "a setting that does not exist": {"settings": {"SCALE_MODE": "direct"}},
    "a setting of another type": {"settings": {"WORKERS": True}},
    "a setting out of bounds": {"settings": {"WORKERS": 65}},
    "another word than those of a setting": {"settings": {"SCALING_MODE": "fast"}},
    "the port, which has a value of its own": {"settings": {"METRICS_PORT": 9000}},
    "the namespaces, which have a value of their own": {"settings": {"WATCH_NAMESPACES": "a"}},
    "a third mode": {"rbac": {"mode": "namespace"}},
    "more namespaces than the program takes": {"watchNamespaces": [f"n{number}" for number in range(21)]},
    "a namespace that cannot exist": {"watchNamespaces": ["Team A"]},
    "a digest that is none": {"image": {"digest": "0123"}},
    "a registry with a scheme": {"image": {"registry": "https://registry.example.com"}},
    "a label that is none": {"extraLabels": {"a": "b c"}},
    "no port of the API server, which would mean all of them": {"networkPolicy": {"apiServerPorts": []}},
    "a link with a slash at its end": {"prometheusRule": {"runbookUrl": "https://example.com/"}},
    "a port that the program may not open": {"metrics": {"port": 80}},
}


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED)
def test_values_that_cannot_work_are_refused(chart: Chart, values: dict[str, Any]) -> None:
    """By the schema, before anything is sent; the message names the value."""
    with pytest.raises(RefusedError) as refusal:
        chart.render(values)
    place: Any = values
    while isinstance(place, dict):
        ((name, place),) = place.items()
        assert name in str(refusal.value)


def test_several_replicas_need_the_lease(chart: Chart) -> None:
    """Two that both act would undo each other's work."""
    with pytest.raises(RefusedError, match="LEADER_ELECTION"):
        chart.render({"settings": {"LEADER_ELECTION": False}})
    assert environment(chart.render({"replicas": 1, "settings": {"LEADER_ELECTION": False}}))


def test_an_account_that_is_not_made_has_a_name(chart: Chart) -> None:
    """Otherwise the pods would run as the namespace's default account, without any right."""
    with pytest.raises(RefusedError, match=r"serviceAccount\.name"):
        chart.render({"serviceAccount": {"create": False}})


def test_every_value_of_the_schema_has_a_default_and_the_other_way_round() -> None:
    """values.yaml is the documentation of the values; it is complete."""
    assert unequal(SCHEMA, DEFAULTS) == set()


def unequal(schema: dict[str, Any], values: dict[str, Any], path: str = "") -> set[str]:
    """Paths that are only in one of the two."""
    properties = schema.get("properties")
    if properties is None or path == ".settings":
        return set()
    found = {f"{path}.{name}" for name in set(properties) ^ set(values)} - {".global"}
    for name in set(properties) & set(values):
        found |= unequal(properties[name], values[name], f"{path}.{name}")
    return found


def test_the_watched_namespaces_follow_the_mode(chart: Chart) -> None:
    """All of them, those that are named, or the release's own where only Roles are made."""
    named = {"watchNamespaces": ["a", "b"]}
    namespaced = {"rbac": {"mode": "namespaced"}}
    assert "WATCH_NAMESPACES" not in environment(chart.render({}))
    assert environment(chart.render(named))["WATCH_NAMESPACES"] == "a,b"
    assert environment(chart.render(namespaced))["WATCH_NAMESPACES"] == NAMESPACE
    assert environment(chart.render(named | namespaced))["WATCH_NAMESPACES"] == "a,b"


def test_the_image_is_the_one_of_the_digest_when_there_is_one(chart: Chart) -> None:
    """A digest wins over the tag; a registry stands in front of either."""
    digest = f"sha256:{'ab' * 32}"
    images = {
        f"kaspr-controller:{version()}": {},
        "kaspr-controller:1.2.3": {"tag": "1.2.3"},
        f"kaspr-controller@{digest}": {"tag": "1.2.3", "digest": digest},
        "registry.example.com:5000/x/kaspr:1": {
            "registry": "registry.example.com:5000/x/",
            "repository": "kaspr",
            "tag": "1",
        },
    }
    for expected, image in images.items():
        assert container(chart.render({"image": image}))["image"] == expected


def test_the_chart_has_the_version_of_the_program() -> None:
    """They are released together and were tested together."""
    about = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert (about["version"], about["appVersion"]) == (version(), version())


def test_extra_labels_are_everywhere(chart: Chart) -> None:
    """On every object and on the pods; never in a selector, which cannot be changed later."""
    objects = chart.render(CASES["everything"])
    for obj in objects:
        assert obj["metadata"]["labels"]["cost-center"] == "0042", obj["kind"]
    deployment = only(objects, "Deployment")
    assert deployment["spec"]["template"]["metadata"]["labels"]["team"] == "streams"
    assert set(deployment["spec"]["selector"]["matchLabels"]) == {
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
    }

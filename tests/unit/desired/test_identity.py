"""Names, labels and owners, letter by letter as live objects carry them (contract 2.1 to 2.3)."""

from __future__ import annotations

import pytest

from kaspr_controller.api.metadata import BY_NAME
from kaspr_controller.desired.app import identity
from tests.unit.desired.resources import IDENTITY


def test_names_of_an_app() -> None:
    """Every name that state, DNS or a selector hangs on."""
    assert IDENTITY.workload == "orders-app"
    assert IDENTITY.service == "orders-app-api"
    assert IDENTITY.settings == "orders-app-config"
    assert IDENTITY.autoscaler == "orders-app-hpa"
    assert IDENTITY.tables_volume == "orders-app-pv"
    assert IDENTITY.packages_claim == "orders-app-python-packages"
    assert IDENTITY.packages_volume == "orders-app-packages"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("KasprAgent", "c-agent"),
        ("KasprTable", "c-table"),
        ("KasprJoin", "c-join"),
        ("KasprWebView", "c-webview"),
        ("KasprTask", "c-task"),
    ],
)
def test_names_of_components(kind: str, expected: str) -> None:
    """ConfigMap, volume and file of a component."""
    assert identity.content_name(kind, "c") == expected
    assert identity.file_name(kind, "c") == f"{expected}.yaml"
    assert len(identity.content_name(kind, "c" * BY_NAME[kind].name_limit)) <= 63


def test_labels_of_an_app() -> None:
    """The nine labels; the selector is three of them."""
    assert IDENTITY.labels() == {
        "kaspr.io/kind": "KasprApp",
        "kaspr.io/name": "orders-app",
        "kaspr.io/cluster": "orders",
        "kaspr.io/component-type": "KasprApp",
        "kaspr.io/app": "orders",
        "app.kubernetes.io/name": "KasprApp",
        "app.kubernetes.io/instance": "orders",
        "app.kubernetes.io/part-of": "kaspr-orders",
        "app.kubernetes.io/managed-by": "kaspr-operator",
    }
    assert IDENTITY.selector() == {
        "kaspr.io/cluster": "orders",
        "kaspr.io/kind": "KasprApp",
        "kaspr.io/name": "orders-app",
    }
    assert IDENTITY.selector().items() <= IDENTITY.labels().items()


def test_labels_of_a_component() -> None:
    """Without a cluster label, which would make it look like a pod's."""
    assert IDENTITY.component_labels("KasprAgent", "enrich") == {
        "kaspr.io/kind": "KasprAgent",
        "kaspr.io/name": "enrich-agent",
        "kaspr.io/component-type": "KasprAgent",
        "kaspr.io/app": "orders",
        "app.kubernetes.io/name": "KasprAgent",
        "app.kubernetes.io/instance": "enrich",
        "app.kubernetes.io/part-of": "kaspr-enrich",
        "app.kubernetes.io/managed-by": "kaspr-operator",
    }


def test_each_object_gets_its_own_metadata() -> None:
    """A renderer that changes one object's labels must not change another's (D31)."""
    first, second = IDENTITY.metadata("a"), IDENTITY.metadata("b")
    first["labels"]["x"] = "y"
    first["ownerReferences"][0]["name"] = "z"
    assert "x" not in second["labels"]
    assert second["ownerReferences"] == [
        {
            "apiVersion": "kaspr.io/v1alpha1",
            "kind": "KasprApp",
            "name": "orders",
            "uid": "uid-app",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]

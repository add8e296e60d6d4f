"""Which Secrets and ConfigMaps an app names itself."""

from __future__ import annotations

from kaspr_controller.api.parsing import parse
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.desired.app.references import Reference, references

SPEC = {
    "bootstrapServers": "kafka:9092",
    "storage": {"type": "ephemeral"},
    "authentication": {
        "type": "scram-sha-512",
        "username": "u",
        "passwordSecret": {"secretName": "kafka", "passwordKey": "p"},
    },
    "pythonPackages": {
        "packages": ["requests"],
        "credentials": {"secretRef": {"name": "pypi"}},
        "cache": {"type": "gcs", "gcs": {"bucket": "archives", "secretRef": {"name": "gcs"}}},
    },
    "template": {
        "kasprContainer": {
            "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "both", "key": "k", "optional": True}}},
                {
                    "name": "B",
                    "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "k", "optional": True}},
                },
                {"name": "C", "value": "plain"},
            ]
        },
        "pod": {
            "imagePullSecrets": [{"name": "registry"}],
            "volumes": [
                {"name": "certs", "secret": {"secretName": "both"}},
                {"name": "files", "configMap": {"name": "files"}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    },
}


def test_every_way_to_name_one_is_found() -> None:
    """Each once, in a fixed order; one that pods cannot start without anywhere is not optional."""
    raw = {
        "apiVersion": "kaspr.io/v1alpha1",
        "kind": "KasprApp",
        "metadata": {"name": "orders", "namespace": "shop", "uid": "u"},
        "spec": SPEC,
    }
    app = parse(raw)
    assert isinstance(app, KasprApp)
    assert references(app) == (
        Reference("ConfigMap", "files"),
        Reference("ConfigMap", "flags", optional=True),
        Reference("Secret", "both"),
        Reference("Secret", "gcs"),
        Reference("Secret", "kafka"),
        Reference("Secret", "pypi"),
    )

"""The fixtures of this folder do what the other tests rely on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes.client import ApiException

from kaspr_controller.kube.kinds import CONFIG_MAP, SECRET
from tests.integration.fixtures import evidence
from tests.integration.waiting import eventually, eventually_holds, stays

if TYPE_CHECKING:
    from hack.controlplane.cluster import ControlPlane
    from tests.integration.fixtures.oracle import Kube


def config_map(namespace: str, **data: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": "a"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def test_the_witness_writes_and_reads_plain_objects(kube: Kube, namespace: str) -> None:
    """Create, apply, merge patch with a null, list by label, delete; an unknown field is refused."""
    kube.create(config_map(namespace, one="1"))
    kube.apply(config_map(namespace, two="2"), manager="somebody")
    held = kube.get(CONFIG_MAP, namespace, "a")
    assert held["data"] == {"one": "1", "two": "2"}
    assert "somebody" in [entry["manager"] for entry in held["metadata"]["managedFields"]]
    kube.patch(CONFIG_MAP, namespace, "a", {"data": {"one": None}, "metadata": {"labels": {"l": "x"}}})
    assert [item["data"] for item in kube.list_objects(CONFIG_MAP, namespace, labels="l=x")] == [{"two": "2"}]
    with pytest.raises(ApiException, match="unknown field"):
        kube.create({**config_map(namespace), "metadata": {"namespace": namespace, "name": "b"}, "datta": {}})
    kube.delete(CONFIG_MAP, namespace, "a")
    assert kube.find(CONFIG_MAP, namespace, "a") is None


def test_the_evidence_of_a_failure_holds_objects_and_logs_but_no_secrets(
    control_plane: ControlPlane, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """What a failed test leaves must be enough to understand it without running it again."""
    kube.create(config_map(namespace, one="1"))
    metadata = {"namespace": namespace, "name": "s"}
    kube.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": "hush"}}
    )
    assert kube.find(SECRET, namespace, "s")
    logs = {"kube-apiserver": "the end"}
    folder = evidence.keep("test_x[a/b]", control_plane.admin, namespace, logs, root=tmp_path)
    assert folder == tmp_path / "test_x-a-b"
    kept = yaml.safe_load_all((folder / "configmaps.core.yaml").read_text())
    assert {"one": "1"} in [item["data"] for item in kept]
    assert (folder / "logs" / "kube-apiserver.log").read_text() == "the end"
    assert "hush" not in "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


def test_waiting_gives_up_with_the_last_reason(kube: Kube, namespace: str) -> None:
    """A timeout tells what was seen last; other refusals than "not found" are not waited for."""
    with pytest.raises(AssertionError, match=r"not within 0\.1 s: the map; not found"):
        eventually(lambda: kube.get(CONFIG_MAP, namespace, "a"), timeout=0.1, what="the map")
    with pytest.raises(AssertionError, match="last value: False"):
        eventually(lambda: False, timeout=0.1)

    def wrong() -> None:
        assert kube.find(CONFIG_MAP, namespace, "a"), "no map yet"

    with pytest.raises(AssertionError, match="no map yet"):
        eventually_holds(wrong, timeout=0.1)
    with pytest.raises(AssertionError, match="did not stay so"):
        stays(lambda: kube.find(CONFIG_MAP, namespace, "a"), seconds=0.1)
    nameless = {**config_map(namespace), "metadata": {"namespace": namespace}}
    with pytest.raises(ApiException, match="name or generateName is required"):
        eventually(lambda: kube.create(nameless))

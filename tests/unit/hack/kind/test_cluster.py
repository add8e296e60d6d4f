"""Making and removing clusters, with scripts in the place of docker, kind and kubectl."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hack.kind import cluster, engine, node_source, pins
from hack.kind.running import KindError
from tests.unit.hack.kind.machine import Machine


@pytest.fixture(autouse=True)
def equipped(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.has("docker", "kind", "kubectl")
    monkeypatch.setenv(node_source.SWITCH, "public")
    monkeypatch.setattr(cluster, "FAILURES", machine.home / "failures")


def test_a_new_cluster_is_of_the_pinned_node_image_and_its_addons_are_waited_for(machine: Machine) -> None:
    """A Ready node says nothing about names and volumes, with which every test begins."""
    cluster.up("one", machine.said.append)
    (created,) = [words for words in machine.asked("kind") if words[0] == "create"]
    assert f"--image={pins.PUBLIC_NODE_IMAGE}" in created
    assert machine.state()["clusters"] == ["one"]
    waited = machine.asked("kubectl")
    assert all(words[0] == "--context=kind-one" for words in waited)
    for name in ("coredns", "local-path-provisioner"):
        assert any(words[2:5] == ["rollout", "status", f"deployment/{name}"] for words in waited)


def test_an_existing_cluster_is_used_as_it_is(machine: Machine) -> None:
    """Nothing is created or removed; only its kubeconfig is written, into the file that was asked for."""
    machine.state(clusters=["one", "two"])
    kubeconfig = machine.home / "kubeconfig"
    access = cluster.up("two", machine.said.append, kubeconfig=kubeconfig)
    assert access.context == "kind-two"
    assert ["export", "kubeconfig", "--name=two", f"--kubeconfig={kubeconfig}"] in machine.asked("kind")
    assert not [words for words in machine.asked("kind") if words[0] in {"create", "delete"}]


def test_a_cluster_that_does_not_come_up_is_tried_once_more_and_its_logs_are_kept(machine: Machine) -> None:
    """What the first attempt left is removed before the second, or kind would refuse the name."""
    machine.state(failures=1)
    cluster.up("one", machine.said.append)
    assert machine.state()["clusters"] == ["one"]
    assert (machine.home / "failures" / "one-1").is_dir()
    assert any("the kubelet is not healthy" in line for line in machine.said)


def test_two_failures_are_one(machine: Machine) -> None:
    """The error has kind's own words, both logs are kept, and no half cluster stays behind."""
    machine.state(failures=2, clusters=["other"])
    with pytest.raises(KindError, match="the kubelet is not healthy"):
        cluster.up("one", machine.said.append)
    assert machine.state()["clusters"] == ["other"]
    assert sorted(path.name for path in (machine.home / "failures").iterdir()) == ["one-1", "one-2"]


def test_down_removes_that_cluster_only(machine: Machine) -> None:
    """The machine may have clusters of other projects."""
    machine.state(clusters=["one", "other"])
    cluster.down("one", machine.said.append)
    assert machine.state()["clusters"] == ["other"]


def test_without_an_engine_the_error_says_what_to_do(machine: Machine) -> None:
    """Before anything is downloaded or built."""
    machine.state(engine=False)
    with pytest.raises(KindError, match="make docker"):
        cluster.up("one", machine.said.append)
    assert machine.asked("kind") == []


@pytest.mark.parametrize("local", [True, False])
def test_a_local_node_image_brings_its_own_network(machine: Machine, *, local: bool) -> None:
    """Kind's own network is inside the public image only."""
    settings = cluster.configuration(local=local, sys_resource=True)
    assert settings["networking"]["disableDefaultCNI"] is local
    assert settings["featureGates"] == {}


def test_the_kubelet_forgives_what_the_kernel_refuses_where_root_lacks_the_right(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate reaches kind's configuration; elsewhere the kubelet is the default one."""
    monkeypatch.setattr(engine, "has_sys_resource", lambda: False)
    cluster.up("one", machine.said.append)
    written = yaml.safe_load((machine.home / "config.yaml").read_text())
    assert written["featureGates"] == {"KubeletInUserNamespace": True}


def test_kubectl_always_names_the_cluster(machine: Machine) -> None:
    """The current context may be somebody's production."""
    access = cluster.Access("one", Path("kind"), machine.bin / "kubectl", machine.home / "file")
    access.kubectl_run("delete", "namespace", "x")
    assert machine.asked("kubectl") == [
        [f"--kubeconfig={machine.home / 'file'}", "--context=kind-one", "delete", "namespace", "x"]
    ]

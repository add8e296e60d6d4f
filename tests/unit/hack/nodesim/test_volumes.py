"""What a container finds mounted, and how that becomes a program."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hack.nodesim.environment import Sources
from hack.nodesim.programs import is_member, program
from hack.nodesim.volumes import DIRECTORY, TIMESTAMPED, FailedMount, claims, contents, files, references

DIR = "/var/lib/data/definitions"
TEXT = json.dumps({"tables": [{"name": "t"}]})
SOURCES = Sources(config_maps={"c-table": {"c-table.yaml": TEXT, "other": "x"}}, secrets={"s": {"key": "k"}})
ENV = {"K_APP_NAME": "x-app", "K_DEFINITIONS_DIR": DIR}


def pod(*volumes: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": {"volumes": list(volumes), "containers": []}}


def config_map(name: str = "c-table", **changes: Any) -> dict[str, Any]:
    return {"name": "v", "configMap": {"name": name, **changes}}


def mounted(volume: dict[str, Any], **mount: Any) -> dict[str, str]:
    container = {"name": "kaspr", "volumeMounts": [{"name": "v", "mountPath": DIR, **mount}]}
    return files(container, contents(pod(volume), SOURCES))


def test_a_sub_path_mounts_one_file() -> None:
    """This is how definitions are mounted; other keys of the object are not seen."""
    items = [{"key": "c-table.yaml", "path": "renamed.yaml"}]
    path = f"{DIR}/any.yaml"
    assert mounted(config_map(items=items), mountPath=path, subPath="renamed.yaml") == {path: TEXT}
    assert mounted(config_map(), mountPath=path, subPath="c-table.yaml") == {path: TEXT}


def test_a_mounted_directory_shows_each_file_twice() -> None:
    """T5: in the kubelet's timestamped directory and as a link to it."""
    assert set(mounted(config_map(items=[{"key": "c-table.yaml", "path": "a.yaml"}]))) == {
        f"{DIR}/a.yaml",
        f"{DIR}/{TIMESTAMPED}/a.yaml",
    }
    started = program(ENV, mounted(config_map()), hostname="p", order=sorted)
    assert started.crash is not None
    assert "already exists" in started.crash.message


def test_a_sub_path_that_names_nothing_becomes_a_directory() -> None:
    """The kubelet makes one, and the runtime stumbles over a directory called like a definition."""
    found = mounted(config_map(), mountPath=f"{DIR}/c.yaml", subPath="missing.yaml")
    assert found == {f"{DIR}/c.yaml": DIRECTORY}
    started = program(ENV, found, hostname="p", order=sorted)
    assert started.crash is not None
    assert "IsADirectoryError" in started.crash.message


def test_a_sub_path_may_be_a_directory_of_the_volume() -> None:
    """Items can have paths with slashes; a subPath above them mounts what lies below, without the second copy."""
    items = [{"key": "c-table.yaml", "path": "deep/a.yaml"}]
    assert mounted(config_map(items=items), subPath="deep") == {f"{DIR}/a.yaml": TEXT}


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        (config_map("gone"), 'volume "v" : configmap "gone" not found'),
        (config_map(items=[{"key": "no", "path": "p"}]), "configmap references non-existent config key: no"),
        ({"name": "v", "secret": {"secretName": "gone"}}, 'secret "gone" not found'),
        (
            {
                "name": "v",
                "projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "no", "path": "p"}]}}]},
            },
            "secret references non-existent secret key: no",
        ),
    ],
)
def test_missing_objects_fail_the_mount(volume: dict[str, Any], message: str) -> None:
    """FailedMount with the kubelet's words."""
    with pytest.raises(FailedMount, match=message):
        contents(pod(volume), SOURCES)


def test_optional_and_uninteresting_volumes() -> None:
    """An optional object may be missing; the injected API token and volumes without texts are left out."""
    token = {
        "name": "kube-api-access-x",
        "projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]},
    }
    everything = pod(config_map("gone", optional=True), token, {"name": "e", "emptyDir": {}})
    assert contents(everything, SOURCES) == {"v": {}}
    assert references(everything) == ({"gone"}, set())
    assert claims(pod({"name": "d", "persistentVolumeClaim": {"claimName": "data"}})) == ["data"]


def test_definitions_outside_the_directory_do_not_count() -> None:
    """Only what lies below K_DEFINITIONS_DIR is read, and nothing with the builder off."""
    found = mounted(config_map(), mountPath="/elsewhere/c.yaml", subPath="c-table.yaml")
    assert program(ENV, found, hostname="p", order=sorted).app.tables == ()
    inside = mounted(config_map(), mountPath=f"{DIR}/c.yaml", subPath="c-table.yaml")
    assert [table.name for table in program(ENV, inside, hostname="p", order=sorted).app.tables] == ["t"]
    off = program(ENV | {"K_APP_BUILDER_ENABLED": "False"}, inside, hostname="p", order=sorted)
    assert off.app.tables == ()


def test_settings_are_parsed_before_definitions() -> None:
    """A wrong setting crashes at import, whatever the definitions are."""
    started = program(
        ENV | {"K_TOPIC_PARTITIONS": "3.0"}, {f"{DIR}/a.yaml": "[]"}, hostname="p", order=sorted
    )
    assert started.crash is not None
    assert "K_TOPIC_PARTITIONS" in started.crash.message


def test_members_are_known_by_name_or_variables() -> None:
    """Other pods run on the node too, as processes without a life."""
    assert is_member({"name": "kaspr"})
    assert is_member({"name": "main", "env": [{"name": "K_APP_NAME", "value": "x"}]})
    assert not is_member({"name": "nginx", "env": [{"name": "KEY", "value": "x"}]})

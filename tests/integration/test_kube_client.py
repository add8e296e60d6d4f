"""The client against a real API server: every meaning that the fakes only imitate."""

from __future__ import annotations

import random
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from hack.controlplane.cluster import ControlPlane
from kaspr_controller.kube import errors, listing
from kaspr_controller.kube.client import Client
from kaspr_controller.kube.credentials import from_kubeconfig, in_cluster
from kaspr_controller.kube.eventing import EventSink
from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    EVENT,
    NAMESPACE,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    Kind,
)
from kaspr_controller.kube.leasing import LeaseClient, LeaseRecord
from kaspr_controller.kube.transport import HttpTransport
from tests.integration.clients import CLOCK, config_map, connected, watch
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.integration.fixtures.oracle import Kube

NODE = Kind("", "v1", "Node", "nodes", namespaced=False)
QUOTA = Kind("", "v1", "ResourceQuota", "resourcequotas")
ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")


@pytest.fixture(scope="module")
def client(control_plane: ControlPlane) -> Iterator[Client]:
    with connected(from_kubeconfig(control_plane.kubeconfig)) as client:
        yield client


def stateful_set(namespace: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"namespace": namespace, "name": "a"},
        "spec": {"serviceName": "a", "selector": {"matchLabels": labels}, "template": template, **spec},
    }


def version_of(obj: Any) -> str:
    return str(obj["metadata"]["resourceVersion"])


def test_an_apply_creates_then_changes_nothing_then_changes(client: Client, namespace: str) -> None:
    """A no-op keeps the resource version; a field left out is removed."""
    first = client.apply(config_map(namespace, a="1", b="2"))
    same = client.apply(config_map(namespace, a="1", b="2"))
    changed = client.apply(config_map(namespace, a="3"))
    assert version_of(first) == version_of(same) != version_of(changed)
    assert client.get(CONFIG_MAP, namespace, "a")["data"] == {"a": "3"}


def test_the_field_manager_is_ours(client: Client, namespace: str) -> None:
    """And managedFields come only on demand."""
    client.apply(config_map(namespace, a="1"))
    assert "managedFields" not in client.get(CONFIG_MAP, namespace, "a")["metadata"]
    full = client.get(CONFIG_MAP, namespace, "a", managed_fields=True)
    entries = [(entry["manager"], entry["operation"]) for entry in full["metadata"]["managedFields"]]
    assert entries == [("kaspr-controller", "Apply")]


def test_the_drop_parameter_does_no_harm(control_plane: ControlPlane, namespace: str, client: Client) -> None:
    """Rule W6: servers before 1.37 ignore it, on reads, lists and watches alike."""
    client.apply(config_map(namespace))
    transport = HttpTransport(from_kubeconfig(control_plane.kubeconfig))
    selection = listing.Selection(CONFIG_MAP, namespace)
    for request in (
        listing.one(CONFIG_MAP, namespace, "a", managed_fields=False),
        listing.page(selection, resource_version="", size=500, token=""),
    ):
        assert "drop=" in request.accept
        answer = transport.send(request, timeout=5)
        assert (answer.status, answer.body[:1]) == (200, b"{")
    transport.close()


def test_a_dry_run_stores_nothing(client: Client, namespace: str) -> None:
    """But answers with the object as it would be."""
    assert client.apply(config_map(namespace, a="1"), dry_run=True)["data"] == {"a": "1"}
    with pytest.raises(errors.NotFound):
        client.get(CONFIG_MAP, namespace, "a")


def test_a_status_apply_takes_the_status_alone(client: Client, crds: Sequence[Kind], namespace: str) -> None:
    """Labels and spec in it are ignored; without its object it is a 404, so deletion is not undone."""
    kind = next(kind for kind in crds if kind.kind == "KasprApp")
    meta = {"namespace": namespace, "name": "a"}
    app: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Tested",
        "message": "",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    status = {
        **app,
        "metadata": {**meta, "labels": {"x": "y"}},
        "spec": {"replicas": 7},
        "status": {"conditions": [condition]},
    }
    with pytest.raises(errors.NotFound):
        client.apply(status, kind=kind, subresource="status")
    spec = {"replicas": 1, "bootstrapServers": "kafka:9092", "storage": {"type": "ephemeral"}}
    created = client.apply({**app, "spec": spec}, kind=kind)
    stored = client.apply(status, kind=kind, subresource="status")
    assert stored["status"]["conditions"][0]["reason"] == "Tested"
    assert stored["spec"]["replicas"] == 1
    assert "labels" not in stored["metadata"]
    assert stored["metadata"]["generation"] == created["metadata"]["generation"]


def test_a_delete_meets_only_its_incarnation(client: Client, namespace: str) -> None:
    """UID and version are preconditions of the server, not of our cache."""
    stored = client.apply(config_map(namespace, a="1"))
    uid = stored["metadata"]["uid"]
    with pytest.raises(errors.UidMismatch):
        client.delete(CONFIG_MAP, namespace, "a", uid="6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    client.apply(config_map(namespace, a="2"))
    with pytest.raises(errors.Conflict):
        client.delete(CONFIG_MAP, namespace, "a", uid=uid, resource_version=version_of(stored))
    client.delete(CONFIG_MAP, namespace, "a", uid=uid)
    with pytest.raises(errors.NotFound):
        client.delete(CONFIG_MAP, namespace, "a", uid=uid)


def test_an_apply_with_a_uid_never_creates(client: Client, namespace: str) -> None:
    """The object that we mean is gone: 409, and it stays gone."""
    gone = config_map(namespace, a="1")
    gone["metadata"]["uid"] = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    with pytest.raises(errors.UidMismatch):
        client.apply(gone)
    with pytest.raises(errors.NotFound):
        client.get(CONFIG_MAP, namespace, "a")


def test_conflicts_are_told_apart(client: Client, namespace: str) -> None:
    """Taken name, stale version, field of another manager."""
    stored = client.create(config_map(namespace, a="1"))
    with pytest.raises(errors.AlreadyExists):
        client.create(config_map(namespace))
    client.patch_merge(CONFIG_MAP, namespace, "a", {"data": {"b": "2"}})
    with pytest.raises(errors.Conflict) as stale:
        client.replace(stored)
    assert type(stale.value) is errors.Conflict
    with pytest.raises(errors.ApplyConflict) as foreign:
        client.apply(config_map(namespace, a="3"), force=False, field_manager="somebody")
    assert "kaspr-controller" in foreign.value.causes[0].message
    assert foreign.value.causes[0].field == ".data.a"


def test_a_json_patch_with_a_failed_test_is_invalid(client: Client, namespace: str) -> None:
    """The take-over of foreign managers is guarded so."""
    stored = client.create(config_map(namespace, a="1"))
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": version_of(stored)}
    change = {"op": "replace", "path": "/data/a", "value": "2"}
    assert client.patch_json(CONFIG_MAP, namespace, "a", [test, change])["data"] == {"a": "2"}
    with pytest.raises(errors.ApiError) as caught:
        client.patch_json(CONFIG_MAP, namespace, "a", [test, change])
    assert caught.value.category in {"terminal", "transient"}
    assert client.get(CONFIG_MAP, namespace, "a")["data"] == {"a": "2"}


def test_refused_objects_are_terminal(client: Client, namespace: str) -> None:
    """422, 413 and the 500 that means a broken object."""
    client.apply(stateful_set(namespace))
    with pytest.raises(errors.Invalid) as immutable:
        client.apply(stateful_set(namespace, serviceName="b"))
    assert immutable.value.causes[0].field == "spec"
    with pytest.raises(errors.Malformed, match="field not declared in schema"):
        client.apply({**config_map(namespace), "nonsense": {}})
    twice = stateful_set(namespace)
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    twice["spec"]["template"]["spec"]["containers"][0]["env"] = env
    with pytest.raises(errors.Malformed, match="duplicate"):
        client.apply(twice)
    with pytest.raises(errors.Invalid):
        client.apply(config_map(namespace, a="x" * 1_100_000))
    with pytest.raises(errors.TooLarge):
        client.apply(config_map(namespace, a="x" * 3_500_000))
    for cls in (errors.Invalid, errors.Malformed, errors.TooLarge):
        assert cls.category == "terminal"


def test_a_full_quota_waits(client: Client, kube: Kube, namespace: str) -> None:
    """Somebody has to raise it; the object is fine."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"namespace": namespace, "name": "q"}}
    kube.create({**quota, "spec": {"hard": {"count/configmaps": "0"}}}, QUOTA)
    eventually(lambda: kube.get(QUOTA, namespace, "q").get("status", {}).get("used"))
    with pytest.raises(errors.QuotaExceeded, match="exceeded quota"):
        client.apply(config_map(namespace))


def test_a_dying_namespace_takes_nothing_new(client: Client, kube: Kube, namespace: str) -> None:
    """A deletion of the namespace is no failure of ours."""
    name = f"{namespace}-dying"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    held = config_map(name)
    held["metadata"]["finalizers"] = ["kaspr.io/test"]
    client.create(held)
    kube.delete(NAMESPACE, "", name)
    with pytest.raises(errors.NamespaceTerminating):
        client.apply(config_map(name, "b"))
    client.patch_merge(CONFIG_MAP, name, "a", {"metadata": {"finalizers": None}})


def test_lists_come_in_pages_of_one_moment(client: Client, namespace: str) -> None:
    """All pages carry one version; cached and bounded lists come as one page."""
    for number in range(5):
        client.apply(config_map(namespace, f"m{number}"))
    pages = list(client.list_pages(CONFIG_MAP, namespace, page_size=2))
    assert len(pages) == 3
    assert len({page.resource_version for page in pages}) == 1
    items = [item for page in pages for item in page.items]
    assert {item["kind"] for item in items} == {"ConfigMap"}
    names = {item["metadata"]["name"] for item in items}
    assert names >= {f"m{number}" for number in range(5)}
    (bounded,) = client.list_pages(
        CONFIG_MAP, namespace, page_size=2, resource_version=pages[0].resource_version
    )
    assert {item["metadata"]["name"] for item in bounded.items} == names
    (cached,) = client.list_pages(CONFIG_MAP, namespace, page_size=2, resource_version="0")
    assert cached.resource_version


def test_a_version_from_the_future_is_told(client: Client, namespace: str) -> None:
    """Rule W1: an API server restored from a backup; the reflector then lists with an empty version."""
    with pytest.raises(errors.ResourceVersionTooLarge):
        list(client.list_pages(CONFIG_MAP, namespace, resource_version="999999999999"))


def test_a_watch_resumes_where_it_stopped(client: Client, namespace: str) -> None:
    """Nothing twice, nothing missed; a bookmark moves the version on; the server's end is no error."""
    (page,) = client.list_pages(CONFIG_MAP, namespace)
    client.apply(config_map(namespace, a="1"))
    stream = watch(client, namespace, page.resource_version, 3)
    client.apply(config_map(namespace, a="2"))
    events = [(event.type, event.object.get("data")) for event in stream]
    assert events == [("ADDED", {"a": "1"}), ("MODIFIED", {"a": "2"}), ("BOOKMARK", None)]
    uid = client.apply(config_map(namespace, a="3"))["metadata"]["uid"]
    client.delete(CONFIG_MAP, namespace, "a", uid=uid)
    resumed = watch(client, namespace, stream.resource_version)
    rest = []
    for event in resumed:
        assert "managedFields" not in event.object["metadata"]
        rest.append((event.type, event.object["data"]))
        if event.type == "DELETED":
            break
    assert rest == [("MODIFIED", {"a": "3"}), ("DELETED", {"a": "3"})]


def test_a_blocked_watch_stops_at_once(client: Client, namespace: str) -> None:
    """Rule X2, through real TLS."""
    (page,) = client.list_pages(CONFIG_MAP, namespace)
    stream = watch(client, namespace, page.resource_version)
    first = threading.Event()

    def read() -> int:
        count = 0
        for _ in stream:
            count += 1
            first.set()
        return count

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        client.apply(config_map(namespace))
        assert first.wait(5)
        began = time.monotonic()
        stream.stop()
        assert reader.result(5) == 1
        assert time.monotonic() - began < 0.05


def test_workers_share_the_client(client: Client, namespace: str) -> None:
    """8 threads, 10 applies each, over TLS."""

    def work(worker: int) -> None:
        for number in range(10):
            client.apply(config_map(namespace, f"w{worker}-{number}", a="1"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    (page,) = client.list_pages(CONFIG_MAP, namespace)
    assert len([item for item in page.items if item["metadata"]["name"].startswith("w")]) == 80


def test_a_pod_acts_as_its_service_account(
    control_plane: ControlPlane, kube: Kube, namespace: str, tmp_path: Path, client: Client
) -> None:
    """Files as the kubelet mounts them: allowed is what the role allows; a token that expired is replaced after a 401."""
    rules = [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch", "patch", "create"]}
    ]
    meta = {"namespace": namespace, "name": "writer"}
    api = "rbac.authorization.k8s.io/v1"
    kube.create({"apiVersion": api, "kind": "Role", "metadata": meta, "rules": rules}, ROLE)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writer"}
    subjects = [{"kind": "ServiceAccount", "namespace": namespace, "name": "default"}]
    binding = {"kind": "RoleBinding", "metadata": meta, "roleRef": reference, "subjects": subjects}
    kube.create({"apiVersion": api, **binding}, ROLE_BINDING)
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "metadata": {"namespace": namespace, "name": "default"},
        "spec": {"expirationSeconds": 600},
    }
    token = client.create(request, SERVICE_ACCOUNT, subresource="token")["status"]["token"]
    (tmp_path / "token").write_text("not-a-token")
    (tmp_path / "namespace").write_text(namespace)
    (tmp_path / "ca.crt").write_bytes(control_plane.ca_file.read_bytes())
    url = urlsplit(control_plane.server)
    environ = {"KUBERNETES_SERVICE_HOST": url.hostname or "", "KUBERNETES_SERVICE_PORT": str(url.port)}
    cluster = in_cluster(folder=tmp_path, environ=environ)
    with connected(cluster) as pod:
        with pytest.raises(errors.Unauthorized):
            pod.apply(config_map(namespace))
        (tmp_path / "token").write_text(token)
        # Authorization follows the new role with a small delay.
        eventually(lambda: allowed(pod, namespace))
        with pytest.raises(errors.Forbidden, match="secrets"):
            pod.get(SECRET, namespace, "a")
        with pytest.raises(errors.Forbidden):
            list(pod.watch(POD, namespace, resource_version="", timeout_seconds=5))


def allowed(client: Client, namespace: str) -> bool:
    try:
        client.apply(config_map(namespace))
    except errors.Forbidden:
        return False
    return True


def test_a_lease_is_taken_renewed_and_guarded(control_plane: ControlPlane, namespace: str) -> None:
    """Two candidates, one lease: the slower one gets a conflict."""
    cluster = from_kubeconfig(control_plane.kubeconfig)
    one = LeaseClient(HttpTransport(cluster), namespace, "leader", renew_deadline=10)
    two = LeaseClient(HttpTransport(cluster), namespace, "leader", renew_deadline=10)
    with pytest.raises(errors.NotFound):
        one.get()
    now = datetime.now(UTC)
    held = one.create(LeaseRecord("one", 15, now, now, 0))
    with pytest.raises(errors.AlreadyExists):
        two.create(LeaseRecord("two", 15, now, now, 0))
    seen = two.get()
    assert (seen.holder, seen.renew_time) == ("one", now)
    renewed = one.update(held)
    assert renewed.resource_version != "" and renewed.holder == "one"  # noqa: PT018 (one fact: it is still held)
    one.update(LeaseRecord("", 1, None, None, 0, renewed.metadata))
    with pytest.raises(errors.Conflict):
        two.update(LeaseRecord("two", 15, now, now, 1, seen.metadata))
    taken = two.update(LeaseRecord("two", 15, now, now, 1, two.get().metadata))
    assert (taken.holder, taken.transitions) == ("two", 1)
    one.close()
    two.close()


def test_events_are_accepted_and_counted(client: Client, kube: Kube, namespace: str) -> None:
    """The server validates every field of events.k8s.io; a note in another script is as long as it allows."""
    rng = random.Random(secrets.randbits(32))  # noqa: S311 (names)
    sink = EventSink(client, clock=CLOCK, rng=rng, instance="pod-1")
    about = client.apply(config_map(namespace))
    for _ in range(2):
        sink.emit(about, type="Warning", reason="TooBig", action="Reconcile", note="ü" * 2000)
    sink.send_queued()
    (event,) = kube.list_objects(EVENT, namespace)
    assert (event["reason"], event["type"], event["series"]["count"]) == ("TooBig", "Warning", 2)
    assert event["regarding"]["uid"] == about["metadata"]["uid"]


def test_the_version_of_the_server(client: Client) -> None:
    """Start-up logs it."""
    assert client.version()["major"] == "1"

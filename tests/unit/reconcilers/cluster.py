"""The cluster around the controller: an API server with watches, and nothing in it that happens by itself.

Extends the server of tests/fakes/ssa.py by what reconcilers meet and a converger alone does not: generations, the status
subresource of our own kinds, watch events that wait until a test delivers them, garbage collection on demand. Every write
of the controller is judged against the rules that no write may break, whatever the test is about.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kaspr_controller.api.metadata import GROUP
from kaspr_controller.converge.mergekeys import UNKNOWN, shape_of
from kaspr_controller.converge.shapes import PLAIN, Shape, keyed, struct
from kaspr_controller.kube.errors import Conflict, Timeout, UidMismatch
from kaspr_controller.kube.kinds import Kind, ObjectKey, Raw, key_of
from tests.fakes.ssa import FakeServer, copied
from tests.unit.reconcilers.judging import judge_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaspr_controller.engine.store import EventType
    from tests.fakes.clock import FakeClock

_CUSTOM = struct(
    {
        **UNKNOWN.fields,
        "status": struct({"conditions": keyed(PLAIN, "type"), "members": keyed(PLAIN, "id")}),
    }
)


def _shape(kind: str) -> Shape:
    return _CUSTOM if kind.startswith("Kaspr") else shape_of(kind)


def _defaulted(obj: dict[str, Any]) -> dict[str, Any]:
    """The one default that reconcilers can stumble over."""
    if obj["kind"] == "StatefulSet":
        obj["spec"].setdefault("replicas", 1)
    return obj


class Cluster(FakeServer):
    """See the module.

    Attributes:
        events: watch events that no cache has been told yet, in their order.
        templates: by StatefulSet, the pod templates it has had: each one is a rollout.
        lost: how many of the next writes are carried out without an answer.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.shape = _shape
        self.spelling = _defaulted
        self.events: list[tuple[EventType, dict[str, Any]]] = []
        self.templates: dict[ObjectKey, list[Raw]] = {}
        self.lost = 0

    @property
    def version(self) -> str:
        """The newest resource version."""
        return str(self._version)

    # What the controller asks.

    def apply(
        self,
        obj: Mapping[str, Any],
        *,
        kind: Kind | None = None,
        subresource: str | None = None,
        dry_run: bool = False,
        field_manager: str = "kaspr-controller",
    ) -> dict[str, Any]:
        """A server-side apply, of the object or of its status."""
        if subresource is None:
            if not dry_run:
                self._judge_apply(obj)
            return self._answer(super().apply(obj, kind=kind, dry_run=dry_run, field_manager=field_manager))
        assert subresource == "status"
        assert kind is not None
        key = key_of(obj)
        judge_body(key.kind, obj["status"])
        self._ask("status", key)
        live = self._stored(key)
        if live["metadata"]["uid"] != obj["metadata"]["uid"]:
            raise UidMismatch("uid mismatch", status=409)
        body = {name: obj[name] for name in ("apiVersion", "kind", "status")}
        body["metadata"] = {name: obj["metadata"][name] for name in ("name", "namespace")}
        merged, self._owned[key] = self._merge(key, body, live, f"{field_manager}/status")
        return self._answer(copied(self._store(key, merged)))

    def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
        propagation: str = "Background",
    ) -> None:
        """A delete by the controller."""
        self._judge_delete(kind.key(namespace, name))
        if propagation == "Orphan":
            self._orphan(uid)
        super().delete(kind, namespace, name, uid=uid, resource_version=resource_version)
        self._answer({})

    # What others do.

    def patch_merge(self, kind: Kind, namespace: str, name: str, patch: Raw) -> dict[str, Any]:
        """A JSON merge patch of annotations and finalizers."""
        key = ObjectKey(kind.kind, namespace, name)
        self.requests.append(("patch", key))
        live, wanted = self._stored(key), patch["metadata"]
        if (
            wanted.get("resourceVersion", live["metadata"]["resourceVersion"])
            != live["metadata"]["resourceVersion"]
        ):
            raise Conflict("the object has been modified", status=409)
        if "spec" in patch:
            return self.put({**live, "spec": {**live["spec"], **patch["spec"]}}, manager="patch")
        annotations = {**(live["metadata"].get("annotations") or {}), **wanted["annotations"]}
        kept = {name: value for name, value in annotations.items() if value is not None}
        meta = {**live["metadata"], "annotations": kept}
        meta |= {"finalizers": wanted["finalizers"]} if wanted.get("finalizers") else {}
        if "finalizers" in wanted and not wanted["finalizers"]:
            meta.pop("finalizers", None)
        self.user({**live, "metadata": meta})
        return self.objects[key]

    def user(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        """`kubectl apply` of a manifest; the status is not its business."""
        live = self.objects.get(key_of(obj))
        status = {"status": live["status"]} if live and "status" in live else {}
        return self.put({**obj, **status}, manager="kubectl")

    def write_status(self, key: ObjectKey, status: dict[str, Any]) -> None:
        """Another controller's status."""
        self.put({**self._stored(key), "status": status}, manager="other")

    def vanish(self, key: ObjectKey) -> None:
        """The object is gone."""
        gone = self._stored(key)
        super().vanish(key)
        self._version += 1
        self._emit("DELETED", {**gone, "metadata": {**gone["metadata"], "resourceVersion": self.version}})

    def collect_garbage(self) -> bool:
        """Remove what belongs to nobody any more; True when there was something."""
        uids = {obj["metadata"]["uid"] for obj in self.objects.values()}
        orphans = [
            key
            for key, obj in self.objects.items()
            if (references := obj["metadata"].get("ownerReferences"))
            and not uids & {reference["uid"] for reference in references}
        ]
        for key in orphans:
            self.vanish(key)
        return bool(orphans)

    # What a test asks.

    def counted(self) -> Counter[tuple[str, str]]:
        """The requests so far by verb and kind; `status` is the verb of a status write."""
        return Counter((verb, key.kind) for verb, key in self.requests)

    def names(self, kind: str) -> list[str]:
        """Names of the objects of a kind."""
        return sorted(key.name for key in self.objects if key.kind == kind)

    def fail(self, verb: str, kind: str, name: str, *errors: Any, namespace: str = "shop") -> None:
        """The next requests of this kind end so, one after the other."""
        self.faults.setdefault((verb, ObjectKey(kind, namespace, name)), []).extend(errors)

    # Steps of the above.

    def _answer(self, answer: dict[str, Any]) -> dict[str, Any]:
        if self.lost:
            self.lost -= 1
            raise Timeout("carried out, but nobody heard of it")
        return answer

    def _store(self, key: ObjectKey, obj: dict[str, Any]) -> dict[str, Any]:
        live = self.objects.get(key)
        obj = self.spelling(copied(obj))
        meta = obj["metadata"]
        if live is None:
            meta["creationTimestamp"] = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
            meta["generation"] = 1
        else:
            meta["generation"] = live["metadata"]["generation"] + (live.get("spec") != obj.get("spec"))
        stored = super()._store(key, obj)
        if stored is not live:
            self._emit("ADDED" if live is None else "MODIFIED", stored)
            self._note_template(key, stored)
        return stored

    def _orphan(self, uid: str) -> None:
        """What an object owned belongs to nobody, as the garbage collector leaves it."""
        for obj in list(self.objects.values()):
            references = obj["metadata"].get("ownerReferences", ())
            left = [reference for reference in references if reference["uid"] != uid]
            if len(left) < len(references):
                self.put(
                    {**obj, "metadata": {**obj["metadata"], "ownerReferences": left}}, manager="collector"
                )

    def _emit(self, event: EventType, obj: dict[str, Any]) -> None:
        self.events.append((event, copied(obj)))

    def _note_template(self, key: ObjectKey, obj: Raw) -> None:
        if key.kind != "StatefulSet":
            return
        had = self.templates.setdefault(key, [])
        if not had or had[-1] != obj["spec"]["template"]:
            had.append(copied(obj["spec"]["template"]))

    def _judge_apply(self, obj: Mapping[str, Any]) -> None:
        """D19: only what is ours is written. D02: content is there before what refers to it."""
        live = self.objects.get(key_of(obj))
        references = live["metadata"].get("ownerReferences", ()) if live else ()
        assert all(ref["apiVersion"].startswith(GROUP) for ref in references), f"{obj} is not ours"
        if obj["kind"] == "StatefulSet" and "template" in obj["spec"] and self._has_owner(obj):
            missing = config_maps_of(obj["spec"]["template"]["spec"]) - set(self.names("ConfigMap"))
            assert not missing, f"the workload refers to {missing}, which nobody has written"

    def _has_owner(self, obj: Mapping[str, Any]) -> bool:
        """Whether the owner is still there; what is created for one that is gone is collected within seconds."""
        uids = {reference["uid"] for reference in obj["metadata"]["ownerReferences"]}
        return any(each["metadata"]["uid"] in uids for each in self.objects.values())

    def _judge_delete(self, key: ObjectKey) -> None:
        """D28: what a pod mounts, or will mount, stays."""
        live = self.objects.get(key)
        if live is None:
            return
        references = live["metadata"].get("ownerReferences", ())
        assert any(ref["kind"].startswith("Kaspr") for ref in references), f"{key} is not ours to delete"
        if key.kind == "ConfigMap":
            users = [
                str(other)
                for other, obj in self.objects.items()
                if key.name in config_maps_of(_pod_spec(other, obj))
            ]
            assert not users, f"{key} is deleted while {users} mount it"


def _pod_spec(key: ObjectKey, obj: Raw) -> Raw:
    if key.kind == "StatefulSet":
        spec: Raw = obj["spec"]["template"]["spec"]
        return spec
    return obj["spec"] if key.kind == "Pod" else {}


def config_maps_of(pod_spec: Raw) -> set[str]:
    """The ConfigMaps that a pod needs to start."""
    mounted = {volume["configMap"]["name"] for volume in pod_spec.get("volumes", ()) if "configMap" in volume}
    environment = {
        entry["valueFrom"]["configMapKeyRef"]["name"]
        for container in (*pod_spec.get("containers", ()), *pod_spec.get("initContainers", ()))
        for entry in container.get("env", ())
        if "configMapKeyRef" in entry.get("valueFrom", {})
    }
    return mounted | environment

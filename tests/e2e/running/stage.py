"""The stage of one scenario: a namespace, its apps and members, and what they say.

In: objects as users write them. Out: what the API server holds and what members answer, asked through the API server's proxy.
Called by the scenarios. Waiting is always for a state with a deadline; a failure shows the last state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiException

from kaspr_controller.kube.kinds import POD, STATEFUL_SET, Kind
from tests.e2e.member.server import CONTROL_PORT
from tests.e2e.running import preparing
from tests.integration.fixtures import shop
from tests.integration.waiting import eventually_holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.e2e.cluster import Cluster
    from tests.e2e.running.stream import Kafka
    from tests.integration.fixtures.oracle import Kube

REVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions")
PORT = 6065
SOON = 90.0
"""Seconds for whatever takes one start of a member; a busy machine included."""


@dataclass
class Stage:
    """One namespace of one cluster; `name` is that of the app it is mostly about."""

    cluster: Cluster
    kafka: Kafka
    namespace: str
    image: str
    storage_class: str
    name: str

    @property
    def kube(self) -> Kube:
        """The administrator, through the official client."""
        return self.cluster.kube

    def member(self, ordinal: int) -> str:
        """The name of a pod."""
        return f"{self.name}-app-{ordinal}"

    # What users do

    def app(self, **spec: Any) -> dict[str, Any]:
        """An app on this cluster's broker, image and volumes."""
        storage = {"type": "persistent-claim", "class": self.storage_class, "size": "1Gi"}
        config = {"topicReplicationFactor": 1, "topicPartitions": 4}
        given = {
            "bootstrapServers": preparing.INSIDE,
            "image": self.image,
            "storage": storage,
            "config": config,
        }
        return shop.app(self.namespace, self.name, **{**given, **spec})

    def agent(self, name: str, source: str, target: str | None = None, **more: Any) -> dict[str, Any]:
        """An agent that passes messages on, with keys kept, or does what `code` says."""
        body = {
            "input": {"declare": True, "topic": {"name": source, "keySerializer": "json", "partitions": 4}},
            "output": {"topics": [{"name": target}] if target else []},
        }
        return shop.agent(self.namespace, name, app=self.name, topic=source, **{**body, **more})

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply custom resources, as kubectl does."""
        for obj in objects:
            self.kube.apply(obj, shop.BY_KIND[obj["kind"]], force=True)

    def edit(self, **spec: Any) -> None:
        """Change the app's spec."""
        self.kube.patch(shop.APP, self.namespace, self.name, {"spec": spec})

    def annotate(self, **annotations: str) -> None:
        """Annotate the app; names are those behind `kaspr.io/`, with underscores."""
        given = {f"kaspr.io/{name.replace('_', '-')}": text for name, text in annotations.items()}
        self.kube.patch(shop.APP, self.namespace, self.name, {"metadata": {"annotations": given}})

    def annotate_pods(self, **annotations: str) -> None:
        """Change the pod template by annotations of the pods, so that every member is replaced."""
        self.edit(template={"pod": {"metadata": {"annotations": annotations}}})

    # What the cluster says

    def status(self) -> dict[str, Any]:
        """The app's status."""
        return dict(self.kube.get(shop.APP, self.namespace, self.name).get("status") or {})

    def condition(self, name: str = "Ready") -> dict[str, Any]:
        """A condition of the app, {} while there is none."""
        return next((one for one in self.status().get("conditions", ()) if one["type"] == name), {})

    def ready(self, seconds: float = SOON) -> None:
        """Wait until the app is Ready for its present generation."""

        def holds() -> None:
            found = self.kube.get(shop.APP, self.namespace, self.name)
            condition = self.condition()
            assert condition.get("status") == "True", condition
            assert condition["observedGeneration"] == found["metadata"]["generation"], condition

        eventually_holds(holds, timeout=seconds, what=f"{self.name} Ready")

    def stateful_set(self) -> dict[str, Any]:
        """The app's StatefulSet."""
        return self.kube.get(STATEFUL_SET, self.namespace, f"{self.name}-app")

    def revisions(self) -> int:
        """How many different pod templates the app has had; the StatefulSet controller keeps ten."""
        found = self.kube.list_objects(REVISION, self.namespace, labels=f"kaspr.io/cluster={self.name}")
        return len(found)

    def pods(self) -> dict[str, dict[str, Any]]:
        """The app's pods that are not on their way out, by name."""
        found = self.kube.list_objects(POD, self.namespace, labels=f"kaspr.io/cluster={self.name}")
        return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}

    def uids(self) -> dict[str, str]:
        """Pod name -> uid."""
        return {name: pod["metadata"]["uid"] for name, pod in self.pods().items()}

    def log(self, pod: str) -> str:
        """The log of a member."""
        return str(self.kube.request("GET", f"{POD.path(self.namespace, pod)}/log"))

    def rolled_out(self, before: Mapping[str, str], seconds: float = 2 * SOON) -> None:
        """Wait until every pod was replaced, and the app is Ready again."""

        def holds() -> None:
            now, template = self.uids(), self.stateful_set()["status"]
            assert template["currentRevision"] == template["updateRevision"], template
            assert set(now) == set(before), now
            assert not set(now.values()) & set(before.values()), now

        eventually_holds(holds, timeout=seconds, what="every pod replaced")
        self.ready()

    def restarts(self) -> dict[str, int]:
        """Restarts of the containers that are there now, by pod."""
        return {
            name: sum(one["restartCount"] for one in pod["status"].get("containerStatuses", ()))
            for name, pod in self.pods().items()
        }

    # What members say

    def ask(self, pod: str, path: str, *, method: str = "GET", port: int = PORT, body: Any = None) -> Any:
        """The answer of a member, through the API server; None where none comes."""
        target = f"{POD.path(self.namespace, f'{pod}:{port}')}/proxy{path}"
        try:
            return self.kube.request(method, target, body, content_type="text/plain")
        except ApiException:
            return None

    def behave(self, pod: str, script: str = "") -> None:
        """Give a member of our own image a script of `hack.nodesim.behaviour`."""
        answer = self.ask(pod, "/behaviour", method="POST", port=CONTROL_PORT, body=script)
        assert answer == {"status": "ok"}, answer

    def actives(self, pod: str) -> dict[str, list[int]]:
        """The partitions of a calm member, else {}."""
        answer = self.ask(pod, "/status/")
        if not isinstance(answer, dict) or answer["rebalancing"] or answer["recovering"]:
            return {}
        return dict(answer["assignment"]["actives"])

    def readers(self, topic: str) -> dict[int, list[str]]:
        """Partition -> calm members that have it."""
        found: dict[int, list[str]] = {}
        for pod in self.pods():
            for partition in self.actives(pod).get(topic, ()):
                found.setdefault(partition, []).append(pod)
        return found

    def covered(
        self, topics: Iterable[str], members: int, *, partitions: int = 4, seconds: float = SOON
    ) -> None:
        """Wait until so many members read all partitions of some topics, each partition one of them."""

        def holds() -> None:
            for topic in topics:
                readers = self.readers(topic)
                assert sorted(readers) == list(range(partitions)), (topic, readers)
                assert all(len(names) == 1 for names in readers.values()), (topic, readers)
                assert len({names[0] for names in readers.values()}) == members, (topic, readers)

        eventually_holds(holds, timeout=seconds, what=json.dumps(self.status().get("members", [])))

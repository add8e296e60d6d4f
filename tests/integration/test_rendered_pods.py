"""Pods really come of what is rendered: at the longest names, and where the namespace enforces restricted Pod Security."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import ApiException

from kaspr_controller.desired.bundle import render_app
from kaspr_controller.desired.options import Options
from kaspr_controller.kube.client import Client
from kaspr_controller.kube.credentials import from_kubeconfig
from kaspr_controller.kube.kinds import NAMESPACE, POD
from kaspr_controller.kube.transport import HttpTransport
from tests.fakes.clock import FakeClock
from tests.integration.waiting import eventually
from tests.unit.desired.cases import GOLDEN, Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.controlplane.cluster import ControlPlane
    from kaspr_controller.desired.bundle import Bundle
    from tests.integration.fixtures.oracle import Kube

ENFORCED = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}


@pytest.fixture(scope="module")
def client(control_plane: ControlPlane) -> Iterator[Client]:
    """The program's own client."""
    transport = HttpTransport(from_kubeconfig(control_plane.kubeconfig, None))
    yield Client(transport, clock=FakeClock(), rng=random.Random(1))  # noqa: S311 - jitter
    transport.close()


def rendered(case: str, options: Options | None = None) -> Bundle:
    """A golden case, with other options if given."""
    found = Case(GOLDEN / case)
    return render_app(found.app(), found.components(), found.facts(), options or found.options())


def apply(client: Client, namespace: str, bundle: Bundle) -> None:
    """Everything, for real, without owner references: the app itself does not exist here."""
    for intent in bundle.intents:
        metadata = {key: value for key, value in intent.obj["metadata"].items() if key != "ownerReferences"}
        client.apply(
            {**intent.obj, "metadata": {**metadata, "namespace": namespace}}, field_validation="Strict"
        )


def pods(kube: Kube, namespace: str) -> list[dict[str, Any]]:
    """The pods of the namespace."""
    return kube.list_objects(POD, namespace)


@pytest.mark.parametrize(
    "case", ["app/longest-names", "documents/every-kind", "packages/shared", "template/pod"]
)
def test_a_stateful_set_makes_its_pod(client: Client, kube: Kube, namespace: str, case: str) -> None:
    """A StatefulSet may be accepted and never make a pod: with a name of 53 characters its revision label is too long."""
    bundle = rendered(case)
    apply(client, namespace, bundle)
    (pod,) = eventually(lambda: pods(kube, namespace))
    workload = bundle.intents[-1].obj["metadata"]["name"]
    assert pod["metadata"]["name"] == f"{workload}-0"
    assert pod["metadata"]["annotations"]["kaspr.io/subscriptions"]


@pytest.mark.parametrize(
    "case", ["security/restricted", "documents/every-kind", "packages/gcs", "storage/ephemeral"]
)
def test_a_restricted_namespace_takes_restricted_pods_only(
    client: Client, kube: Kube, namespace: str, case: str
) -> None:
    """The level adds everything that the admission of that name asks for; without it the same pod is refused."""
    kube.patch(NAMESPACE, "", namespace, ENFORCED)
    loose, strict = rendered(case, Options()), rendered(case, Options(pod_security="restricted"))
    apply(client, namespace, strict)
    eventually(lambda: pods(kube, namespace))
    with pytest.raises(ApiException, match="violates PodSecurity"):
        kube.create(pod_of(loose, namespace))


def pod_of(bundle: Bundle, namespace: str) -> dict[str, Any]:
    """The pod that a StatefulSet would make."""
    workload = bundle.intents[-1].obj
    template = workload["spec"]["template"]
    claims = [
        {"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": "x"}}
        for claim in workload["spec"].get("volumeClaimTemplates", ())
    ]
    volumes = [*template["spec"].get("volumes", ()), *claims]
    metadata = {**template["metadata"], "name": "by-hand", "namespace": namespace}
    spec = {**template["spec"], "volumes": volumes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

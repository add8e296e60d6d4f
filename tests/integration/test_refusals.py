"""What a cluster refuses, by quota or by policy: said in the server's words, harmless for what runs, over when it is lifted."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import ApiException

from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    EVENT,
    NAMESPACE,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)
from tests.integration.fixtures import shop
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.scraping import counted, quiet
from tests.integration.fixtures.watching import apply, await_ready, condition
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.oracle import Kube

QUOTA = Kind("", "v1", "ResourceQuota", "resourcequotas")
_ADMISSION = "admissionregistration.k8s.io"
POLICY = Kind(_ADMISSION, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False)
BINDING = Kind(
    _ADMISSION,
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)
CHILDREN: tuple[tuple[Kind, str], ...] = (
    (SERVICE_ACCOUNT, "shop-app"),
    (CONFIG_MAP, "shop-app-config"),
    (CONFIG_MAP, "enrich-agent"),
    (SERVICE, "shop-app"),
    (SERVICE, "shop-app-api"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """What is refused, and what is said about it.

    Attributes:
        kind: of the children that cannot be created.
        quota: the limits, None for a policy.
        words: of the server, to be found in the condition.
        condition: the one that holds, and its reason.
    """

    kind: Kind
    quota: dict[str, str] | None
    words: str
    condition: tuple[str, str]


CASES = {
    "services": Case(SERVICE, {"count/services": "0"}, "exceeded quota: limit", ("Reconciling", "Forbidden")),
    # One is the server's own.
    "contents": Case(
        CONFIG_MAP, {"count/configmaps": "1"}, "exceeded quota: limit", ("Reconciling", "Forbidden")
    ),
    "workload": Case(
        STATEFUL_SET, {"count/statefulsets.apps": "0"}, "exceeded quota: limit", ("Reconciling", "Forbidden")
    ),
    "policy": Case(SERVICE, None, "no services on Saturdays", ("Stalled", "Invalid")),
}


@dataclass(slots=True)
class Refused:
    """An app in each of some namespaces that do not let it in."""

    controller: Controller
    namespaces: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def refused(
    control_plane: ControlPlane,
    crds: object,
    simulator: NodeSimulator,
    kube: Kube,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Refused]:
    """One controller for all of them; the limits are in force before the apps come."""
    names = {case: f"refused-{case}-{secrets.token_hex(3)}" for case in CASES}
    for case, name in names.items():
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        eventually(lambda name=name: kube.find(SERVICE_ACCOUNT, name, "default"))  # type: ignore[misc]
        eventually(lambda name=name: kube.find(CONFIG_MAP, name, "kube-root-ca.crt"))  # type: ignore[misc]
        if (limits := CASES[case].quota) is None:
            forbid(kube, name, "services", operation="CREATE", words=CASES[case].words)
        else:
            restrict(kube, name, limits)
    settings = {"WATCH_NAMESPACES": ",".join(names.values())}
    folder = tmp_path_factory.mktemp("refused")
    with Controller(control_plane.kubeconfig, folder, settings=settings) as running:
        for name in names.values():
            apply(kube, shop.app(name), shop.agent(name, "enrich"))
        yield Refused(running, names)
    for case, name in names.items():
        if CASES[case].quota is None:
            permit(kube, name)
        kube.delete(NAMESPACE, "", name)


@pytest.mark.parametrize("what", CASES)
def test_what_the_server_refuses_is_told_in_its_words(refused: Refused, kube: Kube, what: str) -> None:
    """D16, S7: the app names the object and quotes the reason; everything else that can be there is there."""
    case, namespace = CASES[what], refused.namespaces[what]
    type_, reason = case.condition

    def told() -> None:
        found = condition(kube, shop.APP, namespace, "shop", type_)
        assert found["reason"] == reason
        assert case.kind.kind in found["message"]
        assert case.words in found["message"]
        assert condition(kube, shop.APP, namespace, "shop", "Ready")["status"] == "False"

    eventually_holds(told, timeout=30)
    eventually(lambda: _notes(kube, namespace, reason, case.words))
    for kind, name in CHILDREN:
        assert (kube.find(kind, namespace, name) is None) == (kind is case.kind), name
    assert kube.list_objects(POD, namespace) == []


def test_what_is_lifted_is_made_up_for(refused: Refused, kube: Kube) -> None:
    """D16: a quota is asked again every ten seconds; who cannot wait five minutes for a policy touches the app."""
    for case, namespace in refused.namespaces.items():
        if CASES[case].quota is None:
            permit(kube, namespace)
        else:
            kube.delete(QUOTA, namespace, "limit")
    for case, namespace in refused.namespaces.items():
        if CASES[case].quota is None:
            eventually(lambda namespace=namespace: not _is_forbidden(kube, namespace, "services"))  # type: ignore[misc]
            _touch(kube, namespace)
    for namespace in refused.namespaces.values():
        await_ready(kube, namespace)
        await_ready(kube, namespace, "enrich", shop.AGENT)
        assert "Stalled" not in _conditions(kube, namespace)


def test_an_edit_that_is_refused_leaves_alone_what_runs(
    controller: Controller, kube: Kube, namespace: str
) -> None:
    """D16: pods run on with what they have until the rollout is allowed, and then it is one."""
    apply(kube, shop.app(namespace), shop.agent(namespace, "enrich"))
    await_ready(kube, namespace)
    pods = {pod["metadata"]["uid"] for pod in kube.list_objects(POD, namespace)}
    words = "no rollouts before Monday"
    forbid(kube, namespace, "statefulsets", operation="UPDATE", words=words, reason="Forbidden")
    try:
        apply(kube, shop.agent(namespace, "enrich", code="return 2"))

        def told() -> None:
            found = condition(kube, shop.APP, namespace, "shop", "Reconciling")
            assert words in found["message"]
            waiting = condition(kube, shop.AGENT, namespace, "enrich", "Ready")
            assert waiting["status"] == "False"
            assert words in waiting["message"]

        eventually_holds(told)
        quiet(controller)
        assert {pod["metadata"]["uid"] for pod in kube.list_objects(POD, namespace)} == pods
        asked = counted(controller, "kaspr_ssa_applies_total", "kind", outcome="error")
        assert asked["StatefulSet"] <= 2, "it is asked again every ten seconds, not all the time"
    finally:
        permit(kube, namespace)
    await_ready(kube, namespace)
    await_ready(kube, namespace, "enrich", shop.AGENT)
    assert not {pod["metadata"]["uid"] for pod in kube.list_objects(POD, namespace)} & pods


def test_pods_that_a_quota_refuses_are_named(controller: Controller, kube: Kube, namespace: str) -> None:
    """R15: the StatefulSet's status has no word for it; the condition has the server's, and loses them when there is room."""
    restrict(kube, namespace, {"pods": "1"})
    apply(kube, shop.app(namespace, replicas=2), shop.agent(namespace, "enrich"))

    def told() -> None:
        found = condition(kube, shop.APP, namespace, "shop", "Ready")
        assert found["status"] == "False"
        assert "exceeded quota: limit" in found["message"]
        assert "shop-app-1" in found["message"]

    eventually_holds(told, timeout=60)
    assert len(kube.list_objects(POD, namespace)) == 1
    quiet(controller)
    kube.patch(QUOTA, namespace, "limit", {"spec": {"hard": {"pods": "2"}}})
    # The StatefulSet controller waits longer after each refusal; a change of the object is an occasion to try at once.
    kube.patch(
        STATEFUL_SET, namespace, "shop-app", {"metadata": {"annotations": {"example.com/room": "yes"}}}
    )
    await_ready(kube, namespace)


def restrict(kube: Kube, namespace: str, limits: dict[str, str]) -> None:
    """Put a quota into force."""
    meta = {"name": "limit", "namespace": namespace}
    kube.create({"apiVersion": "v1", "kind": QUOTA.kind, "metadata": meta, "spec": {"hard": limits}}, QUOTA)
    eventually(lambda: kube.get(QUOTA, namespace, "limit")["status"]["used"])


def forbid(
    kube: Kube, namespace: str, plural: str, *, operation: str, words: str, reason: str = "Invalid"
) -> None:
    """Put a policy into force that lets nobody do this in the namespace."""
    group = "apps" if plural == "statefulsets" else ""
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": [operation], "resources": [plural]}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "resourceRules": [rule],
        },
        # The StatefulSet controller itself must go on: it writes the status, which is another resource.
        "validations": [{"expression": "false", "message": words, "reason": reason}],
    }
    api = {"apiVersion": f"{_ADMISSION}/v1", "metadata": {"name": namespace}}
    kube.create({**api, "kind": POLICY.kind, "spec": spec}, POLICY)
    binding = {"policyName": namespace, "validationActions": ["Deny"]}
    kube.create({**api, "kind": BINDING.kind, "spec": binding}, BINDING)
    eventually(lambda: _is_forbidden(kube, namespace, plural), what="the policy is in force")


def permit(kube: Kube, namespace: str) -> None:
    """Take the policy back; twice does no harm."""
    for kind in (BINDING, POLICY):
        if kube.find(kind, "", namespace):
            kube.delete(kind, "", namespace)


def _is_forbidden(kube: Kube, namespace: str, plural: str) -> bool:
    """Whether a harmless try of the same is refused by a policy; nothing is stored."""
    try:
        if plural == "services":
            meta = {"name": "probe", "namespace": namespace}
            probe = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": meta,
                "spec": {"ports": [{"port": 1}]},
            }
            kube.request("POST", SERVICE.collection(namespace), probe, query={"dryRun": "All"})
        else:
            kube.request(
                "PATCH",
                STATEFUL_SET.path(namespace, "shop-app"),
                {"metadata": {"annotations": {"probe": "x"}}},
                query={"dryRun": "All"},
                content_type="application/merge-patch+json",
            )
    except ApiException as error:
        return "ValidatingAdmissionPolicy" in str(error.body)
    return False


def _notes(kube: Kube, namespace: str, reason: str, words: str) -> list[str]:
    """The texts of the Events about the app with this reason and these words."""
    return [
        event["note"]
        for event in kube.list_objects(EVENT, namespace)
        if (event["reason"], event["regarding"]["name"]) == (reason, "shop") and words in event["note"]
    ]


def _conditions(kube: Kube, namespace: str) -> dict[str, Any]:
    status = kube.get(shop.APP, namespace, "shop")["status"]
    return {item["type"]: item for item in status["conditions"]}


def _touch(kube: Kube, namespace: str) -> None:
    kube.patch(shop.APP, namespace, "shop", {"metadata": {"annotations": {"example.com/touched": "now"}}})

"""Python packages from an index inside the cluster, installed by the init container before the member starts.

Rules: contract 2.13; the installer needs neither a shell nor root; what cannot be installed keeps the pod from starting and says why.
"""

from __future__ import annotations

import base64
import io
import zipfile
from typing import TYPE_CHECKING, Any

from kaspr_controller.kube.kinds import CONFIG_MAP, POD, SERVICE
from tests.integration.waiting import eventually_holds

if TYPE_CHECKING:
    from tests.e2e.running.stage import Stage

WHEEL = "greeting-1.0-py3-none-any.whl"
PORT = 8080
CALL = """
import greeting

def f(value):
    return greeting.greet(value)
"""


def wheel() -> bytes:
    """A package of one module."""
    files = {
        "greeting.py": "def greet(name):\n    return 'hello ' + name\n",
        "greeting-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        "greeting-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, "greeting-1.0.dist-info/RECORD"])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in (files | {"greeting-1.0.dist-info/RECORD": record}).items():
            archive.writestr(name, text)
    return data.getvalue()


def index(stage: Stage) -> str:
    """Serve an index with that package; returns its host."""
    metadata: dict[str, Any] = {"namespace": stage.namespace, "name": "index", "labels": {"app": "index"}}
    container = {
        "name": "index",
        "image": stage.image,
        "command": ["python", "-m", "http.server", str(PORT), "--directory", "/index"],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "wheels", "mountPath": "/index/greeting"}],
    }
    spec = {
        "containers": [container],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [{"name": "wheels", "configMap": {"name": "index"}}],
    }
    data = {WHEEL: base64.b64encode(wheel()).decode()}
    stage.kube.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": data}, CONFIG_MAP
    )
    stage.kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, POD)
    ports = {"selector": {"app": "index"}, "ports": [{"port": PORT}]}
    stage.kube.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": ports}, SERVICE)

    def serves() -> None:
        status = stage.kube.get(POD, stage.namespace, "index")["status"]
        conditions = {one["type"]: one["status"] for one in status["conditions"]}
        assert conditions.get("Ready") == "True", status

    eventually_holds(serves, timeout=60, what="the index")
    return f"index.{stage.namespace}.svc.cluster.local"


def test_an_agent_imports_what_was_installed(stage: Stage) -> None:
    """Purpose: the whole way of a package, from an index to a message."""
    host = index(stage)
    source, target = stage.kafka.topic(f"{stage.namespace}-in"), stage.kafka.topic(f"{stage.namespace}-out")
    packages = {"packages": ["greeting==1.0"], "indexUrl": f"http://{host}:{PORT}/", "trustedHosts": [host]}
    agent = stage.agent("greet", source, target)
    agent["spec"]["processors"]["operations"][0]["map"] = {"python": CALL, "entrypoint": "f"}
    stage.apply(stage.app(pythonPackages=packages), agent)
    stage.kafka.send(source, "world", key="world")
    stage.kafka.flush()
    assert stage.kafka.received(target, 1) == ["hello world"]
    stage.ready()


def test_a_package_that_is_not_there_is_named(stage: Stage) -> None:
    """Purpose: a mistake in the list. The member does not start without its packages, and the status names the one that is missing."""
    host = index(stage)
    source = stage.kafka.topic(f"{stage.namespace}-in")
    packages = {
        "packages": ["missing==9.9"],
        "indexUrl": f"http://{host}:{PORT}/",
        "trustedHosts": [host],
        "installPolicy": {"retries": 1},
    }
    stage.apply(stage.app(pythonPackages=packages), stage.agent("relay", source))

    def told() -> None:
        pod = stage.pods()[stage.member(0)]
        (installer,) = pod["status"]["initContainerStatuses"]
        ended = installer.get("lastState", {}).get("terminated") or installer["state"].get("terminated")
        assert ended, installer
        assert ended["exitCode"] != 0
        assert "missing" in ended["message"], ended
        assert stage.condition()["status"] == "False"

    eventually_holds(told, timeout=90, what="the reason of the failed installation")

"""What is kept of a failed end-to-end test: objects, events and the logs of all containers, old ones too.

In: the test's name and namespace. Out: a folder below .cache/e2e-failures, in place of what an earlier failure of the same test
left. Called by the hook in conftest.py. Invariant: no Secret is read.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hack.kind.running import KindError
from hack.manifests.installation import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.kind.cluster import Access

FOLDER = Path(__file__).parents[2] / ".cache" / "e2e-failures"
KINDS = (
    "kaspr,statefulsets,deployments,replicasets,pods,services,endpointslices,configmaps,serviceaccounts,"
    "persistentvolumeclaims,horizontalpodautoscalers,poddisruptionbudgets,leases,controllerrevisions"
)
COMMAND_SECONDS = 30.0


def keep(test: str, access: Access, namespace: str | None, *, root: Path = FOLDER) -> Path:
    """Write everything; what cannot be read is named in the file instead of it."""
    folder = root / re.sub(r"[^\w.-]+", "-", test)[:120].strip("-")
    shutil.rmtree(folder, ignore_errors=True)
    for name in filter(None, (namespace, NAMESPACE, "kafka")):
        inside = folder / name
        inside.mkdir(parents=True)
        where = f"--namespace={name}"
        _write(inside / "objects.yaml", access, where, "get", KINDS, "--ignore-not-found", "--output=yaml")
        _write(
            inside / "events.txt",
            access,
            where,
            "get",
            "events",
            "--sort-by=.metadata.creationTimestamp",
            "--output=wide",
        )
        _write(inside / "pods.txt", access, where, "describe", "pods")
        for pod, container, restarted in _containers(access, where):
            _write(inside / f"{pod}.{container}.log", access, where, "logs", pod, f"--container={container}")
            if restarted:
                before = inside / f"{pod}.{container}.previous.log"
                _write(before, access, where, "logs", pod, f"--container={container}", "--previous")
    _write(folder / "nodes.txt", access, "describe", "nodes")
    return folder


def _containers(access: Access, where: str) -> Iterator[tuple[str, str, bool]]:
    try:
        listed = json.loads(
            access.kubectl_run(where, "get", "pods", "--output=json", timeout=COMMAND_SECONDS)
        )
    except KindError:
        return
    for pod in listed["items"]:
        status = pod.get("status", {})
        for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
            yield pod["metadata"]["name"], container["name"], container["restartCount"] > 0


def _write(path: Path, access: Access, *words: str) -> None:
    try:
        text = access.kubectl_run(*words, timeout=COMMAND_SECONDS)
    except KindError as error:
        text = f"{error}"
    path.write_text(text + "\n")

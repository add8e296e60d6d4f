"""Kubeconfig files for a control plane.

In: server, CA, token. Out: a file that only its owner can read. Called by `cluster.py`. JSON is YAML, and every
reader of kubeconfigs takes it.
"""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hack.controlplane.access import Access

CLUSTER = "kaspr-controlplane"


def write(target: Path, server: str, ca: bytes, *, token: str, namespace: str = "default") -> None:
    """Write a kubeconfig with one context; replaces `target` in one step, readable by its owner only."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": CLUSTER,
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(ca).decode()},
            }
        ],
        "users": [{"name": CLUSTER, "user": {"token": token}}],
        "contexts": [
            {"name": CLUSTER, "context": {"cluster": CLUSTER, "user": CLUSTER, "namespace": namespace}}
        ],
        "current-context": CLUSTER,
    }
    write_private(target, json.dumps(content, indent=2) + "\n")


def for_service_account(admin: Access, folder: Path, namespace: str, name: str, *, seconds: int) -> Path:
    """Write `kubeconfig-NAMESPACE-NAME` in `folder`, with a token of that many seconds (the server wants 600).

    Raises:
        ApiError: there is no such service account.
    """
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": seconds},
    }
    answer = admin.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", request)
    target = folder / f"kubeconfig-{namespace}-{name}"
    ca = admin.ca_file.read_bytes()
    write(target, admin.server, ca, token=answer["status"]["token"], namespace=namespace)
    return target


def write_private(target: Path, text: str) -> None:
    """Write a file with mode 0600, whole or not at all."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(target)

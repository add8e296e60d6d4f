"""Puts the controller of this checkout into a cluster, and takes it out again.

In: a cluster, the Dockerfile, `manifests/`. Out: a Deployment of which all pods are available. Called by the command line
(`make deploy`, `make undeploy`) and by the fixture of `tests/e2e`. Invariant: the pods run what was just built, because the
image's tag is made of its content; and what users have made, custom resources and the apps, is never removed here.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from hack.image import bases, building
from hack.kind.running import KindError, run
from hack.manifests.installation import NAME, NAMESPACE

if TYPE_CHECKING:
    from hack.controlplane.sources import Say
    from hack.kind.cluster import Access

MANIFESTS = Path(__file__).parents[2] / "manifests"
# What `undeploy` removes: everything but the CRDs, with which all custom resources and so all apps would go, and the
# namespace, in which there may be more than the controller.
OURS = ("rbac/cluster", "deployment")
AVAILABLE_SECONDS = 120


def deploy(access: Access, say: Say) -> str:
    """Build, load, apply, wait; gives the image's name.

    Raises:
        KindError: a step failed; for pods that do not become available with what they say of themselves.
    """
    image = built(say)
    say(f"loading {image} into {access.name}")
    access.load(image)
    apply(access, [MANIFESTS], image)
    say(f"waiting until {NAME} is available")
    try:
        available(access)
    except KindError as error:
        raise KindError(f"{error}\n{_pods(access)}") from error
    say(f"{NAME} runs in {NAMESPACE}: kubectl --context {access.context} apply -f examples/")
    return image


def undeploy(access: Access, say: Say) -> None:
    """Remove the controller and its rights; apps keep running, and custom resources stay for the next controller."""
    with tempfile.TemporaryDirectory() as name:
        overlay = _overlay(Path(name), [MANIFESTS / part for part in OURS], "")
        access.kubectl_run("delete", "--ignore-not-found", f"--kustomize={overlay}")
    say(
        f"{NAME} is gone. Custom resources and their apps stay; `kubectl delete -f manifests/crds` would remove them all. "
        f"The namespace {NAMESPACE} stays too"
    )


def built(say: Say) -> str:
    """Build the image; its tag tells what is in it, so that a new one always makes new pods.

    Raises:
        KindError: it cannot be built.
    """
    try:
        name = building.build(building.Choice(), say)
    except bases.ImageError as error:
        raise KindError(str(error)) from error
    digest = run(["docker", "image", "inspect", "--format={{.Id}}", name]).removeprefix("sha256:")
    image = f"{name}-{digest[:12]}"
    run(["docker", "tag", name, image])
    return image


def apply(access: Access, parts: list[Path], image: str) -> None:
    """Apply kustomizations with another image than the released one."""
    with tempfile.TemporaryDirectory() as name:
        overlay = _overlay(Path(name), parts, image)
        # On the server: the annotation of a client-side apply cannot hold a CRD of this size.
        access.kubectl_run("apply", "--server-side", "--force-conflicts", f"--kustomize={overlay}")


def available(access: Access) -> None:
    """Wait for the CRDs to be served and for every pod of the Deployment.

    Raises:
        KindError: not in time.
    """
    limit = f"--timeout={AVAILABLE_SECONDS}s"
    access.kubectl_run("wait", "--for=condition=Established", limit, f"--filename={MANIFESTS / 'crds'}")
    access.kubectl_run(f"--namespace={NAMESPACE}", "rollout", "status", f"deployment/{NAME}", limit)


def _overlay(folder: Path, parts: list[Path], image: str) -> Path:
    # Kustomize takes no absolute paths.
    resources = [os.path.relpath(part, folder.resolve()) for part in parts]
    name, _, tag = image.rpartition(":")
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": resources,
        "images": [{"name": building.REPOSITORY, "newName": name, "newTag": tag}] if image else [],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


def _pods(access: Access) -> str:
    words = [f"--namespace={NAMESPACE}", "describe", "pods"]
    try:
        return access.kubectl_run(*words)[-4000:]
    except KindError as error:
        return str(error)

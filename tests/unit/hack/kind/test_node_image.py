"""The node image that is built here: its name, and what is read out of kind's own source."""

from __future__ import annotations

import pytest
import yaml

from hack.kind import node_image, programs
from hack.kind.running import KindError

SOURCE = """package nodeimage

const provisioner = "docker.io/kindest/local-path-provisioner:v1"
const helper = "docker.io/kindest/local-path-helper:v2"

var images = []string{provisioner, helper}

const defaultStorageManifest = `
kind: Deployment
image: ` + provisioner + `
args: [` + helper + `]
---
kind: StorageClass
`
"""


def test_the_storage_manifest_is_that_of_kind_with_its_images_filled_in() -> None:
    """Go constants are put together as the compiler would; both images must then be in the node."""
    manifest, images = node_image.storage(SOURCE)
    deployment, storage = yaml.safe_load_all(manifest)
    assert deployment["image"] == "docker.io/kindest/local-path-provisioner:v1"
    assert deployment["args"] == ["docker.io/kindest/local-path-helper:v2"]
    assert storage == {"kind": "StorageClass"}
    assert images == [deployment["image"], *deployment["args"]]


def test_another_form_of_the_source_is_an_error() -> None:
    """A later kind may keep it elsewhere; a cluster without storage would fail far from the reason."""
    with pytest.raises(KindError, match="another form"):
        node_image.storage("package nodeimage\n")


def test_each_component_image_has_its_own_program_inside() -> None:
    """Names as kubeadm and kind give them; what no rule names is one of Kubernetes' own programs."""
    names = {
        "registry.k8s.io/kube-apiserver:v1": "kubenode",
        "registry.k8s.io/etcd:3": "kubenode",
        "registry.k8s.io/kube-proxy:v1": "node",
        "registry.k8s.io/coredns/coredns:v1": "dns",
        "registry.k8s.io/pause:3.10": "pause",
        "docker.io/kindest/local-path-provisioner:v1": "local-path-provisioner",
        "docker.io/kindest/local-path-helper:v1": "node",
    }
    assert {name: node_image.content(name) for name in names} == names
    assert set(names.values()) - {"node"} == programs.PACKAGES.keys()

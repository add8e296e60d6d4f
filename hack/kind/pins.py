"""What the cluster is made of, pinned: the one place to change for an upgrade.

Read by the other modules of this folder and by the tests of `tests/e2e`. Invariant: the public node image and the one
that is built here are of the same Kubernetes minor version, and both fit this kind.
"""

from __future__ import annotations

KIND = "v0.30.0"
# The default image of that kind, by the digest in kind's own source.
PUBLIC_NODE_IMAGE = (
    "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"
)
# The distribution of the node image that is built here. Its containerd is 1.6, the line that kind's configuration of
# the container runtime is written for.
DEBIAN = "bookworm"
NODE_PACKAGES = (
    "bash",
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "curl",
    "dbus",
    "ethtool",
    "hostname",
    "iproute2",
    "iptables",
    "jq",
    "kmod",
    "libseccomp2",
    "mount",
    "nftables",
    "procps",
    "runc",
    "socat",
    "systemd",
    "systemd-sysv",
    "util-linux",
)
ENGINE_PACKAGES = ("docker.io", "containerd", "runc", "iptables", "iproute2", "debootstrap", "jq")
CLUSTER = "kaspr"

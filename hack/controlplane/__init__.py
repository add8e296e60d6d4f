"""A real Kubernetes control plane on loopback, without nodes, for the demo and the integration tests.

`assets` finds or makes the programs, `cluster.ControlPlane` runs them, `python -m hack.controlplane` is the
command line. README.md tells where the programs come from and what such a cluster cannot do.
"""

"""The objects of one app: workload, network, settings, storage, scaling, identity, packages."""

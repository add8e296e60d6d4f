"""A simulated node: plays the kubelet and the Kaspr members against a real API server.

`simulator.NodeSimulator` is the door for tests, `python -m hack.nodesim` the one for a demo. The pure parts
(`definitions`, `environment`, `settings`, `group`, `member`) are importable alone and need no API server.
Nothing here imports the controller: a double that shares code with what it tests proves nothing.
"""

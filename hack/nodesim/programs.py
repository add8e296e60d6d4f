"""What a container runs: whether it is a Kaspr member, and with which settings and definitions it starts.

In: environment and files of a container. Out: a `Program`, crash included. Called by the pod workers at every
container start; pure. Order as in the runtime: settings are parsed at import, definitions are built after.
"""

from __future__ import annotations

from hack.nodesim.definitions import LoadedApp, Order, StartupCrash, load
from hack.nodesim.environment import Raw
from hack.nodesim.member import Program
from hack.nodesim.settings import parse
from hack.nodesim.volumes import DIRECTORY, below

CONTAINER = "kaspr"


def is_member(container: Raw) -> bool:
    """Tell a Kaspr container by its name or by any `K_` variable."""
    names = [entry["name"] for entry in container.get("env") or ()]
    return container["name"] == CONTAINER or any(name.startswith(("K_", "KASPR_")) for name in names)


def program(env: dict[str, str], files: dict[str, str], *, hostname: str, order: Order) -> Program:
    """Return what the process would be: settings and app, or its crash."""
    try:
        settings = parse(env, hostname=hostname)
        if not settings.builder_enabled:
            return Program(settings, LoadedApp())
        mounted = below(settings.definitions_directory, files)
        for path, text in mounted.items():
            if text == DIRECTORY and path.endswith((".yml", ".yaml")):
                raise StartupCrash(f"IsADirectoryError: [Errno 21] Is a directory: {path!r}")
        app = load({path: text for path, text in mounted.items() if text != DIRECTORY}, order=order)
        return Program(settings, app)
    except StartupCrash as crash:
        return Program(None, LoadedApp(), crash)

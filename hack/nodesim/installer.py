"""The container that installs Python packages, as far as its end is seen: an exit code and a termination message.

In: the container, the pod's script, its name and the time. Out: how it ends. Pure; called by the pod's worker. Nothing is
installed, the members are simulated; what is said is what the real installer says (`install_packages.py.txt`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hack.nodesim.behaviour import Behaviour

NAME = "install-packages"
_FAILED = 1


def outcome(container: Mapping[str, Any], script: Behaviour, *, hostname: str, now: str) -> tuple[int, str]:
    """Exit code and last words of an init container; any other than the installer says nothing."""
    if script.init_fails:
        return script.init_fails, ""
    if container["name"] != NAME:
        return 0, ""
    if script.install_fails:
        said = {"category": script.install_fails, "message": f"scripted: {script.install_fails}"}
        return (0 if _config(container).get("on_failure") == "allow" else _FAILED), json.dumps(said)
    marker = {"python_version": "3.11", "install_time": now, "duration": "7s", "pod_name": hostname}
    return 0, json.dumps(marker)


def _config(container: Mapping[str, Any]) -> dict[str, Any]:
    texts = (item.get("value") for item in container.get("env", ()) if item["name"] == "PACKAGES_CONFIG")
    found: dict[str, Any] = json.loads(next(texts, None) or "{}")
    return found

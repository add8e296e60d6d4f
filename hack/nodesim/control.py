"""The control endpoint of a running simulator, for a demo and for other processes.

    GET  /members                          all members as JSON
    GET  /groups                           all consumer groups as JSON
    POST /pods/<ns>/<pod>/<action>         freeze, thaw, cut-off, reconnect, crash
    POST /pods/<ns>/<pod>/behaviour        body: a script of `behaviour`, empty for an ordinary member
    POST /groups/<ns>/<app id>/goodbye/<instance id>

In: requests of the loopback server. Out: JSON. Runs on the event loop thread; loopback only, no authentication.
"""

from __future__ import annotations

from typing import Any, Protocol

from hack.nodesim.answers import Response, as_json


class Controls(Protocol):
    """What can be controlled; runs on the event loop thread."""

    def snapshot(self, what: str) -> list[dict[str, Any]]:
        """Return `members` or `groups`."""

    def act(self, namespace: str | None, pod: str, action: str, text: str) -> None:
        """Do something to a pod's process; LookupError without one, ValueError for an unknown action."""

    def say_goodbye(self, namespace: str | None, app_id: str, instance_id: str) -> bool:
        """Remove a member from its group; LookupError without such a group."""


def respond(controls: Controls, method: str, path: str, body: bytes) -> Response:
    """Answer one request."""
    try:
        return as_json(result(controls, method, path.strip("/").split("/"), body.decode()))
    except LookupError as error:
        return as_json({"error": str(error)}, 404)
    except ValueError as error:
        return as_json({"error": str(error)}, 400)


def result(controls: Controls, method: str, parts: list[str], text: str) -> Any:
    """Return what a request asks for."""
    match (method, *parts):
        case ("GET", "members" | "groups" as what):
            return controls.snapshot(what)
        case ("POST", "pods", namespace, pod, action):
            controls.act(namespace, pod, action, text)
            return {"status": "ok"}
        case ("POST", "groups", namespace, app_id, "goodbye", instance_id):
            return {"removed": controls.say_goodbye(namespace, app_id, instance_id)}
    raise LookupError(f"no route for {method} /{'/'.join(parts)}")

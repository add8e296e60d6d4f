"""The ports of a member: its own, with the runtime's routes and the web views, and one by which a test controls it.

    POST /behaviour         body: a script of `hack.nodesim.behaviour`, empty for an ordinary member
    POST /cut-off, /reconnect, /freeze, /thaw, /crash
    GET  /member            phase, subscription and faults of the definitions

In: requests. Out: answers; a member that stands still gives none. Runs on the event loop. The control port is for tests only: it is
no part of the runtime's interface, and nothing in the controller knows it.
"""

from __future__ import annotations

from collections.abc import Callable

from hack.nodesim.answers import NOT_FOUND, Response, answer, as_json
from hack.nodesim.behaviour import parse
from hack.nodesim.member import Member, Phase
from hack.nodesim.server import Listener
from tests.e2e.member.webviews import WebViews

CONTROL_PORT = 6067
HOST = "0.0.0.0"  # pods are reached from other pods
KILLED = 137


class Server:
    """Opens and closes the member's port as its phases say."""

    def __init__(self, member: Member, webviews: WebViews, *, control_port: int = CONTROL_PORT) -> None:
        self.member = member
        self.webviews = webviews
        self.listener: Listener | None = None
        self.control = Listener(HOST, control_port, self.controlled)

    def changed(self) -> None:
        """Open or close the port."""
        if self.member.serves and self.listener is None:
            self.listener = Listener(HOST, self.member.settings.web_port, self.respond)
        elif not self.member.serves and self.listener is not None:
            self.listener.close()
            self.listener = None

    def respond(self, method: str, path: str, body: bytes) -> Response | None:
        """Answer as the runtime does: its own routes first."""
        response = answer(self.member, method, path)
        if response is NOT_FOUND and self.member.phase is not Phase.ERROR:
            return self.webviews.answer(method, path, body) or NOT_FOUND
        return response

    def controlled(self, method: str, path: str, body: bytes) -> Response:
        """Do what a test asks for."""
        member = self.member
        acts: dict[str, Callable[[], None]] = {
            "/behaviour": lambda: member.behave(parse(body.decode())),
            "/freeze": member.freeze,
            "/thaw": member.thaw,
            "/cut-off": member.lose_brokers,
            "/reconnect": member.find_brokers,
            "/crash": lambda: member.end(KILLED, "killed by a test"),
        }
        if method == "GET" and path == "/member":
            return as_json(
                {
                    "phase": member.phase.value,
                    "subscription": sorted(member.request().subscription),
                    "warnings": member.program.app.warnings,
                    "faults": member.program.app.faults,
                }
            )
        if method != "POST" or path not in acts:
            return NOT_FOUND
        try:
            acts[path]()
        except ValueError as error:
            return as_json({"error": str(error)}, 400)
        return as_json({"status": "ok"})

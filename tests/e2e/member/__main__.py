"""`python -m tests.e2e.member`: one member of an app, as the process of a container.

In: the `K_*` variables and mounted definitions of a rendered pod; `KASPR_MEMBER_SCALE` shortens the runtime's durations (1 is the
real runtime), `KASPR_MEMBER_BEHAVIOUR` is a script of `hack.nodesim.behaviour`. Out: exit codes of the runtime. The main thread
runs the event loop; the consumer and the web views have one thread each.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from hack.nodesim.behaviour import parse
from hack.nodesim.definitions import StartupCrash
from hack.nodesim.group import Group
from hack.nodesim.member import Callbacks, Member, Program
from hack.nodesim.timings import Timings
from tests.e2e.member.documents import Documents, read
from tests.e2e.member.links import Links
from tests.e2e.member.membership import Membership, RealMember
from tests.e2e.member.processing import Processing
from tests.e2e.member.server import CONTROL_PORT, Server
from tests.e2e.member.webviews import WebViews

LOG = logging.getLogger("member")
SCALE = "0.25"
CRASHED = 1
DRAIN_SECONDS = 3.0


def main() -> None:
    """Run until the member ends or SIGTERM comes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    environment, hostname = dict(os.environ), socket.gethostname()
    try:
        data_directory(environment)
        program, documents = read(environment, hostname)
    except OSError as error:
        end(CRASHED, f"{type(error).__name__}: {error}")
    if program.settings is None:
        crash = program.crash or StartupCrash("no settings")
        end(crash.exit_code, crash.message)
    end(*asyncio.run(run(environment, program, documents)))


async def run(environment: Mapping[str, str], program: Program, documents: Documents) -> tuple[int, str]:
    """Live; returns the exit code and the last words."""
    loop = asyncio.get_running_loop()
    assert program.settings is not None  # looked at by `main`
    tables = Path(environment.get("K_TABLE_DIR") or "tables")
    work = Processing(program.settings.app_id, documents, tables, leads=lambda: member.leader)
    membership = Membership(Links(program.settings, environment), work, loop)
    over: asyncio.Future[tuple[int, str]] = loop.create_future()

    def ended(_: Member, code: int, words: str) -> None:
        if not over.done():
            over.set_result((code, words))

    member = RealMember(
        program.settings.instance_id or socket.gethostname(),
        program,
        # It does what the member needs of one.
        cast("Group", membership),
        loop,
        Timings(scale=float(environment.get("KASPR_MEMBER_SCALE") or SCALE)),
        Callbacks(changed=lambda one: changed(one, server), ended=ended),
    )
    member.membership = membership
    port = int(environment.get("KASPR_MEMBER_CONTROL_PORT") or CONTROL_PORT)
    server = Server(member, WebViews(documents.entries("webviews"), work), control_port=port)
    loop.add_signal_handler(signal.SIGTERM, lambda: ended(member, 0, "stopped"))
    member.start(parse(environment.get("KASPR_MEMBER_BEHAVIOUR") or ""))
    result = await over
    session = membership.session
    member.stop()  # a static member says no goodbye, even so (C4)
    if session is not None:
        await asyncio.to_thread(session.join, DRAIN_SECONDS)
    return result


def changed(member: Member, server: Server) -> None:
    """Say the phase, for the log, and open or close the port."""
    LOG.info("%s: %s", member.phase.value, dict(member.assignment.actives) if member.assignment else {})
    server.changed()


def data_directory(environment: Mapping[str, str]) -> None:
    """Make the directory that the runtime makes in its working directory, or end as it does (contract 9.1)."""
    Path(environment.get("F_DATADIR") or f"{environment.get('K_APP_NAME')}-data").mkdir(exist_ok=True)


def end(code: int, words: str) -> None:
    """Leave, whatever other threads do."""
    LOG.info("exit code %d: %s", code, words)
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    main()

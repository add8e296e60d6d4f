"""Real static consumers in processes of their own, and what the broker says of their group."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hack.controlplane.processes import leashed
from kaspr_controller.groups.address import Credentials, group_address
from kaspr_controller.groups.answers import GroupView
from kaspr_controller.groups.client import KafkaGroupClient
from tests.conformance.group_cases import Held

if TYPE_CHECKING:
    from types import TracebackType

MEMBER = Path(__file__).with_name("member.py")
LOOK_SECONDS = 0.1


@dataclass(eq=False)
class Process:
    """One consumer and what it has said."""

    popen: subprocess.Popen[str]
    listener: threading.Thread = field(default_factory=threading.Thread)
    given: list[Held] = field(default_factory=list)
    was_fenced: bool = False


class Crew:
    """The world of the conformance cases with a real broker.

    Args:
        bootstrap: a listener that asks for no login.
        group: the consumer group.
        session: the members' session timeout, in seconds.
    """

    soon = 8.0
    moment = 1.0

    def __init__(self, bootstrap: str, group: str, *, session: float = 4.0) -> None:
        self.session = session
        self.address = group_address(bootstrap, group)
        self.client = KafkaGroupClient()
        self._processes: dict[str, list[Process]] = {}
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (each for every in self._processes.values() for each in every):
            process.popen.kill()
            process.popen.wait()
            process.listener.join()
        self.client.close()

    def start(self, name: str, *topics: str) -> None:
        (bootstrap,) = self.address.listener.bootstrap
        wanted = {
            "bootstrap": bootstrap,
            "group": self.address.group,
            "instance": name,
            "topics": topics,
            "session": self.session,
        }
        command = leashed([sys.executable, str(MEMBER), json.dumps(wanted)])
        process = Process(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        self._processes.setdefault(name, []).append(process)
        process.listener = threading.Thread(target=self._listen, args=(process,))
        process.listener.start()

    def stop(self, name: str) -> None:
        newest = self._processes[name][-1].popen
        newest.kill()
        newest.wait()

    def freeze(self, name: str) -> None:
        self._processes[name][-1].popen.send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._processes[name][-1].popen.send_signal(signal.SIGCONT)

    def goodbye(self, name: str) -> bool:
        farewell = self.client.goodbye(self.address, Credentials(), name)
        assert farewell.ok, farewell
        return farewell.kind == "said"

    def given(self, name: str) -> list[Held]:
        with self._changed:
            return list(self._processes[name][-1].given)

    def fenced(self, name: str) -> bool:
        with self._changed:
            return any(process.was_fenced for process in self._processes[name])

    def seats(self) -> dict[str, Held]:
        return {member.instance_id: dict(member.assignment) for member in self.view().members}

    def rebalancing(self) -> bool:
        return self.view().state in {"preparing-rebalance", "completing-rebalance"}

    def view(self) -> GroupView:
        """What the broker says."""
        view = self.client.describe(self.address, Credentials())
        assert isinstance(view, GroupView), view
        return view

    def within(self, seconds: float, condition: Callable[[], bool]) -> float:
        begin = time.monotonic()
        while not condition():
            assert time.monotonic() - begin <= seconds, f"not within {seconds} s: {self.view()}"
            with self._changed:
                # What only the broker knows wakes nobody.
                self._changed.wait(LOOK_SECONDS)
        return time.monotonic() - begin

    def spend(self, seconds: float) -> None:
        threading.Event().wait(seconds)

    def _listen(self, process: Process) -> None:
        assert process.popen.stdout is not None
        with process.popen.stdout as lines:
            for line in lines:
                words = json.loads(line)
                with self._changed:
                    if "given" in words:
                        process.given.append({topic: tuple(held) for topic, held in words["given"].items()})
                    process.was_fenced = process.was_fenced or "fenced" in words
                    self._changed.notify_all()

"""`make demo`, as a stranger runs it: what it shows, and that nothing of it is left, whatever ends it.

Every run gets a temporary folder of its own, whose path is in the command line of each program that it starts, and a
PATH without kubectl, Docker or anything else.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SECONDS = 240.0
MILESTONES = (
    r"control plane v\d",
    r"simulated node ready: http",
    r"\$ kubectl apply --server-side -f manifests/crds",
    r"\$ kaspr-controller run .*--scaling-mode direct",
    r"\$ kubectl apply -n demo -f examples/",
    r"\d\.\ds  \+ KasprApp +shop",
    r"\+ StatefulSet +shop-app",
    r"\+ Pod +shop-app-0",
    r"~ KasprApp +shop +Ready=False \w+: ",
    r"~ KasprApp +shop +Ready=True Healthy",
    r"Everything is Ready",
    r"shop-app-0 reads orders \[0, 1, 2, 3\]",
    r"kasprapp\.kaspr\.io/shop +\S+ +True +Healthy +1/1",
    r"~ StatefulSet +shop-app +2/2 ready",
    r"shop +\S+ +True +Healthy +2/2",
    r"~ KasprAgent +price-orders +edited, generation 2",
    r"\+ ControllerRevision +shop-app-\w+ +revision 2 of the pod template",
    r"~ KasprApp +shop +Ready=True Healthy",
    r"One new revision, 2 pods replaced",
    r'shop-app-\d /var/lib/data/definitions/\S+\n +"product": product\["name"\]\.upper\(\),',
    r'The KasprAgent "undecided" is invalid: spec\.input: .*exactly one of topic .* and channel',
    r"broken +shop +orders +False +InvalidCode .*does not compile: line 1",
    r"The app stayed Ready and no pod was touched",
    r"RebalanceRequested +Asked shop-app-\d for a rebalance",
    r'\$ kubectl patch kasprapp shop .*"bootstrapServers": "127\.',
    r"SayingGoodbye +Saying goodbye to Kafka for shop-app-\d \(subscriptions-changed\), whose pod is gone",
    r"~ KasprApp +shop +Ready=False NotReady: .*shop-app-1 is frozen",
    r"MemberReplaced +Deleted pod shop-app-1: the member was frozen",
    r"the other member was left alone",
    r"PATCH, POST, DELETE: 0\. PUT: [1-9].*Changed objects: 0\.",
    r"SIGTERM: the controller ended after \S+ s with exit code 0",
    r"Where to look:",
    r"After \d+ s nothing is left running\.",
)

pytestmark = pytest.mark.timeout(SECONDS + 30)


class Demo:
    """One run of the demo, and what there is to see of it from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Looked for in command lines: long enough to be nobody else's.
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        (folder / "bin").mkdir()
        environment = {
            "HOME": os.environ.get("HOME", str(folder)),
            "PATH": str(folder / "bin"),
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "TMPDIR": str(self.temporary),
            "LOG_LEVEL": "nonsense",  # of the user's shell: must not become a setting of the controller
        }
        environment |= {name: value for name, value in os.environ.items() if name.startswith("XDG_")}
        environment |= {name: value for name, value in os.environ.items() if name == "KUBEBUILDER_ASSETS"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hack.demo"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""

    def until(self, pattern: str) -> None:
        """Read lines until one matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if re.search(pattern, line):
                return
        raise AssertionError(f"no line matches {pattern}:\n{self.output}")

    def end(self) -> int:
        """Read the rest; gives the exit code."""
        rest, _ = self.process.communicate(timeout=SECONDS)
        self.output += rest
        return self.process.returncode

    def programs(self) -> dict[int, str]:
        """The programs of this run, by process id; the demo itself is none of them."""
        return {pid: command for pid, command in commands() if str(self.temporary) in command}

    def ports(self) -> list[tuple[str, int]]:
        """Where it said that something listens: API server, simulated node, metrics."""
        server = re.search(r"https://(127\.0\.0\.1):(\d+)", self.output)
        node = re.search(r"http://(127\.\d+\.0\.1):(\d+)", self.output)
        metrics = re.search(r"--metrics-port (\d+)", self.output)
        assert server, self.output
        assert node, self.output
        assert metrics, self.output
        return [
            (server[1], int(server[2])),
            (node[1], int(node[2])),
            ("127.0.0.1", int(metrics[1])),
        ]


def commands() -> Iterator[tuple[int, str]]:
    """Process id and command line of everything that runs on this machine."""
    if not Path("/proc/self/cmdline").exists():
        listed = subprocess.run(
            ["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True
        )
        for line in listed.stdout.splitlines():
            pid, _, command = line.strip().partition(" ")
            yield int(pid), command
    for folder in Path("/proc").glob("[0-9]*"):
        # Processes end while we look.
        with contextlib.suppress(OSError):
            yield (
                int(folder.name),
                (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"),
            )


def listens(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def nothing_is_left(demo: Demo) -> None:
    assert demo.programs() == {}
    assert [address for address in demo.ports() if listens(address)] == []
    assert list(demo.temporary.iterdir()) == []


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path)
    yield running
    running.process.kill()
    running.process.wait(10)
    assert running.process.stdout is not None
    running.process.stdout.close()


def test_it_shows_everything_in_order_and_leaves_nothing(demo: Demo) -> None:
    """Exit code 0, every milestone, no colours in a pipe; no process, port or file is left."""
    code = demo.end()
    assert code == 0, demo.output
    place = 0
    for milestone in MILESTONES:
        found = re.compile(milestone).search(demo.output, place)
        assert found, f"{milestone!r} is not in what comes after\n{demo.output[:place][-400:]}"
        place = found.end()
    assert "\x1b" not in demo.output
    nothing_is_left(demo)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_show_cleans_up(demo: Demo, number: signal.Signals) -> None:
    """In the middle of a rollout, with everything running."""
    demo.until(r"\+ StatefulSet +shop-app")
    assert len(demo.programs()) == 5, "etcd, API server, controller manager, scheduler, controller"
    assert all(listens(address) for address in demo.ports())
    demo.process.send_signal(number)
    assert demo.end() == 130, demo.output
    assert "nothing is left running" in demo.output
    nothing_is_left(demo)


def test_a_failure_tells_what_was_awaited_and_why(demo: Demo) -> None:
    """The controller dies: exit code 1, the conditions as they were, the end of its log, and nothing is left."""
    demo.until(r"~ KasprApp +shop +Ready=False")
    (controller,) = [pid for pid, command in demo.programs().items() if "kaspr_controller run" in command]
    os.kill(controller, signal.SIGKILL)
    assert demo.end() == 1, demo.output
    report = demo.output.partition("The demo failed: ")[2]
    assert report.startswith("the controller ended by itself, with exit code -9")
    assert re.search(r"KasprApp shop: generation 1, seen 1\n +(\w+=.*\n +)*Ready=False NotReady: ", report)
    assert '"logger": "' in report.partition("The end of the controller's log")[2]
    nothing_is_left(demo)

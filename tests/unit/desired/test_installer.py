"""The init container's program, run for real against a fake pip: what lands on the volume, and what is reported."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from kaspr_controller.desired.app.packages import INSTALLER
from tests.unit.desired.installer import HASH, Pod

OTHER = "fedcba9876543210"


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path / "volume", tmp_path / "pod-0")


@pytest.fixture
def shared(tmp_path: Path) -> tuple[Pod, Pod]:
    pods = [Pod(tmp_path / "volume", tmp_path / f"pod-{number}", {"mode": "shared"}) for number in (0, 1)]
    return pods[0], pods[1]


def wait_for(path: Path, process: Any) -> None:
    """Until a file exists that the process writes."""
    while not path.exists():
        assert process.poll() is None
        os.sched_yield()


def terminate(process: Any) -> None:
    """Until it has ended: right after SIGCONT the kernel may hand SIGTERM to a thread that cannot act on it."""
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)


def test_the_program_is_small_old_python_and_has_no_dollar() -> None:
    """It runs on Python 3.9 or newer, and the kubelet would read a dollar sign as a reference."""
    ast.parse(INSTALLER, feature_version=(3, 9))
    assert len(INSTALLER.splitlines()) <= 400
    assert "$" not in INSTALLER
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(INSTALLER))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def test_a_set_appears_with_its_marker(pod: Pod) -> None:
    """The folder named by the hash holds the packages and says what it is (contract 2.13)."""
    ended = pod.run(packages=["requests==2.32.3", "idna"])
    assert ended.status == 0
    assert pod.installed() == {"requests.py", "idna.py"}
    marker = pod.marker()
    assert marker["packages"] == ["requests==2.32.3", "idna"]
    assert marker["python_version"] == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert datetime.fromisoformat(marker["install_time"]).utcoffset() is not None
    assert marker["install_time"].endswith("+00:00")
    assert marker["duration"].endswith("s")
    assert marker["pod_name"]
    assert ended.message == {key: value for key, value in marker.items() if key != "packages"}
    assert (pod.root / HASH).stat().st_mode & 0o755 == 0o755


def test_user_text_is_an_argument_never_a_command(pod: Pod) -> None:
    """No shell sees what users write, and no option hides in a package (T24)."""
    trace = pod.home / "trace"
    evil = f"git+https://host/$(touch {trace})`touch {trace}`;touch {trace}|y&z"
    assert pod.run(packages=[evil, "a"]).status == 0
    call = pod.calls[0]["argv"]
    assert not trace.exists()
    assert call[0] == "install"
    assert call[call.index("--") + 1 :] == [evil, "a"]
    assert {"--no-warn-script-location", "--no-cache-dir", "--no-input"} <= set(call)


def test_indexes_and_encoded_credentials_go_through_a_private_file(pod: Pod) -> None:
    """`@`, `:` and `/` in a password do not break the URL, and no argument list shows it."""
    pod.env = {"PYPI_USERNAME": "me@corp", "PYPI_PASSWORD": "p:/@%|&;"}
    ended = pod.run(
        index_url="https://pypi.corp/simple",
        extra_index_urls=["https://two.corp/simple", "https://own:login@three.corp/simple"],
        trusted_hosts=["pypi.corp", "two.corp:8443"],
    )
    call = pod.calls[0]
    login = "me%40corp:p%3A%2F%40%25%7C%26%3B"
    assert call["settings"] == (
        f"[global]\nindex-url = https://{login}@pypi.corp/simple\n"
        f"extra-index-url = https://{login}@two.corp/simple\n    https://own:login@three.corp/simple\n"
        "trusted-host = pypi.corp\n    two.corp:8443\n"
    )
    assert call["readable"] == 0
    assert not any("p:/" in argument or "p%3A" in argument for argument in call["argv"])
    assert ended.status == 0


def test_no_credentials_are_sent_to_an_index_that_nobody_named(pod: Pod) -> None:
    """Without an index of their own, users' credentials stay at home."""
    pod.env = {"PYPI_USERNAME": "me", "PYPI_PASSWORD": "secret-word"}
    assert pod.run().status == 0
    assert pod.calls[0]["settings"] == "[global]\n"


def test_references_come_from_this_container_only(pod: Pod) -> None:
    """`${NAME}` is the init container's variable (T25); its value is hidden in output and message."""
    pod.env = {"TOKEN": "hush-hush"}
    pod.plan({"says": "cloning with hush-hush", "status": 1})
    ended = pod.run(packages=["git+https://${TOKEN}@host/x", "git+https://$TOKEN@host/y"])
    call = pod.calls[0]["argv"]
    assert call[-2:] == ["git+https://hush-hush@host/x", "git+https://hush-hush@host/y"]
    assert "hush-hush" not in ended.output + json.dumps(ended.message)
    assert "cloning with ****" in ended.output


def test_an_unknown_reference_is_named(pod: Pod) -> None:
    """The message tells which variable the container lacks."""
    ended = pod.run(packages=["git+https://${TOKEN}@host/x"])
    assert ended.status == 1
    assert ended.message["category"] == "unknown"
    assert "TOKEN" in ended.message["message"]


@pytest.mark.parametrize(
    ("says", "category"),
    [
        ("ERROR: No matching distribution found for nosuch", "package_not_found"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "hash_mismatch"),
        ("WARNING: 401 Error, Credentials not correct for https://x", "authentication"),
        ("ERROR: HTTP error 403 while getting https://x", "authentication"),
        (
            "NewConnectionError: Temporary failure in name resolution\nERROR: No matching distribution found for x",
            "network",
        ),
        ("ReadTimeoutError: Read timed out.", "network"),
        ("Segmentation fault", "unknown"),
    ],
)
def test_failures_are_classified(pod: Pod, says: str, category: str) -> None:
    """The termination message carries a category for machines and the end of pip's words for people."""
    pod.plan({"says": says, "status": 1})
    ended = pod.run()
    assert ended.status == 1
    assert ended.message["category"] == category
    assert says.splitlines()[-1] in ended.message["message"]
    assert not (pod.root / HASH / "half").exists()


def test_a_policy_of_allow_starts_the_member_without_packages(pod: Pod) -> None:
    """The main container mounts the folder of the set: an empty one must be there."""
    pod.plan({"status": 1, "says": "no"})
    ended = pod.run(on_failure="allow")
    assert (ended.status, ended.message["category"]) == (0, "unknown")
    assert pod.installed() == set()
    pod.plan({})
    assert pod.run().status == 0
    assert pod.installed() == {"requests.py"}


def test_it_tries_as_often_as_the_policy_says(pod: Pod) -> None:
    """Attempts start from an empty folder each time; zero attempts mean one (D43)."""
    pod.plan({"status": 1, "says": "first"}, {"status": 1, "says": "second"}, {})
    assert pod.run(retries=3).status == 0
    assert len(pod.calls) == 3
    assert pod.installed() == {"requests.py"}
    assert not (pod.root / HASH / "half").exists()
    other = Pod(pod.root.parent / "other", pod.home.parent / "other-pod")
    assert other.run(retries=0).status == 0


def test_a_hanging_attempt_ends_with_its_whole_process_group(pod: Pod) -> None:
    """The time limit is per attempt."""
    pod.plan({"sleeps": 60})
    ended = pod.run(timeout=0.3)
    assert ended.status == 1
    assert ended.message == {"category": "timeout", "message": "the installation took longer than 0.3 s"}


def test_a_full_volume_is_cleared_of_other_sets(pod: Pod) -> None:
    """A set that nobody asks for must not keep the wanted one out for ever."""
    assert pod.run(hash=OTHER).status == 0
    (pod.home / "calls").unlink()
    pod.plan({"says": "OSError: [Errno 28] No space left on device", "status": 1}, {})
    assert pod.run(retries=2).status == 0
    assert pod.installed() == {"requests.py"}
    assert not (pod.root / OTHER).exists()


def test_new_content_replaces_old_without_touching_it(pod: Pod) -> None:
    """What is no longer asked for is gone (T21), while members with the old set keep all of it."""
    assert pod.run(hash=OTHER, packages=["requests==1", "idna"]).status == 0
    assert pod.run(packages=["requests==2"]).status == 0
    assert pod.installed() == {"requests.py"}
    assert "requests==2" in (pod.root / HASH / "requests.py").read_text()
    assert pod.installed(OTHER) == {"requests.py", "idna.py"}


def test_old_sets_go_after_an_hour_and_come_back_when_wanted(pod: Pod) -> None:
    """The clock of a set runs from the moment that another one was asked for."""
    retired = pod.root / ".retired.json"
    assert pod.run(hash=OTHER).status == 0
    assert pod.run().status == 0
    since = json.loads(retired.read_text())
    assert set(since) == {OTHER}
    retired.write_text(json.dumps({OTHER: since[OTHER] - 3000}))
    assert pod.run(hash=OTHER).status == 0
    assert set(json.loads(retired.read_text())) == {HASH}
    retired.write_text(json.dumps({HASH: since[OTHER] - 4000}))
    (pod.root / "left-by-the-predecessor.py").write_text("")
    assert pod.run(hash="0" * 16).status == 0
    assert not (pod.root / HASH).exists()
    assert (pod.root / OTHER).exists()
    assert (pod.root / "left-by-the-predecessor.py").exists()


def test_a_finished_set_is_used_again(pod: Pod) -> None:
    """The second start of a pod installs nothing."""
    pod.run()
    assert pod.run().status == 0
    assert len(pod.calls) == 1


def test_another_python_installs_anew(pod: Pod) -> None:
    """Compiled packages of one Python do not load in another."""
    pod.run()
    marker = pod.root / HASH / f".installed-{HASH}"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "python_version": "2.7"}))
    assert pod.run().status == 0
    assert len(pod.calls) == 2
    assert pod.marker()["python_version"] != "2.7"


def test_what_a_killed_installer_left_does_not_count(pod: Pod) -> None:
    """A half-built set is in the staging folder only."""
    pod.plan({"sleeps": 60, "says": "working"})
    process = pod.start()
    wait_for(pod.home / "calls", process)
    process.kill()
    pod.end(process)
    assert not (pod.root / HASH).exists()
    pod.plan({})
    assert pod.run().status == 0
    assert [path.name for path in pod.root.iterdir() if "staging" in path.name] == []


def test_a_deleted_pod_stops_at_once(pod: Pod) -> None:
    """SIGTERM ends the installer and pip with it, instead of waiting for the grace period."""
    pod.plan({"sleeps": 60})
    process = pod.start()
    wait_for(pod.home / "calls", process)
    process.send_signal(signal.SIGTERM)
    assert pod.end(process).status == 143


def test_two_pods_install_once(shared: tuple[Pod, Pod]) -> None:
    """The waiter outlasts a slow holder, far beyond the time it would give a silent one (T23)."""
    first, second = shared
    gate = first.home / "go"
    first.plan({"wait_for": str(gate)})
    holder = first.start(stale=0.4)
    wait_for(first.home / "calls", holder)
    waiter = second.start(stale=0.4)
    assert waiter.stdout is not None
    lines = [waiter.stdout.readline() for _ in range(12)]  # a line per heartbeat of 0.05 s: more than 0.4 s
    assert all("waiting for the installation by" in line for line in lines)
    gate.touch()
    assert first.end(holder).status == 0
    assert second.end(waiter).status == 0
    assert second.calls == []
    assert second.installed() == {"requests.py"}


def test_a_dead_holder_leaves_no_lock_behind(shared: tuple[Pod, Pod]) -> None:
    """The kernel drops the lock with the process; nobody deletes a file that somebody may hold."""
    first, second = shared
    first.plan({"sleeps": 60})
    holder = first.start()
    wait_for(first.home / "calls", holder)
    holder.kill()
    first.end(holder)
    assert second.run().status == 0
    assert second.installed() == {"requests.py"}


def test_a_silent_holder_is_given_up_but_never_robbed(shared: tuple[Pod, Pod]) -> None:
    """A frozen holder keeps its lock; the waiter reports a timeout and is tried again by Kubernetes."""
    first, second = shared
    first.plan({"sleeps": 60})
    holder = first.start()
    wait_for(first.home / "calls", holder)
    holder.send_signal(signal.SIGSTOP)
    ended = second.run(stale=0.3)
    holder.send_signal(signal.SIGCONT)
    terminate(holder)
    first.end(holder)
    assert ended.status == 1
    assert ended.message["category"] == "timeout"
    assert second.calls == []

"""`run`: which settings the program gets, from arguments and environment; that it then works is tested on a real cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kaspr_controller import wiring
from kaspr_controller.__main__ import main
from kaspr_controller.settings import Settings
from kaspr_controller.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kaspr_controller.kube.credentials import Cluster

ENDED = 7


class Recorder:
    """In place of the program: keeps what it was made of."""

    settings: Settings
    cluster: Cluster

    def __call__(self, settings: Settings, cluster: Cluster) -> Recorder:
        self.settings, self.cluster = settings, cluster
        return self

    def run(self) -> int:
        return ENDED


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recorder]:
    """Runs the command with arguments, gives what the program would have got."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": "https://one.example"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "somebody"}}],
        "users": [{"name": "somebody", "user": {"token": "x"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logs, "configure", lambda **_: None)  # the log of the other tests
    recorder = Recorder()
    monkeypatch.setattr(wiring, "Program", recorder)

    def run(*argv: str) -> Recorder:
        assert main(["run", "--kubeconfig", "config", *argv]) == ENDED
        return recorder

    return run


def test_without_arguments_the_environment_decides(
    start: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An argument that is not given must not look like one: its default is the environment's value, then ours."""
    assert start().settings == Settings()
    monkeypatch.setenv("WORKERS", "3")
    monkeypatch.setenv("LEADER_ELECTION", "off")
    monkeypatch.setenv("WATCH_NAMESPACES", "a,b")
    settings = start().settings
    assert (settings.workers, settings.leader_election, settings.watch_namespaces) == (3, False, ("a", "b"))


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (("--namespace", "a,b"), "watch_namespaces", ("a", "b")),
        (("-n", "a"), "watch_namespaces", ("a",)),
        (("--metrics-port", "1234"), "metrics_port", 1234),
        (("--metrics-port", "0"), "metrics_port", 0),
        (("--debug-port", "4321"), "debug_port", 4321),
        (("--workers", "2"), "workers", 2),
        (("--scaling-mode", "direct"), "scaling_mode", "direct"),
        (("--log-level", "debug"), "log_level", "debug"),
        (("--log-style", "console"), "log_style", "console"),
        (("--no-leader-election",), "leader_election", False),
    ],
)
def test_an_argument_is_the_setting_of_its_name_and_wins(
    start: Callable[..., Recorder],
    monkeypatch: pytest.MonkeyPatch,
    argv: tuple[str, ...],
    field: str,
    value: Any,
) -> None:
    """Over the environment, and nothing else changes."""
    monkeypatch.setenv(field.upper(), str(Settings.model_fields[field].default or ""))
    assert start(*argv).settings == Settings().model_copy(update={field: value})


def test_the_cluster_is_the_one_that_was_named(start: Callable[..., Recorder]) -> None:
    """And the exit code is the program's."""
    assert start().cluster.server == "https://one.example"


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--workers", "0"), "WORKERS='0'"),
        (("--metrics-port", "99999"), "METRICS_PORT='99999'"),
        (("-n", "No Namespace"), "no namespace can be called"),
        (("--debug-port", "8000"), "DEBUG_PORT must not be METRICS_PORT"),
    ],
)
def test_settings_that_cannot_be_used_end_it_before_it_begins(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], says: str
) -> None:
    """Exit code 2 and the name of the setting; no cluster is looked for."""
    assert main(["run", *argv]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ("--workers", "many"),
        ("--scaling-mode", "magic"),
        ("--leader-election",),
        ("--worker", "2"),
        ("extra",),
    ],
)
def test_arguments_that_do_not_exist_are_refused(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    """With usage; abbreviations too, since a later argument may make them mean something else."""
    with pytest.raises(SystemExit) as stop:
        main(["run", *argv])
    assert stop.value.code == 2
    assert "usage: kaspr-controller" in capsys.readouterr().err

"""From arguments and environment to values: every setting that concerns rendering arrives, every fault is one line."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kaspr_controller.__main__ import main
from kaspr_controller.cli.choices import add_cluster_arguments, connect, load_settings, options_of
from kaspr_controller.cli.parser import CommandError
from kaspr_controller.desired.options import Options
from kaspr_controller.kube import credentials
from kaspr_controller.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from kaspr_controller.kube.credentials import Cluster

RENDERING: dict[str, tuple[str, Any]] = {
    "scaling": ("scaling_mode", "direct"),
    "initial_replicas": ("initial_max_replicas", 7),
    "scale_up_pods": ("hpa_scale_up_policy_pods_per_step", 9),
    "scale_up_period_seconds": ("hpa_scale_up_policy_period_seconds", 11),
    "image_registry": ("kaspr_image_registry", "mirror.example"),
    "pod_security": ("pod_security", "restricted"),
    "cluster_domain": ("cluster_domain", "example.org"),
}
"""Option -> the setting that it comes from, and a value that is not the default."""


@pytest.fixture(autouse=True)
def no_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_every_option_of_the_render_can_be_chosen() -> None:
    """An option without a setting would be one that nobody can choose; one fed from the wrong setting shows here."""
    fields = {field.name for field in dataclasses.fields(Options)}
    assert fields == RENDERING.keys()
    defaults = options_of(Settings())
    assert defaults == Options()
    for option, (setting, value) in RENDERING.items():
        chosen = options_of(Settings.load({}, {setting: value}))
        assert chosen == dataclasses.replace(defaults, **{option: value})


def test_faults_of_the_settings_are_the_commands_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them at once, by name."""
    monkeypatch.setenv("WORKERS", "none")
    monkeypatch.setenv("API_QPS", "0")
    with pytest.raises(CommandError, match=r"(?s)WORKERS=.*API_QPS=|API_QPS=.*WORKERS="):
        load_settings()


def arguments(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_cluster_arguments(parser)
    return parser.parse_args(argv)


def kubeconfig(path: Path, **servers: str) -> str:
    """A kubeconfig with a context for each server; the first one is the current."""
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": next(iter(servers)),
                "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
                "contexts": [
                    {"name": name, "context": {"cluster": name, "user": "somebody"}} for name in servers
                ],
                "users": [{"name": "somebody", "user": {"token": "secret"}}],
            }
        )
    )
    return str(path)


def test_the_arguments_choose_the_cluster(tmp_path: Path) -> None:
    """The current context, or the one that is named."""
    file = kubeconfig(tmp_path / "config", one="https://one.example", two="https://two.example")
    assert connect(arguments("--kubeconfig", file)).server == "https://one.example"
    assert connect(arguments("--kubeconfig", file, "--context", "two")).server == "https://two.example"


def test_in_a_pod_the_service_account_is_used_unless_a_cluster_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod with a kubeconfig of its own says so by an argument."""
    sentinel: Cluster = connect(arguments("--kubeconfig", kubeconfig(tmp_path / "pod", pod="https://pod")))
    monkeypatch.setattr(credentials, "in_cluster", lambda: sentinel)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    file = kubeconfig(tmp_path / "config", one="https://one.example")
    assert connect(arguments()) is sentinel
    assert connect(arguments("--kubeconfig", file)).server == "https://one.example"


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--kubeconfig", "none"), "--kubeconfig none: there is no such file"),
        (("--kubeconfig", "config", "--context", "other"), "other"),
        ((), "name a cluster with --kubeconfig"),
    ],
)
def test_unusable_credentials_are_one_line(
    argv: tuple[str, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and no traceback, also in a pod whose account is not mounted and on a laptop without anything."""
    kubeconfig(tmp_path / "config", one="https://one.example")
    assert main(["diff", *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("kaspr-controller: ")
    assert says in captured.err
    assert "Traceback" not in captured.err
    assert "secret" not in captured.err

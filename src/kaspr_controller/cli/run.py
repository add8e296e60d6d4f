"""`kaspr-controller run`: the controller, until it is stopped.

Arguments win over the environment (see docs/configuration.md). Exit code 0 after SIGTERM or SIGINT, 1 when the lease was
lost or a part of the program failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspr_controller.cli.choices import add_cluster_arguments, connect, load_settings

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of this command; each but the first two is the setting of that name."""
    add_cluster_arguments(parser)
    parser.add_argument(
        "-n",
        "--namespace",
        dest="watch_namespaces",
        metavar="NAMES",
        help="namespaces to work in; default: all",
    )
    parser.add_argument("--metrics-port", type=int, help="port of metrics, health and readiness")
    parser.add_argument("--debug-port", type=int, help="port of the debug pages on 127.0.0.1; 0: none")
    parser.add_argument("--workers", type=int, help="reconciles at a time")
    parser.add_argument("--scaling-mode", choices=("autoscaler", "direct"), help="who sets the replica count")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), help="least severity logged"
    )
    parser.add_argument("--log-style", choices=("json", "console"), help="for machines or for people")
    parser.add_argument(
        "--no-leader-election",
        dest="leader_election",
        action="store_false",
        default=None,
        help="act without a lease; only where there never is a second process",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Run until the end."""
    given = {
        name: getattr(arguments, name)
        for name in (
            "watch_namespaces",
            "metrics_port",
            "debug_port",
            "workers",
            "scaling_mode",
            "log_level",
            "log_style",
            "leader_election",
        )
    }
    settings = load_settings(given)
    cluster = connect(arguments)
    from kaspr_controller.telemetry import logs
    from kaspr_controller.wiring import Program

    logs.configure(level=settings.log_level, style=settings.log_style)
    return Program(settings, cluster).run()

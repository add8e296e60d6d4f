"""Command line of the control plane: `python -m hack.controlplane fetch | up | kubectl`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from hack.controlplane import assets
from hack.controlplane.cluster import ControlPlane
from hack.controlplane.folders import FolderInUseError
from hack.controlplane.processes import ProgramError


def main(arguments: list[str] | None = None) -> None:
    """Run one command; exits with 1 and a message when it cannot."""
    # kubectl has its own options, which argparse must not look at.
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if words[:1] == ["kubectl"]:
            kubectl(words[1:])
        options = _parser().parse_args(words)
        if options.command == "fetch":
            fetch()
        else:
            up(options.folder)
    except (assets.AssetsError, FolderInUseError, ProgramError) as error:
        sys.exit(f"controlplane: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def fetch() -> None:
    """Get the programs and tell where they are."""
    found = assets.fetch(say=_say)
    _say(f"Kubernetes {found.version} in {found.programs['kube-apiserver'].parent}: {found.origin}")


def up(folder: Path | None) -> None:
    """Run in the foreground until Ctrl-C or SIGTERM."""
    over = threading.Event()
    with ControlPlane.start(folder, say=_say) as plane:
        current().parent.mkdir(parents=True, exist_ok=True)
        current().write_text(f"{plane.kubeconfig}\n")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: over.set())
        _say(f"export KUBECONFIG={plane.kubeconfig}")
        _say("kubectl, from another terminal: python -m hack.controlplane kubectl get pods --all-namespaces")
        _say(f"logs: {plane.logs}. Nothing runs pods here: there are no nodes. Ctrl-C ends it.")
        while not over.wait(1.0):
            plane.check()
        # Another one may have been started since.
        if current().exists() and current().read_text() == f"{plane.kubeconfig}\n":
            current().unlink()


def kubectl(arguments: list[str]) -> None:
    """Become kubectl, for $KUBECONFIG or else for the control plane that `up` started last."""
    if "KUBECONFIG" not in os.environ:
        kubeconfig = Path(current().read_text().strip()) if current().exists() else None
        if kubeconfig is None or not kubeconfig.exists():
            sys.exit(
                "controlplane: none runs; start one with `python -m hack.controlplane up`, or set KUBECONFIG"
            )
        os.environ["KUBECONFIG"] = str(kubeconfig)
    program = assets.fetch(say=_say).programs["kubectl"]
    os.execv(program, ["kubectl", *arguments])  # noqa: S606  # same standard streams, same exit code


def current() -> Path:
    """The file that names the kubeconfig of the control plane started last."""
    base = os.environ.get("XDG_STATE_HOME")
    return (
        (Path(base) if base else Path.home() / ".local" / "state") / "kaspr-controller" / "current-kubeconfig"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hack.controlplane", description="A Kubernetes control plane."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="get the programs: download, or build once")
    starting = commands.add_parser("up", help="run a control plane until Ctrl-C")
    starting.add_argument(
        "--folder", type=Path, help="keep data, keys and port here (default: a temporary folder)"
    )
    commands.add_parser("kubectl", help="kubectl for the running control plane; all arguments are kubectl's")
    return parser


def _say(line: str) -> None:
    # stderr and unbuffered: progress must not mix with the output of kubectl, nor come late through a pipe.
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

"""Command line of the kind cluster: `python -m hack.kind docker | possible | node-image | up | down | deploy | undeploy`."""

from __future__ import annotations

import argparse
import os
import sys

from hack.controlplane.assets import AssetsError
from hack.kind import cluster, deploying, engine, node_source, pins
from hack.kind.running import KindError


def main(arguments: list[str] | None = None) -> None:
    """Run one command; exits with 1 and a message when it cannot."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "docker":
                engine.install(_say)
            case "possible":
                sys.exit(0 if engine.runs() or engine.installable() else 1)
            case "node-image":
                engine.require()
                print(node_source.choose(_say).name)
            case "up":
                cluster.up(options.name, _say)
                _say(f"kubectl --context kind-{options.name} get pods --all-namespaces")
            case "down":
                cluster.down(options.name, _say)
            case "deploy":
                deploying.deploy(cluster.up(options.name, _say), _say)
            case _:
                deploying.undeploy(cluster.access(options.name, _say), _say)
    except (KindError, AssetsError) as error:
        sys.exit(f"kind: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hack.kind", description="A Kubernetes cluster in Docker."
    )
    parser.add_argument(
        "--name",
        default=os.environ.get("KIND_CLUSTER", pins.CLUSTER),
        help="the cluster's name (default: $KIND_CLUSTER, or %(default)s)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("docker", help="install and start a Docker engine of the distribution; needs root")
    commands.add_parser("possible", help="end with 0 when an engine runs or `docker` can be expected to work")
    commands.add_parser("node-image", help="get or build the image of a node; prints its name")
    commands.add_parser("up", help="make a cluster and write its context into your kubeconfig")
    commands.add_parser("down", help="remove the cluster with all that is in it")
    commands.add_parser("deploy", help="build the controller's image and install it in the cluster")
    commands.add_parser("undeploy", help="remove the controller; custom resources and apps stay")
    return parser


def _say(line: str) -> None:
    # stderr and unbuffered: progress must not mix with what a command prints, nor come late through a pipe.
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

"""`python -m hack.nodesim --kubeconfig FILE`: runs a simulated node until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from hack.nodesim.simulator import NodeSimulator


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m hack.nodesim", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="administrator of the cluster")
    parser.add_argument(
        "--scale", type=float, default=0.02, help="our seconds per real second (default 0.02)"
    )
    parser.add_argument("--partitions", type=int, default=4, help="of undeclared topics (default 4)")
    parser.add_argument("--bind", choices=("scheduler", "self"), default="scheduler", help="who places pods")
    arguments = parser.parse_args()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with NodeSimulator(
        arguments.kubeconfig, scale=arguments.scale, partitions=arguments.partitions, bind=arguments.bind
    ) as simulator:
        print(f"node ready, control endpoint {simulator.control_url}", flush=True)
        done.wait()
        for failure in simulator.failures:
            print(f"failure: {failure}", flush=True)


if __name__ == "__main__":
    main()

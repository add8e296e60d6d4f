"""Command line of the broker: `python -m hack.kafka fetch | up`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from hack.controlplane.processes import ProgramError
from hack.kafka import jars
from hack.kafka.broker import Broker
from hack.kafka.listeners import LISTENERS


def main() -> None:
    """Run one command; exits with 1 and a message when it cannot."""
    parser = argparse.ArgumentParser(prog="python -m hack.kafka", description="a real Kafka broker")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "fetch", help="get the jars, once per machine; ends with 1 and the reason if not to be had"
    )
    commands.add_parser("up", help="run until Ctrl-C")
    try:
        if parser.parse_args().command == "fetch":
            jars.java()
            jars.fetch()
        else:
            up()
    except (jars.KafkaUnavailableError, ProgramError) as error:
        sys.exit(f"kafka: {error}")


def up() -> None:
    """Run in the foreground until Ctrl-C or SIGTERM."""
    over = threading.Event()
    with Broker.start() as broker:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: over.set())
        for listener in LISTENERS:
            print(f"{listener}: {broker.address(listener)}")
        print(f"certificate to trust: {broker.ca_file}; log: {broker.log}; Ctrl-C ends it", flush=True)
        over.wait()


if __name__ == "__main__":
    main()

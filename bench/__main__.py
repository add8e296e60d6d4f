"""`python -m bench`: measure subjects side by side and print the table.

Each run has a control plane of its own. The order is A B B A, over the sizes where each is run once: what drifts on the
machine meanwhile hits all subjects alike. JSON and Markdown are written after every run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench import golang, machine, report, scenarios, subjects
from bench.scenarios import Measures, Sizes
from bench.subjects import Subject

_SMALL = Sizes()
_FULL = Sizes(calm=5.0, idle=60.0, edits=200, touches=300, hot=20.0, patience=1800.0)


def main() -> None:
    """Measure what the arguments ask for."""
    arguments = _arguments()
    found = [subjects.find(name) for name in arguments.subjects]
    floor_name = next((subject.name for subject in found if subject.is_floor), None)
    sizes = _FULL if arguments.full else _SMALL
    sizes = replace(sizes, idle=arguments.idle) if arguments.idle else sizes
    program = golang.build(_say)
    described = machine.describe(program)
    runs: dict[tuple[str, int], list[Measures]] = {}
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    names = [subject.name for subject in found]
    repeat = arguments.repeat or (2 if arguments.full else 1)
    for apps, subject in _order(arguments.apps, found, repeat):
        began = time.monotonic()
        measured = scenarios.measure(subject, apps, sizes=sizes, floor=program, core=arguments.core)
        runs.setdefault((subject.name, apps), []).append(measured)
        _say(f"{subject.name} with {apps} apps: {time.monotonic() - began:.0f} s")
        (folder / "bench.json").write_text(report.as_json(runs, described), "utf-8")
        (folder / "bench.md").write_text(report.as_markdown(runs, described, names, floor_name), "utf-8")
    sys.stdout.write((folder / "bench.md").read_text("utf-8"))
    _say(f"written to {folder}/bench.json and bench.md")


def _order(sizes: Sequence[int], found: Sequence[Subject], repeat: int) -> Iterator[tuple[int, Subject]]:
    """A B, B A, A B, ..."""
    turns = [apps for apps in sizes for _ in range(repeat)]
    for turn, apps in enumerate(turns):
        for subject in found if turn % 2 == 0 else reversed(found):
            yield apps, subject


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--apps", type=int, nargs="+", default=[10, 100], help="numbers of apps")
    parser.add_argument(
        "--subjects",
        nargs="+",
        default=["ours", "floor"],
        help="ours, floor, or TOML files of other operators",
    )
    parser.add_argument(
        "--repeat", type=int, help="runs of each subject at each size; default: 1, or 2 with --full"
    )
    parser.add_argument("--full", action="store_true", help="longer periods and more edits")
    parser.add_argument("--idle", type=float, help="seconds in which nothing changes")
    parser.add_argument("--core", type=int, help="give the subject this CPU core and no other")
    parser.add_argument(
        "--output", type=Path, default=Path(".cache/bench"), help="folder; default: .cache/bench"
    )
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")


if __name__ == "__main__":
    main()

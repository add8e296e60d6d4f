"""`python -m hack.demo [--keep]`: custom resources become a running app, before your eyes.

In: nothing. Out: exit code 0 after the show, 1 with a report when something did not come true, 130 after Ctrl-C. With
--keep everything runs on after the show until Ctrl-C. Invariant: whatever ends it, no process, port or file is left.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hack.demo import finale, members, scenes
from hack.demo.stage import Stage
from hack.demo.voice import Voice
from kaspr_controller.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
LOOK_SECONDS = 1.0
SCENES = (
    scenes.set_up,
    scenes.apply_examples,
    scenes.scale,
    scenes.edit_agent,
    scenes.refuse,
    scenes.hold_back,
    members.read_more,
    members.reach_kafka,
    members.read_less,
    members.freeze,
    scenes.idle,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Show everything, clean up, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hack.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="let everything run on until Ctrl-C")
    options = parser.parse_args(arguments)
    # The client is the controller's own; what it logs is for the controller's log, not for this screen.
    logs.configure(level="error")
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    voice = Voice(sys.stdout)
    began = time.monotonic()
    code = perform(voice, keep=options.keep)
    voice.say(f"After {time.monotonic() - began:.0f} s nothing is left running.")
    return code


def perform(voice: Voice, *, keep: bool) -> int:
    """Play, and take everything down whatever happens; the exit code."""
    with ExitStack() as stack:
        stage = Stage(_folder(stack), voice, stack)
        try:
            play(stage, keep=keep)
        except KeyboardInterrupt:
            voice.say("\nInterrupted.")
            return INTERRUPTED
        except Exception as error:  # noqa: BLE001  # told to the person in front of the screen
            finale.report(error, stage)
            return 1
        finally:
            # A second Ctrl-C must not break off the cleaning up.
            _ignore_signals()
    return 0


def play(stage: Stage, *, keep: bool) -> None:
    """All scenes."""
    for scene in SCENES:
        scene(stage)
    if keep:
        stage.voice.say(f"\n{finale.where_to_look()}\n\n{finale.how_to_go_on(stage)}")
        wait_for_the_end(stage)
    else:
        finale.stop_controller(stage)
        stage.voice.say(f"{finale.where_to_look()}\nTo play with it: make demo KEEP=1")


def wait_for_the_end(stage: Stage) -> None:
    """Until Ctrl-C; raises when something ends that should run."""
    over = threading.Event()
    try:
        while not over.wait(LOOK_SECONDS):
            stage.check()
    except KeyboardInterrupt:
        return


def _folder(stack: ExitStack) -> Path:
    folder = tempfile.mkdtemp(prefix="kaspr-demo-")
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _interrupt(*_: object) -> NoReturn:
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())

"""How the demo prints: readable in a log file, coloured only where that is wanted."""

from __future__ import annotations

import io
import os
import select
import signal
import threading
from collections.abc import Iterator

import pytest

from hack.demo.timeline import Line
from hack.demo.voice import Voice


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_a_scene_restarts_the_time() -> None:
    """Times in the timeline are seconds since the scene began."""
    now = [100.0]
    out = io.StringIO()
    voice = Voice(out, clock=lambda: now[0])
    now[0] = 150.0
    voice.scene("Apply")
    now[0] = 151.25
    voice.happened(Line("+", "ConfigMap", "shop-app-config", ""))
    assert out.getvalue() == f"\n1. Apply\n   1.2s  + {'ConfigMap':<21} shop-app-config\n"


def test_a_log_has_no_control_characters() -> None:
    """A pipe or a file is no terminal."""
    out = io.StringIO()
    voice = Voice(out)
    voice.scene("Apply")
    voice.command("kubectl get pods")
    voice.happened(Line("-", "Pod", "shop-app-0", ""))
    assert "\x1b" not in out.getvalue()
    assert "  $ kubectl get pods\n" in out.getvalue()


def test_colours_on_a_terminal_unless_they_are_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """See https://no-color.org for the variable."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = Terminal()
    Voice(coloured).command("kubectl get pods")
    assert coloured.getvalue() == "\x1b[36m  $ kubectl get pods\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Voice(plain).command("kubectl get pods")
    assert plain.getvalue() == "  $ kubectl get pods\n"


def test_lines_of_threads_never_mix() -> None:
    """A block of several lines stays together."""
    out = io.StringIO()
    voice = Voice(out)
    start = threading.Barrier(4)

    def speak(number: int) -> None:
        start.wait(5)
        for _ in range(50):
            voice.block(f"{number} a\n{number} b")

    threads = [threading.Thread(target=speak, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    lines = out.getvalue().split("\n")[:-1]
    assert len(lines) == 400
    assert all(
        first.replace(" a", " b") == second for first, second in zip(lines[::2], lines[1::2], strict=True)
    )


@pytest.fixture
def interrupts() -> Iterator[int]:
    """A pipe that Ctrl-C writes to, instead of ending the test run.

    No `threading.Event`: its lock may be held by the very thread that the signal interrupts.
    """
    reading, writing = os.pipe()
    before = signal.signal(signal.SIGINT, lambda *_: os.write(writing, b"!"))
    yield reading
    signal.signal(signal.SIGINT, before)
    os.close(reading)
    os.close(writing)


def test_the_show_ends_when_nobody_listens_any_more(interrupts: int) -> None:
    """`make demo | head` ends as by Ctrl-C, whichever thread notices, and what is still said disturbs nobody."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        voice = Voice(out)
        thread = threading.Thread(target=lambda: voice.say("a"))
        thread.start()
        assert select.select([interrupts], [], [], 5)[0]
        thread.join(5)
        voice.say("b")

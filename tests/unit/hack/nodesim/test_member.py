"""One process from start to end, in the order and with the seconds that were measured."""

from __future__ import annotations

import pytest

from hack.nodesim.answers import answer, status_document
from hack.nodesim.member import Member, Phase
from tests.unit.hack.nodesim.crew import Crew, calm, reads

TABLES = reads("in", tables=("t",))


def view(member: Member) -> str:
    """Return what a poller of /status/ sees, in one word or flags."""
    if not member.serves:
        return "refused"
    response = answer(member, "GET", "/status/")
    if response is None:
        return "silent"
    if response.status != 200:
        return str(response.status)
    document = status_document(member)
    flags = [name for name in ("leader", "rebalancing", "recovering") if document[name]]
    return "+".join([*flags, *(["assigned"] if document["assignment"]["actives"] else [])]) or "nothing"


def test_a_start_shows_the_states_in_the_measured_order() -> None:
    """C9: refused, 500, empty 200, rebalancing without and with assignment (leader already true), recovering, calm."""
    crew = Crew()
    member = crew.start(0, TABLES)
    seen: list[tuple[str, float]] = []
    for _ in range(8 * 25):
        if not seen or seen[-1][0] != view(member):
            seen.append((view(member), crew.clock.now))
        crew.advance(1 / 8)
    assert seen == [
        ("refused", 0.0),
        ("500", 3.5),
        ("nothing", 4.0),
        ("rebalancing", 5.0),
        ("leader+rebalancing+assigned", 10.0),
        ("leader+rebalancing+recovering+assigned", 20.0),
        ("leader+assigned", 20.5),
    ]


def test_without_tables_nothing_recovers() -> None:
    """C9: recovering is rarely seen; without changelogs never."""
    crew = Crew()
    member = crew.start(0, reads("in"))
    crew.advance(20.1)
    assert calm(member)


def test_a_crash_at_import_ends_with_its_words() -> None:
    """A refused definition or setting: exit code 1 and the last log words, the port never opened."""
    crew = Crew()
    crew.crash(0, "KeyError: 'l'")
    crew.advance(3.4)
    assert crew.exits == []
    crew.advance(0.2)
    assert crew.exits == [("x-app-0", 1, "KeyError: 'l'")]


def test_the_recovery_delay_is_a_setting() -> None:
    """K_STREAM_RECOVERY_DELAY replaces the ten seconds."""
    crew = Crew()
    member = crew.start(0, reads("in"), K_STREAM_RECOVERY_DELAY="2")
    crew.advance(12.1)
    assert calm(member)


@pytest.mark.parametrize(
    ("script", "after", "seen"),
    [
        ("hung", 300, "leader+rebalancing+assigned"),
        ("refuses", 60, "refused"),
        ("frozen", 60, "refused"),
        ("cut-off", 300, "rebalancing"),
        ("slow=3", 21, "rebalancing"),
        ("slow=3", 63, "leader+assigned"),
        ("start-delay=30", 30, "refused"),
        ("start-delay=30", 51, "leader+assigned"),
    ],
)
def test_scripts_change_what_a_poller_sees(script: str, after: float, seen: str) -> None:
    """C10: hung and cut off look alike but for the assignment."""
    crew = Crew()
    member = crew.start(0, reads("in"), script)
    crew.advance(after)
    assert view(member) == seen


def test_scripted_crashes() -> None:
    """crash=CODE after the imports, crash-after=S at any time."""
    crew = Crew()
    crew.start(0, reads("in"), "crash=3")
    crew.start(1, reads("in"), "crash-after=50")
    crew.advance(10)
    assert [(name, code) for name, code, _ in crew.exits] == [("x-app-0", 3)]
    crew.advance(41)
    assert [(name, code) for name, code, _ in crew.exits] == [("x-app-0", 3), ("x-app-1", 1)]


def test_a_changed_script_takes_effect_at_once() -> None:
    """Hung and back: a running member rebalances until the script is taken away, then recovers."""
    from hack.nodesim.behaviour import parse

    crew = Crew()
    member = crew.running(1, reads("in"))[0]
    member.behave(parse("hung"))
    crew.advance(100)
    assert view(member) == "leader+rebalancing+assigned"
    member.behave(parse(""))
    crew.advance(10)
    assert calm(member)


def test_a_process_frozen_in_its_start_goes_on_when_woken() -> None:
    """C11: what was due while it stood still happens when it wakes, once."""
    crew = Crew()
    member = crew.start(0, reads("in"), "frozen")
    crew.advance(100)
    member.thaw()
    crew.advance(16.4)
    assert not calm(member)
    crew.advance(0.2)
    assert calm(member)


def test_an_ended_process_answers_nothing_and_has_no_plans() -> None:
    """Stopped in the middle of its start it never joins."""
    crew = Crew()
    member = crew.start(0, reads("in"))
    crew.advance(6)
    member.stop()
    crew.advance(60)
    assert member.phase is Phase.ENDED
    assert crew.group.seats == {}
    assert answer(member, "GET", "/") is None

"""Probes look and behave as those of controller-runtime: people and tools know them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kaspr_controller.serve.servers import public_server
from tests.unit.serve.asking import Asker, running


class Fleet:
    """Checks whose result a test sets."""

    def __init__(self) -> None:
        self.faults: dict[str, str | None] = {"cache": None, "lease": None}

    def broken(self) -> str | None:
        raise LookupError("secret")


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def ask(fleet: Fleet) -> Iterator[Asker]:
    checks = {name: lambda name=name: fleet.faults[name] for name in fleet.faults}
    server = public_server(healthy={}, ready=checks, address="127.0.0.1", port=0)
    with running(server) as asker:
        yield asker


def test_all_is_well(ask: Asker) -> None:
    """The short form is two letters."""
    assert (ask("/readyz").status, ask("/readyz").text) == (200, "ok")
    assert (ask("/healthz").status, ask("/healthz").text) == (200, "ok")
    assert ask("/readyz?verbose").text == "[+]cache ok\n[+]lease ok\nreadyz check passed\n"


def test_a_failure_is_listed_without_its_reason(ask: Asker, fleet: Fleet) -> None:
    """Probe texts end up in events; the reason is for whoever asks for it."""
    fleet.faults["lease"] = "held by another"
    reply = ask("/readyz")
    assert (reply.status, reply.text) == (
        500,
        "[+]cache ok\n[-]lease failed: reason withheld\nreadyz check failed\n",
    )
    assert "[-]lease failed: held by another\n" in ask("/readyz?verbose").text


def test_one_check_has_its_own_path(ask: Asker, fleet: Fleet) -> None:
    """An alert can watch one of them."""
    fleet.faults["lease"] = "held by another"
    assert (ask("/readyz/cache").status, ask("/readyz/cache").text) == (200, "ok")
    assert (ask("/readyz/lease").status, ask("/readyz/lease").text) == (
        500,
        "internal server error: reason withheld\n",
    )
    assert "held by another" in ask("/readyz/lease?verbose").text
    assert ask("/readyz/none").status == 404


def test_checks_can_be_excluded(ask: Asker, fleet: Fleet) -> None:
    """An excluded check is not even run; excluding what does not exist is said, not hidden."""
    del fleet.faults["lease"]
    assert ask("/readyz").status == 500
    assert ask("/readyz?exclude=lease").status == 200
    assert "[+]lease excluded: ok" in ask("/readyz?verbose&exclude=lease").text
    assert "there is no ghost" in ask("/readyz?verbose&exclude=lease&exclude=ghost").text


def test_a_check_that_fails_itself_is_a_failure(ask: Asker, fleet: Fleet) -> None:
    """Not knowing is not good; the text of the exception stays inside."""
    del fleet.faults["cache"]
    assert ask("/readyz?verbose").text.startswith("[-]cache failed: the check itself failed: KeyError\n")

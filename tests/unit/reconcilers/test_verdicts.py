"""The board between the pass over an app and the reconciles of its components."""

from __future__ import annotations

from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.reconcilers.verdicts import VerdictBoard
from kaspr_controller.status.component import ComponentVerdict
from tests.unit.reconcilers.resources import APP, NAMESPACE

OTHER = APP._replace(name="other")
ONE, TWO, THREE = (ObjectKey("KasprAgent", NAMESPACE, name) for name in ("one", "two", "three"))


def verdict(generation: int = 1) -> ComponentVerdict:
    return ComponentVerdict(uid="u", generation=generation)


def test_everybody_is_woken_by_the_first_verdict() -> None:
    """After a start the board is empty, so every verdict is news."""
    board = VerdictBoard()
    assert set(board.post(APP, {ONE: verdict(), TWO: verdict()})) == {ONE, TWO}
    assert board.find(APP, ONE) == verdict()


def test_only_news_wakes() -> None:
    """Changed, new and vanished verdicts do; an equal one does not."""
    board = VerdictBoard()
    board.post(APP, {ONE: verdict(), TWO: verdict()})
    assert set(board.post(APP, {ONE: verdict(), TWO: verdict(2), THREE: verdict()})) == {TWO, THREE}
    assert set(board.post(APP, {ONE: verdict()})) == {TWO, THREE}
    assert board.find(APP, TWO) is None
    assert board.post(APP, {ONE: verdict()}) == []


def test_apps_do_not_see_each_other() -> None:
    """A component that moves is judged by two apps for a moment; each verdict stands under its own."""
    board = VerdictBoard()
    board.post(APP, {ONE: verdict()})
    board.post(OTHER, {ONE: verdict(2)})
    assert (board.find(APP, ONE), board.find(OTHER, ONE)) == (verdict(), verdict(2))
    assert board.withdraw(APP) == [ONE]
    assert board.find(APP, ONE) is None
    assert board.find(OTHER, ONE) == verdict(2)


def test_an_app_is_withdrawn_once() -> None:
    """Its components learn that it is gone, and only once."""
    board = VerdictBoard()
    board.post(APP, {ONE: verdict(), TWO: verdict()})
    assert set(board.withdraw(APP)) == {ONE, TWO}
    assert board.withdraw(APP) == []
    assert board.withdraw(OTHER) == []

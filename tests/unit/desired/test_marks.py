"""Members are restarted for a changed Secret once, and for nothing else that stands in an annotation."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.desired.app.marks import REFERENCES, REFERENCES_SEEN, Marks, marks_of
from kaspr_controller.desired.facts import CARRIED_RESTART, RESTARTED, Facts, LiveWorkload

SEEN = {REFERENCES_SEEN: "old"}


def marks(
    current: str | None,
    *,
    workload: dict[str, str] | None = None,
    template: dict[str, str] | None = None,
    **more: Any,
) -> Marks:
    annotated = {"metadata": {"annotations": template or {}}}
    return marks_of(
        Facts(LiveWorkload(annotations=workload or {}, template=annotated, **more), references=current)
    )


def test_the_first_look_only_remembers() -> None:
    """Switching it on restarts nobody, and a new app starts with what is there."""
    assert marks("new") == Marks({REFERENCES_SEEN: "new"}, {})
    assert marks_of(Facts(references="new")) == Marks({REFERENCES_SEEN: "new"}, {})


def test_a_change_is_written_into_the_template_once() -> None:
    """The next pass finds both as they were written, and leaves them."""
    changed = marks("new", workload=SEEN)
    assert changed == Marks({REFERENCES_SEEN: "new"}, {REFERENCES: "new"})
    again = marks("new", workload=dict(changed.workload), template=dict(changed.template))
    assert again == changed


@pytest.mark.parametrize("there", [{}, {REFERENCES: "older"}])
def test_what_is_not_known_changes_nothing(there: dict[str, str]) -> None:
    """A Secret that is gone for a moment must not restart pods, which could not start without it."""
    assert marks("", workload=SEEN, template=there) == Marks(SEEN, there)


def test_switched_off_it_restarts_nobody_either() -> None:
    """What stands in the template stays; what was seen is forgotten, so that switching it on again is a first look."""
    assert marks(None, workload=SEEN, template={REFERENCES: "old"}) == Marks({}, {REFERENCES: "old"})


def test_a_restart_by_hand_stays_kubectls() -> None:
    """Its mark is ours only where the workload was made anew, and until somebody restarts the app again."""
    by_hand = {RESTARTED: "monday"}
    assert marks(None, template=by_hand) == Marks()
    made_anew = Marks({CARRIED_RESTART: "monday"}, by_hand)
    assert marks(None, template=by_hand, orphaned=True) == made_anew
    assert marks(None, template=by_hand, workload={CARRIED_RESTART: "monday"}) == made_anew
    assert marks(None, template={RESTARTED: "friday"}, workload={CARRIED_RESTART: "monday"}) == Marks()

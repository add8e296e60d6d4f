"""What holds for every status and every Event, whatever the test is about; the world runs this on all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kaspr_controller.api.parsing import MODELS
from kaspr_controller.status.conditions import MESSAGE_LIMIT, faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaspr_controller.kube.kinds import Raw

_WORD = re.compile(r"[A-Z][A-Za-z0-9]*\Z")


def judge_status(raw: Raw, status: Mapping[str, Any]) -> None:
    """T2, T5: the invariants of kstatus, and times that move only with what they time."""
    assert faults(status, generation=raw["metadata"]["generation"]) == []
    before = {item["type"]: item for item in (raw.get("status") or {}).get("conditions", ())}
    for item in status["conditions"]:
        assert _WORD.match(item["reason"]), f"{item['reason']!r} is no reason"
        assert len(item["message"]) <= MESSAGE_LIMIT
        old = before.get(item["type"])
        if old is not None and old["status"] == item["status"]:
            assert item["lastTransitionTime"] == old["lastTransitionTime"], f"{item} has not flipped"


def judge_body(kind: str, status: Mapping[str, Any]) -> None:
    """What is sent fits the schema of our own CRD, and is nobody else's."""
    MODELS[kind].status_model.model_validate(status)


def judge_event(event: Mapping[str, str]) -> None:
    """V1: a fixed word as reason and as action, and a sentence; repeats are told apart by nothing else."""
    assert event["type"] in {"Normal", "Warning"}
    assert _WORD.match(event["reason"])
    assert _WORD.match(event["action"])
    assert 0 < len(event["note"]) <= MESSAGE_LIMIT, event

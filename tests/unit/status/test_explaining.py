"""A status in words: what is awaited and since when, what was decided, and nothing when there is nothing to say."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.status.explaining import Subject, age, explain
from kaspr_controller.status.moments import text_of

NOW = 1_000_000.0


def ago(seconds: float) -> str:
    return text_of(NOW - seconds)


def condition(
    type_: str, status: str, reason: str, message: str = "", *, since: float = 30
) -> dict[str, str]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(since),
    }


def custom(kind: str = "KasprApp", name: str = "shop", *conditions: Any, **status: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"namespace": "demo", "name": name, "generation": 2},
        "status": {"observedGeneration": 2, "conditions": list(conditions), **status},
    }


READY = condition("Ready", "True", "Healthy", "App is ready", since=7200)


def said(raw: dict[str, Any], **more: Any) -> list[str]:
    return explain(Subject(raw, now=NOW, **more))


def section(lines: list[str], title: str) -> list[str]:
    """The lines below a title."""
    assert title in lines, f"{title} is not said in {lines}"
    found = []
    for line in lines[lines.index(title) + 1 :]:
        if not line.startswith("  "):
            break
        found.append(line.strip())
    return found


def test_a_settled_app_is_few_words() -> None:
    """Ready, since when, and its conditions; no empty sections."""
    lines = said(custom("KasprApp", "shop", READY, rebalance={"state": "Idle"}))
    assert lines[0] == "KasprApp demo/shop is Ready for 2h0m: Healthy, App is ready"
    assert not {"Awaited", "Decided", "Members", "Held back", "Events"} & set(lines)


def test_what_is_awaited_is_said_with_its_time() -> None:
    """Abnormal conditions only; what is repeated elsewhere is not."""
    lines = said(
        custom(
            "KasprApp",
            "shop",
            condition("Ready", "False", "NotReady", "Rollout in progress"),
            condition("Progressing", "True", "Reconciling"),
            condition("Reconciling", "True", "WaitingForMembers", "shop-app-0 is rebalancing", since=12),
            condition("ComponentsAccepted", "True", "AllAccepted"),
            condition(
                "PythonPackagesReady", "False", "Installing", "not installed yet: shop-app-1", since=90
            ),
        )
    )
    assert section(lines, "Awaited") == [
        "Reconciling for 12s: WaitingForMembers, shop-app-0 is rebalancing",
        "PythonPackagesReady for 90s: Installing, not installed yet: shop-app-1",
    ]


def test_an_object_that_nobody_looked_at_says_so() -> None:
    """No controller runs, or it does not watch this namespace."""
    raw = custom()
    del raw["status"]
    assert said(raw) == ["KasprApp demo/shop has no status yet: no controller has looked at it"]


def test_an_edit_that_was_not_looked_at_is_told() -> None:
    """The status is about another generation."""
    raw = custom("KasprApp", "shop", READY, observedGeneration=1)
    assert any("newest edit" in line for line in said(raw))
    assert not any("newest edit" in line for line in said(custom("KasprApp", "shop", READY)))


def test_deletion_is_told() -> None:
    """And for how long it has been going on."""
    raw = custom("KasprApp", "shop", READY)
    raw["metadata"]["deletionTimestamp"] = ago(40)
    assert said(raw)[0] == "KasprApp demo/shop is being deleted for 40s"


def test_decisions_are_told_in_words() -> None:
    """Rebalance, recovery, goodbyes and rollout, each with its time."""
    lines = said(
        custom(
            "KasprApp",
            "shop",
            READY,
            rolloutInProgress=True,
            rebalance={
                "state": "Signalled",
                "manual": True,
                "requestedAt": ago(60),
                "attempts": 1,
                "lastAttemptAt": ago(5),
                "reason": "waiting for the members",
            },
            recovery={
                "suspects": [{"name": "shop-app-1", "kind": "frozen", "since": ago(45), "strikes": 2}],
                "kills": [{"name": "shop-app-2", "why": "zombie", "at": ago(300)}],
            },
            farewell={
                "owed": [{"name": "shop-app-3", "why": "scaled down", "since": ago(9), "attempts": 1}],
                "holders": [{"name": "shop-app-0"}, {"name": "shop-app-2", "goneAt": ago(3)}],
            },
            rollout={"partition": 2, "done": 1, "progressAt": ago(20)},
            pythonPackages={"warnings": ["shop-app-0: network: no (do this)"]},
        )
    )
    assert section(lines, "Decided") == [
        "rebalance: Signalled, asked for by annotation 60s ago, 1 request sent, the last one 5s ago: waiting for the members",
        "recovery: shop-app-1 is frozen for 45s, 2 strikes",
        "recovery: shop-app-2 was replaced 5m0s ago because it was zombie",
        "goodbye: owed for the seat shop-app-3 (scaled down) for 9s, 1 attempt",
        "goodbye: the pod of the seat shop-app-2 is gone for 3s",
        "rollout: members below number 2 keep the older revision, 1 member of the newest one calm, last progress 20s ago",
        "packages: shop-app-0: network: no (do this)",
    ]


def test_members_are_a_table() -> None:
    """State in a word, who leads, since when."""
    members = [
        {"id": 0, "leader": True, "rebalancing": False, "recovering": False, "lastTransitionTime": ago(200)},
        {"id": 1, "rebalancing": True, "recovering": False, "lastTransitionTime": ago(2)},
        {"id": 2, "rebalancing": True, "recovering": True, "lastTransitionTime": "?"},
        {"id": 3},
    ]
    assert [
        line.split() for line in section(said(custom("KasprApp", "shop", READY, members=members)), "Members")
    ] == [
        ["ID", "STATE", "LEADER", "SINCE"],
        ["0", "running", "yes", "3m20s"],
        ["1", "rebalancing", "2s"],
        ["2", "recovering", "?"],
        ["3", "not", "heard", "?"],
    ]


def test_components_that_are_held_back_are_named_with_the_reason() -> None:
    """One that is on its way is, too; one that runs is not."""
    held = custom(
        "KasprAgent",
        "bad",
        condition("Ready", "False", "X"),
        condition("Accepted", "False", "BadCode", "line 3"),
    )
    late = custom(
        "KasprTable",
        "late",
        condition("Ready", "False", "RolloutInProgress"),
        condition("Accepted", "True", "Applied"),
    )
    good = custom(
        "KasprTask", "good", condition("Ready", "True", "Applied"), condition("Accepted", "True", "Applied")
    )
    new = {"kind": "KasprJoin", "metadata": {"name": "new"}}
    lines = said(custom("KasprApp", "shop", READY), components=[held, late, good, new])
    assert section(lines, "Held back") == [
        "KasprAgent/bad for 30s: BadCode, line 3",
        "KasprTable/late is not Ready for 30s: RolloutInProgress",
        "KasprJoin/new: no controller has looked at it yet",
    ]


def test_the_last_events_come_last() -> None:
    """By the time of the last repetition; no more than ten."""
    many = [
        {
            "type": "Normal",
            "reason": f"R{number}",
            "note": "n",
            "eventTime": ago(100 + number),
            "metadata": {},
        }
        for number in range(20)
    ]
    repeated = {
        "type": "Warning",
        "reason": "Again",
        "note": "so often",
        "eventTime": ago(900),
        "series": {"count": 7, "lastObservedTime": ago(1)},
        "metadata": {},
    }
    found = section(said(custom("KasprApp", "shop", READY), events=[repeated, *many]), "Events")
    assert len(found) == 10
    assert found[-1] == "1s ago Warning Again (7 times): so often"
    assert found[-2] == "100s ago Normal R0: n"


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": []},
        {"rebalance": "x", "recovery": [], "farewell": 7, "members": [1, None], "rollout": None},
        {"recovery": {"suspects": [{}], "kills": [{}]}, "farewell": {"owed": [{}], "holders": [{}]}},
        {"rolloutInProgress": True, "rollout": {}, "pythonPackages": {"warnings": None}},
    ],
)
def test_a_status_of_another_version_is_no_failure(status: dict[str, Any]) -> None:
    """What is missing or strange is left out."""
    raw = custom("KasprApp", "shop", READY)
    raw["status"] |= status
    assert said(raw)[0].startswith("KasprApp demo/shop")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (0.4, "0s"), (119, "119s"), (125, "2m5s"), (1800, "30m"), (7300, "2h1m"), (400_000, "4d")],
)
def test_spans_are_short(seconds: float, text: str) -> None:
    """As kubectl writes them; a skewed clock makes no negative one."""
    assert age(seconds) == text

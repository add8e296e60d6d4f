"""Growing volumes: one step after the other, none of them taken while something could go wrong (D17)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from kaspr_controller.status.resizing import Claim, Facts, Plan, decide

CLAIM = Claim("pv-0", uid="u0", version="1", requested="1Gi", capacity="1Gi", storage_class="fast")
GROWN = replace(CLAIM, requested="5Gi", capacity="5Gi")
OPEN = {"fast": True, "fixed": False}


def facts(*claims: Claim, template: str = "1Gi", settled: bool = True, **more: str) -> Facts:
    return Facts("5Gi", template, claims, OPEN, settled=settled, **more)


def reason(plan: Plan) -> str:
    return plan.verdicts[0].reason if plan.verdicts else ""


def test_nothing_to_do_is_nothing_to_say() -> None:
    """A settled app has no condition about its storage, and wakes nobody."""
    assert decide(facts(GROWN, template="5Gi")) == Plan()
    assert decide(Facts()) == Plan()


def test_claims_come_first() -> None:
    """A template that is changed before its claims leaves an app half done when a claim is refused."""
    other = replace(CLAIM, name="pv-1")
    plan = decide(facts(CLAIM, other))
    assert plan.grow == (CLAIM, other)
    assert not plan.replace
    assert reason(plan) == "EnlargingClaims"


@pytest.mark.parametrize("name", ["fixed", ""])
def test_one_claim_that_cannot_follow_keeps_all_as_they_are(name: str) -> None:
    """D17: validated first; half of the members with larger volumes is nobody's wish."""
    plan = decide(facts(CLAIM, replace(CLAIM, name="pv-1", storage_class=name)))
    assert (plan.grow, plan.replace, plan.releasing) == ((), False, False)
    assert reason(plan) == "ExpansionNotAllowed"
    assert "pv-1" in plan.verdicts[0].message
    assert "pv-0" not in plan.verdicts[0].message


def test_a_class_that_may_not_be_read_is_left_to_the_server() -> None:
    """A controller with a Role in one namespace sees no storage classes; the server knows them."""
    assert decide(facts(replace(CLAIM, storage_class="unknown"))).grow


def test_what_the_server_refuses_is_told_in_its_words() -> None:
    """A quota is not fought: it is asked again once a minute."""
    plan = decide(facts(CLAIM, refused="exceeded quota: disks"))
    assert (plan.grow, plan.replace, reason(plan)) == ((), False, "ClaimRefused")
    assert "exceeded quota: disks" in plan.verdicts[0].message
    assert plan.requeue_after == 60


def test_the_workload_goes_when_its_claims_are_large_and_nothing_rolls() -> None:
    """A StatefulSet that is made anew knows no older revision, so it must not be in the middle of a rollout."""
    assert decide(facts(GROWN)).replace
    moving = decide(facts(GROWN, settled=False))
    assert (moving.replace, moving.releasing, reason(moving)) == (False, True, "WaitingForRollout")


def test_a_claim_that_could_be_collected_keeps_the_workload() -> None:
    """With `deleteClaim` a claim belongs to the StatefulSet; a stale controller could tie it to the one that is gone."""
    plan = decide(facts(replace(GROWN, owned=True)))
    assert (plan.replace, plan.releasing, reason(plan)) == (False, True, "ReleasingClaims")


def test_a_workload_that_cannot_be_made_anew_stays() -> None:
    """Its members have their size; only new ones will not, which is said."""
    plan = decide(facts(GROWN, fixed="the former operator made it"))
    assert (plan.replace, plan.releasing, reason(plan)) == (False, False, "StatefulSetKept")


def test_a_member_without_a_volume_yet_is_waited_for() -> None:
    """The server refuses to change a claim that is not bound."""
    plan = decide(facts(GROWN, replace(CLAIM, name="pv-1", bound=False, capacity=""), template="5Gi"))
    assert (plan.grow, reason(plan)) == ((), "WaitingForBinding")


def test_the_node_is_waited_for_and_named() -> None:
    """The resize of the file system is the kubelet's; the claim says how far it is."""
    slow = replace(GROWN, name="pv-1", capacity="1Gi", words="FileSystemResizePending")
    plan = decide(facts(GROWN, slow, template="5Gi"))
    assert (plan.grow, plan.replace, reason(plan)) == ((), False, "WaitingForVolumes")
    assert "1 of 2 volumes" in plan.verdicts[0].message
    assert "pv-1 has 1Gi (FileSystemResizePending)" in plan.verdicts[0].message


def test_nothing_is_ever_made_smaller() -> None:
    """All states of two claims, template, class and rollout: no claim shrinks, no workload goes too early."""
    sizes, truths = ("1Gi", "5Gi", "10Gi"), (True, False)
    claims = [
        Claim(
            f"pv-{size}-{bound}-{owned}-{name}", requested=size, storage_class=name, bound=bound, owned=owned
        )
        for size, bound, owned, name in product(sizes, truths, truths, ("fast", "fixed", "", "unread"))
    ]
    for one, two, template, settled, fixed, refused in product(
        claims, claims, ("", *sizes), truths, ("", "kept"), ("", "quota")
    ):
        plan = decide(Facts("5Gi", template, (one, two), OPEN, fixed=fixed, settled=settled, refused=refused))
        assert all(claim.requested == "1Gi" and claim.bound for claim in plan.grow)
        if plan.grow:
            assert all(claim.requested != "1Gi" or claim.storage_class != "fixed" for claim in (one, two))
        if plan.replace:
            assert (template, settled, fixed, plan.grow) == ("1Gi", True, "", ())
            assert plan.releasing
            assert not one.owned
            assert not two.owned

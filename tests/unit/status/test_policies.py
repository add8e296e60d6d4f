"""Annotations of an app win over the settings, as long as they make sense."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaspr_controller.status.policies import GOODBYES, Policies, of_app

DEFAULTS = Policies()


def test_without_annotations_the_settings_apply() -> None:
    """Removing an annotation gives the default back (behaviour 6.2)."""
    assert of_app(DEFAULTS, {}) == DEFAULTS


@pytest.mark.parametrize(
    ("text", "on"), [("true", True), ("YES", True), ("1", True), ("false", False), ("x", False)]
)
def test_switches(text: str, *, on: bool) -> None:
    """`true`, `1`, `yes` are on, everything else is off, in both directions."""
    names = ("kaspr.io/auto-rebalance", "kaspr.io/hung-member-detection-enabled", GOODBYES)
    off = replace(
        DEFAULTS,
        rebalance=replace(DEFAULTS.rebalance, enabled=False),
        recovery=replace(DEFAULTS.recovery, enabled=False),
        goodbyes=False,
    )
    for defaults in (DEFAULTS, off):
        found = of_app(defaults, dict.fromkeys(names, text))
        assert (found.rebalance.enabled, found.recovery.enabled, found.goodbyes) == (on, on, on)


def test_dynamic_membership_reaches_every_decision_that_is_about_seats() -> None:
    """Contract 4.4: one annotation, read in one place."""
    found = of_app(DEFAULTS, {"kaspr.io/disable-static-group-membership": "true"})
    assert (found.rebalance.static, found.farewell.static) == (False, False)


@pytest.mark.parametrize(
    ("text", "seconds", "warned"),
    [("20", 20.0, False), (" 45 ", 45.0, False), ("0", 300.0, True), ("-5", 300.0, True), ("5m", 300.0, True),
     ("", 300.0, True), ("9" * 5000, 300.0, True), ("٣", 300.0, True)],
)  # fmt: skip
def test_the_threshold(text: str, seconds: float, *, warned: bool) -> None:
    """Behaviour 8.7: a threshold of 0 or less, or no number, is named and not used."""
    found = of_app(DEFAULTS, {"kaspr.io/hung-rebalancing-threshold-seconds": text})
    assert found.recovery.threshold == seconds
    assert bool(found.warnings) == warned

"""What the settings say about members, and what an app's annotations say instead.

In: the defaults of this installation and the annotations of one KasprApp. Out: the policies of the decisions, and warnings
about annotations that could not be used. Called by the reconciler once a pass; pure. An annotation that is removed gives
the default back at the next pass; one that makes no sense counts as absent, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kaspr_controller.api import labels
from kaspr_controller.status import farewell, rebalancing, rolling, suspecting

GOODBYES = "kaspr.io/goodbyes"
"""On an app: `false` keeps us away from its Kafka group."""
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Policies:
    """Everything that the decisions about the members of one app go by.

    Attributes:
        rebalance: of `rebalancing`.
        recovery: of `recovering`.
        farewell: of `farewell`.
        rolling: of `rolling`.
        goodbyes: seats may be taken away in Kafka.
        warnings: sentences about annotations that could not be used.
    """

    rebalance: rebalancing.Policy = field(default_factory=rebalancing.Policy)
    recovery: suspecting.Policy = field(default_factory=suspecting.Policy)
    farewell: farewell.Policy = field(default_factory=farewell.Policy)
    rolling: rolling.Policy = field(default_factory=rolling.Policy)
    goodbyes: bool = True
    warnings: tuple[str, ...] = ()


def of_app(defaults: Policies, annotations: Mapping[str, str]) -> Policies:
    """The policies for one app."""
    static = not labels.truthy(annotations.get(labels.DISABLE_STATIC_MEMBERSHIP))
    threshold, warnings = _threshold(annotations, defaults.recovery.threshold)
    switched = _switch(annotations, labels.AUTO_REBALANCE, default=defaults.rebalance.enabled)
    detecting = _switch(annotations, labels.HUNG_DETECTION_ENABLED, default=defaults.recovery.enabled)
    return replace(
        defaults,
        rebalance=replace(defaults.rebalance, enabled=switched, static=static),
        recovery=replace(defaults.recovery, enabled=detecting, threshold=threshold),
        farewell=replace(defaults.farewell, static=static),
        goodbyes=_switch(annotations, GOODBYES, default=defaults.goodbyes),
        warnings=warnings,
    )


def scaled(policies: Policies, factor: float) -> Policies:
    """The same policies where the members' own times are others: a simulated node lives faster.

    The threshold for hung members and the deadline of rollouts are the user's word and stay as they are.
    """
    limits = policies.recovery.limits
    limits = replace(
        limits,
        start=limits.start * factor,
        session=limits.session * factor,
        margin=limits.margin * factor,
        frozen=limits.frozen * factor,
        fresh=limits.fresh * factor,
    )
    recovery, left, balanced, rolled = (
        policies.recovery,
        policies.farewell,
        policies.rebalance,
        policies.rolling,
    )
    return replace(
        policies,
        rebalance=replace(
            balanced, retry=balanced.retry * factor, retry_limit=balanced.retry_limit * factor, limits=limits
        ),
        recovery=replace(
            recovery,
            spacing=recovery.spacing * factor,
            window=recovery.window * factor,
            continuity=recovery.continuity * factor,
            retry=recovery.retry * factor,
            limits=limits,
        ),
        farewell=replace(left, join_after=left.join_after * factor, limits=limits),
        rolling=replace(rolled, step=rolled.step * factor, named=rolled.named * factor, limits=limits),
    )


def _switch(annotations: Mapping[str, str], name: str, *, default: bool) -> bool:
    return labels.truthy(annotations[name]) if name in annotations else default


def _threshold(annotations: Mapping[str, str], default: float) -> tuple[float, tuple[str, ...]]:
    text = annotations.get(labels.HUNG_THRESHOLD_SECONDS)
    if text is None:
        return default, ()
    stripped = text.strip()
    if stripped.isascii() and stripped.isdecimal() and len(stripped) <= _DIGITS and int(stripped) > 0:
        return float(stripped), ()
    warning = (
        f"annotation {labels.HUNG_THRESHOLD_SECONDS} is {text[:40]!r}; use a whole number of seconds from 1, "
        f"until then {default:.0f} s apply"
    )
    return default, (warning,)

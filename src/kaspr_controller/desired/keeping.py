"""Keep the pod template of the predecessor until something changes that it stands for (contract T44).

In: the rendered StatefulSet and facts. Out: the one to write, and what its pods mount. Any other text in the template
restarts every member, so a take-over leaves the live template alone: it is no part of the intent, and its fields stay with
the predecessor's manager. An annotation remembers the hash of the template that would have been written; a change of the
app, its components or this program gives another hash, and then the whole template is written, once. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from kaspr_controller.api import labels
from kaspr_controller.desired import hashing
from kaspr_controller.desired.facts import Facts, LiveWorkload, Raw
from kaspr_controller.desired.problems import TEMPLATE_KEPT, Problem


@dataclass(frozen=True, slots=True)
class Kept:
    """The StatefulSet without a template.

    Attributes:
        workload: to write.
        mounted: the ConfigMaps that the live template mounts.
    """

    workload: Raw
    mounted: frozenset[str]

    @property
    def warning(self) -> Problem:
        """What the app says about it."""
        text = (
            "the pod template of the former operator is kept, so that the take-over restarts no member; the next change of "
            "the app or of a component replaces it"
        )
        return Problem(TEMPLATE_KEPT, "", text)


def keep(workload: Raw, facts: Facts) -> Kept | None:
    """The workload with the live template kept, None when the rendered one is to be written."""
    live = facts.workload
    if live is None:
        return None
    digest = hashing.of_value(workload["spec"]["template"])
    if not facts.inherited and live.kept_template != digest:
        return None
    meta = workload["metadata"]
    annotations = {**meta.get("annotations", {}), labels.KEPT_TEMPLATE: digest}
    spec = {name: value for name, value in workload["spec"].items() if name != "template"}
    return Kept(
        {**workload, "metadata": {**meta, "annotations": annotations}, "spec": spec}, mounted_by(live)
    )


def mounted_by(live: LiveWorkload) -> frozenset[str]:
    """Names of the ConfigMaps that a live template mounts."""
    volumes = live.template.get("spec", {}).get("volumes") or ()
    return frozenset(volume["configMap"]["name"] for volume in volumes if "configMap" in volume)

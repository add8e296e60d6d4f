"""What the operator of this controller chose, as far as it changes rendered objects.

Values, built once from the settings by the wiring; every default is the predecessor's (contract 7.2) unless its line
says why not. Pure; no environment is read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scaling = Literal["autoscaler", "direct"]
PodSecurity = Literal["none", "restricted"]


@dataclass(frozen=True, slots=True)
class Options:
    """Choices that hold for all apps.

    Attributes:
        scaling: "autoscaler" grows an app step by step with a HorizontalPodAutoscaler and needs a metrics API;
            "direct" writes the replica count itself.
        initial_replicas: members to start with when an app comes back from 0.
        scale_up_pods: members that the autoscaler may add in one period.
        scale_up_period_seconds: length of that period.
        image_registry: put before images that name no registry themselves; "" for none.
        pod_security: "restricted" adds what the Pod Security level of that name asks for; "none" adds nothing, because
            an image or a volume that needs root would not start any more.
        cluster_domain: DNS suffix of the members' names; members know each other by it.
    """

    scaling: Scaling = "autoscaler"
    initial_replicas: int = 1
    scale_up_pods: int = 4
    scale_up_period_seconds: int = 60
    image_registry: str = ""
    pod_security: PodSecurity = "none"
    cluster_domain: str = "cluster.local"

"""From settings to the values that rooms take, and from arguments to a cluster: shared by the commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaspr_controller.cli.parser import CommandError
from kaspr_controller.desired.options import Options
from kaspr_controller.reconcilers.app import Pace
from kaspr_controller.reconcilers.membership import Cadence
from kaspr_controller.settings import Settings, SettingsError
from kaspr_controller.status import rebalancing, rolling, suspecting
from kaspr_controller.status.policies import Policies, scaled

if TYPE_CHECKING:
    import argparse

    from kaspr_controller.kube.credentials import Cluster


def load_settings(overrides: dict[str, Any] | None = None) -> Settings:
    """The settings of this process.

    Raises:
        CommandError: with every fault of the environment and the arguments.
    """
    try:
        return Settings.load(os.environ, overrides)
    except SettingsError as fault:
        raise CommandError(str(fault)) from None


def options_of(settings: Settings) -> Options:
    """What the settings mean for rendering."""
    return Options(
        scaling=settings.scaling_mode,
        initial_replicas=settings.initial_max_replicas,
        scale_up_pods=settings.hpa_scale_up_policy_pods_per_step,
        scale_up_period_seconds=settings.hpa_scale_up_policy_period_seconds,
        image_registry=settings.kaspr_image_registry,
        pod_security=settings.pod_security,
        cluster_domain=settings.cluster_domain,
    )


def pace_of(settings: Settings) -> Pace:
    """What the settings mean for the passes over an app."""
    return Pace(
        first=settings.coalesce_first_seconds,
        burst=settings.coalesce_burst_seconds,
        limit=settings.coalesce_limit_seconds,
        settle=settings.settle_seconds,
        settle_limit=settings.settle_limit_seconds,
        resync=settings.resync_seconds,
        refused=settings.refused_seconds,
    )


def cadence_of(settings: Settings) -> Cadence:
    """What the settings mean for the questions to members."""
    calm = Cadence().calm * settings.member_time_scale
    return Cadence(busy=min(settings.member_poll_seconds, calm), calm=calm)


def policies_of(settings: Settings) -> Policies:
    """What the settings mean for the decisions about members."""
    defaults = Policies(
        rebalance=rebalancing.Policy(enabled=settings.auto_rebalance_enabled),
        recovery=suspecting.Policy(
            enabled=settings.hung_member_detection_enabled,
            threshold=settings.hung_rebalancing_threshold_seconds,
        ),
        rolling=rolling.Policy(
            driven=settings.rollout_mode == "driven", progress=settings.rollout_deadline_seconds
        ),
        goodbyes=settings.kafka_goodbyes_enabled,
    )
    return scaled(defaults, settings.member_time_scale)


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that choose a cluster."""
    parser.add_argument(
        "--kubeconfig", type=Path, help="kubeconfig file; default: in a pod its service account"
    )
    parser.add_argument("--context", help="context of the kubeconfig; default: the current one")


def connect(arguments: argparse.Namespace) -> Cluster:
    """The cluster that the arguments choose: a kubeconfig when one is named or this is no pod.

    Raises:
        CommandError: there are no usable credentials.
    """
    from kaspr_controller.kube.credentials import from_kubeconfig, in_cluster
    from kaspr_controller.kube.errors import CredentialsError

    named = arguments.kubeconfig is not None or arguments.context is not None
    if arguments.kubeconfig is not None and not arguments.kubeconfig.is_file():
        raise CommandError(f"--kubeconfig {arguments.kubeconfig}: there is no such file")
    try:
        if not named and "KUBERNETES_SERVICE_HOST" in os.environ:
            return in_cluster()
        return from_kubeconfig(arguments.kubeconfig, arguments.context)
    except CredentialsError as fault:
        hint = "" if named else "; name a cluster with --kubeconfig, --context or KUBECONFIG"
        raise CommandError(str(fault).rstrip(".") + hint) from None

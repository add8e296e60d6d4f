"""`kaspr-controller diff`: what a reconcile would change now, against the live cluster, without changing it.

Reads every kind once, renders as the controller does and asks the server with dry runs. Out: a line for each object that
would be created or changed, with the paths of its fields, never their values; exit code 0 when there is none. What is
refused, held back or blocked counts as a difference too; what is no longer wanted does not while a pod mounts it, since it
stays until then. The settings are those of this environment: they have to be the controller's for the answer to be its.
"""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

from kaspr_controller.cli.choices import (
    add_cluster_arguments,
    connect,
    load_settings,
    options_of,
    policies_of,
)
from kaspr_controller.cli.parser import CommandError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterator

    from kaspr_controller.converge.planning import PlannedChange
    from kaspr_controller.kube.credentials import Cluster
    from kaspr_controller.kube.kinds import ObjectKey
    from kaspr_controller.reconcilers.loading import Stores
    from kaspr_controller.reconcilers.planning import Plan
    from kaspr_controller.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of this command."""
    add_cluster_arguments(parser)
    parser.add_argument("-n", "--namespace", help="only apps of this namespace; default: all namespaces")
    parser.add_argument("name", nargs="?", help="only the app of this name")


def execute(arguments: argparse.Namespace) -> int:
    """Print the plan of every app that is asked for."""
    settings = load_settings()
    found = _plans(connect(arguments), settings, namespace=arguments.namespace, name=arguments.name)
    lines = [line for plan, mounted in found for line in describe(plan, mounted)]
    print("\n".join(lines) if lines else "nothing would change")
    for note in (note for plan, mounted in found for note in notes(plan, mounted)):
        print(note, file=sys.stderr)
    return int(bool(lines))


def _plans(
    cluster: Cluster, settings: Settings, *, namespace: str | None, name: str | None
) -> list[tuple[Plan, frozenset[str]]]:
    """The plan of each app that is asked for, with the names of the ConfigMaps that its pods mount."""
    # Not at the top: `--help` must not load the client.
    from kaspr_controller.converge.applying import Converger
    from kaspr_controller.engine.clock import SystemClock
    from kaspr_controller.kube.client import Client
    from kaspr_controller.kube.errors import ApiError
    from kaspr_controller.kube.transport import HttpTransport
    from kaspr_controller.reconcilers.caches import fill, make_stores
    from kaspr_controller.reconcilers.observing import mounted
    from kaspr_controller.reconcilers.planning import plan_app
    from kaspr_controller.telemetry import logs

    logs.configure(level="error", style="console")
    clock = SystemClock()
    transport = HttpTransport(cluster)
    client = Client(transport, clock=clock, rng=random.Random())  # noqa: S311  # jitter
    stores = make_stores()
    try:
        fill(stores, client, namespace)
        converger = Converger(client=client, stores=stores, clock=clock)
        keys = chosen(stores, namespace, name)
        options, driven = options_of(settings), policies_of(settings).rolling.driven
        plans = [
            (plan_app(stores, converger, key, options=options, driven=driven), mounted(stores, key))
            for key in keys
        ]
    except ApiError as fault:
        raise CommandError(str(fault)) from None
    finally:
        transport.close()
    return [(plan, names) for plan, names in plans if plan is not None]


def chosen(stores: Stores, namespace: str | None, name: str | None) -> list[ObjectKey]:
    """The apps that the arguments name.

    Raises:
        CommandError: a name is given and no app has it: "nothing would change" would be a lie.
    """
    keys = [key for key in stores["KasprApp"].keys() if name in {None, key.name}]  # noqa: SIM118
    if name is not None and not keys:
        where = f"namespace {namespace}" if namespace else "any namespace"
        raise CommandError(f"there is no KasprApp {name} in {where}")
    return keys


def describe(plan: Plan, mounted: Collection[str] = ()) -> Iterator[str]:
    """The plan as lines; none when nothing would change.

    Args:
        plan: of one app.
        mounted: names of the ConfigMaps that its pods mount.
    """
    app = _name(plan)
    yield from (f"{app}: refused: {text}" for text in plan.refused)
    yield from (f"{app}: held back: {text}" for text in plan.held)
    yield from (f"{app}: {_line(change)}" for change in plan.changes if change.action != "none")
    unwanted = (key for key in plan.unwanted if not _in_use(key, mounted))
    yield from (f"{app}: remove {key.kind} {key.name}" for key in unwanted)


def notes(plan: Plan, mounted: Collection[str] = ()) -> Iterator[str]:
    """What is worth knowing and makes no difference now; arguments as for `describe`."""
    for key in plan.unwanted:
        if _in_use(key, mounted):
            yield f"{_name(plan)}: {key.kind} {key.name} is no longer wanted, but a pod still mounts it"


def _in_use(key: ObjectKey, mounted: Collection[str]) -> bool:
    return key.kind == "ConfigMap" and key.name in mounted


def _name(plan: Plan) -> str:
    return f"{plan.app.namespace}/{plan.app.name}"


def _line(change: PlannedChange) -> str:
    detail = ", ".join(change.paths) or change.message
    return f"{change.action} {change.key.kind} {change.key.name}" + (f": {detail}" if detail else "")

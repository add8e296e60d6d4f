"""`kaspr-controller explain KIND/NAME`: what one custom resource waits for, since when, and what was decided about it.

Reads the object, of an app its components too, and the Events about it; asks no controller, so it answers when none runs.
Kinds are written as for kubectl: `KasprApp/shop`, `kasprapps/shop`, `kapp/shop`. Exit code 0 when the object is Ready, 1 when
it is not.
"""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING, Any

from kaspr_controller.api import labels
from kaspr_controller.api.metadata import APP, KINDS
from kaspr_controller.cli.choices import add_cluster_arguments, connect
from kaspr_controller.cli.parser import CommandError
from kaspr_controller.status.conditions import find
from kaspr_controller.status.explaining import Subject, explain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from kaspr_controller.api.metadata import CustomKind
    from kaspr_controller.kube.client import Client
    from kaspr_controller.kube.kinds import Kind, Raw


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of this command."""
    add_cluster_arguments(parser)
    parser.add_argument("-n", "--namespace", help="namespace of the object; default: that of the context")
    parser.add_argument("object", metavar="KIND/NAME", help="for example KasprApp/shop")


def execute(arguments: argparse.Namespace) -> int:
    """Print the answer."""
    kind, name = chosen(arguments.object)
    cluster = connect(arguments)
    # Not at the top: `--help` must not load the client.
    from kaspr_controller.engine.clock import SystemClock
    from kaspr_controller.kube.client import Client
    from kaspr_controller.kube.errors import ApiError
    from kaspr_controller.kube.transport import HttpTransport
    from kaspr_controller.telemetry import logs

    logs.configure(level="error", style="console")
    clock = SystemClock()
    transport = HttpTransport(cluster)
    client = Client(transport, clock=clock, rng=random.Random())  # noqa: S311  # jitter
    try:
        subject = look(
            client, kind, arguments.namespace or cluster.namespace, name, now=clock.now().timestamp()
        )
    except ApiError as fault:
        raise CommandError(str(fault)) from None
    finally:
        transport.close()
    print("\n".join(explain(subject)))
    ready = find(subject.raw.get("status") or {}, "Ready")
    return int(ready is None or ready["status"] != "True")


def chosen(text: str) -> tuple[CustomKind, str]:
    """The kind and the name in `KIND/NAME`.

    Raises:
        CommandError: it is none, or no kind of ours is called so.
    """
    word, slash, name = text.partition("/")
    if not slash or not name or "/" in name:
        raise CommandError(f"{text}: write KIND/NAME, for example KasprApp/shop")
    word = word.lower()
    for kind in KINDS:
        if word in {kind.kind.lower(), kind.plural, kind.singular, *kind.short_names}:
            return kind, name
    raise CommandError(f"{word}: no such kind; there are {', '.join(kind.kind for kind in KINDS)}")


def look(client: Client, kind: CustomKind, namespace: str, name: str, *, now: float) -> Subject:
    """Everything about the object that is to be told.

    Raises:
        errors.ApiError: the object cannot be read; Events and components that cannot be are left out, with a note.
    """
    raw = client.get(_kind(kind), namespace, name)
    components: list[Raw] = []
    if kind.kind == APP.kind:
        selector = f"{labels.APP}={name}"
        for each in KINDS:
            if each.kind != APP.kind:
                components += _listed(client, _kind(each), namespace, label_selector=selector)
    from kaspr_controller.kube.kinds import EVENT

    about = f"regarding.kind={kind.kind},regarding.name={name}"
    events = [
        event
        for event in _listed(client, EVENT, namespace, field_selector=about)
        # A namesake that was deleted may have left some.
        if _uid(event.get("regarding")) in {"", raw["metadata"]["uid"]}
    ]
    return Subject(raw, components, events, now)


def _uid(reference: Mapping[str, Any] | None) -> str:
    return str((reference or {}).get("uid") or "")


def _listed(
    client: Client, kind: Kind, namespace: str, *, label_selector: str = "", field_selector: str = ""
) -> list[Raw]:
    from kaspr_controller.kube.errors import ApiError

    pages = client.list_pages(
        kind, namespace, label_selector=label_selector or None, field_selector=field_selector or None
    )
    try:
        return [item for page in pages for item in page.items]
    except ApiError as fault:
        print(f"{kind.plural} are left out: {fault}", file=sys.stderr)
        return []


def _kind(custom: CustomKind) -> Kind:
    from kaspr_controller.kube.kinds import Kind

    return Kind(custom.group, custom.version, custom.kind, custom.plural)

"""From the bytes of a member's answer to an `Answer`, or to the reason why it is not one (rule R13).

Called by `client`; pure. What is behind the address may be an older runtime, another program or a broken one: nothing of
the body is believed before its shape has been checked, and nothing of it is kept beyond what an honest member needs.
The shape is that of the contract, 6.2; keys that a newer runtime adds are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from kaspr_controller.status.observations import Answer, Assignment

MAX_PARTITIONS = 20_000
"""Partitions that one member may report: ten times what a broker handles well, and below 1 MB of ours."""
MAX_URLS = 1_000
_MAX_TOPIC = 249  # Kafka's own limit.
_LEADER_TOPIC = "-assignor-leader"
_POD_HOST = re.compile(r"(?P<pod>[^.]+)-\d+\.(?P<service>[^.]+)\.(?P<namespace>[^.]+)\.svc(\..*)?")


class _Wrong(Exception):  # noqa: N818 - a verdict, not a failure of ours
    """The body is not a member's status; the text says why, without figures or quotes from it."""


def read_status(body: bytes, *, app_id: str, namespace: str) -> Answer:
    """The answer in a 200 body.

    Args:
        body: the bytes as they came.
        app_id: Kafka app id of the app that was asked.
        namespace: namespace of that app.
    """
    try:
        return _status(_json(body), app_id, namespace)
    except _Wrong as fault:
        return Answer("wrong", str(fault))


def read_signal(body: bytes) -> str:
    """Why the body does not acknowledge a signal, "" when it does."""
    try:
        document = _json(body)
    except _Wrong as fault:
        return str(fault)
    return "" if isinstance(document, Mapping) and document.get("status") == "ok" else "the status is not ok"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # RecursionError: a body of opening brackets
        raise _Wrong("the body is not JSON") from None


def _status(document: Any, app_id: str, namespace: str) -> Answer:
    status = _object(document, "the body")
    assignment = _object(status.get("assignment"), "assignment")
    actives = _partitions(assignment.get("actives"), "assignment.actives")
    standbys = _partitions(assignment.get("standbys"), "assignment.standbys")
    urls = _urls(status.get("table_metadata", {}))
    _same_app(actives, urls, app_id, namespace)
    return Answer(
        "ok",
        leader=_flag(status, "leader"),
        rebalancing=_flag(status, "rebalancing"),
        recovering=_flag(status, "recovering"),
        actives=actives,
        standbys=standbys,
        member_urls=urls,
    )


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(f"{name} is not an object")
    return value


def _flag(status: Mapping[str, Any], name: str) -> bool:
    value = status.get(name)
    if not isinstance(value, bool):
        raise _Wrong(f"{name} is not a boolean")
    return value


def _partitions(value: Any, name: str) -> Assignment:
    topics = _object(value, name)
    if sum(len(each) if isinstance(each, list) else 1 for each in topics.values()) > MAX_PARTITIONS:
        raise _Wrong(f"{name} has more than {MAX_PARTITIONS} partitions")
    for topic, numbers in topics.items():
        if not topic or len(topic) > _MAX_TOPIC:
            raise _Wrong(f"{name} has a name that no topic can have")
        if not isinstance(numbers, list) or not all(_is_partition(number) for number in numbers):
            raise _Wrong(f"{name} has something else than lists of partition numbers")
    return {topic: tuple(sorted(set(topics[topic]))) for topic in sorted(topics)}


def _is_partition(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _urls(value: Any) -> frozenset[str]:
    """The keys of `table_metadata`. Its values are not needed: they repeat the assignments of the members."""
    urls = _object(value, "table_metadata")
    if len(urls) > MAX_URLS:
        raise _Wrong(f"table_metadata has more than {MAX_URLS} members")
    return frozenset(urls)


def _same_app(actives: Assignment, urls: frozenset[str], app_id: str, namespace: str) -> None:
    """Refuse an answer that names another app only: the address was given to a pod of it."""
    leaders = {topic.removesuffix(_LEADER_TOPIC) for topic in actives if topic.endswith(_LEADER_TOPIC)}
    apps = {app for url in urls if (app := _app_of(url)) is not None}
    if (leaders and app_id not in leaders) or (apps and (app_id, namespace) not in apps):
        raise _Wrong("another app answers")


def _app_of(url: str) -> tuple[str, str] | None:
    """Service and namespace in the address of a member; None for an address that users have set themselves."""
    try:
        found = _POD_HOST.fullmatch(urlsplit(url).hostname or "")
    except ValueError:
        return None
    return (found["service"], found["namespace"]) if found and found["pod"] == found["service"] else None

"""What a definition entry needs from others and what it lays claim to: the wires between components.

In: an entry in the runtime's words, freshly rendered or read back from a live document. Out: `Claims`. Working on entries,
not on resources, lets a last good definition be judged by the same rules as a new one. Pure; malformed live entries give
`None` instead of an exception, because the predecessor may have written them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kaspr_controller.desired.definitions import Entry
from kaspr_controller.desired.problems import ComponentKey

SCHEDULER_TABLES = ("timetable", "timetable-index", "cron-registry", "cron-due-index")
"""Tables that the runtime's scheduler makes for itself."""


@dataclass(frozen=True, slots=True)
class TableUse:
    """One mention of a table: its name and the field that mentions it."""

    table: str
    field: str


@dataclass(frozen=True, slots=True)
class Claims:
    """The wires of one component.

    Attributes:
        uses: tables that operations are given.
        left, right: tables of a join, "" otherwise.
        emits: the channel a join writes to, "" otherwise.
        listens: the channel an agent reads from, "" when it reads topics.
        route: method and path of a web view.
        topics, pattern: what an agent subscribes to.
    """

    uses: tuple[TableUse, ...] = ()
    left: str = ""
    right: str = ""
    emits: str = ""
    listens: str = ""
    route: tuple[str, str] | None = None
    topics: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def internal_tables(self) -> tuple[str, str]:
        """Tables that the runtime makes for a join; two joins over one pair of tables would make them twice."""
        return f"{self.left}-{self.right}-subscriptions", f"{self.left}-{self.right}-previous-fk"


def claims_of(key: ComponentKey, entry: Entry) -> Claims | None:
    """The claims of an entry, None when it does not have the shape that the runtime asks for."""
    try:
        if entry["name"] != key[1]:
            return None
        return _READERS[key[0]](entry)
    except (KeyError, TypeError, AttributeError):
        return None


def _agent(entry: Entry) -> Claims:
    source = entry["input"]
    topic, channel = source.get("topic"), source.get("channel")
    uses = _uses(entry["processors"])
    if topic:
        names = tuple(name.strip() for name in (topic.get("name") or "").split(",") if name.strip())
        return Claims(uses=uses, topics=names, pattern=topic.get("pattern") or "" if not names else "")
    return Claims(uses=uses, listens=channel["name"])


def _join(entry: Entry) -> Claims:
    return Claims(
        left=entry["left_table"],
        right=entry["right_table"],
        emits=entry.get("output_channel") or f"{entry['name']}-channel",
    )


def _web_view(entry: Entry) -> Claims:
    request = entry["request"]
    uses = _uses(entry["processors"]) if entry.get("processors") else ()
    return Claims(uses=uses, route=(request["method"].upper(), request["path"]))


def _task(entry: Entry) -> Claims:
    return Claims(uses=_uses(entry["processors"]))


def _table(entry: Entry) -> Claims:  # noqa: ARG001 - one signature for all kinds
    return Claims()


def _uses(processors: Entry) -> tuple[TableUse, ...]:
    return tuple(_walk(processors))


def _walk(processors: Entry) -> Iterator[TableUse]:
    for index, operation in enumerate(processors["operations"]):
        for place, table in enumerate(operation.get("tables") or ()):
            yield TableUse(table["name"], f"spec.processors.operations[{index}].tables[{place}].name")


_READERS = {
    "KasprAgent": _agent,
    "KasprJoin": _join,
    "KasprTable": _table,
    "KasprTask": _task,
    "KasprWebView": _web_view,
}

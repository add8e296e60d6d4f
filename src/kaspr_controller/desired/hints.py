"""What works otherwise than one may think, seen only when an app is looked at as a whole.

In: the chosen definitions of an app and the image that runs them. Out: warnings by component. Pure. Those about joins were
measured on the real runtime (C13): it finds the partition of a foreign key by the table's own key encoding, and a default
in the right table stands in for rows that do not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kaspr_controller.desired.app import versions
from kaspr_controller.desired.definitions import DECLARATION, Entry
from kaspr_controller.desired.problems import JOIN_HINT, NO_EFFECT, ComponentKey, Problem
from kaspr_controller.desired.resolving import Choice


def of(chosen: Mapping[ComponentKey, Choice], image: str) -> dict[ComponentKey, tuple[Problem, ...]]:
    """Warnings for the components of an app."""
    declares = versions.declares_outputs(image)
    warnings: dict[ComponentKey, tuple[Problem, ...]] = {}
    for key, choice in chosen.items():
        found = _joined(choice, chosen) if key[0] == "KasprJoin" else ()
        if not declares:
            found = (*found, *_undeclared(choice.entry, image))
        if found:
            warnings[key] = found
    return warnings


def _undeclared(entry: Entry, image: str) -> Iterator[Problem]:
    for path, topic in _outgoing(entry):
        if any(name in topic for name in DECLARATION):
            version = versions.version_of(image)
            text = (
                f"the runtime creates output topics since 0.11.19; {version} ignores how this one is declared"
            )
            yield Problem(NO_EFFECT, path, text)


def _outgoing(entry: Entry) -> Iterator[tuple[str, Entry]]:
    for index, topic in enumerate((entry.get("output") or {}).get("topics") or ()):
        yield f"spec.output.topics[{index}]", topic
    for index, operation in enumerate((entry.get("processors") or {}).get("operations") or ()):
        if operation.get("topic_send"):
            yield f"spec.processors.operations[{index}].topicSend", operation["topic_send"]


def _joined(choice: Choice, chosen: Mapping[ComponentKey, Choice]) -> tuple[Problem, ...]:
    left = chosen[("KasprTable", choice.claims.left)].entry
    right = chosen[("KasprTable", choice.claims.right)].entry
    found = []
    if right.get("default_selector"):
        text = (
            f"table {right['name']} has a defaultSelector: a key without a row gives its default instead of nothing, "
            "in an inner join too; remove it"
        )
        found.append(Problem(JOIN_HINT, "spec.rightTable", text))
    counts = [table.get("partitions") for table in (left, right)]
    if counts[0] != counts[1]:
        said = " and ".join(str(count or "the app's default") for count in counts)
        text = f"the tables have different partitions ({said}); rows may never meet, give both and their topics the same"
        found.append(Problem(JOIN_HINT, "spec.rightTable", text))
    serializers = [table.get("key_serializer") or "json" for table in (left, right)]
    if serializers[0] != serializers[1]:
        text = (
            f"the tables encode keys differently ({serializers[0]} and {serializers[1]}); rows may never meet"
        )
        found.append(Problem(JOIN_HINT, "spec.rightTable", text))
    return tuple(found)

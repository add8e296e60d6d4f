"""`kaspr-controller validate -f FILE`: is what is written in these files fit to be applied?

Every `kaspr.io` object is parsed and rendered exactly as the controller does; other objects in the files are left alone.
No cluster is needed. A line for each thing that is wrong or doubtful, exit code 1 when anything is wrong.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kaspr_controller.api.metadata import API_VERSION, GROUP
from kaspr_controller.api.parsing import AnyResource, InvalidSpec, parse
from kaspr_controller.cli import documents, findings
from kaspr_controller.cli.documents import Document
from kaspr_controller.cli.findings import Finding
from kaspr_controller.cli.judging import Parsed, judge

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of this command."""
    documents.add_file_argument(parser)
    findings.add_output_argument(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Check the files and print what was found."""
    loaded = documents.load(arguments.files)
    ours = [document for document in loaded.documents if is_ours(document)]
    found = [*map(findings.in_file, loaded.faults), *examine(ours)]
    findings.show(sorted(found), checked=len(ours), output=arguments.output)
    if not ours and not found:
        print(f"no {GROUP} objects in {', '.join(arguments.files)}", file=sys.stderr)
    return int(any(finding.severity == "error" for finding in found))


def is_ours(document: Document) -> bool:
    """Whether the object belongs to our API group, in whatever version."""
    return str(document.value.get("apiVersion", "")).partition("/")[0] == GROUP


def examine(ours: Sequence[Document]) -> list[Finding]:
    """Everything that is wrong with these objects, each by itself and all together."""
    parsed, found = read(ours)
    return [*found, *judge(parsed)]


def read(ours: Sequence[Document]) -> tuple[list[Parsed], list[Finding]]:
    """The objects that can be parsed, of those that are written twice the later one, and what is wrong with the rest."""
    parsed: dict[tuple[str, str, str], Parsed] = {}
    found = list(repetitions(ours))
    for document in ours:
        outcome = parse_document(document)
        if isinstance(outcome, list):
            found += outcome
        else:
            parsed[outcome.kind, outcome.namespace, outcome.name] = Parsed(document, outcome)
    return list(parsed.values()), found


def parse_document(document: Document) -> AnyResource | list[Finding]:
    """The model of one object, or what is wrong with it."""
    version = document.value["apiVersion"]
    if version != API_VERSION:
        return [
            findings.in_document(document, "apiVersion", f"{version} does not exist, write {API_VERSION}")
        ]
    if not isinstance(document.value.get("kind", ""), str):
        return [findings.in_document(document, "kind", "is not text")]
    try:
        return parse(document.value)
    except InvalidSpec as error:
        return [findings.in_document(document, each.path, each.message) for each in error.errors]


def repetitions(ours: Sequence[Document]) -> Iterator[Finding]:
    """Objects that are written twice: the later one would silently win."""
    first: dict[tuple[str, str, str], Document] = {}
    for document in ours:
        metadata = document.value.get("metadata")
        if not isinstance(metadata, dict) or not metadata.get("name"):
            continue
        key = (
            str(document.value.get("kind")),
            str(metadata.get("namespace", "")),
            str(metadata["name"]),
        )
        before = first.setdefault(key, document)
        if before is not document:
            where = f"{before.source}:{before.line}"
            yield findings.in_document(document, "metadata.name", f"this object is also written at {where}")

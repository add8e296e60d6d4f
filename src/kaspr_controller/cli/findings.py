"""What a command found in files: where, in which object, in which field, and what to do about it.

The text form is `file:line: kind/name: path: message`, which editors and CI systems turn into links; the JSON form is for
programs. Printing is all that happens here; commands collect the findings.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from kaspr_controller.cli.documents import Document, Fault

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One finding.

    Attributes:
        file: name as given.
        line: from 1.
        kind: kind of the object, "" when there is no object.
        name: its name, "" when it has none.
        path: of the field, "" when it is about the whole.
        message: what is wrong and what to do.
        severity: an error makes the command fail, a warning does not.
    """

    file: str
    line: int
    kind: str
    name: str
    path: str
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        subject = f"{self.kind}/{self.name}" if self.kind or self.name else ""
        parts = [f"{self.file}:{self.line}", subject, self.path, self.message]
        if self.severity == "warning":
            parts.insert(1, "warning")
        return ": ".join(part for part in parts if part)


def in_document(document: Document, path: str, message: str, severity: Severity = "error") -> Finding:
    """A finding in an object, on the line of the field."""
    metadata = document.value.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    return Finding(
        file=document.source,
        line=document.line_of(path),
        kind=str(document.value.get("kind", "")),
        name=str(name),
        path=path,
        message=message,
        severity=severity,
    )


def in_file(fault: Fault) -> Finding:
    """A finding in what is no object."""
    return Finding(fault.source, fault.line, "", "", "", fault.message)


def add_output_argument(parser: argparse.ArgumentParser) -> None:
    """The `--output` of commands that print findings."""
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="form of the findings"
    )


def show(findings: Sequence[Finding], *, checked: int, output: str) -> None:
    """Print findings to standard output; `checked` is the number of objects that were looked at."""
    if output == "json":
        print(json.dumps({"checked": checked, "findings": [asdict(each) for each in findings]}, indent=2))
        return
    for each in findings:
        print(each)

"""What the demo changes and adds: an edit of an example agent, an agent more, and two that are wrong on purpose.

In: the agents that are there. Out: JSON patches and manifests for kubectl. Pure. Invariant: the edit is one line of the
Python of one agent in examples/; a unit test notices when the example changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

Raw = Mapping[str, Any]
EDITED_NAME = "price-orders"
OLD_LINE = '"product": product["name"],'
NEW_LINE = '"product": product["name"].upper(),'
BROKEN_NAME = "broken"
TWO_SOURCES = """\
apiVersion: kaspr.io/v1alpha1
kind: KasprAgent
metadata:
  name: undecided
  labels: {kaspr.io/app: shop}
spec:
  input:
    topic: {name: orders}
    channel: {name: orders-channel}
"""
ADDED_NAME = "count-returns"
ADDED_TOPIC = "returns"
ADDED = f"""\
apiVersion: kaspr.io/v1alpha1
kind: KasprAgent
metadata:
  name: {ADDED_NAME}
  labels: {{kaspr.io/app: shop}}
spec:
  input:
    topic: {{name: {ADDED_TOPIC}}}
  processors:
    pipeline: [note]
    operations:
      - name: note
        map:
          entrypoint: note
          python: |
            def note(value):
                return value
"""
BROKEN = f"""\
apiVersion: kaspr.io/v1alpha1
kind: KasprAgent
metadata:
  name: {BROKEN_NAME}
  labels: {{kaspr.io/app: shop}}
spec:
  input:
    topic: {{name: orders}}
  processors:
    pipeline: [double]
    operations:
      - name: double
        map:
          entrypoint: double
          python: |
            def double(value)
                return value * 2
"""


def edit(agent: Raw) -> list[dict[str, str]]:
    """A JSON patch that replaces `OLD_LINE` by `NEW_LINE` in the Python of an agent.

    Raises:
        LookupError: its Python does not hold the old line.
    """
    for path, code in _pieces(agent["spec"], "/spec"):
        if OLD_LINE in code:
            return [{"op": "replace", "path": path, "value": code.replace(OLD_LINE, NEW_LINE)}]
    raise LookupError(f"the Python of {agent['metadata']['name']} does not hold {OLD_LINE}")


def mounted_line(files: Mapping[str, str], wanted: str) -> tuple[str, str]:
    """Path of the mounted definition whose Python holds a text, and the line that holds it.

    Raises:
        LookupError: no file holds it.
    """
    for path, text in files.items():
        for _, code in _pieces(yaml.safe_load(text), ""):
            for line in code.splitlines():
                if wanted in line:
                    return path, line.strip()
    raise LookupError(f"no mounted file holds {wanted!r}; there are {sorted(files)}")


def _pieces(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """JSON pointer and text of all Python below a value."""
    items = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, item in items:
        if name == "python":
            yield f"{path}/python", item
        else:
            yield from _pieces(item, f"{path}/{name}")

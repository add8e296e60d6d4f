r"""The text of a definition file: JSON that a YAML 1.1 reader takes for exactly the same value.

In: a value of dictionaries, lists, strings, numbers, booleans and nulls. Out: the text stored in a ConfigMap and read
by the runtime with PyYAML's safe loader. JSON because bare YAML words change meaning (`on`, `1:30`, `017`); raw UTF-8
because `\u` pairs of surrogates come out of PyYAML as two broken characters (contract 3.2).
"""

from __future__ import annotations

import json
import re
from typing import Any

# Characters that PyYAML's reader refuses (controls, U+FFFE, U+FFFF, surrogates) or that YAML folds like a line break
# inside double quotes (U+0085, U+2028, U+2029), and the byte order mark. They occur only inside strings, so an escape is
# right wherever one is found; json.dumps has escaped the controls below U+0020 already.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")

_scalar = json.JSONEncoder(ensure_ascii=False).encode

MAX_KEY_LENGTH = 1000
"""A YAML reader gives up on a key of more than 1024 characters."""


def text_of(value: Any) -> str:
    """The document text of a value: sorted keys, two spaces, a newline at the end."""
    return _ESCAPED.sub(_escape, _pretty(value, "\n")) + "\n"


def _pretty(value: Any, margin: str) -> str:
    """What `json.dumps` with an indent of 2 gives, at a third of the time: with an indent it does without its C code.

    `margin` is a line break and the indent of the value.
    """
    inner = margin + "  "
    if isinstance(value, dict) and value:
        items = sorted(value.items())
        return (
            "{"
            + ",".join(f"{inner}{_scalar(key)}: {_pretty(each, inner)}" for key, each in items)
            + margin
            + "}"
        )
    if isinstance(value, list | tuple) and value:
        return "[" + ",".join(f"{inner}{_pretty(each, inner)}" for each in value) + margin + "]"
    return _scalar(value)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def value_of(text: str) -> Any:
    """The value of a document that this module wrote, None when the text is something else."""
    try:
        return json.loads(text)
    except ValueError:
        return None

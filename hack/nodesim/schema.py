"""The runtime's schema of definition documents: which YAML values it takes and which it refuses.

In: one parsed document. Out: the same data with defaults filled in, or every fault as `path: message`.
Called by `definitions` only; pure. The accept/reject matrix of the runtime decides, unknown keys are ignored
at every level, and where nothing is known about a null the stricter reading is taken: a double that is kinder
than the runtime proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Check = Callable[[Any, str, list[str]], Any]
DURATION = re.compile(r"\d+[smhd]", re.ASCII)
CONTENT_TYPES = ("text/html", "application/json", "text/plain", "application/octet-stream")
# The runtime's field library reads these as booleans, whatever their type.
TRUE = {"t", "T", "true", "True", "TRUE", "on", "On", "ON", "y", "Y", "yes", "Yes", "YES", "1"}
FALSE = {"f", "F", "false", "False", "FALSE", "off", "Off", "OFF", "n", "N", "no", "No", "NO", "0"}


@dataclass(frozen=True, slots=True)
class Spec:
    """One field of a record: how its value is checked and what happens when it is absent or null."""

    check: Check
    required: bool = False
    nullable: bool = False
    default: Any = None


def must(check: Check) -> Spec:
    """Return a field that must be there and not be null."""
    return Spec(check, required=True)


def may(check: Check, default: Any = None) -> Spec:
    """Return a field that may be absent or null."""
    return Spec(check, nullable=True, default=default)


def some(check: Check, default: Any) -> Spec:
    """Return a field that may be absent but not null."""
    return Spec(check, default=default)


def text(value: Any, at: str, errors: list[str]) -> Any:
    """Accept strings only: a bare `on` or `17` of YAML 1.1 is no string."""
    if not isinstance(value, str):
        errors.append(f"{at}: Not a valid string.")
    return value


def integer(value: Any, at: str, errors: list[str]) -> Any:
    """Accept integers and integer text, not booleans."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return int(value)
    except (TypeError, ValueError, OverflowError):
        errors.append(f"{at}: Not a valid integer.")
        return None


def boolean(value: Any, at: str, errors: list[str]) -> Any:
    """Accept what the runtime's field library takes for a boolean."""
    word = str(value)
    if not isinstance(value, bool | int | str) or word not in TRUE | FALSE:
        errors.append(f"{at}: Not a valid boolean.")
    return word in TRUE


def duration(value: Any, at: str, errors: list[str]) -> Any:
    """Accept `30s`, `5m`, `2h`, `1d`; no blank between number and unit."""
    if not isinstance(value, str) or not DURATION.fullmatch(value):
        errors.append(f"{at}: String does not match expected pattern.")
    return value


def content_type(value: Any, at: str, errors: list[str]) -> Any:
    """Accept the four content types of a web view."""
    if value not in CONTENT_TYPES:
        errors.append(f"{at}: Must be one of: {', '.join(CONTENT_TYPES)}.")
    return value


def string_map(value: Any, at: str, errors: list[str]) -> Any:
    """Accept a mapping of strings to strings; a bare number as value is refused."""
    if not isinstance(value, dict):
        errors.append(f"{at}: Not a valid mapping type.")
        return {}
    for key, item in value.items():
        text(key, f"{at}.{key}", errors)
        text(item, f"{at}.{key}", errors)
    return value


def many(check: Check) -> Check:
    """Return the check of a list of such values."""

    def checked(value: Any, at: str, errors: list[str]) -> Any:
        if not isinstance(value, list):
            errors.append(f"{at}: Not a valid list.")
            return []
        return [check(item, f"{at}[{index}]", errors) for index, item in enumerate(value)]

    return checked


def record(after: Callable[[dict[str, Any]], str | None] | None = None, /, **fields: Spec) -> Check:
    """Return the check of a mapping with these fields; `after` sees it only when every field is right."""

    def checked(value: Any, at: str, errors: list[str]) -> Any:
        if not isinstance(value, Mapping):
            errors.append(f"{at}: Invalid input type.")
            return {}
        before = len(errors)
        result = {
            name: field_value(spec, value, name.removesuffix("_"), at, errors)
            for name, spec in fields.items()
        }
        fault = after(result) if after and len(errors) == before else None
        if fault:
            errors.append(f"{at}: {fault}")
        return result

    return checked


def field_value(spec: Spec, record_: Mapping[Any, Any], name: str, at: str, errors: list[str]) -> Any:
    """Return the value of one field, or its default, and note what is wrong with it."""
    path = f"{at}.{name}" if at else name
    if name not in record_:
        if spec.required:
            errors.append(f"{path}: Missing data for required field.")
        return spec.default
    value = record_[name]
    if value is not None:
        return spec.check(value, path, errors)
    if not spec.nullable:
        errors.append(f"{path}: Field may not be null.")
    return spec.default


def one_name(topic: dict[str, Any]) -> str | None:
    """Refuse an output topic with neither or both of name and nameSelector."""
    if not topic["name"] and not topic["name_selector"]:
        return "Either name or name_selector must be provided."
    if topic["name"] is not None and topic["name_selector"] is not None:
        return "Only one of name and name_selector may be provided."
    return None


def one_source(response: dict[str, Any]) -> str | None:
    """Refuse a response that states a fixed value and a selector for the same part."""
    if response["status_code"] is not None and response["status_code_selector"] is not None:
        return "Cannot specify both status_code and status_code_selector."
    if response["headers"] and response["headers_selector"] is not None:
        return "Cannot specify both headers and headers_selector."
    return None


CODE = record(python=must(text), entrypoint=may(text))
TABLE_REFERENCE = record(name=must(text), param_name=must(text))
# declare, partitions, ... of an output topic are unknown to 0.11.18 and therefore ignored.
TOPIC_OUT = record(
    one_name,
    name=may(text),
    name_selector=may(CODE),
    ack=may(boolean, False),
    pass_through=may(boolean, False),
    key_serializer=may(text),
    value_serializer=may(text),
    key_selector=may(CODE),
    value_selector=may(CODE),
    partition_selector=may(CODE),
    headers_selector=may(CODE),
    predicate=may(CODE),
)
OPERATION = record(
    name=must(text),
    tables=some(many(TABLE_REFERENCE), ()),
    map=may(CODE),
    filter=may(CODE),
    topic_send=may(TOPIC_OUT),
)
PROCESSORS = record(
    pipeline=some(many(text), ()),
    init=may(CODE),
    operations=some(many(OPERATION), ()),
)
TOPIC_IN = record(
    name=may(text),
    pattern=may(text),
    key_serializer=may(text),
    value_serializer=may(text),
    partitions=may(integer),
    retention=may(integer),
    compacting=may(boolean),
    deleting=may(boolean),
    replicas=may(integer),
    config=may(string_map),
)
AGENT = record(
    name=must(text),
    description=may(text),
    isolated_partitions=some(boolean, False),
    input=must(
        record(
            declare=may(boolean),
            topic=may(TOPIC_IN),
            channel=may(record(name=must(text))),
            take=may(record(max=must(integer), within=must(duration))),
        )
    ),
    output=may(record(topics=some(many(TOPIC_OUT), ()))),
    processors=must(PROCESSORS),
)
WINDOW = record(
    tumbling=may(record(size=must(integer), expires=may(text))),
    hopping=may(record(size=must(integer), step=must(integer), expires=may(text))),
    relative_to=may(text),
    relative_to_selector=may(CODE),
)
TABLE = record(
    name=must(text),
    description=may(text),
    global_=some(boolean, False),
    default_selector=may(CODE),
    key_serializer=may(text),
    value_serializer=may(text),
    partitions=may(integer),
    extra_topic_configs=some(string_map, {}),
    options=some(string_map, {}),
    window=may(WINDOW),
)
JOIN = record(
    name=must(text),
    description=may(text),
    left_table=must(text),
    right_table=must(text),
    extractor=must(CODE),
    type=may(text),
    output_channel=may(text),
)
SELECTORS = record(on_success=may(CODE), on_error=may(CODE))
WEBVIEW = record(
    name=must(text),
    description=may(text),
    request=must(record(method=may(text), path=must(text))),
    response=may(
        record(
            one_source,
            content_type=may(content_type),
            status_code=may(integer),
            headers=some(string_map, {}),
            body_selector=may(SELECTORS),
            status_code_selector=may(SELECTORS),
            headers_selector=may(SELECTORS),
        )
    ),
    processors=may(PROCESSORS),
)
TASK = record(
    name=must(text),
    description=may(text),
    on_leader=some(boolean, False),
    schedule=may(record(interval=may(duration), cron=may(text), timezone=may(text))),
    processors=must(PROCESSORS),
)
DOCUMENT = record(
    tables=some(many(TABLE), ()),
    joins=some(many(JOIN), ()),
    tasks=some(many(TASK), ()),
    agents=some(many(AGENT), ()),
    webviews=some(many(WEBVIEW), ()),
)


def validate(document: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the document with defaults and all its faults; an empty file is a fault too."""
    errors: list[str] = []
    result = DOCUMENT(document, "", errors)
    return result, [error.removeprefix(": ") for error in errors]

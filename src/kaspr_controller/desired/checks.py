"""Faults and warnings of one component by itself: Python that cannot run, things that have no effect.

In: a parsed custom resource; its shape has been judged by the parser. Out: a problem, or none, and warnings. Pure: code is
compiled, never executed. The runtime would start with code that does not compile and crash at its first message, over and
over, without a word in any status (real-runtime C12); a table's default that is no class would end it at once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kaspr_controller.api import code as python
from kaspr_controller.api.v1alpha1.agent import KasprAgent
from kaspr_controller.api.v1alpha1.join import KasprJoin
from kaspr_controller.api.v1alpha1.parts import Code, Processors, TopicOutput
from kaspr_controller.api.v1alpha1.table import KasprTable
from kaspr_controller.api.v1alpha1.task import KasprTask
from kaspr_controller.api.v1alpha1.webview import KasprWebView, KasprWebViewResultHandler
from kaspr_controller.desired.definitions import Component
from kaspr_controller.desired.documents import MAX_KEY_LENGTH
from kaspr_controller.desired.problems import (
    AMBIGUOUS_CODE,
    BROKEN_IN_RUNTIME,
    INVALID_CODE,
    INVALID_SPEC,
    NO_EFFECT,
    UNCHECKED_CODE,
    Problem,
)

_SHOWN = 3
_SELECTORS = (
    ("name_selector", "nameSelector"),
    ("key_selector", "keySelector"),
    ("value_selector", "valueSelector"),
    ("partition_selector", "partitionSelector"),
    ("headers_selector", "headersSelector"),
    ("predicate", "predicate"),
)
_HANDLERS = (
    ("body_selector", "bodySelector"),
    ("status_code_selector", "statusCodeSelector"),
    ("headers_selector", "headersSelector"),
)
# Calling one of these gives an instance, where the runtime wants the class itself.
_CLASSES = frozenset({"bool", "bytes", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"})
_VALUES = (
    ast.Constant,
    ast.Dict,
    ast.DictComp,
    ast.JoinedStr,
    ast.List,
    ast.ListComp,
    ast.Set,
    ast.SetComp,
    ast.Tuple,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of Python: where it stands, and how the runtime treats it.

    Attributes:
        field: its path.
        code: text and entrypoint.
        called: a function of it is called; `init` is only executed.
        awaited: the function may be async; selectors are called without waiting.
        scope: names of `init` that are there before the code runs.
    """

    field: str
    code: Code
    called: bool = True
    awaited: bool = False
    scope: python.Definitions | None = None


def problem(component: Component) -> Problem | None:
    """The reason to hold a component back, None when there is none. The first few faults are all named."""
    faults = [
        (piece.field, message)
        for piece in _pieces(component)
        for message in python.problems(
            piece.code.python,
            piece.code.entrypoint,
            scope=piece.scope,
            needs_callable=piece.called,
            synchronous=not piece.awaited,
        )
    ]
    if len(faults) == 1:
        return Problem(INVALID_CODE, *faults[0])
    if faults:
        shown = "; ".join(f"{field}: {message}" for field, message in faults[:_SHOWN])
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        return Problem(INVALID_CODE, "", shown + more)
    return _default_problem(component) if isinstance(component, KasprTable) else _key_problem(component)


def warnings(component: Component) -> tuple[Problem, ...]:
    """Things that work otherwise than the user may think; they hold nothing back."""
    shadowed = (*_shadowed(getattr(component.spec, "processors", None)), *_unchecked(component))
    if isinstance(component, KasprAgent):
        return (*_agent_warnings(component), *shadowed)
    if isinstance(component, KasprTable):
        return (*_table_warnings(component), *shadowed)
    if isinstance(component, KasprTask):
        return (*_task_warnings(component), *shadowed)
    return shadowed


def _unchecked(component: Component) -> Iterator[Problem]:
    """Code that only a newer Python than ours can judge."""
    for piece in _pieces(component):
        if why := python.unchecked(piece.code.python):
            text = f"{why}: it is not checked, make sure that the members' image has that Python"
            yield Problem(UNCHECKED_CODE, piece.field, text)


def _shadowed(processors: Processors | None) -> Iterator[Problem]:
    """Operations without an entrypoint where `init` brings something callable: that is called instead (contract T16)."""
    if processors is None or processors.init is None:
        return
    brought = python.definitions(processors.init.python).callables
    for index, operation in enumerate(processors.operations if brought else ()):
        for name, code in (("map", operation.map), ("filter", operation.filter)):
            if code is not None and code.entrypoint is None:
                path = f"spec.processors.operations[{index}].{name}"
                text = f"without an entrypoint the runtime calls {brought[0]} of init instead; name the entrypoint"
                yield Problem(AMBIGUOUS_CODE, path, text)


def _pieces(component: Component) -> Iterator[Piece]:
    """Every piece of Python of a component."""
    if isinstance(component, KasprAgent):
        for index, topic in enumerate(component.spec.output.topics if component.spec.output else ()):
            yield from _topic_pieces(f"spec.output.topics[{index}]", topic)
    elif isinstance(component, KasprTable):
        if component.spec.default_selector:
            yield Piece("spec.defaultSelector", component.spec.default_selector)
        if component.spec.window and component.spec.window.relative_to_selector:
            yield Piece("spec.window.relativeToSelector", component.spec.window.relative_to_selector)
    elif isinstance(component, KasprJoin):
        yield Piece("spec.extractor", component.spec.extractor)
    elif isinstance(component, KasprWebView):
        yield from _response_pieces(component)
    processors: Processors | None = getattr(component.spec, "processors", None)
    if processors is not None:
        yield from _processor_pieces(processors)


def _processor_pieces(processors: Processors) -> Iterator[Piece]:
    scope = None
    if processors.init:
        yield Piece("spec.processors.init", processors.init, called=False)
        scope = python.definitions(processors.init.python)
    for index, operation in enumerate(processors.operations):
        path = f"spec.processors.operations[{index}]"
        if operation.map:
            yield Piece(f"{path}.map", operation.map, awaited=True, scope=scope)
        if operation.filter:
            yield Piece(f"{path}.filter", operation.filter, awaited=True, scope=scope)
        if operation.topic_send:
            yield from _topic_pieces(f"{path}.topicSend", operation.topic_send)


def _topic_pieces(path: str, topic: TopicOutput) -> Iterator[Piece]:
    for attribute, spelled in _SELECTORS:
        code: Code | None = getattr(topic, attribute)
        if code is not None:
            yield Piece(f"{path}.{spelled}", code)


def _response_pieces(component: KasprWebView) -> Iterator[Piece]:
    response = component.spec.response
    for attribute, name in _HANDLERS if response else ():
        handler: KasprWebViewResultHandler | None = getattr(response, attribute)
        if handler and handler.on_success:
            yield Piece(f"spec.response.{name}.onSuccess", handler.on_success)
        if handler and handler.on_error:
            yield Piece(f"spec.response.{name}.onError", handler.on_error)


def _default_problem(component: KasprTable) -> Problem | None:
    code = component.spec.default_selector
    if code is None or python.unchecked(code.python) or not _returns_a_value(code):
        return _key_problem(component)
    text = "must return a class such as int, dict or list, not a value of it; the runtime would not start"
    return Problem(INVALID_CODE, "spec.defaultSelector", text)


def _returns_a_value(code: Code) -> bool:
    """Whether the function that is called certainly returns something that is no class, whatever way it takes."""
    called = code.entrypoint or next(iter(python.definitions(code.python).callables), None)
    functions = [node for node in ast.parse(code.python).body if isinstance(node, ast.FunctionDef)]
    function = next((node for node in functions if node.name == called), None)
    if function is None or isinstance(function.body[-1], ast.Raise):
        return False
    return all(_is_value(result.value) for result in _returns(function.body))


def _returns(body: Iterable[ast.AST]) -> Iterator[ast.Return]:
    """The returns of a function itself; those of functions and classes within it are somebody else's."""
    for node in body:
        if isinstance(node, ast.Return):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _returns(ast.iter_child_nodes(node))


def _is_value(node: ast.expr | None) -> bool:
    if node is None or isinstance(node, _VALUES):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CLASSES


def _key_problem(component: Component) -> Problem | None:
    """A key so long that no YAML reader takes it for one."""
    spec = component.spec
    for attribute, spelled in (("extra_topic_configs", "extraTopicConfigs"), ("options", "options")):
        if any(len(key) > MAX_KEY_LENGTH for key in getattr(spec, attribute, None) or ()):
            text = (
                f"a key has more than {MAX_KEY_LENGTH} characters; the runtime could not read the definition"
            )
            return Problem(INVALID_SPEC, f"spec.{spelled}", text)
    return None


def _agent_warnings(component: KasprAgent) -> Iterator[Problem]:
    topic = component.spec.input.topic
    if topic and topic.pattern:
        text = "the runtime does not support patterns yet: this agent receives nothing"
        yield Problem(BROKEN_IN_RUNTIME, "spec.input.topic.pattern", text)


def _table_warnings(component: KasprTable) -> Iterator[Problem]:
    if component.spec.window:
        yield Problem(
            NO_EFFECT, "spec.window", "the runtime does not implement windows: this is an ordinary table"
        )
    if component.spec.options:
        yield Problem(NO_EFFECT, "spec.options", "the runtime does not read table options")


def _task_warnings(component: KasprTask) -> Iterator[Problem]:
    processors = component.spec.processors
    by_name = {operation.name: (index, operation) for index, operation in enumerate(processors.operations)}
    for place, name in enumerate(processors.pipeline):
        index, operation = by_name[name]
        path = f"spec.processors.operations[{index}]"
        if operation.filter:
            yield Problem(
                BROKEN_IN_RUNTIME, f"{path}.filter", "the runtime cannot run filter in tasks (0.11.18)"
            )
        if operation.topic_send and place == 0:
            text = "the runtime cannot run topicSend as the first operation of a task (0.11.18)"
            yield Problem(BROKEN_IN_RUNTIME, f"{path}.topicSend", text)

"""KasprWebView: an HTTP endpoint of an app.

In: the JSON of the custom resource. Out: `KasprWebView`. The runtime refuses to start on a response with two sources for one
thing, so the models refuse it first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kaspr_controller.api.metadata import WEB_VIEW, CustomKind
from kaspr_controller.api.modelling import Description, Hint, Part, ScalarMap, ShortText
from kaspr_controller.api.rules import rule, shaped
from kaspr_controller.api.v1alpha1.parts import Code, Processors
from kaspr_controller.api.v1alpha1.resource import Component, name_fits
from kaspr_controller.api.v1alpha1.status import ComponentStatus

KasprWebViewProcessors = Processors
RESERVED_PATHS = ("/", "/metrics", "/status/", "/signal/rebalance")
RESERVED_PREFIXES = ("/router/", "/table/")

WebPath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=512,
        pattern=r"^/([^\s?#{}]|\{[_a-zA-Z][^{}]*(\{[^{}]*\}[^{}]*)*\})*$",
    ),
    Hint("a path that starts with '/', with placeholders as {name}"),
]


class KasprWebViewRequest(Part):
    """Specification for the web view request endpoint."""

    method: Literal["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] = Field(
        description="HTTP method to use for the request."
    )
    path: WebPath = Field(
        description="Web path to listen on; `{name}` makes a part of it an argument. The runtime's own paths are taken: "
        "`/`, `/metrics`, `/status/`, `/signal/rebalance`, `/router/...`, `/table/...`."
    )

    @rule(
        "!(self.path in ['/', '/metrics', '/status/', '/signal/rebalance'])"
        " && !self.path.startsWith('/router/') && !self.path.startsWith('/table/')",
        "path belongs to the runtime itself (/, /metrics, /status/, /signal/rebalance, /router/..., /table/...); "
        "choose another one",
        at="path",
    )
    def _own_path(self) -> bool:
        return self.path not in RESERVED_PATHS and not self.path.startswith(RESERVED_PREFIXES)


class KasprWebViewResultHandler(Part):
    """Function handlers for success or error; at least one."""

    on_success: Code | None = Field(None, description="Function to transform the response on success.")
    on_error: Code | None = Field(
        None,
        description="Function to transform the response on error. Its argument describes the error: `str(error)` shows "
        "operation, message, cause and cause_object.",
    )

    @rule("has(self.onSuccess) || has(self.onError)", "set onSuccess, onError or both")
    def _some_handler(self) -> bool:
        return self.on_success is not None or self.on_error is not None


class KasprWebViewResponse(Part):
    """Specification for the web view's response output."""

    content_type: (
        Literal["text/html", "application/json", "text/plain", "application/octet-stream"] | None
    ) = Field(None, description="Response content type; absent means `text/plain`.")
    status_code: Annotated[int, Field(ge=100, le=599)] | None = Field(
        None,
        description="HTTP status code to return on success; absent means 200. Exclusive with `statusCodeSelector`.",
    )
    headers: ScalarMap | None = Field(
        None,
        max_length=64,
        description="Headers as key and value pairs to return in the response. Exclusive with `headersSelector`.",
    )
    body_selector: KasprWebViewResultHandler | None = Field(
        None, description="Custom function to transform the response body on success or error."
    )
    status_code_selector: KasprWebViewResultHandler | None = Field(
        None, description="Custom function to determine the status code that is returned in response."
    )
    headers_selector: KasprWebViewResultHandler | None = Field(
        None, description="Custom function to determine the headers returned in response."
    )

    @rule(
        "!has(self.statusCode) || !has(self.statusCodeSelector)",
        "statusCode and statusCodeSelector exclude each other; remove one",
        at="statusCode",
    )
    def _one_status_code(self) -> bool:
        return self.status_code is None or self.status_code_selector is None

    @shaped(
        {
            "not": {
                "required": ["headers", "headersSelector"],
                "properties": {"headers": {"minProperties": 1}},
            }
        },
        "headers and headersSelector exclude each other; remove one",
    )
    def _one_source_of_headers(self) -> bool:
        return not self.headers or self.headers_selector is None


class KasprWebViewSpec(Part):
    """Specification of a KasprWebView."""

    name: ShortText | None = Field(None, description="Ignored; the web view is known by its `metadata.name`.")
    description: Description | None = Field(
        None, description="A short description of the web view for documentation purpose."
    )
    request: KasprWebViewRequest = Field(description="Describes the request endpoint listener.")
    response: KasprWebViewResponse | None = Field(
        None, description="Describes the web view's response output."
    )
    processors: Processors | None = Field(
        None,
        description="Operations that produce the response. The first one is called with the request, its tables and the "
        "placeholders of the path.",
    )


class KasprWebView(Component):
    """A web view provides an HTTP endpoint to a KasprApp, enabling remote access to the application."""

    custom_kind: ClassVar[CustomKind] = WEB_VIEW
    status_model: ClassVar[type[Part]] = ComponentStatus
    _name_is_short: ClassVar[Callable[[Any], bool]] = name_fits(WEB_VIEW)

    kind: Literal["KasprWebView"] = Field(description="Always `KasprWebView`.")
    spec: KasprWebViewSpec = Field(description="Specification of the web view.")

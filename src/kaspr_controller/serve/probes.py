"""/healthz and /readyz in the form that controller-runtime users know (design section 19, rule O1).

Checks are callables by name that say what is wrong, or None; wiring hands them in and they must be quick. The short form
withholds the reasons, since a probe's text ends up in events that many can read; `?verbose` gives them to whoever asks.
A check that fails itself counts as failed: an unknown state is no good one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias

from kaspr_controller.serve.pages import Page, Request, View, not_found, text

Check: TypeAlias = Callable[[], str | None]
"""Why the check fails, None when it does not."""
Checks: TypeAlias = Mapping[str, Check]


def probe(name: str, checks: Checks) -> View:
    """The view of one probe.

    `/name` runs all checks but those named by `?exclude=`, `/name/check` runs one. 200 or 500.

    Args:
        name: `healthz` or `readyz`, for the last line.
        checks: all of them must pass; with none, `ping` passes.
    """
    effective: Checks = checks or {"ping": lambda: None}

    def view(request: Request) -> Page:
        if request.rest:
            return _one(effective, "/".join(request.rest), verbose="verbose" in request.query)
        return _all(name, effective, request)

    return view


def _one(checks: Checks, name: str, *, verbose: bool) -> Page:
    if name not in checks:
        return not_found(f"check {name}; there are {', '.join(sorted(checks))}")
    reason = _run(checks[name])
    if reason is None:
        return text("ok")
    shown = reason if verbose else "reason withheld"
    return text(f"internal server error: {shown}\n", HTTPStatus.INTERNAL_SERVER_ERROR)


def _all(name: str, checks: Checks, request: Request) -> Page:
    verbose = "verbose" in request.query
    excluded = set(request.query.get("exclude", []))
    lines: list[str] = []
    failed = False
    for check, run in sorted(checks.items()):
        if check in excluded:
            lines.append(f"[+]{check} excluded: ok")
            continue
        reason = _run(run)
        failed = failed or reason is not None
        shown = reason if verbose else "reason withheld"
        lines.append(f"[+]{check} ok" if reason is None else f"[-]{check} failed: {shown}")
    if unknown := sorted(excluded - checks.keys()):
        lines.append(f"warn: some checks cannot be excluded: there is no {', '.join(unknown)}")
    if failed:
        lines.append(f"{name} check failed")
        return text("\n".join(lines) + "\n", HTTPStatus.INTERNAL_SERVER_ERROR)
    return text("\n".join([*lines, f"{name} check passed"]) + "\n") if verbose else text("ok")


def _run(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - whatever it is, the check has not passed
        return f"the check itself failed: {type(error).__name__}"

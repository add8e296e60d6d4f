"""Scripted misbehaviour of one pod, as text: what a test or a demo writes into an annotation.

In: text such as `slow=3, frozen` from the pod annotation `sim.kaspr.io/behaviour` or the control API. Out: a frozen
`Behaviour`. Pure. An unknown word is an error: a misspelled script would test nothing.

    slow=F           every phase of the start takes F times as long
    start-delay=S    S real seconds before the container starts
    hung             rebalances for ever, heartbeats go on (hung candidate of C10)
    refuses          works, but its port never opens
    frozen           stands still like after SIGSTOP: connects, never answers, no heartbeats (C11)
    cut-off          has lost its brokers, answers HTTP (C10)
    crash=CODE       ends with this exit code after its imports
    crash-after=S    ends with exit code 1 after S real seconds
    lying=CLASS      wrong answers at `/status/`: one of `LIES`
    init-fails=CODE  the init containers end with this exit code
    init-seconds=S   an init container takes S real seconds
    install-fails=CATEGORY  the installer of packages fails: one of `INSTALL_FAULTS`
"""

from __future__ import annotations

from dataclasses import dataclass

ANNOTATION = "sim.kaspr.io/behaviour"
LIES = {
    "leader": "claims to be the leader",
    "calm": "reports no rebalancing while it rebalances",
    "empty": "reports an empty assignment",
    "greedy": "claims partitions of a topic nobody knows",
    "garbage": "a body that is no JSON, labelled as JSON",
    "types": "JSON of the wrong shape",
    "list": "a JSON list instead of an object",
    "huge": "a body of 8 MiB",
    "html": "an HTML page with status 200",
    "slow-body": "headers at once, the body never",
    "error": "500 although it runs",
    "redirect": "a redirect to another host",
}


INSTALL_FAULTS = {
    "authentication",
    "hash_mismatch",
    "network",
    "package_not_found",
    "timeout",
    "unknown",
}


class BadScript(ValueError):  # noqa: N818  # says what it is
    """The text is no behaviour."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one pod does out of the ordinary; seconds are real seconds."""

    slow: float = 1.0
    start_delay: float = 0.0
    hung: bool = False
    refuses: bool = False
    frozen: bool = False
    cut_off: bool = False
    crash: int | None = None
    crash_after: float | None = None
    lying: str | None = None
    init_fails: int | None = None
    init_seconds: float | None = None
    install_fails: str | None = None


FLAGS = {"hung", "refuses", "frozen", "cut-off"}
NUMBERS = {"slow", "start-delay", "crash-after", "init-seconds"}
CODES = {"crash", "init-fails"}


def parse(text: str) -> Behaviour:
    """Return the behaviour a text describes; empty text is an ordinary member.

    Raises:
        BadScript: an unknown word, a missing or superfluous value.
    """
    values: dict[str, object] = {}
    for part in filter(None, (word.strip() for word in text.split(","))):
        word, _, value = part.partition("=")
        values[word.replace("-", "_")] = meaning(word, value)
    return Behaviour(**values)  # type: ignore[arg-type]  # `meaning` gives each field its type


def meaning(word: str, value: str) -> object:
    """Return the value of one word of the script."""
    try:
        if word in FLAGS and not value:
            return True
        if word in NUMBERS:
            return float(value)
        if word in CODES:
            return int(value)
    except ValueError:
        raise BadScript(f"{word}: {value!r} is no number") from None
    if (word == "lying" and value in LIES) or (word == "install-fails" and value in INSTALL_FAULTS):
        return value
    raise BadScript(
        f"{word}={value}: unknown; words are {sorted(FLAGS | NUMBERS | CODES)} lying={sorted(LIES)} "
        f"install-fails={sorted(INSTALL_FAULTS)}"
    )

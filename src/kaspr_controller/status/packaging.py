"""How the packages of an app are: `status.pythonPackages` and the condition `PythonPackagesReady` (contract 1.2).

In: what is to be installed and the pods as stored. Out: the status part, the condition, and the installations that have
ended. Called by the reconciler once a pass; pure. The installer leaves JSON in the termination message of its container:
the marker of the finished set, or the category of the failure with pip's last words, without secrets. With the policy
`allow` a container that failed ends with 0 and still leaves a category, so its exit code alone proves nothing. Only
pods of the newest revision speak for the packages of the spec.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from kaspr_controller.status import reasons
from kaspr_controller.status.conditions import Truth, Verdict, bounded, enumerate_few
from kaspr_controller.status.moments import seconds_of

CONTAINER = "install-packages"
CONDITION = "PythonPackagesReady"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
"""Of a date-time: the API server refuses a whole status for one that is none, and this one comes out of a pod."""
_REVISION = "controller-revision-hash"
_WORDS = 300
_CAUSES = 3
_STUCK = frozenset({"CrashLoopBackOff", "Error", "ErrImagePull", "ImagePullBackOff"})
_ADVICE = {
    "authentication": "check spec.pythonPackages.credentials, and what that user may read",
    "network": "the pod does not reach the index: check indexUrl, DNS, network policies and proxies",
    "package_not_found": "check names and versions in spec.pythonPackages.packages, and that the index has them for the Python of the image",
    "hash_mismatch": "the index serves another file than the hash in spec.pythonPackages.packages names",
    "timeout": "raise spec.pythonPackages.installPolicy.timeout, or look why it takes so long",
}
_OTHERWISE = f"look at the log of the container {CONTAINER}"

State: TypeAlias = Literal["waiting", "installing", "installed", "failed"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be installed: the hash of it all, where it is kept (`status.pythonPackages.cacheMode`), the list."""

    hash: str
    mode: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Install:
    """The installer of one pod.

    Attributes:
        pod: name of the pod.
        state: how far it is; `failed` as long as no later attempt has ended well.
        current: the pod is of the newest revision.
        category: of the failure, "" when there is none.
        message: the last words of a failure.
        ended: names the attempt that ended last, "" when none has.
        marker: of the set that the pod uses.
    """

    pod: str
    state: State
    current: bool
    category: str = ""
    message: str = ""
    ended: str = ""
    marker: Mapping[str, Any] | None = None

    @property
    def own(self) -> bool:
        """It installed the set itself; others found it there."""
        return (self.marker or {}).get("pod_name") == self.pod

    @property
    def seconds(self) -> float | None:
        """How long that took, None when it did not happen here or nobody knows."""
        text = str((self.marker or {}).get("duration", "")).removesuffix("s")
        return float(text) if self.own and text.isdecimal() else None

    @property
    def complaint(self) -> str:
        """Member, category, words and what to do."""
        words = f": {self.message}" if self.message else ""
        return f"{self.pod}: {self.category}{words} ({_ADVICE.get(self.category, _OTHERWISE)})"


@dataclass(frozen=True, slots=True)
class Packaging:
    """The outcome.

    Attributes:
        part: `status.pythonPackages`, None where no packages are asked for.
        verdicts: the condition, if there is one.
        installs: by pod.
    """

    part: Mapping[str, Any] | None = None
    verdicts: tuple[Verdict, ...] = ()
    installs: tuple[Install, ...] = ()


def judge(
    wanted: Wanted | None, pods: Iterable[Mapping[str, Any]], *, revision: str, old: Mapping[str, Any] | None
) -> Packaging:
    """The packages of an app.

    Args:
        wanted: None where none are asked for.
        pods: of the app, as stored.
        revision: the newest one, "" before there is any.
        old: the part of the previous status.
    """
    if wanted is None:
        return Packaging()
    found = tuple(each for pod in pods if (each := read(pod, revision)) is not None)
    return Packaging(_part(wanted, found, old or {}), (_verdict(found),), found)


def read(pod: Mapping[str, Any], revision: str) -> Install | None:
    """What the installer of a pod has come to; None for a pod without one, and for one that is on its way out."""
    meta, statuses = pod["metadata"], pod.get("status", {}).get("initContainerStatuses") or ()
    status = next((item for item in statuses if item.get("name") == CONTAINER), None)
    if status is None or "deletionTimestamp" in meta:
        return None
    name = str(meta["name"])
    current = bool(revision) and (meta.get("labels") or {}).get(_REVISION) == revision
    state = status.get("state") or {}
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated") or {}
    waiting = state.get("waiting") or {}
    attempt = f"{meta.get('uid', '')}/{ended.get('finishedAt', '')}" if ended else ""
    said = _json(ended.get("message"))
    if ended.get("exitCode") or "category" in said or waiting.get("reason") in _STUCK:
        category = str(said.get("category") or "unknown")
        words = str(said.get("message") or ended.get("message") or waiting.get("message") or "")
        # The error is at the end of what pip says.
        words = " ".join(words.split())[-_WORDS:]
        return Install(name, "failed", current, category, words, attempt)
    if ended:
        return Install(name, "installed", current, ended=attempt, marker=said)
    return Install(name, "installing" if "running" in state else "waiting", current)


def _json(text: Any) -> Mapping[str, Any]:
    """What the installer left; an empty mapping for everything else that may stand there."""
    try:
        found = json.loads(text or "")
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _part(wanted: Wanted, found: Sequence[Install], old: Mapping[str, Any]) -> dict[str, Any]:
    """What is installed; what an earlier pod has told stays true after it."""
    done = [each for each in found if each.current and each.state == "installed"]
    kept = old if old.get("hash") == wanted.hash else {}
    # Of a shared set all tell the same; of many the first time is when the app could start.
    marker = min((each.marker or {} for each in done), key=_installed_at, default={})
    fields = {
        "hash": wanted.hash,
        "cacheMode": wanted.mode,
        "installed": list(wanted.packages) if done else kept.get("installed"),
        "lastInstallTime": _time(marker) or kept.get("lastInstallTime"),
        "installDuration": _text(marker, "duration") or kept.get("installDuration"),
        "installedBy": _text(marker, "pod_name") or kept.get("installedBy"),
        "warnings": [bounded(each.complaint, 2 * _WORDS) for each in _failed(found)][:_CAUSES],
    }
    return {key: value for key, value in fields.items() if value}


def _installed_at(marker: Mapping[str, Any]) -> str:
    return str(marker.get("install_time") or "~")


def _time(marker: Mapping[str, Any]) -> str | None:
    text = _text(marker, "install_time")
    return text if text and _TIME.fullmatch(text) and seconds_of(text) is not None else None


def _text(marker: Mapping[str, Any], name: str) -> str | None:
    found = marker.get(name)
    return found[:_WORDS] if isinstance(found, str) else None


def _failed(found: Sequence[Install]) -> list[Install]:
    return [each for each in found if each.current and each.state == "failed"]


def _verdict(found: Sequence[Install]) -> Verdict:
    current = [each for each in found if each.current]
    failed = _failed(found)
    missing = [each.pod for each in current if each.state != "installed"]
    status: Truth = "False"
    if failed:
        reason, text = (
            reasons.INSTALLATION_FAILED,
            enumerate_few([each.complaint for each in failed], most=_CAUSES),
        )
    elif not current and any(each.state == "installed" for each in found):
        reason, text = reasons.PACKAGES_UPDATING, "no pod with the packages of the spec has started yet"
    elif not current:
        reason, text = reasons.INSTALLING, "no pod has begun to install them"
    elif missing:
        reason, text = reasons.INSTALLING, f"not installed yet: {enumerate_few(missing)}"
    else:
        status, reason, text = "True", reasons.PACKAGES_INSTALLED, "Every member has its packages"
    return Verdict(CONDITION, status, reason, text)

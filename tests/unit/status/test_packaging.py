"""The packages of an app in its status: who has them, who has not, and what to do about it (contract 1.2, D59)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kaspr_controller.status.packaging import Install, Packaging, Wanted, judge

WANTED = Wanted("abc", "persistent", ("requests==2.31",))
MARKER = {
    "python_version": "3.11",
    "install_time": "2026-01-02T03:04:05.000006+00:00",
    "duration": "14s",
    "pod_name": "orders-app-1",
}
LATER = {**MARKER, "install_time": "2026-01-02T04:00:00+00:00", "pod_name": "orders-app-0"}


def ended(said: Any = None, *, code: int = 0, at: str = "t1") -> dict[str, Any]:
    text = said if isinstance(said, str) else json.dumps(said)
    return {
        "terminated": {"exitCode": code, "finishedAt": at, **({"message": text} if said is not None else {})}
    }


def failure(category: str, message: str = "no") -> dict[str, str]:
    return {"category": category, "message": message}


def pod(
    number: int = 0,
    state: dict[str, Any] | None = None,
    *,
    last: dict[str, Any] | None = None,
    revision: str = "new",
    **meta: Any,
) -> dict[str, Any]:
    container = {"name": "install-packages", "state": state or {}, "lastState": last or {}}
    return {
        "metadata": {
            "name": f"orders-app-{number}",
            "uid": f"u{number}",
            "labels": {"controller-revision-hash": revision},
            **meta,
        },
        "status": {"initContainerStatuses": [{"name": "mesh", "state": {}}, container]},
    }


def judged(*pods: dict[str, Any], old: dict[str, Any] | None = None) -> Packaging:
    return judge(WANTED, pods, revision="new", old=old)


def why(found: Packaging) -> tuple[str, str]:
    (verdict,) = found.verdicts
    assert verdict.type == "PythonPackagesReady"
    return verdict.status, verdict.reason


def part(found: Packaging) -> dict[str, Any]:
    assert found.part is not None
    return dict(found.part)


def test_without_packages_nothing_is_said() -> None:
    """Contract 1.2: field and condition go with the spec."""
    assert judge(None, [pod(0, ended(MARKER))], revision="new", old={"hash": "abc"}) == Packaging()


def test_installed_packages_are_described_by_their_marker() -> None:
    """Contract 1.2: all fields, from the one who installed them."""
    found = judged(pod(0, ended(MARKER)), pod(1, ended(MARKER)))
    assert why(found) == ("True", "PackagesInstalled")
    assert part(found) == {
        "hash": "abc",
        "cacheMode": "persistent",
        "installed": ["requests==2.31"],
        "lastInstallTime": MARKER["install_time"],
        "installDuration": "14s",
        "installedBy": "orders-app-1",
    }


def test_of_many_installations_the_first_counts() -> None:
    """Without a shared volume each pod has its own; the status must not change with each pod that starts."""
    assert part(judged(pod(0, ended(LATER)), pod(1, ended(MARKER))))["installedBy"] == "orders-app-1"


@pytest.mark.parametrize("state", [{}, {"running": {}}, {"waiting": {"reason": "PodInitializing"}}])
def test_a_member_that_has_them_not_yet_is_named(state: dict[str, Any]) -> None:
    """One is enough."""
    found = judged(pod(0, ended(MARKER)), pod(1, state))
    assert why(found) == ("False", "Installing")
    assert "orders-app-1" in found.verdicts[0].message


def test_before_there_are_pods_nothing_is_installed() -> None:
    """A part all the same: its hash says what is coming."""
    found = judged()
    assert why(found) == ("False", "Installing")
    assert part(found) == {"hash": "abc", "cacheMode": "persistent"}


def test_pods_of_an_older_revision_do_not_speak_for_the_new_packages() -> None:
    """They have other packages, or the same; nobody knows."""
    found = judged(pod(0, ended(MARKER), revision="old"))
    assert why(found) == ("False", "PackagesUpdating")
    assert "installed" not in part(found)
    found = judged(pod(0, ended(MARKER), revision="old"), pod(1, {"running": {}}))
    assert why(found) == ("False", "Installing")


def test_without_a_revision_nobody_speaks() -> None:
    """The StatefulSet's controller has not seen the template yet."""
    found = judge(WANTED, [pod(0, ended(MARKER), revision="")], revision="", old=None)
    assert why(found) == ("False", "PackagesUpdating")


@pytest.mark.parametrize(
    ("category", "advice"),
    [
        ("authentication", "credentials"),
        ("network", "indexUrl"),
        ("package_not_found", "spec.pythonPackages.packages"),
        ("hash_mismatch", "hash"),
        ("timeout", "installPolicy.timeout"),
        ("unknown", "log"),
        ("from the future", "log"),
    ],
)
def test_a_failure_is_named_with_its_category_and_the_fix(category: str, advice: str) -> None:
    """D59: condition and status say who, what, in pip's last words, and what to do."""
    found = judged(pod(0, ended(MARKER)), pod(1, ended(failure(category, "pip said no"), code=1)))
    assert why(found) == ("False", "InstallationFailed")
    for text in (found.verdicts[0].message, *part(found)["warnings"]):
        assert text.startswith(f"orders-app-1: {category}: pip said no (")
        assert advice in text.partition("(")[2]


def test_a_failure_that_is_allowed_is_a_failure() -> None:
    """D59: with the policy `allow` the container ends with 0; the member starts without its packages."""
    found = judged(pod(0, ended(failure("network"), code=0)))
    assert why(found) == ("False", "InstallationFailed")
    assert "installed" not in part(found)


@pytest.mark.parametrize("state", [{"running": {}}, {"waiting": {"reason": "CrashLoopBackOff"}}])
def test_a_failure_stays_until_a_later_attempt_ends_well(state: dict[str, Any]) -> None:
    """The kubelet starts it again and again; the condition does not flap with that."""
    last = ended(failure("authentication"), code=1)
    assert why(judged(pod(0, state, last=last))) == ("False", "InstallationFailed")
    assert why(judged(pod(0, ended(MARKER), last=last))) == ("True", "PackagesInstalled")


def test_a_failure_of_an_older_revision_is_over() -> None:
    """The edit that repairs it makes a new one."""
    found = judged(pod(0, ended(failure("network"), code=1), revision="old"))
    assert why(found) == ("False", "Installing")
    assert "warnings" not in part(found)


def test_an_image_that_cannot_be_pulled_is_a_failure() -> None:
    """The installer has not even begun; the kubelet's words are passed on."""
    found = judged(pod(0, {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}))
    assert why(found) == ("False", "InstallationFailed")
    assert "no such image" in found.verdicts[0].message


@pytest.mark.parametrize(
    "said", [None, "", "null", "[]", "{", "\x00", "[" * 4000, '{"install_time": 7, "duration": []}']
)
def test_an_unreadable_message_of_a_good_end_is_no_failure(said: Any) -> None:
    """Contract 1.2: installed, with nothing told about when and by whom."""
    found = judged(pod(0, ended(said)))
    assert why(found) == ("True", "PackagesInstalled")
    assert set(part(found)) == {"hash", "cacheMode", "installed"}


@pytest.mark.parametrize("time", ["yesterday", "2026-01-02", "2026-13-45T99:00:00Z", "20260102T030405Z"])
def test_a_time_that_is_none_is_left_out(time: str) -> None:
    """The API server would refuse the whole status for it."""
    assert "lastInstallTime" not in part(judged(pod(0, ended({**MARKER, "install_time": time}))))


def test_an_unreadable_message_of_a_bad_end_is_unknown() -> None:
    """What was said is passed on, bounded, its end first of all."""
    found = judged(pod(0, ended("x" * 5000 + " the end", code=137)))
    (warning,) = part(found)["warnings"]
    assert warning.startswith("orders-app-0: unknown: ")
    assert "the end" in warning
    assert len(warning) < 700


def test_many_failures_are_few_words() -> None:
    """A status does not grow with the fleet."""
    found = judged(*(pod(number, ended(failure("network", "n" * 900), code=1)) for number in range(100)))
    assert len(part(found)["warnings"]) == 3
    assert "and 97 more" in found.verdicts[0].message


def test_what_was_installed_is_remembered_while_no_pod_is_there() -> None:
    """Scaled to zero and back, a shared volume still has them; other packages are another matter."""
    old = part(judged(pod(0, ended(MARKER))))
    assert part(judged(old=old)) == old
    assert part(judged(old={**old, "hash": "xyz"})) == {"hash": "abc", "cacheMode": "persistent"}


def test_a_pod_that_goes_says_nothing() -> None:
    """Nor does one that has no installer."""
    going = pod(0, ended(failure("network"), code=1), deletionTimestamp="now")
    bare = {"metadata": {"name": "orders-app-1", "uid": "u"}, "status": {}}
    assert judged(going, bare).installs == ()


def test_each_attempt_has_a_name_and_only_the_installer_a_duration() -> None:
    """What is counted is counted once, and a set that was found there took no time."""
    first, other = judged(pod(0, ended(MARKER)), pod(1, ended(MARKER, at="t2"))).installs
    assert (first.ended, first.own, first.seconds) == ("u0/t1", False, None)
    assert (other.ended, other.own, other.seconds) == ("u1/t2", True, 14.0)
    assert Install("a-0", "waiting", current=True).seconds is None

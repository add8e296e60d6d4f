"""Kafka is asked for an app when somebody needs to know, and whatever goes wrong ends as a reason without a secret."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.api.parsing import parse
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.groups.answers import Farewell, GroupFault, GroupMember, GroupView
from kaspr_controller.kube.errors import Forbidden, NotFound, ServerError
from kaspr_controller.kube.kinds import SECRET
from kaspr_controller.reconcilers.seating import AGAIN_SECONDS, FRESH_SECONDS, Seatings
from kaspr_controller.status.actions import SayGoodbye
from kaspr_controller.status.farewell import Owed
from tests.unit.groups.desks import Desk
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP

if TYPE_CHECKING:
    from kaspr_controller.kube.errors import ApiError
    from kaspr_controller.kube.kinds import Kind, Raw

PASSWORD = "correct horse battery staple"
LOGIN = {
    "type": "scram-sha-512",
    "username": "orders",
    "passwordSecret": {"secretName": "kafka-user", "passwordKey": "password"},
}
VIEW = GroupView("stable", (GroupMember("orders-app-0", "c", "h"),))
OWED = Owed("orders-app-1", "uid-1", "gone", 0.0)
GOODBYE = SayGoodbye("orders-app-1", "uid-1", "gone")


class Secrets:
    """An API server with one Secret, or an error in its place."""

    def __init__(self, data: dict[str, str] | None = None, error: ApiError | None = None) -> None:
        self.data = data
        self.error = error
        self.asked: list[tuple[str, str, str]] = []

    def get(self, kind: Kind, namespace: str, name: str) -> Raw:
        self.asked.append((kind.kind, namespace, name))
        if self.error is not None:
            raise self.error
        return {"data": self.data} if self.data is not None else {}


class Stage:
    """An app, a desk whose client answers as told, and a Secret."""

    def __init__(self, secrets: Secrets | None = None, **spec: Any) -> None:
        self.desk = Desk()
        self.clock = self.desk.clock
        self.secrets = secrets or Secrets({"password": base64.b64encode(PASSWORD.encode()).decode()})
        self.seatings = Seatings(desk=self.desk.desk, reads=self.secrets, clock=self.clock)
        raw = resources.app(**spec)
        raw["metadata"]["uid"] = "uid-app"
        app = parse(raw)
        assert isinstance(app, KasprApp)
        self.app = app
        self.desk.client.answer = VIEW

    def ask(self) -> None:
        self.seatings.ask(APP, self.app)
        self.desk.work()

    def say(self) -> None:
        self.seatings.say(APP, self.app, GOODBYE)
        self.desk.work()

    def look(self) -> Any:
        return self.seatings.look(APP, self.app, (OWED,))

    @property
    def asked(self) -> list[str]:
        return [each[0] for each in self.desk.client.asked]


def test_a_look_asks_nothing() -> None:
    """Without an answer nothing is known, and nothing stands against a goodbye either."""
    stage = Stage()
    seating = stage.look()
    assert (seating.access, seating.proven, seating.seats) == ("ok", False, None)
    assert stage.asked == []


def test_an_answer_names_the_seats_and_proves_the_access() -> None:
    """What was read speaks for the present for a while, with the moment at which it was read."""
    stage = Stage()
    stage.ask()
    stage.clock.advance(2.0)
    seating = stage.look()
    assert seating.proven
    assert seating.seats.stable
    assert seating.seats.instances == {"orders-app-0"}
    assert seating.viewed_at == stage.clock.now().timestamp() - 2.0


def test_an_old_answer_is_none() -> None:
    """Absence of information is no evidence: seats of a minute ago say nothing about now."""
    stage = Stage()
    stage.ask()
    stage.clock.advance(FRESH_SECONDS + 0.1)
    seating = stage.look()
    assert (seating.access, seating.proven, seating.seats, seating.viewed_at) == ("ok", False, None, None)


def test_questions_keep_their_distance() -> None:
    """However often a pass runs, Kafka is asked once in five seconds, and never twice at a time."""
    stage = Stage()
    for _ in range(3):
        stage.seatings.ask(APP, stage.app)
    stage.desk.work()
    stage.ask()
    assert stage.asked == ["describe"]
    stage.clock.advance(AGAIN_SECONDS)
    stage.ask()
    assert stage.asked == ["describe", "describe"]


def test_a_goodbye_is_done_when_kafka_says_so() -> None:
    """It counts for the incarnation it was said for; a namesake's is another."""
    stage = Stage()
    stage.desk.client.answer = Farewell("said")
    stage.say()
    assert stage.look().done == {("orders-app-1", "uid-1")}
    other = Owed("orders-app-1", "uid-2", "gone", 0.0)
    assert stage.seatings.look(APP, stage.app, (other,)).done == frozenset()


def test_a_goodbye_that_failed_is_not_done() -> None:
    """It is owed still."""
    stage = Stage()
    stage.desk.client.answer = Farewell("unreachable", "nobody listens")
    stage.say()
    assert stage.look().done == frozenset()


@pytest.mark.parametrize("kind", ["unreachable", "tls-failed", "auth-failed", "no-permission", "timeout"])
def test_why_kafka_cannot_be_asked_is_told(kind: Any) -> None:
    """Access is failing, in words that a condition can carry."""
    stage = Stage()
    stage.desk.client.answer = GroupFault(kind, "this is why")
    stage.ask()
    seating = stage.look()
    assert (seating.access, seating.reason, seating.proven) == ("failing", "this is why", False)


@pytest.mark.parametrize("kind", ["busy", "not-leading", "not-ready"])
def test_what_passes_is_no_failure(kind: Any) -> None:
    """A queue that is full says nothing about Kafka."""
    stage = Stage()
    stage.desk.client.answer = GroupFault(kind, "later")
    stage.ask()
    assert stage.look().access == "ok"


def test_a_user_who_may_only_look_cannot_say_goodbye() -> None:
    """The broker tells that READ is missing before the first goodbye is needed."""
    stage = Stage()
    stage.desk.client.answer = GroupView("stable", may_say_goodbye=False)
    stage.ask()
    seating = stage.look()
    assert seating.access == "failing"
    assert "READ" in seating.reason


def test_nobody_logs_in_where_the_app_does_not() -> None:
    """No Secret is read for an app without credentials."""
    stage = Stage()
    stage.say()
    assert stage.secrets.asked == []
    assert stage.asked == ["goodbye"]


def test_the_password_is_read_for_each_request_and_kept_by_nobody() -> None:
    """One `get` of the Secret that the app names; no text that anybody prints contains it."""
    stage = Stage(authentication=LOGIN)
    stage.say()
    assert stage.secrets.asked == [(SECRET.kind, "shop", "kafka-user")]
    (_, _, credentials) = stage.desk.client.asked[0]
    assert (credentials.username, credentials.password.reveal()) == ("orders", PASSWORD)
    assert PASSWORD not in repr(credentials) + repr(stage.look()) + repr(vars(stage.seatings))
    stage.clock.advance(AGAIN_SECONDS)
    stage.ask()
    assert len(stage.secrets.asked) == 2


def encoded(content: bytes) -> Secrets:
    return Secrets({"password": base64.b64encode(content).decode()})


BAD = {
    "missing": (Secrets(error=NotFound("secrets kafka-user not found", status=404)), "there is no Secret"),
    "forbidden": (Secrets(error=Forbidden("may not", status=403)), "cannot be read: Forbidden"),
    "no server": (Secrets(error=ServerError("down", status=503)), "cannot be read: ServerError"),
    "no data": (Secrets(), "has no key password"),
    "another key": (Secrets({"pass": "eA=="}), "has no key password"),
    "no base64": (Secrets({"password": f"{PASSWORD}!"}), "is no text"),
    "no text": (encoded(b"\xff\xfe" + PASSWORD.encode()), "is no text"),
}


@pytest.mark.parametrize(("secrets", "words"), BAD.values(), ids=BAD)
def test_a_password_that_cannot_be_had_is_a_reason_without_content(secrets: Secrets, words: str) -> None:
    """S2: the Secret is named, nothing of what is in it is, and Kafka is not asked without it."""
    stage = Stage(secrets, authentication=LOGIN)
    stage.say()
    seating = stage.look()
    assert seating.access == "failing"
    assert "kafka-user" in seating.reason
    assert words in seating.reason
    assert "horse" not in seating.reason
    assert stage.asked == []


def test_a_secret_that_was_repaired_ends_the_failure() -> None:
    """The next request finds it; the old reason is gone with it."""
    stage = Stage(Secrets(error=NotFound("gone", status=404)), authentication=LOGIN)
    stage.ask()
    assert stage.look().access == "failing"
    stage.secrets.error = None
    stage.secrets.data = {"password": base64.b64encode(PASSWORD.encode()).decode()}
    stage.ask()
    assert stage.look().proven


def test_an_address_that_makes_no_sense_is_a_reason() -> None:
    """The app may be broken in the same way; what it costs here is the goodbye."""
    stage = Stage(bootstrapServers="kafka:99999")
    stage.say()
    assert stage.look().access == "failing"
    assert "bootstrap" in stage.look().reason.lower()
    assert stage.asked == []


def test_an_app_that_is_gone_is_forgotten() -> None:
    """A namesake starts without the answers and failures of its predecessor."""
    stage = Stage()
    stage.ask()
    stage.seatings.forget(APP)
    assert stage.look().seats is None
    bad = Stage(Secrets(), authentication=LOGIN)
    bad.ask()
    bad.seatings.forget(APP)
    assert bad.look().reason == ""

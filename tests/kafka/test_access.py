"""Who may look and who may say goodbye: logins, certificates and ACLs against a real broker."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path

import pytest

from hack.kafka.broker import Broker
from kaspr_controller.groups.address import Credentials, Secret, group_address
from kaspr_controller.groups.answers import Farewell, GroupFault, GroupView
from kaspr_controller.groups.client import KafkaGroupClient
from tests.kafka.access import LOGINS, fill, grant, login, password
from tests.kafka.crew import Crew

GUIDE = Path(__file__).parents[2] / "docs" / "kafka-access.md"
WRONG = "not-the-password"


@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "tls"])
@pytest.mark.parametrize("authentication", LOGINS)
def test_every_login_of_the_contract_works(
    broker: Broker, client: KafkaGroupClient, group: str, authentication: str, *, tls: bool
) -> None:
    """Contract 1.3: PLAIN and both SCRAM, with and without TLS, as the app's own pods log in."""
    grant(broker, "app", "READ", group=group)
    address = login(broker, "app", group, authentication=authentication, tls=tls)
    assert isinstance(client.describe(address, password("app")), GroupView)
    assert client.goodbye(address, password("app"), "nobody").kind == "unknown-member"


def test_tls_without_a_login_works(broker: Broker, client: KafkaGroupClient, group: str) -> None:
    """Contract 1.3: `type: plain` without a user and with `tls` is SSL."""
    address = group_address(broker.address("SSL"), group, tls=True)
    assert client.goodbye(address, Credentials(), "nobody").kind == "unknown-member"


@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "tls"])
@pytest.mark.parametrize("authentication", LOGINS)
def test_a_wrong_password_is_called_one(
    broker: Broker, client: KafkaGroupClient, group: str, authentication: str, *, tls: bool
) -> None:
    """Not "unreachable": the user has to look at the Secret, not at the network."""
    address = login(broker, "app", group, authentication=authentication, tls=tls)
    wrong = Credentials("app", Secret(WRONG))
    assert client.goodbye(address, wrong, "nobody") == Farewell(
        "auth-failed", "user name or password was refused"
    )


def test_a_new_password_is_used_at_once(broker: Broker, client: KafkaGroupClient, group: str) -> None:
    """A kept connection belongs to the credentials that it logged in with."""
    grant(broker, "app", "READ", group=group)
    address = login(broker, "app", group)
    assert client.describe(address, password("app")).ok
    assert not client.describe(address, Credentials("app", Secret(WRONG))).ok
    assert client.describe(address, password("app")).ok


@pytest.mark.parametrize(
    ("listener", "authentication", "user", "tls", "kind"),
    [
        ("PLAINTEXT", "plain", "app", False, "auth-failed"),
        ("PLAINTEXT", "plain", None, True, "tls-failed"),
        ("SSL", "plain", None, False, "wrong"),
        ("SASL_PLAINTEXT", "plain", None, False, "unreachable"),
        ("SASL_SSL", "scram-sha-512", "app", False, "wrong"),
    ],
)
def test_settings_that_do_not_suit_the_listener(
    broker: Broker,
    client: KafkaGroupClient,
    listener: str,
    authentication: str,
    user: str | None,
    tls: bool,  # noqa: FBT001
    kind: str,
) -> None:
    """Each mistake has an answer within seconds, and a reason that points at the listener."""
    address = group_address(
        broker.address(listener), "g", authentication=authentication, username=user, tls=tls
    )
    fault = client.describe(address, password(user) if user else Credentials())
    assert isinstance(fault, GroupFault)
    assert fault.kind == kind
    assert "listener" in fault.reason


def test_a_certificate_that_nobody_trusts_is_not_accepted(broker: Broker, group: str) -> None:
    """The system's authorities decide, and the broker's own is none of them."""
    client = KafkaGroupClient()
    fault = client.describe(group_address(broker.address("SSL"), group, tls=True), Credentials())
    assert isinstance(fault, GroupFault)
    assert fault.kind == "tls-failed"
    assert "self-signed" in fault.reason


def test_a_certificate_for_another_host_is_not_accepted(
    broker: Broker, client: KafkaGroupClient, group: str
) -> None:
    """The certificate is for localhost; by its address the broker could be anybody."""
    by_number = broker.address("SSL").replace("localhost", "127.0.0.1")
    fault = client.describe(group_address(by_number, group, tls=True), Credentials())
    assert isinstance(fault, GroupFault)
    assert fault.kind == "tls-failed"


def test_without_acls_nothing_is_allowed(broker: Broker, client: KafkaGroupClient, crew: Crew) -> None:
    """The member that a stranger says goodbye for stays."""
    crew.start("a", "one")
    crew.within(crew.soon, lambda: bool(crew.given("a")))
    address = login(broker, "stranger", crew.address.group)
    fault = client.describe(address, password("stranger"))
    assert isinstance(fault, GroupFault)
    assert fault.kind == "no-permission"
    assert client.goodbye(address, password("stranger"), "a").kind == "no-permission"
    assert set(crew.seats()) == {"a"}


def test_the_acls_of_the_guide_are_what_is_needed(
    broker: Broker, client: KafkaGroupClient, crew: Crew
) -> None:
    """docs/kafka-access.md, word for word: Describe to look, Read to say goodbye, and no more than that."""
    group = crew.address.group
    crew.start("a", "one")
    for words in commands():
        named = {"kafka:9092": broker.address(), "orders": group, "User:orders": "User:app"}
        broker.tool("kafka.admin.AclCommand", *(named.get(word, word) for word in words))
    crew.within(crew.soon, lambda: bool(crew.given("a")))
    looker, owner = login(broker, "looker", group), login(broker, "app", group)
    view = client.describe(looker, password("looker"))
    assert isinstance(view, GroupView)
    assert view.instances == {"a"}
    assert view.may_say_goodbye is False
    assert client.goodbye(looker, password("looker"), "a").kind == "no-permission"
    view = client.describe(owner, password("app"))
    assert isinstance(view, GroupView)
    assert view.may_say_goodbye
    assert client.goodbye(owner, password("app"), "a").kind == "said"


def commands() -> list[list[str]]:
    """The arguments of each kafka-acls command of the guide."""
    lines = [line for line in GUIDE.read_text().splitlines() if line.startswith("kafka-acls ")]
    assert len(lines) == 2
    return [shlex.split(line)[1:] for line in lines]


def test_lag_needs_describe_on_the_topic(broker: Broker, client: KafkaGroupClient, crew: Crew) -> None:
    """Brokers leave out what one may not see; with it the lag is what is written and not committed."""
    group = crew.address.group
    fill(broker, group, "two", messages=7, committed=4)
    grant(broker, "app", "READ", group=group)
    crew.start("a", "two")
    crew.within(crew.soon, lambda: crew.seats().get("a", {}).get("two") == (0, 1))
    address = login(broker, "app", group)
    view = client.describe(address, password("app"), lag=True)
    assert isinstance(view, GroupView)
    assert view.instances == {"a"}
    assert view.lag == ()
    grant(broker, "app", "DESCRIBE", topic="two")
    view = client.describe(address, password("app"), lag=True)
    assert isinstance(view, GroupView)
    assert view.lag is not None
    assert [(each.topic, each.partition, each.lag) for each in view.lag] == [("two", 0, 3)]


def test_no_password_is_ever_said(
    broker: Broker, client: KafkaGroupClient, group: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong, and with every logger at its loudest, the password is in no log line and no reason."""
    caplog.set_level(logging.DEBUG)
    secret = Credentials("app", Secret(WRONG))
    said = [repr(secret), str(secret)]
    for listener in ("PLAINTEXT", "SASL_PLAINTEXT", "SSL", "SASL_SSL"):
        for authentication in LOGINS:
            address = group_address(
                broker.address(listener), group, authentication=authentication, username="app"
            )
            said += [str(address), repr(address), repr(client.describe(address, secret))]
    said += [record.getMessage() for record in caplog.records]
    assert not [words for words in said if WRONG in words]
    assert not [record for record in caplog.records if record.name.startswith("kafka")]

"""How the spec's words become an address, and that passwords stay where they are."""

from __future__ import annotations

import copy
import pickle

import pytest

from kaspr_controller.groups.address import AddressError, Credentials, Secret, group_address


@pytest.mark.parametrize(
    ("authentication", "username", "tls", "protocol", "mechanism"),
    [
        ("plain", None, False, "PLAINTEXT", None),
        ("plain", None, True, "SSL", None),
        ("plain", "u", False, "SASL_PLAINTEXT", "PLAIN"),
        ("plain", "u", True, "SASL_SSL", "PLAIN"),
        ("scram-sha-256", "u", False, "SASL_PLAINTEXT", "SCRAM-SHA-256"),
        ("scram-sha-256", "u", True, "SASL_SSL", "SCRAM-SHA-256"),
        ("scram-sha-512", "u", False, "SASL_PLAINTEXT", "SCRAM-SHA-512"),
        ("scram-sha-512", "u", True, "SASL_SSL", "SCRAM-SHA-512"),
    ],
)
def test_listeners_are_those_of_the_contract(
    authentication: str, username: str | None, protocol: str, mechanism: str | None, *, tls: bool
) -> None:
    """Contract 1.3, the whole table."""
    found = group_address("a:1", "g", authentication=authentication, username=username, tls=tls).listener
    assert (found.protocol, found.mechanism) == (protocol, mechanism)


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("a:9092", ("a:9092",)),
        ("a", ("a:9092",)),
        ("a:1,b:2", ("a:1", "b:2")),
        (" a:1 , b:2,", ("a:1", "b:2")),
        ("a:1;kafka://b:2", ("a:1", "b:2")),
        ("kafka://a:1;aiokafka://b", ("a:1", "b:9092")),
        ("[::1]:1,[fe80::2]", ("[::1]:1", "[fe80::2]:9092")),
        ("a:1,a:1", ("a:1",)),
    ],
)
def test_broker_lists_are_read_as_the_runtime_means_them(text: str, servers: tuple[str, ...]) -> None:
    """T1, C14: commas, semicolons, schemes and blanks; every form that the app itself gets to work."""
    assert group_address(text, "g").listener.bootstrap == servers


@pytest.mark.parametrize("text", ["", " , ", "a:0", "a:65536", "a:b", "a b:1", "a:1:2", "user@a:1", "[a:1"])
def test_broker_lists_that_name_no_server_are_refused(text: str) -> None:
    """The message names the field."""
    with pytest.raises(AddressError, match=r"spec\.bootstrapServers"):
        group_address(text, "g")


def test_half_a_login_is_refused() -> None:
    """Connecting without the login that was meant would be worse."""
    with pytest.raises(AddressError, match=r"spec\.authentication\.username"):
        group_address("a:1", "g", authentication="scram-sha-512")
    with pytest.raises(AddressError, match=r"spec\.authentication\.type"):
        group_address("a:1", "g", authentication="tls")


def test_equal_words_are_one_address() -> None:
    """Addresses are identities: connections and breakers are found by them."""
    one, other = group_address("a:1, b:2", "g", tls=True), group_address("a:1;kafka://b:2", "g", tls=True)
    assert (one, hash(one)) == (other, hash(other))
    assert one != group_address("a:1,b:2", "g")
    assert one.listener == group_address("a:1,b:2", "h", tls=True).listener


def test_a_secret_shows_itself_only_when_asked() -> None:
    """No repr, no str, no format, no pickle, no copy in a container's repr."""
    secret = Secret("hunter2")
    shown = [repr(secret), str(secret), f"{secret}", repr(Credentials("u", secret)), repr([secret])]
    assert not [text for text in shown if "hunter2" in text]
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.deepcopy(secret)


def test_secrets_compare_by_what_they_hide() -> None:
    """A rotated password is another login, the same one is the same."""
    assert Credentials("u", Secret("a")) == Credentials("u", Secret("a"))
    assert Credentials("u", Secret("a")) != Credentials("u", Secret("b"))
    assert Secret("a") != "a"

"""The client while its API server is frozen, killed or restarted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from hack.controlplane.cluster import ControlPlane
from kaspr_controller.kube import errors
from kaspr_controller.kube.credentials import from_kubeconfig
from kaspr_controller.kube.kinds import CONFIG_MAP
from tests.integration.clients import config_map, connected, watch
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaspr_controller.kube.client import Client


@pytest.fixture(scope="module")
def own() -> Iterator[ControlPlane]:
    """A control plane whose outages disturb nobody."""
    with ControlPlane.start() as plane:
        yield plane


@pytest.fixture(scope="module")
def outage(own: ControlPlane) -> Iterator[Client]:
    with connected(from_kubeconfig(own.kubeconfig)) as client:
        yield client


def test_a_frozen_server_costs_the_time_of_the_call(own: ControlPlane, outage: Client) -> None:
    """Connections stay open, nothing answers: a call ends in its time, a watch by its idle limit, both go on later."""
    outage.apply(config_map("default", a="1"))
    (page,) = outage.list_pages(CONFIG_MAP, "default")
    stream = watch(outage, "default", page.resource_version, idle_seconds=2.0)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(lambda: [event.type for event in stream])
        outage.apply(config_map("default", a="2"))
        eventually(lambda: stream.resource_version != page.resource_version)
        own.freeze_apiserver()
        try:
            began = time.monotonic()
            with pytest.raises(errors.Timeout):
                outage.get(CONFIG_MAP, "default", "a", timeout=0.5)
            assert time.monotonic() - began < 1.0
            with pytest.raises(errors.IdleTimeout):
                reader.result(10)
        finally:
            own.thaw_apiserver()
    assert outage.get(CONFIG_MAP, "default", "a")["data"] == {"a": "2"}
    outage.apply(config_map("default", a="3"))
    resumed = watch(outage, "default", stream.resource_version)
    assert next(iter(resumed)).object["data"] == {"a": "3"}


def test_a_restart_of_the_server_costs_no_error(own: ControlPlane, outage: Client) -> None:
    """Pooled connections are dead afterwards; nobody above notices."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: outage.apply(config_map("default", f"r{n}", a="1")), range(8)))
        own.restart_apiserver()
        again = list(pool.map(lambda n: outage.apply(config_map("default", f"r{n}", a="1")), range(8)))
    assert len(again) == 8


def test_a_watch_from_before_a_restart_has_expired(own: ControlPlane, outage: Client) -> None:
    """The server's history begins at its start: 410, as the reflector expects it."""
    (page,) = outage.list_pages(CONFIG_MAP, "default")
    for number in range(3):
        outage.apply(config_map("default", a=f"expired {number}"))
    own.restart_apiserver()
    with pytest.raises(errors.Expired):
        list(watch(outage, "default", page.resource_version, 5))


def test_without_a_server_calls_fail_fast_and_recover(own: ControlPlane, outage: Client) -> None:
    """Rule A3: after ten failures nothing waits on the network any more; the first answer ends it."""
    own.kill_apiserver()
    while outage.available:
        with pytest.raises(errors.TransportError):
            outage.create(config_map("default", "never"), retries=False)
    began = time.monotonic()
    with pytest.raises(errors.Unavailable):
        outage.get(CONFIG_MAP, "default", "a")
    assert time.monotonic() - began < 0.05
    own.restart_apiserver()
    eventually(lambda: reachable(outage))
    assert outage.available


def reachable(client: Client) -> bool:
    try:
        client.version()
    except errors.TransportError:
        return False
    return True

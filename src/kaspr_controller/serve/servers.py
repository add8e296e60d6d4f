"""The two servers of the program, put together from their pages; called by wiring.

The public one has what a cluster asks (probes, metrics), the debug one what a person asks. `start`, `stop` and `join`
are those of every part of the program that runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspr_controller.serve.debugging import LOOPBACK, DebugViews, debug_routes
from kaspr_controller.serve.exposition import exposition
from kaspr_controller.serve.listener import Listener
from kaspr_controller.serve.pages import Routes
from kaspr_controller.serve.probes import Checks, probe
from kaspr_controller.telemetry.metrics import REGISTRY

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


def public_server(
    *,
    healthy: Checks,
    ready: Checks,
    address: str = "0.0.0.0",
    port: int = 8000,
    registry: CollectorRegistry = REGISTRY,
) -> Listener:
    """The server of `/healthz`, `/readyz` and `/metrics`.

    Args:
        healthy: the process must be restarted when one of these fails (threads, stuck workers).
        ready: the process is not there yet while one of these fails (caches).
        address: to bind; all of the pod's by default, the kubelet and the scraper come from outside.
        port: TCP port.
        registry: the metrics.
    """
    pages = {"/healthz": probe("healthz", healthy), "/readyz": probe("readyz", ready)}
    return Listener("public", address, port, Routes({**pages, "/metrics": exposition(registry)}))


def debug_server(views: DebugViews, *, port: int) -> Listener:
    """The server of the debug pages, on the loopback address only."""
    return Listener("debug", LOOPBACK, port, debug_routes(views))

"""/metrics: the registry of `telemetry`, with what the process says about itself, in the format the scraper asks for.

Prometheus text by default, OpenMetrics when it is preferred, compressed when that is accepted (a fleet's metrics are a
few hundred KB of repetitive text). Runs on a listener thread; collecting reads, it sets nothing.
"""

from __future__ import annotations

import functools
import gzip

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from kaspr_controller.serve.pages import Page, Request, View
from kaspr_controller.telemetry.metrics import REGISTRY

_WORTH_IT = 1024


@functools.cache
def register_process(registry: CollectorRegistry) -> None:
    """Add `process_*`, `python_info` and `python_gc_*`; a second call for the same registry does nothing."""
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)


def exposition(registry: CollectorRegistry = REGISTRY) -> View:
    """The view of the metrics in `registry`."""
    register_process(registry)

    def view(request: Request) -> Page:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        body = encode(registry)
        if len(body) < _WORTH_IT or "gzip" not in request.headers.get("accept-encoding", ""):
            return Page(body, content_type=content_type)
        packed = gzip.compress(body, compresslevel=1)
        return Page(
            packed, content_type=content_type, headers={"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        )

    return view

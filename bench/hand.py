"""Single requests of the administrator: edits and touches, on one connection that stays open.

In: requests as `workload.py` makes them. Out: their moments. Called by `scenarios.py` on one thread.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

from bench.workload import Request
from hack.controlplane.cluster import ControlPlane

_ERROR = 300
_IDLE_SECONDS = 30.0


class Hand:
    """One client with the administrator's token."""

    def __init__(self, plane: ControlPlane) -> None:
        address = urlsplit(plane.server)
        context = ssl.create_default_context(cafile=str(plane.ca_file))
        self._connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, context=context, timeout=30
        )
        self._token = plane.token
        self._used = time.monotonic()

    def send(self, request: Request) -> float:
        """Send it; when that began, in seconds since 1970.

        Raises:
            RuntimeError: the server refuses.
        """
        if time.monotonic() - self._used > _IDLE_SECONDS:
            self._connection.close()  # the server closes what was idle for long; a closed one connects again
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": request["type"]}
        began = time.time()
        self._connection.request(request["method"], request["path"], json.dumps(request["body"]), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        self._used = time.monotonic()
        if answer.status >= _ERROR:
            raise RuntimeError(f"{request['method']} {request['path']}: {answer.status} {text[:500]!r}")
        return began

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def apply(self, path: str, body: dict[str, Any]) -> None:
        """Server-side apply."""
        query = "?fieldManager=bench&force=true"
        self.send(
            {"method": "PATCH", "path": path + query, "type": "application/apply-patch+yaml", "body": body}
        )

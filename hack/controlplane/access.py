"""Plain requests to the API server, for what the control plane itself needs: readiness and tokens.

In: server URL, bearer token, CA file. Out: parsed JSON. Called by `cluster.py` and by tests from any thread. Standard
library only: it is an oracle for tests of the project's own client and shares nothing with it.
"""

from __future__ import annotations

import functools
import http.client
import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_SECONDS = 10.0


class ApiError(Exception):
    """The API server answered with an error.

    Attributes:
        status: the HTTP status code.
        body: the answer's text, a Status object in most cases.
    """

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class Access:
    """Requests with one identity; the CA file is read at the first request, so it may not exist yet."""

    def __init__(self, server: str, token: str, ca_file: Path, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        self.server = server
        self._token = token
        self.ca_file = ca_file

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The parsed JSON answer; text that is no JSON comes back as text.

        Raises:
            ApiError: an answer with an error status.
            OSError: no answer.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.server + path, data=data, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, error.read().decode(errors="replace")) from None
        try:
            return json.loads(text)
        except ValueError:
            return text

    def answers(self, path: str) -> bool:
        """Whether a GET succeeds just now."""
        try:
            self.request("GET", path)
        except (ApiError, OSError, http.client.HTTPException):
            return False
        return True

    @functools.cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        # No proxy: a machine's HTTPS_PROXY must not get requests for loopback.
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

"""A tiny client of the Kubernetes API: raw JSON over httpx on one event loop.

In: a kubeconfig. Out: get, create, patch, delete, and `follow`, a list and watch that never ends. Called by the
kubelet's parts only. Invariant: `follow` delivers every object of a new list again (as MODIFIED) and the deletions it
missed, so that a broken watch or an expired resourceVersion (410) loses nothing.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from hack.nodesim.environment import Raw

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
GONE = 410
BUSY = {429, 502, 503, 504}
RETRY_SECONDS = 0.3
WATCH_SECONDS = 300
PAGE = 500
# (event type, object): ADDED, MODIFIED or DELETED.
Handler = Callable[[str, Raw], None]


class ApiError(Exception):
    """An answer of 400 or above."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason


class Api:
    """The API server of one kubeconfig; made and used on one event loop."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        context = named(config["contexts"], config["current-context"])["context"]
        cluster = named(config["clusters"], context["cluster"])["cluster"]
        user = named(config["users"], context["user"])["user"]
        headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}
        self.http = httpx.AsyncClient(
            base_url=cluster["server"],
            headers={**headers, "User-Agent": "kaspr-nodesim"},
            verify=tls(cluster, user, kubeconfig.parent),
            timeout=httpx.Timeout(10.0, pool=5.0),  # every request is sent again
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=32),
            trust_env=False,
        )
        self._requests: set[asyncio.Task[httpx.Response]] = set()

    async def close(self) -> None:
        """Close all connections."""
        for task in self._requests:
            task.cancel()
        await self.http.aclose()

    async def get(self, path: str, **params: str) -> Raw:
        """Return an object or list."""
        return self.body(await self.send("GET", path, params=params))

    async def find(self, path: str) -> Raw | None:
        """Return an object, or None when it does not exist."""
        try:
            return await self.get(path)
        except ApiError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    async def create(self, path: str, body: Raw, *, exists_ok: bool = False) -> Raw:
        """Create an object; `exists_ok` takes an existing one of that name for the same."""
        try:
            return self.body(await self.send("POST", path, json=body))
        except ApiError as error:
            if exists_ok and error.reason == "AlreadyExists":
                return body
            raise

    async def patch(self, path: str, body: Raw, kind: str = MERGE) -> Raw:
        """Patch an object."""
        content, headers = json.dumps(body).encode(), {"Content-Type": kind}
        return self.body(await self.send("PATCH", path, content=content, headers=headers))

    async def delete(self, path: str, **options: Any) -> None:
        """Delete an object; one that is gone or was replaced already is fine."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        response = await self.send("DELETE", path, json=body)
        if response.status_code not in {httpx.codes.NOT_FOUND, httpx.codes.CONFLICT}:
            self.body(response)

    async def send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request, again and again while the API server is away or overloaded, as a kubelet does."""
        while True:
            try:
                response = await self._unbroken(self.http.request(method, path, **arguments))
            except httpx.TransportError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if response.status_code not in BUSY:
                return response
            await asyncio.sleep(RETRY_SECONDS)

    async def _unbroken(self, request: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
        """Let a request end even when whoever waits for it is cancelled.

        A pod's worker is cancelled at any moment. httpcore's pool counts a connection that was interrupted as busy for ever;
        after some hundred pods all 32 were, and no pod started any more.
        """
        task = asyncio.create_task(request)
        self._requests.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[httpx.Response]) -> None:
        self._requests.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also when nobody waits for it any more

    @staticmethod
    def body(response: httpx.Response) -> Raw:
        """Return the JSON of an answer."""
        if response.status_code >= httpx.codes.BAD_REQUEST:
            raise error_of(response.status_code, response.content)
        parsed: Raw = response.json()
        return parsed

    async def follow(self, path: str, handler: Handler, synced: asyncio.Event, **params: str) -> None:
        """List, then watch, for ever; `synced` is set after the first list was handled."""
        known: dict[str, Raw] = {}
        while True:
            try:
                version = await self.relist(path, handler, known, params)
                synced.set()
                while True:
                    version = await self.watch(path, handler, known, {**params, "resourceVersion": version})
            except ApiError as error:
                if error.status != GONE:
                    await asyncio.sleep(RETRY_SECONDS)
            except httpx.TransportError:
                await asyncio.sleep(RETRY_SECONDS)

    async def relist(
        self, path: str, handler: Handler, known: dict[str, Raw], params: Mapping[str, str]
    ) -> str:
        """Deliver everything there is, and what is gone since the last list; return the list's version."""
        items: dict[str, Raw] = {}
        token = ""
        while True:
            page = await self.get(path, limit=str(PAGE), **{"continue": token}, **params)
            items |= {item["metadata"]["uid"]: item for item in page.get("items") or ()}
            token = page["metadata"].get("continue", "")
            if not token:
                break
        for uid in [uid for uid in known if uid not in items]:
            handler("DELETED", known.pop(uid))
        for uid, item in items.items():
            kind = "MODIFIED" if uid in known else "ADDED"
            known[uid] = item
            handler(kind, item)
        return str(page["metadata"]["resourceVersion"])

    async def watch(
        self, path: str, handler: Handler, known: dict[str, Raw], params: Mapping[str, str]
    ) -> str:
        """Deliver events until the server ends the stream; return the version to go on from."""
        version = params["resourceVersion"]
        query = {**params, "watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        timeout = httpx.Timeout(30.0, read=WATCH_SECONDS + 30.0)
        async with self.http.stream("GET", path, params=query, timeout=timeout) as response:
            if response.status_code >= httpx.codes.BAD_REQUEST:
                raise error_of(response.status_code, await response.aread())
            async for line in lines(response):
                event = json.loads(line)
                item = event["object"]
                if event["type"] == "ERROR":
                    raise ApiError(item.get("code", 500), item.get("reason", ""), item.get("message", ""))
                version = item["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    if event["type"] == "DELETED":
                        known.pop(item["metadata"]["uid"], None)
                    else:
                        known[item["metadata"]["uid"]] = item
                    handler(event["type"], item)
        return version


async def lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield complete lines of a stream; a torn last one is dropped."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            if line:
                yield line


def error_of(status: int, content: bytes) -> ApiError:
    """Return the error an answer stands for."""
    try:
        body = json.loads(content)
    except ValueError:
        body = {"message": content[:200].decode("utf-8", "replace")}
    return ApiError(status, str(body.get("reason", "")), str(body.get("message", "")))


def named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the entry of a kubeconfig list with this name."""
    return next(entry for entry in entries if entry["name"] == name)


def tls(cluster: Raw, user: Raw, folder: Path) -> ssl.SSLContext:
    """Return the TLS settings of a kubeconfig."""
    context = ssl.create_default_context()
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authority := content_of(cluster, "certificate-authority", folder):
        context.load_verify_locations(cadata=authority.decode())
    certificate = content_of(user, "client-certificate", folder)
    key = content_of(user, "client-key", folder)
    if certificate and key:
        # ssl reads key pairs from files only; both may stand in one.
        with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
            pair.write(certificate + b"\n" + key)
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


def content_of(entry: Raw, name: str, folder: Path) -> bytes | None:
    """Return a certificate or key given inline or as a file beside the kubeconfig."""
    if entry.get(f"{name}-data"):
        return base64.b64decode(entry[f"{name}-data"])
    return (folder / entry[name]).read_bytes() if entry.get(name) else None

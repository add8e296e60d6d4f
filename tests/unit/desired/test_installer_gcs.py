"""The bucket cache of the installer against a small server that speaks the two APIs of Google Cloud (contract 2.13)."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import tarfile
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.desired.installer import HASH, Pod

PY = f"py{sys.version_info[0]}.{sys.version_info[1]}"
KEY = f"kaspr-packages/orders-app/{HASH}-{PY}.tar.gz"


class Bucket(ThreadingHTTPServer):
    """Objects by name, and every request as it came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.assertions: list[str] = []
        self.refuse = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Bucket

    def do_GET(self) -> None:
        prefix = "/storage/v1/b/kaspr%2Dcache".replace("%2D", "-") + "/o/"
        path, _, query = self.path.partition("?")
        name = urllib.parse.unquote(path.removeprefix(prefix))
        content = self.server.objects.get(name)
        if not self.authorized() or content is None or query != "alt=media":
            self.answer(404, b"")
        else:
            self.answer(200, content)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path, _, query = self.path.partition("?")
        fields = urllib.parse.parse_qs(query)
        if path == "/token":
            form = urllib.parse.parse_qs(body.decode())
            assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
            self.server.assertions.append(form["assertion"][0])
            self.answer(200, json.dumps({"access_token": "tok"}).encode())
        elif self.server.refuse or not self.authorized():
            self.answer(self.server.refuse or 401, b"")
        else:
            assert path == "/upload/storage/v1/b/kaspr-cache/o"
            assert self.headers["Content-Type"] == "application/gzip"
            assert fields["uploadType"] == ["media"]
            self.server.objects[fields["name"][0]] = body
            self.answer(200, b"{}")

    def authorized(self) -> bool:
        return self.headers["Authorization"] == "Bearer tok"

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        pass


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    server = Bucket()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def private_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "key.pem"
    command = [
        "openssl",
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-out",
        str(path),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.fixture
def pod(tmp_path: Path, bucket: Bucket, private_key: Path) -> Pod:
    account = {"client_email": "robot@project.example", "private_key": private_key.read_text()}
    (tmp_path / "sa.json").write_text(json.dumps(account))
    gcs = {
        "bucket": "kaspr-cache",
        "object_key": f"kaspr-packages/orders-app/{HASH}.tar.gz",
        "max_bytes": 1_000_000,
        "key_file": str(tmp_path / "sa.json"),
        "endpoint": bucket.url,
        "token_url": f"{bucket.url}/token",
    }
    return Pod(tmp_path / "volume", tmp_path / "pod-0", {"mode": "gcs", "gcs": gcs})


def archive(**files: str) -> bytes:
    """A gzipped tar of files; a name with `__` for a slash."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return content.getvalue()


def test_a_miss_installs_and_fills_the_cache(pod: Pod, bucket: Bucket, tmp_path: Path) -> None:
    """The next pod, with an empty volume, finds the same set in the bucket and calls no pip."""
    assert pod.run().status == 0
    assert list(bucket.objects) == [KEY]
    assert [path.name for path in pod.root.iterdir() if "tar" in path.name] == []
    second = Pod(tmp_path / "volume-1", tmp_path / "pod-1", pod.config)
    assert second.run().status == 0
    assert second.calls == []
    assert second.installed() == pod.installed() == {"requests.py"}
    assert second.marker()["packages"] == ["requests"]


def test_the_token_is_asked_for_with_a_signed_claim(
    pod: Pod, bucket: Bucket, private_key: Path, tmp_path: Path
) -> None:
    """RS256 over header and claim, as the openssl program itself can verify."""
    pod.run()
    head, claim, signature = bucket.assertions[0].split(".")
    assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT"}
    said = json.loads(decoded(claim))
    assert said["iss"] == "robot@project.example"
    assert said["scope"] == "https://www.googleapis.com/auth/devstorage.read_write"
    assert said["aud"] == f"{bucket.url}/token"
    assert said["exp"] - said["iat"] == 3600
    (tmp_path / "signature").write_bytes(decoded(signature))
    public = ["openssl", "pkey", "-in", str(private_key), "-pubout", "-out", str(tmp_path / "public.pem")]
    subprocess.run(public, check=True)
    verify = ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature"]
    subprocess.run(verify, input=f"{head}.{claim}".encode(), cwd=tmp_path, check=True, capture_output=True)


def decoded(text: str) -> bytes:
    """base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("name", ["/etc__passwd", "..__outside"])
def test_an_archive_that_reaches_out_is_a_miss(pod: Pod, bucket: Bucket, name: str) -> None:
    """Whoever can write to the bucket cannot write outside the set."""
    bucket.objects[KEY] = archive(**{"evil.py": "x", name: "x"})
    ended = pod.run()
    assert ended.status == 0
    assert "unsafe member" in ended.output
    assert pod.installed() == {"requests.py"}
    assert not (pod.root / "outside").exists()


def test_a_broken_archive_is_a_miss(pod: Pod, bucket: Bucket) -> None:
    """Half an upload installs from the index and is replaced."""
    bucket.objects[KEY] = archive(a="x")[:30]
    assert pod.run().status == 0
    assert pod.installed() == {"requests.py"}
    assert len(bucket.objects[KEY]) > 30


def test_upload_failures_never_fail_the_pod(pod: Pod, bucket: Bucket) -> None:
    """The cache is a convenience."""
    bucket.refuse = 503
    assert pod.run().status == 0
    assert bucket.objects == {}
    assert pod.installed() == {"requests.py"}


def test_an_archive_over_the_limit_is_not_stored(pod: Pod, bucket: Bucket) -> None:
    """The limit is the one of `maxArchiveSize`."""
    pod.config["gcs"]["max_bytes"] = 10
    ended = pod.run()
    assert ended.status == 0
    assert "the limit is 10" in ended.output
    assert bucket.objects == {}


def test_a_bad_key_is_a_miss_and_stays_private(pod: Pod, bucket: Bucket, tmp_path: Path) -> None:
    """An account file without its fields, or with a broken key, installs from the index."""
    for content in ("{}", "no json", json.dumps({"client_email": "x", "private_key": "HUSH"})):
        (tmp_path / "sa.json").write_text(content)
        ended = pod.run()
        assert ended.status == 0
        assert "HUSH" not in ended.output
        assert bucket.objects == {}

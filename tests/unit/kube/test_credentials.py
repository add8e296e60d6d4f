"""Credentials from the files of a pod and from kubeconfig files of every kind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kaspr_controller.kube import errors
from kaspr_controller.kube.credentials import TlsFiles, TokenFile, from_kubeconfig, in_cluster
from kaspr_controller.kube.transport import HttpTransport, Request
from tests.fakes.apiserver import CERTIFICATES, ApiServer, answers, refuses

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
GET = Request("get", "GET", "/version")
CA_ONE = CERTIFICATES / "ca-one.pem"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The service account volume of a pod."""
    (tmp_path / "token").write_text("pod-token")
    (tmp_path / "namespace").write_text("kaspr\n")
    (tmp_path / "ca.crt").write_bytes(CA_ONE.read_bytes())
    return tmp_path


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer(certificate="server-one.pem") as server:
        server.always(answers({}))
        yield server


def kubeconfig(tmp_path: Path, server: str, user: dict[str, Any], **cluster: Any) -> Path:
    value = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "first",
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "first", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
            {"name": "second", "context": {"cluster": "c", "user": "u"}},
        ],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(value))
    return path


def sent(server: ApiServer, path: Path) -> str:
    """The Authorization header of a request with that kubeconfig."""
    transport = HttpTransport(from_kubeconfig(path))
    assert transport.send(GET, timeout=2).status == 200
    transport.close()
    return server.requests[-1].headers.get("authorization", "")


def test_a_pod_uses_its_service_account(server: ApiServer, folder: Path) -> None:
    """Address from the environment, the rest from the mounted files."""
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
    cluster = in_cluster(folder=folder, environ=environ)
    assert (cluster.namespace, cluster.origin) == ("kaspr", "in-cluster")
    transport = HttpTransport(cluster)
    assert transport.send(GET, timeout=2).status == 200
    transport.close()
    assert server.requests[0].headers["authorization"] == "Bearer pod-token"


def test_an_ipv6_address_gets_brackets(folder: Path) -> None:
    """Single-stack IPv6 clusters exist."""
    cluster = in_cluster(folder=folder, environ={"KUBERNETES_SERVICE_HOST": "fd00::1"})
    assert cluster.server == "https://[fd00::1]:443"
    assert HttpTransport(cluster).host == "[fd00::1]:443"


def test_outside_a_pod_the_message_says_what_to_do(folder: Path) -> None:
    """No address, no token, no readable token: each names its cure."""
    with pytest.raises(errors.CredentialsError, match="kubeconfig"):
        in_cluster(folder=folder, environ={})
    (folder / "token").unlink()
    with pytest.raises(errors.CredentialsError, match="automountServiceAccountToken"):
        in_cluster(folder=folder, environ={"KUBERNETES_SERVICE_HOST": "x"})
    with pytest.raises(errors.CredentialsError, match="token file"):
        TokenFile(folder / "token").headers()


def test_a_token_file_that_vanishes_leaves_the_last_token(folder: Path) -> None:
    """A volume that is being remounted is no reason to fail; so is an empty file."""
    now = [0.0]
    auth = TokenFile(folder / "token", monotonic=lambda: now[0])
    first = auth.headers()
    (folder / "token").unlink()
    now[0] = 100.0
    assert auth.headers() == first
    (folder / "token").write_text("")
    now[0] = 200.0
    assert auth.headers() == first


def test_a_401_of_an_older_token_does_not_read_the_file_again(folder: Path) -> None:
    """Eight workers get their 401 at once; the first one reads, the others just go on with the new token."""
    auth = TokenFile(folder / "token")
    old = auth.headers()
    (folder / "token").write_text("new")
    assert auth.refresh(old)
    (folder / "token").write_text("newer")
    assert auth.refresh(old)
    assert auth.headers() == {"Authorization": "Bearer new"}


def test_the_tls_context_is_built_once_per_set_of_files(folder: Path) -> None:
    """Building one reads the disk; at each connect that would be waste."""
    tls = TlsFiles(folder / "ca.crt")
    first = tls()
    assert tls() is first
    replacement = folder / "other"
    replacement.write_bytes((CERTIFICATES / "ca-two.pem").read_bytes())
    replacement.rename(folder / "ca.crt")
    assert tls() is not first


def test_a_broken_ca_file_leaves_the_last_good_one(folder: Path) -> None:
    """A half-written file must not cut us off; without any good one the error says which file it is about."""
    tls = TlsFiles(folder / "ca.crt")
    first = tls()
    (folder / "ca.crt").write_text("garbage")
    assert tls() is first
    with pytest.raises(errors.CredentialsError, match="TLS"):
        TlsFiles(folder / "ca.crt")()
    with pytest.raises(errors.CredentialsError, match="absent"):
        TlsFiles(folder / "absent")()


def test_a_kubeconfig_with_token_and_ca_data(server: ApiServer, tmp_path: Path) -> None:
    """The plain case."""
    import base64

    data = base64.b64encode(CA_ONE.read_bytes()).decode()
    path = kubeconfig(tmp_path, server.url, {"token": "t"}, **{"certificate-authority-data": data})
    assert sent(server, path) == "Bearer t"


def test_a_kubeconfig_with_a_ca_file_beside_it(server: ApiServer, tmp_path: Path) -> None:
    """Relative paths are relative to the file."""
    (tmp_path / "ca.pem").write_bytes(CA_ONE.read_bytes())
    path = kubeconfig(tmp_path, server.url, {"token": "t"}, **{"certificate-authority": "ca.pem"})
    assert sent(server, path) == "Bearer t"


def test_a_kubeconfig_that_skips_verification(server: ApiServer, tmp_path: Path) -> None:
    """For laboratories."""
    path = kubeconfig(tmp_path, server.url, {"token": "t"}, **{"insecure-skip-tls-verify": True})
    assert sent(server, path) == "Bearer t"


def test_a_kubeconfig_with_a_server_name(server: ApiServer, tmp_path: Path) -> None:
    """The certificate is checked for that name instead of the host."""
    options = {"certificate-authority": str(CA_ONE), "tls-server-name": "example.org"}
    path = kubeconfig(tmp_path, server.url, {"token": "t"}, **options)
    with pytest.raises(errors.ConnectFailed, match=r"example\.org"):
        sent(server, path)
    path = kubeconfig(tmp_path, server.url, {"token": "t"}, **{**options, "tls-server-name": "localhost"})
    assert sent(server, path) == "Bearer t"


def test_a_kubeconfig_with_a_password(server: ApiServer, tmp_path: Path) -> None:
    """Some gateways still take basic authentication."""
    user = {"username": "u", "password": "p"}
    path = kubeconfig(tmp_path, server.url, user, **{"certificate-authority": str(CA_ONE)})
    assert sent(server, path) == "Basic dTpw"


def test_a_kubeconfig_with_a_client_certificate(tmp_path: Path) -> None:
    """A server that demands one lets us in."""
    import ssl

    with ApiServer(certificate="server-one.pem") as server:
        assert server.tls is not None
        server.tls.verify_mode = ssl.CERT_REQUIRED
        server.tls.load_verify_locations(CA_ONE)
        server.always(answers({}))
        certificate = str(CERTIFICATES / "client-one.pem")
        user = {"client-certificate": certificate, "client-key": certificate}
        assert (
            sent(server, kubeconfig(tmp_path, server.url, user, **{"certificate-authority": str(CA_ONE)}))
            == ""
        )
        path = kubeconfig(tmp_path, server.url, {}, **{"certificate-authority": str(CA_ONE)})
        with pytest.raises(errors.TransportError):
            sent(server, path)


def exec_user(tmp_path: Path) -> dict[str, Any]:
    """A plugin that answers what `credential` holds."""
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "/bin/cat",
        "args": [str(tmp_path / "credential")],
        "interactiveMode": "Never",
    }
    return {"exec": plugin}


def grant(tmp_path: Path, token: str) -> None:
    status = {"token": token}
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    (tmp_path / "credential").write_text(json.dumps(credential))


def test_an_exec_plugin_is_asked_again_after_a_401(server: ApiServer, tmp_path: Path) -> None:
    """Tokens of cloud providers live for minutes; at most one process each 10 s."""
    now = [0.0]
    grant(tmp_path, "one")
    path = kubeconfig(tmp_path, server.url, exec_user(tmp_path), **{"certificate-authority": str(CA_ONE)})
    cluster = from_kubeconfig(path, monotonic=lambda: now[0])
    transport = HttpTransport(cluster)
    transport.send(GET, timeout=2)
    grant(tmp_path, "two")
    server.script(refuses(401, "Unauthorized"))
    assert transport.send(GET, timeout=2).status == 401
    now[0] = 11.0
    server.script(refuses(401, "Unauthorized"))
    assert transport.send(GET, timeout=2).status == 200
    transport.close()
    assert [request.headers["authorization"][7:] for request in server.requests] == [
        "one",
        "one",
        "one",
        "two",
    ]


def test_a_token_file_of_a_kubeconfig_is_read_again_after_a_401(server: ApiServer, tmp_path: Path) -> None:
    """The package reads it at the start only."""
    now = [0.0]
    (tmp_path / "token").write_text("one")
    user = {"tokenFile": str(tmp_path / "token")}
    path = kubeconfig(tmp_path, server.url, user, **{"certificate-authority": str(CA_ONE)})
    transport = HttpTransport(from_kubeconfig(path, monotonic=lambda: now[0]))
    (tmp_path / "token").write_text("two")
    now[0] = 11.0
    server.script(refuses(401, "Unauthorized"))
    assert transport.send(GET, timeout=2).status == 200
    transport.close()
    assert [request.headers["authorization"][7:] for request in server.requests] == ["one", "two"]


def test_contexts_choose_namespace_and_name(tmp_path: Path) -> None:
    """The current one by default; `default` where the context names no namespace."""
    path = kubeconfig(tmp_path, "https://127.0.0.1:1", {"token": "t"})
    first, second = from_kubeconfig(path), from_kubeconfig(path, "second")
    assert (first.namespace, first.origin) == ("team", "kubeconfig first")
    assert (second.namespace, second.origin) == ("default", "kubeconfig second")
    with pytest.raises(errors.CredentialsError, match="third"):
        from_kubeconfig(path, "third")


def test_a_missing_or_broken_kubeconfig_is_named(tmp_path: Path) -> None:
    """One error class for the command line to print."""
    with pytest.raises(errors.CredentialsError):
        from_kubeconfig(tmp_path / "absent")
    for text in ("{", "", "[]", "contexts: 5", "current-context: x", "kind: Config\ncontexts: []"):
        (tmp_path / "broken").write_text(text)
        with pytest.raises(errors.CredentialsError):
            from_kubeconfig(tmp_path / "broken")


def test_an_image_without_the_kubernetes_package_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container image has no package for kubeconfig files: a message, not a traceback."""
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(errors.CredentialsError, match="package kubernetes, which is not installed here"):
        from_kubeconfig(tmp_path / "kubeconfig")


def test_a_proxy_of_the_kubeconfig_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one of the environment, unless NO_PROXY exempts the host."""
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    path = kubeconfig(tmp_path, "https://api.example:1", {"token": "t"}, **{"proxy-url": "http://p:3128"})
    assert from_kubeconfig(path).proxy == "http://p:3128"
    path = kubeconfig(tmp_path, "https://api.example:1", {"token": "t"})
    assert from_kubeconfig(path).proxy is None
    monkeypatch.setenv("HTTPS_PROXY", "http://q:3128")
    assert from_kubeconfig(path).proxy == "http://q:3128"
    monkeypatch.setenv("NO_PROXY", "example.org,.example")
    assert from_kubeconfig(path).proxy is None


def test_secrets_are_not_in_the_repr(tmp_path: Path) -> None:
    """A Cluster is logged at the start."""
    path = kubeconfig(tmp_path, "https://a:1", {"token": "very-secret"}, **{"proxy-url": "http://u:pw@p:1"})
    text = repr(from_kubeconfig(path))
    assert "very-secret" not in text
    assert "pw" not in text


def test_a_pod_never_imports_the_kubernetes_package(folder: Path) -> None:
    """65 MB and 0.7 s that nothing there would use; nor httpx, which only members need."""
    code = """
import sys
from pathlib import Path
from kaspr_controller.kube import client, credentials, eventing, leasing, transport
cluster = credentials.in_cluster(folder=Path(sys.argv[1]), environ={"KUBERNETES_SERVICE_HOST": "127.0.0.1"})
transport.HttpTransport(cluster)
heavy = {"kubernetes", "httpx", "urllib3", "yaml"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT / "src",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

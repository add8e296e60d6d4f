"""Where the API server is and how we prove who we are: from the files of a pod, or from a kubeconfig.

`in_cluster` and `from_kubeconfig` give a `Cluster`; the transport asks its `auth` for headers at every request, its
`tls` for a context at every connect, and `auth.refresh` once after a 401. Both providers are called on any thread and
lock for themselves. The `kubernetes` package (65 MB, 0.7 s) is imported only for kubeconfig files, never in a pod: it
knows exec plugins, OIDC and the merging of files, its network client is not used. Tokens never reach a `repr`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from kaspr_controller.kube.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kaspr_controller.kube.connections import TlsSource

SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")

TOKEN_SECONDS = 60.0
"""How long a token is used before its file is read again; the kubelet renews it at 80 % of its hour or more."""

_REFRESH_SECONDS = 10.0


class AuthProvider(Protocol):
    """Who we are, as request headers."""

    def headers(self) -> Mapping[str, str]:
        """Headers for the next request; cheap enough to ask each time."""
        ...

    def refresh(self, rejected: Mapping[str, str]) -> bool:
        """After a 401 to `rejected`: True when other headers are at hand now and one more try makes sense."""
        ...


@dataclass(frozen=True, slots=True)
class Cluster:
    """One API server as seen with one identity.

    Attributes:
        server: URL, `https://10.96.0.1:443`, maybe with a path prefix.
        namespace: that of the pod or of the kubeconfig context; `default` when neither names one.
        auth: headers per request.
        tls: a context per connect; None for plain HTTP.
        origin: where this came from, for the log: `in-cluster` or `kubeconfig <context>`.
        server_name: name to verify in the certificate instead of the host.
        proxy: `http://host:port` to CONNECT through.
    """

    server: str
    namespace: str
    auth: AuthProvider = field(repr=False)
    tls: TlsSource = field(repr=False)
    origin: str
    server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)


class Anonymous:
    """No credentials: for the proxy of `kubectl proxy` and for tests."""

    def headers(self) -> Mapping[str, str]:
        """No headers."""
        return {}

    def refresh(self, rejected: Mapping[str, str]) -> bool:
        """Nothing else to offer."""
        del rejected
        return False


class TokenFile:
    """A bearer token that somebody else renews in a file (rule 20.3: read at most every 60 s, and after a 401)."""

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._headers: Mapping[str, str] = {}
        self._read_at = float("-inf")

    def headers(self) -> Mapping[str, str]:
        """The token as an `Authorization` header.

        Raises:
            CredentialsError: the file was never readable; later an unreadable file leaves the last token in use.
        """
        if self._monotonic() - self._read_at < TOKEN_SECONDS:
            return self._headers
        with self._lock:
            if self._monotonic() - self._read_at >= TOKEN_SECONDS:
                self._read()
            return self._headers

    def refresh(self, rejected: Mapping[str, str]) -> bool:
        """Read the file now, unless another thread did so since `rejected` was handed out."""
        with self._lock:
            if self._headers == rejected:
                self._read()
            return self._headers != rejected

    def _read(self) -> None:
        try:
            token = self._path.read_text().strip()
        except OSError as error:
            if not self._headers:
                raise CredentialsError(
                    f"cannot read the token file {self._path}: {error.strerror}"
                ) from error
            token = ""
        if token:
            self._headers = {"Authorization": f"Bearer {token}"}
        self._read_at = self._monotonic()


class TlsFiles:
    """A TLS context from PEM files, built again when one of them changed; asked at every connect."""

    def __init__(
        self,
        ca: Path | None,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        verify: bool = True,
    ) -> None:
        self._ca = ca
        self._certificate = certificate
        self._key = key
        self._verify = verify
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._stamp: tuple[tuple[int, int], ...] = ()

    def __call__(self) -> ssl.SSLContext:
        """The context for the files as they are now; the last good one while they cannot be read.

        Raises:
            CredentialsError: there never was a good one.
        """
        with self._lock:
            try:
                stamp = self._stamps()
                if self._context is None or stamp != self._stamp:
                    self._context, self._stamp = self._build(), stamp
            except OSError as error:  # ssl.SSLError included
                if self._context is None:
                    raise CredentialsError(f"cannot load the TLS files: {error}") from error
            return self._context

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        # stat follows the links of a projected volume, whose target directory changes at a rotation.
        files = [path.stat() for path in (self._ca, self._certificate, self._key) if path]
        return tuple((file.st_mtime_ns, file.st_ino) for file in files)

    def _build(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self._ca) if self._ca else None)
        # Python 3.13 switches this on; the CAs that kubeadm and managed clusters make lack the key identifiers it wants.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.set_alpn_protocols(["http/1.1"])
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._certificate:
            context.load_cert_chain(self._certificate, self._key)
        return context


def in_cluster(
    *,
    folder: Path = SERVICE_ACCOUNT_FOLDER,
    environ: Mapping[str, str] = os.environ,
    monotonic: Callable[[], float] = time.monotonic,
) -> Cluster:
    """The cluster this pod runs in, as its service account.

    Raises:
        CredentialsError: not in a pod, or the service account token is not mounted.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise CredentialsError(
            "KUBERNETES_SERVICE_HOST is not set, so this is no pod: name a kubeconfig file"
        )
    if not (folder / "token").is_file():
        raise CredentialsError(f"{folder}/token is missing: set automountServiceAccountToken to true")
    namespace = folder / "namespace"
    return Cluster(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
        auth=TokenFile(folder / "token", monotonic=monotonic),
        tls=TlsFiles(folder / "ca.crt"),
        origin="in-cluster",
    )


def from_kubeconfig(
    path: Path | None = None,
    context: str | None = None,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> Cluster:
    """The cluster of a kubeconfig context, credentials of every kind that the `kubernetes` package knows.

    Args:
        path: the file; None means `$KUBECONFIG` or `~/.kube/config`.
        context: name of the context; None means the current one.
        monotonic: seconds, for the age of a token.

    Raises:
        CredentialsError: no file, no such context, or its credentials cannot be loaded.
    """
    if importlib.util.find_spec("kubernetes") is None:
        raise CredentialsError(
            "kubeconfig files need the package kubernetes, which is not installed here; the container image does without it, "
            "it is made for pods and takes their service account"
        )
    loader = _Kubeconfig(str(path) if path else None, context, monotonic)
    settings = loader.settings
    return Cluster(
        server=settings.host,
        namespace=loader.namespace,
        auth=loader,
        tls=loader.tls,
        origin=f"kubeconfig {loader.context}",
        server_name=settings.tls_server_name or None,
        proxy=_proxy_of(settings),
    )


class _Kubeconfig:
    """One context of a kubeconfig, loaded again as a whole after a 401: exec plugins, token files and certificates."""

    def __init__(self, file: str | None, context: str | None, monotonic: Callable[[], float]) -> None:
        self._file = file
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self.context, self.namespace = self._find(context)
        self._load()

    def headers(self) -> Mapping[str, str]:
        """The bearer token, asked again every 60 s: the package then renews one that is about to expire."""
        if self._monotonic() - self._read_at < TOKEN_SECONDS:
            return self._headers
        with self._lock:
            if self._monotonic() - self._read_at >= TOKEN_SECONDS:
                self._read()
            return self._headers

    def refresh(self, rejected: Mapping[str, str]) -> bool:
        """Load everything again, at most every 10 s: an exec plugin is a process."""
        with self._lock:
            if self._headers == rejected and self._monotonic() - self._loaded_at >= _REFRESH_SECONDS:
                self._load()
            return self._headers != rejected

    def tls(self) -> ssl.SSLContext:
        """The context of the certificates loaded last."""
        return self._tls()

    def _load(self) -> None:
        from kubernetes import client, config

        settings = client.Configuration()
        with _explained(f"cannot load the context {self.context!r}"):
            config.load_kube_config(self._file, self.context, settings)
        self.settings = settings
        self._tls = TlsFiles(
            _path(settings.ssl_ca_cert),
            certificate=_path(settings.cert_file),
            key=_path(settings.key_file),
            verify=settings.verify_ssl,
        )
        self._loaded_at = self._monotonic()
        self._read()

    def _read(self) -> None:
        # The package mutates the configuration here, without a lock of its own: ours is held.
        token = self.settings.get_api_key_with_prefix("BearerToken", alias="authorization")
        self._headers: Mapping[str, str] = {"Authorization": token} if token else {}
        self._read_at = self._monotonic()

    def _find(self, context: str | None) -> tuple[str, str]:
        from kubernetes import config

        with _explained("cannot read the kubeconfig"):
            contexts, active = config.list_kube_config_contexts(self._file)
        name = context or active["name"]
        for entry in contexts:
            if entry["name"] == name:
                return name, entry["context"].get("namespace") or "default"
        raise CredentialsError(f"the kubeconfig has no context {name!r}")


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Everything that the package raises over a file of the wrong form, as one error."""
    import yaml
    from kubernetes.config import ConfigException

    wrong_form = (ConfigException, yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError)
    try:
        yield
    except (OSError, *wrong_form) as error:
        raise CredentialsError(f"{what}: {error}") from error


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None


def _proxy_of(settings: Any) -> str | None:
    """The proxy of the kubeconfig or of the environment, unless NO_PROXY exempts the host."""
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

    if not settings.proxy:
        return None
    host = urlsplit(settings.host).hostname or ""
    exempt = settings.no_proxy and proxy_bypass_environment(host, {"no": settings.no_proxy})
    return None if exempt else str(settings.proxy)

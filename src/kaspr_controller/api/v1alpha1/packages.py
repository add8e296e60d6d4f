"""PythonPackagesSpec: packages an init container installs before a member starts.

In: `spec.pythonPackages`. Out: frozen parts. Invariant: no text here can reach another process's environment: `${NAME}` in a
package stands for a variable of the init container only (see the rule on KasprAppSpec), and absent install-policy values stay
absent, because the hash of an existing installation covers what was written.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kaspr_controller.api import quantities
from kaspr_controller.api.kubernetes_types import ResourceRequirements
from kaspr_controller.api.modelling import DataKey, Hint, HttpUrl, Items, ObjectName, Part, Quantity
from kaspr_controller.api.rules import rule, transition

_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = rf"(\[{_NAME}(,{_NAME})*\])?"
_VERSION = r"(==|>=|<=|~=|!=|<|>)[A-Za-z0-9][A-Za-z0-9._!-]*"
_CHARACTER = r"[A-Za-z0-9._~:/?#@!&'()*+,;=%\[\]-]"
REFERENCE_PATTERN = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"
# At most two references, a user and a token: admission can look up the first and the last of a text, not all.
_URL_TEXT = (
    rf"({_CHARACTER}+|{_CHARACTER}*{REFERENCE_PATTERN}{_CHARACTER}*({REFERENCE_PATTERN}{_CHARACTER}*)?)"
)
_SCHEMES = r"((git|hg|svn|bzr)\+)?(https?|ssh)://"
PACKAGE_PATTERN = (
    rf"^({_NAME}{_EXTRAS}({_VERSION}(,{_VERSION})*)?|{_SCHEMES}{_URL_TEXT}|git@[A-Za-z0-9._-]+:{_URL_TEXT})$"
)

Package = Annotated[
    str,
    Field(min_length=1, max_length=512, pattern=PACKAGE_PATTERN),
    Hint(
        "a requirement without blanks such as requests==2.32.3 or pkg[extra]>=1,<2, or a URL such as git+https://..."
    ),
]


class SecretReference(Part):
    """Reference to a Kubernetes Secret containing registry credentials."""

    name: ObjectName = Field(description="Name of the Secret containing credentials.")
    username_key: DataKey = Field("username", description="Key in the Secret for the username.")
    password_key: DataKey = Field("password", description="Key in the Secret for the password.")


class PythonPackagesCredentials(Part):
    """Credentials for private PyPI registry authentication."""

    secret_ref: SecretReference = Field(
        description="Reference to a Secret containing PyPI registry credentials."
    )


class GCSSecretReference(Part):
    """Reference to a Kubernetes Secret containing a Google Cloud service account key JSON file."""

    name: ObjectName = Field(description="Name of the Secret containing the service account key.")
    key: DataKey = Field("sa.json", description="Key within the Secret containing the JSON file.")


class GCSCacheConfig(Part):
    """Google Cloud Storage cache configuration for storing package archives remotely."""

    bucket: Annotated[
        str,
        Field(min_length=3, max_length=222, pattern=r"^[a-z0-9][a-z0-9._-]*[a-z0-9]$"),
        Hint("the name of a GCS bucket"),
    ] = Field(description="GCS bucket name for storing cached package archives.")
    prefix: Annotated[
        str,
        Field(max_length=512, pattern=r"^[A-Za-z0-9._/-]*$"),
        Hint("letters, digits, '.', '_', '-' and '/'"),
    ] = Field(
        "kaspr-packages/",
        description="Key prefix for cached archives in the bucket; a missing final `/` is added.",
    )
    max_archive_size: Quantity = Field(
        "1Gi", description="Maximum archive size to upload to GCS. Archives exceeding this size are skipped."
    )
    secret_ref: GCSSecretReference = Field(
        description="Reference to a Secret containing a GCS service account key JSON file."
    )


class PythonPackagesCache(Part):
    """Where installed packages are kept across restarts: a shared volume, Google Cloud Storage, or nowhere."""

    type: Literal["pvc", "gcs"] = Field("pvc", description="Cache backend type; `gcs` needs `gcs`.")
    enabled: bool = Field(
        False,
        description="Keep packages in a shared volume. When false, each pod installs them anew. Ignored for `gcs`.",
    )
    storage_class: ObjectName | None = Field(
        None,
        description="Storage class of the volume; absent means the cluster's default. It must offer ReadWriteMany.",
    )
    size: Quantity = Field("256Mi", description="Size of the volume; it can only grow.")
    access_mode: Literal["ReadWriteMany"] = Field(
        "ReadWriteMany", description="Access mode of the volume: all members share it."
    )
    delete_claim: bool = Field(
        True,
        description="Whether to delete the volume when the app is deleted. Its content can be rebuilt.",
    )
    gcs: GCSCacheConfig | None = Field(
        None, description="GCS cache configuration. Required when `type` is `gcs`."
    )

    @rule("self.type != 'gcs' || has(self.gcs)", "type gcs needs the bucket and its key in gcs", at="gcs")
    def _gcs_is_described(self) -> bool:
        return self.type != "gcs" or self.gcs is not None

    @rule("quantity(self.size).isGreaterThan(quantity('0'))", "size must be more than nothing", at="size")
    def _has_size(self) -> bool:
        return quantities.parse(self.size) > 0

    @transition(
        "quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
        "a volume cannot shrink; keep the size or make it larger",
        at="size",
    )
    def _only_grows(self, old: PythonPackagesCache) -> bool:
        return quantities.parse(self.size) >= quantities.parse(old.size)


class PythonPackagesInstallPolicy(Part):
    """Installation behavior policy for Python package installation."""

    retries: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Number of attempts for package installation; absent means 3."
    )
    timeout: Annotated[int, Field(ge=60, le=86400)] | None = Field(
        None, description="Timeout in seconds of one attempt, at least 60; absent means 600."
    )
    on_failure: Literal["block", "allow"] | None = Field(
        None,
        description="Behavior on installation failure: `block` keeps the member from starting, `allow` starts it without "
        "the packages; absent means `block`.",
    )


class PythonPackagesSpec(Part):
    """Python packages that an init container installs before the main application starts."""

    packages: Items[Package] = Field(
        min_length=1,
        max_length=100,
        description="List of Python packages to install: `requests==2.32.3`, `git+https://${TOKEN}@host/repo@v1`. A "
        "`${NAME}` stands for a variable declared in `template.pythonPackagesInitContainer.env`.",
    )
    index_url: HttpUrl | None = Field(None, description="Base URL of the Python Package Index.")
    extra_index_urls: Items[HttpUrl] = Field(
        (), max_length=16, description="Additional package index URLs to search."
    )
    trusted_hosts: Items[
        Annotated[
            str,
            Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.\[\]:_-]+$"),
            Hint("a host name, with a port when it is not the usual one"),
        ]
    ] = Field((), max_length=16, description="Hosts whose certificates are not checked.")
    credentials: PythonPackagesCredentials | None = Field(
        None, description="Credentials for private PyPI registry authentication."
    )
    cache: PythonPackagesCache | None = Field(
        None, description="Cache configuration for storing installed packages across restarts."
    )
    install_policy: PythonPackagesInstallPolicy | None = Field(
        None, description="Installation behavior policy (attempts, timeout, failure handling)."
    )
    resources: ResourceRequirements | None = Field(
        None, description="Resource requirements for the init container that installs packages."
    )

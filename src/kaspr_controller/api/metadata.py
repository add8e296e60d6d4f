"""What every Kubernetes object carries, and the six kinds of the `kaspr.io` group.

In: raw JSON of an object. Out: `ObjectMeta`, and `CustomKind` with the names a kind has in URLs, manifests and on our
children. Called by everybody; values only, any thread. Invariant: a kind's plural, suffix and group never change:
they are part of live objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

Raw: TypeAlias = Mapping[str, Any]
"""One Kubernetes object, or a part of it, as JSON. Read-only by contract."""

GROUP = "kaspr.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

KindName: TypeAlias = Literal[
    "KasprApp", "KasprAgent", "KasprTable", "KasprJoin", "KasprWebView", "KasprTask"
]


class ObjectMeta(BaseModel):
    """The part of `metadata` this program reads; everything else in it belongs to the API server and is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True)

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class CustomKind:
    """One of our kinds: what it is called, and what it leaves on its children.

    `suffix` ends the names of rendered objects (`<name>-agent`), `name_limit` is the longest `metadata.name` whose
    derived names still fit (63 for labels and volumes, 52 for a StatefulSet that must create pods).
    """

    kind: KindName
    plural: str
    singular: str
    short_names: tuple[str, ...]
    suffix: str
    name_limit: int
    group: str = GROUP
    version: str = VERSION

    @property
    def api_version(self) -> str:
        """`kaspr.io/v1alpha1`."""
        return f"{self.group}/{self.version}"

    @property
    def crd_name(self) -> str:
        """The name of the CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"


APP = CustomKind("KasprApp", "kasprapps", "kasprapp", ("kapps", "kapp"), "app", 48)
AGENT = CustomKind("KasprAgent", "kaspragents", "kaspragent", ("kagents", "kagent"), "agent", 57)
TABLE = CustomKind("KasprTable", "kasprtables", "kasprtable", ("ktables", "ktable"), "table", 57)
JOIN = CustomKind("KasprJoin", "kasprjoins", "kasprjoin", ("kjoin", "kj"), "join", 58)
WEB_VIEW = CustomKind(
    "KasprWebView", "kasprwebviews", "kasprwebview", ("kwebviews", "kwebview"), "webview", 55
)
TASK = CustomKind("KasprTask", "kasprtasks", "kasprtask", ("ktasks", "ktask"), "task", 58)

COMPONENT_KINDS = (AGENT, TABLE, JOIN, WEB_VIEW, TASK)
KINDS = (APP, *COMPONENT_KINDS)
BY_NAME: Mapping[str, CustomKind] = {kind.kind: kind for kind in KINDS}

"""The Secrets and ConfigMaps that an app names itself: what its pods would have to be restarted for.

In: the spec. Out: `Reference`s, sorted, each once. Pure. ConfigMaps that this program writes are not among them: their
content is hashed into the template anyway. Secrets for pulling images are not either: a running pod has no use for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kaspr_controller.api.v1alpha1.app import ContainerTemplate, KasprApp, Volume


class Reference(NamedTuple):
    """One object in the namespace of the app.

    Attributes:
        kind: `Secret` or `ConfigMap`.
        name: of the object.
        optional: pods start without it.
    """

    kind: str
    name: str
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def references(app: KasprApp) -> tuple[Reference, ...]:
    """What the app names; an object is optional only if every mention of it is."""
    found: dict[tuple[str, str], bool] = {}
    for kind, name, optional in _mentioned(app):
        found[kind, name] = found.get((kind, name), True) and optional
    return tuple(Reference(kind, name, optional) for (kind, name), optional in sorted(found.items()))


def _mentioned(app: KasprApp) -> Iterator[Reference]:
    spec = app.spec
    if spec.authentication.password_secret is not None:
        yield Reference("Secret", spec.authentication.password_secret.secret_name)
    if (packages := spec.python_packages) is not None:
        if packages.credentials is not None:
            yield Reference("Secret", packages.credentials.secret_ref.name)
        if packages.cache is not None and packages.cache.gcs is not None:
            yield Reference("Secret", packages.cache.gcs.secret_ref.name)
    for container in (spec.template.kaspr_container, spec.template.python_packages_init_container):
        yield from _of_container(container)
    for volume in spec.template.pod.volumes if spec.template.pod else ():
        yield from _of_volume(volume)


def _of_container(container: ContainerTemplate | None) -> Iterator[Reference]:
    for variable in container.env if container else ():
        source = variable.value_from
        if source is None:
            continue
        for kind, found in (("Secret", source.secret_key_ref), ("ConfigMap", source.config_map_key_ref)):
            if found and found.get("name"):
                yield Reference(kind, str(found["name"]), bool(found.get("optional")))


def _of_volume(volume: Volume) -> Iterator[Reference]:
    if volume.secret:
        yield Reference("Secret", str(volume.secret["secretName"]), bool(volume.secret.get("optional")))
    if volume.config_map and volume.config_map.get("name"):
        yield Reference("ConfigMap", str(volume.config_map["name"]), bool(volume.config_map.get("optional")))

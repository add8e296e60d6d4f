"""The one function of this room: an app and its components in, every object that should exist out.

In: parsed custom resources, facts about live objects, options. Out: `Bundle`. Called by the reconcilers, on any thread,
with inputs from complete caches. Pure: equal inputs give equal bytes, whatever the hash seed or the order of a list call.
There is one writer for all objects of an app, the ConfigMaps of its components included, so that a pod template and the
content it refers to cannot disagree, and no partial render exists.

The order of the intents is the order of writing: content before what refers to it. Where `refused` is not empty, nothing
is rendered and nothing may be pruned: what runs keeps running.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.desired import files, subscriptions
from kaspr_controller.desired.app import config, environment, network, versions
from kaspr_controller.desired.app.config import Settings, settings_of
from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.desired.app.marks import marks_of
from kaspr_controller.desired.app.packages import PackagesPlan, plan_packages
from kaspr_controller.desired.app.scaling import plan_scaling
from kaspr_controller.desired.app.storage import StorageResize, plan_storage
from kaspr_controller.desired.app.workload import CONTAINER, Parts, stateful_set
from kaspr_controller.desired.components import AnyComponent, prepare_all
from kaspr_controller.desired.facts import Facts, Raw
from kaspr_controller.desired.files import ComponentOutcome, DefinitionFiles
from kaspr_controller.desired.keeping import keep
from kaspr_controller.desired.lastgood import LiveDefinitions
from kaspr_controller.desired.options import Options
from kaspr_controller.desired.problems import (
    MOUNT_PATH_CONFLICT,
    REFERENCE_UNREAD,
    VOLUME_NAME_CONFLICT,
    ComponentKey,
    Problem,
    Unstorable,
)
from kaspr_controller.desired.resolving import resolve
from kaspr_controller.desired.subscriptions import Subscriptions

ObjectName = tuple[str, str]
"""Kind and name of a child; its namespace is the app's."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One object to write, and the objects that must be stored before it."""

    obj: Raw
    needs: frozenset[ObjectName] = frozenset()

    @property
    def name(self) -> ObjectName:
        """Kind and name of the object."""
        return self.obj["kind"], self.obj["metadata"]["name"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything that follows from one app.

    Attributes:
        intents: the objects, in writing order.
        refused: why the app cannot be rendered; then everything else is empty and nothing may be pruned.
        components: the outcome of each component.
        warnings: about the app itself.
        subscriptions: what its members will read.
        files: file name -> document, as mounted.
        settings_hash: hash of the settings, as in `CONFIG_HASH`.
        packages: what is to be installed, None for nothing.
        storage_resize: the live claims have another size than the spec asks for.
        image: of the members.
        mounted: ConfigMaps that the pods mount where the template of the predecessor is kept, None where ours is written.
    """

    intents: tuple[Intent, ...] = ()
    refused: tuple[Problem, ...] = ()
    components: Mapping[ComponentKey, ComponentOutcome] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    subscriptions: Subscriptions = field(default_factory=Subscriptions)
    files: Mapping[str, str] = field(default_factory=dict)
    settings_hash: str = ""
    packages: PackagesPlan | None = None
    storage_resize: StorageResize | None = None
    image: str = ""
    mounted: frozenset[str] | None = None

    @property
    def problems(self) -> dict[ComponentKey, Problem]:
        """Components that are held back, with the reason."""
        return {key: outcome.problem for key, outcome in self.components.items() if outcome.problem}

    @property
    def wanted(self) -> frozenset[ObjectName]:
        """The children that should exist; another one of ours may go once no pod refers to it."""
        return frozenset(intent.name for intent in self.intents)


def render_app(
    app: KasprApp,
    components: Iterable[AnyComponent],
    facts: Facts | None = None,
    options: Options | None = None,
    *,
    unstorable: Mapping[ComponentKey, Unstorable] = MappingProxyType({}),
) -> Bundle:
    """Render one app with all its components.

    Args:
        app: the app.
        components: all components that name it, also those that could not be parsed (`Unparsable`); those on their way
            out are ignored.
        facts: what is there already; none for a new app.
        options: choices of this controller.
        unstorable: components whose content could not be stored; they are held back.
    """
    facts, options = facts or Facts(), options or Options()
    identity = Identity(app.name, app.namespace, app.metadata.uid)
    settings = settings_of(app, identity, facts.settings_in_use)
    image = _image(app, facts, options)
    if isinstance(image, Problem) or settings.problems:
        return Bundle(refused=(*((image,) if isinstance(image, Problem) else ()), *settings.problems))
    definitions = _definitions(app, components, facts, settings, image=image, unstorable=unstorable)
    subscribed = subscriptions.of(definitions.choices, identity, scheduler=settings.scheduler)
    parts = Parts(
        app=app,
        identity=identity,
        options=options,
        image=image,
        settings=settings,
        storage=plan_storage(app.spec.storage, identity, facts.workload, releasing=facts.releasing),
        scaling=plan_scaling(app.spec.replicas, identity, options=options, workload=facts.workload),
        packages=plan_packages(app, identity, live_size=facts.packages_size),
        definitions=definitions.names,
        hashes=definitions.hashes,
        annotations=subscriptions.annotation_of(subscribed),
    )
    return _bundle(parts, definitions, subscribed, facts)


def _image(app: KasprApp, facts: Facts, options: Options) -> str | Problem:
    """An app that names no version keeps the one it runs: a new default of ours must not restart a whole fleet at once."""
    version = app.spec.version or versions.running(facts.workload.image if facts.workload else "")
    return versions.resolve(version, app.spec.image, registry=options.image_registry)


def _bundle(parts: Parts, definitions: DefinitionFiles, subscribed: Subscriptions, facts: Facts) -> Bundle:
    workload: Raw = stateful_set(parts, marks_of(facts))
    if refused := _conflicts(workload, parts.settings):
        return Bundle(refused=refused)
    kept = keep(workload, facts)
    warnings = (*parts.settings.warnings, *parts.storage.warnings, *_overridden(parts.app), *_unread(facts))
    return Bundle(
        intents=_intents(parts, definitions, kept.workload if kept else workload),
        components=definitions.outcomes,
        warnings=(*warnings, kept.warning) if kept else warnings,
        mounted=kept.mounted if kept else None,
        subscriptions=subscribed,
        files=definitions.files,
        settings_hash=parts.settings.hash,
        packages=parts.packages,
        storage_resize=parts.storage.resize,
        image=parts.image,
    )


def _definitions(  # one argument for each source of what is mounted
    app: KasprApp,
    components: Iterable[AnyComponent],
    facts: Facts,
    settings: Settings,
    *,
    image: str,
    unstorable: Mapping[ComponentKey, Unstorable],
) -> DefinitionFiles:
    pod = app.spec.template.pod
    prepared = prepare_all(components)
    resolution = resolve(
        prepared,
        LiveDefinitions(facts),
        volumes=[volume.name for volume in pod.volumes] if pod else (),
        scheduler=settings.scheduler,
        metrics_path=f"{app.spec.config.web_metrics_base_path or ''}/metrics",
        unstorable=unstorable,
    )
    return files.compose(prepared, resolution, image=image)


def _intents(parts: Parts, definitions: DefinitionFiles, workload: Raw) -> tuple[Intent, ...]:
    app, identity, port = parts.app, parts.identity, parts.settings.web_port
    content = [
        network.service_account(app, identity),
        config.config_map(parts.settings, identity),
        network.headless_service(app, identity, port=port),
        network.service(app, identity, port=port),
        *((parts.packages.claim,) if parts.packages and parts.packages.claim else ()),
    ]
    intents = [Intent(obj) for obj in content]
    needs = files.needs(definitions)
    for file in sorted(definitions.homes, key=lambda file: file.home[0] not in files.WITH_TABLES):
        obj = files.config_map(file, identity)
        intents.append(Intent(obj, needs[obj["metadata"]["name"]]))
    needed = frozenset(intent.name for intent in intents) - {("Service", identity.service)}
    if parts.scaling.autoscaler:
        intents.append(Intent(parts.scaling.autoscaler))
    return (*intents, Intent(workload, needed))


def _conflicts(workload: Raw, settings: Settings) -> tuple[Problem, ...]:
    """Mounts and volumes that the API server would refuse, found before anything is written."""
    spec = workload["spec"]["template"]["spec"]
    claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())]
    names = [*claims, *(volume["name"] for volume in spec.get("volumes", ()))]
    found = [
        Problem(
            VOLUME_NAME_CONFLICT, "spec.template.pod.volumes", f"two volumes are named {name}; rename yours"
        )
        for name in _repeated(names)
    ]
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        template = "kasprContainer" if container["name"] == CONTAINER else "pythonPackagesInitContainer"
        for path in _repeated([mount["mountPath"] for mount in container["volumeMounts"]]):
            is_tables = container["name"] == CONTAINER and path == settings.table_directory
            field_path = "spec.config.tableDir" if is_tables else f"spec.template.{template}.volumeMounts"
            found.append(
                Problem(
                    MOUNT_PATH_CONFLICT,
                    field_path,
                    f"something else is mounted at {path}; choose another path",
                )
            )
    return tuple(found)


def _repeated(texts: list[str]) -> list[str]:
    return sorted({text for text in texts if texts.count(text) > 1}) if len(set(texts)) < len(texts) else []


def _unread(facts: Facts) -> tuple[Problem, ...]:
    return tuple(
        Problem(REFERENCE_UNREAD, "", f"{text}: changes of it restart nobody") for text in facts.unread
    )


def _overridden(app: KasprApp) -> tuple[Problem, ...]:
    container = app.spec.template.kaspr_container
    return environment.overridden_hashes(container.env) if container else ()

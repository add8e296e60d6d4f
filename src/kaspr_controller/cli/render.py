"""`kaspr-controller render -f FILE`: the objects that would be made of the resources in these files.

No cluster is needed: every app is rendered as if it were new. Out: YAML for `kubectl apply`, in the order in which the
controller writes, apps by name, so the order of files and documents does not matter. Owner references are left out, since
a UID exists only in a cluster. What is wrong, held back or left out goes to standard error, in the form of `validate`;
exit code 1 when something is missing in the output because of it.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml

from kaspr_controller.api import labels
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.cli import documents
from kaspr_controller.cli.choices import load_settings, options_of
from kaspr_controller.cli.documents import Document
from kaspr_controller.cli.findings import Finding, in_document, in_file
from kaspr_controller.cli.judging import Parsed, judge
from kaspr_controller.cli.validate import is_ours, read
from kaspr_controller.desired.bundle import render_app

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from kaspr_controller.api.parsing import AnyResource
    from kaspr_controller.desired.definitions import Component
    from kaspr_controller.desired.options import Options


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of this command."""
    documents.add_file_argument(parser)
    parser.add_argument(
        "-n", "--namespace", default="default", help="of resources that name none; default: default"
    )
    parser.add_argument(
        "-o", "--output", choices=("yaml", "json"), default="yaml", help="form of the objects"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Render every app in the files and print its objects."""
    options = options_of(load_settings())
    loaded = documents.load(arguments.files)
    parsed, faults = read([placed(each, arguments.namespace) for each in filter(is_ours, loaded.documents)])
    objects = render([each.resource for each in parsed], options)
    sys.stdout.write(_WRITERS[arguments.output](objects))
    found = [*map(in_file, loaded.faults), *faults, *judge(parsed, missing="error"), *_orphans(parsed)]
    for finding in sorted(found):
        print(finding, file=sys.stderr)
    return int(any(finding.severity == "error" for finding in found))


def placed(document: Document, namespace: str) -> Document:
    """The document with a namespace: it is a part of the members' addresses, so there is no render without one."""
    metadata = document.value.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("namespace"):
        return document
    return replace(document, value={**document.value, "metadata": {**metadata, "namespace": namespace}})


def render(resources: Iterable[AnyResource], options: Options) -> list[dict[str, Any]]:
    """The objects of every app among the resources, as far as they can be rendered."""
    apps: list[KasprApp] = []
    components: defaultdict[tuple[str, str], list[Component]] = defaultdict(list)
    for resource in resources:
        if isinstance(resource, KasprApp):
            apps.append(resource)
        else:
            components[resource.namespace, resource.app].append(resource)
    return [
        _portable(intent.obj)
        for app in sorted(apps, key=lambda app: (app.namespace, app.name))
        for intent in render_app(app, components[app.namespace, app.name], options=options).intents
    ]


def _orphans(parsed: Iterable[Parsed]) -> Iterator[Finding]:
    """Components that name an app which is not there; those that name none are the judge's business."""
    pool = [(each, each.resource) for each in parsed]
    apps = {(item.namespace, item.name) for _, item in pool if isinstance(item, KasprApp)}
    for each, item in pool:
        if not isinstance(item, KasprApp) and item.app and (item.namespace, item.app) not in apps:
            text = f"left out: KasprApp {item.app} of namespace {item.namespace} is not in these files"
            yield in_document(each.document, f"metadata.labels[{labels.APP}]", text)


def _portable(obj: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "ownerReferences"}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **obj, "metadata": metadata}


def _yaml(objects: list[dict[str, Any]]) -> str:
    return yaml.dump_all(
        objects, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True, explicit_start=True
    )


def _json(objects: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=2) + "\n"


_WRITERS = {"yaml": _yaml, "json": _json}


_LINE_BREAKS = frozenset("\r\x85\u2028\u2029")
"""Ends of lines for some readers of YAML and not for others; escaped they are nothing special."""


class _Dumper(yaml.SafeDumper):
    """Block style for texts of several lines; no aliases, which confuse readers and some tools."""

    def ignore_aliases(self, data: object) -> bool:
        """Write every value out."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    if _LINE_BREAKS & set(text):
        style: str | None = '"'
    else:
        style = "|" if "\n" in text else "'" if documents.is_number_or_word(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)

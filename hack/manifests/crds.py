"""The CRDs as YAML text. In: the models. Out: a file name and its text per kind."""

from __future__ import annotations

from typing import Any

import yaml

from kaspr_controller.api.crdgen import crd
from kaspr_controller.api.parsing import MODELS

HEADER = "# Generated from src/kaspr_controller/api by `make manifests`. Do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """Without anchors: the same schema in two places is written twice, as the API server wants it."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is yaml's
        return True


def files() -> dict[str, str]:
    """`<plural>.yaml` with the CRD of each kind."""
    return {f"{model.custom_kind.plural}.yaml": _text(crd(model)) for model in MODELS.values()}


def _text(obj: dict[str, Any]) -> str:
    return HEADER + yaml.dump(obj, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)

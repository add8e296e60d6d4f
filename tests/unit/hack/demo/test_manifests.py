"""The edit fits the examples, and what is wrong on purpose is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hack.demo import finale, manifests

ROOT = Path(__file__).parents[4]
EXAMPLES = ROOT / "examples"


def test_the_edit_fits_the_examples() -> None:
    """It replaces one line of one agent and leaves code that compiles."""
    documents = [one for path in EXAMPLES.glob("*.yaml") for one in yaml.safe_load_all(path.read_text())]
    (agent,) = [
        one
        for one in documents
        if one["kind"] == "KasprAgent" and one["metadata"]["name"] == manifests.EDITED_NAME
    ]
    (change,) = manifests.edit(agent)
    value = agent
    for part in change["path"].split("/")[1:]:
        value = value[int(part)] if isinstance(value, list) else value[part]
    assert isinstance(value, str)
    assert value.replace(manifests.OLD_LINE, manifests.NEW_LINE) == change["value"] != value
    compile(change["value"], "price", "exec")


def test_an_agent_without_the_line_is_not_edited() -> None:
    """Better a message than an edit that changes nothing."""
    agent = {"metadata": {"name": "other"}, "spec": {"processors": {"init": {"python": "x = 1"}}}}
    with pytest.raises(LookupError, match="the Python of other does not hold"):
        manifests.edit(agent)


def test_the_mounted_line_is_found_in_its_file() -> None:
    """What is shown is the file's own text, not what was sent."""
    files = {"/a.yaml": "agents: []", "/b.yaml": '[{"python": "x = 1\\n  y = \\"2\\"\\n"}]'}
    assert manifests.mounted_line(files, "y =") == ("/b.yaml", 'y = "2"')
    with pytest.raises(LookupError, match="no mounted file holds 'z ='"):
        manifests.mounted_line(files, "z =")


def test_the_broken_agent_is_broken_only_in_its_python() -> None:
    """Its manifest is fine, else the API server would refuse it."""
    operation = yaml.safe_load(manifests.BROKEN)["spec"]["processors"]["operations"][0]
    with pytest.raises(SyntaxError):
        compile(operation["map"]["python"], "broken", "exec")


def test_every_document_that_is_recommended_exists() -> None:
    """The last lines of the demo send people there."""
    assert [path for path in finale.DOCUMENTS if not (ROOT / path).exists()] == []

"""`validate` finds what only shows when an app and its components are put together, or when code is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kaspr_controller.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

APP = """
apiVersion: kaspr.io/v1alpha1
kind: KasprApp
metadata: {{name: orders}}
spec:
  version: "{version}"
  replicas: 1
  bootstrapServers: kafka:9092
  storage: {{type: persistent-claim, class: standard, size: 1Gi}}
---
"""
AGENT = """
apiVersion: kaspr.io/v1alpha1
kind: KasprAgent
metadata:
  name: {name}
  labels: {labels}
spec:
  input: {{topic: {{name: in}}}}
  processors:
    pipeline: [first]
    operations:
    - name: first
      {tables}
      map:
        python: "{code}"
---
"""


def app(version: str = "") -> str:
    return APP.format(version=version).replace('  version: ""\n', "")


def agent(
    name: str = "enrich", label: str = "orders", code: str = "def f(v): return v", tables: str = ""
) -> str:
    labels = "{kaspr.io/app: " + label + "}" if label else "{}"
    text = AGENT.format(name=name, labels=labels, code=code, tables=tables)
    return "\n".join(line for line in text.splitlines() if line.strip()) + "\n"


def validate(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> tuple[int, list[str]]:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    code = main(["validate", "-f", str(file)])
    return code, [line.removeprefix(f"{file}:") for line in capsys.readouterr().out.splitlines()]


def test_a_whole_app_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An app with an agent that runs."""
    assert validate(tmp_path, capsys, app() + agent()) == (0, [])


@pytest.mark.parametrize("with_app", [True, False])
def test_code_is_compiled(tmp_path: Path, capsys: pytest.CaptureFixture[str], *, with_app: bool) -> None:
    """The runtime would only tell at the first message, in its log; the line is that of the code."""
    text = (app() if with_app else "") + agent(code="def f(v) return v")
    code, lines = validate(tmp_path, capsys, text)
    line = text.splitlines().index('        python: "def f(v) return v"') + 1
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith((f"{line}: ", f"{line - 1}: "))
    assert "KasprAgent/enrich: spec.processors.operations[0].map" in lines[0]


def test_a_component_names_its_app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the label nobody would ever pick it up, and admission cannot ask for labels."""
    code, lines = validate(tmp_path, capsys, agent(label=""))
    assert code == 1
    assert "metadata.labels[kaspr.io/app]: must name the KasprApp" in lines[0]
    assert lines[0].startswith("5: ")


def test_what_may_be_elsewhere_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table that these files do not have may be in the cluster; the exit code stays 0."""
    code, lines = validate(
        tmp_path, capsys, app() + agent(tables="tables: [{name: prices, paramName: prices}]")
    )
    assert code == 0
    (line,) = lines
    assert "warning: KasprAgent/enrich: spec.processors.operations[0].tables" in line
    assert validate(tmp_path, capsys, agent(tables="tables: [{name: prices, paramName: prices}]")) == (0, [])


def test_an_app_that_is_refused_does_not_hide_its_components(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version that does not exist, and code that does not compile, in one run."""
    code, lines = validate(tmp_path, capsys, app("0.11.3") + agent(code="def f(v) return v"))
    assert code == 1
    assert "KasprApp/orders: spec.version: " in lines[0]
    assert "KasprAgent/enrich: " in lines[1]


def test_apps_of_one_name_in_two_namespaces_are_strangers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Components go to the app of their own namespace; the same object in another namespace is no repetition."""
    first, second = app() + agent(), app() + agent()
    text = first.replace("name: orders}", "name: orders, namespace: a}").replace(
        "  name: enrich", "  namespace: a\n  name: enrich"
    )
    text += second.replace("name: orders}", "name: orders, namespace: b}").replace(
        "  name: enrich", "  namespace: b\n  name: enrich"
    )
    assert validate(tmp_path, capsys, text) == (0, [])

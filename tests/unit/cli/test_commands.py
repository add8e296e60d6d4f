"""The commands as a user meets them: output, exit code, and nothing imported that is not needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kaspr_controller.__main__ import main
from kaspr_controller.api.parsing import MODELS
from kaspr_controller.cli import parser

GOOD = """
apiVersion: kaspr.io/v1alpha1
kind: KasprTask
metadata: {name: clock, labels: {kaspr.io/app: orders}}
spec:
  schedule: {interval: 5s}
  processors:
    pipeline: [tick]
    operations:
    - name: tick
      map: {python: "def tick(): return 1"}
"""
BAD = """\
apiVersion: kaspr.io/v1alpha1
kind: KasprTask
metadata:
  name: clock
  labels: {kaspr.io/app: orders}
spec:
  schedule: {interval: 5s}
  processors:
    pipeline: [tock]
    operations:
    - name: tick
      mop: {python: "def tick(): return 1"}
---
apiVersion: v1
kind: Service
metadata: {name: any}
spec: {whatever: 1}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.yaml"


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_good_files_are_silent(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No news is good news."""
    file.write_text(GOOD)
    assert run(capsys, "validate", "-f", str(file)) == (0, "", "")


def test_a_finding_says_where_what_and_how(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """file:line: kind/name: path: message, and exit code 1; objects of others are left alone."""
    file.write_text(BAD)
    code, out, _ = run(capsys, "validate", "-f", str(file))
    assert code == 1
    (line,) = out.splitlines()
    assert line.startswith(f"{file}:12: KasprTask/clock: spec.processors.operations[0].mop: ")


def test_findings_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for programs."""
    file.write_text(BAD)
    code, out, _ = run(capsys, "validate", "--output", "json", "-f", str(file))
    report = json.loads(out)
    assert (code, report["checked"], len(report["findings"])) == (1, 1, 1)
    finding = report["findings"][0]
    assert (finding["line"], finding["kind"], finding["name"]) == (12, "KasprTask", "clock")
    assert finding["path"] == "spec.processors.operations[0].mop"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("apiVersion: kaspr.io/v1\nkind: KasprApp\nmetadata: {name: x}\n", "1: KasprApp/x: apiVersion: "),
        (
            "apiVersion: kaspr.io/v1alpha1\nkind: KasprAppp\nmetadata: {name: x}\n",
            "2: KasprAppp/x: kind: must be",
        ),
        ("apiVersion: kaspr.io/v1alpha1\nkind: KasprApp\n", "1: KasprApp/: metadata"),
        ("apiVersion: kaspr.io/v1alpha1\nkind: KasprApp\nmetadata: [x]\n", "3: KasprApp/: metadata"),
        ("apiVersion: kaspr.io/v1alpha1\nkind: [x]\n", ": kind: "),
        ("a: [\n", "2: "),
        (
            GOOD.strip() + "\n---" + GOOD,
            "14: KasprTask/clock: metadata.name: this object is also written at ",
        ),
    ],
)
def test_wrong_objects_are_findings(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    """Wrong versions and kinds, missing names, broken YAML and repeated objects are all said, on their lines."""
    file.write_text(text)
    code, out, _ = run(capsys, "validate", "-f", str(file))
    assert code == 1
    assert says in out


def test_files_without_our_objects_are_mentioned(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Probably the wrong file, but a folder of many teams is no fault."""
    file.write_text("kind: Service\napiVersion: v1\n")
    assert run(capsys, "validate", "-f", str(file)) == (0, "", f"no kaspr.io objects in {file}\n")


def test_a_file_that_cannot_be_read_ends_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 tells it from a finding."""
    code, out, err = run(capsys, "validate", "-f", str(tmp_path / "none"))
    assert (code, out) == (2, "")
    assert err == f"kaspr-controller: {tmp_path / 'none'}: No such file or directory\n"


def test_crds_are_complete_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    """Six definitions, or the ones that were asked for, each of which can be applied."""
    code, out, _ = run(capsys, "crds")
    kinds = [each["spec"]["names"]["kind"] for each in yaml.safe_load_all(out)]
    assert (code, kinds) == (0, list(MODELS))
    _, out, _ = run(capsys, "crds", "--kind", "KasprJoin")
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(out)] == ["kasprjoins.kaspr.io"]


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["validate"], ["validate", "--file", "x"], ["crds", "x"]])
def test_wrong_arguments_are_refused_with_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, as everywhere."""
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert "usage: kaspr-controller" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The table is the help."""
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert all(f"{name} " in out and command.summary in out for name, command in parser.COMMANDS.items())


def fresh(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_imports_no_command_and_validate_no_cluster_client() -> None:
    """What is not needed is not loaded: help answers at once, checks run where no cluster is."""
    probe = (
        "import sys\nfrom kaspr_controller.__main__ import main\n"
        "try:\n    main({argv})\nexcept SystemExit:\n    pass\n"
        "print([name for name in {names} if name in sys.modules], file=sys.stderr)\n"
    )
    heavy = ["pydantic", "httpx", "kubernetes", "prometheus_client", "structlog", "yaml"]
    assert fresh(probe.format(argv=["--help"], names=heavy)).stderr == "[]\n"
    far = ["httpx", "kubernetes", "prometheus_client"]
    assert fresh(probe.format(argv=["validate", "--help"], names=far)).stderr == "[]\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """`kaspr-controller crds | head` ends quietly."""
    with subprocess.Popen(
        [sys.executable, "-m", "kaspr_controller", "crds"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0

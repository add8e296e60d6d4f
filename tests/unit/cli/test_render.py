"""`render`: what it prints can be applied, does not depend on how the files are arranged, and nothing is lost in silence."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kaspr_controller.__main__ import main
from kaspr_controller.cli import documents, render

EXAMPLES = Path(__file__).parents[3] / "examples"
APP = """
apiVersion: kaspr.io/v1alpha1
kind: KasprApp
metadata: {{name: {name}}}
spec:
  bootstrapServers: kafka:9092
  storage: {{type: ephemeral}}
"""
AGENT = """
apiVersion: kaspr.io/v1alpha1
kind: KasprAgent
metadata: {{name: {name}, labels: {{kaspr.io/app: {app}}}}}
spec:
  input: {{topic: {{name: {topic}}}}}
  processors:
    pipeline: [first]
    operations:
    - name: first
      map: {{entrypoint: f, python: "{code}"}}
"""


def agent(name: str, app: str, *, topic: str = "in", code: str = "def f(v): return v") -> str:
    return AGENT.format(name=name, app=app, topic=topic, code=code)


class Commands:
    """The command, fed with texts that become one file each."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def render(self, *texts: str, arguments: tuple[str, ...] = ()) -> tuple[int, str, list[str]]:
        files: list[str] = []
        for number, text in enumerate(texts):
            file = self.folder / f"{number}.yaml"
            file.write_text(text)
            files += ["-f", str(file)]
        code = main(["render", *files, *arguments])
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err.replace(f"{self.folder}/", "").splitlines()


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.chdir(tmp_path)  # where no .env is
    return Commands(tmp_path, capsys)


def objects(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def test_the_order_of_files_does_not_matter(commands: Commands) -> None:
    """Equal resources give equal bytes, so two renders can be compared with `diff`."""
    texts = [APP.format(name="b"), APP.format(name="a"), agent("one", "b"), agent("two", "b", topic="other")]
    outputs = {commands.render(*order)[:2] for order in itertools.permutations(texts)}
    assert len(outputs) == 1
    code, out = outputs.pop()
    assert code == 0
    apps = [each["metadata"]["labels"]["kaspr.io/app"] for each in objects(out)]
    assert apps == sorted(apps)
    assert set(apps) == {"a", "b"}


def test_content_comes_before_what_refers_to_it(commands: Commands) -> None:
    """The output can be applied from top to bottom: nothing is missing when a pod starts."""
    _, out, _ = commands.render(APP.format(name="shop"), agent("one", "shop"))
    kinds = [each["kind"] for each in objects(out)]
    assert kinds[-1] == "StatefulSet"
    assert kinds.index("ServiceAccount") < kinds.index("StatefulSet")
    assert kinds.count("ConfigMap") == 2


def test_objects_carry_no_owner_and_are_complete(commands: Commands) -> None:
    """A UID exists only in a cluster; everything else is there, also where the resources name no namespace."""
    _, out, _ = commands.render(APP.format(name="shop"))
    for each in objects(out):
        assert list(each)[:3] == ["apiVersion", "kind", "metadata"]
        assert "ownerReferences" not in each["metadata"]
        assert each["metadata"]["namespace"] == "default"


def test_the_namespace_is_part_of_the_addresses(commands: Commands) -> None:
    """`-n` is for resources that name none, as kubectl would apply them; a name in the file wins."""
    named = APP.format(name="shop").replace("{name: shop}", "{name: shop, namespace: theirs}")
    for text, expected in ((APP.format(name="shop"), "ours"), (named, "theirs")):
        _, out, _ = commands.render(text, arguments=("-n", "ours"))
        found = objects(out)
        assert {each["metadata"]["namespace"] for each in found} == {expected}
        (env,) = [c["env"] for c in found[-1]["spec"]["template"]["spec"]["containers"]]
        (host,) = [item["value"] for item in env if item["name"] == "K_WEB_HOST"]
        assert host == f"$(POD_NAME).shop-app.{expected}.svc.cluster.local"


def test_components_of_another_namespace_are_not_part_of_the_app(commands: Commands) -> None:
    """A label reaches no further than its namespace."""
    elsewhere = agent("one", "shop").replace("{name: one,", "{name: one, namespace: other,")
    code, out, err = commands.render(APP.format(name="shop"), elsewhere)
    assert code == 1
    assert not [each for each in objects(out) if each["metadata"]["name"] == "one-agent"]
    (line,) = err
    assert line.startswith("1.yaml:4: KasprAgent/one: metadata.labels[kaspr.io/app]: left out: ")


def test_json_is_the_same_as_yaml(commands: Commands) -> None:
    """One List, for programs and for kubectl."""
    texts = (APP.format(name="shop"), agent("one", "shop"))
    _, as_yaml, _ = commands.render(*texts)
    code, as_json, _ = commands.render(*texts, arguments=("-o", "json"))
    document = json.loads(as_json)
    assert (code, document["apiVersion"], document["kind"]) == (0, "v1", "List")
    assert document["items"] == objects(as_yaml)


def test_what_is_held_back_is_told_and_the_rest_is_printed(commands: Commands) -> None:
    """Exit code 1, the place of the fault on standard error, the app without the bad agent on standard output."""
    code, out, err = commands.render(
        APP.format(name="shop"), agent("good", "shop"), agent("bad", "shop", code="def f(v) return v")
    )
    names = {each["metadata"]["name"] for each in objects(out) if each["kind"] == "ConfigMap"}
    assert (code, names) == (1, {"shop-app-config", "good-agent"})
    assert len(err) == 1
    assert "KasprAgent/bad: spec.processors.operations[0].map" in err[0]


def test_a_table_that_is_not_in_the_files_is_missing_in_the_output(commands: Commands) -> None:
    """For `validate` it may be in the cluster; here the agent is left out, so it is an error."""
    uses = agent("one", "shop").replace(
        "- name: first", "- name: first\n      tables: [{name: gone, paramName: t}]"
    )
    code, _, err = commands.render(APP.format(name="shop"), uses)
    assert code == 1
    assert len(err) == 1
    assert ": warning: " not in err[0]
    assert "gone" in err[0]


def test_warnings_are_told_and_cost_nothing(commands: Commands) -> None:
    """What works otherwise than one may think does not make the output incomplete."""
    app = APP.format(name="shop") + "  config: {app_name: other}\n"
    code, out, err = commands.render(app)
    assert code == 0
    assert objects(out)
    assert len(err) == 1
    assert err[0].startswith("0.yaml:8: warning: KasprApp/shop: spec.config.app_name: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [\n", "0.yaml:2: "),
        (
            APP.format(name="shop").replace("replicas", "x").replace("storage", "store"),
            "KasprApp/shop: spec.stor",
        ),
        (agent("one", "shop"), "left out: KasprApp shop of namespace default is not in these files"),
        (agent("one", "''"), "must name the KasprApp"),
        (
            APP.format(name="shop") + "---" + APP.format(name="shop"),
            "this object is also written at 0.yaml:2",
        ),
    ],
)
def test_what_cannot_be_rendered_is_an_error(commands: Commands, text: str, says: str) -> None:
    """Broken YAML, broken specs, components without their app and objects written twice."""
    code, _, err = commands.render(text)
    assert code == 1
    assert [line for line in err if says in line]


def test_of_an_object_that_is_written_twice_the_later_one_counts(commands: Commands) -> None:
    """As for kubectl."""
    _, out, _ = commands.render(
        APP.format(name="shop"), agent("one", "shop", topic="old"), agent("one", "shop", topic="new")
    )
    (text,) = [each["data"] for each in objects(out) if each["metadata"]["name"] == "one-agent"]
    assert '"name": "new"' in text["one-agent.yaml"]
    assert '"name": "old"' not in text["one-agent.yaml"]


def test_settings_take_part(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is that of the controller whose work is shown."""
    _, out, _ = commands.render(APP.format(name="shop"))
    assert "HorizontalPodAutoscaler" in {each["kind"] for each in objects(out)}
    monkeypatch.setenv("SCALING_MODE", "direct")
    _, out, _ = commands.render(APP.format(name="shop"))
    assert "HorizontalPodAutoscaler" not in {each["kind"] for each in objects(out)}
    monkeypatch.setenv("SCALING_MODE", "magic")
    assert commands.render(APP.format(name="shop"))[0] == 2


def test_the_examples_render(commands: Commands) -> None:
    """Without a word."""
    code = main(["render", "-f", str(EXAMPLES)])
    captured = commands.capsys.readouterr()
    assert (code, captured.err) == (0, "")
    assert len(objects(captured.out)) > 10


@settings(max_examples=150, deadline=None)
@given(st.text() | st.text(st.sampled_from("a:# -'\"\\|>\n\r\t\x85\u2028\u2029\ufeff\x00é1eE+.~")))
def test_texts_survive_the_way_through_yaml(text: str) -> None:
    """As values and as keys: `1e3`, `on`, `0o7` and the like are read back as text by the rules of Kubernetes."""
    written = render._yaml([{"apiVersion": "v1", "kind": "X", "data": {text: text}, "list": [text]}])
    documents_read: list[documents.Document] = []
    faults: list[documents.Fault] = []
    documents._read("x", written, documents_read, faults)
    assert not faults
    assert documents_read[0].value["data"] == {text: text}
    assert documents_read[0].value["list"] == [text]


@pytest.mark.parametrize(
    "text", ["1e3", "0o7", "1_000", "on", "NO", "~", "", "<<", "0x1F", ".5", "+12", "=", "1:30"]
)
def test_texts_that_look_like_something_else_are_quoted(text: str) -> None:
    """Readers of YAML 1.1 and 1.2 disagree about these, so none of them is left to a reader."""
    written = render._yaml([{"value": text}])
    assert yaml.safe_load(written) == {"value": text}
    if text not in {"=", "1:30"}:
        assert f"'{text}'" in written

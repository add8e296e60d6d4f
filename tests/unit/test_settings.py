"""Settings: old names keep working, and what is wrong is said by name, all of it, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.settings import Settings, SettingsError, describe, read_environment

if TYPE_CHECKING:
    from pathlib import Path

OLD = {
    "INITIAL_MAX_REPLICAS": ("3", 3, 1),
    "HPA_SCALE_UP_POLICY_PODS_PER_STEP": ("8", 8, 4),
    "HPA_SCALE_UP_POLICY_PERIOD_SECONDS": ("30", 30, 60),
    "STATEFULSET_DELETION_TIMEOUT_SECONDS": ("9", 9, 5),
    "CLIENT_STATUS_CHECK_ENABLED": ("False", False, True),
    "CLIENT_STATUS_CHECK_TIMEOUT_SECONDS": ("7.5", 7.5, 15.0),
    "KASPR_IMAGE_REGISTRY": ("mirror.example:5000/x/", "mirror.example:5000/x", ""),
    "AUTO_REBALANCE_ENABLED": ("0", False, True),
    "HUNG_MEMBER_DETECTION_ENABLED": ("no", False, True),
    "HUNG_REBALANCING_THRESHOLD_SECONDS": ("20", 20, 300),
    "METRICS_PORT": ("9000", 9000, 8000),
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a .env file."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("name", "row"), OLD.items())
def test_variables_of_the_old_operator_keep_name_default_and_meaning(
    name: str, row: tuple[str, Any, Any]
) -> None:
    """Contract 7.2: a deployment that is switched over is not edited first."""
    text, value, default = row
    assert getattr(Settings.load({name: text}), name.lower()) == value
    assert getattr(Settings.load({}), name.lower()) == default


@pytest.mark.parametrize("text", ["True", "true", "yes", "1", "on", "TRUE", " Yes "])
def test_words_for_on(text: str) -> None:
    """The old operator's words and the usual ones, in any case."""
    assert Settings.load({"LEADER_ELECTION": text}).leader_election is True


@pytest.mark.parametrize("text", ["False", "false", "no", "0", "off", "OFF"])
def test_words_for_off(text: str) -> None:
    """`off` and `FALSE` switched features on in the old operator; they do what they say here."""
    assert Settings.load({"LEADER_ELECTION": text}).leader_election is False


@pytest.mark.parametrize("text", ["maybe", "2", "t", "y", "disabled"])
def test_other_words_are_refused_by_name(text: str) -> None:
    """A typing error must not switch anything."""
    with pytest.raises(SettingsError, match="HUNG_MEMBER_DETECTION_ENABLED="):
        Settings.load({"HUNG_MEMBER_DETECTION_ENABLED": text})


def test_every_fault_is_listed() -> None:
    """One start, one list, no guessing game."""
    environ = {"WORKERS": "many", "LOG_LEVEL": "loud", "API_QPS": "inf", "METRICS_PORT": "70000"}
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ, {"no_such": 1})
    assert [fault.split("=")[0].split(":")[0] for fault in sorted(caught.value.faults)] == [
        "API_QPS",
        "LOG_LEVEL",
        "METRICS_PORT",
        "WORKERS",
        "no_such",
    ]
    assert all(fault in str(caught.value) for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"LEADER_ELECTION_LEASE_SECONDS": "10"}, "LEADER_ELECTION_LEASE_SECONDS"),
        ({"LEADER_ELECTION_RETRY_SECONDS": "9"}, "LEADER_ELECTION_RETRY_SECONDS"),
        ({"COALESCE_LIMIT_SECONDS": "0.2"}, "COALESCE_LIMIT_SECONDS"),
        ({"SETTLE_SECONDS": "16"}, "SETTLE_LIMIT_SECONDS"),
        ({"DEBUG_PORT": "8000"}, "DEBUG_PORT"),
    ],
)
def test_values_must_fit_together(environ: dict[str, str], named: str) -> None:
    """A lease that ends before it is renewed would mean two leaders; the others would mean endless waiting."""
    with pytest.raises(SettingsError, match=named):
        Settings.load(environ)


def test_empty_variables_count_as_absent() -> None:
    """Charts render empty values."""
    assert Settings.load(dict.fromkeys(OLD, " ")) == Settings()


def test_the_variable_of_a_service_link_is_no_setting() -> None:
    """A Service named `metrics` or `debug` puts tcp://... under our names into every pod."""
    links = {"METRICS_PORT": "tcp://10.96.0.9:8000", "DEBUG_PORT": "udp://10.96.0.8:1"}
    assert Settings.load(links) == Settings()


def test_arguments_win_over_environment_over_file(tmp_path: Path) -> None:
    """The nearest word counts; an argument that was not given says nothing."""
    path = tmp_path / "settings.env"
    path.write_text("WORKERS=2\nAPI_BURST=20\nLOG_LEVEL=error\n")
    environ = {"ENV_FILE": str(path), "WORKERS": "3", "API_BURST": "30"}
    settings = Settings.load(environ, {"workers": 4, "log_level": None})
    assert (settings.workers, settings.api_burst, settings.log_level) == (4, 30, "error")


def test_the_file_is_dotenv(tmp_path: Path) -> None:
    """Comments, quotes and `export` are as everywhere."""
    path = tmp_path / "x.env"
    path.write_text("# all\n\nexport A=1\nB = 'two words'  # why\nC=\"x#y\"\nD=a#b # c\nE=\nF=#nothing\n")
    values = read_environment({"ENV_FILE": str(path)})
    assert {key: values[key] for key in "ABCDEF"} == {
        "A": "1",
        "B": "two words",
        "C": "x#y",
        "D": "a#b",
        "E": "",
        "F": "",
    }


def test_a_named_file_must_exist_and_be_readable(tmp_path: Path) -> None:
    """Only the default `.env` may be missing; lines that say nothing are named with their number."""
    with pytest.raises(SettingsError, match="no such file"):
        Settings.load({"ENV_FILE": str(tmp_path / "none")})
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.load({"ENV_FILE": str(tmp_path)})
    path = tmp_path / "bad.env"
    path.write_text("A=1\nnonsense\n= 3\n")
    with pytest.raises(SettingsError) as caught:
        Settings.load({"ENV_FILE": str(path)})
    assert caught.value.faults == (f"{path}:2: write NAME=value", f"{path}:3: write NAME=value")


def test_a_file_called_env_is_read_where_it_is(tmp_path: Path) -> None:
    """As the old operator does."""
    (tmp_path / ".env").write_text("LOG_STYLE=console\n")
    assert Settings.load({}).log_style == "console"


@pytest.mark.parametrize(
    ("text", "names"), [("a,b, a ,", ("a", "b")), ("", ()), ("*", ()), (" team-1 ", ("team-1",))]
)
def test_namespaces(text: str, names: tuple[str, ...]) -> None:
    """A list without repetitions; nothing or a star is all."""
    assert Settings.load({"WATCH_NAMESPACES": text}).watch_namespaces == names
    assert Settings.load({}, {"watch_namespaces": text.split(",")}).watch_namespaces == names


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WATCH_NAMESPACES", "Team"),
        ("WATCH_NAMESPACES", ",".join(f"n{number}" for number in range(21))),
        ("CLUSTER_DOMAIN", "cluster..local"),
        ("KASPR_IMAGE_REGISTRY", "https://mirror"),
        ("API_QPS", "nan"),
        ("WORKERS", "0"),
    ],
)
def test_impossible_values_are_refused(name: str, value: str) -> None:
    """Bounds are checked at the start, not where they hurt."""
    with pytest.raises(SettingsError, match=f"^the settings cannot be used:\n  {name}="):
        Settings.load({name: value})


def test_settings_do_not_change() -> None:
    """They are shared by all threads."""
    with pytest.raises(pydantic.ValidationError):
        Settings().workers = 3  # type: ignore[misc]


def test_the_documentation_has_every_setting_with_its_reason() -> None:
    """The table is made from the model, so it cannot miss one."""
    rows = describe().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [name.upper() for name in Settings.model_fields]
    assert all(len(row.split(" | ")[-1]) > 15 for row in rows)
    assert "| `WORKERS` | `8` |" in describe()


@given(
    st.dictionaries(
        st.sampled_from([name.upper() for name in Settings.model_fields if name != "env_file"]), st.text()
    )
)
def test_any_environment_loads_or_is_explained(environ: dict[str, str]) -> None:
    """No text of a variable ends in a stack trace."""
    try:
        Settings.load(environ)
        faults: tuple[str, ...] = ()
    except SettingsError as error:
        faults = error.faults
    assert all(any(fault.startswith(name) for name in environ) or " must " in fault for fault in faults)

"""What people say about models: which one they mean, what is written, and what is told of a roster."""

import pytest
from typer.testing import CliRunner

from features.events import ModelControl, parse_control
from models.outputs import ModelRef
from models.roster import NEW, Roster, Stop, apply
from streams import rosters
from streams.cli import app
from tests.builders import moment
from tests.world import Gauge

ONE, TWO = ModelRef("crisis", "1.0.0", "1" * 64), ModelRef("crisis", "2.0.0", "2" * 64)
LOADED = (Gauge("crisis-risk", model=ONE), Gauge("crisis-risk", model=TWO, switched_on=False), Gauge())


@pytest.mark.parametrize(("name", "version"), [("crisis@2.0.0", "2.0.0"), ("gauge", "1.0.0"), ("gauge@1.0.0", "1.0.0")])
def test_a_model_is_named_by_its_name_and_by_its_version_where_there_are_several(name, version):
    assert rosters.named(name, LOADED).model.version == version


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crisis", r"There are several: crisis@1\.0\.0, crisis@2\.0\.0\. Say which\."),
        ("crisis@3", "No model crisis@3 is loaded here"),
        ("crisis-risk", "No model crisis-risk is loaded here"),
        ("", "No model  is loaded here"),
    ],
)
def test_a_name_that_is_none_or_several_is_told_in_a_sentence(name, said):
    with pytest.raises(rosters.UnknownModelError, match=said):
        rosters.named(name, LOADED)


@pytest.mark.parametrize("name", ["crisis", "crisis@1.0.0", "crisis@2.0.0", "crisis-risk"])
def test_who_stops_a_model_in_a_hurry_need_not_say_which_version(name):
    assert rosters.kind_of(name, LOADED) == "crisis-risk"


def test_who_stops_what_is_not_there_is_told():
    with pytest.raises(rosters.UnknownModelError):
        rosters.kind_of("crises", LOADED)


@pytest.mark.parametrize(
    "item",
    [
        rosters.of_model("shadow", LOADED[1], "chief physician", "compared"),
        rosters.of_stop("stop", "crisis-risk", "M2", "on call", "it errs"),
        rosters.of_stop("stop", None, None, "on call", "it errs"),
    ],
)
def test_what_is_written_is_a_control_record_that_every_partition_follows(item):
    control = parse_control(item)
    assert isinstance(control, ModelControl)
    assert apply(NEW, control, LOADED) != NEW
    assert item["origin"] == "vagt"


def test_a_roster_is_told_in_lines():
    stop = Stop("gauge", "M2", moment(1), "on call", "it errs")
    gone = ModelRef("gone", "1", "3" * 64)
    roster = Roster(
        promoted={"crisis-risk": (TWO,)}, shadows=(gone,), stops=(stop, Stop(None, None, 0, "on call", "x"))
    )
    assert list(rosters.told(roster, LOADED)) == [
        "crisis-risk: crisis@1.0.0 is candidate",
        "crisis-risk: crisis@2.0.0 is live, switched off in its manifest",
        "gauge: gauge@1.0.0 is live",
        f"gone@1 (sha256 {'3' * 64}) is in use and not loaded here",
        "Stopped: gauge in M2, since 2026-03-01T01:00:00.000Z, by on call: it errs",
        "Stopped: everything, since 1970-01-01T00:00:00.000Z, by on call: x",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["stop"],
        ["stop", "--everything", "--ward", "M2"],
        ["resume", "news2", "--everything"],
        ["stop", "nobody"],
        ["promote", "nobody@1"],
        ["promote", "--everything"],
    ],
)
def test_a_command_that_does_not_say_what_it_means_is_wrong_usage_and_writes_nothing(words, tmp_path):
    environment = {"VAGT_KAFKA_BOOTSTRAP": "127.0.0.1:1", "VAGT_DATA_DIR": str(tmp_path)}
    result = CliRunner().invoke(app, ["models", *words, "--by", "on call", "--why", "x"], env=environment)
    assert result.exit_code == 2, result.output


@pytest.mark.parametrize("missing", ["--by", "--why"])
def test_nothing_is_changed_without_a_role_and_a_reason(missing):
    given = {"--by": "on call", "--why": "x"}
    del given[missing]
    words = [word for pair in given.items() for word in pair]
    result = CliRunner().invoke(app, ["models", "stop", "--everything", *words])
    assert (result.exit_code, missing in result.output) == (2, True)

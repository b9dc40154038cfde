"""The command line: help, exit statuses, and sentences instead of tracebacks."""

import re
import subprocess
import sys
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.commands.plain import settings as read_settings
from streams.watch import language, line

ZONE = ZoneInfo("Europe/Copenhagen")


def vagt(*arguments: str, **environment: str):
    return CliRunner().invoke(app, list(arguments), env=environment)


COMMANDS = [
    (),
    ("up",),
    ("worker",),
    ("broker",),
    ("broker", "start"),
    ("broker", "stop"),
    ("broker", "status"),
    ("replay",),
    ("repartition",),
    ("train",),
    ("train", "infection"),
    ("train", "result-surprise"),
    ("train", "aki-risk"),
    ("evaluate",),
    ("evaluate", "infection"),
    ("evaluate", "all"),
    ("burden",),
    ("archive",),
    ("archive", "query"),
    ("archive", "erase"),
    ("archive", "verify"),
    ("topics",),
    ("models",),
    ("models", "list"),
    ("models", "verify"),
    ("models", "sign"),
    ("models", "key"),
    ("acls",),
    ("deadletter",),
    ("deadletter", "list"),
    ("deadletter", "replay"),
    ("pseudonym",),
    ("pseudonym", "of"),
    ("pseudonym", "reveal"),
    ("pseudonym", "rotate"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.req("VAGT-OPS-03")
def test_every_command_explains_itself(command):
    result = vagt(*command, "--help")
    assert result.exit_code == 0, result.output
    assert "Usage: " in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("worker", "--no-such-option"),
        ("replay", "cinc2019"),
        ("replay", "no-such-set", "."),
        ("replay", "cinc2019", "/no/such/path"),
        ("replay", "cinc2019", ".", "--speed", "fast"),
        ("replay", "cinc2019", ".", "--limit", "0"),
        ("up", "--workers", "0"),
        ("up", "--data", "/no/such/path"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(arguments):
    assert vagt(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VAGT_PARTITIONS", "many"),
        ("VAGT_PARTITIONS", "0"),
        ("VAGT_TIMEZONE", "Mars/Olympus"),
        ("VAGT_DOORS", "lab=pigeon"),
        ("VAGT_LIVE", "perhaps"),
    ],
)
@pytest.mark.req("VAGT-OPS-03")
def test_a_wrong_variable_is_named_and_ends_with_2(name, value):
    result = vagt("worker", **{name: value})
    assert result.exit_code == 2
    assert name in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.req("VAGT-OPS-03")
def test_an_absent_kafka_is_told_in_a_sentence(unused_tcp_port, tmp_path, monkeypatch):
    monkeypatch.setattr("streams.commands.replay._PATIENCE_S", 0.5)
    (tmp_path / "events.ndjson").write_text("")
    address = f"127.0.0.1:{unused_tcp_port}"
    result = vagt("replay", "ndjson", str(tmp_path / "events.ndjson"), VAGT_KAFKA_BOOTSTRAP=address)
    assert result.exit_code == 1
    assert result.output.startswith(f"No Kafka answers at {address}")
    assert len(result.output.splitlines()) == 1


def test_a_set_of_another_kind_is_told_in_a_sentence(tmp_path):
    (tmp_path / "p1.psv").write_text("HR|SepsisLabel\n")
    result = vagt("replay", "cinc2012", str(tmp_path))
    assert result.exit_code == 1
    assert "is cinc2019, not cinc2012" in result.output


def test_help_loads_nothing_heavy():
    heavy = "{'kafka', 'aiokafka', 'faust', 'numpy', 'pyarrow', 'lightgbm', 'pydantic'}"
    code = f"import streams.cli, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("VAGT_PARTITIONS", "7")
    assert read_settings().partitions == 7


ALERT: dict[str, Any] = {
    "at": "2026-01-01T12:00:00.000Z",
    "severity": "warning",
    "state": "raised",
    "kind": "infection-risk",
    "patient": "p-1",
    "ward": "OUH-M2",
    "title": {"en": "Possible infection", "da": "Mulig infektion"},
    "suppressed": None,
    "score": {
        "reasons": [
            {"feature": "lactate_last", "text": {"en": "Lactate 3.1 mmol/L", "da": "Laktat 3,1 mmol/L"}},
            {"feature": "heart_rate", "text": {"en": "Heart rate 120 /min", "da": "Puls 120 /min"}},
            {"feature": "rest", "text": {"en": "Everything else together", "da": "Alt andet tilsammen"}},
        ]
    },
}


def test_an_alert_is_a_line_in_the_readers_language_and_time():
    assert re.split(r" {2,}", line(ALERT, "da", ZONE)) == [
        "2026-01-01 13:00",
        "advarsel",
        "infection-risk",
        "rejst",
        "Mulig infektion",
        "(p-1, OUH-M2)",
        "Laktat 3,1 mmol/L; Puls 120 /min",
    ]
    assert "Possible infection  (p-1, OUH-M2)  Lactate 3.1 mmol/L" in line(ALERT, "en", ZONE)


def test_an_alert_that_is_held_back_says_why():
    held = ALERT | {"suppressed": {"reason": "repeat", "until": None}}
    assert "raised (held back: repeat)" in line(held, "en", ZONE)
    assert "rejst (holdt tilbage: repeat)" in line(held, "da", ZONE)


def test_an_alert_that_goes_to_another_role_says_so_in_its_line():
    graver, passed = (ALERT | {"state": "escalated", "role": role} for role in ("responsible", "on-call"))
    assert [re.split(r" {2,}", line(one, "da", ZONE))[3] for one in (graver, passed)] == ["forværret", "til on-call"]
    assert re.split(r" {2,}", line(passed, "en", ZONE))[3] == "to on-call"


def test_an_alert_that_ended_without_a_score_is_a_line_too():
    assert line(ALERT | {"score": None}, "da", ZONE).endswith("(p-1, OUH-M2)")


def test_an_alert_without_ward_or_reasons_is_a_line_too():
    bare = ALERT | {"ward": None, "score": {"reasons": []}}
    assert line(bare, "en", ZONE).endswith("Possible infection  (p-1)")


@pytest.mark.parametrize(
    ("environment", "tongue"),
    [
        ({"LANG": "da_DK.UTF-8"}, "da"),
        ({"LANG": "da_DK.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "da"}, "da"),
        ({"LANG": ""}, "en"),
        ({}, "en"),
    ],
)
def test_the_environment_names_the_language(environment, tongue):
    assert language(environment) == tongue

"""`vagt models validate`: would a plug-in run, on whom, and how fast."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from features.record import encode
from streams import reading
from streams.commands.models import models as command
from tests import plugins
from tests.builders import CODES, LOINC, after, at, encounter, observation, observation_item
from tests.endpoint import said, serving
from tests.plugins import manifest, new_shelf, put

HASH = "ab" * 32


@pytest.fixture(autouse=True)
def lactate(monkeypatch):
    monkeypatch.setitem(CODES, "lactate", (LOINC, "2524-7", "mmol/L"))


@pytest.fixture
def data(tmp_path) -> Path:
    """Four patients: two with all inputs, one without lactate, and one on a unit that the model is not made for."""
    lines: list[Any] = []
    for number, (unit, value) in enumerate([("ward", 1.0), ("icu", 5.0), ("ward", None), ("dialysis", 5.0)]):
        patient = f"p-{number}"
        lines.append(
            {"type": "encounter", "id": "a", "action": "admit", "patient": patient, "at": at(0), "issued": at(0)}
        )
        lines[-1] |= {"unitType": unit, "birthDate": "1951-05-02"}
        lines.append(observation_item("heart_rate", 120.0, 1, patient=patient))
        if value is not None:
            lines.append(observation_item("lactate", value, 1, patient=patient))
        lines.append([{"type": "unheard of", "patient": patient}, 1])
    file: Path = tmp_path / "patients.ndjson"
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


def validate(folder: Path, data: Path | None, keys: Path | None = None, models: Path | None = None) -> tuple[int, str]:
    given = {"VAGT_MODEL_KEYS": keys, "VAGT_MODELS": models}
    environment = {name: None if where is None else str(where) for name, where in given.items()}
    arguments = ["validate", str(folder), *(["--data", str(data)] if data else [])]
    result = CliRunner().invoke(command, arguments, env=environment)
    return result.exit_code, result.output


def test_it_says_on_whom_a_model_would_run_and_how_fast(tmp_path, data):
    shelf, key = new_shelf(tmp_path)
    status, output = validate(put(tmp_path / "models" / "crisis", manifest(), key=key), data, shelf.keys, shelf.models)
    assert status == 0, output
    for line in (
        "crisis 1.0.0 (crisis-risk) can be loaded",
        "Patients: 4, of whom 3 are of its population",
        "  lactate_last: 67 %",
        "  heart_rate_last: 100 %",
        "  all of them: 67 %",
        "No number of its range: 0 %",
        "A row: median ",
        "Signed by own",
    ):
        assert line in output


def test_one_that_nobody_signed_is_tried_all_the_same_and_a_worker_would_refuse_it(tmp_path, data):
    status, output = validate(put(tmp_path / "crisis", manifest()), data)
    assert (status, "all of them: 67 %" in output) == (1, True)
    assert "A worker would refuse it: the model in" in output
    assert "is not signed" in output


def test_one_that_cannot_be_told_from_another_would_be_refused(tmp_path, data):
    shelf, key = new_shelf(tmp_path)
    status, output = validate(put(tmp_path / "crisis", manifest(name="aki-risk"), key=key), data, shelf.keys)
    assert (status, "cannot be told from" in output) == (1, True)


@pytest.mark.parametrize("changes", [{"severity": "fatal"}, {"runtime": {**manifest()["runtime"], "column": 5}}])
def test_one_that_would_not_run_is_told_with_its_reason(tmp_path, data, changes):
    status, output = validate(put(tmp_path / "crisis", manifest(**changes)), data)
    assert status == 1
    assert output.startswith("The model in ")


def test_a_model_elsewhere_is_asked(tmp_path, data):
    answer = said({"score": 0.25, "model": {"sha256": HASH}})
    with serving(lambda asked: answer if asked["features"]["lactate_last"] else b"") as endpoint:
        runtime = {"type": "http", "url": endpoint.url, "sha256": HASH, "deadline_ms": 20_000}
        _, output = validate(put(tmp_path / "far", manifest(runtime=runtime)), data)
    assert "no-answer: 33 %" in output
    assert "Scores: 0.25 to 0.25; 0 % raise an alert" in output
    assert "A question: median " in output
    assert len(endpoint.asked) == 3


def test_without_data_it_asks_the_running_deployment_for_its_patients(tmp_path, monkeypatch):
    record = after(encounter("admit", 0, unitType="ward"), observation("lactate", 3.0, 1))
    monkeypatch.setattr(reading, "patients", lambda _: {"p-1": encode(record), "p-2": encode(record)})
    _, output = validate(put(tmp_path / "crisis", manifest()), None)
    assert "Patients: 2, of whom 2 are of its population" in output
    assert "heart_rate_last: 0 %" in output


def test_who_has_no_patients_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "patients", lambda _: {})
    status, output = validate(put(tmp_path / "crisis", manifest()), None)
    assert (status, "Patients: 0, of whom 0" in output) == (1, True)
    assert plugins.INPUTS[0][0] not in output

"""A model that reads notes: what it read is kept, the text is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from features.catalogue import catalogue
from features.events import Note, parse
from features.record import Record, decode, encode
from models.artefact import UNSIGNED, ArtefactError
from models.reader import Reader, terms
from models.registry import shipped
from models.shelf import opened
from models.step import Decider, Decision, Place, step
from streams.doors import native
from streams.pseudonym import Pseudonyms
from tests.builders import PATIENT, at, encounter, observation
from tests.plugins import manifest, put

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "bleeding-history"
TABLE = json.dumps({"bias": -2.0, "terms": {"blødning": 4.0, "ikke:blødning": -1.0, "svær blødning": 1.0}}).encode()
INPUTS = {"type": "notes", "within_days": 365}
ADMITTED = encounter("admit", 0, unitType="ward", birthDate="1951-05-02")


def reader(folder: Path, table: bytes = TABLE, **changes: Any) -> Reader:
    described = manifest(table, inputs=INPUTS)
    runtime = {"type": "words", "file": "words.json", "sha256": described["runtime"]["sha256"]}
    return Reader(put(folder / "reads", {**described, "runtime": runtime, **changes}, table), UNSIGNED)


@pytest.fixture
def model(tmp_path) -> Reader:
    return reader(tmp_path)


def item(text: str = "Tidligere blødning", hour: float = 1, **fields: Any) -> dict[str, Any]:
    common = {"type": "note", "id": f"note-{hour:g}", "patient": PATIENT, "text": text}
    return {**common, "at": at(hour), "issued": at(hour), **fields}


def note(*given: Any, **fields: Any) -> Note:
    event = parse(item(*given, **fields), PATIENT)
    assert isinstance(event, Note)
    return event


def decide(model: Reader | None, *events: Any, record: Record | None = None) -> list[Decision]:
    decider = Decider(catalogue(), (model,) if model else ())
    found: list[Decision] = []
    for offset, event in enumerate(events):
        before = found[-1].record if found else record or Record()
        found.append(step(decider, before, PATIENT, [event], Place("events", 0, offset)))
    return found


def test_a_note_is_scored_when_it_comes_and_its_text_is_not_kept(model):
    *_, last = decide(model, ADMITTED, note("Svær blødning i 2019"))
    [score] = last.scores
    assert score.score == pytest.approx(0.9526, abs=1e-4)
    assert score.band == "high"
    assert (score.reasons[0].feature, score.reasons[0].value) == ("note", "note-1")
    assert [one.state for one in last.alerts] == ["raised"]
    assert b"2019" not in encode(last.record)
    assert "blødning".encode() not in encode(last.record)
    assert decode(encode(last.record)) == last.record


def test_of_several_notes_the_one_that_says_it_most_counts_until_it_is_withdrawn(model):
    found = decide(
        model,
        ADMITTED,
        note("Ingen blødning", 1),
        note("Svær blødning", 2),
        note("Rejst hjem", 3),
        note("", 2, version=2, status="entered-in-error"),
        note("Svær blødning", 1, version=2, status="amended"),
    )
    assert [round(one.scores[0].score, 2) for one in found[1:]] == [0.05, 0.95, 0.95, 0.12, 0.95]


def test_a_repeated_note_changes_nothing_and_another_text_of_the_same_version_is_a_conflict(model, tmp_path):
    found = decide(model, note("blødning"), note("blødning"), note("ingen blødning"))
    assert [len(one.scores) for one in found] == [1, 0, 0]
    assert found[-1].refusals[0][1].reason == "conflict"
    newer = reader(tmp_path / "newer", version="2.0.0")
    [again] = decide(newer, note("blødning"), record=found[0].record)
    assert again.refusals == (), "a note that another model has read is still the same note"


def test_a_note_that_is_too_old_counts_no_more(model):
    record = decide(model, note("blødning"))[0].record
    assert model.score(record) is not None
    assert model.score(decide(model, observation("heart_rate", 80, 366 * 24), record=record)[0].record) is None


def test_without_a_model_that_reads_a_note_is_refused_and_not_dropped():
    [last] = decide(None, note())
    assert [one.reason for _, one in last.refusals] == ["unsupported"]
    assert last.record == Record()


@pytest.mark.parametrize(
    "fields", [{"text": ""}, {"text": "x" * 20_001}, {"text": 1}, {"at": "now"}, {"status": "draft"}]
)
def test_a_note_that_is_none_is_refused(fields):
    assert [one.reason for _, one in native.translate(item(**fields)).refusals] == ["schema"]


def test_what_was_read_goes_with_a_merged_patient_and_comes_back(model):
    before = decide(model, ADMITTED, note("Svær blødning"))[-1].record
    merged = decide(model, encounter("merge", 1.1, into="p-2000"), record=before)[-1]
    other = Record()
    for send in merged.sends:
        decided = step(
            Decider(catalogue(), (model,)), other, "p-2000", [parse(dict(send.item), "p-2000")], Place("", 0, 0)
        )
        other = decided.record
    assert [one.source for one in other.notes] == [PATIENT]
    assert model.score(other) is not None
    unmerged = decide(model, encounter("unmerge", 1.2), record=merged.record)[-1]
    for send in unmerged.sends:
        other = step(
            Decider(catalogue(), (model,)), other, "p-2000", [parse(dict(send.item), "p-2000")], Place("", 0, 0)
        ).record
    assert other.notes == ()


def test_a_door_cuts_the_patients_own_identifier_out_of_a_note():
    found = Pseudonyms([b"k" * 32]).pseudonymised(
        item("0101575011 har haft blødning, cpr 010157-5011", patient="0101575011")
    )
    assert found["text"] == "(patient) har haft blødning, cpr (patient)"


def test_words_that_are_denied_are_others():
    assert terms("Ingen tidligere blødning. Blødning") == {
        "ingen",
        "ikke:tidligere",
        "ikke:blødning",
        "blødning",
        "ingen ikke:tidligere",
        "ikke:tidligere ikke:blødning",
        "ikke:blødning blødning",
    }


@pytest.mark.parametrize("table", [b"", b"[]", b'{"bias": 0, "terms": {}}', b'{"bias": NaN, "terms": {"a": 1}}'])
def test_a_table_that_is_none_is_refused(tmp_path, table):
    with pytest.raises(ArtefactError, match=r"words\.json"):
        reader(tmp_path, table)


def test_the_example_is_an_example_and_reads_as_it_says():
    example = opened(EXAMPLE, UNSIGNED)
    assert isinstance(example, Reader)
    assert not example.manifest.switched_on
    assert "xample" in example.manifest.title.en
    assert example.kind not in {one.kind for one in shipped()}
    assert example.read("Patienten har kendt blødningstendens siden barndommen") > 0.6
    assert example.read("Ingen tegn på blødning") < 0.4

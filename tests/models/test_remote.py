"""A model that runs elsewhere: the step says whom to ask, and takes the answer as an event like any other."""

from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.answer import Answer
from features.catalogue import Refused, catalogue
from features.events import RemoteScore, parse
from features.record import Record, decode, encode
from models import remote
from models.artefact import UNSIGNED, ArtefactError
from models.remote import MOST_OBSERVATIONS, Question, Remote, waiting
from models.step import Decider, Decision, Place, step
from streams.doors import native
from tests.builders import CODES, LOINC, PATIENT, at, encounter, observation, tick, treatment
from tests.plugins import manifest, put

HTTP = {"type": "http", "url": "https://models.example/score", "sha256": "ab" * 32, "deadline_ms": 200}
ADMITTED = encounter("admit", 0, unitType="ward", birthDate="1951-05-02", name="Test Person", bed="12")


COUNTS = st.integers(0, 9)


@pytest.fixture(autouse=True)
def lactate(monkeypatch):
    monkeypatch.setitem(CODES, "lactate", (LOINC, "2524-7", "mmol/L"))


@pytest.fixture
def model(tmp_path) -> Remote:
    return Remote(put(tmp_path / "crisis", manifest(runtime=HTTP)), UNSIGNED)


@pytest.fixture
def decider(model) -> Decider:
    return Decider(catalogue(), (model,))


def decide(decider: Decider, *records: Any, record: Record | None = None) -> list[Decision]:
    found: list[Decision] = []
    for offset, events in enumerate(records):
        before = found[-1].record if found else record or Record()
        listed = events if isinstance(events, list) else [events]
        found.append(step(decider, before, PATIENT, listed, Place("events", 0, offset)))
    return found


def answer(of: Remote, /, number: int = 1, score: float | str = 0.7, hour: float = 1, **changes: Any) -> RemoteScore:
    item = of.item(PATIENT, Question("crisis", number), 0, score)  # type: ignore[arg-type]
    event = parse({**item, "at": at(hour), **changes}, PATIENT)
    assert isinstance(event, RemoteScore)
    return event


# ---------------------------------------------------------------- asking


def test_a_change_of_an_input_asks_the_model_once_and_numbers_the_question(decider):
    asked = decide(
        decider,
        ADMITTED,
        observation("lactate", 4.0, 1),
        observation("lactate", 4.0, 1),  # repeated
        observation("temperature", 37.0, 2),
        tick(3),
        [observation("lactate", 5.0, 3), observation("heart_rate", 120, 3)],
    )
    assert [one.questions for one in asked] == [
        (Question("crisis", 1),),
        (Question("crisis", 2),),
        (),
        (),
        (),
        (Question("crisis", 3),),
    ]
    assert not any(one.scores for one in asked), "nothing is scored before there is an answer"


@pytest.mark.parametrize(
    "admitted",
    [
        encounter("admit", 0, unitType="dialysis"),
        encounter("admit", 0, unitType="ward", birthDate="2020-01-01"),
        [encounter("admit", 0, unitType="ward"), encounter("discharge", 1)],
    ],
)
def test_nobody_is_asked_about_who_is_none_of_the_population_or_has_left(decider, admitted):
    *_, last = decide(decider, admitted, observation("lactate", 4.0, 2))
    assert last.questions == ()


@pytest.mark.req("VAGT-MOD-11")
def test_what_is_sent_is_what_the_manifest_names_and_nothing_that_names_the_patient(model):
    *_, last = decide(Decider(catalogue(), (model,)), ADMITTED, observation("lactate", 4.0, 1))
    sent = model.payload(last.record, "id")
    assert sent == {
        "id": "id",
        "model": {"name": "crisis", "version": "1.0.0", "sha256": "ab" * 32},
        "at": at(1),
        "features": {"lactate_last": 4.0, "heart_rate_last": None, "age_years": 74.0},
    }


def test_a_whole_record_is_sent_without_name_bed_and_ids_and_no_longer_than_is_read(tmp_path):
    inputs = {"type": "record", "version": "1"}
    model = Remote(put(tmp_path / "crisis", manifest(runtime=HTTP, inputs=inputs)), UNSIGNED)
    many = [observation("heart_rate", 80 + n % 7, n / 60, id=f"hr-{n}") for n in range(MOST_OBSERVATIONS + 5)]
    last = decide(
        Decider(catalogue(), (model,)), [ADMITTED, treatment("J01CR05")], [*many, observation("lactate", 4.0, 50)]
    )[-1]
    sent = model.payload(last.record, "id")
    assert len(sent["record"]["observations"]) == MOST_OBSERVATIONS
    assert sent["record"]["observations"][-1]["analyte"] == "lactate"
    assert sent["record"]["treatments"][0]["code"] == "J01CR05"
    assert sent["record"]["stay"]["ageYears"] == 74
    for secret in ("Test Person", PATIENT, "lactate-50", "'12'"):
        assert secret not in repr(sent)


# ---------------------------------------------------------------- being answered


def test_the_answer_is_scored_when_it_arrives_and_raises_the_alert(decider, model):
    *_, last = decide(decider, ADMITTED, observation("lactate", 4.0, 1), answer(model, 2))
    [score] = last.scores
    assert (score.kind, score.score, score.band, score.abstained, score.at) == (
        "crisis-risk",
        0.7,
        "high",
        False,
        at(1),
    )
    assert score.model.sha256 == model.model.sha256
    [alert] = last.alerts
    assert (alert.state, alert.title.en, [one.id for one in alert.evidence]) == (
        "raised",
        "Risk of crisis",
        ["lactate-1"],
    )
    assert last.questions == (), "an answer asks nothing"


@pytest.mark.parametrize("reason", ["declined", "no-answer", "bad-answer", "other-model"])
def test_an_answer_that_failed_is_an_abstention_that_says_why_and_calms_nobody(decider, model, reason):
    raised = decide(decider, ADMITTED, observation("lactate", 4.0, 1), answer(model, 2))[-1].record
    [last] = decide(decider, answer(model, 3, reason, 1.1), record=raised)
    [score] = last.scores
    assert (score.score, score.abstained, score.interval, score.reasons[0].feature) == (0, True, (0, 1), reason)
    assert score.reasons[0].text is not None
    assert "odel" in score.reasons[0].text.da
    assert last.alerts == ()
    assert last.record.alerts["crisis-risk"].state == "raised"


def test_an_answer_to_an_earlier_question_or_a_repeated_one_changes_nothing(decider, model):
    found = decide(decider, ADMITTED, answer(model, 3), answer(model, 3), answer(model, 2, 0.1), answer(model, 3, 0.2))
    assert [len(one.scores) for one in found] == [0, 1, 0, 0, 0]
    assert found[-1].record.answers["crisis"].score == 0.7
    assert decide(decider, observation("lactate", 4, 4), record=found[-1].record)[0].questions == (
        Question("crisis", 4),
    )


@pytest.mark.parametrize("changed", ["name", "version", "sha256"])
def test_an_answer_of_a_model_that_is_not_in_use_is_refused(decider, model, changed):
    named = {**model.item(PATIENT, Question("crisis", 1), 0, 0.5)["model"], changed: "other"}
    [last] = decide(decider, answer(model, model=named))
    assert [(at, one.reason) for at, one in last.refusals] == [(0, "unknown-model")]
    assert last.record == Record()
    [none] = decide(Decider(catalogue(), ()), answer(model))
    assert none.refusals[0][1].reason == "unknown-model"


@pytest.mark.parametrize("score", [-0.01, 1.01])
def test_an_answer_outside_what_the_manifest_says_is_refused(decider, model, score):
    assert decide(decider, answer(model, score=score))[0].refusals[0][1].reason == "implausible"


@pytest.mark.parametrize(
    "changes",
    [
        {"score": nan},
        {"score": "0.5"},
        {"score": None},
        {"reason": "no-answer"},
        {"reason": "tired", "score": None},
        {"model": "crisis"},
        {"origin": None},
        {"origin": "platform"},
        {"version": -1},
    ],
)
def test_an_answer_that_is_none_is_refused(model, changes):
    with pytest.raises(Refused) as caught:
        answer(model, **changes)
    assert caught.value.reason == "schema"


def test_no_door_lets_an_answer_in(model):
    item = model.item(PATIENT, Question("crisis", 1), 0, 0.5)
    assert [one.reason for _, one in native.translate(item).refusals] == ["unsupported"]


def test_another_version_of_a_model_does_not_speak_with_the_answers_of_the_earlier_one(tmp_path, model):
    record = decide(Decider(catalogue(), (model,)), ADMITTED, answer(model))[-1].record
    newer = Remote(put(tmp_path / "newer", manifest(runtime=HTTP, version="2.0.0")), UNSIGNED)
    assert model.score(record) is not None
    assert newer.score(record) is None


# ---------------------------------------------------------------- repeated


@pytest.mark.req("VAGT-MOD-11")
def test_a_log_with_the_answers_in_it_repeats_to_the_byte_with_nobody_to_ask(decider, model):
    log = [
        ADMITTED,
        observation("lactate", 4.0, 1),
        answer(model, 2),
        observation("lactate", 2.0, 2),
        answer(model, 3, 0.1, 2),
    ]
    first, again = decide(decider, *log), decide(decider, *log)
    assert [(one.scores, one.alerts, encode(one.record)) for one in first] == [
        (one.scores, one.alerts, encode(one.record)) for one in again
    ]


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.builds(
            Answer,
            st.integers(0, 9),
            st.integers(0, 9),
            st.integers(0, 9),
            st.text(max_size=3),
            st.none() | st.floats(0, 1),
        ),
        max_size=3,
    )
)
def test_what_was_asked_and_answered_is_stored(answers):
    record = Record(answers=answers)
    assert decode(encode(record)) == record


def test_what_waits_for_an_answer_is_known_after_a_restart(decider, model):
    asked = decide(decider, ADMITTED)[-1].record
    assert waiting(decider.scorers, decode(encode(asked))) == (Question("crisis", 1),)
    assert waiting(decider.scorers, decide(decider, answer(model), record=asked)[0].record) == ()
    assert waiting((), asked) == ()
    assert waiting(decider.scorers, Record()) == ()


def test_an_alert_goes_on_under_the_patient_into_whom_the_first_is_merged(decider, model):
    before = decide(decider, ADMITTED, observation("lactate", 4.0, 1), answer(model, 2))[-1].record
    merged = decide(decider, encounter("merge", 1.1, into="p-2000"), record=before)[-1]
    record = Record()
    changes: list[Any] = []
    for send in merged.sends:
        decided = step(decider, record, "p-2000", [parse(dict(send.item), "p-2000")], Place("events", 1, 0))
        record, changes = decided.record, [*changes, *decided.alerts]
    assert [(one.state, one.patient) for one in changes] == [("updated", "p-2000")]
    assert record.answers["crisis"].score == 0.7


# ---------------------------------------------------------------- manifests


@pytest.mark.parametrize(
    "url",
    [
        "http://models.example/score",
        "ftp://models.example",
        "models.example",
        "https://",
        "https://me:pw@models.example/",
        "https://[::1",
    ],
)
def test_an_address_that_would_give_patients_data_away_is_refused(tmp_path, url):
    with pytest.raises(ArtefactError, match=r"runtime\.http\.url: "):
        Remote(put(tmp_path / "crisis", manifest(runtime={**HTTP, "url": url})), UNSIGNED)


def test_a_whole_record_is_for_a_model_elsewhere_alone(tmp_path):
    described = manifest(inputs={"type": "record", "version": "1"})
    with pytest.raises(ArtefactError, match="onnx takes features"):
        Remote(put(tmp_path / "crisis", described), UNSIGNED)


def test_an_answers_name_follows_from_the_question_alone():
    one = remote.identity(PATIENT, Question("crisis", 1))
    others = [remote.identity("p", Question("crisis", 1)), remote.identity(PATIENT, Question("crisis", 2))]
    assert one == remote.identity(PATIENT, Question("crisis", 1))
    assert len({one, *others, remote.identity(PATIENT, Question("other", 1))}) == 4

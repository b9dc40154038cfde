"""The feedback that a form gives, and what is refused."""

import pytest

from features.events import Feedback
from streams.board.answers import AnswerError, item
from tests.builders import at, moment
from tests.streams.board.told import PATIENT, alert, shown

NOW = shown(3, alerts=(alert(), alert("resolved", 2, kind="aki")))
OPEN, OVER = NOW.alerts


def feedback(**form: str) -> dict[str, object]:
    return item({"alert": OPEN.id, **form}, NOW, "nurse/anna", moment(4))


def refused(**form: str) -> tuple[str, int]:
    with pytest.raises(AnswerError) as error:
        feedback(**form)
    return error.value.code, error.value.status


@pytest.mark.req("VAGT-BRD-07")
def test_taking_an_alert_says_who_when_and_of_whom():
    found = feedback(action="acknowledge", note="lactate ordered")
    assert found == {
        "type": "feedback",
        "id": found["id"],
        "alert": OPEN.id,
        "patient": PATIENT,
        "action": "acknowledge",
        "by": "nurse/anna",
        "note": "lactate ordered",
        "at": at(4),
    }
    assert Feedback.model_validate(found).by == "nurse/anna"


def test_a_snooze_ends_and_a_dismissal_has_a_reason():
    assert feedback(action="snooze", until="PT4H")["until"] == at(8)
    assert feedback(action="snooze", until="next-result")["until"] == "next-result"
    assert feedback(action="dismiss", reason="expected")["reason"] == "expected"


def test_an_answer_that_the_page_sends_twice_is_one():
    name = "0b7e9a52-5b1a-4f1e-9b3a-1c2d3e4f5a6b"
    assert feedback(action="acknowledge", answer=name)["id"] == feedback(action="acknowledge", answer=name)["id"]
    assert feedback(action="acknowledge")["id"] != feedback(action="acknowledge")["id"]
    assert "<b>" not in str(feedback(action="acknowledge", answer="<b>")["id"])


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"action": "acknowledge", "alert": "nobody's"}, ("unknown_alert", 404)),
        ({"action": "acknowledge", "alert": OVER.id}, ("over", 409)),
        ({"action": "delete"}, ("unknown_action", 400)),
        ({}, ("unknown_action", 400)),
        ({"action": "snooze"}, ("until_missing", 400)),
        ({"action": "snooze", "until": "P9Y"}, ("until_missing", 400)),
        ({"action": "dismiss"}, ("reason_missing", 400)),
        ({"action": "dismiss", "reason": "because"}, ("not_usable", 400)),
    ],
)
@pytest.mark.req("VAGT-BRD-14")
def test_what_cannot_be_answered_is_refused_with_a_reason(form, why):
    assert refused(**form) == why


def test_a_note_is_cut_where_it_is_too_long():
    assert len(str(feedback(action="comment", note="a" * 10_000)["note"])) == 500

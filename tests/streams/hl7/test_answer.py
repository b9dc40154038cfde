"""Acknowledgements: whatever comes, the answer is a message that the sender can read."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from features.catalogue import Refused
from streams.hl7.answer import ACCEPTED, AGAIN, REFUSED, answer
from streams.hl7.er7 import read
from tests.streams.hl7.messages import report

WHY = Refused("unsupported", "MSH-12: the version must be 2.1 to 2.9 | ^~\\&")


def test_an_answer_goes_back_to_whoever_sent_it_and_names_the_message():
    reply = read(answer(report(charset="8859/1").encode("iso8859-1"), ACCEPTED))
    header = reply.header
    assert [header.text(field) for field in (3, 4, 5, 6)] == ["VAGT", "RSYD", "LABKA", "OUH"]
    assert [header.text(9, part) for part in (1, 2, 3)] == ["ACK", "R01", "ACK"]
    assert [header.text(field) for field in (11, 12, 18)] == ["P", "2.5.1", "8859/1"]
    assert [(one.name, one.raw(1), one.raw(2)) for one in reply.segments[1:]] == [("MSA", "AA", "M1")]


@pytest.mark.parametrize(
    ("code", "detail", "number"),
    [
        (REFUSED, "MSH-9: x", "200"),
        (REFUSED, "MSH-11: x", "202"),
        (REFUSED, "MSH-12: x", "203"),
        (REFUSED, "x", "102"),
        (AGAIN, "x", "207"),
    ],
)
def test_a_refusal_says_why_in_msa_and_err(code, detail, number):
    reply = read(answer(report().encode(), code, Refused("r", detail)))
    msa, err = reply.segments[1:]
    assert (msa.text(1), msa.text(3)) == (code, f"r: {detail}")
    assert (err.text(3), err.text(3, 3), err.text(4), err.text(8)) == (number, "HL70357", "E", f"r: {detail}")


def test_an_answer_is_in_the_separators_of_the_sender():
    reply = read(answer(report().translate(str.maketrans("|^~\\&", "#*!$%")).encode(), REFUSED, WHY))
    assert reply.segments[1].text(2) == "M1"
    assert reply.segments[1].text(3) == str(WHY)


@given(st.binary() | st.binary().map(lambda tail: b"MSH|^~\\&|" + tail))
@example(b"MSH|^~\\&|\x0b|\x1c")
def test_whatever_comes_the_answer_can_be_framed(data):
    reply = answer(data, REFUSED, WHY)
    assert reply.startswith(b"MSH")
    assert b"MSA" in reply
    assert not {0x0B, 0x1C} & set(reply)
    assert reply.endswith(b"\r")

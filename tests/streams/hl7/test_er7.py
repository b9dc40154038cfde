"""ER7: separators, escapes, repetitions, components and character sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import Refused
from streams.hl7 import er7
from streams.hl7.er7 import Separators, read
from tests.streams.hl7.messages import joined, report

USUAL = Separators("|", "^", "~", "\\", "&")
STRANGE = Separators("#", "*", "!", "$", "%")


def pid(field: str, charset: str = "") -> er7.Segment:
    found = read(joined(rf"MSH|^~\&|A|||||||||||||||{charset}", f"PID|{field}").encode()).first("PID")
    assert found is not None
    return found


def test_a_message_is_its_segments_and_fields_counted_as_hl7_counts_them():
    message = read(report().encode())
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "PV1", "OBR", "OBX"]
    assert (message.header.raw(1), message.header.raw(2), message.header.text(10)) == ("|", r"^~\&", "M1")
    assert message.header.raw(99) == ""
    assert message.header.text(99) is None


def test_a_field_has_repetitions_components_and_subcomponents():
    segment = pid("a^b&c^~~d")
    assert [part.text() for part in segment.parts(1)] == ["a", "d"]
    assert (segment.text(1, 2), segment.text(1, 2, 2), segment.text(1, 3), segment.text(1, 4)) == ("b", "c", None, None)


def test_a_null_is_a_field_left_out():
    segment = pid('""^x')
    assert segment.text(1) is None
    assert segment.text(1, 2) == "x"
    assert pid('""').parts(1) == []


def test_a_sender_may_have_separators_of_its_own():
    data = report().translate(str.maketrans("|^~\\&", "#*!$%")).encode()
    message = read(data)
    assert message.header.separators == STRANGE
    assert (message.first("OBX") or message.header).text(3, 3) == "NPU"


@pytest.mark.parametrize(
    ("escaped", "meant"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
        (r"one\.br\two", "one\ntwo"),
        (r"\H\now\N\ ", "now"),
        (r"\XC3A6\ble", "æble"),
        (r"\X0D0A\x", "x"),
        (r"\XZZ\x", r"\XZZ\x"),
        (r"\Zlocal\x", r"\Zlocal\x"),
        (r"half\F", r"half\F"),
        ("\\\\", "\\\\"),
    ],
)
def test_escapes_are_read_and_those_of_a_senders_own_are_left(escaped, meant):
    assert pid(escaped, "UNICODE UTF-8").text(1) == meant


@given(st.text(st.characters(codec="utf-8")), st.sampled_from([USUAL, STRANGE]))
def test_any_text_comes_back_from_its_escaped_form(text, separators):
    escaped = separators.escaped(text)
    assert not set(escaped) & {separators.field, separators.component, separators.repetition, "\r", "\n"}
    assert separators.unescaped(escaped, "utf-8") == text


@pytest.mark.parametrize(
    ("named", "written"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("8859/1", "iso8859-1"),
        ("8859/15", "iso8859-15"),
        ("", "utf-8"),
        ("", "iso8859-1"),
        (" 8859/1 ", "iso8859-1"),
    ],
)
def test_a_message_is_in_the_character_set_that_it_names_and_without_one_in_utf_8_or_8859_1(named, written):
    data = joined(rf"MSH|^~\&|A|||||||||||||||{named}", "PID|Blåbærgrød µ").encode(written)
    assert (read(data).first("PID") or read(data).header).text(1) == "Blåbærgrød µ"


@pytest.mark.parametrize(
    ("named", "reason"), [("ASCII", "bad-hl7"), ("UNICODE UTF-8", "bad-hl7"), ("GB 18030-2000", "unsupported")]
)
def test_bytes_that_the_named_character_set_does_not_have_are_refused(named, reason):
    with pytest.raises(Refused) as refused:
        read(joined(rf"MSH|^~\&|A|||||||||||||||{named}", "PID|ø").encode("iso8859-1"))
    assert refused.value.reason == reason


def test_several_character_sets_are_refused():
    with pytest.raises(Refused, match="unsupported"):
        read(joined(r"MSH|^~\&|A|||||||||||||||8859/1~UNICODE UTF-8").encode())


@pytest.mark.parametrize("ends", ["\r", "\r\n", "\n"])
def test_segments_may_end_as_senders_end_them(ends):
    assert len(read(report().replace("\r", ends).encode()).segments) == 5


@pytest.mark.req("VAGT-IN-14")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MSH",
        b"MSH|",
        b"MSH|^~\\",
        b"MSH|^~\\^|",
        b"MSH|^~\\|&|",
        b"MSHA^~\\&A",
        b"PID|1",
        b"M\0S\0H\0|\0",
        report().encode("utf-16"),
        report().encode() + b"\rP",
        report().encode() + b"pid|1",
        b"FHS|^~\\&|" + report().encode(),
        report().encode() + report().encode(),
        report().encode()[:120] + b"\x0b" + report().encode(),
        report().encode()[:120] + b"\x1c\r" + report().encode(),
    ],
)
def test_what_is_no_whole_message_is_refused(data):
    """A frame that was cut off and the next one behind it must not become one patient's results under another."""
    with pytest.raises(Refused, match="bad-hl7"):
        read(data)


@given(st.binary() | st.binary().map(lambda tail: report().encode() + tail))
def test_no_bytes_raise_anything_else(data):
    try:
        message = read(data)
    except Refused:
        pass
    else:
        for _, segment in message.numbered():
            for field in range(1, len(segment.fields) + 1):
                segment.text(field)

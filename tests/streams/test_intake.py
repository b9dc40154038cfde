from contextlib import suppress

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import Refused
from streams.intake import Intake, load, read
from tests.builders import PATIENT, observation, observation_item, tick

LIMIT = 1_048_576


def reason(value: bytes | None, limit: int = LIMIT) -> str:
    with pytest.raises(Refused) as refused:
        read(value, PATIENT, limit)
    return refused.value.reason


def taken(document: object) -> Intake:
    return read(orjson.dumps(document), PATIENT, LIMIT)


def test_a_record_holds_one_object_or_an_array():
    item = observation_item()
    assert taken(item).events == ((0, observation()),)
    assert taken([item, {"type": "tick", "patient": PATIENT, "at": "2026-03-01T01:00:00Z"}]).events == (
        (0, observation()),
        (1, tick(1)),
    )


def test_one_bad_object_leaves_its_siblings_alone():
    item = observation_item()
    intake = taken([{}, item, {**item, "patient": "p-2"}, 5, {**item, "value": "x"}, item])
    assert [index for index, _ in intake.events] == [1, 5]
    assert [(index, refused.reason) for index, refused in intake.refusals] == [
        (0, "missing-subject"),
        (2, "wrong-subject"),
        (3, "schema"),
        (4, "schema"),
    ]


def test_a_record_without_a_value_is_refused():
    assert reason(None) == "empty"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"   ",
        b"not json",
        b'{"type": "tick"',
        b"[1,]",
        b"{'type': 'tick'}",
        b'{"value": NaN}',
        b'{"value": Infinity}',
        b'"\xff\xfe"',
        b"\xef\xbb\xbf{}",
        b'{"a": "\x00"}',
        b'"\\ud800"',
        b"[" * 100_000,
        b"{}{}",
    ],
)
def test_what_is_not_json_is_refused_and_not_repeated(value):
    with pytest.raises(Refused) as refused:
        read(value, PATIENT, LIMIT)
    assert refused.value.reason == "bad-json"
    assert value.decode("utf-8", "replace") not in refused.value.detail or not value.strip()


def test_an_empty_array_is_refused():
    assert reason(b"[]") == "schema"


def test_a_number_beyond_every_float_is_refused():
    assert reason(orjson.dumps(observation_item()).replace(b"80.0", b"1" + b"0" * 400)) == "bad-json"
    assert reason(orjson.dumps(observation_item()).replace(b"80.0", b"1e400")) == "bad-json"


def test_a_record_may_be_as_large_as_the_limit_and_no_larger():
    value = orjson.dumps(observation_item())
    assert read(value, PATIENT, len(value)).events
    assert reason(value, len(value) - 1) == "too-large"
    assert reason(b" " * 20_000_000) == "too-large"


def test_a_document_may_be_anything_that_is_json():
    assert load(b"null", LIMIT) is None
    assert [refused.reason for _, refused in read(b"null", PATIENT, LIMIT).refusals] == ["schema"]


@settings(deadline=None)
@given(st.binary(max_size=300))
@pytest.mark.req("VAGT-SEC-06")
def test_no_bytes_raise_anything_but_refused(value):
    with suppress(Refused):
        read(value, PATIENT, 200)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@pytest.mark.req("VAGT-IN-01")
def test_every_part_of_a_document_is_used_or_refused_once(document):
    try:
        intake = taken(document)
    except Refused:
        assert document == []
        return
    parts = document if isinstance(document, list) else [document]
    assert sorted(index for index, _ in (*intake.events, *intake.refusals)) == list(range(len(parts)))


def under_pseudonyms(document: object, key: str) -> list[str]:
    try:
        refusals = read(orjson.dumps(document), key, LIMIT, pseudonymous=True).refusals
    except Refused as whole:
        return [whole.reason]
    return [refused.reason for _, refused in refusals]


def test_where_there_is_a_key_only_what_a_door_wrote_of_a_pseudonym_is_used():
    name = "~" + "a" * 43
    item = observation_item(patient=name)
    assert under_pseudonyms([item, {**item, "origin": "vagt"}], name) == ["not-pseudonymised"]
    assert under_pseudonyms({**item, "origin": "vagt"}, name) == []
    assert under_pseudonyms({**observation_item(), "origin": "vagt"}, PATIENT) == ["not-pseudonymised"]
    for near in (name[1:], name + "a", f"{name}\n", name.replace("a", "é")):
        assert under_pseudonyms({**item, "patient": near, "origin": "vagt"}, near) == ["not-pseudonymised"]

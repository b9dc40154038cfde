"""Every input parser with a few made inputs, and what once went wrong."""

import orjson
import pytest

from features import record
from features.catalogue import Refused
from load_tests.fuzz.examples import EVENTS, PATIENT
from load_tests.fuzz.parsers import PARSERS
from load_tests.fuzz.run import Result, trial
from models.datasets import DataError, open_source
from streams import intake
from streams.doors import fhir, native
from streams.letters import _letter, _object
from streams.settings import Settings

DEEP = b'{"a":' * 300 + b"1" + b"}" * 300
MOST = 1024 * 1024


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.req("VAGT-SEC-06")
def test_a_parser_refuses_what_it_cannot_use_and_fails_at_nothing(name):
    parser, result = PARSERS[name](), Result(name, 1)
    for number in range(25):
        trial(parser, number, result)
    assert not result.failures


def test_a_field_nested_too_deep_to_be_written_is_refused_at_the_door():
    """It was let in, could not be written to `events`, and ended every worker that read it."""
    whole = orjson.dumps({**EVENTS[2], "patient": PATIENT})
    translation = native.translate(orjson.loads(whole[:-1] + b',"more":' + DEEP + b"}"))
    assert not translation.items
    assert [refused.reason for _, refused in translation.refusals] == ["schema"]


@pytest.mark.parametrize("one", [b"0", b"{}"])
def test_a_megabyte_of_small_objects_is_refused_as_one(one):
    """Each was refused by itself: five to ten seconds and a gigabyte for one record."""
    many = b"[" + (one + b",") * 20_000 + one + b"]"
    with pytest.raises(Refused, match="too-large"):
        intake.read(many, PATIENT, MOST)
    assert [refused.reason for _, refused in native.translate(orjson.loads(many)).refusals] == ["too-large"]
    bundle = {"resourceType": "Bundle", "entry": orjson.loads(many)}
    assert [refused.reason for _, refused in fhir.translate(bundle, 0).refusals] == ["too-large"]


def test_a_stored_record_nested_without_end_is_damaged():
    with pytest.raises(ValueError, match="cannot be read"):
        record.decode(b"\x91" * 5_000)


def test_a_dead_letter_whose_headers_say_nonsense_is_read_all_the_same():
    assert _letter(None, None, (("item", b"9" * 5_000),)).item == 0
    deep = b"[" + DEEP + b"]"
    assert _object(_letter(None, deep, (("item", b"0"),))) == deep


def test_a_time_zone_of_any_length_is_told(monkeypatch):
    monkeypatch.setenv("VAGT_TIMEZONE", "x" * 5_000)
    with pytest.raises(ValueError, match="no time zone"):
        Settings()


def test_a_file_that_is_cut_off_is_named(tmp_path):
    file = tmp_path / "a.ndjson.gz"
    file.write_bytes(bytes.fromhex("1f8b08000000000000ff"))
    with pytest.raises(DataError, match=r"a\.ndjson\.gz"):
        list(open_source("ndjson", file))

"""Patients under another name: what leaves a door, and who can undo it."""

import re
from base64 import b64encode, urlsafe_b64encode
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from features.events import parse
from streams.cli import app
from streams.doors import native, pseudonymised, records
from streams.pseudonym import PseudonymError, Pseudonyms, is_pseudonym
from streams.settings import Settings
from tests.builders import observation_item
from tests.integration.patients import admission

KEY, OLD, OLDER = bytes(range(32)), bytes(range(1, 33)), bytes(range(2, 34))
NAMES = Pseudonyms([KEY])
ROTATED = Pseudonyms([KEY, OLD, OLDER])
CPR = "010190-1234"

cpr_numbers = st.builds(
    lambda day, month, year, rest, hyphen: f"{day:02d}{month:02d}{year:02d}{hyphen}{rest:04d}",
    st.integers(1, 28),
    st.integers(1, 12),
    st.integers(0, 99),
    st.integers(0, 9999),
    st.sampled_from(["", "-"]),
)
identifiers = cpr_numbers | st.uuids().map(str)


def said_of(patient: str, words: str, other: str) -> list[dict[str, Any]]:
    """An object of each type, with ``words`` wherever a sender may write what it likes."""
    both = f"{words} {other}"
    at = "2026-03-01T09:42:00+01:00"
    atc = {"system": "http://www.whocc.no/atc", "code": "J01", "display": words}
    return [
        {
            **observation_item(patient=patient, encounter=words, requisition=words, device=words, performer=words),
            "id": f"lab-{words}",
            "surprise": {"deep": [words]},
        },
        {**observation_item(patient=patient, status="cancelled", text=words, unit=words[:60]), "id": words},
        {
            "type": "encounter",
            "id": words,
            "action": "merge",
            "patient": patient,
            "into": other,
            "at": at,
            "issued": at,
            "encounter": f"e-{both}",
            "ward": both,
            "bed": both,
            "name": both,
            both: both,
        },
        {
            "type": "treatment",
            "id": words,
            "patient": patient,
            "code": atc,
            "action": "start",
            "at": at,
            "issued": at,
            "encounter": words,
        },
        {
            "type": "feedback",
            "id": words,
            "patient": patient,
            "alert": words,
            "action": "comment",
            "by": words,
            "note": words,
            "at": at,
        },
        {"type": "tick", "patient": patient, "at": at, "note": words},
    ]


@settings(deadline=None)
@given(identifiers, identifiers, st.text(max_size=20), st.text(max_size=20), st.booleans())
@pytest.mark.req("VAGT-PRI-01")
def test_nothing_that_leaves_a_door_has_the_identifier(patient, other, before, after, upper):
    if patient == other:
        return
    words = f"{before}{patient.upper() if upper else patient}{after}"
    for item in said_of(patient, words, other):
        native.checked(item)
        left = orjson.dumps(NAMES.pseudonymised(item)).decode()
        for one in (patient, other):
            assert one.lower() not in left.lower()
            bare = re.sub(r"[\W_]", "", one.lower())
            assert bare not in re.sub(r"[^\w]|_", "", left.lower())


@settings(deadline=None)
@given(identifiers, identifiers)
def test_what_leaves_a_door_is_an_event_of_the_pseudonym(patient, other):
    if patient == other:
        return
    for item in said_of(patient, "words", other):
        left = NAMES.pseudonymised(item)
        event = parse(left, NAMES.name(patient))
        assert event.origin == "vagt"
        assert NAMES.unseal(event.sealed or "", event.patient) == patient


@given(st.text(min_size=1), st.text(min_size=1))
def test_equal_identifiers_stay_equal_and_different_ones_different(one, other):
    for change in (NAMES.name, NAMES.ident, ROTATED.ident):
        assert (change(one) == change(other)) == (one == other)
    assert is_pseudonym(NAMES.name(one))
    assert NAMES.name(one) != ROTATED.ident(one)


@given(st.text(), st.text(), st.text())
def test_what_is_sealed_opens_for_the_same_patient_alone(text, patient, other):
    sealed = ROTATED.seal(text, patient)
    assert ROTATED.unseal(sealed, patient) == text
    assert sealed == ROTATED.seal(text, patient), "a record that is read twice gives the same bytes"
    if other != patient:
        with pytest.raises(PseudonymError):
            ROTATED.unseal(sealed, other)
        assert ROTATED.seal(text, other) != sealed


@given(st.text(), st.integers(0, 400), st.integers(1, 255))
def test_what_was_altered_opens_as_nothing_else(text, place, change):
    sealed = bytearray(NAMES.seal(text, "p").encode())
    sealed[place % len(sealed)] ^= change
    with suppress(PseudonymError):
        # Base64 has several ways to spell the same bytes.
        assert NAMES.unseal(sealed.decode("latin-1"), "p") == text


@pytest.mark.parametrize("nothing", ["", ".", "x", "x.y", "~", "é.é", NAMES.seal("x", "p")[:20]])
def test_what_is_no_seal_is_told_so(nothing):
    with pytest.raises(PseudonymError):
        NAMES.unseal(nothing, "p")


def test_another_key_opens_nothing_and_gives_other_names():
    other = Pseudonyms([OLD])
    assert other.name(CPR) != NAMES.name(CPR)
    with pytest.raises(PseudonymError):
        other.unseal(NAMES.seal(CPR, NAMES.name(CPR)), NAMES.name(CPR))


def test_after_a_rotation_old_seals_open_and_old_names_are_known():
    before = Pseudonyms([OLD, OLDER])
    sealed = before.seal(CPR, before.name(CPR))
    assert ROTATED.unseal(sealed, before.name(CPR)) == CPR
    assert ROTATED.names(CPR) == [Pseudonyms([key]).name(CPR) for key in (KEY, OLD, OLDER)]


def test_a_record_that_comes_again_after_a_rotation_says_the_same_of_another_name():
    item = {**admission(CPR), "name": "Prøve Hansen", "bed": "12"}
    before, after = Pseudonyms([OLD]).pseudonymised(item), Pseudonyms([KEY, OLD]).pseudonymised(item)
    assert {name for name in before if before[name] != after[name]} == {"patient", "sealed"}
    assert Pseudonyms([KEY, OLD]).uncover("name", after["name"], CPR) == "Prøve Hansen"
    with pytest.raises(PseudonymError):
        Pseudonyms([KEY, OLD]).uncover("bed", after["name"], CPR)
    with pytest.raises(PseudonymError):
        Pseudonyms([KEY, OLD]).uncover("name", after["name"], "010190-1235")
    with pytest.raises(PseudonymError):
        Pseudonyms([KEY]).uncover("name", after["name"], CPR)


def test_whoever_knows_a_patient_from_an_alert_can_answer_it():
    alert, name = "0123456789abcdef" * 2, NAMES.name(CPR)
    item = {"type": "feedback", "id": "f-1", "patient": name, "alert": alert, "action": "reopen", "at": "…"}
    left = NAMES.pseudonymised(item)
    assert (left["patient"], left["alert"], "sealed" in left) == (name, alert, False)


def test_a_short_identifier_leaves_words_and_units_whole():
    item = observation_item(patient="m2", performer="seen by M2 at OUH-M21", device="m2x", unit="/min")
    left = NAMES.pseudonymised(item)
    assert (left["performer"], left["device"], left["unit"]) == ("seen by (patient) at OUH-M21", "m2x", "/min")


def test_what_a_sender_seals_itself_goes_no_further():
    item = {**observation_item(patient=CPR), "sealed": "mine", "origin": "me", "intoSealed": "mine"}
    assert "mine" not in orjson.dumps(NAMES.pseudonymised(item)).decode()


def test_without_a_key_a_door_lets_everything_through_as_it_is():
    items = (("p-1", observation_item()),)
    assert pseudonymised(items, None) is items


def test_the_record_of_a_pseudonym_has_it_as_its_key():
    items = pseudonymised(((CPR, observation_item(patient=CPR)),), NAMES)
    ((key, value),) = records(items)
    assert key.decode() == NAMES.name(CPR) == orjson.loads(value)["patient"]


# ---------------------------------------------------------------------- the settings


@pytest.mark.parametrize(
    "text", [KEY.hex(), KEY.hex().upper(), b64encode(KEY).decode(), urlsafe_b64encode(KEY).decode().rstrip("=")]
)
def test_a_key_may_be_written_in_hex_or_base64(text, tmp_path):
    assert Settings(pseudonym_key=text).pseudonym_keys == (KEY,)
    (tmp_path / "key").write_text(f"{text}\n")
    assert Settings(pseudonym_key_file=tmp_path / "key").pseudonym_keys == (KEY,)


def test_old_keys_are_a_list_or_the_lines_of_a_file(tmp_path):
    (tmp_path / "old").write_text(f"{OLD.hex()}\n{OLDER.hex()}\n")
    listed = Settings(pseudonym_key=KEY.hex(), pseudonym_old_keys=f"{OLD.hex()}, {OLDER.hex()}")
    filed = Settings(pseudonym_key=KEY.hex(), pseudonym_old_keys_file=tmp_path / "old")
    assert listed.pseudonym_keys == filed.pseudonym_keys == (KEY, OLD, OLDER)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pseudonym_key": "secret-words"},
        {"pseudonym_key": ""},
        {"pseudonym_key": KEY.hex()[:-2]},
        {"pseudonym_key": f"{KEY.hex()},{OLD.hex()}"},
        {"pseudonym_key": KEY.hex(), "pseudonym_old_keys": KEY.hex()},
        {"pseudonym_key": KEY.hex(), "pseudonym_old_keys": "zz" * 32},
        {"pseudonym_key": KEY.hex(), "pseudonym_key_file": "/no/such/file"},
        {"pseudonym_key_file": "/no/such/file"},
        {"pseudonym_old_keys": OLD.hex()},
    ],
)
def test_a_key_that_is_none_is_refused_without_a_word_of_it(wrong):
    with pytest.raises(ValidationError) as refused:
        Settings(**wrong)
    assert "VAGT_PSEUDONYM" in str(refused.value)
    for secret in ("secret-words", KEY.hex()[:-2], OLD.hex(), "zz" * 32):
        assert secret not in str(refused.value)


@pytest.mark.req("VAGT-SEC-03")
def test_no_key_shows_in_the_settings_or_in_what_is_made_of_them():
    own = Settings(pseudonym_key=KEY.hex(), pseudonym_old_keys=OLD.hex())
    made = Pseudonyms.of(own)
    assert made is not None
    shown = f"{own!r} {own} {made!r} {vars(made)!r}"
    assert KEY.hex() not in shown
    assert repr(KEY)[2:20] not in shown


def test_without_a_key_there_are_no_pseudonyms():
    assert Pseudonyms.of(Settings()) is None
    assert not Settings().pseudonymous


# ----------------------------------------------------------------------- the command


def vagt(*arguments: str, given: str = "", **environment: str):
    return CliRunner().invoke(app, ["pseudonym", *arguments], input=given, env=environment)


def test_the_holder_of_the_key_finds_a_pseudonym_and_whose_it_is():
    keys = {"VAGT_PSEUDONYM_KEY": KEY.hex(), "VAGT_PSEUDONYM_OLD_KEYS": OLD.hex()}
    found = vagt("of", given=f"{CPR}\n", **keys)
    assert found.stdout.split() == [NAMES.name(CPR), Pseudonyms([OLD]).name(CPR)]
    sealed = NAMES.seal(CPR, NAMES.name(CPR))
    assert vagt("reveal", given=f"{NAMES.name(CPR)} {sealed}\n", **keys).stdout.split() == [CPR]


def test_a_seal_of_somebody_else_is_told_in_a_sentence():
    sealed = NAMES.seal(CPR, NAMES.name(CPR))
    result = vagt("reveal", given=f"{NAMES.name('x')} {sealed}\n", VAGT_PSEUDONYM_KEY=KEY.hex())
    assert result.exit_code == 1
    assert CPR not in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("command", ["of", "reveal", "rotate"])
def test_without_a_key_the_command_says_so(command):
    result = vagt(command)
    assert result.exit_code == 2
    assert "VAGT_PSEUDONYM_KEY" in result.output

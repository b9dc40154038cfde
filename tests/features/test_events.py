from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import Refused
from features.events import Encounter, Feedback, Observation, Tick, parse
from tests.builders import PATIENT, at, encounter, moment, observation, observation_item

ENCOUNTER = {
    "type": "encounter", "id": "enc-88", "action": "admit", "patient": PATIENT, "at": at(0), "issued": at(0),
}  # fmt: skip
TICK = {"type": "tick", "patient": PATIENT, "at": at(1)}
MISSING = object()


def refusal(item: Any, key: str = PATIENT) -> Refused:
    with pytest.raises(Refused) as caught:
        parse(item, key)
    return caught.value


def changed(item: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    rest = {name: known for name, known in item.items() if name != field}
    return rest if value is MISSING else {**rest, field: value}


def test_the_observation_of_the_contract_is_read():
    event = observation("creatinine", 132.0, hour=9.7, issued=10.2, encounter="e-5521", performer="LABKA/OUH")
    assert (event.value, event.unit, event.effective, event.known) == (
        132,
        "umol/L",
        moment(9.7),
        moment(10.2),
    )


def test_what_is_left_out_or_null_has_its_default():
    event = observation(encounter=None, comparator=None, device=None)
    assert (event.version, event.comparator, event.issued_assumed) == (1, None, False)
    assert changed(observation_item(), "version", MISSING) | {"version": 1} == observation_item()
    assert parse(changed(observation_item(), "version", MISSING), PATIENT) == observation()


def test_unknown_fields_are_ignored():
    assert observation(referenceRange=[{"low": 60}], tomorrow={}) == observation()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("id", bad) for bad in (MISSING, None, "", 5, "x" * 201)],
        *[("version", bad) for bad in ("1", 1.0, True, -1, 2**53, 10**30, None)],
        *[("status", bad) for bad in (MISSING, None, "unknown", "Final", 1)],
        *[("code", bad) for bad in (MISSING, None, "8867-4", {"system": "loinc"}, {"code": "8867-4"})],
        *[("value", bad) for bad in ("80", True, [80], {"": 80}, nan, inf, -inf, 10**400)],
        *[("text", bad) for bad in (5, True, ["A"], "x" * 2001)],
        *[("comparator", bad) for bad in ("=", "", "~", 1)],
        *[("unit", bad) for bad in (1, ["/min"], "x" * 61)],
        *[("effective", bad) for bad in (MISSING, None, 0, "2026-03-01T09:42:00", "2026-02-30T00:00:00Z")],
        *[("issued", bad) for bad in (MISSING, None, 0, "2026-03-01T09:42:00", "", [])],
        *[("issuedAssumed", bad) for bad in ("true", 1, None)],
        *[("encounter", bad) for bad in ("", 5)],
    ],
)  # fmt: skip
def test_an_observation_with_a_wrong_field_is_refused_by_the_fields_name(field, value):
    refused = refusal(changed(observation_item(), field, value))
    assert refused.reason == "schema"
    assert refused.detail.startswith(field)


@pytest.mark.parametrize("value", [80, 80.0, -1e308, 0, 2**63])
def test_any_finite_number_is_a_value(value):
    assert observation(value=value).value == value


@pytest.mark.parametrize("status", ["preliminary", "final", "corrected", "amended"])
def test_a_result_needs_a_value_or_a_text(status):
    item = changed(observation_item(status=status), "value", MISSING)
    assert (refusal(item).reason, "needs a value" in refusal(item).detail) == ("schema", True)
    assert isinstance(parse({**item, "text": "A"}, PATIENT), Observation)


@pytest.mark.parametrize("status", ["registered", "cancelled", "entered-in-error"])
def test_what_is_registered_or_withdrawn_needs_no_value(status):
    assert observation(value=None, status=status).value is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("id", bad) for bad in (MISSING, None, "", 5)],
        *[("action", bad) for bad in (MISSING, None, "A01", 1)],
        *[("at", bad) for bad in (MISSING, None, 0, "2026-03-01T09:42:00")],
        *[("issued", bad) for bad in (MISSING, None, "2026-03-01")],
        *[("version", bad) for bad in ("1", True, -1, None)],
        *[("unitType", bad) for bad in ("ICU", "", 1)],
        *[("sex", bad) for bad in ("M", "", 1)],
        *[("birthDate", bad) for bad in ("1951", "1951-05", "19510502", "1951-W18-3", "1951-02-29", 0, True)],
        *[("flags", bad) for bad in ("pregnant", ["Pregnant"], [1], {"pregnant": True}, 5)],
        *[("ward", bad) for bad in (5, ["OUH-M2"])],
    ],
)  # fmt: skip
def test_an_encounter_with_a_wrong_field_is_refused_by_the_fields_name(field, value):
    refused = refusal(changed(ENCOUNTER, field, value))
    assert refused.reason == "schema"
    assert refused.detail.startswith(field)


def test_an_encounter_needs_no_more_than_the_contract_says():
    event = parse(ENCOUNTER, PATIENT)
    assert isinstance(event, Encounter)
    assert (event.version, event.ward, event.flags, event.birth_date) == (1, None, None, None)
    assert encounter(flags=[]).flags == ()
    assert encounter(flags=["hypercapnic", "pregnant"]).flags == ("hypercapnic", "pregnant")


def test_a_tick_needs_no_id():
    event = parse(TICK, PATIENT)
    assert isinstance(event, Tick)
    assert (event.known, event.id, event.version) == (moment(1), "tick", 1)
    assert refusal(changed(TICK, "at", MISSING)).reason == "schema"


@pytest.mark.parametrize("item", [observation_item(), ENCOUNTER, TICK], ids=lambda item: item["type"])
@pytest.mark.req("VAGT-IN-09")
def test_an_event_is_of_the_patient_that_is_the_records_key(item):
    for nobody in (MISSING, None, ""):
        assert refusal(changed(item, "patient", nobody)).reason == "missing-subject"
    for other in ("p-1008", "P-1007", "p-1007 ", 1007, ["p-1007"], True):
        assert refusal(changed(item, "patient", other)).reason == "wrong-subject"
    assert refusal(item, key="").reason == "wrong-subject"
    assert refusal({**item, "patient": "x" * 201}, key="x" * 201).reason == "schema"


@pytest.mark.parametrize("kind", [MISSING, None, "", "Observation", 1, True, [], {}, ["observation"]])
def test_an_unknown_type_is_refused(kind):
    assert refusal(changed(observation_item(), "type", kind)).reason == "schema"


@pytest.mark.parametrize("item", [None, 1, 1.5, True, "text", [], [observation_item()]])
def test_what_is_no_object_is_refused(item):
    assert refusal(item).reason == "schema"


SECRET = "0102031234"
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({*observation_item("creatinine", "x"), *observation_item(), *ENCOUNTER, "flags", "birthDate"})


def refused(item: Any, key: str) -> Refused | None:
    try:
        parse(item, key)
    except Refused as found:
        return found
    return None


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(FIELDS), anything),
    st.sampled_from([observation_item(), ENCOUNTER, TICK, {}]),
)
@pytest.mark.req("VAGT-SEC-06")
def test_no_object_raises_anything_but_refused_and_no_detail_repeats_a_value(fields, base):
    assert SECRET not in str(refused({**base, **fields, "patient": SECRET}, SECRET))


@settings(deadline=None)
@given(anything)
def test_no_document_raises_anything_but_refused(document):
    found = refused(document, PATIENT)
    assert found is None or found.reason in {"schema", "missing-subject", "wrong-subject"}


@pytest.mark.parametrize(("until", "kept"), [(at(3), moment(3)), ("next-result", "next-result")])
def test_a_snooze_ends_at_an_instant_or_with_the_next_result(until, kept):
    given = {"type": "feedback", "id": "f", "patient": PATIENT, "alert": "a", "action": "snooze", "at": at(1)}
    found = parse({**given, "until": until}, PATIENT)
    assert isinstance(found, Feedback)
    assert found.until == kept
    for wrong in ("next result", 3, None, ["next-result"]):
        assert refusal({**given, "until": wrong}).reason == "schema"

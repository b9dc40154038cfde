"""ORU^R01 as observations: what each field becomes, and what is refused."""

import orjson
import pytest

from features.catalogue import Refused
from streams.doors import hl7
from streams.doors.native import Translation
from streams.hl7.results import STATUSES
from streams.settings import Settings
from tests.streams.hl7.messages import PATIENT, header, joined, order, person, report, result, visit

RECEIVED = 1772356400000
OWN = Settings(hl7_authority="CPR, 1.2.208.176.1.2")


def door(message: str, settings: Settings = OWN) -> Translation:
    return hl7.translate(message.encode(), RECEIVED, settings)


def one(message: str, settings: Settings = OWN):
    """The one observation of a message."""
    translation = door(message, settings)
    assert not translation.refusals
    ((patient, item),) = translation.items
    assert patient == item["patient"]
    return {name: value for name, value in item.items() if value is not None}


def refused(message: str, settings: Settings = OWN) -> str:
    """Why the one result of a message is refused."""
    translation = door(message, settings)
    assert not translation.items
    ((_, why),) = translation.refusals
    return why.reason


def test_a_result_says_what_its_message_says_and_nothing_more():
    assert one(report()) == {
        "type": "observation",
        "id": "F-173^LABKA|NPU18016|",
        "version": 1772356327000,
        "status": "final",
        "patient": PATIENT,
        "encounter": "e-5521",
        "code": {"system": "http://npu-terminology.org", "code": "NPU18016"},
        "value": 132.0,
        "unit": "umol/L",
        "effective": "2026-03-01T08:42:00.000Z",
        "issued": "2026-03-01T09:10:00.000Z",
        "requisition": "R-9",
        "referenceRange": "45-90",
        "interpretation": ["H"],
    }


@pytest.mark.parametrize(("letter", "status"), STATUSES.items())
def test_each_status_of_a_result_has_its_own(letter, status):
    assert one(report(result(status=letter)))["status"] == status


@pytest.mark.req("VAGT-IN-14")
@pytest.mark.parametrize("letter", ["", "N", "O", "Z", "final"])
def test_a_status_that_is_none_of_a_result_is_refused(letter):
    assert refused(report(result(status=letter))) == "unsupported"


@pytest.mark.parametrize("letter", ["D", "W", "X", "I"])
def test_a_result_without_value_needs_neither_value_nor_time(letter):
    message = joined(header(), person(), order(specimen=""), result(value="", unit="", status=letter))
    assert "value" not in one(message)


def test_a_correction_has_the_id_of_what_it_corrects_and_the_later_message_has_the_higher_version():
    first = one(report(result("132"), sent="20260301101207"))
    second = one(report(result("98", code="NPU18016^P-Kreatinin;stofk.^NPU", status="C"), sent="20260301101208"))
    assert first["id"] == second["id"]
    assert second["version"] - first["version"] == 1000


def test_a_correction_that_takes_the_value_away_is_a_cancellation():
    corrected = one(report(result(value="", status="C")))
    assert corrected["status"] == "cancelled"
    assert "value" not in corrected


def test_the_order_the_code_and_the_sub_id_make_the_identity_of_a_result():
    messages = [
        report(),
        report(result(sub="2")),
        report(result(code="NPU03230^Potassium^NPU", value="4", unit="mmol/L")),
        joined(header(), person(), order("F-173^OTHER"), result()),
        joined(header(), person(), order("F-174^LABKA"), result()),
        joined(header(), person(), "ORC|RE|R-9|F-9", order(""), result()),
    ]
    assert len({one(message)["id"] for message in messages}) == len(messages)


def test_without_an_order_number_a_result_has_no_identity_and_is_refused():
    assert refused(joined(header(), person(), order(""), result())) == "bad-hl7"
    assert refused(joined(header(), person(), result())) == "bad-hl7"


def test_an_order_number_is_not_taken_from_the_order_before():
    message = joined(header(), person(), "ORC|RE||F-1", order(""), result(), order(""), result("5"))
    translation = door(message)
    assert [item["id"] for _, item in translation.items] == ["F-1|NPU18016|"]
    assert [why.reason for _, why in translation.refusals] == ["bad-hl7"]


@pytest.mark.req("VAGT-IN-14")
def test_two_results_of_one_identity_that_differ_are_both_refused():
    translation = door(report(result("132"), result("98"), result("77", sub="2")))
    assert [(number, why.reason) for number, why in translation.refusals] == [(4, "conflict"), (5, "conflict")]
    assert [item["value"] for _, item in translation.items] == [77.0]
    assert len(door(report(result("132"), result("132"))).items) == 2


@pytest.mark.parametrize(
    ("kind", "value", "meant"),
    [
        ("NM", "132", (132.0, None)),
        ("NM", "+4.50", (4.5, None)),
        ("ST", "7,4", (7.4, None)),
        ("ST", "<5", (5.0, "<")),
        ("TX", ">= 90", (90.0, ">=")),
        ("SN", "<^5", (5.0, "<")),
        ("SN", ">=^90", (90.0, ">=")),
        ("SN", "^12", (12.0, None)),
        ("SN", "=^12", (12.0, None)),
    ],
)
def test_a_number_comes_in_the_types_in_which_laboratories_send_it(kind, value, meant):
    found = one(report(result(value, "mg/L", code="NPU19748^CRP^NPU", kind=kind)))
    assert (found["value"], found.get("comparator")) == meant


@pytest.mark.req("VAGT-IN-14")
@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("NM", "", "no-value"),
        ("NM", '""', "no-value"),
        ("NM", "high", "schema"),
        ("NM", "1.234,5", "schema"),
        ("NM", "1~2", "unsupported"),
        ("NM", "1000000", "implausible"),
        ("SN", "^1^-^2", "unsupported"),
        ("SN", "<>^5", "unsupported"),
        ("SN", "^1^:^128", "unsupported"),
        ("SN", "<", "schema"),
        ("CE", "POS^Positive^L", "unsupported"),
        ("ED", "x", "unsupported"),
        ("", "132", "unsupported"),
    ],
)
def test_what_is_no_single_number_is_refused(kind, value, reason):
    assert refused(report(result(value, kind=kind))) == reason


@pytest.mark.parametrize("unit", ["umol/L", "µmol/L", "umol/L^micromole per litre^UCUM", "^µmol/L"])
def test_a_unit_is_taken_in_any_spelling_of_the_catalogue(unit):
    assert one(report(result(unit=unit)))["value"] == 132.0


@pytest.mark.req("VAGT-IN-14")
@pytest.mark.parametrize("unit", ["", "mmHg", "furlongs"])
def test_a_quantity_without_a_unit_of_its_own_is_refused(unit):
    assert refused(report(result(unit=unit))) == "unknown-unit"


@pytest.mark.parametrize(
    ("code", "system"),
    [
        ("2160-0^Creatinine^LN", "http://loinc.org"),
        ("NPU18016^Creatinine^NPU", "http://npu-terminology.org"),
        ("NPU18016^Creatinine^http://npu-terminology.org", "http://npu-terminology.org"),
        ("KREA^Creatinine^L^NPU18016^Creatinine^NPU", "http://npu-terminology.org"),
        ("NPU18016^Creatinine^^^^^^^^^^^^1.2.208.176.2.1", "urn:oid:1.2.208.176.2.1"),
    ],
)
def test_a_code_is_of_the_system_that_its_sender_names(code, system):
    unit = "mg/dL" if "LN" in code else "umol/L"
    assert one(report(result("1.5" if unit == "mg/dL" else "132", unit, code=code)))["code"]["system"] == system


@pytest.mark.req("VAGT-IN-14")
@pytest.mark.parametrize("code", ["NPU18016", "NPU18016^Creatinine", "KREA^Creatinine^L", "99999-9^?^LN"])
def test_a_code_without_a_system_or_that_nobody_knows_is_refused(code):
    assert refused(report(result(code=code))) == "unknown-code"


@pytest.mark.parametrize("value", ["V", "V^Responds to voice^L", "248234^V^L"])
def test_the_level_of_consciousness_is_one_of_its_letters(value):
    found = one(report(result(value, "", code="80288-4^ACVPU^LN", kind="CWE")))
    assert found["text"] == "V"
    assert refused(report(result("sleepy", "", code="80288-4^ACVPU^LN", kind="ST"))) == "implausible"


def test_when_it_was_measured_is_of_the_result_or_else_of_the_specimen():
    assert one(report(result(at="202603010800")))["effective"] == "2026-03-01T07:00:00.000Z"
    assert refused(joined(header(), person(), order(specimen=""), result())) == "schema"
    assert refused(joined(header(), person(), order(specimen="20260301"), result())) == "schema"


def test_when_it_became_known_is_of_the_report_or_else_of_the_message():
    assert one(joined(header(), person(), order(reported=""), result()))["issued"] == "2026-03-01T09:12:07.000Z"


def test_comments_belong_to_the_result_above_them():
    message = report(result(), r"NTE|1||Hæmolyse~svag\.br\se bilag", "NTE|2||ring", result("98", sub="2"))
    noted = [item["note"] for _, item in door(message).items]
    assert noted == ["Hæmolyse\nsvag\nse bilag\nring", None]
    assert one(joined(header(), person(), "NTE|1||p", order(), "NTE|1||o", result())).get("note") is None


def test_each_patient_of_a_message_has_their_own_results():
    other = person("p-2^^^CPR")
    message = joined(
        header(), person(), visit(), order(), result(), other, order("F-2"), result("98"), result("99", sub="2")
    )
    found = [(patient, item["value"], item["encounter"]) for patient, item in door(message).items]
    assert found == [(PATIENT, 132.0, "e-5521"), ("p-2", 98.0, None), ("p-2", 99.0, None)]


# ---------------------------------------------------------------------------------------------------- identifiers


def whose(identifiers: str, settings: Settings = OWN) -> str:
    message = joined(header(), person(identifiers), order(), result())
    translation = door(message, settings)
    return translation.items[0][0] if translation.items else translation.refusals[0][1].reason


@pytest.mark.req("VAGT-IN-14")
@pytest.mark.parametrize(
    ("identifiers", "patient"),
    [
        ("L-1^^^OUH^MR~p-1007^^^CPR^NI", "p-1007"),
        ("p-1007^^^&1.2.208.176.1.2&ISO^NI", "p-1007"),
        ("p-1007^^^CPR^NI~p-1007^^^CPR^NI", "p-1007"),
        ("L-1^^^OUH^MR", "missing-subject"),
        ("p-1007", "missing-subject"),
        ("", "missing-subject"),
        ("^^^CPR", "missing-subject"),
        ("p-1007^^^CPR~p-2000^^^CPR", "missing-subject"),
    ],
)
def test_a_patient_is_who_the_deployments_own_authority_names(identifiers, patient):
    assert whose(identifiers) == patient


def test_without_a_configured_authority_a_patient_must_have_just_one_identifier():
    assert whose("p-1007", Settings()) == "p-1007"
    assert whose("p-1007^^^CPR~L-1^^^OUH", Settings()) == "missing-subject"


# ------------------------------------------------------------------------------------------- the message as a whole


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (report(kind="ORM^O01"), "unsupported"),
        (report(kind="ADT^A04"), "unsupported"),
        (report(kind="ORU"), "unsupported"),
        (report(kind=""), "unsupported"),
        (report(version="3.0"), "unsupported"),
        (report(version=""), "unsupported"),
        (report(processing="T"), "unsupported"),
        (report(processing="D"), "unsupported"),
        (report(control=""), "bad-hl7"),
        (report(sent=""), "bad-hl7"),
        (report(sent="yesterday"), "schema"),
        (joined(header(), order(), result()), "bad-hl7"),
        (joined(header(), person(), order()), "bad-hl7"),
    ],
)
def test_a_message_that_is_none_of_ours_is_refused_whole(message, reason):
    with pytest.raises(Refused) as why:
        door(message)
    assert why.value.reason == reason


@pytest.mark.parametrize("version", ["2.1", "2.3.1", "2.5", "2.8.2"])
def test_every_version_two_is_taken(version):
    assert one(report(version=version))["value"] == 132.0


def test_more_results_than_a_record_may_hold_are_refused_as_one():
    with pytest.raises(Refused, match="too-large"):
        door(report(*["OBX|1"] * 10_001))


def test_what_a_refusal_says_holds_nothing_of_the_patient():
    secret = "0101575011"
    bad = [
        report(result(secret)),
        report(result(code=f"{secret}^^NPU")),
        report(result(unit=secret)),
        report(result(status=secret)),
        report(result(at=secret)),
        joined(header(), person(f"{secret}^^^X"), order(), result()),
    ]
    for message in bad:
        for _, why in door(message).refusals:
            assert secret not in str(why)


def test_what_is_let_in_can_be_written():
    for _, item in door(report(result(), "NTE|1||x\x00")).items:
        orjson.dumps(item)

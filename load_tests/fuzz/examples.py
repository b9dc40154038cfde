"""Valid inputs, one of each kind, from which the others are made."""

from typing import Any, Final

PATIENT: Final = "p-1007"
_LOINC: Final = "http://loinc.org"
_NPU: Final = "http://npu-terminology.org"
_UCUM: Final = "http://unitsofmeasure.org"


def time(hour: int, minute: int = 0) -> str:
    """An instant of the example stay."""
    return f"2026-03-{1 + hour // 24:02d}T{hour % 24:02d}:{minute:02d}:00+01:00"


def observation(name: str, system: str, code: str, value: float | str, unit: str | None, hour: int) -> dict[str, Any]:
    """A result in native form."""
    result: dict[str, Any] = {"text": value} if isinstance(value, str) else {"value": value, "unit": unit}
    return {
        "type": "observation",
        "id": f"{name}-{hour}",
        "version": 1,
        "status": "final",
        "patient": PATIENT,
        "encounter": "e-5521",
        "code": {"system": system, "code": code},
        "comparator": None,
        "effective": time(hour),
        "issued": time(hour, 20),
        "performer": "LABKA/OUH",
        **result,
    }


def panel(hour: int) -> list[dict[str, Any]]:
    """Vital signs and blood tests of an hour; the later, the worse."""
    return [
        observation("hr", _LOINC, "8867-4", 80.0 + 2 * hour, "/min", hour),
        observation("rr", _LOINC, "9279-1", 14.0 + hour, "/min", hour),
        observation("temp", _LOINC, "8310-5", 37.0 + 0.1 * hour, "Cel", hour),
        observation("sbp", _LOINC, "8480-6", 120.0 - 2 * hour, "mm[Hg]", hour),
        observation("spo2", _LOINC, "59408-5", 97.0 - 0.5 * hour, "%", hour),
        observation("acvpu", _LOINC, "80288-4", "A" if hour < 12 else "V", None, hour),
        observation("creatinine", _NPU, "NPU18016", 80.0 * (1 + 0.15 * hour), "umol/L", hour),
        observation("potassium", _NPU, "NPU03230", 4.0 + 0.2 * hour, "mmol/L", hour),
        observation("haemoglobin", _NPU, "NPU02319", 8.5 - 0.2 * hour, "mmol/L", hour),
        observation("platelets", _NPU, "NPU03568", 250.0 - 12 * hour, "10*9/L", hour),
        observation("crp", _NPU, "NPU19748", "<5", None, hour),
    ]


ADMISSION: Final[dict[str, Any]] = {
    "type": "encounter",
    "id": "enc-88",
    "version": 1,
    "action": "admit",
    "patient": PATIENT,
    "encounter": "e-5521",
    "at": time(0),
    "issued": time(0),
    "ward": "OUH-M2",
    "bed": "12",
    "name": None,
    "unitType": "icu",
    "birthDate": "1951-05-02",
    "sex": "male",
    "flags": ["hypercapnic"],
}
_MOVED: Final = {"id": "enc-89", "action": "transfer", "at": time(2), "issued": time(2), "unitType": "ward"}
_LEFT: Final = {"id": "enc-90", "action": "discharge", "at": time(20), "issued": time(20)}
_MERGED: Final = {"id": "enc-91", "action": "merge", "into": "p-2000", "at": time(15), "issued": time(15)}

EVENTS: Final[tuple[Any, ...]] = (
    panel(13),
    panel(14)[:3],
    panel(14)[6],
    {**panel(12)[6], "version": 2, "status": "corrected", "value": 90.0},
    {**panel(12)[6], "version": 2, "status": "entered-in-error", "value": None},
    ADMISSION,
    {**ADMISSION, **_MOVED},
    {**ADMISSION, **_LEFT},
    {**ADMISSION, **_MERGED},
    {**ADMISSION, **_MERGED, "id": "enc-92", "action": "unmerge", "into": None},
    {
        "type": "treatment",
        "id": "t-1",
        "version": 1,
        "patient": PATIENT,
        "code": {"system": "http://www.whocc.no/atc", "code": "J01CR05"},
        "action": "start",
        "at": time(13),
        "issued": time(13),
    },
    {
        "type": "feedback",
        "id": "fb-1",
        "alert": "a-1",
        "patient": PATIENT,
        "action": "snooze",
        "by": "nurse/4711",
        "reason": "already-treated",
        "note": "set i drop",
        "until": time(18),
        "at": time(14),
    },
    {
        "type": "note",
        "id": "n-1",
        "version": 1,
        "status": "final",
        "patient": PATIENT,
        "text": "Kendt blødningstendens. Ingen fald",
        "at": time(13),
        "issued": time(13),
    },
    {"type": "tick", "patient": PATIENT, "at": time(14)},
    {"type": "control", "set": {}},
)


def _coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": code}], "text": code}


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": _UCUM, "code": unit}


_PATIENT_RESOURCE: Final = {
    "resourceType": "Patient",
    "id": PATIENT,
    "meta": {"versionId": "3", "lastUpdated": time(0)},
    "identifier": [{"system": "urn:oid:1.2.208.176.1.2", "value": PATIENT}],
    "name": [{"use": "official", "family": "Test", "given": ["A", "B"]}],
    "gender": "male",
    "birthDate": "1951-05-02",
}
_ENCOUNTER_RESOURCE: Final = {
    "resourceType": "Encounter",
    "id": "e-5521",
    "meta": {"lastUpdated": time(0)},
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "subject": {"reference": f"Patient/{PATIENT}"},
    "period": {"start": time(0), "end": time(20)},
    "location": [
        {"location": {"display": "OUH-M2"}, "status": "active", "physicalType": _coded("urn:x", "wa")},
        {"location": {"display": "12"}, "status": "active", "physicalType": _coded("urn:x", "bd")},
        {"location": {"display": "OUH-M1"}, "period": {"start": time(0)}},
        {"location": {"display": "OUH-M3"}, "period": {"start": time(2)}},
    ],
}
_LACTATE: Final = {
    "resourceType": "Observation",
    "id": "o-1",
    "meta": {"versionId": "1", "lastUpdated": time(13)},
    "status": "final",
    "code": _coded(_NPU, "NPU18016"),
    "subject": {"reference": f"Patient/{PATIENT}"},
    "encounter": {"reference": "Encounter/e-5521"},
    "effectiveDateTime": time(13),
    "issued": time(13, 20),
    "valueQuantity": _quantity(132.0, "umol/L"),
    "device": {"display": "ABL90"},
}
_PRESSURE: Final = {
    **_LACTATE,
    "id": "o-2",
    "code": _coded(_LOINC, "85354-9"),
    "valueQuantity": None,
    "effectivePeriod": {"start": time(12), "end": time(13)},
    "component": [
        {"code": _coded(_LOINC, "8480-6"), "valueQuantity": _quantity(90.0, "mm[Hg]")},
        {"code": _coded(_LOINC, "8462-4"), "valueQuantity": _quantity(50.0, "mm[Hg]")},
    ],
}
_AWAKE: Final = {
    **_LACTATE,
    "id": "o-3",
    "code": _coded(_LOINC, "80288-4"),
    "valueQuantity": None,
    "valueCodeableConcept": _coded("http://snomed.info/sct", "248234008"),
}
_REPORT: Final = {
    "resourceType": "DiagnosticReport",
    "id": "r-1",
    "status": "final",
    "subject": {"reference": f"Patient/{PATIENT}"},
    "issued": time(14),
    "effectiveDateTime": time(13),
    "contained": [{key: _LACTATE[key] for key in ("resourceType", "id", "status", "code", "valueQuantity")}],
}

FHIR: Final[tuple[Any, ...]] = (
    _PATIENT_RESOURCE,
    _ENCOUNTER_RESOURCE,
    {**_ENCOUNTER_RESOURCE, "status": "finished"},
    _LACTATE,
    {**_LACTATE, "status": "entered-in-error"},
    _PRESSURE,
    _AWAKE,
    _REPORT,
    {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": {**_PATIENT_RESOURCE, "id": None}},
            {"fullUrl": "https://ehr/fhir/Encounter/e-5521", "resource": _ENCOUNTER_RESOURCE},
            {"resource": {**_LACTATE, "subject": {"reference": "urn:uuid:1"}}},
            {"resource": {**_PRESSURE, "subject": {"identifier": {"system": "urn:x", "value": PATIENT}}}},
            {"resource": _AWAKE},
            {"resource": _REPORT},
        ],
    },
    {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [
            {"resource": {"resourceType": "Parameters"}},
            {
                "request": {"method": "DELETE", "url": "Observation/o-1"},
                "response": {"etag": 'W/"2"', "lastModified": time(14)},
            },
            {"resource": {**_REPORT, "contained": None, "result": [{"reference": "Observation/o-1"}]}},
            {"resource": _LACTATE},
        ],
    },
)

_PID: Final = f"PID|1||{PATIENT}^^^CPR^NI~17^^^OUH^MR||Prøve^Eva^^^^^L||19510502|F"
_PV1: Final = "PV1|1|I|OUH-M2^4^12||||||||||||||||e-5521|||||||||||||||||||||||||202603010000|202603050000"


def _message(kind: str, *segments: str) -> str:
    head = rf"MSH|^~\&|LABKA|OUH|VAGT|RSYD|20260301101207.5+0100||{kind}|M1|P|2.5.1||||||8859/1"
    return "\r".join([head, *segments])


#: HL7 v2: a report with all types of values, and each event of a stay.
HL7: Final = (
    _message(
        "ORU^R01^ORU_R01",
        _PID,
        _PV1,
        "ORC|RE|R-9|F-173",
        "OBR|1|R-9|F-173^LABKA|B^Blood^L|||202603010942|||||||||||||||20260301101000",
        "OBX|1|NM|NPU18016^P-Kreatinin^NPU||132|µmol/L|45-90|H|||F|||202603010942+0100||^Sysmex|||X1",
        r"NTE|1||Let h\XE6\mol\.br\yse \T\ mere",
        "OBX|2|SN|NPU19748^CRP^NPU||<^5|mg/L||||P",
        "OBX|3|ST|KREA^K^L^NPU03230^K^NPU|1|4,1|mmol/L^mmol/L^UCUM||||C",
        "OBX|4|CWE|80288-4^ACVPU^LN||V^Voice^L|||||F|||202603010950",
        "OBX|5|TX|NPU03568^Plt^NPU||>= 90|10\\S\\9/L||||W",
        "OBX|6|NM|99999-9^?^LN||1|1||||X",
    ),
    *(
        _message(f"ADT^{event}", f"EVN|{event}|20260301080000||||20260301075900", _PID, _PV1)
        for event in ("A01", "A02", "A03", "A08", "A11", "A12", "A13")
    ),
    _message("ADT^A40^ADT_A39", "EVN|A40|20260301080000", _PID, "MRG|p-2000^^^CPR~9^^^OUH", _PID, "MRG|p-3000^^^CPR"),
)

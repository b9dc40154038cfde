"""Events of one patient for tests; instants are given in hours after ``START``."""

from typing import Any

from features.apply import apply
from features.catalogue import catalogue
from features.encounter import Stay
from features.events import Encounter, Event, Feedback, Observation, Tick, Treatment, parse
from features.instants import HOUR, render
from features.instants import parse as instant
from features.record import Record
from features.series import Entry, Series

PATIENT = "p-1007"
START = instant("2026-03-01T00:00:00Z")
LOINC = "http://loinc.org"
NPU = "http://npu-terminology.org"

#: The code and unit under which an analyte is sent, its canonical unit.
CODES = {
    "heart_rate": (LOINC, "8867-4", "/min"),
    "respiratory_rate": (LOINC, "9279-1", "/min"),
    "spo2": (LOINC, "59408-5", "%"),
    "sao2": (LOINC, "2708-6", "%"),
    "temperature": (LOINC, "8310-5", "Cel"),
    "systolic_pressure": (LOINC, "8480-6", "mm[Hg]"),
    "fio2": (LOINC, "3150-0", "1"),
    "oxygen_flow": (LOINC, "3151-8", "L/min"),
    "consciousness": (LOINC, "80288-4", None),
    "creatinine": (NPU, "NPU18016", "umol/L"),
    "potassium": (NPU, "NPU03230", "mmol/L"),
    "haemoglobin": (NPU, "NPU02319", "mmol/L"),
    "platelets": (NPU, "NPU03568", "10*9/L"),
    "leukocytes": (NPU, "NPU02593", "10*9/L"),
    "neutrophils": (NPU, "NPU02902", "10*9/L"),
    "sodium": (NPU, "NPU03429", "mmol/L"),
    "glucose": (NPU, "NPU02192", "mmol/L"),
    "calcium": (NPU, "NPU01443", "mmol/L"),
    "calcium_ionised": (NPU, "NPU04144", "mmol/L"),
    "inr": (NPU, "NPU01685", "1"),
    "crp": (NPU, "NPU19748", "mg/L"),
    "mean_pressure": (LOINC, "8478-0", "mm[Hg]"),
    "gcs": (LOINC, "9269-2", "{score}"),
    "gcs_eye": (LOINC, "9267-6", "{score}"),
    "gcs_verbal": (LOINC, "9270-0", "{score}"),
    "gcs_motor": (LOINC, "9268-4", "{score}"),
    "paco2": (LOINC, "2019-8", "kPa"),
    "pao2": (LOINC, "2703-7", "kPa"),
    "bilirubin": (NPU, "NPU01370", "umol/L"),
}


def moment(hour: float) -> int:
    """Milliseconds since the epoch of so many hours after ``START``."""
    return START + round(hour * HOUR)


def at(hour: float) -> str:
    """RFC 3339 text of so many hours after ``START``."""
    return render(moment(hour))


def observation_item(
    analyte: str = "heart_rate",
    value: float | str | None = 80.0,
    hour: float = 0.0,
    issued: float | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """An observation on the wire: known when it was made unless ``issued`` says otherwise."""
    system, code, unit = CODES[analyte]
    result = {"text": value} if isinstance(value, str) else {"value": value, "unit": unit}
    return {
        "type": "observation",
        "id": f"{analyte}-{hour:g}",
        "version": 1,
        "status": "final",
        "patient": PATIENT,
        "code": {"system": system, "code": code},
        "effective": at(hour),
        "issued": at(hour if issued is None else issued),
        **result,
        **fields,
    }


def observation(
    analyte: str = "heart_rate",
    value: float | str | None = 80.0,
    hour: float = 0.0,
    issued: float | None = None,
    **fields: Any,
) -> Observation:
    """An observation as an event."""
    item = observation_item(analyte, value, hour, issued, **fields)
    event = parse(item, item["patient"])
    assert isinstance(event, Observation)
    return event


def encounter(action: str = "admit", hour: float = 0.0, **fields: Any) -> Encounter:
    """An encounter record, known when it happened unless ``issued`` (RFC 3339) says otherwise."""
    common = {"type": "encounter", "id": f"{action}-{hour:g}", "action": action, "patient": PATIENT}
    item = {**common, "at": at(hour), "issued": at(hour), **fields}
    event = parse(item, item["patient"])
    assert isinstance(event, Encounter)
    return event


def treatment(code: str, action: str = "start", hour: float = 0.0, **fields: Any) -> Treatment:
    """A treatment by its ATC code, known when it happened unless ``issued`` (RFC 3339) says otherwise."""
    common = {"type": "treatment", "id": f"{code}-{action}-{hour:g}", "action": action, "patient": PATIENT}
    atc = {"system": "http://www.whocc.no/atc", "code": code}
    item = {**common, "code": atc, "at": at(hour), "issued": at(hour), **fields}
    event = parse(item, item["patient"])
    assert isinstance(event, Treatment)
    return event


def feedback(
    alert: str, action: str = "acknowledge", hour: float = 0.0, until: float | None = None, **fields: Any
) -> Feedback:
    """Somebody's answer to an alert; ``until`` in hours after ``START``."""
    common = {"type": "feedback", "id": f"{action}-{hour:g}", "action": action, "patient": PATIENT, "alert": alert}
    ends = None if until is None else at(until)
    item = {**common, "at": at(hour), "until": ends, "by": "nurse/4711", **fields}
    event = parse(item, item["patient"])
    assert isinstance(event, Feedback)
    return event


def tick(hour: float, patient: str = PATIENT) -> Tick:
    """Time has come so far."""
    return Tick(type="tick", patient=patient, at=at(hour))  # type: ignore[arg-type]


def after(*events: Event, record: Record | None = None) -> Record:
    """The record after these events."""
    record = Record() if record is None else record
    for event in events:
        record = apply(record, event, catalogue()).record
    return record


def series(*points: tuple[int, float]) -> Series:
    """A series of (instant, value), as if each had been known at once."""
    ordered = sorted(points)
    return Series(
        tuple(Entry(time, time, f"{n}", 1, "final", "code", value) for n, (time, value) in enumerate(ordered))
    )


def content(record: Record) -> tuple[int, Stay, dict[str, object]]:
    """What a record says of its patient, without the alerts."""
    found: dict[str, object] = {
        name: (one.entries, one.extremes) for name, one in record.series.items() if one.entries or one.extremes
    }
    return record.now, record.stay, found

"""ORU^R01: results in native form. What a segment leaves open is refused, and never filled in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from features.catalogue import Analyte, Refused, catalogue
from features.numeral import numeral
from streams.doors.native import VALUELESS
from streams.hl7.er7 import Message, Segment
from streams.hl7.sending import Sending

#: OBX-11 (HL7 table 0085). N (not asked) and O (description of the order) are no results, and refused as such.
STATUSES: Final[Mapping[str, str]] = {
    "F": "final",
    "U": "final",
    "V": "final",
    "B": "final",
    "P": "preliminary",
    "R": "preliminary",
    "S": "preliminary",
    "C": "corrected",
    "A": "amended",
    "I": "registered",
    "D": "entered-in-error",
    "W": "entered-in-error",
    "X": "cancelled",
}
#: Names of coding systems in OBX-3 (HL7 table 0396, and OIDs); any other name stands for itself.
SYSTEMS: Final[Mapping[str, str]] = {
    "LN": "http://loinc.org",
    "LOINC": "http://loinc.org",
    "2.16.840.1.113883.6.1": "http://loinc.org",
    "NPU": "http://npu-terminology.org",
    "IUPC": "http://npu-terminology.org",
    "1.2.208.176.2.1": "urn:oid:1.2.208.176.2.1",
}
#: In OBX-3 a code, its system, and that system's OID, up to three times.
_CODINGS: Final = ((1, 3, 14), (4, 6, 17), (10, 12, 20))
_NUMBERS: Final = {"NM", "ST", "TX", "FT"}
_CODED: Final = {"CE", "CWE", "CNE", "CF", "IS"}
_COMPARATORS: Final = {None: None, "=": None, "<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(slots=True)
class _Result:
    """An OBX with what stands above it, and the comments below."""

    number: int
    obx: Segment
    order: Segment | None
    common: Segment | None
    patient: Segment | None
    visit: Segment | None
    notes: list[str] = field(default_factory=list)


def results(message: Message, sending: Sending) -> Iterator[tuple[int, dict[str, Any] | Refused]]:
    """Each OBX by its position in the message: an observation in native form, not checked yet, or why it is none."""
    for result in _grouped(message):
        try:
            yield result.number, _observation(result, sending)
        except Refused as refused:
            yield result.number, refused


def _grouped(message: Message) -> list[_Result]:
    found: list[_Result] = []
    patient = visit = common = order = None
    commented = False
    for number, segment in message.numbered():
        if segment.name == "NTE":
            if commented:
                found[-1].notes += [text for part in segment.parts(3) if (text := part.text())]
            continue
        commented = segment.name == "OBX"
        if segment.name == "PID":
            patient, visit, common, order = segment, None, None, None
        elif segment.name == "PV1":
            visit = segment
        elif segment.name == "ORC":
            common, order = segment, None
        elif segment.name == "OBR":
            common, order = (common if order is None else None), segment
        elif segment.name == "OBX":
            found.append(_Result(number, segment, order, common, patient, visit))
    return found


def _observation(result: _Result, sending: Sending) -> dict[str, Any]:
    obx, order = result.obx, result.order
    if order is None or result.patient is None:
        raise Refused("bad-hl7", "an OBX without PID and OBR above it")
    status = STATUSES.get(obx.text(11) or "")
    if status is None:
        raise Refused("unsupported", f"OBX-11: needs a status of a result, one of {', '.join(STATUSES)}")
    filler = _identifier(order, 3) or _identifier(result.common, 3)
    named = obx.text(3, 1) or obx.text(3, 4)
    if filler is None or named is None:
        raise Refused("bad-hl7", "OBR-3 (or ORC-3) and OBX-3 must name the result: without them it has no identity")
    system, code, analyte = _code(obx)
    issued = sending.time(order, 22) or sending.issued
    effective = sending.time(obx, 14) or sending.time(order, 7)
    if effective is None and status not in VALUELESS:
        raise Refused("schema", "OBX-14 or OBR-7 must say when it was measured")
    return {
        "type": "observation",
        "id": "|".join([filler, named, obx.text(4) or ""]),
        "version": sending.sent,
        "status": status,
        "patient": sending.patient(result.patient, 3),
        "encounter": None if result.visit is None else result.visit.text(19),
        "code": {"system": system, "code": code},
        "effective": effective or issued,
        "issued": issued,
        "performer": obx.text(23) or obx.text(15, 2) or obx.text(15),
        "requisition": order.text(2) or filler,
        "device": obx.text(18),
        "referenceRange": obx.text(7),
        "interpretation": [text for part in obx.parts(8) if (text := part.text())] or None,
        "note": "\n".join(result.notes) or None,
        **_value(obx, status, analyte),
    }


def _identifier(segment: Segment | None, number: int) -> str | None:
    """An entity identifier, with the namespace that makes it one of a kind."""
    if segment is None:
        return None
    named, space = segment.text(number, 1), segment.text(number, 2)
    return f"{named}^{space}" if named and space else named


def _code(obx: Segment) -> tuple[str, str, Analyte]:
    """The first coding that the catalogue knows."""
    refused = Refused("unknown-code", "OBX-3: no code with the name of its coding system")
    for code_at, system_at, oid_at in _CODINGS:
        code, named = obx.text(3, code_at), obx.text(3, system_at) or obx.text(3, oid_at)
        if code is None or named is None:
            continue
        system = SYSTEMS.get(named, named)
        try:
            return system, code, catalogue().analyte_for(system, code)
        except Refused as unknown:
            refused = unknown
    raise refused


def _value(obx: Segment, status: str, analyte: Analyte) -> dict[str, Any]:
    if status in VALUELESS:
        return {}
    parts, of = obx.parts(5), obx.text(2)
    if not parts or not parts[0].raw.strip():
        if status in {"corrected", "amended"}:  # the value that was reported stands no longer
            return {"status": "cancelled"}
        raise Refused("no-value", f"{analyte.name} has no value")
    if len(parts) > 1:
        raise Refused("unsupported", f"{analyte.name} has several values in one OBX-5")
    (part,) = parts
    if analyte.kind == "text" and (of in _CODED or of in _NUMBERS):
        said = {part.text(component) for component in (1, 2) if of in _CODED or component == 1}
        return {"text": next((text for text in analyte.texts if text in said), part.text() or "")}
    if of in _NUMBERS:
        value, comparator = numeral(part.text() or "")
    elif of == "SN":
        comparator, value = _structured(part.text(1), part.text(2), part.text(3), part.text(4))
    else:
        raise Refused("unsupported", f"{analyte.name}: OBX-2 must be NM, SN, ST, TX or FT for a number")
    return {"value": value, "comparator": comparator, "unit": obx.text(6, 1) or obx.text(6, 2)}


def _structured(comparator: str | None, first: str | None, sign: str | None, second: str | None) -> Any:
    """A structured number that is one number: no range, ratio or category."""
    if comparator not in _COMPARATORS or sign is not None or second is not None:
        raise Refused("unsupported", "OBX-5: a structured number must be one number, with <, <=, > or >= before it")
    return _COMPARATORS[comparator], numeral(first or "")[0]

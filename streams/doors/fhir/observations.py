"""Observations and reports of them: codes, values, times and versions."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from features import instants
from features.catalogue import Analyte, Refused, catalogue
from features.events import WITHDRAWN
from streams.doors.fhir.context import Context, completed
from streams.doors.fhir.shape import Json, object_, objects, string
from streams.doors.native import VALUELESS

_LOINC: Final = "http://loinc.org"
_SNOMED: Final = "http://snomed.info/sct"
_UCUM: Final = "http://unitsofmeasure.org"

#: A code that is sent beside a more precise one, which is then the one to take: pulse oximetry under both.
_MORE_PRECISE: Final = {(_LOINC, "2708-6"): (_LOINC, "59408-5")}
#: What a withdrawn panel takes away when it comes without its components: blood pressure.
_PANELS: Final = {(_LOINC, "85354-9"): ("8480-6", "8462-4")}

#: Level of consciousness: SNOMED CT as in HL7 UK's value set ACVPU, and English and Danish words. The Royal
#: College of Physicians has confusion taken as new until it is known not to be (NEWS2, 2017).
_ACVPU_CODES: Final = {
    "248234008": "A",
    "130987000": "C",
    "300202002": "V",
    "450847001": "P",
    "422768004": "U",
}
_ACVPU_WORDS: Final = {
    word: letter
    for letter, words in {
        "A": "alert|mentally alert|awake and alert|vågen",
        "C": "confusion|new confusion|acute confusion|confused|newly confused|konfus|nytilkommen konfusion",
        "V": "voice|verbal|responds to voice|response to voice|reagerer på tiltale",
        "P": "pain|responds to pain|response to pain|reagerer på smerte",
        "U": "unresponsive|unconscious|bevidstløs|reagerer ikke",
    }.items()
    for word in (letter.casefold(), *words.split("|"))
}


def observation(resource: Json, ident: str, context: Context) -> Iterator[dict[str, Any] | Refused]:
    """An observation and its components."""
    if ident in context.reports:
        resource = completed(resource, context.reports[ident])
    status = string(resource, "status")
    head = {
        "type": "observation",
        "status": status,
        "patient": context.patient(resource),
        **_times(resource, status),
        "encounter": context.referred(object_(resource, "encounter"), "Encounter"),
        "device": string(object_(resource, "device"), "display"),
    }
    components = objects(resource, "component")
    if status in WITHDRAWN and not components:
        components = _withdrawn_components(resource)
    if not components or _has_value(resource):
        try:
            yield {**head, "id": ident, **_measured(resource, status)}
        except Refused as refused:
            yield refused
    for component in components:
        try:
            measured = _measured(component, status)
        except Refused as refused:
            yield refused
        else:
            yield {**head, "id": f"{ident}#{measured['code']['code']}", **measured}


def _times(resource: Json, status: str | None) -> dict[str, Any]:
    """``effective``, ``issued`` and ``version``, in the words of the resource."""
    meta = object_(resource, "meta")
    effective, issued, updated = (
        _effective(resource),
        string(resource, "issued"),
        string(meta, "lastUpdated"),
    )
    known = issued or effective or updated
    if known is None or (effective is None and status not in VALUELESS):
        raise Refused("schema", "effective: must be an instant, or a period with an end")
    times: dict[str, Any] = {
        "effective": effective or known,
        "issued": known,
        "version": version(meta, issued or updated or known),
    }
    return times if issued else {**times, "issuedAssumed": True}


def _effective(resource: Json) -> str | None:
    """When it was measured; at the end of a period."""
    return (
        string(resource, "effectiveDateTime")
        or string(resource, "effectiveInstant")
        or string(object_(resource, "effectivePeriod"), "end")
    )


def version(meta: Json, known: str) -> int:
    """The server's version number; without one, newer is what became known later."""
    stated = string(meta, "versionId")
    if stated is not None and re.fullmatch(r"[0-9]{1,15}", stated):
        return int(stated)
    try:
        return max(0, instants.parse(known))
    except ValueError as error:
        raise Refused("schema", f"effective, issued, meta.lastUpdated or period: {error}") from None


def _withdrawn_components(resource: Json) -> list[Json]:
    parts = (_PANELS.get(coding, ()) for coding in _codings(resource))
    return [{"code": {"coding": [{"system": _LOINC, "code": code}]}} for codes in parts for code in codes]


def _measured(node: Json, status: str | None) -> dict[str, Any]:
    """Code and value of an observation or of one of its components."""
    (system, code), analyte = _known_code(node)
    coded = {"code": {"system": system, "code": code}}
    if status in VALUELESS:
        return coded
    if not _has_value(node):
        if status in {"corrected", "amended"}:  # the value that was reported stands no longer
            return {**coded, "status": "cancelled"}
        raise Refused("no-value", f"{analyte.name} has no value")
    return {**coded, **_value(node, analyte)}


def _codings(node: Json) -> list[tuple[str, str]]:
    codings = objects(object_(node, "code"), "coding")
    pairs = ((string(coding, "system"), string(coding, "code")) for coding in codings)
    return [(system, code) for system, code in pairs if system and code]


def _known_code(node: Json) -> tuple[tuple[str, str], Analyte]:
    """The first coding that the catalogue knows, or a more precise one beside it."""
    codings = _codings(node)
    refused = Refused("unknown-code", "code: no coding with a system and a code")
    for coding in codings:
        better = _MORE_PRECISE.get(coding)
        chosen = better if better in codings else coding
        try:
            return chosen, catalogue().analyte_for(*chosen)
        except Refused as unknown:
            refused = unknown
    raise refused


def _has_value(node: Json) -> bool:
    return any(name.startswith("value") and part is not None for name, part in node.items())


def _value(node: Json, analyte: Analyte) -> dict[str, Any]:
    if "valueQuantity" in node:
        return _quantity(object_(node, "valueQuantity"), analyte)
    if "valueInteger" in node:
        return {"value": node["valueInteger"]}
    concept = object_(node, "valueCodeableConcept")
    codings = objects(concept, "coding")
    words = [string(node, "valueString"), string(concept, "text")]
    words += [string(coding, "display") for coding in codings]
    said = [word for word in words if word is not None]
    if analyte.name == "consciousness":
        return {"text": _consciousness(codings, said)}
    if not said:
        raise Refused("unsupported", f"{analyte.name}: its value is of a type that the door does not take")
    return {"text": said[0]}


def _quantity(quantity: Json, analyte: Analyte) -> dict[str, Any]:
    if quantity.get("value") is None:
        raise Refused("no-value", f"{analyte.name} has a quantity without a value")
    unit, code = string(quantity, "unit"), string(quantity, "code")
    if code is not None and (unit is None or string(quantity, "system") == _UCUM):
        unit = code
    if unit is None:
        raise Refused("unknown-unit", f"{analyte.name} has a quantity without unit or code")
    return {"value": quantity["value"], "unit": unit, "comparator": string(quantity, "comparator")}


def _consciousness(codings: Iterable[Json], said: Iterable[str]) -> str:
    """A, C, V, P or U, where all that is understood says the same."""
    letters = {_ACVPU_WORDS.get(" ".join(word.casefold().split())) for word in said}
    letters |= {
        _ACVPU_CODES.get(string(coding, "code") or "") for coding in codings if string(coding, "system") == _SNOMED
    }
    letters.discard(None)
    if len(letters) != 1:
        raise Refused("implausible", "level of consciousness is not plainly one of A, C, V, P, U")
    return str(letters.pop())


def report(resource: Json, ident: str, context: Context) -> Iterator[dict[str, Any] | Refused]:
    """A report's contained observations. Those that it refers to are translated where they are in the Bundle."""
    contained = [one for one in objects(resource, "contained") if one.get("resourceType") == "Observation"]
    for result in contained:
        try:
            local = string(result, "id")
            if local is None:
                raise Refused("schema", "contained: an Observation without an id")
            yield from observation(completed(result, resource), f"{ident}#{local}", context)
        except Refused as refused:
            yield refused
    others = [one for one in objects(resource, "result") if not (string(one, "reference") or "").startswith("#")]
    if not contained and not others:
        raise Refused("unsupported", "a report without results")
    missing = sum(context.referred(one, "Observation") not in context.observations for one in others)
    if missing:
        raise Refused("unsupported", f"{missing} results of the report are not in the record; send the Observations")

"""FHIR R4 in: `Observation`, `Patient`, `Encounter`, `DiagnosticReport`, or a `Bundle` of them, made native.

Only what a resource says is passed on: what is missing, ambiguous or too imprecise is refused with a reason.
The elements that are read must have FHIR's shape; the others are not looked at.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from features import instants
from features.catalogue import Analyte, Refused, catalogue
from features.events import WITHDRAWN
from streams.doors.native import VALUELESS, Translation, checked
from streams.intake import MOST_OBJECTS, too_many

Json = Mapping[str, Any]
Drafts = Iterator[dict[str, Any] | Refused]

_LOINC: Final = "http://loinc.org"
_SNOMED: Final = "http://snomed.info/sct"
_UCUM: Final = "http://unitsofmeasure.org"

#: First in a Bundle they speak of the Bundle itself: subscription notifications, messages.
_ABOUT_THE_BUNDLE: Final = {"Parameters", "SubscriptionStatus", "MessageHeader"}
#: A code that is sent beside a more precise one, which is then the one to take: pulse oximetry under both.
_MORE_PRECISE: Final = {(_LOINC, "2708-6"): (_LOINC, "59408-5")}
#: What a withdrawn panel takes away when it comes without its components: blood pressure.
_PANELS: Final = {(_LOINC, "85354-9"): ("8480-6", "8462-4")}

_ADMITTED: Final = {"arrived", "triaged", "in-progress", "onleave"}
_UNIT_TYPES: Final = {"EMER": "emergency", "IMP": "ward", "ACUTE": "ward"}

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


@dataclass(frozen=True, slots=True)
class _Context:
    """What a resource alone does not say: what the Bundle's URLs name, and when Kafka had the record (ms)."""

    names: Mapping[str, tuple[str, str]]
    received: int

    def referred(self, node: Json, kind: str) -> str | None:
        """The id of a resource of this kind that a Reference names, or else its identifier."""
        reference = _string(node, "reference")
        if reference is None:
            return _string(_object(node, "identifier"), "value")
        if reference in self.names:
            found, ident = self.names[reference]
            return ident if found == kind else None
        if reference.startswith("urn:uuid:"):
            return reference.removeprefix("urn:uuid:") or None
        parts = reference.split("/")
        if parts[-2:-1] == ["_history"]:
            del parts[-2:]
        if parts[-2:-1] != [kind] or set(parts[-1]) & set("?#"):
            return None
        return parts[-1] or None

    def patient(self, resource: Json) -> str:
        """The patient whom a resource is about."""
        found = self.referred(_object(resource, "subject"), "Patient")
        if found is None:
            raise Refused("missing-subject", "subject refers to no Patient, by reference or by identifier")
        return found


def translate(document: Any, received: int) -> Translation:
    """The native form of a FHIR document. Indices are positions in the Bundle, 0 for a lone resource.

    A `Patient` that states no time is dated by the earliest of what the Bundle says of that patient: it must
    not move the patient's clock ahead of the results beside it.

    Args:
        received: the record's Kafka timestamp (ms), the time of what states none and has no such company.
    """
    try:
        entries = _entries(document)
    except Refused as refused:
        return Translation((), ((0, refused),))
    context = _Context(_names(entry for _, entry in entries), received)
    items: list[tuple[str, dict[str, Any]]] = []
    refusals: list[tuple[int, Refused]] = []
    drafts: list[tuple[int, list[dict[str, Any] | Refused]]] = []
    room = MOST_OBJECTS
    for index, entry in entries:
        drafts.append((index, list(islice(_drafts(entry, context), room + 1))))
        room -= len(drafts[-1][1])
        if room < 0:
            return Translation((), ((0, too_many()),))
    since = _earliest(draft for _, parts in drafts for draft in parts)
    for index, parts in drafts:
        faults: list[Refused] = []
        for draft in parts:
            try:
                if isinstance(draft, Refused):
                    raise draft
                if draft["issued"] is None:
                    draft["at"] = draft["issued"] = instants.render(since.get(draft["patient"], received))
                items.append((checked(draft), draft))
            except Refused as refused:
                faults.append(refused)
        refusals += [(index, refused) for refused in _merged(faults)]
    return Translation(tuple(items), tuple(refusals))


def _entries(document: Any) -> list[tuple[int, Any]]:
    """The entries of a Bundle with their positions, without a first one that is about the Bundle."""
    if not isinstance(document, dict) or not isinstance(document.get("resourceType"), str):
        raise Refused("schema", "not a FHIR resource: it has no resourceType")
    if document["resourceType"] != "Bundle":
        return [(0, {"resource": document})]
    entries = document.get("entry", [])
    if not isinstance(entries, list):
        raise Refused("schema", "entry: must be an array")
    about = 1 if entries and _kind(entries[0]) in _ABOUT_THE_BUNDLE else 0
    return list(enumerate(entries))[about:]


def _kind(entry: Any) -> Any:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    return kind if isinstance(kind, str) else None


def _names(entries: Iterable[Any]) -> dict[str, tuple[str, str]]:
    """What each ``fullUrl`` names: the kind of resource, and its id."""
    names: dict[str, tuple[str, str]] = {}
    for entry in entries:
        kind = _kind(entry)
        url = entry.get("fullUrl") if kind else None
        ident = _id(entry) if kind else None
        if isinstance(url, str) and ident is not None:
            names[url] = (kind, ident)
    return names


def _id(entry: Json) -> str | None:
    """A resource's id; one that a transaction is to create has that of its ``fullUrl``."""
    ident, url = entry["resource"].get("id"), entry.get("fullUrl")
    if ident is None and isinstance(url, str) and url.startswith("urn:uuid:"):
        ident = url.removeprefix("urn:uuid:")
    return ident if isinstance(ident, str) and ident else None


def _drafts(entry: Any, context: _Context) -> Drafts:
    """What an entry holds, in native form but not checked yet, and what it holds that cannot be used."""
    kind = _kind(entry)
    try:
        if kind is None:
            raise Refused("unsupported", "an entry without a resource, such as a deletion, says nothing to use")
        translator = _TRANSLATORS.get(kind)
        if translator is None:
            shown = kind if re.fullmatch("[A-Za-z]{1,40}", kind) else "this type"
            raise Refused("unsupported", f"the door does not take a resource of type {shown} here")
        ident = _id(entry)
        if ident is None:
            raise Refused("schema", "id: the resource has none")
        yield from translator(entry["resource"], ident, context)
    except Refused as refused:
        yield refused


def _earliest(drafts: Iterable[dict[str, Any] | Refused]) -> dict[str, int]:
    """For each patient the first instant at which something became known."""
    since: dict[str, int] = {}
    for draft in drafts:
        if isinstance(draft, Refused) or draft["issued"] is None:
            continue
        with suppress(ValueError):  # a time that is none is refused with its draft
            known, patient = instants.parse(draft["issued"]), draft["patient"]
            since[patient] = min(known, since.get(patient, known))
    return since


def _merged(faults: Iterable[Refused]) -> list[Refused]:
    """One refusal for each reason, with its first details: a panel's parts mostly fail alike."""
    details: dict[str, list[str]] = {}
    for fault in faults:
        details.setdefault(fault.reason, []).append(fault.detail)
    return [Refused(reason, "; ".join(dict.fromkeys(found[:3]))) for reason, found in details.items()]


# ----------------------------------------------------------------------------------------------- observations


def _observation(resource: Json, ident: str, context: _Context) -> Drafts:
    status = _string(resource, "status")
    head = {
        "type": "observation",
        "status": status,
        "patient": context.patient(resource),
        **_times(resource, status),
        "encounter": context.referred(_object(resource, "encounter"), "Encounter"),
        "device": _string(_object(resource, "device"), "display"),
    }
    components = _objects(resource, "component")
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
    meta = _object(resource, "meta")
    effective, issued, updated = (
        _effective(resource),
        _string(resource, "issued"),
        _string(meta, "lastUpdated"),
    )
    known = issued or effective or updated
    if known is None or (effective is None and status not in VALUELESS):
        raise Refused("schema", "effective: must be an instant, or a period with an end")
    times: dict[str, Any] = {
        "effective": effective or known,
        "issued": known,
        "version": _version(meta, issued or updated or known),
    }
    return times if issued else {**times, "issuedAssumed": True}


def _effective(resource: Json) -> str | None:
    """When it was measured; at the end of a period."""
    return (
        _string(resource, "effectiveDateTime")
        or _string(resource, "effectiveInstant")
        or _string(_object(resource, "effectivePeriod"), "end")
    )


def _version(meta: Json, known: str) -> int:
    """The server's version number; without one, newer is what became known later."""
    stated = _string(meta, "versionId")
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
    codings = _objects(_object(node, "code"), "coding")
    pairs = ((_string(coding, "system"), _string(coding, "code")) for coding in codings)
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
        return _quantity(_object(node, "valueQuantity"), analyte)
    if "valueInteger" in node:
        return {"value": node["valueInteger"]}
    concept = _object(node, "valueCodeableConcept")
    codings = _objects(concept, "coding")
    words = [_string(node, "valueString"), _string(concept, "text")]
    words += [_string(coding, "display") for coding in codings]
    said = [word for word in words if word is not None]
    if analyte.name == "consciousness":
        return {"text": _consciousness(codings, said)}
    if not said:
        raise Refused("unsupported", f"{analyte.name}: its value is of a type that the door does not take")
    return {"text": said[0]}


def _quantity(quantity: Json, analyte: Analyte) -> dict[str, Any]:
    if quantity.get("value") is None:
        raise Refused("no-value", f"{analyte.name} has a quantity without a value")
    unit, code = _string(quantity, "unit"), _string(quantity, "code")
    if code is not None and (unit is None or _string(quantity, "system") == _UCUM):
        unit = code
    if unit is None:
        raise Refused("unknown-unit", f"{analyte.name} has a quantity without unit or code")
    return {"value": quantity["value"], "unit": unit, "comparator": _string(quantity, "comparator")}


def _consciousness(codings: Iterable[Json], said: Iterable[str]) -> str:
    """A, C, V, P or U, where all that is understood says the same."""
    letters = {_ACVPU_WORDS.get(" ".join(word.casefold().split())) for word in said}
    letters |= {
        _ACVPU_CODES.get(_string(coding, "code") or "") for coding in codings if _string(coding, "system") == _SNOMED
    }
    letters.discard(None)
    if len(letters) != 1:
        raise Refused("implausible", "level of consciousness is not plainly one of A, C, V, P, U")
    return str(letters.pop())


def _report(resource: Json, ident: str, context: _Context) -> Drafts:
    """A report's contained observations; what they leave out, the report says for them."""
    results = [one for one in _objects(resource, "contained") if one.get("resourceType") == "Observation"]
    if not results:
        raise Refused("unsupported", "a report that only refers to its results; send the Observations themselves")
    for result in results:
        shared = {name: resource[name] for name in ("subject", "encounter", "issued", "meta") if name in resource}
        if _effective(result) is None:
            shared |= {name: part for name, part in resource.items() if name.startswith("effective")}
        withdrawn = {"status": resource["status"]} if _string(resource, "status") in WITHDRAWN else {}
        try:
            local = _string(result, "id")
            if local is None:
                raise Refused("schema", "contained: an Observation without an id")
            yield from _observation({**shared, **result, **withdrawn}, f"{ident}#{local}", context)
        except Refused as refused:
            yield refused


# ------------------------------------------------------------------------------------ patients and encounters


def _patient(resource: Json, ident: str, context: _Context) -> Drafts:
    meta = _object(resource, "meta")
    known = _string(meta, "lastUpdated")
    yield {
        "type": "encounter",
        "id": f"patient-{ident}",
        "version": _version(meta, known or instants.render(context.received)),
        "action": "update",
        "patient": ident,
        "at": known,
        "issued": known,
        "birthDate": _string(resource, "birthDate"),
        "sex": _string(resource, "gender"),
        "name": _name(resource),
    }


def _name(resource: Json) -> str | None:
    """The name for the board: the official one, else the first that is in use."""
    names = [name for name in _objects(resource, "name") if _string(name, "use") not in {"old", "maiden"}]
    if not names:
        return None
    name = next((one for one in names if _string(one, "use") == "official"), names[0])
    given = name.get("given", [])
    if not isinstance(given, list):
        raise Refused("schema", "name.given: must be an array")
    whole = " ".join(part for part in (*given, _string(name, "family")) if isinstance(part, str))
    return _string(name, "text") or whole or None


def _encounter(resource: Json, ident: str, context: _Context) -> Drafts:
    meta, period, status = _object(resource, "meta"), _object(resource, "period"), _string(resource, "status")
    patient, updated = context.patient(resource), _string(meta, "lastUpdated")

    def record(part: str, action: str, at: str | None, **more: Any) -> dict[str, Any]:
        if at is None:
            raise Refused("schema", f"period: an encounter that is {status} needs its start, and its end if over")
        known = updated or at
        return {
            "type": "encounter",
            "id": f"{ident}#{part}",
            "version": _version(meta, known),
            "action": action,
            "patient": patient,
            "encounter": ident,
            "at": at,
            "issued": known,
            **more,
        }

    if status in WITHDRAWN:
        since = updated or instants.render(context.received)
        yield record("admit", "cancel", since)
        yield record("discharge", "cancel", since)
    elif status in _ADMITTED or status == "finished":
        unit_type = _UNIT_TYPES.get(_string(_object(resource, "class"), "code") or "")
        yield record("admit", "admit", _string(period, "start"), unitType=unit_type, **_place(resource))
        if status == "finished":
            yield record("discharge", "discharge", _string(period, "end"))
    else:
        raise Refused("unsupported", "the encounter's status is none that the door acts on")


def _place(resource: Json) -> dict[str, str | None]:
    """Ward and bed, each where the resource names just one that counts."""
    locations = _objects(resource, "location")
    locations = [one for one in locations if _string(one, "status") not in {"planned", "reserved"}]
    active = [one for one in locations if _string(one, "status") == "active"]
    names: dict[str, set[str]] = {}
    for one in active or locations:
        codings = _objects(_object(one, "physicalType"), "coding")
        kind = next((_string(coding, "code") for coding in codings), None) or "wa"
        name = _string(_object(one, "location"), "display")
        if name is not None:
            names.setdefault(kind, set()).add(name)
    wards, beds = names.get("wa", set()), names.get("bd", set())
    return {
        "ward": wards.pop() if len(wards) == 1 else None,
        "bed": beds.pop() if len(beds) == 1 else None,
    }


_TRANSLATORS: Final[Mapping[str, Callable[[Json, str, _Context], Drafts]]] = {
    "Observation": _observation,
    "DiagnosticReport": _report,
    "Patient": _patient,
    "Encounter": _encounter,
}


# ------------------------------------------------------------------------------------------ the shape of JSON


def _string(node: Json, name: str) -> str | None:
    part = node.get(name)
    if part is not None and not isinstance(part, str):
        raise Refused("schema", f"{name}: must be a string")
    return part or None


def _object(node: Json, name: str) -> Json:
    """An element that is an object; where there is none, an empty one."""
    part = node.get(name)
    if part is not None and not isinstance(part, dict):
        raise Refused("schema", f"{name}: must be an object")
    return part or {}


def _objects(node: Json, name: str) -> list[Json]:
    part = node.get(name)
    if part is not None and not (isinstance(part, list) and all(isinstance(one, dict) for one in part)):
        raise Refused("schema", f"{name}: must be an array of objects")
    return part or []

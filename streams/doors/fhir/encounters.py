"""Patients and their stays."""

from collections.abc import Iterator
from typing import Any, Final

from features import instants
from features.catalogue import Refused
from features.events import WITHDRAWN
from streams.doors.fhir.context import Context
from streams.doors.fhir.observations import version
from streams.doors.fhir.shape import Json, object_, objects, string

_ADMITTED: Final = {"arrived", "triaged", "in-progress", "onleave"}
_UNIT_TYPES: Final = {"EMER": "emergency", "IMP": "ward", "ACUTE": "ward"}


def patient(resource: Json, ident: str, context: Context) -> Iterator[dict[str, Any] | Refused]:
    """What is known of a person."""
    meta = object_(resource, "meta")
    known = string(meta, "lastUpdated")
    named = ident if context.system is None else context.people.get(ident)
    if named is None:
        raise Refused("missing-subject", "the Patient has no one identifier of VAGT_PATIENT_SYSTEM that is in use")
    yield {
        "type": "encounter",
        "id": f"patient-{ident}",
        "version": version(meta, known or instants.render(context.received)),
        "action": "update",
        "patient": named,
        "at": known,
        "issued": known,
        "birthDate": string(resource, "birthDate"),
        "sex": string(resource, "gender"),
        "name": _name(resource),
    }


def _name(resource: Json) -> str | None:
    """The name for the board: the official one, else the first that is in use."""
    names = [name for name in objects(resource, "name") if string(name, "use") not in {"old", "maiden"}]
    if not names:
        return None
    name = next((one for one in names if string(one, "use") == "official"), names[0])
    given = name.get("given", [])
    if not isinstance(given, list):
        raise Refused("schema", "name.given: must be an array")
    whole = " ".join(part for part in (*given, string(name, "family")) if isinstance(part, str))
    return string(name, "text") or whole or None


def encounter(resource: Json, ident: str, context: Context) -> Iterator[dict[str, Any] | Refused]:
    """A stay: its admission, its moves from ward to ward where their times are known, and its end."""
    meta, period, status = object_(resource, "meta"), object_(resource, "period"), string(resource, "status")
    patient, updated = context.patient(resource), string(meta, "lastUpdated")

    def record(part: str, action: str, at: str | None, **more: Any) -> dict[str, Any]:
        if at is None:
            raise Refused("schema", f"period: an encounter that is {status} needs its start, and its end if over")
        known = updated or at
        return {
            "type": "encounter",
            "id": f"{ident}#{part}",
            "version": version(meta, known),
            "action": action,
            "patient": patient,
            "encounter": ident,
            "at": at,
            "issued": known,
            **more,
        }

    if status in WITHDRAWN:
        since = updated or instants.render(context.received)
        for part in ("admit", *(part for part, _, _ in _moves(resource)), "discharge"):
            yield record(part, "cancel", since)
    elif status in _ADMITTED or status == "finished":
        unit_type = _UNIT_TYPES.get(string(object_(resource, "class"), "code") or "")
        moves, place = _moves(resource), _place(resource)
        first = {"ward": _wards(resource)[0][1]} if moves else place
        yield record("admit", "admit", string(period, "start"), unitType=unit_type, **first)
        for part, at, ward in moves:
            yield record(part, "transfer", at, ward=ward, bed=place["bed"] if part == moves[-1][0] else None)
        if status == "finished":
            yield record("discharge", "discharge", string(period, "end"))
    else:
        raise Refused("unsupported", "the encounter's status is none that the door acts on")


def _wards(resource: Json) -> list[tuple[str, str]]:
    """Since when the patient was in which ward, in this order, of those of which both are known."""
    found: list[tuple[int, str, str]] = []
    for one in _locations(resource):
        since, ward = string(object_(one, "period"), "start"), string(object_(one, "location"), "display")
        if _physical(one) == "wa" and since is not None and ward is not None:
            try:
                found.append((instants.parse(since), since, ward))
            except ValueError as error:
                raise Refused("schema", f"location.period: {error}") from None
    return [(since, ward) for _, since, ward in sorted(found)]


def _moves(resource: Json) -> list[tuple[str, str, str]]:
    """The wards after the first: the name of the record, since when, and which ward."""
    return [(f"transfer-{number}", *one) for number, one in enumerate(_wards(resource)) if number > 0]


def _locations(resource: Json) -> list[Json]:
    return [one for one in objects(resource, "location") if string(one, "status") not in {"planned", "reserved"}]


def _physical(location: Json) -> str:
    """What kind of place it is (``wa`` a ward, ``bd`` a bed); a ward where nothing is said."""
    codings = objects(object_(location, "physicalType"), "coding")
    return next((string(coding, "code") for coding in codings), None) or "wa"


def _place(resource: Json) -> dict[str, str | None]:
    """Ward and bed, each where the resource names just one that counts."""
    locations = _locations(resource)
    active = [one for one in locations if string(one, "status") == "active"]
    names: dict[str, set[str]] = {}
    for one in active or locations:
        name = string(object_(one, "location"), "display")
        if name is not None:
            names.setdefault(_physical(one), set()).add(name)
    wards, beds = names.get("wa", set()), names.get("bd", set())
    return {
        "ward": wards.pop() if len(wards) == 1 else None,
        "bed": beds.pop() if len(beds) == 1 else None,
    }

"""ADT: admissions, moves, discharges, their cancellation, news of the person, and merges, as encounter records."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from features.catalogue import Refused
from streams.hl7.er7 import Message, Segment
from streams.hl7.sending import Sending

Drafts = Iterator[tuple[int, dict[str, Any] | Refused]]

#: PV1-2. The standard has no class for intensive care, dialysis or maternity.
UNIT_TYPES: Final[Mapping[str, str]] = {"E": "emergency", "I": "ward"}
#: PID-8 (HL7 table 0001); another letter says nothing.
SEXES: Final[Mapping[str, str]] = {"F": "female", "M": "male", "O": "other", "A": "other", "U": "unknown"}


def stays(message: Message, kind: str, sending: Sending) -> Drafts:
    """The encounter records of an ADT message by position, in native form, not checked yet."""
    if kind == "ADT^A40":
        yield from _merges(message, sending)
        return
    try:
        yield from ((0, draft) for draft in _EVENTS[kind.removeprefix("ADT^")](_Event(message, sending)))
    except Refused as refused:
        yield 0, refused


class _Event:
    """What the segments of an ADT message say, and a record of it."""

    def __init__(self, message: Message, sending: Sending) -> None:
        self.sending = sending
        self.event, self.visit = message.first("EVN"), message.first("PV1")
        self.person = message.first("PID") or message.header
        self.number = None if self.visit is None else self.visit.text(19)

    def occurred(self, visit_field: int | None = None) -> str:
        """When it happened: by the visit, else EVN-6, else when it was recorded."""
        sending, visit, event = self.sending, self.visit, self.event
        found = sending.time(visit, visit_field) if visit is not None and visit_field is not None else None
        if found is None and event is not None:
            found = sending.time(event, 6) or sending.time(event, 2)
        if found is None:
            raise Refused("schema", "EVN-6 or EVN-2 must say when it happened")
        return found

    def record(self, part: str, action: str, at: str, *says: Mapping[str, Any]) -> dict[str, Any]:
        """A record of the visit; its id is the visit's number and the part of the stay that it is about."""
        if self.number is None:
            raise Refused("schema", "PV1-19, the number of the visit, is missing")
        return self._made(f"{self.number}#{part}", action, at, *says)

    def news(self, at: str, *says: Mapping[str, Any]) -> dict[str, Any]:
        """A record of its own."""
        return self._made(f"update-{self.sending.sent}-{self.sending.control}", "update", at, *says)

    def _made(self, ident: str, action: str, at: str, *says: Mapping[str, Any]) -> dict[str, Any]:
        made = {
            "type": "encounter",
            "id": ident,
            "version": self.sending.sent,
            "action": action,
            "patient": self.sending.patient(self.person, 3),
            "encounter": self.number,
            "at": at,
            "issued": self.sending.issued,
        }
        for one in says:
            made |= one
        return made

    def place(self) -> dict[str, Any]:
        """Ward, bed and kind of unit (PV1-3 and PV1-2)."""
        visit = self.visit
        if visit is None:
            return {}
        return {
            "ward": visit.text(3, 1),
            "bed": visit.text(3, 3) or visit.text(3, 2),
            "unitType": UNIT_TYPES.get(visit.text(2) or ""),
        }

    def who(self) -> dict[str, Any]:
        """Name, day of birth and sex (PID-5, PID-7, PID-8)."""
        born = self.person.text(7) or ""
        return {
            "name": self._name(),
            "birthDate": f"{born[:4]}-{born[4:6]}-{born[6:8]}" if len(born) >= 8 else None,
            "sex": SEXES.get(self.person.text(8) or ""),
        }

    def _name(self) -> str | None:
        names = self.person.parts(5)
        if not names:
            return None
        name = next((one for one in names if one.text(7) == "L"), names[0])
        return " ".join(part for part in (name.text(2), name.text(3), name.text(1)) if part) or None


def _admit(event: _Event) -> Iterator[dict[str, Any]]:
    yield event.record("admit", "admit", event.occurred(44), event.place(), event.who())


def _transfer(event: _Event) -> Iterator[dict[str, Any]]:
    at = event.occurred()
    yield event.record(f"transfer-{at}", "transfer", at, event.place(), event.who())


def _discharge(event: _Event) -> Iterator[dict[str, Any]]:
    yield event.record("discharge", "discharge", event.occurred(45), event.place(), event.who())


def _update(event: _Event) -> Iterator[dict[str, Any]]:
    yield event.news(event.occurred(), event.place(), event.who())


def _cancel_admit(event: _Event) -> Iterator[dict[str, Any]]:
    yield event.record("admit", "cancel", event.occurred())


def _cancel_discharge(event: _Event) -> Iterator[dict[str, Any]]:
    yield event.record("discharge", "cancel", event.occurred())


def _cancel_transfer(event: _Event) -> Iterator[dict[str, Any]]:
    """EVN-6 names the transfer by its time, and PV1-3 says where the patient is then; one of them is enough."""
    moved = None if event.event is None else event.sending.time(event.event, 6)
    back = event.place()
    if moved is None and back.get("ward") is None:
        raise Refused("schema", "EVN-6 (which transfer) or PV1-3 (where the patient is) must be there")
    if moved is not None:
        yield event.record(f"transfer-{moved}", "cancel", moved)
    if back.get("ward") is not None:
        yield event.news(event.sending.issued, back)


_EVENTS: Final[Mapping[str, Callable[[_Event], Iterator[dict[str, Any]]]]] = {
    "A01": _admit,
    "A02": _transfer,
    "A03": _discharge,
    "A08": _update,
    "A11": _cancel_admit,
    "A12": _cancel_transfer,
    "A13": _cancel_discharge,
}


def _merges(message: Message, sending: Sending) -> Drafts:
    """A40: the patient of each MRG goes on as that of the PID before it."""
    event, into = message.first("EVN"), None
    merged: list[tuple[int, Segment, Segment]] = []
    for number, segment in message.numbered():
        if segment.name == "PID":
            into = segment
        elif segment.name == "MRG" and into is not None:
            merged.append((number, into, segment))
    if not merged:
        yield 0, Refused("bad-hl7", "a merge needs PID, who stays, and MRG, who was merged")
    for number, stays_as, prior in merged:
        try:
            at = None if event is None else sending.time(event, 6) or sending.time(event, 2)
            yield (
                number,
                {
                    "type": "encounter",
                    "id": f"merge-{sending.sent}-{sending.control}-{number}",
                    "version": sending.sent,
                    "action": "merge",
                    "patient": sending.patient(prior, 1),
                    "into": sending.patient(stays_as, 3),
                    "at": at or sending.issued,
                    "issued": sending.issued,
                },
            )
        except Refused as refused:
            yield number, refused

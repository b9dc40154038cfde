"""The stay: where a patient is and what is known of the person, as the encounter records add up to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import msgspec

from features.events import Encounter
from features.instants import DAY

#: Encounter records that are kept of a patient; a stay has some dozens, and what they add up to is never lost.
MOST_EVENTS = 250

_EPOCH = date(1970, 1, 1).toordinal()


class StayEvent(msgspec.Struct, frozen=True, array_like=True):
    """An encounter record as it is kept; ``None`` means that the record did not say."""

    at: int
    issued: int
    id: str
    version: int
    action: str
    encounter: str | None = None
    ward: str | None = None
    bed: str | None = None
    name: str | None = None
    unit_type: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    flags: tuple[str, ...] | None = None
    into: str | None = None
    #: The patient that handed it over, ``None`` for the patient's own.
    source: str | None = None

    @classmethod
    def of(cls, event: Encounter) -> "StayEvent":
        """What is kept of an incoming encounter record."""
        return cls(
            at=event.at,
            issued=event.issued,
            id=event.id,
            version=event.version,
            action=event.action,
            encounter=event.encounter,
            ward=event.ward,
            bed=event.bed,
            name=event.name,
            unit_type=event.unit_type,
            birth_date=event.birth_date.isoformat() if event.birth_date else None,
            sex=event.sex,
            flags=event.flags,
            into=event.into,
        )

    def order(self) -> tuple[int, int, str]:
        """Where the record stands among the others, however it arrived."""
        return (self.at, self.issued, self.id)

    @staticmethod
    def bounded(events: tuple["StayEvent", ...]) -> tuple["StayEvent", ...]:
        """The records without the oldest that tells nothing any more, once there is one too many."""
        if len(events) <= MOST_EVENTS:
            return events
        stay = fold(events)
        for place in range(len(events) - 1):
            fewer = events[:place] + events[place + 1 :]
            if fold(fewer) == stay:
                return fewer
        return events[1:]


@dataclass(frozen=True, slots=True)
class Stay:
    """The patient's place and person at the newest encounter record. Instants in ms; ``None`` is unknown."""

    encounter: str | None = None
    ward: str | None = None
    bed: str | None = None
    name: str | None = None
    unit_type: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    flags: tuple[str, ...] = ()
    #: The patient under whom this one's history goes on since a merge.
    into: str | None = None
    admitted: int | None = None
    unit_since: int | None = None
    discharged: int | None = None

    def age_years(self, now: int) -> int | None:
        """Age at an instant in whole years, birthdays counted from midnight UTC; ``None`` when unknown."""
        return None if self.birth_date is None else _years(self.birth_date, now // DAY)


@lru_cache(4096)  # every scorer asks
def _years(birth_date: str, day: int) -> int:
    born, today = date.fromisoformat(birth_date), date.fromordinal(_EPOCH + day)
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


_PERSON = ("name", "birth_date", "sex")
_PLACE = ("encounter", "ward", "bed", "flags")


def fold(events: Iterable[StayEvent]) -> Stay:
    """The stay that those records, in order, add up to; a cancelled record counts for nothing.

    What a merged patient handed over tells where the patient is, but of the person only what is not known otherwise.
    """
    counted = [event for event in events if event.action != "cancel"]
    known: dict[str, object] = {}
    for event in sorted(counted, key=lambda one: one.source is None):
        known |= {name: value for name in _PERSON if (value := getattr(event, name)) is not None}
    for event in counted:
        known |= {name: value for name in _PLACE if (value := getattr(event, name)) is not None}
        moved = event.unit_type != known.get("unit_type") or event.action == "admit"
        if event.unit_type is not None and moved:
            known |= {"unit_type": event.unit_type, "unit_since": event.at}
        if event.action == "admit":
            known |= {"admitted": event.at, "discharged": None}
        elif event.action == "discharge":
            known["discharged"] = event.at
        elif event.action in {"merge", "unmerge"}:
            known["into"] = event.into if event.action == "merge" else None
    return Stay(**known)  # type: ignore[arg-type]

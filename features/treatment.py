"""Treatments: what a patient was given and when, as the ``treatment`` events add up to it."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from features.events import Treatment

#: Treatment records that are kept of a patient: a week of a new one every twenty minutes.
MOST_EVENTS = 500
#: The system of codes in which rules name treatments.
ATC = "http://www.whocc.no/atc"


class TreatmentEvent(msgspec.Struct, frozen=True, array_like=True):
    """A treatment record as it is kept; a higher version of the same ``id`` replaces the lower one."""

    at: int
    issued: int
    id: str
    version: int
    system: str
    code: str
    action: str
    #: The merged patient that handed it over, ``None`` for the patient's own.
    source: str | None = None

    @classmethod
    def of(cls, event: Treatment) -> "TreatmentEvent":
        """What is kept of an incoming treatment record."""
        code = event.code
        return cls(event.at, event.issued, event.id, event.version, code.system, code.code, event.action)

    def order(self) -> tuple[int, int, str]:
        """Where the record stands among the others, however it arrived."""
        return (self.at, self.issued, self.id)

    @staticmethod
    def bounded(events: tuple["TreatmentEvent", ...]) -> tuple["TreatmentEvent", ...]:
        """The records without the oldest that a later one of the same code follows, once there is one too many."""
        if len(events) <= MOST_EVENTS:
            return events
        newest = {(event.system, event.code): place for place, event in enumerate(events)}
        followed = (place for place, event in enumerate(events) if newest[event.system, event.code] > place)
        place = next(followed, 0)
        return events[:place] + events[place + 1 :]


@dataclass(frozen=True, slots=True)
class Course:
    """A treatment from ``start`` to ``stop`` (ms since the epoch; ``None``: it goes on)."""

    code: str
    start: int
    stop: int | None = None

    def goes_on(self, now: int) -> bool:
        """Whether it was started and not stopped at an instant."""
        return self.start <= now and (self.stop is None or self.stop > now)


def courses(events: Iterable[TreatmentEvent], *codes: str) -> tuple[Course, ...]:
    """The courses of treatments whose ATC code begins with one of ``codes``, by start.

    A start while one of the same code goes on belongs to it; a stop ends it. A cancelled record counts for nothing.
    """
    found: list[Course] = []
    going: dict[str, int] = {}
    for event in events:
        if event.action == "cancel" or event.system != ATC or not event.code.startswith(codes):
            continue
        if event.action == "start":
            going.setdefault(event.code, event.at)
        elif event.code in going:
            found.append(Course(event.code, going.pop(event.code), event.at))
    found += [Course(code, start) for code, start in going.items()]
    return tuple(sorted(found, key=lambda course: (course.start, course.code)))

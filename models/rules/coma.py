"""The Glasgow Coma Scale as it is known: its total, or the sum of eye, verbal and motor response."""

from dataclasses import dataclass

from features.instants import HOUR
from features.record import Record
from features.series import Entry
from models.rules.limits import Bounds, possible

TOTAL = "gcs"
RESPONSES = ("gcs_eye", "gcs_verbal", "gcs_motor")
#: All under which the scale comes.
COMA = (TOTAL, *RESPONSES)


@dataclass(frozen=True, slots=True)
class Coma:
    """What the total can be (3-15), and from what it is known."""

    total: Bounds
    entries: tuple[Entry, ...]

    @property
    def effective(self) -> int:
        """When the newest of it was observed."""
        return max(entry.effective for entry in self.entries)


def coma(record: Record, instant: int, hours: float) -> Coma | None:
    """The scale as it stood at an instant, from what was then at most so many hours old; ``None`` if unknown.

    Of the total and the sum of all three responses the newer counts; responses of which some are missing bound it.
    """
    whole = _last(record, TOTAL, instant, hours)
    found = {name: _last(record, name, instant, hours) for name in RESPONSES}
    entries = tuple(entry for entry in found.values() if entry is not None)
    if not entries:
        return None if whole is None else Coma(possible(TOTAL, whole), (whole,))
    parts = [possible(name, entry) for name, entry in found.items()]
    added = Coma(Bounds(sum(part.low for part in parts), sum(part.high for part in parts)), entries)
    if whole is None:
        return added
    if len(entries) == len(RESPONSES) and added.effective > whole.effective:
        return added
    return Coma(possible(TOTAL, whole), (whole,))


def _last(record: Record, analyte: str, instant: int, hours: float) -> Entry | None:
    series = record.series.get(analyte)
    entry = series.last(instant) if series else None
    return entry if entry is not None and entry.effective >= instant - int(hours * HOUR) else None

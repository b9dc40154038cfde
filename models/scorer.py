"""What every model and rule looks like to the decision step."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from features.instants import HOUR, MINUTE
from features.record import Record
from features.series import Entry
from models.lifecycle import Policy
from models.outputs import ModelRef, Outcome, Reason, Text


class Finding(msgspec.Struct, frozen=True):
    """One thing that an alert of several says, by a stable name that tells its grade (``potassium>6.0``).

    A finding that was told lately is held back as a repeat unless ``always``.
    """

    name: str
    always: bool = False


Why = tuple[tuple[Reason, ...], tuple[Entry, ...]]


class Scored(msgspec.Struct, frozen=True):
    """A result before it has a name and a place.

    ``low`` and ``high`` bound what the score could be if all that is missing were known: they are the score
    itself when nothing is missing, and an alert is raised on ``low`` and cleared on ``high``. ``findings`` name what
    the alert says where that can change while the score stays; ``possible`` are the outcomes that a model does not rule
    out. ``why`` gives reasons and evidence where they cost much: it is asked once an alert says something.
    """

    score: float
    band: str
    abstained: bool
    low: float
    high: float
    title: Text
    interval: tuple[float, float]
    shadow: bool = False
    reasons: tuple[Reason, ...] = ()
    evidence: tuple[Entry, ...] = ()
    findings: tuple[Finding, ...] = ()
    possible: tuple[Outcome, ...] = ()
    why: Callable[[], Why] | None = None


class Scorer(Protocol):
    """A model or a rule: a pure function of the record at its now, and what it declares about itself."""

    @property
    def kind(self) -> str:
        """The kind of its scores and alerts."""

    @property
    def model(self) -> ModelRef:
        """Name, version and hash."""

    @property
    def inputs(self) -> frozenset[str]:
        """The analytes that it reads, and ``encounter`` or ``time`` where these can change the result."""

    @property
    def policy(self) -> Policy:
        """When its score becomes an alert."""

    @property
    def switched_on(self) -> bool:
        """Whether it was found fit to tell somebody; one that is not scores in shadow."""

    def score(self, record: Record) -> Scored | None:
        """The result at the record's now; ``None`` where the rule does not apply to this patient."""


def age_minutes(entry: Entry, now: int) -> int:
    """Whole minutes since the observation, never less than 0."""
    return max(0, (now - entry.effective) // MINUTE)


def newest(record: Record, analyte: str, hours: float) -> Entry | None:
    """The newest entry of an analyte at the record's now that holds a result and is at most so many hours old."""
    series = record.series.get(analyte)
    entry = series.last(record.now) if series else None
    return entry if entry is not None and entry.effective >= record.now - int(hours * HOUR) else None

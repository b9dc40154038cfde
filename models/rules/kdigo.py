"""KDIGO's stages of acute kidney injury (2012), 0-3, by creatinine and dialysis; scores only.

The limits are in ``kdigo.toml``. Urine output, the other half of the definition, is not known: each stage is a lower
bound. A creatinine with a comparator is judged at both its ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from features.instants import DAY, HOUR
from features.record import ENCOUNTER, TIME, TREATMENT, Record
from features.series import Entry
from features.treatment import Course, courses
from models.outputs import Reason, Text
from models.rules.limits import clean, possible
from models.rules.results import results
from models.rules.table import Line, Rule, Table
from models.scorer import Scored, age_minutes, newest

_CREATININE: Final = "creatinine"
_GRAVEST: Final = 3


class Limits(Line):
    """The criteria; creatinine in umol/L, dialysis as the beginnings of ATC codes."""

    newest_at_most_hours: float
    baseline_days: float
    rise_hours: float
    rise: float
    stage_1_ratio: float
    stage_2_ratio: float
    stage_3_ratio: float
    stage_3_from: float
    dialysis: tuple[str, ...]


class KdigoTable(Table):
    """The criteria and the decisions around them, as ``kdigo.toml`` gives them."""

    limits: Limits


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion that is met: its stage, name and value."""

    stage: int
    name: str
    value: float
    unit: str


def criterion(current: float, of_48_hours: Sequence[float], of_7_days: Sequence[float], limits: Limits) -> Criterion:
    """The gravest criterion that creatinine meets (stage 0: none), given the results before it; umol/L."""
    rise = clean(current - min(of_48_hours)) if of_48_hours else 0.0
    ratio = clean(current / min(of_7_days)) if of_7_days else 0.0
    risen, multiplied = rise >= limits.rise, ratio >= limits.stage_1_ratio
    if ratio >= limits.stage_3_ratio:
        return Criterion(3, "creatinine_ratio_to_lowest_of_7_days", ratio, "1")
    if (risen or multiplied) and current >= limits.stage_3_from:
        return Criterion(3, "creatinine_severe", current, "umol/L")
    if ratio >= limits.stage_2_ratio:
        return Criterion(2, "creatinine_ratio_to_lowest_of_7_days", ratio, "1")
    if multiplied:
        return Criterion(1, "creatinine_ratio_to_lowest_of_7_days", ratio, "1")
    if risen:
        return Criterion(1, "creatinine_rise_in_48_hours", rise, "umol/L")
    return Criterion(0, "none", 0.0, "1")


class Kdigo(Rule[KdigoTable]):
    """KDIGO's stage at the record's now."""

    kind = "kdigo"
    file = "kdigo.toml"
    shape = KdigoTable
    inputs = frozenset({_CREATININE, TREATMENT, ENCOUNTER, TIME})

    def judge(self, record: Record) -> Scored:
        """The stage that creatinine and dialysis reach; without urine output it may always be a graver one."""
        dialysis = [one for one in courses(record.treatments, *self.table.limits.dialysis) if one.goes_on(record.now)]
        if dialysis:
            return _on_dialysis(dialysis[0], record.now)
        current = newest(record, _CREATININE, self.table.limits.newest_at_most_hours)
        before = self._before(record, current) if current is not None else []
        if current is None or not before:
            return _unknown()
        found = self._judge(current, before)
        return Scored(
            score=float(found.stage),
            band=_band(found.stage),
            abstained=False,
            low=found.stage,
            high=_GRAVEST,
            interval=(float(found.stage), float(_GRAVEST)),
            title=Text(f"KDIGO stage at least {found.stage}", f"KDIGO-stadie mindst {found.stage}"),
            reasons=_reasons(found, current, record.now),
            evidence=(current, *before) if found.stage else (),
        )

    def _before(self, record: Record, current: Entry) -> list[Entry]:
        since = current.effective - int(self.table.limits.baseline_days * DAY)
        return [one for one in results(record, _CREATININE, since, current.effective) if one is not current]

    def _judge(self, current: Entry, before: Sequence[Entry]) -> Criterion:
        """The criterion that is surely met: the newest result at its least, those before it at their greatest."""
        limits = self.table.limits
        since = current.effective - int(limits.rise_hours * HOUR)
        week = [possible(_CREATININE, one).high for one in before]
        two_days = [possible(_CREATININE, one).high for one in before if one.effective >= since]
        return criterion(possible(_CREATININE, current).low, two_days, week, limits)


def _band(stage: int) -> str:
    return f"stage-{stage}" if stage else "none"


def _on_dialysis(course: Course, now: int) -> Scored:
    stage = float(_GRAVEST)
    minutes = (now - course.start) // (HOUR // 60)
    return Scored(
        score=stage,
        band=_band(_GRAVEST),
        abstained=False,
        low=stage,
        high=stage,
        interval=(stage, stage),
        title=Text("KDIGO stage 3: dialysis", "KDIGO-stadie 3: dialyse"),
        reasons=(Reason("dialysis", course.code, None, minutes, stage),),
    )


def _unknown() -> Scored:
    return Scored(
        score=0.0,
        band="unknown",
        abstained=True,
        low=0,
        high=_GRAVEST,
        interval=(0.0, float(_GRAVEST)),
        title=Text("KDIGO stage unknown", "KDIGO-stadie ukendt"),
    )


def _reasons(found: Criterion, current: Entry, now: int) -> tuple[Reason, ...]:
    """The criterion, which carries the stage, and the newest creatinine."""
    if not found.stage:
        return ()
    minutes = age_minutes(current, now)
    return (
        Reason(found.name, found.value, found.unit, minutes, float(found.stage)),
        Reason(_CREATININE, current.value, "umol/L", minutes, 0.0),
    )

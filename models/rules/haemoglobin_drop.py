"""A drop of haemoglobin that is compatible with bleeding: 20 g/L in a day (ISTH), or a Danish laboratory's call.

The limits are in ``haemoglobin_drop.toml``. The score is 1 for the fall, 2 for the call.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from features.instants import DAY, HOUR, MINUTE
from features.record import ENCOUNTER, TIME, TREATMENT, Record
from features.series import Entry, Series
from features.treatment import Course, courses
from models.outputs import Reason, Text
from models.rules.limits import Bounds, clean, possible, was_known
from models.rules.results import amount, named, results
from models.rules.table import Line, Rule, Table
from models.scorer import Finding, Scored, age_minutes, newest

_HB = "haemoglobin"
_UNIT = "mmol/L"
_FALL, _CALL = 1, 2
_BANDS = ("none", "fall", "call")
_COMPATIBLE = Text("drop compatible with bleeding", "fald foreneligt med blødning")


class _Fall(Line):
    window_hours: float
    at_least: float


class _Call(Line):
    below: float
    fall_above: float


class _Treatments(Line):
    codes: tuple[str, ...]


class HaemoglobinDropTable(Table):
    """The limits, as ``haemoglobin_drop.toml`` gives them."""

    maximum_age_hours: float
    margin: float
    fall: _Fall
    call: _Call
    transfusion: _Treatments
    dilution: _Treatments

    def stage(self, value: float, fall: float, since_previous: float) -> int:
        """The stage of a haemoglobin, its fall in the window, and its fall since the previous one, in mmol/L."""
        if value < self.call.below and since_previous > self.call.fall_above:
            return _CALL
        return _FALL if fall >= self.fall.at_least else 0


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What haemoglobin was: within ``value``, measured as ``entry``, or known of a day alone."""

    value: Bounds
    entry: Entry | None


class HaemoglobinDrop(Rule[HaemoglobinDropTable]):
    """The drop of haemoglobin at the record's now."""

    kind = "haemoglobin-drop"
    file = "haemoglobin_drop.toml"
    shape = HaemoglobinDropTable
    inputs = frozenset({_HB, TREATMENT, ENCOUNTER, TIME})

    def judge(self, record: Record) -> Scored:
        """The newest haemoglobin beside the highest of the window, and beside the previous one."""
        entry = newest(record, _HB, self.table.maximum_age_hours)
        if entry is None or entry.value is None:
            return _unknown(record)
        series, window = record.series[_HB], int(self.table.fall.window_hours * HOUR)
        highest = _highest(results(record, _HB, entry.effective - window, entry.effective - 1))
        return self._judge(record, entry, highest, _previous(series, entry))

    def _judge(self, record: Record, entry: Entry, highest: _Earlier | None, previous: _Earlier | None) -> Scored:
        table, value = self.table, possible(_HB, entry)
        fall, since = _fall(highest, value), _fall(previous, value)
        stage = table.stage(value.high, fall.low, since.low)
        high = table.stage(value.low, fall.high, since.high)
        given = self._given(record, entry, *table.transfusion.codes)
        unsure = highest is None or bool(given)
        most = max(high, _FALL if unsure else 0, self._most_of_call(value, previous))
        earlier = previous if stage == _CALL else highest
        return Scored(
            score=float(stage),
            band=_BANDS[stage],
            abstained=not stage and most > 0,
            low=stage,
            high=max(high, table.stage(value.low, clean(fall.high + table.margin), since.high)),
            interval=(float(stage), float(most)),
            title=_title(entry, earlier if stage else None),
            reasons=self._reasons(record, entry, earlier, stage) if stage else (),
            evidence=tuple(one for one in (earlier.entry if earlier else None, entry) if one) if stage else (),
            findings=self._findings(stage),
        )

    def _most_of_call(self, value: Bounds, previous: _Earlier | None) -> int:
        """The call, where nothing is known of the value before a low one."""
        return _CALL if previous is None and value.low < self.table.call.below else 0

    def _given(self, record: Record, entry: Entry, *codes: str) -> tuple[Course, ...]:
        """The courses that reached into the window before the newest haemoglobin."""
        since = entry.effective - int(self.table.fall.window_hours * HOUR)
        return tuple(
            course
            for course in courses(record.treatments, *codes)
            if course.start <= entry.effective and (course.stop is None or course.stop >= since)
        )

    def _reasons(self, record: Record, entry: Entry, earlier: _Earlier | None, stage: int) -> tuple[Reason, ...]:
        """The haemoglobin, what it fell from, and the treatments that make the fall look greater or less."""
        before = earlier.entry if earlier else None
        found = [Reason(_HB, entry.value, _UNIT, age_minutes(entry, record.now), float(stage))]
        if before is not None:
            found.append(Reason(_HB, before.value, _UNIT, age_minutes(before, record.now), 0.0))
        for feature, line in (("transfusion", self.table.transfusion), ("dilution", self.table.dilution)):
            found += [
                Reason(feature, course.code, None, (record.now - course.start) // MINUTE, 0.0)
                for course in self._given(record, entry, *line.codes)
            ]
        return tuple(found)

    def _findings(self, stage: int) -> tuple[Finding, ...]:
        if stage == _CALL:
            return (Finding(f"haemoglobin<{self.table.call.below:g}", always=True),)
        return (Finding("haemoglobin-fall"),) if stage else ()


def _highest(entries: Iterable[Entry]) -> _Earlier | None:
    """The highest that haemoglobin was, as far as that is sure, and at most."""
    found = [(possible(_HB, entry), entry) for entry in entries]
    if not found:
        return None
    low, entry = max(((value.low, entry) for value, entry in found), key=lambda one: (one[0], one[1].effective))
    return _Earlier(Bounds(low, max(value.high for value, _ in found)), entry)


def _previous(series: Series, entry: Entry) -> _Earlier | None:
    """The value before the newest, or the extremes of the last day of which nothing else is kept."""
    before = series.last(entry.effective - 1)
    if before is not None:
        return _Earlier(possible(_HB, before), before)
    days = [day for day in series.extremes if (day.day + 1) * DAY <= entry.effective]
    return _Earlier(Bounds(clean(days[-1].low), clean(days[-1].high)), None) if days else None


def _fall(earlier: _Earlier | None, value: Bounds) -> Bounds:
    """How much haemoglobin fell; nothing where nothing is known of before."""
    if earlier is None:
        return Bounds(0.0, 0.0)
    return Bounds(clean(earlier.value.low - value.high), clean(earlier.value.high - value.low))


def _title(entry: Entry, earlier: _Earlier | None) -> Text:
    if earlier is None:
        return named(_HB, entry)
    now = amount(_HB, entry)
    if earlier.entry is None:
        return Text(f"Hb {now.en}, {_COMPATIBLE.en}", f"Hb {now.da}, {_COMPATIBLE.da}")
    was = amount(_HB, earlier.entry)
    hours = max(1, round((entry.effective - earlier.entry.effective) / HOUR))
    return Text(
        f"Hb {now.en}, {_COMPATIBLE.en}: {was.en} {hours} h before",
        f"Hb {now.da}, {_COMPATIBLE.da}: {was.da} {hours} t før",
    )


def _unknown(record: Record) -> Scored:
    return Scored(
        score=0.0,
        band=_BANDS[0],
        abstained=True,
        low=0,
        high=_CALL if was_known(record, _HB) else 0,
        interval=(0.0, float(_CALL)),
        title=Text("Haemoglobin not known", "Hæmoglobin ikke kendt"),
    )

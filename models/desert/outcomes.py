"""What the DESERT models foresee: for each, a condition of one analyte's results, and how far ahead it is looked for.

Training, judging and scoring share these definitions: a model is asked only while the newest result does not meet the
condition, and the outcome is that a later one within the horizon does.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from features.instants import DAY, HOUR
from features.record import Record
from models.rules.limits import clean

#: A result older than this says too little of how the patient is now.
RECENT: Final = 24 * HOUR

#: Whether the newest of these results (instants in ms, rising; canonical values) meets the condition.
Condition = Callable[[Sequence[int], Sequence[float]], bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A condition of an analyte within a horizon (ms).

    ``rising`` says that a higher value is nearer to it, ``limit`` which value meets it where one alone does.
    """

    kind: str
    analyte: str
    horizon: int
    met: Condition
    rising: bool
    limit: float | None
    event: str
    title_en: str
    title_da: str
    source: str
    owner: str

    def present(self, record: Record) -> bool:
        """Whether the newest result known at the record's now meets the condition; a result unknown does not."""
        times, values = self._known(record)
        return bool(times) and self.met(times, values)

    def recent(self, record: Record) -> bool:
        """Whether the analyte was measured within 24 h before the record's now."""
        times, _ = self._known(record)
        return bool(times) and record.now - times[-1] <= RECENT

    def _known(self, record: Record) -> "tuple[array[int], array[float]]":
        """Instants and values of the analyte up to the record's now."""
        series = record.series.get(self.analyte)
        if series is None:
            return array("q"), array("d")
        times, values, first, stop = series.numbers
        end = bisect_right(times, record.now, first, stop)
        return times[first:end], values[first:end]


def kidney_injury(times: Sequence[int], values: Sequence[float]) -> bool:
    """KDIGO 2012, stage 1 or more by creatinine (umol/L): 26.5 above the least of 48 h, or 1.5 times that of 7 days."""
    newest, now = values[-1], times[-1]
    least_48h = min(values[bisect_left(times, now - 48 * HOUR) :])
    least_7d = min(values[bisect_left(times, now - 7 * DAY) :])
    return clean(newest - least_48h) >= 26.5 or clean(newest / least_7d) >= 1.5


def haemoglobin_fall(times: Sequence[int], values: Sequence[float]) -> bool:
    """Haemoglobin 1.24 mmol/L (20 g/L) or more below the highest of the 24 h before it."""
    return clean(max(values[bisect_left(times, times[-1] - DAY) :]) - values[-1]) >= 1.24


def at_least(limit: float) -> Condition:
    """A value at or above a limit."""
    return lambda _, values: values[-1] >= limit


def below(limit: float) -> Condition:
    """A value below a limit."""
    return lambda _, values: values[-1] < limit


_ALL: Final = (
    Outcome(
        kind="aki-risk",
        analyte="creatinine",
        horizon=48 * HOUR,
        met=kidney_injury,
        rising=True,
        limit=None,
        event=(
            "a creatinine within 48 h meets KDIGO stage 1 or more (26.5 umol/L above the lowest of the 48 h before "
            "it, or 1.5 times the lowest of the 7 days before it), if creatinine is measured again by then"
        ),
        title_en="Risk of acute kidney injury within 48 h",
        title_da="Risiko for akut nyresvigt inden for 48 timer",
        source="KDIGO Clinical Practice Guideline for Acute Kidney Injury, 2012, by creatinine alone",
        owner="department of nephrology",
    ),
    Outcome(
        kind="hyperkalaemia-risk",
        analyte="potassium",
        horizon=24 * HOUR,
        met=at_least(6.0),
        rising=True,
        limit=6.0,
        event="a potassium within 24 h is 6.0 mmol/L or more, if potassium is measured again by then",
        title_en="Risk of potassium 6.0 mmol/L or more within 24 h",
        title_da="Risiko for kalium på 6,0 mmol/L eller mere inden for 24 timer",
        source="UK Kidney Association, Treatment of Acute Hyperkalaemia in Adults, 2023: moderate from 6.0 mmol/L",
        owner="department of nephrology",
    ),
    Outcome(
        kind="haemoglobin-drop-risk",
        analyte="haemoglobin",
        horizon=24 * HOUR,
        met=haemoglobin_fall,
        rising=True,
        limit=None,
        event=(
            "a haemoglobin within 24 h is 20 g/L (1.24 mmol/L) or more below the highest of the 24 h before it, if "
            "haemoglobin is measured again by then"
        ),
        title_en="Risk of a fall in haemoglobin of 20 g/L or more within 24 h",
        title_da="Risiko for fald i hæmoglobin på 1,24 mmol/L eller mere inden for 24 timer",
        source="ISTH 2005, major bleeding: a fall of 20 g/L or more; alone it is no more than compatible with bleeding",
        owner="clinical lead, acute medicine",
    ),
    Outcome(
        kind="thrombocytopenia-risk",
        analyte="platelets",
        horizon=48 * HOUR,
        met=below(50.0),
        rising=False,
        limit=50.0,
        event="a platelet count within 48 h is below 50 x 10^9/L, if platelets are measured again by then",
        title_en="Risk of platelets below 50 within 48 h",
        title_da="Risiko for trombocytter under 50 inden for 48 timer",
        source="SOFA (Vincent 1996): 3 points for coagulation below 50 x 10^9/L",
        owner="department of haematology",
    ),
    Outcome(
        kind="lactate-risk",
        analyte="lactate",
        horizon=12 * HOUR,
        met=at_least(4.0),
        rising=True,
        limit=4.0,
        event="a lactate within 12 h is 4 mmol/L or more, if lactate is measured again by then",
        title_en="Risk of lactate 4 mmol/L or more within 12 h",
        title_da="Risiko for laktat på 4 mmol/L eller mere inden for 12 timer",
        source="Surviving Sepsis Campaign bundle, 2018: fluid from a lactate of 4 mmol/L on",
        owner="clinical lead, intensive care",
    ),
)

#: The outcomes by the kind of their models' scores.
OUTCOMES: Final = {one.kind: one for one in _ALL}

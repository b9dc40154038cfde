"""Adult patients in intensive care, made up: what is known of them before a run, and what is measured in it.

Their NEWS2 turns on the respiratory rate alone. They are sedated (3 points), and all else lies where it has
no points: so a rate of 30 (3 points more) raises an alert, and a rate of 16 resolves it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from features.catalogue import catalogue
from features.instants import HOUR, render
from models.scorer import Scorer

LOINC = "http://loinc.org"
#: The hours of vital signs, six an hour and one more, that each patient has before a run.
HISTORY_HOURS = 5


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured: its LOINC code and UCUM unit, and the range from which values are drawn evenly."""

    code: str
    unit: str
    low: float
    high: float
    decimals: int = 0

    def draw(self, chance: Random) -> float:
        """A value."""
        return round(chance.uniform(self.low, self.high), self.decimals)


SIGNS = (
    Measure("8867-4", "/min", 62, 88),
    Measure("59408-5", "%", 96, 100),
    Measure("8310-5", "Cel", 36.3, 37.8, decimals=1),
    Measure("8480-6", "mm[Hg]", 114, 142),
    Measure("8478-0", "mm[Hg]", 74, 98),
    Measure("8462-4", "mm[Hg]", 58, 82),
)
LABS = (
    Measure("2744-1", "[pH]", 7.36, 7.44, decimals=2),
    Measure("2019-8", "mm[Hg]", 36, 44),
    Measure("1963-8", "mmol/L", 22, 27),
    Measure("32693-4", "mmol/L", 0.6, 1.9, decimals=1),
    Measure("2823-3", "mmol/L", 3.6, 4.6, decimals=1),
    Measure("2075-0", "mmol/L", 99, 107),
    Measure("2345-7", "mg/dL", 95, 150),
    Measure("2160-0", "mg/dL", 0.6, 1.2, decimals=2),
    Measure("3094-0", "mg/dL", 9, 22),
    Measure("718-7", "g/dL", 9.5, 13.5, decimals=1),
    Measure("4544-3", "%", 29, 40, decimals=1),
    Measure("6690-2", "10*3/uL", 5, 11, decimals=1),
    Measure("777-3", "10*3/uL", 150, 330),
)
RESPIRATION = Measure("9279-1", "/min", 13, 19)
CALM, LABOURED = 16.0, 30.0


def watched(scorers: Iterable[Scorer]) -> tuple[Measure, ...]:
    """The signs and blood tests that some scorer reads: each of them gives a record of scores."""
    inputs = {name for scorer in scorers for name in scorer.inputs}
    analyte_for = catalogue().analyte_for
    return tuple(one for one in (*SIGNS, *LABS) if analyte_for(LOINC, one.code).name in inputs)


def observation(patient: str, id_: str, code: str, unit: str | None, value: float | str, at: int) -> dict[str, Any]:
    """A native observation, known when it was made; ``at`` in ms since the epoch."""
    instant = render(at)
    return {
        "type": "observation",
        "id": id_,
        "version": 1,
        "status": "final",
        "patient": patient,
        "code": {"system": LOINC, "code": code},
        "text" if isinstance(value, str) else "value": value,
        "unit": unit,
        "effective": instant,
        "issued": instant,
    }


def history(patient: str, now: int, chance: Random) -> list[Any]:
    """The records of a patient up to ``now`` (ms since the epoch): the admission, then 51 observations."""
    admitted = now - (HISTORY_HOURS + 1) * HOUR
    records: list[Any] = [admission(patient, admitted, "LOAD-ITA")]
    for hour in range(HISTORY_HOURS, 0, -1):
        at = now - hour * HOUR
        hourly = [*SIGNS, RESPIRATION, *(LABS if hour == HISTORY_HOURS else ())]
        panel = [
            observation(patient, f"{patient}-{hour}-{one.code}", one.code, one.unit, one.draw(chance), at)
            for one in hourly
        ]
        if hour == HISTORY_HOURS:
            panel.append(observation(patient, f"{patient}-acvpu", "80288-4", None, "V", at))
            panel.append(observation(patient, f"{patient}-air", "3150-0", "1", 0.21, at))
            panel.append(observation(patient, f"{patient}-weight", "29463-7", "kg", 78.0, at))
        records.append(panel)
    return records


def admission(patient: str, at: int, ward: str) -> dict[str, Any]:
    """An admission of a woman born in 1958 to a ward of intensive care."""
    return {
        "type": "encounter",
        "id": f"{patient}-admit",
        "action": "admit",
        "patient": patient,
        "encounter": f"e-{patient}",
        "at": render(at),
        "issued": render(at),
        "ward": ward,
        "unitType": "icu",
        "birthDate": "1958-05-02",
        "sex": "female",
    }

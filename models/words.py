"""A reason in words: what was measured, which way it goes, and how old it is, in English and Danish."""

import re
from bisect import bisect_left, bisect_right
from typing import Final

from msgspec.structs import replace

from features.catalogue import Analyte, catalogue
from features.instants import HOUR
from features.record import Record
from models.outputs import Reason, Text, Trend

#: A trend compares the newest value with the oldest of so many hours before it.
_TREND_HOURS: Final = 24
#: ... and is steady below this part of it, or below the last decimal that is shown.
_TREND_PART: Final = 0.05
#: How a unit of the catalogue is written for people.
_UNITS: Final = {
    "umol/L": "µmol/L",
    "ug/L": "µg/L",
    "Cel": "°C",
    "mm[Hg]": "mmHg",
    "10*9/L": "× 10⁹/L",
    "[pH]": "",
    "{score}": "",
    "1": "",
    "mL/min/{1.73_m2}": "mL/min/1,73 m²",
}
_GOING: Final[dict[Trend, Text]] = {
    "rising": Text("rising", "stigende"),
    "falling": Text("falling", "faldende"),
    "steady": Text("steady", "uændret"),
}
#: What is no analyte.
_OTHERS: Final = {
    "rest": Text("Everything else together", "Alt andet tilsammen"),
    "age_years": Text("Age", "Alder"),
    "sex_male": Text("Sex", "Køn"),
    "admitted_h": Text("Hours since admission", "Timer siden indlæggelse"),
    "unit_h": Text("Hours in this unit", "Timer på afsnittet"),
    "waited_h": Text("Hours in hospital before this unit", "Timer på hospitalet før afsnittet"),
    "creatinine_ratio_to_lowest_of_7_days": Text("Creatinine over lowest of 7 days", "Kreatinin over laveste i 7 dage"),
    "creatinine_ratio_to_median_of_year": Text("Creatinine over median of a year", "Kreatinin over årets median"),
    "creatinine_before": Text("Creatinine before", "Kreatinin før"),
    "platelet_fall_percent": Text("Fall of platelets, %", "Fald i trombocytter, %"),
    "platelets_highest": Text("Highest platelets before", "Højeste trombocytter før"),
    "oxygen": Text("Oxygen", "Ilt"),
    "pao2_fio2": Text("PaO2 over FiO2", "PaO2 over FiO2"),
    "vasopressor": Text("Vasopressor given", "Karsammentrækkende medicin gives"),
    "transfusion": Text("Transfusion given", "Transfusion givet"),
    "note": Text("Note", "Notat"),
    "declined": Text("The model does not know", "Modellen ved det ikke"),
    "no-answer": Text("The model did not answer", "Modellen svarede ikke"),
    "bad-answer": Text("The model's answer cannot be used", "Modellens svar kan ikke bruges"),
    "other-model": Text("Another model answered", "En anden model svarede"),
    "dilution": Text("Infusion that dilutes given", "Fortyndende infusion givet"),
}
#: What is said without its number.
_BARE: Final = frozenset({"rest", "sex_male"})


def worded(reason: Reason, record: Record) -> Reason:
    """The reason with its trend at the record's now and its text."""
    # A limit's name begins with the analyte's: ``potassium>6.0``.
    name = re.split("[<>]", reason.feature.removesuffix("_last"))[0]
    analyte = catalogue().analytes.get(name)
    if analyte is None:
        label = _OTHERS.get(reason.feature, Text(reason.feature.replace("_", " "), reason.feature.replace("_", " ")))
        bare = reason.value is None or reason.feature in _BARE
        value = "" if bare else f" {_plain(reason.value or 0.0)}"
        return replace(reason, text=Text(label.en + value, label.da + value.replace(".", ",")))
    trend = _trend(record, analyte) if isinstance(reason.value, float) else None
    return replace(reason, trend=trend, text=_sentence(reason, analyte, trend))


def amount(value: float, analyte: Analyte) -> Text:
    """A value with its unit, as it is read in each language: ``6.7 mmol/L``, ``6,7 mmol/L``."""
    unit = _UNITS.get(analyte.unit or "", analyte.unit or "")
    number = _number(value, analyte.decimals)
    return Text(f"{number} {unit}".strip().replace("1,73", "1.73"), f"{number.replace('.', ',')} {unit}".strip())


def _sentence(reason: Reason, analyte: Analyte, trend: Trend | None) -> Text:
    if reason.value is None:
        return Text(f"{analyte.en}: not known", f"{analyte.da}: kendes ikke")
    shown = Text(reason.value, reason.value) if isinstance(reason.value, str) else amount(reason.value, analyte)
    going = None if trend is None else _GOING[trend]
    old = None if reason.age_minutes is None else _age(reason.age_minutes)
    en = [f"{analyte.en} {shown.en}", *(one.en for one in (going, old) if one)]
    da = [f"{analyte.da} {shown.da}", *(one.da for one in (going, old) if one)]
    return Text(", ".join(en), ", ".join(da))


def _age(minutes: int) -> Text:
    if minutes < 1:
        return Text("now", "nu")
    if minutes < 120:
        return Text(f"{minutes} min ago", f"for {minutes} min siden")
    return Text(f"{minutes // 60} h ago", f"for {minutes // 60} t siden")


def _number(value: float | str, decimals: int) -> str:
    return value if isinstance(value, str) else f"{value:.{decimals}f}"


def _plain(value: float | str) -> str:
    """What has no unit of the catalogue: with a decimal where it has one."""
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def _trend(record: Record, analyte: Analyte) -> Trend | None:
    """Which way the newest value lies from the oldest of the day before it; ``None`` where there is no other."""
    series = record.series.get(analyte.name)
    if series is None:
        return None
    times, values, first, stop = series.numbers
    newest = bisect_right(times, record.now, first, stop) - 1
    if newest <= first:
        return None
    oldest = bisect_left(times, times[newest] - _TREND_HOURS * HOUR, first, newest)
    if oldest == newest:
        return None
    before = values[oldest]
    change = values[newest] - before
    if abs(change) < max(_TREND_PART * abs(before), 10.0**-analyte.decimals):
        return "steady"
    return "rising" if change > 0 else "falling"

"""Laboratory results as the rules read them: by their time, as bounds where one has a comparator, and in words."""

from math import inf, nextafter

from features.catalogue import catalogue
from features.record import Record
from features.series import Entry
from models import words
from models.outputs import Text


def results(record: Record, analyte: str, since: int, until: int) -> list[Entry]:
    """The numeric results of an analyte that were taken between two instants, both included, the oldest first."""
    series = record.series.get(analyte)
    return [one for one in series.between(since, until) if one.value is not None] if series else []


def bounds(analyte: str, entry: Entry) -> tuple[float, float]:
    """The least and the greatest that a result can be, canonical: ``>1000`` reaches to what is plausible at most."""
    assert entry.value is not None
    value, known = entry.value, catalogue().analytes[analyte]
    if entry.comparator == "<":
        return min(known.low, value), nextafter(value, -inf)
    if entry.comparator == "<=":
        return min(known.low, value), value
    if entry.comparator == ">":
        return nextafter(value, inf), max(known.high, value)
    if entry.comparator == ">=":
        return value, max(known.high, value)
    return value, value


def amount(analyte: str, entry: Entry) -> Text:
    """A result with its unit, canonical: ``6.7 mmol/L``, ``6,7 mmol/L``."""
    assert entry.value is not None
    shown, sign = words.amount(entry.value, catalogue().analytes[analyte]), entry.comparator or ""
    return Text(f"{sign}{shown.en}", f"{sign}{shown.da}")


def named(analyte: str, entry: Entry) -> Text:
    """A result with its name and unit: ``Potassium 6.7 mmol/L``, ``Kalium 6,7 mmol/L``."""
    known, shown = catalogue().analytes[analyte], amount(analyte, entry)
    return Text(f"{known.en} {shown.en}", f"{known.da} {shown.da}")

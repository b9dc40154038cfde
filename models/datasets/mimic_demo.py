"""MIMIC-IV Clinical Database Demo: real stays with their real gaps, as time-stamped events.

Reads `events.parquet` (subject_id, time, code, value; laboratory and charted values as `LAB//itemid//unit`)
and the item tables of mimic-code in `mappings/` beside it. Download:
https://physionet.org/content/mimic-iv-demo/2.2/ (ODbL 1.0). The set's times are local, shifted by years and
without an offset; they are taken as UTC, which keeps the intervals as they are written.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features import instants
from models.datasets.native import Item, Record, Stay, decimals, encounter, observation

#: The set's spellings of units in UCUM; other spellings are sent as they are, and those of no unit as none.
UNITS: dict[str, str | None] = {
    "": None, "UNK": None, "N/A": None,
    "mmHg": "mm[Hg]", "mm Hg": "mm[Hg]", "cmH2O": "cm[H2O]",
    "bpm": "/min", "insp/min": "/min", "sec": "s",
    "K/uL": "10*3/uL", "m/uL": "10*6/uL", "#/uL": "/uL",
    "mEq/L": "meq/L", "IU/L": "U/L", "g/dl": "g/dL", "mOsm/kg": "mosm/kg",
    "°F": "[degF]", "°C": "Cel", "Inch": "[in_i]",
}  # fmt: skip
#: Items whose unit the set leaves out and the item's name tells.
ITEM_UNITS = {
    "223835": "%",  # Inspired O2 Fraction, charted in percent
    "50816": "%",
    "50825": "Cel",
    "226531": "[lb_av]",  # Admission Weight (lbs.)
    "51237": "1",  # INR
    "220739": "{score}",
    "223900": "{score}",
    "223901": "{score}",
}

Event = tuple[int | None, str, float]


class MimicDemo:
    """The set's patients, one at a time; what was known at the same time is one record, an array.

    `TRANSFER_TO` gives admissions, transfers and discharges; `HOSPITAL_DISCHARGE` and the like only repeat
    it, often out of step by minutes. Skipped are text results (`text`), items without a LOINC code in the
    mappings (`unmapped`), and all other kinds of events (`kind:MEDICATION`, ...).
    """

    topic = "events"

    def __init__(self, path: Path) -> None:
        self.folder = path.parent if path.is_file() else path
        self.skipped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Stay]:
        self.skipped.clear()
        codes = loinc_codes(self.folder / "mappings")
        rows = _rows(self.folder / "events.parquet")
        for subject, events in groupby(rows, key=lambda row: row[0]):
            yield self._stay(f"mimic-{subject}", [event for _, event in events], codes)

    def _stay(self, patient: str, events: list[Event], codes: dict[str, str]) -> Stay:
        person = _person(events)
        visits = _Visits(patient, person)
        records: list[Record] = []
        timed = sorted(
            ((time, number, code, value) for number, (time, code, value) in enumerate(events) if time is not None),
            key=lambda event: event[0],
        )
        for moment, together in groupby(timed, key=lambda event: event[0]):
            at = instants.render(moment)
            items: list[Item] = []
            for _, number, code, value in together:
                item: Item | None = None
                name = f"{patient}-{number}"
                if code.startswith("LAB//"):
                    if (meaning := self._meaning(code, value, codes)) is not None:
                        item = observation(patient, visits.current, name, meaning[0], value, meaning[1], at)
                else:
                    item = visits.event(name, code, at)
                    if item is None and (kind := code.partition("//")[0]) not in _PERSONAL:
                        self.skipped[f"kind:{kind}"] += 1
                if item is not None:
                    items.append(item)
            if items:
                records.append(Record(moment, items))
        return Stay(patient, records, hours=[], labels=[])

    def _meaning(self, code: str, value: float, codes: dict[str, str]) -> tuple[str, str | None] | None:
        """LOINC code and unit of a laboratory or charted value, or None when it is skipped."""
        _, item, spelling = code.split("//", 2)
        if item not in codes:
            self.skipped["unmapped"] += 1
            return None
        if np.isnan(value):
            self.skipped["text"] += 1
            return None
        return codes[item], UNITS.get(spelling, spelling) or ITEM_UNITS.get(item)


_PERSONAL = frozenset({"GENDER", "MEDS_BIRTH"})


class _Visits:
    """Admissions, transfers and discharges of one patient, numbered as they come.

    An arrival at the emergency department always begins a visit, since visits that end there have no
    discharge.
    """

    def __init__(self, patient: str, person: dict[str, str]) -> None:
        self._patient = patient
        self._person = person
        self._count = 0
        self._open = False

    @property
    def current(self) -> str | None:
        """The newest visit, also after its discharge; None before the first."""
        return f"e-{self._patient}-{self._count}" if self._count else None

    def event(self, name: str, code: str, at: str) -> Item | None:
        """The encounter event of this code, or None when it says nothing new."""
        kind, _, detail = code.partition("//")
        if kind != "TRANSFER_TO":
            return None
        reason, _, ward = detail.partition("//")
        if reason == "discharge":
            return self._discharge(name, at)
        if reason == "ED" or not self._open:
            self._count += 1
            self._open = True
            return self._item(name, "admit", at, ward=ward, unitType=unit_type(ward), **self._person)
        return self._item(name, "transfer", at, ward=ward, unitType=unit_type(ward))

    def _discharge(self, name: str, at: str) -> Item | None:
        if not self._open:
            return None
        self._open = False
        return self._item(name, "discharge", at)

    def _item(self, name: str, action: str, at: str, **fields: str | None) -> Item:
        return encounter(self._patient, f"e-{self._patient}-{self._count}", name, action, at, **fields)


def unit_type(ward: str) -> str:
    """The contract's kind of unit of a care unit by its name in the set."""
    if ward.startswith("Emergency Department"):
        return "emergency"
    if "Intensive Care Unit" in ward or "SICU" in ward or "(CCU)" in ward:
        return "icu"
    if ward.startswith(("Labor", "Obstetrics")):
        return "maternity"
    return "ward"


def loinc_codes(mappings: Path) -> dict[str, str]:
    """LOINC code by itemid, of laboratory and charted items, from mimic-code's concept maps.

    Raises FileNotFoundError when a table is missing.
    """
    codes: dict[str, str] = {}
    for name in ("d_labitems_to_loinc.csv", "meas_chartevents_main.csv"):
        with (mappings / name).open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                if row["omop_vocabulary_id"] == "LOINC" and row["omop_concept_code"]:
                    codes[row["itemid (omop_source_code)"]] = row["omop_concept_code"]
    return codes


def _person(events: list[Event]) -> dict[str, str]:
    person: dict[str, str] = {}
    for moment, code, _ in events:
        if code == "MEDS_BIRTH" and moment is not None:
            person["birthDate"] = instants.render(moment)[:10]
        elif code in ("GENDER//F", "GENDER//M"):
            person["sex"] = "female" if code.endswith("F") else "male"
    return person


def _rows(file: Path) -> Iterator[tuple[int, Event]]:
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(columns=["subject_id", "time", "code", "value"]):
            subject, time, code, value = batch.columns
            moments = time.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_pylist()
            numbers = decimals(value.cast(pa.float32()).to_numpy(zero_copy_only=False).astype(np.float32))
            events = zip(moments, code.to_pylist(), numbers, strict=True)
            yield from zip(subject.to_pylist(), events, strict=True)

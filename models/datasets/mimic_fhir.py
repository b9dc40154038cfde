"""FHIR R4 resources as an exporter wrote them, for the `fhir` door: NDJSON files such as MIMIC-IV Demo on
FHIR.

Download: https://physionet.org/content/mimic-iv-fhir-demo/ (ODbL 1.0).
"""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from features import instants
from models.datasets.native import Record, Stay

Resource = dict[str, Any]


class MimicFhir:
    """Every resource of a file or folder (`*.ndjson`, `*.ndjson.gz`), unchanged, by subject and then in time
    order.

    A resource is sent when it became known: an observation when issued (else at its effective time), a
    finished encounter at its end, since its status is known only then, and a patient before the first of the
    subject's resources. What has no subject (`no-subject`) or no time (`no-time`; also a patient of whom
    nothing else is in the files) is skipped. Resources have to be sorted, so all are held in memory.
    """

    topic = "fhir"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Stay]:
        self.skipped.clear()
        people: dict[str, list[Resource]] = defaultdict(list)
        timed: dict[str, list[Record]] = defaultdict(list)
        for resource in self._resources():
            if resource.get("resourceType") == "Patient" and "id" in resource:
                people[resource["id"]].append(resource)
                continue
            subject = str((resource.get("subject") or {}).get("reference", "")).rpartition("/")[2]
            if not subject:
                self.skipped["no-subject"] += 1
                continue
            try:
                timed[subject].append(Record(instants.parse(_known(resource)), resource))
            except ValueError:
                self.skipped["no-time"] += 1
        self.skipped["no-time"] += sum(len(found) for subject, found in people.items() if subject not in timed)
        for subject in sorted(timed):
            records = sorted(timed[subject], key=lambda record: record.at_ms)
            first = records[0].at_ms
            yield Stay(
                subject,
                [*(Record(first, person) for person in people[subject]), *records],
                hours=[],
                labels=[],
            )

    def _resources(self) -> Iterator[Resource]:
        found = [self.path] if self.path.is_file() else sorted(self.path.rglob("*.ndjson*"))
        if not found:
            raise FileNotFoundError(f"no .ndjson or .ndjson.gz file in {self.path}")
        for file in found:
            with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
                for line in lines:
                    if line.strip():
                        yield orjson.loads(line)


def _known(resource: Resource) -> str:
    """When the resource became known, as it is written there; empty when it does not say."""
    effective, period = resource.get("effectivePeriod") or {}, resource.get("period") or {}
    candidates = (
        resource.get("issued"),
        resource.get("effectiveDateTime"),
        *(span.get(end) for span in (effective, period) for end in ("end", "start")),
    )
    return next((str(moment) for moment in candidates if moment), "")

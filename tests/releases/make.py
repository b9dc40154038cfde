"""Write what this release leaves behind into a folder of its own: ``python -m tests.releases.make BOOTSTRAP``.

Run it once, from a clean checkout of the release, with a Kafka at hand. What another release wrote is never written
again: it is what that release did, and no longer ours to change.
"""

import os
import sys
import tempfile
from base64 import b64encode
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from features.instants import DAY, HOUR, render
from streams.settings import Settings
from tests.integration.patients import LOINC, START, observation, ward
from tests.integration.service import PARTITIONS, Service, oracle, running
from tests.releases import FOLDER, alerts_by_kind, plain, scores_by_model, summary

_SEED = 50
_HOURS = 18
#: Settings that are not the defaults, and serve the story.
_GIVEN = {
    "VAGT_PARTITIONS": str(PARTITIONS),
    "VAGT_LIVE": "false",
    "VAGT_DOORS": "lab=native,vitals=fhir",
    "VAGT_MAX_EVENT_BYTES": "2097152",
    "VAGT_MAX_SKEW": "PT15M",
    "VAGT_WARD_BUDGET": "40",
    "VAGT_CRITICAL_RESULTS": "region_sjaelland",
    "VAGT_TIMEZONE": "Europe/Copenhagen",
    "VAGT_REPLICATION": "1",
}
#: What is another on each machine.
_ELSEWHERE = {"data_dir", "kafka_bootstrap", "topic_prefix"}


def story() -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """What is sent before and after the state is kept: all that a record can hold comes before."""
    records = ward(patients=3, hours=_HOURS, seed=_SEED)
    names = [name for name, _ in records[:3]]
    cut = next(at for at, (_, value) in enumerate(records) if f"-{_HOURS - 4}-" in str(value))
    before, after = records[:cut], records[cut:]
    first, second = names[:2]
    creatinine = {"code": {"system": LOINC, "code": "14682-9"}, "unit": "umol/L"}
    for day, value in ((300, 80.0), (20, 84.0), (5, 90.0), (0, 150.0)):
        at = START + 2 * HOUR - day * DAY
        before.append((first, observation(first, f"{first}-crea-{day}", at, value=value, **creatinine)))
    # Too old to be kept whole: a daily extreme.
    before.append((second, observation(second, f"{second}-old", START - 5 * DAY, value=131.0)))
    now = render(START + (_HOURS - 5) * HOUR)
    before.append((second, _treatment(second, now)))
    before += _merged(now, into=second)
    opened = {change["id"]: change for change in oracle(before)[1][first]}
    for number, (alert, action) in enumerate(zip(sorted(opened), ("acknowledge", "snooze", "comment"), strict=False)):
        before.append((first, _feedback(first, f"fb-{number}", alert, action, now)))
    return before, after


def _treatment(patient: str, now: str) -> dict[str, Any]:
    code = {"system": "http://www.whocc.no/atc", "code": "J01"}
    head = {"type": "treatment", "id": f"{patient}-t", "version": 1, "patient": patient}
    return {**head, "code": code, "action": "start", "at": now, "issued": now}


def _merged(now: str, into: str) -> list[tuple[str, Any]]:
    """A patient of whom little is known, and who turns out to be another."""
    name = f"p-{_SEED}-merged"
    merge = {"type": "encounter", "id": f"{name}-merge", "action": "merge", "patient": name, "into": into}
    return [
        (name, observation(name, f"{name}-1", START + 3 * HOUR, value=99.0)),
        (name, {**merge, "at": now, "issued": now}),
    ]


def _feedback(patient: str, identity: str, alert: str, action: str, now: str) -> dict[str, Any]:
    until = render(START + 40 * HOUR) if action == "snooze" else None
    head = {"type": "feedback", "id": identity, "alert": alert, "patient": patient, "action": action}
    return {**head, "by": "nurse/1", "until": until, "at": now}


def main(bootstrap: str) -> None:
    """Run this release's worker over the story and write what it left."""
    folder = FOLDER / version("vagt")
    folder.mkdir()
    before, after = story()
    with tempfile.TemporaryDirectory() as disk:
        service = Service(bootstrap, f"made-{uuid4().hex[:8]}.", Path(disk), environment=_GIVEN)
        with running(service, "w1"):
            service.send(before)
            service.settle()
            service.stop("w1")
            ends = service.ends("events")
            said = service.ends("risk.scores"), service.ends("alerts")
            stored = {one.key: one for one in service.read("vagt-patients-changelog")}
            service.start("w1")
            service.send(after)
            service.settle()
            service.stop("w1")
            scores = _by_patient(service.read("risk.scores", said[0]))
            alerts = _by_patient(service.read("alerts", said[1]))
            log = service.read("events")
    _write(
        folder / "events.ndjson",
        [{"partition": one.partition, "key": one.key.decode(), "value": orjson.loads(one.value)} for one in log],
    )
    _write(
        folder / "changelog.ndjson",
        [
            {"partition": one.partition, "key": key.decode(), "value": b64encode(one.value).decode()}
            for key, one in sorted(stored.items())
            if one.value is not None
        ],
    )
    summaries = {
        "committed": [ends[one] for one in range(PARTITIONS)],
        "scores": {name: summary(found) for name, found in scores_by_model(scores).items()},
        "alerts": {kind: summary(found) for kind, found in alerts_by_kind(alerts).items()},
    }
    _document(folder / "said.json", summaries)
    folder.joinpath("settings.env").write_text("".join(f"{name}={value}\n" for name, value in _GIVEN.items()))
    defaults = _meant()
    os.environ.update(_GIVEN)
    _document(folder / "meant.json", {"given": _meant(), "defaults": defaults})


def _by_patient(records: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for one in records:
        found.setdefault(one.key.decode(), []).append(plain(orjson.loads(one.value)))
    return found


def _meant() -> dict[str, Any]:
    return Settings().model_dump(mode="json", exclude=_ELSEWHERE)


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def _document(path: Path, found: dict[str, Any]) -> None:
    path.write_bytes(orjson.dumps(found, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])

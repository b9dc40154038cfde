"""From one release to the next: its state, its log and its settings, on a real Kafka."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from features.instants import HOUR
from features.record import FORMAT, Record, decode
from models import outputs
from models.quiet import quietness
from streams import audit
from streams.audit import Entry
from streams.deadletter import Source
from streams.judge import Judged, judge
from streams.partitioner import partition_of
from streams.records import audited, events
from streams.rejudge import Comparison, Span, compare
from streams.settings import Settings
from streams.speech import spoken
from streams.terms import Terms
from streams.topics import OWN_KEY
from tests.integration.offsets import commit
from tests.integration.patients import START, observation, ward
from tests.integration.service import PARTITIONS, Service, oracle, running
from tests.releases import Release, alerts_by_kind, plain, releases, scores_by_model, summary

CHANGELOG = "vagt-patients-changelog"
_EMITTED = re.compile(rb'"emitted":"[^"]*"')


@pytest.fixture(params=releases(), ids=lambda one: one.name)
def release(request: pytest.FixtureRequest) -> Release:
    """Every release that left something."""
    found: Release = request.param
    return found


@pytest.fixture
def service(release: Release, broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Service]:
    """A deployment of this release on what that one left: settings, state, offsets, and the log that it decided."""
    with running(Service(broker, topic_prefix, tmp_path, environment=release.environment)) as service:
        for partition in range(PARTITIONS):
            told = [(one["key"], one["value"]) for one in release.parted()[0] if one["partition"] == partition]
            service.send(told, partition=partition)
        keep(service, release.changelog)
        commit(service, dict(enumerate(release.committed)))
        yield service


def keep(service: Service, stored: list[tuple[int, bytes, bytes]]) -> None:
    """Write stored records to the changelog."""
    for partition, key, value in stored:
        service.send([(key.decode(), value)], CHANGELOG, partition=partition)


def pure(terms: Terms, log: Iterable[Source], patients: dict[str, Record]) -> list[tuple[str, Judged]]:
    """What the pure step says of these records of the log, each with its key; ``patients`` go along."""
    decider = terms.decider()
    found = []
    for source in log:
        judged = judge(terms, decider, source, lambda one: patients.get(one, Record()), lambda: "")
        if judged.patient is not None and judged.record is not None:
            patients[judged.patient] = judged.record
        found.append(((source.key or b"").decode(), judged))
    return found


def records(release: Release) -> dict[str, Record]:
    """The patients of a release as it left them."""
    return {key.decode(): decode(value) for _, key, value in release.changelog if not key.startswith(OWN_KEY)}


def said(service: Service, topic: str) -> list[bytes]:
    """What is on a topic, byte for byte but for ``emitted``, by partition and offset."""
    return [_EMITTED.sub(b'"emitted":""', one.value) for one in service.read(topic)]


def compared(service: Service) -> list[Comparison]:
    """What an audit of each partition finds."""
    return [
        compare(Terms.of(service.settings), one, audited(service.settings, one), events(service.settings, one), Span())
        for one in range(PARTITIONS)
    ]


def test_a_deployments_settings_mean_what_they_meant(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("VAGT_")]:
        monkeypatch.delenv(name)
    for given in ("defaults", "given"):
        meant = release.meant[given]
        now = Settings().model_dump(mode="json")
        assert {name: now[name] for name in meant} == meant
        for name, value in release.environment.items():
            monkeypatch.setenv(name, value)


@pytest.mark.req("VAGT-REL-11")
def test_this_release_says_what_the_earlier_one_said_next(release: Release) -> None:
    offsets = list(release.committed)
    log = []
    for one in sorted(release.parted()[1], key=lambda one: one["partition"]):
        at = one["partition"]
        log.append(Source("events", at, offsets[at], 0, one["key"].encode(), orjson.dumps(one["value"]), ()))
        offsets[at] += 1
    scores: dict[str, list[Any]] = defaultdict(list)
    alerts: dict[str, list[Any]] = defaultdict(list)
    passed: Counter[str] = Counter()
    for key, judged in pure(Terms.of(Settings(**release.meant["given"])), log, records(release)):
        scores[key] += [orjson.loads(outputs.encode(judged.scores))]
        alerts[key] += without_roles(orjson.loads(outputs.encode(judged.alerts)), passed)
    models, kinds = scores_by_model(scores), alerts_by_kind(alerts)
    # A model or a rule that is another now may say something else.
    same = release.said["scores"].keys() & models.keys()
    assert same
    for name in same:
        assert again(release.said["scores"][name], models[name]) == release.said["scores"][name], name
    for kind in release.said["alerts"].keys() & {name.partition(" ")[0] for name in same}:
        assert again(release.said["alerts"][kind], kinds[kind]) == release.said["alerts"][kind], kind


def without_roles(changes: list[dict[str, Any]], passed: Counter[str]) -> list[dict[str, Any]]:
    """What is said but that an alert goes to another role; ``passed`` counts how often each did so far."""
    kept = []
    for one in changes:
        if quietness().passed_on(one["state"], one["role"]):
            passed[one["id"]] += 1
        else:
            kept.append({**one, "sequence": one["sequence"] - passed[one["id"]]})
    return kept


def again(before: dict[str, Any], now: list[dict[str, Any]]) -> dict[str, Any]:
    """What is said now in the fields that were said before."""
    return summary([plain(one) for one in now], before["fields"])


def test_a_service_goes_on_where_the_earlier_release_stopped(service: Service, release: Release) -> None:
    before, after = release.parted()
    service.start()
    service.send([(one["key"], one["value"]) for one in after])
    service.settle()
    service.stop("w1")

    # To the byte what the pure step says from the stored records on, and nothing of what was decided before.
    log = [
        source
        for partition, start in enumerate(release.committed)
        for source in events(service.settings, partition)
        if source.offset >= start
    ]
    expected = [spoken(one) for _, one in pure(Terms.of(service.settings), log, records(release))]
    assert said(service, "alerts") == [alert for one in expected for alert in one.alerts]
    assert said(service, "risk.scores") == [b"[" + b",".join(one.scores) + b"]" for one in expected if one.scores]
    assert service.dead() == []

    # The audit begins where this release took over, and says how much it knows nothing of.
    entries = [list(audit.unpack(audited(service.settings, one))) for one in range(PARTITIONS)]
    assert [[one.number for one in of] for of in entries] == [list(range(1, len(of) + 1)) for of in entries]
    first = [of[0].fields["offset"] for of in entries if of and isinstance(of[0], Entry)]
    assert first == [offset for offset, of in zip(release.committed, entries, strict=True) if of]
    found = compared(service)
    assert (sum(one.identical for one in found), sum(one.unaudited for one in found)) == (len(after), len(before))
    assert {(*one.differing, *one.flaws, one.elsewhere, one.unreachable) for one in found} == {(0, 0)}


@pytest.mark.req("VAGT-REL-11")
def test_a_record_of_a_later_release_is_left_as_it_is_and_the_others_go_on(service: Service, release: Release) -> None:
    at, key, value = next(one for one in release.changelog if not one[1].startswith(OWN_KEY))
    later = msgspec.msgpack.encode([FORMAT + 1, *msgspec.msgpack.decode(value)[1:]])
    keep(service, [(at, key, later)])
    patient = key.decode()
    # Somebody on the same partition.
    other = next(name for name in map(str, count()) if partition_of(name.encode(), PARTITIONS) == at)
    hour = START + 30 * HOUR
    service.start()
    service.send([(name, observation(name, f"{name}-then", hour)) for name in (patient, other)])
    service.settle()
    service.stop("w1")

    assert [(letter["reason"], letter["partition"]) for letter in service.dead()] == [("unreadable-state", str(at))]
    assert {one.value for one in service.read(CHANGELOG) if one.key == key} == {value, later}
    assert service.scores().keys() == {other}
    assert '"event": "record.unreadable"' in service.log()
    assert patient not in service.log()


def older(service: Service, name: str) -> None:
    """Start a worker that stores and audits as 0.1.0 did; ``tests.releases.older`` says what else it does not."""
    environment = {
        **os.environ,
        "VAGT_KAFKA_BOOTSTRAP": service.bootstrap,
        "VAGT_TOPIC_PREFIX": service.prefix,
        "VAGT_PARTITIONS": str(PARTITIONS),
        "VAGT_DATA_DIR": str(service.folder),
        "VAGT_LIVE": "false",
    }
    with (service.folder / f"{name}.log").open("ab") as log:
        command = [sys.executable, "-m", "tests.releases.older", "worker", "--name", name]
        service.workers[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)


@pytest.mark.long
@pytest.mark.req("VAGT-REL-11")
def test_workers_of_two_releases_side_by_side_say_what_one_says(broker: str, topic_prefix: str, tmp_path: Path) -> None:
    """Partitions go to the new release, back to the old one when the new is killed, and to the new one for good.

    The old worker is this release's with 0.1.0's stored form and without its audit: a clone of the repository has no
    other release to start. What the real one did beside this one is in docs/upgrades.md.
    """
    told = ward(patients=12, hours=10, seed=54)
    size = len(told) // 4 + 1
    parts = [told[at : at + size] for at in range(0, len(told), size)]
    with running(Service(broker, topic_prefix, tmp_path)) as service:
        older(service, "old")
        service.send(parts[0])
        service.settle()
        service.start("new")
        awaited(service, "new", 1)
        service.send(parts[1])
        service.settle()
        service.stop("new", signal.SIGKILL)
        service.send(parts[2])
        service.settle()
        service.start("new")
        awaited(service, "new", 2)
        assert service.stop("old") == 0
        service.send(parts[3])
        service.settle()

        assert (service.scores(), service.alerts()) == oracle(told)
        assert service.dead() == []
        found = compared(service)
    assert sum(one.identical + one.unaudited for one in found) == len(told)
    assert sum(one.identical for one in found) >= len(parts[3])
    assert sum(one.unaudited for one in found) >= len(parts[0]) + len(parts[2])
    # What the older release decided is missing from the audit, and nothing in it was altered or taken out.
    assert {(*one.differing, *one.flaws, one.elsewhere, one.unreachable) for one in found} == {(0, 0)}


def awaited(service: Service, name: str, times: int) -> None:
    """Wait until a worker has taken partitions so many times since the log began."""
    log = service.folder / f"{name}.log"
    deadline = time.monotonic() + 300
    while log.read_text().count('"event": "partitions.taken"') < times:
        assert time.monotonic() < deadline, service.log()[-4000:]
        time.sleep(0.1)


def test_a_worker_that_would_cut_the_patients_otherwise_does_not_start(
    broker: str, topic_prefix: str, tmp_path: Path
) -> None:
    service = Service(broker, topic_prefix, tmp_path, environment={"VAGT_PARTITIONS": str(PARTITIONS + 1)})
    with running(service):
        assert service.start().wait(300) == 1
        del service.workers["w1"]
    sentence = f"has {PARTITIONS} partitions and VAGT_PARTITIONS says {PARTITIONS + 1}"
    assert sentence in " ".join(service.log().split())

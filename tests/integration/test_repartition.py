"""A deployment that gets more partitions: its patients go on as if nothing had been, and no worker runs meanwhile."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import rocksdict
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import ProducerFenced
from kafka import KafkaAdminClient

from features.instants import HOUR, render
from models.roster import Roster, Stop
from streams import kafka, repartition, topics
from streams.partitioner import partition_of
from streams.reading import read_all
from streams.rosters import stored
from streams.settings import Settings
from streams.topics import ROSTER_KEY
from streams.writing import Outgoing, write_all
from tests.integration.patients import START, admission, observation, ward
from tests.integration.service import Service, oracle, running

# kafka-python leaves sockets of connections that were lost to the garbage collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed <socket.socket .*proto=6:ResourceWarning")]

BEFORE, AFTER = 2, 5
CHANGELOG = "vagt-patients-changelog"
IDENTITY = "audit.identity"
LOG = ward(patients=10, hours=12, seed=23)
HALF, LATER = len(LOG) // 2, len(LOG) * 5 // 8


@dataclass
class Growing(Service):
    """A deployment that has two partitions at first."""

    partitions: int = BEFORE

    @property
    def settings(self) -> Settings:
        return super().settings.model_copy(update={"partitions": self.partitions})

    def create_topics(self) -> None:
        topics.ensure(self.bootstrap, topics.topics(self.partitions, self.prefix))

    @property
    def _variables(self) -> dict[str, str]:
        return {**super()._variables, "VAGT_PARTITIONS": str(self.partitions)}

    def _parts(self, topic: str) -> list[TopicPartition]:
        number = 1 if topic == "deadletter" else self.partitions
        return [TopicPartition(self.prefix + topic, one) for one in range(number)]

    def read(self, topic: str, since: Any = None) -> list[ConsumerRecord[bytes, bytes]]:
        """In the order of time: what is said of a patient who moved goes on on another partition."""
        return sorted(super().read(topic, since), key=lambda one: (one.timestamp, one.partition, one.offset))

    def counts(self) -> dict[str, int]:
        """How many partitions each topic has."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        names = [one for one in admin.list_topics() if one.startswith(self.prefix)]
        found = {one["name"].removeprefix(self.prefix): len(one["partitions"]) for one in admin.describe_topics(names)}
        admin.close()
        return found

    def kept(self, topic: str) -> set[tuple[bytes, bytes, int]]:
        """Key, value and partition of what a compacted topic holds, the service's own keys aside."""
        found = {}
        for one in read_all(self.settings, topic):
            found[one.key, one.partition] = one.value
        return {(key, value, at) for (key, at), value in found.items() if value is not None and key[:1] != b"\0"}

    def on_disk(self, name: str) -> set[tuple[bytes, int]]:
        """Whom a stopped worker has on its disk, in which partition."""
        options = rocksdict.Options(raw_mode=True)
        found = set()
        for file in (self.folder / "workers" / name).rglob("CURRENT"):
            state = rocksdict.Rdict(str(file.parent), options, access_type=rocksdict.AccessType.read_only())
            partition = int(file.parent.name.rpartition("-")[2].partition(".")[0])
            found |= {(key, partition) for key in state.keys() if key.startswith(b"p-")}  # noqa: SIM118
            state.close()
        return found


@pytest.fixture
def service(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Growing]:
    """A deployment without workers yet; its topics exist."""
    with running(Growing(broker, topic_prefix, tmp_path)) as service:
        yield service  # type: ignore[misc]


def snoozed(log: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Somebody asks all that is open after a log to be quiet for three hours."""
    at = START + HALF * HOUR // 10
    opened = {change["id"]: patient for patient, told in oracle(log)[1].items() for change in told}
    return [
        (
            patient,
            {
                "type": "feedback",
                "id": f"fb-{alert}",
                "alert": alert,
                "patient": patient,
                "action": "snooze",
                "by": "nurse/1",
                "until": render(at + 3 * HOUR),
                "at": render(at),
            },
        )
        for alert, patient in opened.items()
    ]


def someone(where: Callable[[int, int], bool]) -> str:
    """A patient of no other log, on such partitions before and after."""
    names = (f"p-other-{number}" for number in range(1000))
    return next(one for one in names if where(*(partition_of(one.encode(), count) for count in (BEFORE, AFTER))))


def state(service: Growing, erased: str) -> set[tuple[bytes, bytes]]:
    """What is kept of patients, wherever it lies; but not the name of one whose erasure was asked for."""
    kept = service.kept(CHANGELOG) | {one for one in service.kept(IDENTITY) if one[1] != erased.encode()}
    return {(key, value) for key, value, _ in kept}


def killed_after(batches: int) -> Any:
    """Write so many transactions, and die in the next one, which stays open."""
    written = 0
    write = repartition._write

    async def writes(producer: AIOKafkaProducer, moves: Any) -> None:
        nonlocal written
        if written < batches:
            written += 1
            await write(producer, moves)
            return
        await producer.begin_transaction()
        for one in moves:
            await (await producer.send(one.topic, b"half of it", one.key, partition=one.to))
            await (await producer.send(one.topic, None, one.key, partition=one.source))
        raise ConnectionAbortedError

    return writes


@pytest.mark.req("VAGT-REL-12")
def test_patients_go_on_with_more_partitions_however_often_the_move_is_interrupted(
    service: Growing, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = someone(lambda before, after: after >= BEFORE)
    log = [*LOG[:HALF], *snoozed(LOG[:HALF]), *LOG[HALF:]]
    log += [(name, {"type": "tick", "patient": name, "at": render(START + 24 * HOUR)}) for name, _ in LOG[:10]]
    service.start("w1")
    service.send([(gone, admission(gone)), (gone, observation(gone, "o-gone", START))])
    service.send(log[:HALF])
    service.settle()
    assert service.stop("w1") == 0
    patients = {key for key, _, _ in service.kept(CHANGELOG)}
    assert len(patients) == 11
    before = state(service, gone)

    monkeypatch.setattr(repartition, "_MOST", 2)
    with monkeypatch.context() as dying:
        dying.setattr(repartition, "_write", killed_after(2))
        assert service.vagt("repartition", str(AFTER), "--yes")[0] == 1
    grown = service.counts()
    assert (grown["events"], grown[CHANGELOG], grown["fhir"]) == (BEFORE, AFTER, BEFORE)
    for service.partitions in (BEFORE, AFTER):
        assert service.start("w1").wait(120) == 1, "a worker ran on half of the patients"
        service.workers.clear()
    service.partitions = BEFORE

    # Somebody did not stop.
    service.send(log[HALF:LATER])
    assert service.vagt("erase", "--yes", said=gone)[0] == 0
    status, said = service.vagt("repartition", str(AFTER), "--yes")
    assert (status, f"{LATER - HALF + BEFORE} records of events are not decided yet" in said) == (0, True), said
    assert "Set VAGT_PARTITIONS=5" in said
    for command in (["erase", "--yes"], ["models", "stop", "--everything", "--by", "platform", "--why", "a trial"]):
        status, said = service.vagt(*command, said=gone)
        assert (status, f"VAGT_PARTITIONS says {BEFORE}" in said) == (1, True), said
    service.partitions = AFTER
    assert state(service, gone) == before
    right = {(key, partition_of(key, AFTER)) for key in patients}
    assert {(key, at) for key, _, at in service.kept(CHANGELOG)} == right
    assert all(at == partition_of(whose, AFTER) for _, whose, at in service.kept(IDENTITY))
    assert service.vagt("repartition", str(AFTER), "--yes")[1].startswith("0 records moved")

    service.start("w1")
    service.settle()
    service.send(log[LATER:])
    service.settle()
    assert service.stop("w1") == 0
    scores, alerts = service.scores(), service.alerts()
    told = [one for one in service.read("alerts") if one.key != gone.encode()]
    scored = [one for one in service.read("risk.scores") if one.key != gone.encode()]
    scores.pop(gone)
    alerts.pop(gone, None)
    assert (scores, alerts) == oracle(log)
    assert len(told) == sum(map(len, alerts.values())), "something was said twice"
    assert len(scored) == sum(map(len, scores.values())), "something was said twice"
    assert {one["state"] for changes in alerts.values() for one in changes} >= {"raised", "snoozed", "updated"}
    assert service.dead() == []
    assert service.on_disk("w1") == {(key, at) for key, at in right if key != gone.encode()}
    assert {key for key, _, _ in service.kept(CHANGELOG)} == patients - {gone.encode()}
    assert gone.encode() not in {whose for _, whose, _ in service.kept(IDENTITY)}

    status, said = service.vagt("audit", "replay")
    assert (status, said.count(" 0 differ, 0 entries not as they were written")) == (0, AFTER), said
    assert said.count("\n") == AFTER, "something was not computed again"


@pytest.mark.long
def test_it_is_refused_while_workers_run_or_something_is_undecided(service: Growing) -> None:
    moved, name = someone(lambda before, after: before != after), str(AFTER)
    assert service.vagt("repartition", name)[0] == 2
    service.start("w1")
    service.send([(moved, admission(moved))])
    service.settle()
    status, said = service.vagt("repartition", name, "--yes")
    assert (status, said.startswith("Workers run:")) == (1, True), said
    assert service.stop("w1") == 0
    status, said = service.vagt("repartition", "1", "--yes")
    assert (status, "has 2 partitions, and Kafka takes none away" in said) == (1, True), said

    tick = {"type": "tick", "patient": moved, "at": render(START + HOUR), "origin": "vagt"}
    service.send([(moved, tick), (moved, observation(moved, "o-1", START))])
    status, said = service.vagt("repartition", name, "--yes")
    assert (status, said.startswith(f"1 records of {service.prefix}events are not decided")) == (1, True), said
    assert set(service.counts().values()) == {1, BEFORE}

    service.start("w1")
    service.settle()
    assert service.stop("w1") == 0
    later = {**tick, "at": render(START + 2 * HOUR)}
    service.send([(moved, later)])
    status, said = service.vagt("repartition", name, "--yes")
    # The record, what is shown of it (stored and told), and its name in the audit; a tick that nobody decided holds
    # nothing up.
    assert (status, said.startswith("4 records moved"), "not decided" in said) == (0, True, False), said
    service.partitions = AFTER
    service.start("w1")
    service.settle()
    right = partition_of(moved.encode(), AFTER)
    assert [orjson.loads(one.value) for one in service.read("events") if one.partition == right][-1:] == [later]
    assert service.dead() == []


def test_new_partitions_begin_with_the_roster_of_the_others_and_none_is_made_where_they_differ(
    service: Growing,
) -> None:
    roster = Roster(stops=(Stop("news2", None, START, "doctor", "it errs"),)).store()
    topic = service.settings.topic(CHANGELOG)
    write_all(service.settings, [Outgoing(topic, ROSTER_KEY, roster, 0)])
    status, said = service.vagt("repartition", str(AFTER), "--yes")
    assert (status, said.startswith("The partitions do not agree which models speak")) == (1, True), said
    assert set(service.counts().values()) == {1, BEFORE}
    write_all(service.settings, [Outgoing(topic, ROSTER_KEY, roster, 1)])
    assert service.vagt("repartition", str(AFTER), "--yes")[0] == 0
    assert stored(service.settings, AFTER) == [Roster.stored(roster)] * AFTER


def test_no_worker_gets_into_the_group_meanwhile(service: Growing) -> None:
    with repartition._alone(service.settings):
        service.start("w1")
        service.send([("p-1", admission("p-1"))])
        deadline = time.monotonic() + 120
        while "InconsistentGroupProtocol" not in service.log():
            assert time.monotonic() < deadline, service.log()
            time.sleep(0.5)
        time.sleep(2)
        assert sum(repartition._undecided(service.settings).records.values()) == 1
        assert service.kept(CHANGELOG) == set()


@pytest.mark.req("VAGT-REL-02")
def test_a_worker_that_was_paused_meanwhile_can_write_no_state_when_it_wakes(service: Growing) -> None:
    async def waking() -> None:
        paused = kafka.producer(service.settings, f"{service.settings.group}-0")
        await paused.start()
        try:
            assert (await asyncio.to_thread(service.vagt, "repartition", "3", "--yes"))[0] == 0
            await paused.begin_transaction()
            with pytest.raises(ProducerFenced):
                await paused.send_and_wait(service.prefix + CHANGELOG, b"late", b"p-1", partition=0)
        finally:
            await paused.stop()

    asyncio.run(waking())

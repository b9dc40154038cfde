"""What is lost and what is not when a disk, the offsets or the state itself are lost, and put back from a backup."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.offsets import commit, forget
from tests.integration.patients import ward
from tests.integration.service import PARTITIONS, Service, oracle, running

CHANGELOG = "vagt-patients-changelog"
RECORDS = ward(patients=8, hours=16, seed=61)
HALF = len(RECORDS) // 2
_EMITTED = re.compile(rb'"emitted":"[^"]*"')


@pytest.fixture
def service(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Service]:
    """A deployment without workers yet; its topics exist."""
    with running(Service(broker, topic_prefix, tmp_path)) as service:
        yield service


@dataclass(frozen=True)
class Backup:
    """The changelog, record by record, and the group's offsets, both as of one instant without a worker."""

    changelog: list[tuple[int, bytes, bytes | None]]
    offsets: dict[int, int]

    @classmethod
    def of(cls, service: Service) -> "Backup":
        changelog = [(one.partition, one.key, one.value) for one in service.read(CHANGELOG)]
        return cls(changelog, service.ends("events"))

    def put_back(self, service: Service) -> None:
        """Into a new changelog; the disks are no part of a backup, and start empty."""
        forget(service)
        service.delete_topic(CHANGELOG)
        service.create_topics()
        for partition in range(PARTITIONS):
            kept = [(key.decode(), value) for of, key, value in self.changelog if of == partition]
            service.send(kept, CHANGELOG, partition=partition)
        commit(service, self.offsets)


def decided(service: Service, name: str, records: list[tuple[str, object]]) -> None:
    """One worker decides all of the log, these records at its end, and stops."""
    service.start(name)
    service.send(records)
    service.settle()
    assert service.stop(name) == 0


def said(service: Service, since: dict[str, dict[int, int]] | None = None) -> dict[str, list[bytes]]:
    """What is on the outputs (from those offsets on), byte for byte but for ``emitted``, repeats too."""
    return {
        topic: [_EMITTED.sub(b"", one.value) for one in service.read(topic, since and since[topic])]
        for topic in ("risk.scores", "alerts")
    }


def ends(service: Service) -> dict[str, dict[int, int]]:
    return {topic: service.ends(topic) for topic in ("risk.scores", "alerts")}


def test_where_the_offsets_are_lost_and_the_state_is_not_nothing_is_said_twice(service: Service) -> None:
    decided(service, "w1", RECORDS)
    before = said(service)
    forget(service)
    decided(service, "w1", [])
    assert said(service) == before
    assert service.dead() == []


def test_from_state_and_offsets_of_one_instant_all_that_followed_is_said_again_to_the_byte(service: Service) -> None:
    decided(service, "w1", RECORDS[:HALF])
    backup, then = Backup.of(service), ends(service)
    decided(service, "w1", RECORDS[HALF:])
    followed, now = said(service, then), ends(service)
    assert all(followed.values())
    backup.put_back(service)
    decided(service, "w2", [])
    assert said(service, now) == followed
    assert (service.scores(), service.alerts()) == oracle(RECORDS)
    assert service.dead() == []


def test_where_the_state_is_lost_the_whole_log_gives_it_again(service: Service) -> None:
    decided(service, "w1", RECORDS)
    before, now = said(service), ends(service)
    Backup([], {}).put_back(service)
    decided(service, "w2", [])
    assert said(service, now) == before
    assert (service.scores(), service.alerts()) == oracle(RECORDS)

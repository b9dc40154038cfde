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
        """Into a new changelog; the disks are no part of a backup."""
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
        topic: [_EMITTED.sub(b"", one.value) for one in service.read(topic, None if since is None else since[topic])]
        for topic in ("risk.scores", "alerts")
    }


def ends(service: Service) -> dict[str, dict[int, int]]:
    return {topic: service.ends(topic) for topic in ("risk.scores", "alerts")}


@pytest.mark.long
@pytest.mark.req("VAGT-REL-11")
def test_what_is_lost_is_said_again_to_the_byte_or_not_at_all(service: Service) -> None:
    decided(service, "w0", RECORDS[: HALF // 2])
    decided(service, "w1", RECORDS[HALF // 2 : HALF])
    backup, then = Backup.of(service), ends(service)
    decided(service, "w1", RECORDS[HALF:])
    everything, followed, now = said(service), said(service, then), ends(service)
    assert all(followed.values())

    # State and offsets of one instant: all that followed it, and nothing else. The disk of w0 is older than the backup,
    # and follows a changelog that is gone.
    backup.put_back(service)
    decided(service, "w0", [])
    assert said(service, now) == followed
    now = ends(service)

    # No state and no offsets: everything.
    Backup([], {}).put_back(service)
    decided(service, "w3", [])
    assert said(service, now) == everything
    now = ends(service)

    # The state and no offsets: nothing, since the events are taken for repeats.
    forget(service)
    decided(service, "w3", [])
    assert said(service, now) == {"risk.scores": [], "alerts": []}

    assert (service.scores(), service.alerts()) == oracle(RECORDS)
    assert service.dead() == []

"""The archive on a real Kafka: what it forgets is read from the archive, and decided again to the bit."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition

from streams.archive.place import Place
from tests.integration.patients import ward
from tests.integration.service import PARTITIONS, Service, running


@pytest.fixture
def service(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Service]:
    """A deployment with one worker."""
    own = Service(broker, topic_prefix, tmp_path, environment={"VAGT_ARCHIVE": str(tmp_path / "archive")})
    with running(own, "w1") as service:
        yield service


def rows(service: Service, sql: str) -> list[dict[str, str]]:
    status, text = service.vagt("archive", "query", "-", said=sql)
    assert status == 0, text
    return list(csv.DictReader(io.StringIO(text)))


def forget(service: Service, topic: str, ends: dict[int, int]) -> None:
    """Let Kafka forget what is on a topic, up to those offsets."""
    admin = KafkaAdminClient(bootstrap_servers=service.bootstrap)
    admin.delete_records({TopicPartition(service.prefix + topic, one): end for one, end in ends.items()})
    admin.close()


def archived(service: Service, topic: str) -> dict[int, int]:
    """Up to where the archive has each partition of a topic."""
    place = Place.at(str(service.folder / "archive"))
    return {one.partition: one.end for one in place.segments(service.prefix + topic)}


# On a busy machine kafka-python may leave a socket to the garbage collector when a client is closed while it fetches.
@pytest.mark.filterwarnings("ignore:unclosed <socket.socket .*proto=6:ResourceWarning")
@pytest.mark.req("VAGT-AUD-03")
def test_what_kafka_forgot_is_queried_decided_again_and_erased_from_the_archive(service: Service) -> None:
    records = ward(patients=8, hours=10, seed=11)
    half = len(records) // 2
    service.send(records[:half])
    service.settle(timeout=600)
    status, said = service.vagt("archive", "--once")
    assert (status, said.count("begins at offset")) == (0, 0), said
    service.send(records[half:])
    service.settle(timeout=600)
    assert service.vagt("archive", "--once")[0] == 0

    scores, alerts = service.scores(), service.alerts()
    counted = rows(service, "SELECT patient, count(DISTINCT id) AS n FROM scores GROUP BY ALL")
    assert {row["patient"]: int(row["n"]) for row in counted} == {
        patient: sum(map(len, found)) for patient, found in scores.items()
    }
    changes = rows(service, "SELECT DISTINCT patient, id, sequence FROM alerts")
    assert len(changes) == sum(map(len, alerts.values()))
    assert rows(service, "SELECT count(*) AS n FROM events") == [{"n": str(len(records))}]
    assert rows(service, "SELECT count(*) AS n FROM audit") == [{"n": str(len(records))}]
    assert {row["patient"] for row in rows(service, "SELECT patient FROM identity")} == {key for key, _ in records}

    raised = next(one for found in alerts.values() for one in found if one["state"] == "raised")
    story = service.vagt("audit", "explain", raised["id"])
    for topic in ("events", "risk.scores", "alerts", "audit"):
        forget(service, topic, archived(service, topic))
    service.send(ward(patients=8, hours=1, seed=11)[8:])  # repeats: an entry each, and no decision
    service.settle(timeout=600)
    assert service.vagt("audit", "explain", raised["id"]) == story
    status, said = service.vagt("audit", "replay")
    assert (status, said.count(" 0 differ, 0 entries not as they were written")) == (0, PARTITIONS), said
    assert sum(int(line.split()[2]) for line in said.splitlines() if line.startswith("Partition")) >= len(records) + 8
    assert "history begins before the log" not in said
    assert service.vagt("archive", "verify") == (0, "0 faults\n")

    patient = raised["patient"]
    assert service.vagt("erase", "--yes", said=f"{patient}\n")[0] == 0
    service.settle(timeout=600)
    status, said = service.vagt("archive", "erase", "--yes", said=f"{patient}\n")
    assert (status, patient in said) == (0, False), said
    for view in ("scores", "alerts", "identity"):
        assert rows(service, f"SELECT patient FROM {view} WHERE patient = '{patient}'") == []
    assert rows(service, f"SELECT key FROM events WHERE contains(decode(value), '\"{patient}\"')") == []
    status, said = service.vagt("audit", "replay")
    assert (status, said.count(" 0 differ, 0 entries not as they were written")) == (0, PARTITIONS), said
    assert service.vagt("archive", "verify") == (0, "0 faults\n")

    # What comes now is forgotten before anybody archived it.
    service.send(ward(patients=8, hours=1, seed=12))
    service.settle(timeout=600)
    forget(service, "events", service.ends("events"))
    service.send(ward(patients=8, hours=1, seed=12))
    service.settle(timeout=600)
    status, said = service.vagt("archive", "--once")
    assert (status, said.count("GAP: ")) == (1, PARTITIONS), said
    status, said = service.vagt("archive", "verify")
    assert (status, said.count("are missing")) == (1, PARTITIONS), said

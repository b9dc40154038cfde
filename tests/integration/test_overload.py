"""Input that is too much: memory stays bounded, and one patient's trouble is never another's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from features.record import decode
from features.series import MOST_ENTRIES
from load_tests.overload import MIB, resident_mib
from streams.topics import CHANGELOG
from tests.integration.patients import START, observation, ward
from tests.integration.service import PARTITIONS, Service, oracle, running

FLOOD = "p-flood"
SECOND = 1000


@pytest.fixture(scope="module")
def service(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker for the whole file: it must outlive everything that is sent here."""
    with running(Service(broker, "overload.", tmp_path_factory.mktemp("service")), "w1") as service:
        yield service


def flood(observations: int) -> list[tuple[str, list[dict[str, object]]]]:
    """Heart rates of one patient, a second apart, 500 in a record."""
    every = [observation(FLOOD, f"{n}", START + n * SECOND, value=80.0 + n % 7) for n in range(observations)]
    return [(FLOOD, every[start : start + 500]) for start in range(0, observations, 500)]


@pytest.mark.req("VAGT-REL-09")
def test_a_flood_of_one_patient_stays_in_bounds_and_leaves_the_others_as_they_are(service: Service) -> None:
    records = ward(patients=3, hours=4, seed=8)
    flooded = flood(3 * MOST_ENTRIES)
    service.send(flooded[:10])
    service.send([*records, *flooded[10:]])
    service.settle(timeout=400)
    scores, _ = oracle(records)
    assert {key: service.scores()[key] for key in scores} == scores
    newest = [one.value for one in service.read(CHANGELOG) if one.key == FLOOD.encode()][-1]
    assert newest is not None
    (series,) = decode(newest).series.values()
    assert len(series.entries) == MOST_ENTRIES
    assert service.dead() == []


def test_large_records_that_are_of_no_use_are_set_aside_without_filling_the_memory(service: Service) -> None:
    before = service.ends("deadletter")
    service.send((f"l-{n}", b"{" + b"x" * (MIB - 1)) for n in range(100))
    service.settle(timeout=400)
    assert {letter["reason"] for letter in service.dead(before)} == {"bad-json"}
    assert resident_mib(service.workers["w1"].pid, "VmHWM") < 600


@pytest.mark.req("VAGT-REL-09")
def test_a_waiting_log_is_decided_in_turns_so_that_no_partition_waits_for_another(broker: str, tmp_path: Path) -> None:
    waiting = 2000
    service = Service(broker, "turns.", tmp_path)
    service.create_topics()
    service.send((f"t-{n}", b"{" + b"x" * 1000) for n in range(PARTITIONS * waiting))
    with running(service, "w1"):
        service.settle()
    decided = dict.fromkeys(map(str, range(PARTITIONS)), 0)
    ahead = 0
    for letter in service.dead()[:waiting]:
        decided[letter["partition"]] += 1
        ahead = max(ahead, max(decided.values()) - min(decided.values()))
    assert sum(decided.values()) == waiting
    assert ahead < 300


def test_the_worker_has_outlived_it_all(service: Service) -> None:
    assert service.workers["w1"].poll() is None

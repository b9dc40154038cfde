"""The torture run's events: the same for a seed, badly sent, and such that alerts live whole lives."""

from collections import Counter, defaultdict

import orjson
import pytest

from features.catalogue import catalogue
from load_tests.torture.oracle import expect
from load_tests.torture.probes import probe_of, probes
from load_tests.torture.ward import Planned, ward
from models.registry import shipped
from models.step import Decider
from streams.deadletter import Source
from streams.partitioner import partition_of
from streams.settings import Settings

PARTITIONS = 4
SECONDS = 240


def log(planned: list[Planned]) -> list[Source]:
    """The records as they would lie on ``events``."""
    found, ends = [], Counter[int]()
    for one in planned:
        key = one.patient.encode()
        partition = partition_of(key, PARTITIONS) if one.partition is None else one.partition
        found.append(Source("events", partition, ends[partition], 0, key, one.value, ()))
        ends[partition] += 1
    return found


@pytest.fixture(scope="module")
def planned():
    return ward(7, SECONDS, 10.0, PARTITIONS)


@pytest.fixture(scope="module")
def expected(planned):
    return expect(Decider(catalogue(), shipped()), Settings(partitions=PARTITIONS), log(planned))


def test_a_seed_gives_the_same_events_again_and_another_one_others(planned):
    assert ward(7, SECONDS, 10.0, PARTITIONS) == planned
    assert ward(8, SECONDS, 10.0, PARTITIONS) != planned


def test_the_rate_is_about_what_was_asked_and_comes_in_bursts(planned):
    assert 6 * SECONDS < len(planned) < 14 * SECONDS
    in_a_tenth = Counter(int(one.due * 10) for one in planned)
    assert max(in_a_tenth.values()) > 50


def test_records_come_twice_misplaced_and_out_of_order(planned):
    values = Counter(one.value for one in planned if one.value)
    assert max(values.values()) > 1
    assert any(one.partition is not None for one in planned)
    issued = defaultdict[str, list[str]](list)
    for one in planned:
        if one.value.startswith(b"[{") and one.value.endswith(b"}]"):
            issued[one.patient].append(orjson.loads(one.value)[0]["issued"])
    assert any(instants != sorted(instants) for instants in issued.values())


def test_alerts_are_raised_escalated_resolved_and_retracted(expected):
    states = Counter(alert["state"] for alert in expected.alerts.values())
    assert all(states[state] > 0 for state in ("raised", "escalated", "updated", "resolved", "retracted", "expired"))


def test_dead_letters_of_many_kinds_are_expected_and_no_fault_of_the_services_own(expected):
    reasons = set(expected.letters.values())
    assert {"bad-json", "schema", "wrong-subject", "missing-subject", "unknown-code", "unknown-unit"} <= reasons
    assert "internal-error" not in reasons


def test_patients_are_merged_and_records_moved_to_their_partition(expected):
    assert expected.written


def test_every_probe_but_the_first_of_a_patient_changes_an_alert():
    sent = probes(1, 200, PARTITIONS)
    expected = expect(Decider(catalogue(), shipped()), Settings(partitions=PARTITIONS), log(sent))
    answered = {probe_of(alert["trigger"]["items"][0]["id"]) for alert in expected.alerts.values()}
    asked = {probe_of(document["id"]) for one in sent if isinstance(document := orjson.loads(one.value), dict)}
    # A calm one after the admission has nothing to resolve.
    assert len(asked - answered) <= 2 * PARTITIONS * 3
    assert answered <= asked


@pytest.mark.parametrize(("item", "probe"), [("probe/3/17", (3, 17)), ("probe-1-2-admit", None), ("t1-0-0-3", None)])
def test_a_probe_is_known_by_its_observation(item, probe):
    assert probe_of(item) == probe

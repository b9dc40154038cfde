"""What a worker says of a cluster that is away, and for which failures it starts afresh."""

import logging
import sys
from collections.abc import Callable

import pytest
import structlog
from aiokafka import errors
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError

from streams import terms, worker
from streams.away import Away, BrokerAwayError, Falls, TopicChangedError, afresh, passes, wait
from streams.log import Sparing
from streams.secret import SecurityError
from streams.settings import Settings
from streams.shard import ShardError
from streams.topics import TopicError
from streams.worker import WorkerError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "failure",
    [
        errors.KafkaTimeoutError(),
        errors.KafkaConnectionError(),
        errors.ProducerFenced(),
        errors.UnknownTopicOrPartitionError(),
        errors.NotEnoughReplicasError(),
        errors.KafkaStorageError(),
        ShardError(),
        ConnectionResetError(),
        TimeoutError(),
        BrokerAwayError(),
        TopicChangedError(),
    ],
    ids=repr,
)
def test_what_passes_is_waited_for(failure):
    assert passes(failure)


@pytest.mark.parametrize(
    "failure",
    [
        errors.AuthenticationFailedError(),
        errors.SaslAuthenticationFailed(),
        errors.TopicAuthorizationFailedError(),
        errors.GroupAuthorizationFailedError(),
        errors.TransactionalIdAuthorizationFailed(),
        SecurityError(),
        KeyError("a fault of the service's own"),
        ValueError(),
        MemoryError(),
    ],
    ids=repr,
)
@pytest.mark.req("VAGT-REL-05")
def test_what_no_waiting_mends_ends_the_worker(failure):
    assert not passes(failure)
    wrapped = ShardError()
    wrapped.__cause__ = failure
    if isinstance(failure, (errors.KafkaError, SecurityError)):
        assert not passes(wrapped)


@pytest.mark.req("VAGT-REL-05")
def test_a_cluster_that_is_away_is_missed_aloud_at_once_and_every_ten_seconds():
    clock = Clock()
    missing = Away(clock)
    with structlog.testing.capture_logs() as said:
        missing.answered()
        for _ in range(25):
            missing.missed("KafkaTimeoutError")
            clock.now += 1
        missing.answered()
        missing.answered()
    assert [(one["event"], one["seconds"]) for one in said] == [
        ("broker.away", 0.0),
        ("broker.away", 10.0),
        ("broker.away", 20.0),
        ("broker.back", 25.0),
    ]


def test_the_pause_grows_with_each_fall_and_a_good_run_ends_the_row():
    falls = Falls()
    assert falls.pause_s == 0
    pauses = []
    for _ in range(8):
        falls = falls.next(lasted_s=5, since=None)
        pauses.append(falls.pause_s)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert falls.next(lasted_s=1000, since=None).pause_s == 1


def test_a_new_run_is_the_same_command_and_knows_of_the_falls_before_it(monkeypatch):
    ran = []
    monkeypatch.setattr("os.execv", lambda program, arguments: ran.append((program, arguments)))
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "streams.cli", "worker"])
    monkeypatch.setenv("_VAGT_FALLS", "")
    start_afresh: Callable[..., object] = afresh  # which would not return
    start_afresh(Falls(3, 1234.5), TimeoutError())
    assert ran == [(sys.executable, [sys.executable, "-m", "streams.cli", "worker"])]
    assert Falls.before() == Falls(3, 1234.5)
    assert Falls.before() == Falls()


def test_a_cluster_is_asked_until_it_answers(monkeypatch):
    naps: list[float] = []
    monkeypatch.setattr("time.sleep", naps.append)
    answers = iter([TopicError("one"), TopicError("two"), "here"])

    def ask():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with structlog.testing.capture_logs() as said:
        assert wait(ask, lambda error: "KafkaTimeoutError", Falls(2)) == "here"
    assert naps == [2, 1, 1]
    assert [one["event"] for one in said] == ["broker.away", "broker.back"]


def test_what_no_waiting_mends_is_raised_at_once():
    def ask():
        raise WorkerError("another number of partitions")

    with pytest.raises(WorkerError):
        wait(ask, worker._waited_for, Falls())


def test_a_worker_waits_for_a_cluster_that_is_away_and_not_for_one_that_refuses_it():
    def told(cause):
        error = TopicError("a sentence")
        error.__cause__ = cause
        return worker._waited_for(error)

    assert told(KafkaTimeoutError()) == "KafkaTimeoutError"
    assert told(TopicAuthorizationFailedError()) is None
    assert told(None) is None
    assert worker._waited_for(SecurityError("refused")) is None


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file", "model.txt"), ValueError("damaged")], ids=repr)
@pytest.mark.req("VAGT-MOD-01")
def test_a_worker_never_runs_without_one_of_its_models(monkeypatch, error):
    def gone(*_):
        raise error

    monkeypatch.setattr(terms, "shipped", gone)
    with pytest.raises(WorkerError, match="does not run without it"):
        worker._decider(Settings())


def test_libraries_say_the_same_once_in_ten_seconds_and_the_service_always():
    clock = Clock()
    sparing = Sparing(clock)

    def passed(name: str, message: str) -> bool:
        return sparing.filter(logging.LogRecord(name, logging.WARNING, "", 0, message, None, None))

    assert passed("aiokafka", "Unable connect to node with id 1")
    assert not passed("aiokafka", "Unable connect to node with id 22")
    assert passed("aiokafka", "Unable to update metadata from [1]")
    assert passed("aiokafka.client", "Unable connect to node with id 1")
    assert all(passed("streams.away", "broker.away") for _ in range(3))
    clock.now += 10
    assert passed("aiokafka", "Unable connect to node with id 1")


def test_a_library_with_ever_new_lines_takes_no_more_room():
    sparing = Sparing(Clock())
    for number in range(5_000):
        word = "".join(chr(97 + int(digit)) for digit in str(number))
        sparing.filter(logging.LogRecord("aiokafka", logging.WARNING, "", 0, word, None, None))
    assert len(sparing._seen) <= 1_001

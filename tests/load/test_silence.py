"""A silence counts while a record waits: from the output before it, or from the record's own coming."""

import orjson
import pytest

from load_tests.silence import Answer, first_answers, longest
from streams.deadletter import Source

ALWAYS = (0.0, float("inf"))


def answers(*times: tuple[float, float], partition: int = 0) -> list[Answer]:
    return [Answer(partition, asked, said) for asked, said in times]


def test_a_silence_is_from_output_to_output_while_a_record_waits():
    assert longest([answers((0, 1), (1, 2), (2, 7), (3, 7.1), (8, 8.1))], *ALWAYS) == 5.0


def test_nobody_is_silent_while_nothing_is_asked():
    assert longest([answers((0, 1), (50, 50.5))], *ALWAYS) == 0.5


def test_the_oldest_of_those_that_waited_counts_whichever_is_answered_first():
    assert longest([answers((0, 1), (9, 10), (4, 11))], *ALWAYS) == 6.0


def test_one_silent_partition_is_seen_beside_another_that_speaks():
    one, other = answers((0, 0), (1, 9)), answers(*((second, second) for second in range(10)), partition=1)
    assert longest([one, other], *ALWAYS) == 8.0
    assert longest([one + other], *ALWAYS) == 1.0


@pytest.mark.parametrize(("since", "until", "seconds"), [(0, 7, 5.0), (7, 10, 2.0), (0, 6.9, 1.0)])
def test_a_silence_belongs_to_the_span_in_which_it_ends(since, until, seconds):
    assert longest([answers((0, 1), (1, 2), (2, 7), (7, 9))], since, until) == seconds


def source(partition: int, offset: int, at: int, value: object) -> Source:
    return Source("t", partition, offset, at, b"p", orjson.dumps(value), ())


def test_the_first_output_of_a_record_is_its_answer_and_a_heartbeat_is_none():
    events = [source(0, 5, 1_000, {}), source(0, 6, 2_000, {})]
    outputs = [
        source(0, 0, 4_000, {"kind": "news2", "trigger": {"offset": 5}}),
        source(0, 1, 3_000, [{"trigger": {"offset": 5}}]),
        source(0, 2, 9_000, {"partition": 0}),
    ]
    assert first_answers(events, outputs) == [Answer(0, 1.0, 3.0)]

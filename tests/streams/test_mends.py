"""How long a request for records may wait at the broker."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from streams.mends import _Fetcher

_PARTITIONS = [TopicPartition("events", number) for number in range(3)]


def waits_ms(*, in_hand: int | None = None, paused: int | None = None) -> int:
    """What the request says that is made when of one partition there are records in hand, or one is paused."""
    fetcher = cast(Any, object.__new__(_Fetcher))
    cluster = SimpleNamespace(leader_for_partition=lambda _partition: 1)
    vars(fetcher).update(
        _client=SimpleNamespace(cluster=cluster),
        _client_rack=None,
        _fetch_max_bytes=1,
        _fetch_min_bytes=1,
        _fetcher_timeout=1.0,
        _in_flight=set(),
        _isolation_level=0,
        _max_partition_fetch_bytes=1,
        _preferred_read_replica={},
        _records={} if in_hand is None else {_PARTITIONS[in_hand]: SimpleNamespace(calculate_backoff=lambda: 0)},
    )
    states = {
        one: SimpleNamespace(has_valid_position=True, paused=number == paused, position=7, resume_fut=None)
        for number, one in enumerate(_PARTITIONS)
    }
    assignment = SimpleNamespace(tps=_PARTITIONS, state_value=states.__getitem__)
    [(_node, request)] = fetcher._get_actions_per_node(assignment)[0]
    return int(request._max_wait_ms)


def test_a_request_for_all_partitions_may_wait_long() -> None:
    assert waits_ms() == 250


@pytest.mark.parametrize("left_out", [{"in_hand": 1}, {"paused": 2}])
def test_a_request_without_a_partition_holds_it_up_for_no_longer_than_10_ms(left_out: dict[str, int]) -> None:
    assert waits_ms(**left_out) == 10

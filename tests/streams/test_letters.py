"""Which part of a dead letter is sent again."""

import orjson
import pytest

from streams.letters import _letter, _object

RECORD = orjson.dumps([{"id": "a"}, {"id": "b"}])


def again(reason: str, item: str = "0", value: bytes = RECORD) -> bytes | None:
    return _object(_letter(b"p-1", value, (("reason", reason.encode()), ("item", item.encode()))))


@pytest.mark.parametrize(
    "reason", ["internal-error", "not-pseudonymised", "too-many", "unreadable-state", "wrong-partition"]
)
def test_of_a_record_that_was_refused_as_a_whole_all_is_sent_again(reason: str) -> None:
    assert again(reason) == RECORD


@pytest.mark.req("VAGT-OPS-06")
def test_of_an_object_that_was_refused_that_object_alone_is_sent_again() -> None:
    assert again("unknown-code") == b'[{"id":"a"}]'
    assert again("implausible", "1") == b'[{"id":"b"}]'


def test_what_is_no_array_is_sent_again_as_it_is() -> None:
    assert again("unknown-code", value=b'{"id":"a"}') == b'{"id":"a"}'
    assert again("bad-json", value=b"{") == b"{"

"""Bytes that are no request, on the board's port: it refuses them, closes, and goes on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from load_tests.port import HEALTH, POST, board, is_alive, said, statuses, word
from streams.board.wire import MOST_HEAD


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with board(tmp_path_factory.mktemp("board") / "log.txt") as found:
        yield found


@pytest.mark.parametrize(
    "told",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX\x00Y: b\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /\x80\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # somebody tries TLS
        b"\x00\x00\x00\x0e\x00\x12\x00\x00\x00\x00\x00\x01\x00\x04vagt",  # ... or Kafka
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEALTH + b"X: " + b"a" * MOST_HEAD + b"\r\n\r\n",
        HEALTH + b"X: 1\r\n" * (MOST_HEAD // 2) + b"\r\n",
        b"GET /" + b"a" * MOST_HEAD + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /" + b"a" * 3 * MOST_HEAD,
    ],
    ids=lambda told: repr(told[:40]),
)
def test_what_is_no_request_is_refused_and_answered_once(port, told):
    assert statuses(said(port, told)) in ([400], [])
    assert is_alive(port)


@pytest.mark.parametrize("told", [b"", b"G", b"GET /healthz", HEALTH, POST + b"Content-Length: 10\r\n\r\nhalf"])
def test_who_goes_in_the_middle_of_a_request_leaves_nothing_behind(port, told):
    assert statuses(said(port, told)) in ([], [400])
    assert is_alive(port)


def test_requests_one_after_the_other_are_each_answered(port):
    assert statuses(said(port, (HEALTH + b"\r\n") * 3, end=False)) == [200] * 3


@pytest.mark.slow
@pytest.mark.req("VAGT-SEC-07")
def test_who_dawdles_is_let_go(port):
    heads = [b"", b"GET /healthz HT", HEALTH, HEALTH + b"\r\n\r\n"]
    with ThreadPoolExecutor() as crowd:
        told = list(
            crowd.map(lambda one: said(port, one, end=False), [*heads, POST + b"Content-Length: 9\r\n\r\nhalf"])
        )
    assert [statuses(one) for one in told] == [[], [], [], [200], [408]]


@pytest.mark.req("VAGT-SEC-07")
def test_garbage_of_every_kind_is_survived(port):
    for number in range(100):
        said(port, word(1, number))
    assert is_alive(port)

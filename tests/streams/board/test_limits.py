"""How much somebody may ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from streams.board import limits
from streams.board.limits import MOST_STREAMS, Limit, Rates, Seats, address
from streams.board.web import Board
from streams.settings import Settings


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_through_and_then_as_many_as_a_minute_allows():
    clock = Clock()
    rates = Rates(Limit(burst=3, a_minute=60), clock)
    assert [rates.wait("a") for _ in range(5)] == [0, 0, 0, 1, 1]
    assert rates.wait("b") == 0
    clock.now += 1.0
    assert [rates.wait("a") for _ in range(2)] == [0, 1]
    clock.now += 3600
    assert [rates.wait("a") for _ in range(4)] == [0, 0, 0, 1]


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 10), st.integers(1, 300))
def test_nobody_gets_more_than_the_burst_and_the_rate_and_who_waits_as_told_is_let_through(pauses, burst, a_minute):
    clock = Clock()
    rates = Rates(Limit(burst, a_minute), clock)
    began, let = clock.now, 0
    for pause in pauses:
        clock.now += pause
        wait = rates.wait("a")
        let += wait == 0
        assert let <= burst + (clock.now - began) * a_minute / 60 + 1e-6
        if wait:
            clock.now += wait
            assert rates.wait("a") == 0
            let += 1


def test_what_is_remembered_of_addresses_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "_MOST_KEYS", 3)
    rates = Rates(Limit(1, 60), Clock())
    assert [rates.wait(key) for key in "abcd"] == [0] * 4
    assert rates.wait("d") == 1
    assert rates.wait("a") == 0  # forgotten
    assert len(rates._whole) == 3


def test_streams_are_counted_while_they_are_open():
    seats = Seats()
    with seats.taken("a"):
        for _ in range(MOST_STREAMS - 1):
            seats._taken["a"] += 1
        assert not seats.free("a")
        assert seats.free("b")
    assert seats.free("a")
    del seats._taken["a"]
    with seats.taken("a"):
        pass
    assert not seats._taken


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_is_that_of_a_customer(host, found):
    assert address({"type": "http", "client": (host, 1)}) == found


def test_who_has_no_address_is_counted_all_the_same():
    assert address({"type": "http", "client": None}) == ""


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    async def nothing(*_: object) -> None:
        """There is no Kafka to write views to."""

    monkeypatch.setattr("streams.board.access.Access.saw", nothing)
    app = Board(Settings(kafka_bootstrap="127.0.0.1:1")).app
    return TestClient(app, base_url="http://127.0.0.1:8080", headers={"accept": "application/json"})


def test_who_loads_pages_too_fast_is_told_to_wait_and_for_how_long(client):
    client.get("/ward")  # from here on the session is known
    answers = [client.get("/ward") for _ in range(limits.LIMITS["page"].burst + 5)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].json()["error"] == "Det går for hurtigt: vent lidt, og prøv igen."
    client.cookies.clear()
    assert client.get("/ward").status_code == 200  # another session


@pytest.mark.req("VAGT-SEC-07")
def test_an_address_that_asks_too_fast_is_told_to_wait(monkeypatch, client):
    monkeypatch.setattr(limits, "ADDRESS", Limit(3, 60))
    answers = [client.get("/healthz") for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/answer", "/language", "/ward", "/nothing", "/cds-services/vagt-patient-view"])
@pytest.mark.req("VAGT-SEC-07")
def test_a_body_that_is_too_large_is_refused_on_every_path(client, path):
    assert client.post(path, content=b"x" * (256 * 1024)).status_code != 413
    refused = client.post(path, content=b"x" * (256 * 1024 + 1))
    assert refused.status_code == 413
    assert "bytes" in refused.text

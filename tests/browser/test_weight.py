"""How heavy the pages are on the wire, letters aside, and what they are made of."""

import gzip
import re
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from streams.board.house import House
from streams.board.web import STATIC, Board
from streams.settings import Settings
from tests.streams.board.told import alert, reason, score, shown

_KB = 1000


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    async def nothing(*_: object) -> None:
        """There is no Kafka to write views to."""

    monkeypatch.setattr("streams.board.access.Access.saw", nothing)
    board = Board(Settings(kafka_bootstrap="127.0.0.1:1"))
    fill(board.house)
    return TestClient(board.app, base_url="http://127.0.0.1:8080")


def fill(house: House) -> None:
    """Thirty patients, each with two alerts and reasons for them."""
    for number in range(30):
        name = f"p-{number}"
        reasons = tuple(reason(f"analyte_{n}", f"Lactate {n}.{number} mmol/L, rising") for n in range(6))
        told = [
            alert(id=f"{kind}-{number:032d}", kind=kind, patient=name, score=score(kind, patient=name, reasons=reasons))
            for kind in ("infection-risk", "aki")
        ]
        person: dict[str, Any] = {"name": f"Anna Number{number} Jensen", "bed": str(number), "birth_date": "1951-05-02"}
        since = {one.id: one.at for one in told}
        house.hear_now(name, shown(patient=name, alerts=tuple(told), since=since, **person))


def weight(client: TestClient, path: str) -> int:
    """Bytes of a page with all that it loads, each compressed by itself."""
    page = client.get(path).text
    parts = set(re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css))"', page))
    assert any(one.endswith(".js") for one in parts)
    assert any(one.endswith(".css") for one in parts)
    return sum(len(gzip.compress(text)) for text in (page.encode(), *(client.get(one).content for one in parts)))


@pytest.mark.req("VAGT-BRD-15")
def test_the_ward_is_light(client):
    assert weight(client, "/ward") <= 45 * _KB


@pytest.mark.req("VAGT-BRD-15")
def test_the_patients_page_is_light(client):
    (handle, *_) = re.findall(r'name="handle" value="([^"]+)"', client.get("/ward").text)
    assert weight(client, f"/patient/{handle}") <= 75 * _KB


@pytest.mark.req("VAGT-BRD-10")
def test_nothing_is_asked_of_another_host():
    for file in STATIC.glob("*.[cj]s*"):
        if file.name != "THIRD_PARTY.json":
            assert not re.search(rb"https?://(?!www\.w3\.org/)", file.read_bytes()), file.name


def test_what_others_made_is_named_with_its_licence():
    parts = orjson.loads((STATIC / "THIRD_PARTY.json").read_bytes())
    assert {one["name"] for one in parts} >= {"uplot", "@fontsource/ibm-plex-sans"}
    assert all(one["version"] and one["integrity"] and one["licence"] for one in parts)

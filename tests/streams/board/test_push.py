"""What an open board is told: all lines first, then whoever changed, the newest only, and a sign of life."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

import orjson
import pytest

from streams.board import push
from streams.board.push import EventStream, Hub


class Ward:
    """Patients whose lines are numbers that count up."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {"a": 1, "b": 1}
        self.worked_out = 0
        self.hub = Hub(self.line, lambda: sorted(self.lines), lambda language: {"at": 1, "language": language})

    def line(self, patient: str, language: str) -> dict[str, Any] | None:
        self.worked_out += 1
        if patient not in self.lines:
            return None
        return {
            "ward": "M1" if patient == "a" else "M2",
            "order": f"{self.lines[patient]:05}",
            "n": self.lines[patient],
            "language": language,
        }

    def change(self, patient: str, number: int | None) -> None:
        self.lines.pop(patient, None)
        if number is not None:
            self.lines[patient] = number
        self.hub.changed(patient)

    def open(self, ward: str = "", language: Any = "da") -> AsyncGenerator[bytes, None]:
        return self.hub.stream(language, ward, str.upper)


@pytest.fixture
async def ward() -> AsyncIterator[Ward]:
    found = Ward()
    running = asyncio.create_task(found.hub.run())
    yield found
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def told(stream: AsyncIterator[bytes], name: str = "rows") -> dict[str, Any]:
    async for event in stream:
        if event.startswith(f"event: {name}\n".encode()):
            found: dict[str, Any] = orjson.loads(event.split(b"data: ", 1)[1])
            return found
    raise AssertionError("the stream ended")


async def test_a_board_that_opens_is_told_all_lines_by_its_own_names(ward):
    found = await told(ward.open())
    assert found == {
        "rows": [
            {"handle": "A", "ward": "M1", "order": "00001", "n": 1, "language": "da"},
            {"handle": "B", "ward": "M2", "order": "00001", "n": 1, "language": "da"},
        ],
        "gone": [],
        "whole": True,
    }


async def test_then_it_is_told_who_changed_and_the_newest_alone(ward):
    stream = ward.open()
    await told(stream)
    for number in range(2, 50):
        ward.change("a", number)
    found = await told(stream)
    assert ([one["n"] for one in found["rows"]], found["whole"]) == ([49], False)


async def test_who_left_is_told_to_be_gone(ward):
    stream = ward.open()
    await told(stream)
    ward.change("a", None)
    assert await told(stream) == {"rows": [], "gone": ["A"], "whole": False}


async def test_a_board_of_one_ward_is_told_of_that_ward_and_of_who_is_moved_away(ward):
    stream = ward.open("M2")
    assert [one["handle"] for one in (await told(stream))["rows"]] == ["B"]
    ward.change("a", 2)
    assert await told(stream) == {"rows": [], "gone": ["A"], "whole": False}


async def test_a_line_is_worked_out_once_for_each_language_however_many_look(ward):
    streams = [ward.open(language=language) for language in ("da", "da", "da", "en")]
    for stream in streams:
        await told(stream)
    assert ward.worked_out == 4
    ward.change("a", 2)
    for stream in streams:
        assert (await told(stream))["rows"][0]["n"] == 2
    assert ward.worked_out == 6


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "PULSE_S", 0.05)


async def test_a_sign_of_life_comes_at_once_and_then_whether_anything_changes_or_not(quick, ward):
    stream = ward.open(language="en")
    for _ in range(3):
        assert await told(stream, "pulse") == {"at": 1, "language": "en"}
    for number in range(3):
        ward.change("a", number)
        assert await told(stream, "pulse") == {"at": 1, "language": "en"}


async def test_a_board_that_is_closed_is_forgotten(ward):
    stream = ward.open()
    await told(stream)
    await stream.aclose()
    assert not ward.hub._clients


async def test_of_very_many_those_are_told_who_need_most(ward):
    ward.lines = {f"p-{n}": n for n in range(10_000, 0, -1)}
    found = await told(ward.open())
    assert [one["n"] for one in found["rows"]] == list(range(1, push.MOST_LINES + 1))
    ward.change("p-9000", 9_000)
    assert [one["n"] for one in (await told(ward.open()))["rows"]][-1] == push.MOST_LINES


async def test_many_changes_reach_many_boards_each_once(ward):
    streams = [ward.open() for _ in range(50)]
    await asyncio.gather(*(told(stream) for stream in streams))
    ward.change("a", 7)
    ward.change("b", 8)
    for found in await asyncio.gather(*(told(stream) for stream in streams)):
        assert [one["n"] for one in found["rows"]] == [7, 8]


async def test_who_reads_slowly_misses_what_was_overtaken_and_holds_up_nobody(ward):
    slow, quick = ward.open(), ward.open()
    await told(slow)
    await told(quick)
    for number in (2, 3, 4):
        ward.change("a", number)
        assert [one["n"] for one in (await told(quick))["rows"]] == [number]
    assert [one["n"] for one in (await told(slow))["rows"]] == [4]


async def test_a_stream_ends_when_the_browser_goes(ward):
    gone = asyncio.Event()
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, str]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if b"event: rows" in message.get("body", b""):
            gone.set()

    await EventStream(ward.open())({"type": "http"}, receive, send)
    assert dict(sent[0]["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert not ward.hub._clients

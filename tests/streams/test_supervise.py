"""What becomes of a process that dies again and again, and of those beside it."""

import asyncio
import itertools
import logging
from pathlib import Path

import pytest

from streams import supervise
from streams.settings import Settings
from streams.supervise import Supervised, UpError

#: A command that ends at once, as there is none of that name.
NOTHING = "no-such-command"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "_PAUSE_S", 0.01)
    monkeypatch.setattr(supervise, "_LOOK_EVERY_S", 0.01)


def supervised(folder: Path, needed: bool) -> Supervised:
    return Supervised(Settings(data_dir=folder), "part", NOTHING, needed=needed)


def test_what_is_needed_ends_all_when_it_dies_again_and_again(tmp_path):
    told: list[str] = []
    with pytest.raises(UpError, match=r"part dies again and again: .*part\.log says why"):
        asyncio.run(supervised(tmp_path, needed=True).run(told.append))
    assert len(told) == 4
    assert NOTHING in (tmp_path / "logs" / "part.log").read_text()


def test_what_is_not_needed_is_tried_again_and_ends_nobody(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(supervise, "_REST_S", 0.02)
    told: list[str] = []
    one = supervised(tmp_path, needed=False)
    tries, often = itertools.count(1), asyncio.Event()

    def spawn():
        if next(tries) == 7:
            often.set()
        return type(one)._spawn(one)

    monkeypatch.setattr(one, "_spawn", spawn)

    async def until_it_was_tried_after_that():
        running = asyncio.create_task(one.run(told.append))
        async with asyncio.timeout(60):
            await asyncio.wait({running, asyncio.create_task(often.wait())}, return_when=asyncio.FIRST_COMPLETED)
        assert not running.done()
        running.cancel()
        await asyncio.wait({running})

    with caplog.at_level(logging.WARNING):
        asyncio.run(until_it_was_tried_after_that())
    assert len(told) == 5, "and silence from then on"
    assert told[-1].startswith("part dies again and again")
    assert told[-1].endswith("Alerts go on without it.")
    assert told[-1] in caplog.text

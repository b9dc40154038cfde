"""Models that run elsewhere, asked over a real connection: whatever they do, an answer or a reason comes of it."""

import asyncio
import json
from typing import Any

import pytest

from features.answer import Answer
from features.record import Record
from models.artefact import UNSIGNED
from models.remote import Question, Remote
from streams import remote
from streams.remote import Remotes, understood
from tests.builders import after, encounter
from tests.endpoint import Endpoint, said, serving
from tests.plugins import manifest, put

HASH = "ab" * 32
MODEL = {"name": "crisis", "version": "1", "sha256": HASH}
GOOD = {"score": 0.25, "model": MODEL}
WHOM = (2, "p-1007")
RECORD = after(encounter("admit", 0, unitType="ward", birthDate="1951-05-02"))


def model(folder, url: str = "https://models.example/", name: str = "crisis", deadline_ms: int = 1_000) -> Remote:
    http = {"type": "http", "url": url, "sha256": HASH, "deadline_ms": deadline_ms}
    return Remote(put(folder / name, manifest(runtime=http, name=name, kind=f"{name}-risk")), UNSIGNED)


class Asking:
    """The callers of some models, and what they write to ``events``."""

    def __init__(self, *models: Remote) -> None:
        self._written: asyncio.Queue[Any] = asyncio.Queue()
        self.remotes = Remotes(models, self._say)

    async def __aenter__(self) -> "Asking":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.remotes.close()

    async def _say(self, whom: Any, item: Any) -> None:
        self._written.put_nowait((whom, item))

    async def written(self, number: int, *questions: tuple[Any, Record, Question]) -> list[Any]:
        """So many answers to these questions, which are put one after the other without a pause."""
        for whom, record, question in questions:
            self.remotes.put(whom, record, [question])
        self.remotes.start()
        return [await asyncio.wait_for(self._written.get(), 60) for _ in range(number)]


async def one(folder, endpoint: Endpoint, **more: Any) -> Any:
    async with Asking(model(folder, endpoint.url, **more)) as asking:
        [(whom, item)] = await asking.written(1, (WHOM, RECORD, Question("crisis", 3)))
    assert whom == WHOM
    return item


async def test_a_good_answer_becomes_a_score_for_events(tmp_path):
    with serving(lambda _: said(GOOD)) as endpoint:
        item = await one(tmp_path, endpoint)
    assert (item["type"], item["version"], item["score"], "reason" in item) == ("score", 3, 0.25, False)
    assert (item["patient"], item["origin"]) == ("p-1007", "vagt")
    [request] = endpoint.asked
    assert request["features"]["age_years"] == 74
    assert "p-1007" not in repr(request)
    assert request["id"] == item["id"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (said(b"garbage"), "bad-answer"),
        (said(b""), "bad-answer"),
        (said([GOOD]), "bad-answer"),
        (said({"model": MODEL}), "bad-answer"),
        (said({**GOOD, "score": "0.25"}), "bad-answer"),
        (said({**GOOD, "score": True}), "bad-answer"),
        (said(b'{"score": NaN, "model": {"sha256": "' + HASH.encode() + b'"}}'), "bad-answer"),
        (said(b'{"score": 1e999, "model": {"sha256": "' + HASH.encode() + b'"}}'), "bad-answer"),
        (said({**GOOD, "score": 1.01}), "bad-answer"),
        (said({**GOOD, "model": None}), "bad-answer"),
        (said({**GOOD, "model": {**MODEL, "sha256": "cd" * 32}}), "other-model"),
        (said({"abstained": True, "model": MODEL}), "declined"),
        (said(b" " * 70_000 + json.dumps(GOOD).encode()), "bad-answer"),
        (said(b"[" * 60_000), "bad-answer"),
        (said(b"", "302 Found", "Location: http://127.0.0.1:1/"), "bad-answer"),
        (said(GOOD, "404 Not Found"), "bad-answer"),
        (said(GOOD, "503 Service Unavailable"), "no-answer"),
        (b"", "no-answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", "no-answer"),
        (b"\x16\x03\x01 what is this", "no-answer"),
    ],
    ids=range(20),
)
@pytest.mark.req("VAGT-MOD-11")
async def test_an_answer_that_is_none_is_a_reason_and_never_a_score(tmp_path, reply, reason):
    with serving(lambda _: reply) as endpoint:
        item = await one(tmp_path, endpoint)
    assert (item["reason"], "score" in item) == (reason, False)
    assert len(endpoint.asked) == 1, "a redirection is not followed"


async def test_a_model_that_hangs_is_given_up_at_its_deadline(tmp_path):
    with serving() as endpoint:
        assert (await one(tmp_path, endpoint, deadline_ms=50))["reason"] == "no-answer"


async def test_a_model_that_never_ends_its_answer_is_given_up_at_its_deadline(tmp_path):
    with serving(lambda _: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n" * 1) as endpoint:
        assert (await one(tmp_path, endpoint, deadline_ms=200))["reason"] == "no-answer"


async def test_nobody_there_is_no_answer(tmp_path):
    assert (await one(tmp_path, Endpoint("http://127.0.0.1:1/")))["reason"] == "no-answer"


@pytest.mark.req("VAGT-MOD-11")
async def test_a_model_that_hangs_holds_up_no_other(tmp_path):
    with serving() as hangs, serving(lambda _: said(GOOD)) as answers:
        models = [model(tmp_path, hangs.url, "slow", 30_000), model(tmp_path, answers.url)]
        questions = [((0, f"p-{n}"), RECORD, Question(name, 1)) for n in range(20) for name in ("slow", "crisis")]
        async with Asking(*models) as asking:
            written = await asking.written(20, *questions)
    assert {item["model"]["name"] for _, item in written} == {"crisis"}


async def test_after_failures_in_a_row_a_model_is_left_alone_and_then_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "_CALLERS", 1)
    replies = [b""] * remote._MOST_FAILURES + [said(GOOD)] * 100
    with serving(lambda _: replies.pop(0)) as endpoint:
        async with Asking(model(tmp_path, endpoint.url)) as asking:
            questions = [((0, f"p-{n}"), RECORD, Question("crisis", 1)) for n in range(20)]
            written = await asking.written(20, *questions)
            assert len(endpoint.asked) == remote._MOST_FAILURES, "the other fifteen were not sent"
            assert {item["reason"] for _, item in written} == {"no-answer"}
            asking.remotes._lines["crisis"]._resumes = 0  # as if the time had passed
            [(_, item)] = await asking.written(1, ((0, "p-0"), RECORD, Question("crisis", 2)))
    assert item["score"] == 0.25


async def test_that_a_model_does_not_answer_is_said_once_of_a_patient(tmp_path):
    crisis = model(tmp_path, "http://127.0.0.1:1/")
    silent = Answer(4, 3, 0, crisis.model.sha256, None, "no-answer")
    known = Record(now=RECORD.now, answers={"crisis": silent})
    questions = [((0, "p-1"), known, Question("crisis", 4)), ((0, "p-2"), RECORD, Question("crisis", 1))]
    async with Asking(crisis) as asking:
        written = await asking.written(1, *questions)
    assert [whom for whom, _ in written] == [(0, "p-2")]


async def test_of_a_patient_the_newest_question_alone_is_asked_and_of_too_many_the_oldest_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "_MOST_WAITING", 3)
    with serving(lambda _: said(GOOD)) as endpoint:
        numbers = [((0, "p-1"), RECORD, Question("crisis", n)) for n in range(1, 6)]
        others = [((0, f"p-{n}"), RECORD, Question("crisis", 1)) for n in (2, 3, 4)]
        async with Asking(model(tmp_path, endpoint.url)) as asking:
            written = await asking.written(3, *numbers, *others)
    assert sorted((whom[1], item["version"]) for whom, item in written) == [("p-2", 1), ("p-3", 1), ("p-4", 1)]


async def test_what_waits_is_not_asked_once_the_partition_has_another_owner(tmp_path):
    with serving(lambda _: said(GOOD)) as endpoint:
        async with Asking(model(tmp_path, endpoint.url)) as asking:
            asking.remotes.put(WHOM, RECORD, [Question("crisis", 1)])
            asking.remotes.forget()
            await asking.written(1, ((0, "p-2"), RECORD, Question("crisis", 1)))
    assert len(endpoint.asked) == 1


def test_what_an_answer_says_is_the_same_each_time(tmp_path):
    crisis = model(tmp_path)
    assert understood(crisis, None) == understood(crisis, b"{}") == "bad-answer"

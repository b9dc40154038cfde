"""Models that run elsewhere are asked here, beside the decisions: no decision waits for one.

Each model has a queue in which a patient stands once, with the newest question, and a few callers. What comes back, or
that nothing did, is handed on to be written to ``events``. After failures in a row a model is left alone for a while.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import aiohttp
import orjson
from aiokafka.errors import KafkaError

from features.events import NoScore
from features.record import Record
from models.remote import Question, Remote, identity
from models.scorer import Scorer
from streams.log import logger

_LOG = logger(__name__)

#: Questions that one model is asked at a time, and that wait for it; beyond it the oldest goes unanswered.
_CALLERS: Final = 4
_MOST_WAITING: Final = 1_000
#: So many failures in a row, and the model is left alone for so long.
_MOST_FAILURES: Final = 5
_LEFT_ALONE_S: Final = 30.0
_MOST_BYTES: Final = 64 * 1024

#: Where a patient's record lies, and who that is.
Whom = tuple[int, str]
#: Writes an answer to ``events``.
Say = Callable[[Whom, dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, and the record of the patient as it was then."""

    question: Question
    record: Record


def session() -> aiohttp.ClientSession:
    """What models are asked with: it keeps nothing of what they say, and unpacks nothing."""
    return aiohttp.ClientSession(
        # A connection that the other end let go of meanwhile would look like a model that does not answer.
        connector=aiohttp.TCPConnector(force_close=True),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
    )


class Remotes:
    """All models of one worker that run elsewhere. Not thread-safe: all calls come from the worker's loop."""

    def __init__(self, scorers: Iterable[Scorer], say: Say) -> None:
        self._lines = {one.model.name: _Line(one, say) for one in scorers if isinstance(one, Remote)}
        self._callers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        """Begin to call."""
        if self._lines and self._session is None:
            self._session = session()
            calls = [line.call(self._session) for line in self._lines.values() for _ in range(_CALLERS)]
            self._callers = [asyncio.create_task(call) for call in calls]

    def put(self, whom: Whom, record: Record, questions: Sequence[Question]) -> None:
        """Ask about a patient, in place of what was not asked yet."""
        for one in questions:
            self._lines[one.model].put(whom, _Asked(one, record))

    def forget(self) -> None:
        """Ask nothing more of what waits: the partitions have another owner."""
        for line in self._lines.values():
            line.waiting.clear()

    async def close(self) -> None:
        """Stop calling."""
        for caller in self._callers:
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


class _Line:
    """The questions to one model."""

    def __init__(self, model: Remote, say: Say) -> None:
        self.waiting: OrderedDict[Whom, _Asked] = OrderedDict()
        self._model = model
        self._say = say
        self._rings = asyncio.Event()
        self._failures = 0
        self._resumes = 0.0

    def put(self, whom: Whom, asked: _Asked) -> None:
        self.waiting[whom] = asked
        if len(self.waiting) > _MOST_WAITING:
            self.waiting.popitem(last=False)
        self._rings.set()

    async def call(self, session: aiohttp.ClientSession) -> None:
        """Ask one question after the other, for ever."""
        while True:
            while not self.waiting:
                self._rings.clear()
                await self._rings.wait()
            whom, asked = self.waiting.popitem(last=False)
            answer: float | NoScore = "no-answer"
            if time.monotonic() >= self._resumes:
                answer = await ask(session, self._model, asked.record, identity(whom[1], asked.question))
                self._note(answer)
            known = asked.record.answers.get(self._model.model.name)
            told = known is not None and known.sha256 == self._model.model.sha256 and known.reason == answer
            if told:
                continue
            try:
                await self._say(whom, self._model.item(whom[1], asked.question, asked.record.now, answer))
            except KafkaError as error:
                _LOG.warning("remote.unsaid", model=self._model.model.name, error=type(error).__name__)

    def _note(self, answer: float | NoScore) -> None:
        """Leave the model alone after failures in a row, until one call succeeds."""
        if not isinstance(answer, str) or answer == "declined":
            if self._failures >= _MOST_FAILURES:
                _LOG.warning("remote.answers", model=self._model.model.name)
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= _MOST_FAILURES:
            if self._failures == _MOST_FAILURES:
                _LOG.error("remote.left_alone", model=self._model.model.name, reason=answer, seconds=_LEFT_ALONE_S)
            self._resumes = time.monotonic() + _LEFT_ALONE_S


async def ask(session: aiohttp.ClientSession, model: Remote, record: Record, name: str) -> float | NoScore:
    """One question, by its name, and what came of it before the deadline."""
    runtime = model.runtime
    try:
        async with session.post(
            runtime.url,
            data=orjson.dumps(model.payload(record, name)),
            headers={"Content-Type": "application/json"},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=runtime.deadline_ms / 1000),
        ) as response:
            if response.status != 200:
                return "no-answer" if response.status >= 500 else "bad-answer"
            return understood(model, await _whole(response))
    except (aiohttp.ClientError, TimeoutError, OSError):
        return "no-answer"
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        _LOG.error("remote.failed", model=model.model.name, error=type(error).__name__)
        return "bad-answer"


def understood(model: Remote, body: bytes | None) -> float | NoScore:
    """What an answer says; ``None`` is one that was too large."""
    document: Any = None
    with suppress(orjson.JSONDecodeError):
        document = orjson.loads(body or b"")
    if not isinstance(document, dict) or not isinstance(document.get("model"), dict):
        return "bad-answer"
    if document["model"].get("sha256") != model.runtime.sha256:
        return "other-model"
    if document.get("abstained") is True:
        return "declined"
    score, out = document.get("score"), model.manifest.output
    if not isinstance(score, int | float) or isinstance(score, bool) or not isfinite(score):
        return "bad-answer"
    return float(score) if out.low <= score <= out.high else "bad-answer"


async def _whole(response: aiohttp.ClientResponse) -> bytes | None:
    """The body of an answer; ``None`` for one that is too large."""
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MOST_BYTES:
            return None
    return body

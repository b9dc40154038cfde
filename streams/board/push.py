"""Server-sent events to any number of open boards: each is told the newest line of whoever changed, and never queues.

A board that is slow misses what was overtaken, and nothing else. A line is worked out once for each language, whoever
looks at it; the patient's handle alone is the viewer's own. One beat wakes all boards: they need no clock of their own.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from starlette.types import Receive, Scope, Send

from streams import metrics
from streams.board.phrases import LANGUAGES, Language

#: A board is told at most this often.
_FLUSH_S: Final = 0.05
PULSE_S: Final = 5.0
#: A list has at most so many lines, those that need most: nobody reads more, and no page carries it.
MOST_LINES: Final = 300
#: How long a browser waits before it connects again.
_RETRY: Final = b"retry: 2000\n\n"
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
)


@dataclass(eq=False, slots=True)
class _Client:
    language: Language
    ward: str
    whole: bool = True
    pulse: bool = True
    waiting: set[str] = field(default_factory=set)
    #: Since when (monotonic, s) the first of them waits.
    since: float = 0.0
    woken: "asyncio.Future[None] | None" = None

    def wake(self) -> None:
        if self.woken is not None and not self.woken.done():
            self.woken.set_result(None)

    async def sleep(self) -> None:
        """Until there is something to tell."""
        self.woken = asyncio.get_running_loop().create_future()
        await self.woken


class Hub:
    """All open boards. ``line`` gives a patient's row in a language, ``None`` for who is not shown."""

    def __init__(
        self,
        line: Callable[[str, Language], Mapping[str, Any] | None],
        everybody: Callable[[], list[str]],
        pulse: Callable[[Language], Mapping[str, Any]],
    ) -> None:
        self._line = line
        self._everybody = everybody
        self._pulse = pulse
        self._clients: set[_Client] = set()
        metrics.CLIENTS.follow(lambda: {(): len(self._clients)})
        self._changed = asyncio.Event()
        self._known: dict[Language, dict[str, tuple[str, str, bytes] | None]] = {one: {} for one in LANGUAGES}

    def changed(self, patient: str) -> None:
        """A patient changed, came or left."""
        for known in self._known.values():
            known.pop(patient, None)
        now = time.monotonic()
        for client in self._clients:
            if not client.waiting:
                client.since = now
            client.waiting.add(patient)
        self._changed.set()

    async def run(self) -> None:
        """Wake the boards when something changed, and now and then for a sign of life, until cancelled."""
        clock = asyncio.get_running_loop().time
        pulsed = clock()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(pulsed + PULSE_S):
                    await self._changed.wait()
            self._changed.clear()
            pulses = clock() >= pulsed + PULSE_S
            if pulses:
                pulsed = clock()
            for client in self._clients:
                client.pulse = client.pulse or pulses
                client.wake()
            await asyncio.sleep(_FLUSH_S)

    async def stream(self, language: Language, ward: str, handle: Callable[[str], str]) -> AsyncGenerator[bytes, None]:
        """What one board is told, from all its lines on; ``handle`` is its name of a patient."""
        client = _Client(language, ward)
        self._clients.add(client)
        try:
            yield _RETRY
            while True:
                if client.whole or client.waiting:
                    if client.waiting:
                        metrics.PUSH.observe(time.monotonic() - client.since)
                    yield self._rows(client, handle)
                if client.pulse:
                    client.pulse = False
                    yield _event(b"pulse", orjson.dumps(self._pulse(language)))
                if not (client.waiting or client.pulse):
                    await client.sleep()
        finally:
            self._clients.discard(client)

    async def pulses(self, language: Language) -> AsyncGenerator[bytes, None]:
        """Signs of life alone, for pages that show no patient."""
        while True:
            yield _event(b"pulse", orjson.dumps(self._pulse(language)))
            await asyncio.sleep(PULSE_S)

    def _rows(self, client: _Client, handle: Callable[[str], str]) -> bytes:
        patients = self._everybody() if client.whole else sorted(client.waiting)
        rows: list[tuple[str, str, bytes]] = []
        gone = []
        for patient in patients:
            found = self._row(patient, client.language)
            if found is not None and client.ward in ("", found[0]):
                rows.append((found[1], patient, found[2]))
            else:
                gone.append(handle(patient))
        whole, client.whole = client.whole, False
        client.waiting.clear()
        told = sorted(rows)[:MOST_LINES] if whole else rows
        data = b'{"rows":[%b],"gone":%b,"whole":%b}' % (
            b",".join(b'{"handle":%b,%b' % (orjson.dumps(handle(patient)), line[1:]) for _, patient, line in told),
            orjson.dumps([] if whole else gone),
            b"true" if whole else b"false",
        )
        return _event(b"rows", data)

    def _row(self, patient: str, language: Language) -> tuple[str, str, bytes] | None:
        """A patient's ward, place in the order and line."""
        known = self._known[language]
        if patient not in known:
            line = self._line(patient, language)
            known[patient] = None if line is None else (line["ward"], line["order"], orjson.dumps(line))
        return known[patient]


class EventStream:
    """The answer to a board that opens its stream, as ASGI has it: no layer between what is told and the socket."""

    def __init__(self, told: AsyncGenerator[bytes, None]) -> None:
        self._told = told

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Tell until the browser goes."""
        telling = asyncio.ensure_future(self._tell(send))
        going = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait((telling, going), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (telling, going):
                one.cancel()
            await asyncio.gather(telling, going, return_exceptions=True)

    async def _tell(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        async with aclosing(self._told) as told:
            async for event in told:
                await send({"type": "http.response.body", "body": event, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(name: bytes, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, data)

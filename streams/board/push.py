"""Server-sent events to any number of open boards: each is told the newest line of whoever changed, and never queues.

A board that is slow misses what was overtaken, and nothing else. A line is worked out once for each language, whoever
looks at it; the patient's handle alone is the viewer's own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from streams.board.phrases import LANGUAGES, Language

#: A board is told at most this often.
_FLUSH_S: Final = 0.05
PULSE_S: Final = 5.0
#: How long a browser waits before it connects again.
_RETRY: Final = b"retry: 2000\n\n"


@dataclass(eq=False, slots=True)
class _Client:
    language: Language
    ward: str
    whole: bool = True
    waiting: set[str] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)


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
        self._known: dict[Language, dict[str, tuple[str, bytes] | None]] = {one: {} for one in LANGUAGES}

    def changed(self, patient: str) -> None:
        """A patient changed, came or left."""
        for known in self._known.values():
            known.pop(patient, None)
        for client in self._clients:
            client.waiting.add(patient)
            client.woken.set()

    async def stream(self, language: Language, ward: str, handle: Callable[[str], str]) -> AsyncIterator[bytes]:
        """What one board is told, from all its lines on; ``handle`` is its name of a patient."""
        client = _Client(language, ward)
        self._clients.add(client)
        try:
            yield _RETRY
            clock = asyncio.get_running_loop().time
            flushed = pulsed = -PULSE_S
            while True:
                if client.whole or client.waiting:
                    flushed = clock()
                    yield self._rows(client, handle)
                if clock() >= pulsed + PULSE_S:
                    pulsed = clock()
                    yield _event(b"pulse", orjson.dumps(self._pulse(language)))
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, pulsed + PULSE_S - clock())):
                        while not client.waiting:
                            client.woken.clear()
                            await client.woken.wait()
                        await asyncio.sleep(max(0.0, flushed + _FLUSH_S - clock()))
        finally:
            self._clients.discard(client)

    def _rows(self, client: _Client, handle: Callable[[str], str]) -> bytes:
        patients = self._everybody() if client.whole else sorted(client.waiting)
        rows, gone = [], []
        for patient in patients:
            found = self._row(patient, client.language)
            if found is not None and client.ward in ("", found[0]):
                rows.append(b'{"handle":%b,%b' % (orjson.dumps(handle(patient)), found[1][1:]))
            else:
                gone.append(handle(patient))
        whole, client.whole = client.whole, False
        client.waiting.clear()
        data = b'{"rows":[%b],"gone":%b,"whole":%b}' % (
            b",".join(rows),
            orjson.dumps([] if whole else gone),
            b"true" if whole else b"false",
        )
        return _event(b"rows", data)

    def _row(self, patient: str, language: Language) -> tuple[str, bytes] | None:
        """A patient's ward and line."""
        known = self._known[language]
        if patient not in known:
            line = self._line(patient, language)
            known[patient] = None if line is None else (line["ward"], orjson.dumps(line))
        return known[patient]


def _event(name: bytes, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, data)

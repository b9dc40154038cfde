"""How much somebody may ask for, so that nobody, by mistake or on purpose, takes the board from the others."""

import asyncio
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: A form has a sentence, a hook a patient and its context.
_MOST_BODY: Final = 256 * 1024
_BODY_S: Final = 10.0
#: So many keys are remembered of each kind; beyond them the one that was seen least lately is forgotten.
_MOST_KEYS: Final = 10_000
#: Pages of one user that are open at the same time.
MOST_STREAMS: Final = 20


@dataclass(frozen=True, slots=True)
class Limit:
    """So many at once, and so many a minute in the long run."""

    burst: int
    a_minute: int


#: Of one user; of one address for those who are nobody yet.
LIMITS: Final[Mapping[str, Limit]] = {
    "page": Limit(60, 120),
    "answer": Limit(30, 60),
    "stream": Limit(40, 60),
    "login": Limit(120, 240),
}
#: Of one address, behind which a whole ward may be: everything, what pages are made of too.
ADDRESS: Final = Limit(3_000, 6_000)
#: Of lines of the log that say so.
LINES: Final = Limit(1, 6)


class Rates:
    """Counts what is asked for by key (GCRA: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm)."""

    def __init__(self, limit: Limit, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = 60 / limit.a_minute
        self._ahead = (limit.burst - 1) * self._pause
        self._clock = clock
        #: When each key has all of its burst again, the key that was seen least lately first.
        self._whole: OrderedDict[str, float] = OrderedDict()

    def wait(self, key: str) -> int:
        """0: it may; else in how many whole seconds it may."""
        now = self._clock()
        whole = max(self._whole.pop(key, now), now)
        wait = round(whole - now - self._ahead, 6)
        self._whole[key] = whole if wait > 0 else whole + self._pause
        if len(self._whole) > _MOST_KEYS:
            self._whole.popitem(last=False)
        return max(0, math.ceil(wait))


class Seats:
    """Streams that are open, by user."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def free(self, key: str) -> bool:
        """Whether one more may be opened."""
        return self._taken[key] < MOST_STREAMS

    @contextmanager
    def taken(self, key: str) -> Iterator[None]:
        """While one is open."""
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]


class Bounds:
    """Answers an address that asks too often, and takes a body whole, small and soon, before anybody is asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._rates = Rates(ADDRESS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if wait := self._rates.wait(address(scope)):
            return await _refuse(429, f"Too many requests: wait {wait} s.", {"Retry-After": str(wait)})(
                scope, receive, send
            )
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > _MOST_BODY:
                        return await _refuse(413, f"A request has at most {_MOST_BODY} bytes.")(scope, receive, send)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            return await _refuse(408, "The request did not come whole.")(scope, receive, send)
        whole = iter([{"type": "http.request", "body": bytes(body), "more_body": False}])

        async def receiving() -> Message:
            return next(whole, None) or await receive()

        return await self._app(scope, receiving, send)


def address(scope: Scope) -> str:
    """From where somebody asks: an IPv4 address, or the network of an IPv6 one, of which one customer has all."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    return str(IPv6Address(int(found) >> 64 << 64)) if isinstance(found, IPv6Address) else host


def _refuse(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> PlainTextResponse:
    # What follows of the request is not read.
    return PlainTextResponse(sentence, status, {"Connection": "close", **(headers or {})})

"""The board as a web service: its pages, its stream and its answers."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aiokafka.errors import KafkaError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from features.catalogue import catalogue
from streams.board import patient as page
from streams.board.access import Access
from streams.board.answers import AnswerError, give, item
from streams.board.feed import Feed
from streams.board.guard import Names, SafeHeaders, is_forged, session_of
from streams.board.history import Histories, HistoryError
from streams.board.hooks import Hooks
from streams.board.house import House
from streams.board.outlet import Outlet
from streams.board.pages import Pages
from streams.board.phrases import Language
from streams.board.push import EventStream, Hub
from streams.board.view import View
from streams.secret import secret
from streams.settings import Settings

STATIC: Final = Path(__file__).with_name("static")
#: The lines tell ages, so they are worked out anew now and then.
_ANEW_S: Final = 60.0
_SESSION_S: Final = 12 * 60 * 60
_ANSWERING: Final = frozenset({"nurse", "physician"})
#: Without a login there is one user, on this machine alone.
_DEMO: Final = {"name": "demo", "role": "nurse"}


class Board:
    """One board process: what it knows, and what it answers to requests.

    Raises:
        SecurityError: see ``_key``.
    """

    def __init__(self, settings: Settings) -> None:
        key = _key(settings)
        self.house = House()
        self._feed = Feed(settings, self.house)
        self._view = View(settings, self.house, self._feed.health)
        self._hub = Hub(self._view.line, lambda: list(self.house.patients), self._view.pulse)
        self.house.changed = self._hub.changed
        self._names = Names(key)
        self._partitions = settings.partitions
        self._outlet = Outlet(settings)
        self._access = Access(self._outlet)
        self._histories = Histories(settings)
        self._pages = Pages(settings.timezone)
        self._hooks = Hooks(self.house, self._view, self._outlet, self._access, settings.partitions)
        self.app = Starlette(
            routes=[
                Route("/", self.home),
                Route("/ward", self.ward),
                Route("/handover", self.handover),
                Route("/second-opinion", self.second_opinion),
                Route("/service", self.service),
                Route("/patient/{handle}", self.patient),
                Route("/stream", self.stream),
                Route("/answer", self.answer, methods=["POST"]),
                Route("/language", self.language, methods=["POST"]),
                Route("/healthz", self.healthz),
                Route("/readyz", self.readyz),
                Mount("/cds-services", self._hooks.app),
                Mount("/static", StaticFiles(directory=STATIC, check_dir=False)),
            ],
            middleware=[
                Middleware(SafeHeaders),
                Middleware(
                    SessionMiddleware,
                    secret_key=key.hex(),
                    session_cookie="vagt",
                    max_age=_SESSION_S,
                    same_site="strict",
                ),
            ],
            exception_handlers={HTTPException: self.failed},
            lifespan=self._running,
        )

    @asynccontextmanager
    async def _running(self, _: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one) for one in (self._feed.run(), self._hub.run(), self._tell_again())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for one in (self._outlet, self._histories):
                with suppress(KafkaError, OSError):
                    await one.close()

    async def _tell_again(self) -> None:
        while True:
            await asyncio.sleep(_ANEW_S)
            for patient in list(self.house.patients):
                self._hub.changed(patient)

    # ------------------------------------------------------------------------------------------ pages

    async def home(self, _: Request) -> Response:
        """The ward is where everybody begins."""
        return RedirectResponse("/ward", 303)

    async def ward(self, request: Request) -> Response:
        """All patients, or those of a ward or with an alert of a kind. A search stays in the page: it has names."""
        return await self._list(request, "ward")

    async def handover(self, request: Request) -> Response:
        """One line a patient, to be printed."""
        return await self._list(request, "handover")

    async def second_opinion(self, request: Request) -> Response:
        """All patients by their risk of infection, however low: to compare it with one's own judgement."""
        return await self._list(request, "second", self._view.rank)

    async def _list(
        self, request: Request, name: str, rank: Callable[[str], tuple[Any, ...]] = lambda _: ()
    ) -> Response:
        """The lines that fit what is wanted, by rank, then by what needs doing."""
        language = self._language(request)
        wanted: dict[str, Any] = {key: request.query_params.get(key, "") for key in ("ward", "kind")}
        session = session_of(request)
        rows = []
        for patient in list(self.house.patients):
            line = self._view.line(patient, language)
            if line is not None and _fits(line, wanted):
                rows.append((patient, {"handle": self._names.handle(session, patient), **line}))
        rows.sort(key=lambda one: (*rank(one[0]), one[1]["order"]))
        await self._access.saw(_DEMO["name"], _DEMO["role"], name, [patient for patient, _ in rows])
        say, clock = self._view.phrases(language), time.time_ns() // 1_000_000
        return self._page(
            request,
            name,
            rows=[line for _, line in rows],
            wards=self._view.wards(),
            kinds=[{"kind": kind, "text": say.word("kinds", kind)} for kind in self._view.kinds()],
            printed=say.stamp(clock),
            **wanted,
        )

    async def service(self, request: Request) -> Response:
        """How the service is: its parts, its models, its sources."""
        language = self._language(request)
        return self._page(
            request,
            "service",
            parts=self._view.parts(),
            models=self._view.models(language),
            sources=self._view.sources(language),
        )

    async def patient(self, request: Request) -> Response:
        """One patient: alerts with their reasons, the course of the score, and what was measured."""
        language = self._language(request)
        patient = self._patient(request, request.path_params["handle"])
        now = self.house.patients.get(patient) if patient is not None else None
        line = self._view.line(patient, language) if patient is not None else None
        if patient is None or now is None or line is None:
            raise HTTPException(404, "unknown_patient")
        say, clock, person = self._view.phrases(language), self._view.clock(now), self._view.person(now)
        await self._access.saw(_DEMO["name"], _DEMO["role"], "patient", [patient])
        measured, unknown = [], []
        try:
            if now.record is not None:
                record = await self._histories.record(patient, now.record)
                measured = page.series(now, record, catalogue(), clock, say)
                unknown = page.not_known(record, catalogue(), clock, say)
        except HistoryError:
            unknown = [say.word("errors", "no_history")]
        traces = {one.kind: self.house.trace(patient, one.kind) for one in now.scores if one.kind.endswith("-risk")}
        return self._page(
            request,
            "patient",
            row={"handle": request.path_params["handle"], **line},
            identity=page.identity(now, person, clock, say),
            place=" · ".join(filter(None, (now.ward, line["f"]["place"]))),
            alerts=page.alerts(now, clock, say),
            series=measured,
            scores=[page.course(kind, trace, now, say) for kind, trace in traces.items() if trace],
            notes=unknown,
            standing=page.standing(now, say),
        )

    # ------------------------------------------------------------------------------- stream and answers

    async def stream(self, request: Request) -> EventStream:
        """Server-sent events: the lines of a ward, as they change."""
        session = session_of(request)
        told = self._hub.stream(
            self._language(request),
            request.query_params.get("ward", ""),
            cache(lambda patient: self._names.handle(session, patient)),
        )
        return EventStream(told)

    async def answer(self, request: Request) -> Response:
        """Somebody takes, snoozes, dismisses, reopens an alert, or comments on it."""
        form = await self._form(request)
        if _DEMO["role"] not in _ANSWERING:
            raise HTTPException(403, "not_allowed")
        patient = self._patient(request, form.get("handle", ""))
        now = self.house.patients.get(patient) if patient is not None else None
        if patient is None or now is None:
            raise HTTPException(404, "unknown_patient")
        try:
            feedback = item(form, now, f"{_DEMO['role']}/{_DEMO['name']}", self._view.clock(now))
            await give(self._outlet, self._partitions, feedback)
        except AnswerError as error:
            raise HTTPException(error.status, error.code) from error
        except (KafkaError, OSError) as error:
            raise HTTPException(503, "away") from error
        if _wants_json(request):
            return JSONResponse({"id": feedback["id"]})
        return RedirectResponse(_own(form.get("back", "")), 303)

    async def language(self, request: Request) -> Response:
        """The language of the pages, from now on."""
        form = await self._form(request)
        request.session["language"] = "en" if form.get("language") == "en" else "da"
        return RedirectResponse(_own(form.get("back", "")), 303)

    # --------------------------------------------------------------------------------------- for machines

    async def healthz(self, _: Request) -> Response:
        """Whether this process lives."""
        return PlainTextResponse("alive")

    async def readyz(self, _: Request) -> Response:
        """Whether what it shows is whole."""
        ready = self._feed.health.ready and self._feed.health.lost is None
        return PlainTextResponse("ready" if ready else "not ready", 200 if ready else 503)

    async def failed(self, request: Request, error: Exception) -> Response:
        """What went wrong, as a sentence."""
        assert isinstance(error, HTTPException)
        say = self._view.phrases(self._language(request))
        text = say.word("errors", error.detail if error.detail in say.texts["errors"] else "not_found")
        if _wants_json(request):
            return JSONResponse({"error": text}, error.status_code)
        return self._page(request, "error", status=error.status_code, error=text)

    # -------------------------------------------------------------------------------------------- parts

    def _language(self, request: Request) -> Language:
        return "en" if request.session.get("language") == "en" else "da"

    async def _form(self, request: Request) -> dict[str, str]:
        """What a page of this board's own sends.

        Raises:
            HTTPException: 403, it came from elsewhere.
        """
        form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
        token = request.headers.get("x-vagt-token") or form.get("token", "")
        if is_forged(request, token, self._names.token(session_of(request))):
            raise HTTPException(403, "forged")
        return form

    def _patient(self, request: Request, handle: str) -> str | None:
        return self._names.patient(session_of(request), handle, self.house.patients)

    def _page(self, request: Request, name: str, *, status: int = 200, **parts: Any) -> Response:
        language = self._language(request)
        session = session_of(request)
        return self._pages.render(
            name,
            language,
            status,
            token=self._names.token(session),
            user=_DEMO,
            demo=True,
            trust=self._view.trust(language),
            clock=time.time_ns() // 1_000_000,
            here=f"{request.url.path}?{request.url.query}".rstrip("?"),
            **parts,
        )


def _key(settings: Settings) -> bytes:
    """What sessions, tokens and handles rest on.

    Raises:
        SecurityError: the secret's file cannot be read.
    """
    if settings.board_secret is None and settings.board_secret_file is None:
        return secrets.token_bytes(32)
    return sha256(b"vagt board\0" + secret(settings.board_secret, settings.board_secret_file).encode()).digest()


def _fits(line: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return wanted["ward"] in ("", line["ward"]) and (not wanted["kind"] or wanted["kind"] in line["kinds"])


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _own(path: str) -> str:
    """A path of this board's; the ward for any other."""
    parts = urlsplit(path)
    is_own = not parts.scheme and not parts.netloc and path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_own else "/ward"

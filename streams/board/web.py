"""The board as a web service: its pages, its stream and its answers."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from functools import cache, wraps
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from aiokafka.errors import KafkaError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from features.catalogue import catalogue
from streams.board import burden
from streams.board import patient as page
from streams.board.access import Access
from streams.board.answers import AnswerError, give, item
from streams.board.callers import Callers
from streams.board.feed import Feed
from streams.board.guard import Names, SafeHeaders, is_forged
from streams.board.history import Histories, HistoryError
from streams.board.hooks import Hooks
from streams.board.house import House
from streams.board.journal import Journal
from streams.board.limits import LIMITS, LINES, Bounds, Rates, Seats, address
from streams.board.login import Login
from streams.board.openapi import document
from streams.board.outlet import Outlet
from streams.board.pages import Pages
from streams.board.phrases import LANGUAGES, Language
from streams.board.provider import LoginError
from streams.board.push import MOST_LINES, EventStream, Hub
from streams.board.roles import OPEN
from streams.board.smart import Smart
from streams.board.view import View
from streams.board.viewer import SESSION_S, Sessions, Viewer, demo, session_of
from streams.log import logger
from streams.secret import secret
from streams.settings import Settings

_LOG = logger(__name__)

STATIC: Final = Path(__file__).with_name("static")
#: The lines tell ages, so they are worked out anew now and then.
_ANEW_S: Final = 60.0

_Endpoint = Callable[[Request], Awaitable[ASGIApp]]


class Board:
    """One board process: what it knows, and what it answers to requests.

    Raises:
        SecurityError: see ``_key``.
    """

    def __init__(self, settings: Settings) -> None:
        key = _key(settings)
        self.house = House()
        #: Whether a part of it failed; ``stop`` is called then.
        self.broken = False
        self.stop: Callable[[], None] = lambda: None
        self.journal = Journal()
        self._feed = Feed(settings, self.house, self.journal)
        self.health = self._feed.health
        self._view = View(settings, self.house, self.health)
        self._hub = Hub(self._view.line, lambda: list(self.house.patients), self._view.pulse)
        self.house.changed = self._hub.changed
        self._names = Names(key)
        self._partitions = settings.partitions
        self._outlet = Outlet(settings)
        self._access = Access(self._outlet)
        self._histories = Histories(settings)
        self._pages = Pages(settings.timezone)
        self._rates = {what: Rates(limit) for what, limit in LIMITS.items()}
        self._lines = Rates(LINES)
        self._seats = Seats()
        self._sessions = Sessions()
        self._login = Login(settings, self._sessions) if settings.oidc_issuer is not None else None
        self._smart = Smart(settings, self._sessions, self._view)
        self._address = settings.board_url
        secure = urlsplit(settings.board_url or "").scheme == "https"
        callers = None if settings.cds_clients is None else Callers(settings.cds_clients, settings.board_url or "")
        self._hooks = Hooks(self.house, self._view, self._outlet, self._access, settings.partitions, callers)
        self.app = Starlette(
            routes=[
                self._route("/", "home", self.home),
                self._route("/ward", "ward", self.ward),
                self._route("/handover", "handover", self.handover),
                self._route("/second-opinion", "second", self.second_opinion),
                self._route("/wall", "ward", self.wall),
                self._route("/service", "service", self.service),
                self._route("/burden", "burden", self.burden),
                self._route("/patient/{handle}", "patient", self.patient),
                self._route("/stream", "stream", self.stream),
                self._route("/answer", "answer", self.answer, "POST"),
                self._route("/language", OPEN, self.language, "POST"),
                self._route("/login", OPEN, self.login),
                self._route("/login/callback", OPEN, self.login_callback),
                self._route("/smart/launch", OPEN, self.smart_launch),
                self._route("/smart/callback", OPEN, self.smart_callback),
                self._route("/logout", OPEN, self.logout, "POST"),
                self._route("/goodbye", OPEN, self.goodbye),
                self._route("/healthz", OPEN, self.healthz),
                self._route("/readyz", OPEN, self.readyz),
                self._route("/openapi.json", OPEN, self.openapi),
                # Where people have to show who they are, an EHR has to.
                *([Mount("/cds-services", self._hooks.app)] if callers or self._login is None else []),
                Mount("/static", StaticFiles(directory=STATIC, check_dir=False)),
            ],
            middleware=[
                Middleware(SafeHeaders),
                Middleware(Bounds),
                Middleware(
                    SessionMiddleware,
                    secret_key=key.hex(),
                    # __Host-: a browser takes it over https alone, and from no other host.
                    session_cookie="__Host-vagt" if secure else "vagt",
                    max_age=SESSION_S,
                    # A login comes back from the provider's site, where a strict cookie would not come along.
                    same_site="strict" if self._login is None else "lax",
                    https_only=secure,
                ),
            ],
            exception_handlers={HTTPException: self.failed},
            lifespan=self._running,
        )

    @asynccontextmanager
    async def _running(self, _: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one) for one in (self._feed.run(), self._hub.run(), self._tell_again())]
        for task in tasks:
            task.add_done_callback(self._ended)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for one in (self._outlet, self._histories):
                with suppress(KafkaError, OSError):
                    await one.close()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A part that failed leaves pages that no longer change: the board ends, to be started again."""
        if not task.cancelled():
            _LOG.error("board.broken", exc_info=task.exception())
            self.broken = True
            self.stop()

    async def _tell_again(self) -> None:
        seen = time.time_ns() // 1_000_000
        while True:
            await asyncio.sleep(_ANEW_S)
            before, seen = seen, time.time_ns() // 1_000_000
            if self._view.is_live() and self.health.lost is None:
                self.journal.lie(self._view.lying(), before, seen)
            for patient in list(self.house.patients):
                self._hub.changed(patient)

    # ------------------------------------------------------------------------------------- who comes in

    def _route(self, path: str, right: str, endpoint: _Endpoint, method: str = "GET") -> Route:
        """A route for those who have a right; its name is the right's."""

        @wraps(endpoint)
        async def guarded(request: Request) -> ASGIApp:
            viewer = self._viewer(request)
            self._bound(right, viewer, address(request.scope))
            if right == OPEN or (viewer is not None and viewer.may(right)):
                return await endpoint(request)
            if viewer is not None:
                _LOG.warning("board.refused", why="role", what=right, user=viewer.name, role=viewer.role)
                raise HTTPException(403, "not_allowed")
            if method == "GET" and "text/html" in request.headers.get("accept", ""):
                # The names of patients in addresses are those of a session that is over.
                back = "/" if request.path_params else _here(request)
                return RedirectResponse(f"/login?{urlencode({'back': back})}", 303)
            raise HTTPException(401, "no_session")

        return Route(path, guarded, methods=[method], name=right)

    def _bound(self, right: str, viewer: Viewer | None, address: str) -> None:
        """Refuse who asks too often.

        Raises:
            HTTPException: 429, they have to wait.
        """
        what = "login" if viewer is None or right == OPEN else right if right in self._rates else "page"
        if wait := self._rates[what].wait(address if viewer is None else viewer.key):
            if not self._lines.wait(what):
                _LOG.warning("board.refused", why="rate", what=what)
            raise HTTPException(429, "too_many", {"Retry-After": str(wait)})

    def _viewer(self, request: Request) -> Viewer | None:
        return demo(request) if self._login is None else self._sessions.viewer(request)

    def _present(self, request: Request) -> Viewer:
        """Who asks.

        Raises:
            HTTPException: 401, nobody; or their session has ended meanwhile.
        """
        viewer = self._viewer(request)
        if viewer is None:
            raise HTTPException(401, "no_session")
        return viewer

    async def login(self, request: Request) -> Response:
        """To the provider that says who somebody is."""
        if self._login is None:
            return RedirectResponse("/", 303)
        try:
            return await self._login.start(request, _own(request.query_params.get("back", "/")))
        except LoginError as error:
            raise _refused(error) from error

    async def login_callback(self, request: Request) -> Response:
        """Back from the provider."""
        if self._login is None:
            return RedirectResponse("/", 303)
        try:
            return RedirectResponse(_own(await self._login.finish(request)), 303)
        except LoginError as error:
            raise _refused(error) from error

    async def smart_launch(self, request: Request) -> Response:
        """From an EHR, to its login."""
        try:
            return await self._smart.start(request)
        except LoginError as error:
            raise _refused(error, "launch") from error

    async def smart_callback(self, request: Request) -> Response:
        """Back from the EHR's login, to the page of the patient."""
        try:
            patient = await self._smart.finish(request)
        except LoginError as error:
            raise _refused(error, "launch") from error
        return RedirectResponse(f"/patient/{self._names.handle(session_of(request), patient)}", 303)

    async def logout(self, request: Request) -> Response:
        """End the session, on this computer and for any copy of its cookie."""
        await self._form(request)
        viewer = self._viewer(request)
        if self._login is not None and viewer is not None:
            self._sessions.end(viewer)
            request.session.clear()
            request.session["left"] = True
        return RedirectResponse("/goodbye", 303)

    async def goodbye(self, request: Request) -> Response:
        """What somebody sees who has left."""
        return self._page(request, "goodbye")

    # ------------------------------------------------------------------------------------------ pages

    async def home(self, request: Request) -> Response:
        """Where everybody begins: the ward, for those who may see it."""
        return RedirectResponse("/ward" if self._present(request).may("ward") else "/service", 303)

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
        self, request: Request, name: str, rank: Callable[[str], tuple[Any, ...]] = lambda _: (), **more: Any
    ) -> Response:
        """The lines that fit what is wanted, by rank, then by what needs doing."""
        language = self._language(request)
        wanted: dict[str, Any] = {key: request.query_params.get(key, "") for key in ("ward", "kind")}
        viewer = self._present(request)
        rows = []
        for patient in list(self.house.patients):
            line = self._view.line(patient, language)
            if line is not None and _fits(line, wanted):
                rows.append((patient, {"handle": self._names.handle(viewer.session, patient), **line}))
        rows.sort(key=lambda one: (*rank(one[0]), one[1]["order"]))
        found, rows = len(rows), rows[:MOST_LINES]
        await self._access.saw(viewer.name, viewer.role, name, [patient for patient, _ in rows])
        say, clock = self._view.phrases(language), time.time_ns() // 1_000_000
        return self._page(
            request,
            name,
            rows=[line for _, line in rows],
            found=found,
            wards=self._view.wards(),
            kinds=[{"kind": kind, "text": say.word("kinds", kind)} for kind in self._view.kinds()],
            printed=say.stamp(clock),
            **wanted,
            **more,
        )

    async def wall(self, request: Request) -> Response:
        """Who needs somebody, to be read from three metres by all who pass: without names unless they are wanted."""
        return await self._list(request, "wall", names="names" in request.query_params)

    async def burden(self, request: Request) -> Response:
        """How many alerts each ward is given, and what comes of them, beside what others published."""
        say, clock = self._view.phrases(self._language(request)), time.time_ns() // 1_000_000
        return self._page(request, "burden", **burden.page(self.journal, clock, say))

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
        viewer = self._present(request)
        await self._access.saw(viewer.name, viewer.role, "patient", [patient])
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
            alerts=page.alerts(now, self.journal, clock, say),
            series=measured,
            scores=[
                page.course(kind, trace, self._view.usual(now.ward, kind), now, clock, say)
                for kind, trace in traces.items()
                if trace
            ],
            notes=unknown,
            standing=page.standing(now, say),
        )

    # ------------------------------------------------------------------------------- stream and answers

    async def stream(self, request: Request) -> EventStream:
        """Server-sent events: the lines of a ward, as they change; signs of life for those who see no patient."""
        viewer, language = self._present(request), self._language(request)
        if not self._seats.free(viewer.key):
            raise HTTPException(429, "too_many", {"Retry-After": "10"})
        told = self._hub.pulses(language)
        if viewer.may("ward"):
            told = self._hub.stream(
                language,
                request.query_params.get("ward", ""),
                cache(lambda patient: self._names.handle(viewer.session, patient)),
            )
        return EventStream(self._while_it_lasts(viewer, told))

    async def _while_it_lasts(self, viewer: Viewer, told: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """What a stream tells until its session is over; then that it is."""
        with self._seats.taken(viewer.key):
            async with aclosing(told):
                async for part in told:
                    if not self._sessions.lasts(viewer):
                        yield b"event: over\ndata: {}\n\n"
                        return
                    yield part

    async def answer(self, request: Request) -> Response:
        """Somebody takes, snoozes, dismisses, reopens an alert, or comments on it."""
        form = await self._form(request)
        patient = self._patient(request, form.get("handle", ""))
        now = self.house.patients.get(patient) if patient is not None else None
        if patient is None or now is None:
            raise HTTPException(404, "unknown_patient")
        try:
            feedback = item(form, now, self._present(request).by, self._view.clock(now))
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
        if form.get("language") not in LANGUAGES:
            raise HTTPException(400, "not_usable")
        request.session["language"] = form["language"]
        return RedirectResponse(_own(form.get("back", "")), 303)

    # --------------------------------------------------------------------------------------- for machines

    async def healthz(self, _: Request) -> Response:
        """Whether this process lives."""
        return PlainTextResponse("alive")

    async def readyz(self, _: Request) -> Response:
        """Whether what it shows is whole."""
        ready = self._feed.health.ready and self.health.lost is None and not self.broken
        return PlainTextResponse("ready" if ready else "not ready", 200 if ready else 503)

    async def openapi(self, _: Request) -> Response:
        """What this board serves, as an OpenAPI document."""
        return JSONResponse(document(self.app.routes, self._login is not None))

    async def failed(self, request: Request, error: Exception) -> Response:
        """What went wrong, as a sentence."""
        assert isinstance(error, HTTPException)
        say = self._view.phrases(self._language(request))
        text = say.word("errors", error.detail if error.detail in say.texts["errors"] else "not_found")
        if _wants_json(request):
            answer: Response = JSONResponse({"error": text}, error.status_code)
        else:
            answer = self._page(request, "error", status=error.status_code, error=text)
        answer.headers.update(error.headers or {})
        return answer

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
        if is_forged(request, token, self._names.token(session_of(request)), self._address):
            _LOG.warning("board.refused", why="forged", what=request.url.path)
            raise HTTPException(403, "forged")
        return form

    def _patient(self, request: Request, handle: str) -> str | None:
        return self._names.patient(self._present(request).session, handle, self.house.patients)

    def _page(self, request: Request, name: str, *, status: int = 200, **parts: Any) -> Response:
        language = self._language(request)
        viewer = self._viewer(request)
        return self._pages.render(
            name,
            language,
            status,
            token=self._names.token(session_of(request)),
            user=viewer,
            demo=self._login is None,
            trust=self._view.trust(language),
            clock=time.time_ns() // 1_000_000,
            here=_here(request),
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


def _refused(error: LoginError, why: str = "login") -> HTTPException:
    _LOG.warning("board.refused", why=why, what=error.reason)
    return HTTPException(error.status, error.code)


def _here(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}".rstrip("?")


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _own(path: str) -> str:
    """A path of this board's; where everybody begins for any other."""
    parts = urlsplit(path)
    is_own = not parts.scheme and not parts.netloc and path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_own else "/"

"""CDS Hooks: an EHR asks for a patient's cards, and says what became of them."""

from typing import TypeVar

from aiokafka.errors import KafkaError
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from streams.board.access import Access
from streams.board.answers import AnswerError, give, item
from streams.board.callers import CallerError, Callers
from streams.board.cards import SERVICES, Call, Feedback, cards, discovery, doubt
from streams.board.house import House
from streams.board.outlet import Outlet
from streams.board.phrases import Phrases
from streams.board.view import View
from streams.log import logger
from streams.now import Now

_LOG = logger(__name__)

_ROLE = "ehr"

_Model = TypeVar("_Model", bound=BaseModel)


class Hooks:
    """The services of one board, as an app to be mounted at ``/cds-services``.

    Without ``callers`` anybody may ask: that is for a board of this machine alone.
    """

    def __init__(
        self,
        house: House,
        view: View,
        outlet: Outlet,
        access: Access,
        partitions: int,
        callers: Callers | None,
    ) -> None:
        self._callers = callers
        self._house = house
        self._view = view
        self._outlet = outlet
        self._access = access
        self._partitions = partitions
        self.app = Starlette(
            routes=[
                Route("/", self.offered),
                Route("/{service}", self.called, methods=["POST"]),
                Route("/{service}/feedback", self.heard, methods=["POST"]),
            ],
            exception_handlers={HTTPException: _failed},
        )

    async def offered(self, request: Request) -> Response:
        """Which services there are."""
        return JSONResponse(discovery(self._phrases(request)))

    async def called(self, request: Request) -> Response:
        """The cards of a patient. Who is not known here has none; where the board may not be whole, a card says so."""
        service = self._service(request)
        call = await _read(request, Call)
        if call.hook != SERVICES[service]:
            raise HTTPException(400, f"The service {service} is for the hook {SERVICES[service]}.")
        say = self._phrases(request)
        patient = self._view.known(call.names())
        now = self._house.patients.get(patient) if patient is not None else None
        found = [] if now is None else cards(now, self._view.clock(now), say)
        trust = self._view.trust(say.language)
        if trust["state"] != "ok":
            found.append(doubt(trust["text"], say))
        if patient is not None:
            await self._access.saw(call.context.userId, _ROLE, service, [patient])
        return JSONResponse({"cards": found})

    async def heard(self, request: Request) -> Response:
        """What became of cards, as answers to their alerts; a card that is over changes nothing."""
        self._service(request)
        told = await _read(request, Feedback)
        for outcome in told.feedback:
            form = outcome.form()
            now = self._of(form["alert"])
            if now is None:
                continue
            try:
                feedback = item(form, now, f"{_ROLE}/cds-hooks", self._view.clock(now))
                await give(self._outlet, self._partitions, feedback)
            except AnswerError as error:
                if error.code != "over":
                    raise HTTPException(error.status, f"An outcome cannot be used: {error.code}.") from error
            except (KafkaError, OSError) as error:
                raise HTTPException(503, "The data platform does not answer: send the feedback again.") from error
        return Response()

    def _service(self, request: Request) -> str:
        """The service that is asked for, by somebody who may."""
        if self._callers is not None:
            try:
                self._callers.check(request.headers.get("authorization", ""), request.url.path)
            except CallerError as error:
                _LOG.warning("cds.refused", why=str(error))
                headers = {"WWW-Authenticate": "Bearer"}
                raise HTTPException(401, "A token of a known client is needed.", headers) from error
        name: str = request.path_params["service"]
        if name not in SERVICES:
            raise HTTPException(404, "There is no such service.")
        return name

    def _phrases(self, request: Request) -> Phrases:
        wanted = request.headers.get("accept-language", "")
        return self._view.phrases("en" if wanted.startswith("en") else "da")

    def _of(self, alert: str) -> Now | None:
        """Who has this alert."""
        everybody = self._house.patients.values()
        return next((now for now in everybody if any(one.id == alert for one in now.alerts)), None)


async def _read(request: Request, model: type[_Model]) -> _Model:
    """The body of a request.

    Raises:
        HTTPException: 400, it is not what the specification asks for.
    """
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        places = sorted({".".join(map(str, one["loc"])) or "the body" for one in error.errors()})
        raise HTTPException(400, f"This cannot be used: {', '.join(places)}.") from error


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)

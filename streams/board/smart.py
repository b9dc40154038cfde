"""The patient's page, opened from an EHR: who looks, and at whom, is what the EHR says.

Source: SMART App Launch 2.2 (hl7.org/fhir/smart-app-launch), the launch from an EHR: its address (``iss``) and the
launch come along, it describes itself at ``.well-known/smart-configuration``, and its token names the patient.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Final

from authlib.common.errors import AuthlibBaseError
from starlette.requests import Request
from starlette.responses import Response

from features.catalogue import Refused
from streams.board.provider import UNUSABLE, LoginError, Provider, person
from streams.board.view import View
from streams.board.viewer import Sessions
from streams.doors.fhir.context import identifier
from streams.secret import SecurityError, secret
from streams.settings import Settings, keeps_the_secret

_BACK: Final = "/smart/callback"
#: Who somebody is, and the patient whom the EHR shows.
_SCOPE: Final = "openid fhirUser launch"
#: FHIR R4, the type ``id``.
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")


class Ehr(Provider):
    """An EHR that opens the board."""

    away: ClassVar = "ehr_away"
    failed: ClassVar = "launch_failed"

    async def resource(self, address: str, token: dict[str, Any]) -> Any:
        """What the EHR has at this address, with what the token allows; ``None`` where it gives nothing.

        Raises:
            LoginError: it does not answer.
        """
        async with self._in_time():
            try:
                answer = await self.get(address, token=token, headers={"Accept": "application/fhir+json"})
                return answer.json() if answer.status_code == 200 else None
            except (AuthlibBaseError, *UNUSABLE):
                return None


class Smart:
    """The launches of one board.

    Raises:
        SecurityError: ``VAGT_SMART_EHRS`` cannot be read, or is none.
    """

    def __init__(self, settings: Settings, sessions: Sessions, view: View) -> None:
        self._settings = settings
        self._sessions = sessions
        self._view = view
        self._back = f"{(settings.board_url or '').rstrip('/')}{_BACK}"
        # Where patients go by the id of their `Patient`, nothing has to be read of it.
        scope = _SCOPE if settings.patient_system is None else f"{_SCOPE} patient/Patient.r"
        self._ehrs = {} if settings.smart_ehrs is None else _ehrs(settings.smart_ehrs, scope)

    async def start(self, request: Request) -> Response:
        """Send whoever comes from an EHR to its login, with what it said of the launch.

        Raises:
            LoginError: it is none of those that are configured, it says nothing of a launch, or it does not answer.
        """
        iss, launch = (request.query_params.get(name, "") for name in ("iss", "launch"))
        ehr = self._ehrs.get(iss.rstrip("/"))
        if ehr is None or not launch:
            raise LoginError("launch_unknown", 403, "no-launch" if ehr else "unknown-ehr")
        request.session["ehr"] = iss.rstrip("/")
        return await ehr.ask(request, self._back, aud=iss, launch=launch)

    async def finish(self, request: Request) -> str:
        """Let in whom the EHR sends back, in a new session; the patient whose page is to be opened.

        Raises:
            LoginError: the EHR does not say who it is or who the patient is, they have no role here, or nobody here is
                the patient.
        """
        iss = request.session.pop("ehr", "")
        ehr = self._ehrs.get(iss)
        if ehr is None:
            raise LoginError("launch_failed", 403, "no-launch")
        token = await ehr.token(request)
        who = person(token["userinfo"], self._settings)
        ident = token.get("patient")
        if not isinstance(ident, str) or not _ID.fullmatch(ident):
            raise LoginError("launch_nobody", 403, "no-patient")
        if self._settings.patient_system is not None:
            found = await ehr.resource(f"{iss}/Patient/{ident}", token)
            ident = called(found, ident, self._settings.patient_system)
        patient = None if ident is None else self._view.known([ident])
        if patient is None:
            raise LoginError("launch_stranger", 404, "no-identifier" if ident is None else "unknown-patient")
        self._sessions.begin(request.session, *who)
        return patient


def called(resource: Any, ident: str, system: str) -> str | None:
    """The one identifier of this system that a ``Patient`` of this id has in use."""
    if not isinstance(resource, dict) or (resource.get("resourceType"), resource.get("id")) != ("Patient", ident):
        return None
    try:
        return identifier(resource, system)
    except Refused:
        return None


def _ehrs(file: Path, scope: str) -> dict[str, Ehr]:
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))["ehr"]
        found = {}
        for one in told:
            iss, client, word = one["iss"].rstrip("/"), str(one["client_id"]), one.get("client_secret_file")
            if not keeps_the_secret(iss):
                raise ValueError
            hidden = None if word is None else secret(None, file.parent / word)
            found[iss] = Ehr.at(f"{iss}/.well-known/smart-configuration", scope, client, hidden)
    except SecurityError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise SecurityError(f"VAGT_SMART_EHRS: {file} cannot be used ({type(error).__name__}).") from None
    return found

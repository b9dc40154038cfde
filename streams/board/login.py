"""The board's own login, at the provider of the deployment."""

from starlette.requests import Request
from starlette.responses import Response

from streams.board.provider import Provider, person
from streams.board.viewer import Sessions
from streams.secret import secret
from streams.settings import Settings


class Login:
    """The board's conversation with the provider.

    Raises:
        SecurityError: the client's secret cannot be read.
    """

    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self._settings = settings
        self._sessions = sessions
        self._back = f"{(settings.board_url or '').rstrip('/')}/login/callback"
        given, file = settings.oidc_client_secret, settings.oidc_client_secret_file
        self._provider = Provider.at(
            f"{(settings.oidc_issuer or '').rstrip('/')}/.well-known/openid-configuration",
            "openid profile",
            settings.oidc_client_id or "",
            None if given is None and file is None else secret(given, file),
        )
        self._provider.issuer = settings.oidc_issuer

    async def start(self, request: Request, back: str) -> Response:
        """Send somebody to the provider; ``back`` is where they wanted to go.

        Raises:
            LoginError: the provider does not answer.
        """
        # Who has just left is asked for a password: the next at this computer may be somebody else.
        more = {"prompt": "login"} if request.session.pop("left", False) else {}
        request.session["back"] = back
        return await self._provider.ask(request, self._back, **more)

    async def finish(self, request: Request) -> str:
        """Let in whom the provider sends back, in a new session; where they wanted to go.

        Raises:
            LoginError: the provider does not say who it is, or they have no role here.
        """
        token = await self._provider.token(request)
        back: str = request.session.get("back", "/")
        self._sessions.begin(request.session, *person(token["userinfo"], self._settings))
        return back

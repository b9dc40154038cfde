"""Who somebody is, as an OpenID Connect provider says it: the authorization code flow with PKCE.

Authlib does it, with state, nonce and signature. Added here is what it leaves to its user: that the provider is who it
is meant to be, that the token is for this board, and that it is signed with a key that only the provider has.
"""

import ssl
from typing import Any, Final

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth, StarletteOAuth2App
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from streams.board.roles import role_of
from streams.board.viewer import Sessions
from streams.log import logger
from streams.secret import secret
from streams.settings import Settings

_LOG = logger(__name__)

_TIMEOUT_S: Final = 10.0
#: How far the provider's clock may be from this one.
_LEEWAY_S: Final = 30
_MOST_NAME: Final = 100
#: Signatures whose key the provider shows; not those that a shared secret, or nobody, makes.
_SIGNED_BY_KEY: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


class LoginError(Exception):
    """Nobody is let in; ``code`` names the sentence for the person, ``reason`` is for the log."""

    def __init__(self, code: str, status: int, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.reason = reason


class _Provider(StarletteOAuth2App):  # type: ignore[misc]
    """A provider that must be the one that is configured (OpenID Connect Discovery 1.0, 4.3)."""

    issuer: str

    async def load_server_metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = await super().load_server_metadata()
        if found.get("issuer") != self.issuer:
            raise LoginError("login_away", 503, "provider-is-another")
        told = found.get("id_token_signing_alg_values_supported") or ["RS256"]
        found["id_token_signing_alg_values_supported"] = sorted(_SIGNED_BY_KEY.intersection(told))
        return found


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
        self._provider: _Provider = OAuth().register(
            "board",
            client_cls=_Provider,
            client_id=settings.oidc_client_id,
            client_secret=None if given is None and file is None else secret(given, file),
            server_metadata_url=f"{(settings.oidc_issuer or '').rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile",
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT_S,
                "verify": ssl.create_default_context(),
            },
        )
        self._provider.issuer = settings.oidc_issuer

    async def start(self, request: Request, back: str) -> Response:
        """Send somebody to the provider; ``back`` is where they wanted to go.

        Raises:
            LoginError: the provider does not answer.
        """
        # Who has just left is asked for a password: the next at this computer may be somebody else.
        ask = {"prompt": "login"} if request.session.pop("left", False) else {}
        for name in [name for name in request.session if name.startswith("_state_")]:
            del request.session[name]
        request.session["back"] = back
        try:
            answer: Response = await self._provider.authorize_redirect(request, self._back, **ask)
        except (*_AWAY, ValueError, RuntimeError) as error:  # or what it says of itself is not usable
            raise LoginError("login_away", 503, type(error).__name__) from error
        return answer

    async def finish(self, request: Request) -> str:
        """Let in whom the provider sends back, in a new session; where they wanted to go.

        Raises:
            LoginError: the provider does not say who it is, or they have no role here.
        """
        wanted = {
            "iss": {"essential": True, "value": self._settings.oidc_issuer},
            "aud": {"essential": True, "value": self._settings.oidc_client_id},
        }
        try:
            token = await self._provider.authorize_access_token(request, claims_options=wanted, leeway=_LEEWAY_S)
        except _AWAY as error:
            raise LoginError("login_away", 503, type(error).__name__) from error
        except (AuthlibBaseError, JoseError, ValueError, LookupError, TypeError, RuntimeError) as error:
            claim = getattr(error, "claim", None)
            raise LoginError("login_failed", 403, " ".join(filter(None, (type(error).__name__, claim)))) from error
        claims = token.get("userinfo")
        if claims is None:
            raise LoginError("login_failed", 403, "no-id-token")
        name = str(claims.get("preferred_username") or claims["sub"])[:_MOST_NAME]
        role = role_of(claims, self._settings.oidc_roles_claim, self._settings.role_names)
        if role is None:
            _LOG.warning("board.no_role", user=name)
            raise LoginError("no_role", 403, "no-role")
        back: str = request.session.get("back", "/")
        self._sessions.begin(request.session, name, role, claims["exp"])
        _LOG.info("board.login", user=name, role=role)
        return back


_AWAY: Final = (httpx2.HTTPError, httpx2.InvalidURL, OSError)

"""A conversation with who says who somebody is: OpenID Connect's authorization code flow with PKCE.

Authlib does it, with state, nonce and signature. Added here is what it leaves to its user: that the provider is who it
is meant to be, that the token is for this board and signed with a key that only the provider has, and that no answer
takes more than so much time and memory.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final, Self

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.integrations.starlette_client import OAuth, StarletteOAuth2App
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from streams.board.roles import role_of
from streams.log import logger
from streams.settings import Settings

_LOG = logger(__name__)

#: For all that is asked of a provider at one request, and for each answer.
_TIMEOUT_S: Final = 10.0
_MOST_BYTES: Final = 1024 * 1024
#: How far the provider's clock may be from this one.
_LEEWAY_S: Final = 30
_MOST_NAME: Final = 100
#: Signatures whose key the provider shows; not those that a shared secret, or nobody, makes.
_SIGNED_BY_KEY: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
#: What is read of all that a provider says of itself.
_READ: Final = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
#: What Python raises of an answer that is not what it should be.
UNUSABLE: Final = (ValueError, LookupError, TypeError, AttributeError, RuntimeError)
_ALGORITHMS: Final = "id_token_signing_alg_values_supported"


class LoginError(Exception):
    """Nobody is let in; ``code`` names the sentence for the person, ``reason`` is for the log."""

    def __init__(self, code: str, status: int, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.reason = reason


class _Client(AsyncOAuth2Client):  # type: ignore[misc]
    """Takes so much of an answer, and nothing that has to be unpacked."""

    async def send(self, request: httpx2.Request, **more: Any) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"
        answer = await super().send(request, **more | {"stream": True})
        body = b""
        try:
            async for part in answer.aiter_raw():
                body += part
                if len(body) > _MOST_BYTES or "content-encoding" in answer.headers:
                    raise httpx2.DecodingError("the answer is packed or too large")
        finally:
            await answer.aclose()
        return httpx2.Response(answer.status_code, headers=answer.headers, content=body, request=request)


class Provider(StarletteOAuth2App):  # type: ignore[misc]
    """A provider, and this board's client there."""

    client_cls = _Client
    #: The sentences for a person when it does not answer, and when it does not say who they are.
    away: ClassVar = "login_away"
    failed: ClassVar = "login_failed"
    #: What it has to call itself; ``None`` where its address says enough.
    issuer: str | None = None

    @classmethod
    def at(cls, address: str, scope: str, client: str, secret: str | None) -> Self:
        """The provider that describes itself at this address."""
        made: Self = OAuth().register(
            "board",
            client_cls=cls,
            client_id=client,
            client_secret=secret,
            server_metadata_url=address,
            client_kwargs={
                "scope": scope,
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT_S,
                "verify": ssl.create_default_context(),
            },
        )
        return made

    async def load_server_metadata(self) -> dict[str, Any]:
        """What it says of itself: asked until it says what is needed, then no more.

        Raises:
            LoginError: it is another than the one that is configured (OpenID Connect Discovery 1.0, 4.3), or it leaves
                something out.
        """
        known: dict[str, Any] = self.server_metadata
        if not known:
            async with self._get_session() as client:
                answer = await client.request("GET", self._server_metadata_url, withhold_token=True)
            answer.raise_for_status()
            told = answer.json()
            if self.issuer not in (None, told.get("issuer")):
                raise LoginError(self.away, 503, "provider-is-another")
            if not all(isinstance(told.get(name), str) for name in _READ):
                raise LoginError(self.away, 503, "provider-says-too-little")
            signed = _SIGNED_BY_KEY.intersection(told.get(_ALGORITHMS) or ["RS256"])
            known |= {name: told[name] for name in _READ} | {_ALGORITHMS: sorted(signed)}
        return known

    async def save_authorize_data(self, request: Request, **told: Any) -> None:
        """Keep for the way back what is needed there: the address is not, and a cookie holds 4 kB."""
        del told["url"]
        await super().save_authorize_data(request, **told)

    async def ask(self, request: Request, back: str, **more: str) -> Response:
        """Send somebody there, to come back to the address ``back``.

        Raises:
            LoginError: the provider does not answer.
        """
        for name in [name for name in request.session if name.startswith("_state_")]:
            del request.session[name]
        async with self._in_time():
            try:
                answer: Response = await self.authorize_redirect(request, back, **more)
            except UNUSABLE as error:
                raise LoginError(self.away, 503, type(error).__name__) from error
        return answer

    async def token(self, request: Request) -> dict[str, Any]:
        """What the provider says of whom it sends back; ``userinfo`` is who that is, checked.

        Raises:
            LoginError: it does not say who it is, or not to this board.
        """
        async with self._in_time():
            try:
                wanted = {
                    "iss": {"essential": True, "value": (await self.load_server_metadata())["issuer"]},
                    "aud": {"essential": True, "value": self.client_id},
                }
                token: dict[str, Any] = await self.authorize_access_token(
                    request, claims_options=wanted, leeway=_LEEWAY_S
                )
            except (AuthlibBaseError, JoseError, *UNUSABLE) as error:
                claim = getattr(error, "claim", None)
                reason = " ".join(filter(None, (type(error).__name__, claim)))
                raise LoginError(self.failed, 403, reason) from error
        if token.get("userinfo") is None:
            raise LoginError(self.failed, 403, "no-id-token")
        return token

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                yield
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise LoginError(self.away, 503, type(error).__name__) from error


def person(claims: Mapping[str, Any], settings: Settings) -> tuple[str, str, float]:
    """Who it is of whom a token says this: name, role, and until when (s since the epoch).

    Raises:
        LoginError: they have no role here.
    """
    name = str(claims.get("preferred_username") or claims["sub"])[:_MOST_NAME]
    role = role_of(claims, settings.oidc_roles_claim, settings.role_names)
    if role is None:
        _LOG.warning("board.no_role", user=name)
        raise LoginError("no_role", 403, "no-role")
    return name, role, claims["exp"]

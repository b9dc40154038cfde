"""Who may ask for what: the session, names of patients that are worth nothing to anybody else, and forged requests."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HANDLE_LENGTH: Final = 22

#: Nothing from elsewhere, no script in the page, and nobody's frame.
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SafeHeaders:
    """Puts the headers on every answer; what is of patients is stored nowhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)


class Names:
    """Handles of patients, each session's own: what a URL shows tells nobody who it is, and serves nobody else."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def handle(self, session: str, patient: str) -> str:
        """The handle of a patient in a session."""
        return _text(self._mac(b"handle", session, patient))[:_HANDLE_LENGTH]

    def patient(self, session: str, handle: str, everybody: Iterable[str]) -> str | None:
        """Whose handle it is, of these patients; ``None``: nobody's."""
        given = handle.encode()
        return next((one for one in everybody if hmac.compare_digest(self.handle(session, one).encode(), given)), None)

    def token(self, session: str) -> str:
        """What a form of this session must bring back."""
        return _text(self._mac(b"token", session, ""))

    def _mac(self, purpose: bytes, session: str, what: str) -> bytes:
        return hmac.new(self._secret, b"%b\0%b\0%b" % (purpose, session.encode(), what.encode()), sha256).digest()


def is_forged(request: Request, token: str, expected: str, address: str | None) -> bool:
    """Whether a request that changes something came from another site than this board's own pages.

    ``address`` is where browsers find the board; without it, where they say that they found it.
    """
    own = request.headers.get("host") if address is None else urlsplit(address).netloc
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    # A form of a page without referrer has the origin "null": what the browser itself says of the site counts first.
    if site != "same-origin" if site is not None else origin is not None and urlsplit(origin).netloc != own:
        return True
    return not hmac.compare_digest(token.encode(), expected.encode())


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")

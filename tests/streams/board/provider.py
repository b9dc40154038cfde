"""An OpenID Connect provider on 127.0.0.1, whose tokens a test may spoil."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_provider_mock import User, app
from starlette.testclient import TestClient
from werkzeug.serving import make_server

CLIENT = "vagt-board"
KEY_ID = "of-the-provider"
#: The users of a test are called as their roles are, and "several" has two of them.
_ROLES = {role: [role] for role in ("platform", "quality", "reader", "nurse", "physician")} | {
    "several": ["quality", "nurse"],
    "nobody": [],
}
_USERS = [User(sub=name, claims={"preferred_username": f"u-{name}", "roles": own}) for name, own in _ROLES.items()]


def _key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": KEY_ID})


@dataclass
class Provider:
    """``spoil`` changes what a token says, ``sign`` signs it, ``metadata`` what the provider says of itself."""

    port: int = 0
    key: RSAKey = field(default_factory=_key)
    spoil: Callable[[dict[str, Any]], object] = field(default=lambda _: None)
    sign: Callable[[dict[str, Any]], str] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, list[str]]] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, told: dict[str, Any]) -> dict[str, Any]:
        """What the provider says in place of what the mock would say."""
        if path == "/jwks":
            return {"keys": [self.key.as_dict(private=False)]}
        if path == "/.well-known/openid-configuration":
            return told | self.metadata
        if path == "/oauth2/token" and "id_token" in told:
            part = told["id_token"].split(".")[1]
            claims = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
            claims.pop("at_hash", None)
            self.spoil(claims)
            sign = self.sign or (lambda claims: jwt.encode({"alg": "RS256", "kid": KEY_ID}, claims, self.key))
            return told | {"id_token": sign(claims)}
        return told

    def serves(self, environ: dict[str, Any]) -> Any:
        """What is there beside the mock's own pages; ``None``: nothing."""
        return None

    def sent_back(self, environ: dict[str, Any], location: str) -> None:
        """Somebody agreed, and is sent to this address."""


@contextmanager
def provider() -> Iterator[Provider]:
    with serving(Provider()) as found:
        yield found


_Provider = TypeVar("_Provider", bound=Provider)


@contextmanager
def serving(found: _Provider) -> Iterator[_Provider]:
    mock = app(user_claims=_USERS)

    def spoiled(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        own = found.serves(environ)
        if own is not None:
            start("200 OK", [("Content-Type", "application/json")])
            return [own if isinstance(own, bytes) else json.dumps(own).encode()]
        if path == "/oauth2/token":
            raw = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            found.asked.append(parse_qs(raw.decode()))
            environ["wsgi.input"] = BytesIO(raw)
        head: list[Any] = []
        body = b"".join(mock.wsgi_app(environ, lambda *told: head.extend(told)))
        if location := dict(head[1]).get("Location"):
            found.sent_back(environ, location)
        if dict(head[1]).get("Content-Type", "").startswith("application/json"):
            body = json.dumps(found.answer(path, json.loads(body))).encode()
        start(head[0], [(name, value) for name, value in head[1] if name != "Content-Length"])
        return [body]

    server = make_server("127.0.0.1", 0, spoiled, threaded=True)
    found.port = server.server_port
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None

    def http_error_302(self, _: Any, answer: Any, *__: Any) -> Any:
        return answer


def consent(address: str, who: str) -> str:
    """Somebody logs in at the provider; the address to which they are sent back."""
    with build_opener(_Stay).open(Request(address, urlencode({"sub": who}).encode())) as answer:
        return str(answer.headers["Location"])


def log_in(client: TestClient, who: str, back: str = "/") -> Any:
    """The whole way; the board's answer to whoever comes back."""
    return client.get(came_back(client, who, back))


def came_back(client: TestClient, who: str, back: str = "/") -> str:
    """The way up to the board's own door: the path with code and state."""
    sent = client.get("/login", params={"back": back})
    assert sent.status_code == 302, sent.text
    parts = urlsplit(consent(sent.headers["location"], who))
    return f"{parts.path}?{parts.query}"

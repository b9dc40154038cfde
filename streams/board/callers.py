"""Which EHR calls a CDS Hooks service: a signed token of one whose keys the deployment knows.

Source: CDS Hooks 2.0, "Trusting CDS Clients": a JWT with ``iss``, ``aud`` (the service's address), ``exp``, ``iat`` and
``jti``, signed with the client's private key.
"""

import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from streams.secret import SecurityError

#: Signatures that only the client can make.
_ALGORITHMS: Final = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
#: How far the client's clock may be from this one, and how long a token may live.
_LEEWAY_S: Final = 30
_LONGEST_S: Final = 15 * 60
_MOST_TOKEN: Final = 8192
#: Tokens that are remembered until they are over, so that none counts twice.
_MOST_SEEN: Final = 50_000


class CallerError(Exception):
    """Nobody is let in; the message is a word for the log."""


class Callers:
    """The clients of a TOML file: ``[[client]]`` with ``issuer`` and ``keys``, a JWK set's path from there.

    Raises:
        SecurityError: the file or a key set cannot be read, or is none.
    """

    def __init__(self, file: Path, address: str) -> None:
        self._address = address.rstrip("/")
        self._keys = _clients(file)
        self._seen: dict[tuple[str, str], float] = {}

    def check(self, authorization: str, path: str) -> str:
        """The issuer of a request's token; ``path`` is what the request asks for.

        Raises:
            CallerError: there is no token, or it is nobody's here, not for this service, over, or was used before.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > _MOST_TOKEN:
            raise CallerError("no-token")
        claims = self._claims(token)
        now, issuer, name = time.time(), claims["iss"], claims.get("jti")
        address = f"{self._address}{path}"
        told = claims.get("aud")
        if address not in (told if isinstance(told, list) else [told]):
            raise CallerError("for-another")
        until, since = claims.get("exp"), claims.get("iat")
        if not isinstance(until, int | float) or not isinstance(since, int | float):
            raise CallerError("no-time")
        if not since - _LEEWAY_S <= now <= until + _LEEWAY_S or until - since > _LONGEST_S:
            raise CallerError("expired")
        if not isinstance(name, str) or not name:
            raise CallerError("no-name")
        self._remember(issuer, name, until, now)
        return str(issuer)

    def _claims(self, token: str) -> Mapping[str, Any]:
        """What a token says, once the one whom it names has signed it."""
        try:
            # Whose keys to try is read before the signature is checked, and nothing else is.
            named = orjson.loads(jws.extract_compact(token.encode()).payload)["iss"]
            claims: Mapping[str, Any] = jwt.decode(token, self._keys[named], algorithms=_ALGORITHMS).claims
            return claims
        except (JoseError, ValueError, LookupError, TypeError) as error:
            raise CallerError("unknown-client" if isinstance(error, KeyError) else "bad-token") from None

    def _remember(self, issuer: str, name: str, until: float, now: float) -> None:
        if (issuer, name) in self._seen:
            raise CallerError("used-before")
        if len(self._seen) >= _MOST_SEEN:
            self._seen = {one: end for one, end in self._seen.items() if end + _LEEWAY_S >= now}
            if len(self._seen) >= _MOST_SEEN:
                raise CallerError("too-many")
        self._seen[issuer, name] = until


def _clients(file: Path) -> dict[str, KeySet]:
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))["client"]
        found = {
            str(one["issuer"]): KeySet.import_key_set(orjson.loads(file.parent.joinpath(one["keys"]).read_bytes()))
            for one in told
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError, JoseError) as error:
        raise SecurityError(f"VAGT_CDS_CLIENTS: {file} cannot be used ({type(error).__name__}).") from None
    if any(key.is_private for keys in found.values() for key in keys.keys):
        raise SecurityError(f"VAGT_CDS_CLIENTS: {file} names a key set with a private key; a client keeps that itself.")
    return found

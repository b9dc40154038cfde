"""Bearer tokens for Kafka: OAuth 2.0's client credentials grant (RFC 6749, 4.4)."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from threading import Lock
from typing import Any

from streams.secret import Hidden, refuse

_TIMEOUT_S = 10.0
#: A token is renewed this long before it expires, or when a fifth of its life is left if that is later.
_MARGIN_S = 30.0
_MOST_BYTES = 1 << 20
#: RFC 6750, 2.1.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class Tokens:
    """The bearer tokens of one client: each is used until shortly before it expires. Safe for several threads.

    ``secret`` is asked for each time, so that a file may be given a new one.
    """

    def __init__(self, endpoint: str, client: str, secret: Callable[[], str], scope: str | None = None) -> None:
        self._endpoint = endpoint
        self._client = client
        self._secret = secret
        self._scope = scope
        self._lock = Lock()
        self._token = Hidden()
        self._good_until = 0.0

    def token(self) -> str:
        """A token that is good now.

        Raises:
            SecurityError: the endpoint does not answer, or gives none.
        """
        with self._lock:
            if time.monotonic() >= self._good_until:
                asked = time.monotonic()
                self._token, life = self._fetch()
                self._good_until = asked + life - min(_MARGIN_S, life / 5)
            return self._token

    def _fetch(self) -> tuple[Hidden, float]:
        """A new token, and for how many seconds it is good (0 when nobody says)."""
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        request = urllib.request.Request(
            self._endpoint,
            urllib.parse.urlencode(form).encode(),
            {"Authorization": basic(self._client, self._secret()), "Accept": "application/json"},
        )
        try:
            with _OPENER.open(request, timeout=_TIMEOUT_S) as answer:
                found = json.loads(answer.read(_MOST_BYTES))
            if not _TOKEN.fullmatch(found["access_token"]):
                raise ValueError
            return Hidden(found["access_token"]), max(0.0, float(found.get("expires_in") or 0))
        except urllib.error.HTTPError as error:
            error.close()
            refuse(
                f"The token endpoint {self._endpoint} refuses the client {self._client} (status {error.code}): "
                "see VAGT_KAFKA_USERNAME and VAGT_KAFKA_PASSWORD_FILE"
            )
        except OSError as error:
            reason = getattr(error, "reason", error)
            refuse(f"The token endpoint {self._endpoint} does not answer ({type(reason).__name__})")
        except (ValueError, TypeError, LookupError, AttributeError):
            refuse(f"The token endpoint {self._endpoint} gives no token")


def basic(client: str, secret: str) -> str:
    """The header that shows who asks; both parts are form-encoded before they are joined (RFC 6749, 2.3.1)."""
    pair = ":".join(map(urllib.parse.quote_plus, (client, secret)))
    return f"Basic {b64encode(pair.encode()).decode()}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The client's secret goes to the configured address alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)

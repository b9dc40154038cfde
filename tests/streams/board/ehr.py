"""An EHR on 127.0.0.1 that opens the board: what SMART App Launch asks of its login, and its patients."""

import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.streams.board.provider import Provider, serving

SYSTEM = "urn:oid:1.2.208.176.1.2"
LAUNCH = "of-anna"
IDENT = "1288992"


def patient(value: str, **fields: Any) -> dict[str, Any]:
    """A ``Patient`` as the EHR has it."""
    return {
        "resourceType": "Patient",
        "id": IDENT,
        "identifier": [{"system": SYSTEM, "value": value}, {"system": "urn:local", "value": "7"}],
        **fields,
    }


@dataclass
class Ehr(Provider):
    """``resources`` is what lies where below its FHIR address; ``context`` changes what comes beside a token."""

    resources: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    #: The requests for a login, by the code that each was given; a code is taken away by its use.
    codes: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    #: For how long its FHIR address waits with an answer (s).
    waits: float = 0.0

    @property
    def iss(self) -> str:
        return f"{self.issuer}/fhir"

    def serves(self, environ: dict[str, Any]) -> Any:
        """Its description for everybody, and its patients for who has a token."""
        path = environ["PATH_INFO"]
        time.sleep(self.waits)
        if path == "/fhir/.well-known/smart-configuration":
            own = {name: f"{self.issuer}/oauth2/{name}" for name in ("authorize", "token")}
            return {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/jwks",
                "authorization_endpoint": own["authorize"],
                "token_endpoint": own["token"],
                "capabilities": ["launch-ehr", "sso-openid-connect", "context-ehr-patient", "permission-v2"],
                "code_challenge_methods_supported": ["S256"],
            } | self.metadata
        if not path.startswith("/fhir/"):
            return None
        if environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ") not in self.tokens:
            return {"resourceType": "OperationOutcome"}
        return self.resources.get(path.removeprefix("/fhir/"), {"resourceType": "OperationOutcome"})

    def sent_back(self, environ: dict[str, Any], location: str) -> None:
        """Remember for which request a code is."""
        code = parse_qs(urlsplit(location).query)["code"][0]
        self.codes[code] = parse_qs(environ["QUERY_STRING"])

    def answer(self, path: str, told: dict[str, Any]) -> dict[str, Any]:
        """A token only for who asked with this address, this launch and this secret; with it, the patient."""
        told = super().answer(path, told)
        if path != "/oauth2/token" or "id_token" not in told:
            return told
        form = self.asked[-1]
        wanted = self.codes.pop(form["code"][0])
        digest = sha256(form["code_verifier"][0].encode()).digest()
        assert wanted["code_challenge"] == [urlsafe_b64encode(digest).decode().rstrip("=")]
        if (wanted["aud"], wanted["launch"]) != ([self.iss], [LAUNCH]):
            return {"error": "invalid_request"}
        self.tokens.add(told["access_token"])
        return told | {"patient": IDENT, "scope": wanted["scope"][0]} | self.context


@contextmanager
def ehr() -> Iterator[Ehr]:
    with serving(Ehr()) as found:
        yield found

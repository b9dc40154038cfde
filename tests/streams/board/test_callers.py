"""Which EHR may call: a token that one of the known clients signed, for this service, now, and once."""

import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from streams.board.callers import CallerError, Callers
from streams.board.web import Board
from streams.secret import SecurityError
from streams.settings import Settings

ADDRESS = "https://vagt.example.org"
PATH = "/cds-services/vagt-patient-view"
EHR = "https://ehr.example.org"
KEY, OTHER = ECKey.generate_key("P-384"), ECKey.generate_key("P-384")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "ehr.json").write_bytes(orjson.dumps(KeySet([KEY]).as_dict(private=False)))
    found = tmp_path / "clients.toml"
    found.write_text(f'[[client]]\nissuer = "{EHR}"\nkeys = "ehr.json"\n')
    return found


@pytest.fixture
def callers(file: Path) -> Callers:
    return Callers(file, f"{ADDRESS}/")


def token(key: Any = KEY, algorithm: str = "ES384", **claims: Any) -> str:
    now = int(time.time())
    told = {"iss": EHR, "aud": f"{ADDRESS}{PATH}", "iat": now, "exp": now + 300, "jti": "t-1", **claims}
    header = {"alg": algorithm, "typ": "JWT", "kid": KEY.as_dict(private=False)["kid"]}
    return jwt.encode(header, {name: one for name, one in told.items() if one is not None}, key, [algorithm])


def why(callers: Callers, authorization: str) -> str:
    with pytest.raises(CallerError) as error:
        callers.check(authorization, PATH)
    return str(error.value)


def test_a_token_of_a_known_client_for_this_service_lets_it_in(callers):
    assert callers.check(f"Bearer {token()}", PATH) == EHR
    assert callers.check(f"bearer {token(aud=['https://else', ADDRESS + PATH], jti='t-2')}", PATH) == EHR


def test_a_token_counts_once(callers):
    callers.check(f"Bearer {token()}", PATH)
    assert why(callers, f"Bearer {token()}") == "used-before"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://else.example.org"}, "unknown-client"),
        ({"iss": None}, "unknown-client"),
        ({"iss": ["x"]}, "bad-token"),
        ({"aud": f"{ADDRESS}/cds-services/vagt-order-select"}, "for-another"),
        ({"aud": None}, "for-another"),
        ({"exp": int(time.time()) - 60}, "expired"),
        ({"iat": int(time.time()) + 86_400, "exp": int(time.time()) + 86_700}, "expired"),
        ({"exp": int(time.time()) + 3600}, "expired"),
        ({"exp": None}, "no-time"),
        ({"iat": "now"}, "no-time"),
        ({"jti": None}, "no-name"),
        ({"jti": ""}, "no-name"),
    ],
)
def test_a_token_that_says_something_else_is_refused(callers, claims, reason):
    assert why(callers, f"Bearer {token(**claims)}") == reason


@pytest.mark.req("VAGT-OUT-02")
def test_a_token_that_somebody_else_signed_is_refused(callers):
    assert why(callers, f"Bearer {token(OTHER)}") == "bad-token"
    secret = OctKey.import_key(orjson.dumps(KeySet([KEY]).as_dict(private=False)))
    assert why(callers, f"Bearer {token(secret, 'HS256')}") == "bad-token"
    head, body, _ = token().split(".")
    assert why(callers, f"Bearer {head}.{body}.") == "bad-token"


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", f"Bearer {'x' * 9000}"])
@pytest.mark.req("VAGT-OUT-02")
def test_without_a_token_nobody_is_let_in(callers, header):
    assert why(callers, header) == "no-token"


@pytest.mark.parametrize("text", ["a", "a.b", "a.b.c", "..", "ä.ö.ü", "e30.e30.e30", "e30.bnVsbA.e30"])
def test_a_token_that_is_none_is_refused(callers, text):
    assert why(callers, f"Bearer {text}") in {"bad-token", "unknown-client"}


@pytest.mark.parametrize(
    "text", ["", "client = 1", '[[client]]\nissuer = "x"', '[[client]]\nissuer = "x"\nkeys = "none.json"', "\x00"]
)
def test_a_file_that_names_no_clients_is_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "clients.toml").write_text(text)
    with pytest.raises(SecurityError, match="VAGT_CDS_CLIENTS"):
        Callers(tmp_path / "clients.toml", ADDRESS)


def test_a_clients_private_key_has_no_place_here(file):
    (file.parent / "ehr.json").write_bytes(orjson.dumps(KeySet([KEY]).as_dict(private=True)))
    with pytest.raises(SecurityError, match="private key"):
        Callers(file, ADDRESS)


def test_the_service_asks_for_the_token_and_logs_who_is_refused(file):
    board = Board(Settings(kafka_bootstrap="127.0.0.1:1", cds_clients=file, board_url=ADDRESS))
    client = TestClient(board.app, base_url=ADDRESS)
    try:
        for path in (PATH, f"{PATH}/feedback"):
            with capture_logs() as logs:
                refused = client.post(path, json={})
            assert [(one["event"], one["why"]) for one in logs] == [("cds.refused", "no-token")]
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get("/cds-services").status_code == 200
        assert client.post(PATH, json={}, headers={"authorization": f"Bearer {token()}"}).status_code == 400
    finally:
        client.close()

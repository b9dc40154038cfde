"""The patient's page opened from an EHR: who and whom the EHR says, and nobody else."""

import time
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import ValidationError
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from streams.board.smart import called
from streams.board.web import Board
from streams.pseudonym import Pseudonyms
from streams.secret import SecurityError
from streams.settings import Settings
from tests.streams.board.ehr import IDENT, LAUNCH, SYSTEM, Ehr, ehr, patient
from tests.streams.board.provider import CLIENT, KEY_ID, consent
from tests.streams.board.told import shown

pytestmark = pytest.mark.filterwarnings("ignore:get_jwt_config")

CPR = "010203-1234"
ADDRESS = "http://127.0.0.1:8080"
KEY = "00" * 32


@pytest.fixture(scope="module")
def running() -> Iterator[Ehr]:
    with ehr() as found:
        yield found


@pytest.fixture
def epj(running: Ehr, monkeypatch: pytest.MonkeyPatch) -> Ehr:
    """The EHR as it should be, with one patient; on a machine that does much else it may take its time."""
    monkeypatch.setattr("streams.board.provider._TIMEOUT_S", 300.0)
    running.spoil, running.sign, running.metadata, running.context = lambda _: None, None, {}, {}
    running.waits = 0.0
    running.resources = {f"Patient/{IDENT}": patient(CPR)}
    return running


@pytest.fixture
def log() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as found:
        yield found


@pytest.fixture
def opened(epj: Ehr, views: object, tmp_path: Path) -> Callable[..., TestClient]:
    def opening(known: str = CPR, **fields: Any) -> TestClient:
        """A browser at a board that this EHR may open, and that knows this patient."""
        ehrs = tmp_path / "ehrs.toml"
        ehrs.write_text(f'[[ehr]]\niss = "{epj.iss}"\nclient_id = "{CLIENT}"\nclient_secret_file = "word"\n')
        ehrs.with_name("word").write_text("word\n")
        login = {"oidc_issuer": "http://127.0.0.1:1", "oidc_client_id": "x", "board_url": ADDRESS}
        own = {"kafka_bootstrap": "127.0.0.1:1", "smart_ehrs": ehrs, "patient_system": SYSTEM}
        board = Board(Settings.model_validate(own | login | fields))
        board.house.hear_now(known, shown(patient=known, name="Anna"))
        headers = {"accept": "text/html"}
        return TestClient(board.app, base_url=ADDRESS, follow_redirects=False, headers=headers)

    return opening


def launched(client: TestClient, iss: str, launch: str = LAUNCH) -> Any:
    return client.get("/smart/launch", params={"iss": iss, "launch": launch})


def came_back(client: TestClient, epj: Ehr, who: str = "nurse") -> str:
    """The way up to the board's own door: the path with code and state."""
    sent = launched(client, epj.iss)
    assert sent.status_code == 302, sent.text
    parts = urlsplit(consent(sent.headers["location"], who))
    return f"{parts.path}?{parts.query}"


def refused_for(log: list[MutableMapping[str, Any]]) -> list[tuple[str, str]]:
    found = [one for one in log if one["event"] == "board.refused"]
    assert CPR not in str(log)
    assert IDENT not in str(log)
    return [(one["why"], one["what"]) for one in found]


@pytest.mark.req("VAGT-OUT-03")
def test_an_ehr_opens_the_page_of_its_patient_for_its_user_and_the_view_is_written_down(opened, epj, views, log):
    client = opened()
    back = client.get(came_back(client, epj))
    assert back.status_code == 303
    where = back.headers["location"]
    assert where.startswith("/patient/")
    assert CPR not in where
    assert IDENT not in where
    page = client.get(where)
    assert page.status_code == 200
    assert "Anna" in page.text
    assert views == [("nurse", "nurse", "patient", [CPR])]
    assert ("board.login", "nurse") in {(one["event"], one.get("user")) for one in log}
    assert refused_for(log) == []


def test_the_ehr_is_asked_for_a_code_with_a_challenge_for_its_own_address_and_launch(opened, epj):
    asked = parse_qs(urlsplit(launched(opened(), epj.iss).headers["location"]).query)
    assert (asked["aud"], asked["launch"], asked["response_type"]) == ([epj.iss], [LAUNCH], ["code"])
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{ADDRESS}/smart/callback"]
    assert asked["scope"] == ["openid fhirUser launch patient/Patient.r"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)


def test_where_patients_go_by_the_ehrs_own_id_nothing_is_read_of_them(opened, epj):
    client = opened(IDENT, patient_system=None)
    asked = parse_qs(urlsplit(launched(client, epj.iss).headers["location"]).query)
    assert asked["scope"] == ["openid fhirUser launch"]
    epj.resources = {}
    assert "Anna" in client.get(client.get(came_back(client, epj)).headers["location"]).text


def test_with_a_key_the_patient_is_found_by_the_pseudonym(opened, epj, views):
    name = Pseudonyms([bytes.fromhex(KEY)]).name(CPR)
    client = opened(name, pseudonym_key=KEY)
    assert client.get(client.get(came_back(client, epj)).headers["location"]).status_code == 200
    assert [view[3] for view in views] == [[name]]


def test_a_long_launch_leaves_a_cookie_that_a_browser_keeps(opened, epj):
    sent = launched(opened(), epj.iss, "x" * 3000)
    (cookie,) = [value for name, value in sent.headers.multi_items() if name == "set-cookie"]
    assert len(cookie) < 4096


@pytest.mark.req("VAGT-OUT-03")
@pytest.mark.parametrize(
    ("iss", "launch", "why"),
    [
        ("https://elsewhere.example/fhir", LAUNCH, "unknown-ehr"),
        ("", LAUNCH, "unknown-ehr"),
        ("{iss}/r4", LAUNCH, "unknown-ehr"),
        ("{iss}", "", "no-launch"),
    ],
)
def test_a_launch_of_an_ehr_that_is_not_configured_goes_nowhere(opened, epj, log, iss, launch, why):
    refused = launched(opened(), iss.replace("{iss}", epj.iss), launch)
    assert refused.status_code == 403
    assert "journalsystem, som tavlen kender" in refused.text
    assert refused_for(log) == [("launch", why)]


def _hour_ago(epj: Ehr) -> None:
    epj.spoil = lambda claims: claims.update(iat=time.time() - 7200, exp=time.time() - 3600)


def _claims(**claims: Any) -> Callable[[Ehr], None]:
    def spoiling(epj: Ehr) -> None:
        epj.spoil = lambda told: told.update(claims)

    return spoiling


def _beside(**parts: Any) -> Callable[[Ehr], None]:
    def spoiling(epj: Ehr) -> None:
        epj.context = parts

    return spoiling


def _found(resource: Any) -> Callable[[Ehr], None]:
    def spoiling(epj: Ehr) -> None:
        epj.resources = {f"Patient/{IDENT}": resource}

    return spoiling


def _by_another(epj: Ehr) -> None:
    key = RSAKey.generate_key(2048)
    epj.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": KEY_ID}, claims, key)


FORGED: dict[str, tuple[Callable[[Ehr], None], int, str]] = {
    "a token of another issuer": (_claims(iss="https://elsewhere.example"), 403, "InvalidClaimError iss"),
    "a token for another board": (_claims(aud="another-board"), 403, "InvalidClaimError aud"),
    "a token of another login": (_claims(nonce="of another login"), 403, "InvalidClaimError nonce"),
    "a token that is over": (_hour_ago, 403, "ExpiredTokenError exp"),
    "a token that somebody else signed": (_by_another, 403, "BadSignatureError"),
    "an answer without a token": (_beside(id_token=None), 403, "TypeError"),
    "an answer of another kind": (_beside(token_type="mac"), 404, "no-identifier"),
    "no patient": (_beside(patient=None), 403, "no-patient"),
    "a patient who is no id": (_beside(patient="../Observation/1"), 403, "no-patient"),
    "a patient who is a list": (_beside(patient=[IDENT]), 403, "no-patient"),
    "another patient than was asked for": (_found(patient(CPR, id="2")), 404, "no-identifier"),
    "a resource that is no patient": (_found(patient(CPR, resourceType="Person")), 404, "no-identifier"),
    "a patient of another system alone": (_found(patient(CPR, identifier=[{"value": CPR}])), 404, "no-identifier"),
    "a patient with two identifiers": (
        _found(patient(CPR, identifier=[{"system": SYSTEM, "value": one} for one in (CPR, "x")])),
        404,
        "no-identifier",
    ),
    "a patient of a strange shape": (_found(patient(CPR, identifier="x")), 404, "no-identifier"),
    "a patient that is no JSON": (_found(b"<Patient/>"), 404, "no-identifier"),
    "a patient nested without end": (_found(b"[" * 500_000), 404, "no-identifier"),
    "a patient whom nobody here knows": (_found(patient("010203-9999")), 404, "unknown-patient"),
    "a patient of 2 MB": (_found(patient(CPR, text="x" * 2 * 1024 * 1024)), 503, "DecodingError"),
}


@pytest.mark.req("VAGT-OUT-03")
@pytest.mark.parametrize("case", FORGED)
def test_what_is_forged_or_leads_to_nobody_opens_nothing(opened, epj, views, log, case):
    spoil, status, why = FORGED[case]
    client = opened()
    path = came_back(client, epj)
    spoil(epj)
    refused = client.get(path)
    assert (refused.status_code, refused_for(log)) == (status, [("launch", why)])
    assert "ournalsystem" in refused.text
    assert client.get("/ward").status_code == 303
    assert views == []


def test_who_has_no_role_here_is_told_so_whatever_the_ehr_shows(opened, epj, log):
    client = opened()
    refused = client.get(came_back(client, epj, "nobody"))
    assert (refused.status_code, refused_for(log)) == (403, [("launch", "no-role")])
    assert "ingen rolle" in refused.text


@pytest.mark.parametrize(("role", "status"), [("platform", 403), ("quality", 403), ("reader", 200)])
def test_a_role_that_sees_no_patient_sees_none_by_way_of_the_ehr(opened, epj, role, status):
    client = opened()
    assert client.get(client.get(came_back(client, epj, role)).headers["location"]).status_code == status


@pytest.mark.req("VAGT-OUT-03")
def test_a_code_serves_once_and_in_the_browser_that_asked_for_it(opened, epj, log):
    client, other = opened(), opened()
    path = came_back(client, epj)
    assert other.get(path).status_code == 403
    launched(other, epj.iss)
    assert other.get(path).status_code == 403
    copy = opened(board_secret="same")
    assert client.get(path).status_code == 303
    assert client.get(path).status_code == 403
    assert copy.get(path).status_code == 403
    assert refused_for(log) == [
        ("launch", why) for why in ("no-launch", "MismatchingStateError", "no-launch", "no-launch")
    ]


def test_a_code_that_was_used_is_refused_by_the_ehr_too(opened, epj, log):
    first, second = opened(board_secret="same"), opened(board_secret="same")
    path = came_back(first, epj)
    second.cookies = first.cookies
    assert first.get(path).status_code == 303
    assert second.get(path).status_code == 403
    assert refused_for(log) == [("launch", "OAuthError")]


@pytest.mark.parametrize(
    "query", ["", "?code=x", "?state=x", "?error=access_denied&error_description=<b>", "?code=%00"]
)
def test_whatever_comes_back_from_elsewhere_is_refused(opened, epj, log, query):
    client = opened()
    launched(client, epj.iss)
    assert client.get(f"/smart/callback{query}").status_code == 403
    assert len(refused_for(log)) == 1


@pytest.mark.parametrize(
    "said",
    [
        {"authorization_endpoint": None},
        {"token_endpoint": 7},
        {"issuer": None},
        {"jwks_uri": None},
        {"capabilities": "x" * 2 * 1024 * 1024},
    ],
)
def test_an_ehr_that_does_not_say_what_is_needed_is_asked_again_the_next_time(opened, epj, log, said):
    client = opened()
    epj.metadata = said
    away = launched(client, epj.iss)
    assert away.status_code == 503
    assert "Journalsystemet svarer ikke" in away.text
    assert len(refused_for(log)) == 1
    epj.metadata = {}
    assert launched(client, epj.iss).status_code == 302


def test_an_ehr_cannot_say_how_it_is_asked(opened, epj):
    """Authlib hands all that a server says of itself on to the client that asks it: its trust in certificates too."""
    client = opened()
    epj.metadata = {"verify": False, "scope": "user/*.cruds", "proxy": "http://127.0.0.1:1"}
    assert "openid+fhirUser" in launched(client, epj.iss).headers["location"]
    epj.metadata = {}
    assert client.get(came_back(client, epj)).status_code == 303


def test_an_ehr_that_is_away_is_said_in_a_sentence(opened, epj, tmp_path, log):
    ehrs = tmp_path / "away.toml"
    ehrs.write_text('[[ehr]]\niss = "http://127.0.0.1:1/fhir/"\nclient_id = "x"\n')
    away = launched(opened(smart_ehrs=ehrs), "http://127.0.0.1:1/fhir")
    assert away.status_code == 503
    assert refused_for(log) == [("launch", "ConnectError")]


def test_an_ehr_that_dawdles_is_not_waited_for(opened, epj, log, monkeypatch):
    client = opened()
    epj.waits = 1.0
    monkeypatch.setattr("streams.board.provider._TIMEOUT_S", 0.1)
    assert launched(client, epj.iss).status_code == 503
    assert refused_for(log) == [("launch", "TimeoutError")]


def test_a_launch_begins_a_new_session(opened, epj):
    client = opened()
    first = client.get(came_back(client, epj)).headers["location"]
    second = client.get(came_back(client, epj)).headers["location"]
    assert first != second
    assert client.get(first).status_code == 404
    assert client.get(second).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[[ehr]]\niss = 'https://ehr.example'\n",
        "[[ehr]]\niss = 'http://ehr.example'\nclient_id = 'x'\n",
        "[[ehr]]\niss = 'https://user:word@ehr.example'\nclient_id = 'x'\n",
        "[[ehr]]\niss = 'https://ehr.example'\nclient_id = 'x'\nclient_secret_file = 'none'\n",
        "ehr = 7\n",
        "not TOML",
    ],
)
def test_a_file_of_ehrs_that_cannot_be_used_is_told(opened, tmp_path, text):
    ehrs = tmp_path / "bad.toml"
    ehrs.write_text(text)
    with pytest.raises(SecurityError):
        opened(smart_ehrs=ehrs)


def test_without_a_login_nobody_is_let_in_by_an_ehr(tmp_path):
    with pytest.raises(ValidationError, match="VAGT_OIDC_ISSUER"):
        Settings(smart_ehrs=tmp_path / "ehrs.toml")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([SYSTEM, CPR, "Patient", IDENT]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["resourceType", "id", "identifier", "system", "value", "use"]), inner)
    ),
    max_leaves=12,
)


@given(_JSON)
def test_whatever_an_ehr_has_as_a_patient_names_one_or_nobody(resource):
    assert called(resource, IDENT, SYSTEM) is None or isinstance(called(resource, IDENT, SYSTEM), str)

"""Who may look: logins at a real provider, roles, sessions, and those who are refused."""

import json
import re
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from pydantic import ValidationError
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from streams.board.limits import MOST_STREAMS
from streams.board.roles import OPEN, RIGHTS, role_of
from streams.board.viewer import Viewer
from streams.board.web import Board
from streams.settings import ROLES, Settings
from tests.streams.board.conftest import Views
from tests.streams.board.provider import CLIENT, KEY_ID, Provider, came_back, log_in, provider
from tests.streams.board.told import alert, shown

#: What the provider's mock uses of Authlib is old; the board uses none of it.
pytestmark = pytest.mark.filterwarnings("ignore:get_jwt_config")

CPR = "010203-1234"
ADDRESS = "http://127.0.0.1:8080"
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with provider() as found:
        yield found


@pytest.fixture
def idp(running: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The provider as it should be; on a machine that does much else it may take its time."""
    monkeypatch.setattr("streams.board.provider._TIMEOUT_S", 300.0)
    running.spoil, running.sign, running.metadata = lambda _: None, None, {}
    return running


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The feedback that comes to Kafka."""
    found: list[dict[str, Any]] = []

    async def give(_: Any, __: int, feedback: dict[str, Any]) -> None:
        found.append(feedback)

    monkeypatch.setattr("streams.board.web.give", give)
    return found


def opened(idp: Provider, **fields: Any) -> Board:
    login = {"oidc_issuer": idp.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": "word", "board_url": ADDRESS}
    board = Board(Settings.model_validate({"kafka_bootstrap": "127.0.0.1:1"} | login | fields))
    told = alert(patient=CPR)
    board.house.hear_now(CPR, shown(patient=CPR, name="Anna", alerts=(told,), since={told.id: told.at}))
    return board


def at(board: Board, address: str = ADDRESS, **more: Any) -> TestClient:
    return TestClient(board.app, base_url=address, follow_redirects=False, headers=HTML, **more)


@pytest.fixture
def log() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as found:
        yield found


@pytest.fixture
def board(idp: Provider, views: Views) -> Board:
    return opened(idp)


@pytest.fixture
def client(board: Board) -> TestClient:
    return at(board)


def session(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(b64decode(str(client.cookies.get("vagt")).split(".")[0]))
    return found


def field(page: str, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def test_a_login_asks_for_a_code_with_a_challenge_a_state_and_a_nonce(client, idp):
    idp.asked.clear()
    sent = client.get("/login")
    asked = parse_qs(urlsplit(sent.headers["location"]).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{ADDRESS}/login/callback"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    log_in(client, "nurse")
    assert len(idp.asked[0]["code_verifier"][0]) >= 43
    assert "word" not in sent.headers["location"]


def test_who_is_not_logged_in_is_sent_to_log_in_and_back_to_where_they_wanted(client):
    sent = client.get("/ward?ward=M2")
    assert sent.headers["location"] == "/login?back=%2Fward%3Fward%3DM2"
    assert log_in(client, "nurse", "/ward?ward=M2").headers["location"] == "/ward?ward=M2"
    assert "Anna" in client.get("/ward").text


def test_nobody_is_sent_to_another_site_after_the_login(client):
    assert log_in(client, "nurse", "https://elsewhere.example/").headers["location"] == "/"


@pytest.mark.parametrize("path", ["/ward", "/handover", "/second-opinion", "/service", "/patient/x", "/stream", "/"])
@pytest.mark.req("VAGT-BRD-16")
def test_without_a_session_nothing_is_shown_but_the_way_to_the_login(client, path):
    assert client.get(path).headers["location"].startswith("/login?back=")
    refused = client.get(path, headers={"accept": "application/json"})
    assert refused.status_code == 401
    assert "Anna" not in refused.text


def test_every_route_asks_for_a_right_that_some_role_has_or_is_named_as_open():
    board = Board(Settings(kafka_bootstrap="127.0.0.1:1"))
    asked = {route.path: route.name for route in board.app.routes if isinstance(route, Route)}
    rights = frozenset[str]().union(*RIGHTS.values())
    assert {path for path, right in asked.items() if right == OPEN} == {
        "/language", "/login", "/login/callback", "/smart/launch", "/smart/callback", "/logout", "/goodbye",
        "/healthz", "/readyz", "/openapi.json",
    }  # fmt: skip
    assert {right for right in asked.values() if right != OPEN} <= rights


def test_each_role_may_all_that_those_before_it_may():
    assert set(RIGHTS) == set(ROLES)
    for lower, higher in pairwise(ROLES):
        assert RIGHTS[lower] <= RIGHTS[higher]


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("platform", {"/service"}),
        ("quality", {"/service"}),
        ("reader", {"/service", "/ward", "/handover", "/second-opinion", "/patient"}),
        ("nurse", {"/service", "/ward", "/handover", "/second-opinion", "/patient", "/answer"}),
        ("physician", {"/service", "/ward", "/handover", "/second-opinion", "/patient", "/answer"}),
    ],
)
def test_a_role_sees_its_pages_and_no_others(client, board, views, given, role, allowed):
    log_in(client, role)
    mine = session(client)["id"]
    handle = board._names.handle(mine, CPR)
    found = set()
    for path in ("/service", "/ward", "/handover", "/second-opinion"):
        answer = client.get(path)
        assert answer.status_code == (200 if path in allowed else 403), path
        assert ("Anna" in answer.text) == (path in allowed - {"/service"})
        found |= {path} if answer.status_code == 200 else set()
    found |= {"/patient"} if client.get(f"/patient/{handle}").status_code == 200 else set()
    form = {"token": board._names.token(mine), "handle": handle, "alert": "infection-risk-a", "action": "acknowledge"}
    answer = client.post("/answer", data=form, headers={"accept": "application/json"})
    found |= {"/answer"} if answer.status_code == 200 else set()
    assert found == allowed
    assert [one["by"] for one in given] == ([f"{role}/u-{role}"] if "/answer" in allowed else [])
    assert {view[:2] for view in views} == ({(f"u-{role}", role)} if "/ward" in allowed else set())
    assert len(views) == len(allowed & {"/ward", "/handover", "/second-opinion", "/patient"})


@pytest.mark.parametrize(("role", "offered"), [("reader", False), ("nurse", True), ("physician", True)])
def test_buttons_are_offered_to_those_who_may_use_them(client, board, role, offered):
    log_in(client, role)
    handle = board._names.handle(session(client)["id"], CPR)
    for path in ("/ward", f"/patient/{handle}"):
        assert ('action="/answer"' in client.get(path).text) == offered


@pytest.mark.parametrize(("role", "pages"), [("platform", ["/service"]), ("reader", ["/ward", "/service"])])
def test_the_way_to_a_page_is_shown_to_those_who_may_open_it(client, role, pages):
    log_in(client, role)
    assert client.get("/").headers["location"] == pages[0]
    page = client.get("/service").text
    assert [path for path in ("/ward", "/service") if f'href="{path}"' in page] == pages


def test_who_has_several_roles_has_the_one_that_may_most(client):
    log_in(client, "several")
    assert session(client)["role"] == "nurse"


def test_who_has_no_role_is_told_so_and_not_let_in(client, log):
    refused = log_in(client, "nobody")
    assert refused.status_code == 403
    assert "ingen rolle" in refused.text
    assert "board.no_role" in str(log)
    assert client.get("/ward").status_code == 303


@pytest.mark.parametrize(
    ("claims", "claim", "role"),
    [
        ({"roles": "nurse"}, "roles", "nurse"),
        ({"roles": ["x", "reader", 3]}, "roles", "reader"),
        ({"realm_access": {"roles": ["quality"]}}, "realm_access.roles", "quality"),
        ({"https://x.example/roles": ["nurse"]}, "https://x.example/roles", "nurse"),
        ({"roles": {"nurse": True}}, "roles", "nurse"),
        ({"roles": 7}, "roles", None),
        ({"roles": "nurses"}, "roles", None),
        ({"realm_access": "x"}, "realm_access.roles", None),
        ({}, "roles", None),
    ],
)
def test_roles_stand_where_the_deployment_says(claims, claim, role):
    assert role_of(claims, claim, {one: one for one in ROLES}) == role


def test_a_provider_may_have_its_own_names_for_the_roles(idp, views):
    client = at(opened(idp, oidc_roles="nurse = reader, OUH-nurses=nurse"))
    log_in(client, "nurse")
    assert session(client)["role"] == "reader"
    assert log_in(at(opened(idp, oidc_roles="OUH-nurses=nurse")), "nurse").status_code == 403


def _hour_ago(claims: dict[str, Any]) -> None:
    claims |= {"iat": time.time() - 7200, "exp": time.time() - 3600}


@pytest.mark.parametrize(
    ("spoil", "logged"),
    [
        (_hour_ago, "ExpiredTokenError exp"),
        (lambda claims: claims.update(iss="https://elsewhere.example"), "InvalidClaimError iss"),
        (lambda claims: claims.update(aud="another-board"), "InvalidClaimError aud"),
        (lambda claims: claims.update(aud="another-board", azp=CLIENT), "InvalidClaimError aud"),
        (lambda claims: claims.update(nonce="of another login"), "InvalidClaimError nonce"),
        (lambda claims: claims.pop("nonce"), "MissingClaimError nonce"),
        (lambda claims: claims.pop("exp"), "MissingClaimError exp"),
        (lambda claims: claims.pop("sub"), "MissingClaimError sub"),
    ],
)
def test_a_token_that_is_old_or_of_another_is_refused_with_a_log_line(client, idp, log, spoil, logged):
    idp.spoil = spoil
    refused = log_in(client, "nurse")
    assert refused.status_code == 403
    assert "Du blev ikke logget ind" in refused.text
    assert refused_for(log) == [("login", logged)]
    assert client.get("/ward").status_code == 303


def _by_nobody(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join([*(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), ""])


def _by_another(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": KEY_ID}, claims, RSAKey.generate_key(2048))


def _by_a_shared_word(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256", "kid": KEY_ID}, claims, OctKey.import_key("word" * 8))


@pytest.mark.parametrize(
    ("sign", "logged"),
    [
        (_by_another, "BadSignatureError"),
        (_by_nobody, "UnsupportedAlgorithmError"),
        (_by_a_shared_word, "UnsupportedAlgorithmError"),
        (lambda _: "no.token", "DecodeError"),
    ],
)
@pytest.mark.req("VAGT-BRD-16")
def test_a_token_that_the_provider_has_not_signed_is_refused(client, idp, log, sign, logged):
    idp.sign = sign
    idp.metadata = {"id_token_signing_alg_values_supported": ["none", "HS256", "RS256"]}
    assert log_in(client, "nurse").status_code == 403
    assert refused_for(log) == [("login", logged)]
    assert client.get("/ward").status_code == 303


def test_a_provider_that_says_it_is_another_is_not_asked(client, idp, log):
    idp.metadata = {"issuer": "https://elsewhere.example"}
    assert client.get("/login").status_code == 503
    assert refused_for(log) == [("login", "provider-is-another")]


def test_a_provider_that_is_away_is_said_in_a_sentence(views, idp, monkeypatch):
    client = at(opened(idp, oidc_issuer="http://127.0.0.1:1"))
    away = client.get("/login")
    assert away.status_code == 503
    assert "Login svarer ikke" in away.text


def test_a_code_serves_once(client, board, log):
    path = came_back(client, "nurse")
    assert client.get(path).status_code == 303
    assert at(board).get(path).status_code == 403
    assert client.get(path).status_code == 403
    assert refused_for(log) == [("login", "MismatchingStateError")] * 2


def test_a_code_that_was_used_is_refused_by_the_provider_too(board, log):
    first, second = at(board), at(board)
    path = came_back(first, "nurse")
    second.cookies = first.cookies
    assert first.get(path).status_code == 303
    assert second.get(path).status_code == 403
    assert refused_for(log) == [("login", "OAuthError")]


def test_a_state_of_another_browser_logs_nobody_in(board, log):
    path = came_back(at(board), "nurse")
    victim = at(board)
    victim.get("/login")
    assert victim.get(path).status_code == 403
    assert victim.get("/ward").status_code == 303
    assert refused_for(log) == [("login", "MismatchingStateError")]


@pytest.mark.parametrize(
    "query", ["", "?code=x", "?state=x", "?error=access_denied&error_description=<b>", "?code=%00"]
)
def test_whatever_comes_back_from_elsewhere_is_refused(client, log, query):
    assert client.get(f"/login/callback{query}").status_code == 403
    assert len(refused_for(log)) == 1


def test_a_login_gives_a_new_session_with_new_names_of_patients(client, board):
    client.get("/login")
    before = client.cookies.get("vagt")
    client.get("/goodbye")  # a page that needs no login has a session for its forms
    planted = session(client)["id"]
    log_in(client, "nurse")
    after = session(client)
    assert after["id"] != planted
    assert client.cookies.get("vagt") != before
    assert set(after) == {"id", "name", "role", "until"}
    assert board._names.handle(after["id"], CPR) != board._names.handle(planted, CPR)
    log_in(client, "nurse")
    assert session(client)["id"] != after["id"]


@pytest.mark.parametrize(("life", "hours"), [(1, 1), (24, 12)])
@pytest.mark.req("VAGT-BRD-16")
def test_a_session_ends_with_the_token_or_after_twelve_hours(client, idp, monkeypatch, life, hours):
    idp.spoil = lambda claims: claims.update(exp=int(time.time()) + life * 3600)
    log_in(client, "nurse")
    until = session(client)["until"]
    assert abs(until - time.time() - hours * 3600) < 60
    assert client.get("/ward").status_code == 200
    monkeypatch.setattr("streams.board.viewer.time.time", lambda: until + 1)
    assert client.get("/ward").status_code == 303


def test_after_logging_out_a_copy_of_the_cookie_serves_nobody(client, board):
    log_in(client, "nurse")
    copy = at(board, cookies=client.cookies)
    assert copy.get("/ward").status_code == 200
    left = client.post("/logout", data={"token": field(client.get("/ward").text, "token")})
    assert left.headers["location"] == "/goodbye"
    assert "logget ud" in client.get("/goodbye").text
    assert client.get("/ward").status_code == 303
    assert copy.get("/ward").status_code == 303


async def test_an_open_page_is_told_when_its_session_is_over(client, board):
    log_in(client, "nurse")
    viewer = Viewer(session(client)["id"], "u-nurse", "nurse", session(client)["until"])
    told = board._while_it_lasts(viewer, board._hub.stream("da", "", str))
    assert b"retry" in await anext(told)
    assert b"event: rows" in await anext(told)
    client.post("/logout", data={"token": field(client.get("/ward").text, "token")})
    assert b"event: over" in await anext(told)
    with pytest.raises(StopAsyncIteration):
        await anext(told)
    assert not board._seats._taken


def test_a_user_may_have_so_many_pages_open_and_no_more(client, board):
    log_in(client, "nurse")
    with ExitStack() as open_pages:
        for _ in range(MOST_STREAMS):
            open_pages.enter_context(board._seats.taken("u-nurse"))
        assert client.get("/stream").status_code == 429
        assert client.get("/ward").status_code == 200


async def test_who_sees_no_patient_gets_signs_of_life_alone(client, board, monkeypatch):
    log_in(client, "platform")
    monkeypatch.setattr("streams.board.push.PULSE_S", 0.0)
    request = Request({"type": "http", "headers": [], "query_string": b"", "session": session(client)})
    told = (await board.stream(request))._told
    assert [(await anext(told)).splitlines()[0] for _ in range(3)] == [b"event: pulse"] * 3
    await told.aclose()


def test_after_logging_out_the_next_at_this_computer_is_asked_for_a_password(client):
    log_in(client, "nurse")
    client.post("/logout", data={"token": field(client.get("/ward").text, "token")})
    assert "prompt=login" in client.get("/login").headers["location"]
    assert "prompt=login" not in client.get("/login").headers["location"]


def test_a_forged_answer_is_refused_with_a_log_line(client, board, given, log):
    log_in(client, "nurse")
    mine = session(client)["id"]
    form = {
        "handle": board._names.handle(mine, CPR),
        "alert": "infection-risk-a",
        "action": "dismiss",
        "reason": "other",
    }
    own = board._names.token(mine)
    for token, header in [
        ("", {}),
        ("guessed", {}),
        (board._names.token("another"), {}),
        (own, {"origin": "https://elsewhere.example"}),
        (own, {"sec-fetch-site": "cross-site", "origin": ADDRESS}),
        (own, {"sec-fetch-site": "same-site"}),
        (own, {"origin": "null"}),
    ]:
        assert client.post("/answer", data=form | {"token": token}, headers=header).status_code == 403
    assert refused_for(log) == [("forged", "/answer")] * 7
    assert given == []
    assert CPR not in str(log)
    headers = {"sec-fetch-site": "same-origin", "origin": "null"}  # a form of a page without script
    assert client.post("/answer", data=form | {"token": own}, headers=headers).status_code == 303


@pytest.mark.req("VAGT-BRD-16")
def test_what_a_role_may_not_do_is_refused_with_a_log_line_that_names_no_patient(client, board, log):
    log_in(client, "platform")
    handle = board._names.handle(session(client)["id"], CPR)
    assert client.get(f"/patient/{handle}").status_code == 403
    assert refused_for(log) == [("role", "patient")]
    assert "u-platform" in str(log)
    assert CPR not in str(log)
    assert handle not in str(log)


def test_a_cookie_that_somebody_wrote_is_none(client):
    log_in(client, "reader")
    told, _, signature = str(client.cookies.get("vagt")).partition(".")
    forged = b64decode(told).replace(b'"reader"', b'"nurse"')
    client.cookies = {"vagt": f"{b64encode(forged).decode()}.{signature}"}
    assert client.get("/ward").status_code == 303


def test_cookies_go_over_https_alone_where_the_board_is_reached_so(idp, views):
    client = at(opened(idp, board_url="https://vagt.example.org"), "https://vagt.example.org")
    (cookie,) = [value for name, value in client.get("/login").headers.multi_items() if name == "set-cookie"]
    assert cookie.startswith("__Host-vagt=")
    assert {"secure", "httponly", "samesite=lax"} <= set(cookie.lower().replace(" ", "").split(";"))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"board_host": "0.0.0.0"}, "VAGT_OIDC_ISSUER"),
        ({"board_host": "ward.example.org"}, "VAGT_OIDC_ISSUER"),
        ({"oidc_issuer": "https://login.example.org"}, "VAGT_OIDC_CLIENT_ID"),
        ({"oidc_issuer": "https://login.example.org", "oidc_client_id": "x"}, "VAGT_BOARD_URL"),
        ({"oidc_issuer": "http://login.example.org"}, "https"),
        ({"board_url": "http://ward.example.org"}, "https"),
        ({"oidc_roles": "OUH-nurses=boss"}, "physician"),
        ({"oidc_roles": "nurse"}, "physician"),
    ],
)
@pytest.mark.req("VAGT-BRD-16")
def test_settings_that_let_in_somebody_unknown_are_refused(fields, named):
    with pytest.raises(ValidationError, match=named):
        Settings.model_validate(fields)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_without_a_login_the_board_serves_this_machine(host):
    assert Settings(board_host=host).board_host == host


def refused_for(log: list[MutableMapping[str, Any]]) -> list[tuple[str, str]]:
    """Why and what, of each refusal in the log."""
    found = [one for one in log if one["event"] == "board.refused"]
    assert {one["log_level"] for one in found} <= {"warning"}
    return [(one["why"], one["what"]) for one in found]

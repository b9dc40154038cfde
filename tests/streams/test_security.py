"""How the service shows Kafka who it is: settings, secrets, TLS, tokens and ACLs, without a broker."""

import ast
import base64
import json
import re
import socket
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote_plus

import faust
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

import streams
from streams import acls, security, tls
from streams.cli import app
from streams.secret import Hidden, SecurityError, secret
from streams.settings import Settings
from streams.tokens import Tokens, basic

SECRET = "correct horse battery staple"
SCRAM = {"kafka_security": "SASL_SSL", "kafka_username": "worker", "kafka_password": SECRET}


def made(**fields: Any) -> Settings:
    return Settings.model_validate(fields)


def test_without_settings_nobody_shows_who_they_are() -> None:
    settings = Settings()
    assert security.for_aiokafka(settings)["security_protocol"] == "PLAINTEXT"
    assert security.for_faust(settings) is None
    security.check(settings)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"kafka_security": "SASL_SSL"}, "VAGT_KAFKA_USERNAME"),
        ({"kafka_security": "SASL_SSL", "kafka_username": "worker"}, "VAGT_KAFKA_PASSWORD_FILE"),
        (SCRAM | {"kafka_password_file": "/secret"}, "VAGT_KAFKA_PASSWORD_FILE"),
        (SCRAM | {"kafka_sasl_mechanism": "OAUTHBEARER"}, "VAGT_KAFKA_TOKEN_ENDPOINT"),
        ({"kafka_security": "SSL", "kafka_certificate": "/one.crt"}, "VAGT_KAFKA_KEY"),
        ({"kafka_token_endpoint": "http://login.example.org/token"}, "https"),
        ({"kafka_token_endpoint": "https://user:word@login.example.org/token"}, "https"),
        ({"kafka_security": "TLS"}, "SASL_SSL"),
        ({"mllp_certificate": "/one.crt"}, "VAGT_MLLP_CA"),
        ({"mllp_ca": "/ca.pem", "mllp_host": "10.1.2.3"}, "VAGT_MLLP_KEY"),
        ({"mllp_host": "10.1.2.3"}, "needs TLS"),
    ],
)
def test_settings_that_cannot_work_are_named(fields: dict[str, str], named: str) -> None:
    with pytest.raises(ValidationError, match=named) as refused:
        made(**fields)
    assert SECRET not in str(refused.value)


def test_settings_that_cannot_work_end_a_command_in_one_sentence() -> None:
    result = CliRunner().invoke(app, ["topics"], env={"VAGT_KAFKA_SECURITY": "SASL_SSL"})
    assert result.exit_code == 2
    assert result.output == "VAGT_KAFKA_SECURITY=SASL_SSL needs VAGT_KAFKA_USERNAME.\n"


@given(st.text(st.characters(exclude_categories=["C"], exclude_characters="'"), min_size=6))
@pytest.mark.req("VAGT-SEC-03")
def test_no_secret_shows_in_settings_or_options(word: str) -> None:
    settings = made(**SCRAM | {"kafka_security": "SASL_PLAINTEXT", "kafka_password": "§" + word})
    options = security.for_kafka_python(settings)
    assert options["sasl_plain_password"] == "§" + word
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(options), f"{options}"):
        assert "§" not in shown


def test_a_secret_comes_from_its_file_without_the_lines_end(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f" {SECRET}\n", encoding="utf-8")
    assert secret(None, file) == f" {SECRET}"
    file.write_text("\n")
    with pytest.raises(SecurityError, match="is empty"):
        secret(None, file)
    with pytest.raises(SecurityError, match="FileNotFoundError"):
        secret(None, tmp_path / "none")


def test_faust_gets_the_same_credentials() -> None:
    scram = security.for_faust(made(**SCRAM))
    assert isinstance(scram, faust.SASLCredentials)
    assert (scram.protocol.value, scram.mechanism.value) == ("SASL_SSL", "SCRAM-SHA-512")
    assert SECRET not in repr(scram)
    assert isinstance(security.for_faust(made(kafka_security="SSL")), faust.SSLCredentials)
    oauth = made(**SCRAM, kafka_sasl_mechanism="OAUTHBEARER", kafka_token_endpoint="https://login.example.org/token")
    assert isinstance(security.for_faust(oauth), faust.OAuthCredentials)


@pytest.mark.req("VAGT-SEC-01")
def test_tls_checks_the_brokers_name_and_is_no_older_than_1_2() -> None:
    context = tls.context(None, None, None)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("no certificate")
    for ca in (tmp_path / "ca", tmp_path / "none"):
        with pytest.raises(SecurityError, match="VAGT_KAFKA_CA"):
            tls.context(ca, None, None)
    with pytest.raises(SecurityError, match="VAGT_KAFKA_KEY"):
        tls.context(None, tmp_path / "ca", tmp_path / "ca")


def test_a_port_without_tls_is_named_and_a_silent_address_is_no_matter_of_trust() -> None:
    context = tls.context(None, None, None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(100)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(SecurityError, match="does not speak TLS"):
            tls.greet(f"127.0.0.1:{port}", context)
        thread.join()
    tls.greet(f"127.0.0.1:{port}", context)


class Endpoint:
    """A token endpoint that answers as it is told, and remembers who asked."""

    def __init__(self) -> None:
        self.status, self.answer, self.location = 200, b'{"access_token": "one", "expires_in": 100}', ""
        self.asked: list[tuple[str, str]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                endpoint.asked.append((self.headers["Authorization"], body))
                self.send_response(endpoint.status)
                if endpoint.location:
                    self.send_header("Location", endpoint.location)
                self.end_headers()
                self.wfile.write(endpoint.answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    own = Endpoint()
    thread = Thread(target=own.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield own
    own.server.shutdown()
    own.server.server_close()
    thread.join()


def test_a_token_is_used_until_shortly_before_it_expires(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("streams.tokens.time.monotonic", lambda: now)
    tokens = Tokens(endpoint.url, "worker", lambda: SECRET, scope="kafka")
    assert tokens.token() == "one"
    now = 1079.0
    assert tokens.token() == "one"
    endpoint.answer = b'{"access_token": "two", "expires_in": 3600}'
    now = 1080.0  # four fifths of its life
    assert tokens.token() == "two"
    now = 1080.0 + 3569.0
    assert tokens.token() == "two"
    now += 1.0  # 30 s before it expires
    tokens.token()
    assert len(endpoint.asked) == 3
    assert endpoint.asked[0][1] == "grant_type=client_credentials&scope=kafka"


@given(client=st.text(st.characters(codec="utf-8"), min_size=1), word=st.text(st.characters(codec="utf-8"), min_size=1))
def test_client_and_secret_reach_the_endpoint_whatever_their_letters(client: str, word: str) -> None:
    sent = basic(client, word)
    found = base64.b64decode(sent.removeprefix("Basic ")).decode().split(":")
    assert [unquote_plus(part) for part in found] == [client, word]


@pytest.mark.parametrize(
    ("status", "answer", "sentence"),
    [
        (401, b"{}", r"refuses the client worker \(status 401\)"),
        (200, b"<html>", "gives no token"),
        (200, b"[]", "gives no token"),
        (200, b'{"access_token": 7}', "gives no token"),
        (200, b'{"access_token": ""}', "gives no token"),
        (200, b'{"access_token": "a\\u0001b"}', "gives no token"),
        (200, b'{"access_token": "one", "expires_in": "soon"}', "gives no token"),
    ],
)
def test_an_endpoint_that_gives_no_token_is_named(
    endpoint: Endpoint, status: int, answer: bytes, sentence: str
) -> None:
    endpoint.status, endpoint.answer = status, answer
    with pytest.raises(SecurityError, match=sentence) as refused:
        Tokens(endpoint.url, "worker", lambda: SECRET).token()
    assert SECRET not in str(refused.value)


def test_the_clients_secret_follows_no_redirection(endpoint: Endpoint) -> None:
    endpoint.status, endpoint.location = 302, endpoint.url
    with pytest.raises(SecurityError, match="status 302"):
        Tokens(endpoint.url, "worker", lambda: SECRET).token()
    assert len(endpoint.asked) == 1


def test_an_endpoint_that_does_not_answer_is_named(unused_tcp_port: int) -> None:
    with pytest.raises(SecurityError, match=r"does not answer \(ConnectionRefusedError\)"):
        Tokens(f"http://127.0.0.1:{unused_tcp_port}/token", "worker", lambda: SECRET).token()


@pytest.mark.req("VAGT-SEC-03")
def test_a_token_does_not_show() -> None:
    assert repr(Hidden("token")) == "'***'"
    assert json.dumps(Hidden("token")) == '"token"'


def test_every_kafka_client_is_made_in_one_place() -> None:
    """But the embedded broker's own, whose port is open to this machine alone."""
    package = Path(streams.__file__).parent
    client = re.compile(r"(AIO)?Kafka(AdminClient|Consumer|Producer)$")
    makers = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and any(client.search(ast.unparse(one)) for one in (node.func, *node.args))
    }
    assert makers == {"broker.py", "kafka.py"}


WARD = made(topic_prefix="ward.", doors="lab=native,vitals=fhir")


def may(role: str, principal: str = "User:one") -> set[tuple[str, str, str]]:
    return {(rule.kind, rule.name, rule.operation) for rule in acls.rules(WARD, role, principal)}


@pytest.mark.req("VAGT-SEC-02")
def test_only_workers_boards_tools_privacy_models_and_their_rule_may_write_events_and_so_feedback() -> None:
    roles = [*(name for name in acls.ROLES if name != "door"), "door:lab"]
    writers = {role for role in roles if ("topic", "ward.events", "Write") in may(role)}
    assert writers == {"worker", "board", "tools", "privacy", "models", "monitor-stops"}


def test_a_door_may_write_to_itself_and_nothing_else() -> None:
    assert may("door:lab") == {("topic", "ward.lab", "Write")}
    assert may("door:fhir") == {("topic", "ward.fhir", "Write")}


def test_no_role_may_change_or_delete_a_topic_or_an_acl() -> None:
    operations = {operation for name in acls.ROLES if name != "door" for _, _, operation in may(name)}
    assert operations == {"Read", "Write", "Create", "Describe", "DescribeConfigs"}


def test_a_workers_transactions_are_those_of_its_deployment() -> None:
    found = [rule for rule in acls.rules(WARD, "worker", "User:one") if rule.kind == "transactional-id"]
    assert {(rule.name, rule.prefixed, rule.operation) for rule in found} == {
        ("ward.vagt-", True, "Describe"),
        ("ward.vagt-", True, "Write"),
    }


@pytest.mark.parametrize("role", ["door", "door:", "door:events", "worker:lab", "nurse", ""])
def test_an_unknown_role_or_door_is_named(role: str) -> None:
    with pytest.raises(acls.AclError, match="There is no"):
        acls.rules(WARD, role, "User:one")


@pytest.mark.parametrize("principal", ["one", "User:", "User:*", "Group:one", ""])
def test_everybody_is_no_principal(principal: str) -> None:
    with pytest.raises(acls.AclError, match="is no principal"):
        acls.rules(WARD, "worker", principal)


def test_the_script_is_for_kafkas_own_tool() -> None:
    result = CliRunner().invoke(
        app, ["acls", "door:lab=User:CN=lab 1"], env={"VAGT_DOORS": "lab=native", "VAGT_KAFKA_BOOTSTRAP": "k:9092"}
    )
    assert result.exit_code == 0
    assert result.output == (
        "kafka-acls.sh --bootstrap-server k:9092 --command-config admin.properties --add "
        "--allow-principal 'User:CN=lab 1' --operation Write --topic lab\n"
    )


def test_a_wrong_grant_is_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["acls", "nurse=User:one"]).exit_code == 2


def test_the_documented_table_of_roles_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "security.md"
    assert acls.table() in page.read_text(encoding="utf-8")

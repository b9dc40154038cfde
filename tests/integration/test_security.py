"""Nobody let in: TLS, SCRAM, OAUTHBEARER, mutual TLS and ACLs on a real Kafka."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from kafka import TopicPartition
from kafka.admin import ConfigResource
from kafka.errors import for_code
from typer.testing import CliRunner

from streams import acls, kafka
from streams.cli import app
from streams.settings import Settings
from tests.integration.patients import START, observation, ward
from tests.integration.secured import SECRETS, Authority, Secured, secured, settings
from tests.integration.service import PARTITIONS, Service, oracle
from tests.integration.watched import until

pytestmark = pytest.mark.broker

PREFIX = "sec."
#: How every token of the tests' issuer begins: no random id has it by chance.
TOKEN = "eyJhbGci"
_PATIENCE_S = 60.0
COMMON = {"VAGT_TOPIC_PREFIX": PREFIX, "VAGT_PARTITIONS": str(PARTITIONS), "VAGT_DOORS": "lab=native"}
GRANTS = [
    f"{role}=User:{user}"
    for role, user in {**{name: name for name in acls.ROLES if name != "door"}, "door:lab": "lab"}.items()
]
FEEDBACK = {"type": "feedback", "id": "fb-1", "alert": "a-1", "patient": "p-1", "action": "dismiss", "by": "nurse/1"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One broker for the whole file: its ACLs and its topics are made as an owner would make them."""
    with secured(tmp_path_factory.mktemp("secured")) as cluster:
        made = vagt("acls", *GRANTS, "--apply", VAGT_KAFKA_BOOTSTRAP=cluster.open)
        assert made.exit_code == 0, made.output
        made = vagt("topics", **cluster.scram("admin"))
        assert made.exit_code == 0, made.output
        yield cluster


def vagt(*arguments: str, **environment: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env={**COMMON, **environment})


def withdraw(owner: Settings, rules: list[acls.Rule]) -> None:
    """Take ACLs away again."""
    admin = kafka.admin(owner)
    admin.delete_acls([acls._acl(rule) for rule in rules])
    admin.close()


def as_user(environment: dict[str, str]) -> Settings:
    return settings({**COMMON, **environment})


async def write(user: Settings, topic: str, value: Any, transactional_id: str | None = None) -> None:
    """Write one record as a user."""
    producer: AIOKafkaProducer = kafka.producer(user, transactional_id)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await producer.start()
            await producer.send_and_wait(user.topic(topic), orjson.dumps(value), b"p-1")
    finally:
        await producer.stop()


async def read(user: Settings, topic: str, group: str | None = None) -> Any:
    """Read a record of a topic as a user."""

    def reading() -> Any:
        with kafka.admin(user) as admin:  # a reader would ask for ever for a topic that it may not see
            if (code := admin.describe_topics([user.topic(topic)])[0]["error_code"]) != 0:
                raise for_code(code)(topic)
        consumer = kafka.reader(user, auto_offset_reset="earliest", group_id=group)
        try:
            if group is None:
                consumer.assign([TopicPartition(user.topic(topic), number) for number in range(PARTITIONS)])
            else:
                consumer.subscribe([user.topic(topic)])
            deadline = time.monotonic() + _PATIENCE_S
            while not (found := consumer.poll(timeout_ms=500)):
                assert time.monotonic() < deadline
            return found
        finally:
            consumer.close()

    return await asyncio.to_thread(reading)


@pytest.mark.parametrize("way", ["scram", "oauth", "mtls"])
@pytest.mark.req("VAGT-SEC-01")
def test_a_worker_that_shows_who_it_is_decides_from_end_to_end(cluster: Secured, tmp_path: Path, way: str) -> None:
    environment = {**COMMON, **getattr(cluster, way)("worker")}
    service = Service(cluster.open, PREFIX, tmp_path, environment=environment)
    records = ward(patients=4, hours=12, seed={"scram": 11, "oauth": 12, "mtls": 13}[way])
    patients = {patient for patient, _ in records}
    worker = service.start()
    try:
        service.send(records)
        service.settle()
        arguments = Path(f"/proc/{worker.pid}/cmdline").read_text()
        assert service.stop("w1") == 0
    finally:
        service.close()
    scores, alerts = oracle(records)
    assert alerts
    assert cluster.issuer.token("worker").startswith(TOKEN)
    assert {patient: said for patient, said in service.alerts().items() if patient in patients} == alerts
    assert {patient: said for patient, said in service.scores().items() if patient in patients} == scores
    for text in (arguments, service.log(), cluster.log.read_text(), repr(as_user(environment))):
        assert SECRETS["worker"] not in text
        assert TOKEN not in text


@pytest.mark.req("VAGT-SEC-01")
def test_who_is_not_who_they_say_is_refused_in_one_sentence(cluster: Secured, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("another secret")
    stranger = Authority(tmp_path, "stranger")
    nobody = {name: value for name, value in cluster.mtls("worker").items() if name[-3:] not in {"ATE", "KEY"}}
    cases = {
        "refuses the user worker": {**cluster.scram("worker"), "VAGT_KAFKA_PASSWORD_FILE": str(tmp_path / "wrong")},
        "refuses the client worker (status 401)": {
            **cluster.oauth("worker"),
            "VAGT_KAFKA_PASSWORD_FILE": str(tmp_path / "wrong"),
        },
        "refuses this client's certificate": cluster.mtls("worker", stranger),
        "refuses this client's certificate (": nobody,
        "is not trusted": {**cluster.mtls("worker"), "VAGT_KAFKA_CA": str(stranger.certificate)},
    }
    ended = run_workers(tmp_path, cases)
    for sentence, (status, said) in ended.items():
        assert status == 1, said
        assert sentence in said
        assert "Traceback" not in said
        assert not [secret for secret in SECRETS.values() if secret in said]


@pytest.mark.req("VAGT-SEC-01")
def test_an_expired_token_is_refused_in_one_sentence(cluster: Secured, tmp_path: Path) -> None:
    cluster.issuer.life = -60.0
    try:
        ended = run_workers(tmp_path, {"refuses the token of the client worker": cluster.oauth("worker")})
    finally:
        cluster.issuer.life = 3600.0
    for sentence, (status, said) in ended.items():
        assert status == 1, said
        assert sentence in said
        assert "Traceback" not in said
        assert TOKEN not in said


def run_workers(folder: Path, cases: dict[str, dict[str, str]]) -> dict[str, tuple[int, str]]:
    """Workers side by side that should end by themselves: their statuses and what they said."""
    running = {}
    for number, (name, environment) in enumerate(cases.items()):
        own = {**os.environ, **COMMON, "VAGT_DATA_DIR": str(folder / str(number)), **environment}
        log = folder / f"{number}.log"
        with log.open("wb") as out:
            command = [sys.executable, "-m", "streams.cli", "worker"]
            running[name] = subprocess.Popen(command, env=own, stdout=out, stderr=out), log
    try:
        return {name: (process.wait(300), log.read_text()) for name, (process, log) in running.items()}
    finally:
        for process, _ in running.values():
            process.kill()
            process.wait()


@pytest.mark.req("VAGT-SEC-02")
async def test_each_role_does_what_it_must(cluster: Secured) -> None:
    result = observation("p-1", "lab-1", START)
    await write(as_user(cluster.scram("lab")), "lab", result)
    await write(as_user(cluster.oauth("board")), "events", FEEDBACK)
    await write(as_user(cluster.mtls("tools")), "fhir", {})
    await write(as_user(cluster.scram("worker")), "alerts", {"heartbeat": True})
    assert await read(as_user(cluster.mtls("auditor")), "events") is not None
    assert await read(as_user(cluster.scram("ehr")), "alerts", group=f"{PREFIX}vagt-ehr") is not None
    assert vagt("topics", **cluster.mtls("admin")).exit_code == 0


def must_not(cluster: Secured) -> dict[str, Callable[[], Awaitable[Any]]]:
    """What each role tries and may not."""
    lab, ehr, board = (as_user(cluster.scram(name)) for name in ("lab", "ehr", "board"))
    auditor, worker, admin = (as_user(cluster.mtls(name)) for name in ("auditor", "worker", "admin"))
    tokens = as_user(cluster.oauth("lab"))

    async def administer(user: Settings, what: Callable[[Any], Any]) -> None:
        with kafka.admin(user) as client:
            answer = str(what(client))
            if "Authorization" in answer:  # some calls return the error
                raise PermissionError(answer)

    return {
        "a laboratory forges feedback": lambda: write(lab, "events", FEEDBACK),
        "a laboratory forges feedback with a token": lambda: write(tokens, "events", FEEDBACK),
        "a laboratory forges an alert": lambda: write(lab, "alerts", {}),
        "a laboratory reads the events": lambda: read(lab, "events"),
        "a laboratory fences a worker": lambda: write(lab, "lab", {}, transactional_id=f"{PREFIX}vagt-0"),
        "an EHR acknowledges by itself": lambda: write(ehr, "events", FEEDBACK),
        "an EHR reads the events": lambda: read(ehr, "events"),
        "an EHR takes the workers' place": lambda: read(ehr, "alerts", group=f"{PREFIX}vagt"),
        "a board forges an alert": lambda: write(board, "alerts", {}),
        "a board reads the audit": lambda: read(board, "audit"),
        "an auditor changes the audit": lambda: write(auditor, "audit", {}),
        "a worker reads what others may see of patients": lambda: read(worker, "audit.access"),
        "a worker writes to a door": lambda: write(worker, "fhir", {}),
        "a worker deletes a topic": lambda: administer(
            worker, lambda client: client.delete_topics([f"{PREFIX}alerts"])
        ),
        "a worker shortens what is kept": lambda: administer(
            worker,
            lambda client: client.alter_configs(
                [ConfigResource("TOPIC", f"{PREFIX}audit", configs={"retention.ms": "1"})]
            ),
        ),
        "an administrator reads the events": lambda: read(admin, "events"),
        "an administrator gives itself rights": lambda: asyncio.to_thread(
            acls.apply, admin, acls.rules(admin, "worker", "User:admin")
        ),
        "a worker of one deployment writes to another": lambda: write(
            worker.model_copy(update={"topic_prefix": "other."}), "events", {}
        ),
    }


@pytest.mark.req("VAGT-SEC-02")
async def test_what_no_role_allows_is_refused(cluster: Secured) -> None:
    allowed, refused = [], {}
    for name, attempt in must_not(cluster).items():
        try:
            await attempt()
            allowed.append(name)
        except Exception as error:
            refused[name] = f"{type(error).__name__}: {error}"
    assert allowed == []
    assert all("Authorization" in why for why in refused.values()), refused
    said = re.findall(
        r"Principal = User:(\w+) is Denied operation = (\w+) .*Topic:LITERAL:(\S+)", cluster.log.read_text()
    )
    # A client that asks first is refused where it asks.
    assert {("lab", "DESCRIBE", "sec.events"), ("worker", "WRITE", "sec.fhir")} <= set(said)


def test_the_doctor_misses_what_a_worker_may_not_do_and_finds_what_everybody_may(cluster: Secured) -> None:
    own = as_user({"VAGT_KAFKA_BOOTSTRAP": cluster.open})

    def told() -> list[str]:
        said = vagt("doctor", VAGT_KAFKA_BOOTSTRAP=cluster.open).output
        return [line.split(None, 2)[0] for line in said.splitlines() if line[9:].startswith("rights")]

    audit = [one for one in acls.rules(own, "worker", "User:worker") if one.name == own.topic("audit")]
    everybody = acls.Rule("User:*", "topic", own.topic("events"), False, "Read")
    assert told() == ["ok"]
    try:
        withdraw(own, audit)
        until(lambda: told() == ["warning"], told)
        acls.apply(own, [everybody])
        until(lambda: told() == ["fault", "warning"], told)
    finally:
        withdraw(own, [everybody])
        acls.apply(own, audit)
    until(lambda: told() == ["ok"], told)

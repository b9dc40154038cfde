"""HL7 v2 from a sender to a decision: the listener, Kafka, the door and the step. The sender is python-hl7's client."""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from hl7.client import MLLPClient

from streams.broker import Broker, free_port
from streams.hl7 import er7
from tests.integration.secured import Authority
from tests.integration.service import Service, running
from tests.streams.hl7.messages import PATIENT, header, joined, moved, order, person, report, result, visit

pytestmark = pytest.mark.broker

PATIENCE_S = 120.0
POTASSIUM = "NPU03230^Potassium^NPU"


@dataclass
class Sender:
    """`vagt mllp` as a process of its own, and a sender's side of it."""

    service: Service
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def command(self) -> list[str]:
        """How the listener is started."""
        return [sys.executable, "-m", "streams.cli", "mllp", "--port", str(self.port)]

    @property
    def variables(self) -> dict[str, str]:
        """Its environment."""
        return {**os.environ, **self.service._variables, **self.environment}

    def start(self) -> None:
        """Start the listener, and wait until it listens."""
        with (self.service.folder / "mllp.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.variables, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, self.log()
            time.sleep(0.05)
        raise AssertionError(self.log())

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the listener; its exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)

    def send(self, *messages: str | bytes, encoding: str = "utf-8") -> list[str]:
        """The answers' codes to messages on one connection."""
        with MLLPClient("127.0.0.1", self.port, encoding) as client:
            client.socket.settimeout(PATIENCE_S)
            return [code(client.send_message(message)) for message in messages]

    def log(self) -> str:
        """What the listener logged."""
        return (self.service.folder / "mllp.log").read_text()

    def said(self, words: str) -> None:
        """Wait until the listener logged these words."""
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.log():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)


def code(answer: bytes) -> str:
    return str(er7.read(answer.strip(b"\x0b\x1c\r")).segments[1].text(1))


@contextmanager
def taking(sender: Sender) -> Iterator[Sender]:
    sender.start()
    try:
        yield sender
    finally:
        if sender.process is not None and sender.process.poll() is None:
            sender.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def sender(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    """A deployment with one worker and one listener."""
    environment = {"VAGT_HL7_AUTHORITY": "CPR"}
    folder = tmp_path_factory.mktemp("mllp")
    with (
        running(Service(broker, "mllp.", folder, environment=environment), "w1") as service,
        taking(Sender(service)) as sender,
    ):
        yield sender


def potassium(value: str, sent: str, status: str = "F", patient: str = PATIENT) -> str:
    """A report of a potassium; ``sent`` is its minute and second."""
    return joined(
        header(control=f"K{sent}", sent=f"2026030110{sent}"),
        person(f"{patient}^^^CPR"),
        order(f"F-{patient}", reported=f"2026030110{sent}"),
        result(value, "mmol/L", status, POTASSIUM),
    )


def settled(service: Service) -> Service:
    service.settle("hl7")
    service.settle()
    return service


def events(service: Service, patient: str) -> list[dict[str, object]]:
    """What the door wrote of a patient."""
    values = [orjson.loads(one.value) for one in service.read("events") if one.key == patient.encode()]
    return [item for value in values for item in (value if isinstance(value, list) else [value])]


@pytest.mark.req("VAGT-IN-14")
def test_a_result_raises_an_alert_a_correction_retracts_it_and_a_deletion_leaves_nothing(sender: Sender) -> None:
    assert sender.send(moved("A01"), potassium("7.1", "1000")) == ["AA", "AA"]
    service = settled(sender.service)
    raised = {alert["kind"]: alert for alert in service.alerts()[PATIENT]}
    assert raised["critical-result"]["state"] == "raised"
    assert raised["critical-result"]["ward"] == "OUH-M2"
    assert sender.send(potassium("4.1", "1100", "C")) == ["AA"]
    last = {alert["kind"]: alert for alert in settled(service).alerts()[PATIENT]}
    assert last["critical-result"]["state"] == "retracted"
    assert sender.send(potassium("7.0", "1200", "C")) == ["AA"]
    assert sender.send(potassium("", "1300", "W")) == ["AA"]
    history = [alert["state"] for alert in settled(service).alerts()[PATIENT] if alert["kind"] == "critical-result"]
    assert history[-1] == "retracted"
    assert history.count("raised") == 2


def test_a_stay_is_shown_from_admission_to_discharge(sender: Sender) -> None:
    who = person("p-stay^^^CPR")
    sender.send(
        moved("A01", who, visit("v-1"), control="S1"),
        moved("A02", who, visit("v-1", "OUH-ITA^^3"), occurred="20260301120000", sent="20260301120001", control="S2"),
    )
    shown = settled(sender.service).shown()["p-stay"]
    assert (shown["ward"], shown["bed"], shown["name"]) == ("OUH-ITA", "3", "Eva M Prøve")
    sender.send(moved("A12", who, visit("v-1"), occurred="20260301120000", sent="20260301120500", control="S3"))
    assert settled(sender.service).shown()["p-stay"]["ward"] == "OUH-M2"
    sender.send(moved("A03", who, visit("v-1"), occurred="20260301130000", sent="20260301130001", control="S4"))
    assert "p-stay" not in settled(sender.service).shown()
    sender.send(moved("A13", who, visit("v-1"), occurred="20260301130000", sent="20260301131000", control="S5"))
    assert "p-stay" in settled(sender.service).shown()


def test_a_merged_patients_results_go_on_under_the_other(sender: Sender) -> None:
    sender.send(
        moved("A01", person("p-old^^^CPR"), visit("v-2"), control="U1"),
        potassium("7.2", "1000", patient="p-old"),
        moved("A40", person("p-new^^^CPR"), "MRG|p-old^^^CPR", occurred="20260301110000", control="U2"),
    )
    service = settled(sender.service)
    assert service.alerts()["p-old"]
    assert any(one["type"] == "handover" for one in events(service, "p-new"))
    sender.send(potassium("7.4", "3000", patient="p-new"))
    assert "p-new" in settled(service).alerts()


@pytest.mark.parametrize(
    ("charset", "encoding"), [("8859/1", "iso8859-1"), ("UNICODE UTF-8", "utf-8"), ("", "iso8859-1")]
)
def test_letters_come_as_they_were_written(sender: Sender, charset: str, encoding: str) -> None:
    patient = f"p-{charset[:4]}-letters"
    message = joined(
        header(control=patient, charset=charset),
        f"PID|1||{patient}^^^CPR||Blåbær^Søren||1951|M",
        order(),
        result(unit="µmol/L"),
    )
    assert sender.send(message, encoding=encoding) == ["AA"]
    (found,) = events(settled(sender.service), patient)
    assert (found["value"], found["unit"]) == (132.0, "µmol/L")


@pytest.mark.req("VAGT-IN-01")
def test_what_cannot_be_used_is_a_dead_letter_with_the_senders_bytes(sender: Sender) -> None:
    service = sender.service
    before = service.ends("deadletter")
    partly = report(result(sub="9"), result(unit=""), result(code="KREA^Creatinine^L"), control="D1")
    whole = report(kind="ORM^O01", control="D2")
    assert sender.send(partly, whole, b"no message \xff") == ["AA", "AR", "AR"]
    service.settle("hl7")
    letters = service.read("deadletter", before)
    found = {(dict(one.headers)["reason"].decode(), dict(one.headers)["item"].decode()): one.value for one in letters}
    assert found == {
        ("unknown-unit", "5"): partly.encode(),
        ("unknown-code", "6"): partly.encode(),
        ("unsupported", "0"): whole.encode(),
        ("bad-hl7", "0"): b"no message \xff",
    }
    assert any(one["id"] == "F-173^LABKA|NPU18016|9" for one in events(settled(service), PATIENT))


def test_a_dead_letter_can_be_sent_again(sender: Sender) -> None:
    service = settled(sender.service)
    before = service.ends("hl7")
    status, said = service.vagt("deadletter", "replay", "--reason", "unknown-unit")
    assert status == 0, said
    again = service.read("hl7", before)
    assert [one.value for one in again] == [
        report(result(sub="9"), result(unit=""), result(code="KREA^Creatinine^L"), control="D1").encode()
    ]


@pytest.mark.req("VAGT-IN-15")
def test_a_message_that_is_sent_again_is_there_once_also_after_the_listener_was_killed(sender: Sender) -> None:
    service = sender.service
    before = service.ends("hl7")
    first, second = report(control="R1").encode(), report(control="R2").encode()
    assert sender.send(first, first) == ["AA", "AA"]
    sender.stop(signal.SIGKILL)
    sender.start()
    assert sender.send(first, second) == ["AA", "AA"]
    assert [one.value for one in service.read("hl7", before)] == [first, second]


def test_messages_of_a_sender_keep_their_order(sender: Sender) -> None:
    before = sender.service.ends("hl7")
    messages = [report(control=f"O{number}").encode() for number in range(40)]
    assert set(sender.send(*messages)) == {"AA"}
    found = sender.service.read("hl7", before)
    assert [one.value for one in found] == messages
    assert {one.key for one in found} == {b"LABKA|OUH"}


def test_who_is_asked_to_end_ends_in_good_order_and_can_start_again(sender: Sender) -> None:
    with MLLPClient("127.0.0.1", sender.port) as idle:
        assert code(idle.send_message(report(control="E1"))) == "AA"
        assert sender.stop() == 0
    assert "mllp.ended" in sender.log()
    sender.start()


def test_the_log_names_no_patient(sender: Sender) -> None:
    sender.send(
        report(control="0101575011"), "0101575011", joined(header(), person("0101575011^^^CPR"), "OBX|0101575011")
    )
    log = settled(sender.service).log()
    assert "mllp.refused" in log
    assert not re.search(f"0101575011|{PATIENT}|Eva", log)


def test_a_port_that_is_taken_is_told_in_a_sentence(sender: Sender) -> None:
    second = Sender(sender.service, sender.port)
    said = subprocess.run(
        second.command, check=False, env=second.variables, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert said.returncode == 1
    assert f"Nobody can listen on port {sender.port} of 127.0.0.1" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.long
def test_while_kafka_is_away_a_message_is_to_be_sent_again_and_then_it_is_there_once(tmp_path: Path) -> None:
    own = Broker(tmp_path / "broker", free_port())
    messages = [report(control=f"A{number}").encode() for number in range(3)]
    try:
        own.start()
        service = Service(own.bootstrap, "away.", tmp_path)
        service.create_topics()
        with taking(Sender(service)) as sender:
            assert sender.send(messages[0]) == ["AA"]
            own.stop()
            assert sender.send(messages[1], messages[1]) == ["AE", "AE"]
            own.start()
            deadline = time.monotonic() + PATIENCE_S
            while sender.send(messages[1]) != ["AA"]:
                assert time.monotonic() < deadline, sender.log()
            assert sender.send(messages[1], messages[2]) == ["AA", "AA"]
            assert sender.stop() == 0
        assert sorted(str(one.value) for one in service.read("hl7")) == sorted(map(str, messages))
    finally:
        own.stop()


# ----------------------------------------------------------------------------------------------------------- TLS


def secured_client(port: int, trusts: Path, own: tuple[Path, Path] | None) -> MLLPClient:
    """The client over TLS; ``own`` is its certificate and its key."""
    context = ssl.create_default_context(cafile=str(trusts))
    if own is not None:
        context.load_cert_chain(*own)
    client = MLLPClient("127.0.0.1", port)
    client.socket.settimeout(PATIENCE_S)
    client.socket = context.wrap_socket(client.socket, server_hostname="127.0.0.1")
    return client


def tried(port: int, trusts: Path, own: tuple[Path, Path] | None) -> bytes:
    """What comes back; nothing where the listener ends the connection."""
    try:
        with secured_client(port, trusts, own) as client:
            return bytes(client.send_message(report(control="T2")))
    except OSError:
        return b""


def test_only_who_has_a_certificate_of_ours_may_send(sender: Sender, tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    certificate, key = ours.issue("vagt")
    service = Service(sender.service.bootstrap, "mllp.", tmp_path)
    environment = {
        "VAGT_MLLP_CERTIFICATE": str(certificate),
        "VAGT_MLLP_KEY": str(key),
        "VAGT_MLLP_CA": str(ours.certificate),
    }
    before = service.ends("hl7")
    with taking(Sender(service, environment=environment)) as secured:
        with secured_client(secured.port, ours.certificate, ours.issue("laboratory")) as client:
            assert code(client.send_message(report(control="T1"))) == "AA"
        for own, reason in ((theirs.issue("stranger"), "certificate verify failed"), (None, "did not return")):
            assert tried(secured.port, ours.certificate, own) == b""
            secured.said(reason)
        with MLLPClient("127.0.0.1", secured.port) as plain, suppress(ConnectionError):
            plain.socket.settimeout(PATIENCE_S)
            assert not plain.send_message(report(control="T3")).startswith(b"\x0b")
    assert len(service.read("hl7", before)) == 1

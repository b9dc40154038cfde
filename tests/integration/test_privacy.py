"""With a key, a patient's identifier is nowhere but where it came in: everything else is searched for it."""

import base64
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import rocksdict
from kafka import KafkaAdminClient

from features.instants import HOUR, MINUTE, render
from features.record import decode
from streams.pseudonym import Pseudonyms
from streams.reading import read_all
from streams.settings import Settings
from tests.integration.patients import LOINC, START, admission, observation, ward
from tests.integration.service import Service, running

KEY = bytes(range(100, 132)).hex()
#: Numbers as the CPR register gives them, of people who are born in 2057.
WARD, REPLAYED = ("010157-5011", "170457-6024"), ("230957-7038",)
IN_FHIR = ("3112575042", "0906576057")
IN_HL7 = "0711576031"
PEOPLE = (*WARD, *REPLAYED, *IN_FHIR, IN_HL7)
NAME = "Prøveline Øvelsesdatter"
#: Two workers start, and one again, on a machine that may have much else to do.
PATIENCE_S = 400.0
#: Every logger of every library says all that it can, whatever the program asks of it.
ALL_LOGS = """
import logging
basic, level = logging.basicConfig, logging.Logger.setLevel
logging.basicConfig = lambda **more: basic(**(more | {"level": logging.DEBUG}))
logging.Logger.setLevel = lambda self, _: level(self, logging.DEBUG)
"""


# ------------------------------------------------------------------------- what is sent


def spoken(value: Any, patient: str, name: str) -> Any:
    """A made-up patient's record as one of these people's, whose number is everywhere in it."""
    return orjson.loads(orjson.dumps(value).replace(name.encode(), patient.encode()))


def native(patients: tuple[str, ...], hours: int, seed: int) -> list[tuple[str, Any]]:
    """A ward of these people: their number is in every id, and in what somebody wrote."""
    log = ward(len(patients), hours, seed)
    number = dict(zip(dict.fromkeys(name for name, _ in log), patients, strict=True))
    found = []
    for name, value in log:
        patient = number[name]
        for item in value if isinstance(value, list) else [value]:
            if item["type"] == "observation":
                item |= {"performer": f"cpr {patient}", "device": patient.replace("-", ""), "requisition": patient}
            elif item["type"] == "encounter":
                item |= {"name": NAME, "bed": f"bed of {patient}", "ward": f"M2 {patient}"}
        found.append((patient, spoken(value, patient, name)))
    return found


def resources(patient: str, hour: int) -> dict[str, Any]:
    """A Bundle of one of these people's, ill enough for an alert."""
    at, about = render(START + hour * HOUR), {"reference": f"Patient/{patient}"}
    signs = (("9279-1", 30.0, "/min"), ("59408-5", 90.0, "%"), ("8867-4", 130.0 + hour, "/min"))
    sent: list[dict[str, Any]] = [
        {
            "resourceType": "Patient",
            "id": patient,
            "meta": {"versionId": "1", "lastUpdated": at},
            "name": [{"text": NAME}],
        },
        {
            "resourceType": "Encounter",
            "id": f"e-{patient}",
            "status": "in-progress",
            "subject": about,
            "period": {"start": render(START)},
            "meta": {"versionId": "1", "lastUpdated": render(START)},
            "location": [{"location": {"display": f"M2 {patient}"}}],
        },
    ]
    sent += [
        {
            "resourceType": "Observation",
            "id": f"{patient}-{code}-{hour}",
            "status": "final",
            "subject": about,
            "code": {"coding": [{"system": LOINC, "code": code, "display": patient}]},
            "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
            "effectiveDateTime": at,
            "issued": at,
            "device": {"display": f"bed {patient}"},
        }
        for code, value, unit in signs
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in sent]}


def messages(patient: str) -> list[bytes]:
    """HL7 v2 of one of these people's, with the number wherever a sender may write it; the last cannot be used."""
    family, given = NAME.split()
    who = f"PID|1||{patient}^^^CPR||{family}^{given}||19510502|F"
    stay = f"PV1|1|I|M2 {patient}^^bed of {patient}" + "|" * 16 + f"e-{patient}"
    above = f"OBR|1|R-{patient}|F-{patient}^{patient}|B^{patient}^L|||202603010942"
    good = f"OBX|1|NM|NPU03230^{patient}^NPU|{patient}|7.4|mmol/L|{patient}|{patient}|||F|||||{patient}|||{patient}"
    head = r"MSH|^~\&|LABKA|OUH|VAGT|RSYD|20260301101207||{}|" + patient + "|P|2.5||||||8859/1"
    oru, bad = head.format("ORU^R01"), good.replace("NPU03230", patient)
    sent = [
        [head.format("ADT^A01"), "EVN|A01|20260301080000", who, stay],
        [oru, who, stay, above, good, f"NTE|1||cpr {patient} {NAME}"],
        [head.format("ADT^A40"), "EVN|A40|20260301110000", who, f"MRG|{WARD[0]}-x^^^CPR"],
        [oru, who, stay, above, bad, good.replace("mmol/L", patient), good.replace("|F|", f"|{patient}|")],
        [head.format("ORM^O01"), who],
        [patient],
    ]
    return ["\r".join(segments).encode("iso8859-1") for segments in sent]


def malformed(patient: str) -> list[tuple[str | None, Any]]:
    """What a door cannot use, with a number wherever it hurts."""
    good = observation(patient, f"bad-{patient}", START)
    return [
        (patient, {"type": "poem", "patient": patient}),
        (patient, {**good, "code": {"system": LOINC, "code": patient}}),
        (patient, {**good, "unit": patient}),
        (patient, {**good, "value": patient}),
        (patient, {**good, "issued": patient}),
        (patient, {**good, "status": patient}),
        (patient, {**good, patient: patient, "patient": None}),
        (None, f'{{"patient": "{patient}'.encode()),
        (patient, patient.encode()),
    ]


# ----------------------------------------------------------------------- what is looked for


def forms(secret: str) -> set[bytes]:
    """The ways in which a text may lie in bytes: as it is, without hyphen, in capitals, in base64 and in hex."""
    bare = secret.replace("-", "")
    grouped = {bare, secret, f"{bare[:6]}-{bare[6:]}"} if bare.isdigit() else {secret}
    found = set()
    for text in grouped | {text.upper() for text in grouped} | {text.lower() for text in grouped}:
        raw = text.encode()
        found |= {raw, raw.hex().encode(), raw.hex().upper().encode(), orjson.dumps(text)[1:-1]}
        for before in range(3):  # where it lies in what was encoded
            whole = base64.b64encode(b"\0" * before + raw)
            certain = whole[(8 * before + 5) // 6 : (8 * (before + len(raw))) // 6]
            found |= {certain, certain.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


SECRETS = re.compile(b"|".join(re.escape(form) for one in (*PEOPLE, NAME) for form in sorted(forms(one))))


def topics(service: Service) -> Iterator[str]:
    """What a deployment wrote: all its topics but those that hold what a sender wrote."""
    admin = KafkaAdminClient(bootstrap_servers=service.bootstrap)
    own = [name.removeprefix(service.prefix) for name in admin.list_topics() if name.startswith(service.prefix)]
    admin.close()
    yield from (name for name in own if name not in {"lab", "fhir", "hl7", "deadletter"})


def everything(service: Service, seen: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """All that a deployment whose workers are stopped left behind, by place; and what was ``seen``."""
    yield from seen.items()
    for file in service.folder.rglob("*"):
        if file.is_file():
            yield ("logs" if file.suffix == ".log" else "files"), file.read_bytes()
            yield "files", file.name.encode()
        if (file / "CURRENT").is_file():  # RocksDB may compress: its own reading sees what it holds
            options = rocksdict.Options(raw_mode=True)
            for key, value in rocksdict.Rdict(str(file), options, access_type=rocksdict.AccessType.read_only()).items():
                yield "state", key
                yield "state", value
    settings = service.settings
    for topic in topics(service):
        for record in read_all(settings, topic):
            yield topic, record.key or b""
            yield topic, record.value or b""
            yield topic, b"".join(name.encode() + text for name, text in record.headers)
            if topic.endswith("changelog") and record.value and not record.key.startswith(b"\0"):
                yield topic, repr(decode(record.value)).encode()
    for record in read_all(settings, "deadletter"):
        yield "why", b"".join(name.encode() + text for name, text in record.headers)


def hits(service: Service, seen: Mapping[str, bytes]) -> dict[str, int]:
    """How often each place has an identifier; every place is there."""
    found: dict[str, int] = {}
    for place, raw in everything(service, seen):
        found[place] = found.get(place, 0) + len(SECRETS.findall(raw))
    return found


# ------------------------------------------------------------------------------ what is done


def replay(service: Service, values: Iterable[Any]) -> bytes:
    """`vagt replay` of these records; returns how the process was called."""
    source = service.folder.parent / f"{service.folder.name}.ndjson"
    source.write_bytes(b"\n".join(map(orjson.dumps, values)))
    environment = {
        **os.environ,
        "VAGT_KAFKA_BOOTSTRAP": service.bootstrap,
        "VAGT_TOPIC_PREFIX": service.prefix,
        "VAGT_DATA_DIR": str(service.folder),
        "VAGT_LIVE": "false",
        **service.environment,
    }
    command = [sys.executable, "-m", "streams.cli", "replay", "ndjson", str(source), "--speed", "36000"]
    with (service.folder / "replay.log").open("ab") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
        called = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert process.wait(PATIENCE_S) == 0, service.log()[-2000:]
    return called


def played(service: Service, hours: int) -> dict[str, bytes]:
    """A day at work: two doors, a replay, malformed records, a worker that is killed and comes again."""
    log = native(WARD, hours, 3)
    half = len(log) // 2
    service.send(log[:half], topic="lab")
    service.send([(one, resources(one, hour)) for one in IN_FHIR for hour in range(hours)], topic="fhir")
    service.settle("lab", PATIENCE_S)
    service.settle(timeout=PATIENCE_S)
    seen = b"".join(Path(f"/proc/{worker.pid}/cmdline").read_bytes() for worker in service.workers.values())
    service.stop("w1", signal.SIGKILL)
    service.start("w1")
    service.send([(key, value) for one in WARD for key, value in malformed(one)], topic="lab")
    service.send([("k", {**resources(one, 0), "entry": one}) for one in IN_FHIR], topic="fhir")
    service.send([("k", {"resourceType": one, "id": one}) for one in IN_FHIR], topic="fhir")
    service.send([("LABKA|OUH", one) for one in messages(IN_HL7)], topic="hl7")
    service.send(log[half:], topic="lab")
    good, bad = native(REPLAYED, hours, 4), malformed(REPLAYED[0])[:6]
    seen += replay(service, (value for _, value in (*good, *bad)))
    for topic in ("lab", "fhir", "hl7", "events"):
        service.settle(topic, PATIENCE_S)
    for name in list(service.workers):
        service.stop(name)
    return {"process arguments": seen}


def deployment(broker: str, prefix: str, folder: Path, **environment: str) -> Service:
    """Two doors, and logs of everything."""
    loud = folder / "loud"
    loud.mkdir()
    (loud / "sitecustomize.py").write_text(ALL_LOGS)
    data = folder / "data"
    data.mkdir()
    return Service(
        broker, prefix, data, environment={"VAGT_DOORS": "lab=native", "PYTHONPATH": str(loud), **environment}
    )


@pytest.mark.req("VAGT-PRI-01")
def test_with_a_key_no_identifier_is_anywhere_but_where_it_came_in(broker: str, tmp_path: Path) -> None:
    service = deployment(broker, "privacy.", tmp_path, VAGT_PSEUDONYM_KEY=KEY)
    names = Pseudonyms([bytes.fromhex(KEY)])
    with running(service, "w1"):
        del service.environment["PYTHONPATH"]
        service.start("w2")
        found = hits(service, played(service, 10))
    assert {"logs", "files", "state", "events", "risk.scores", "alerts", "process arguments", "why"} <= set(found)
    assert found == dict.fromkeys(found, 0)
    alerts, changelog = service.alerts(), list(read_all(service.settings, "vagt-patients-changelog"))
    assert set(alerts) <= {names.name(one) for one in PEOPLE}
    assert len(alerts) >= 4
    for name, changes in alerts.items():
        assert {names.unseal(change["sealed"], name) for change in changes} <= set(PEOPLE)
    assert {names.name(one).encode() for one in PEOPLE} <= {record.key for record in changelog}
    reasons = {letter["reason"] for letter in service.dead()}
    assert {
        "bad-hl7",
        "schema",
        "unknown-code",
        "unknown-unit",
        "bad-json",
        "missing-subject",
        "unsupported",
    } <= reasons
    assert '"logger": "aiokafka' in service.log(), "the libraries were not loud"
    assert KEY not in service.log()


@pytest.mark.req("VAGT-PRI-01")
def test_without_a_key_the_same_search_finds_them(broker: str, tmp_path: Path) -> None:
    service = deployment(broker, "no-privacy.", tmp_path)
    with running(service, "w1"):
        found = hits(service, played(service, 4))
    for place in ("events", "risk.scores", "alerts", "state", "vagt-patients-changelog"):
        assert found[place] > 10, f"the search does not see {place}"
    assert (found["logs"], found["process arguments"]) == (0, 0)


@pytest.mark.req("VAGT-PRI-01")
def test_what_passes_no_door_is_refused_and_told_to_nobody(broker: str, tmp_path: Path) -> None:
    service = deployment(broker, "bypass.", tmp_path, VAGT_PSEUDONYM_KEY=KEY)
    (patient, *_), names = PEOPLE, Pseudonyms([bytes.fromhex(KEY)])
    plain, name = observation(patient, "o-1", START + MINUTE), names.name(patient)
    with running(service, "w1"):
        service.send([(patient, admission(patient)), (patient, {**plain, "origin": "vagt"})])
        service.send([(name, {**plain, "patient": name}), (name, {**plain, "patient": name, "origin": "vagt"})])
        service.settle(timeout=PATIENCE_S)
        service.stop("w1")
    assert [letter["reason"] for letter in service.dead()] == ["not-pseudonymised"] * 3
    assert set(service.scores()) == {name}
    found = hits(service, {})
    del found["events"]  # where somebody wrote it who should not
    assert found == dict.fromkeys(found, 0)


@pytest.mark.req("VAGT-PRI-03")
def test_a_rotation_moves_a_patient_on_kafka_and_the_key_can_go(broker: str, tmp_path: Path) -> None:
    service = deployment(broker, "rotation.", tmp_path, VAGT_PSEUDONYM_KEY=KEY)
    log, newer = native(WARD[:1], 8, 5), bytes(range(200, 232)).hex()
    half = len(log) // 2
    with running(service, "w1"):
        service.send(log[:half], topic="lab")
        service.settle("lab", PATIENCE_S)
        service.settle(timeout=PATIENCE_S)
        service.stop("w1")
        service.environment |= {"VAGT_PSEUDONYM_KEY": newer, "VAGT_PSEUDONYM_OLD_KEYS": KEY}
        service.start("w1")
        turned = subprocess.run(
            [sys.executable, "-m", "streams.cli", "pseudonym", "rotate"],
            env={
                **os.environ,
                "VAGT_KAFKA_BOOTSTRAP": service.bootstrap,
                "VAGT_TOPIC_PREFIX": service.prefix,
                **service.environment,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert turned.stdout.startswith("1 patients sent to their new pseudonym")
        service.send(log[half:], topic="lab")
        service.settle("lab", PATIENCE_S)
        service.settle(timeout=PATIENCE_S)
        service.stop("w1")
    old, new = (Pseudonyms([bytes.fromhex(key)]) for key in (KEY, newer))
    changelog = read_all(service.settings, "vagt-patients-changelog")
    records = {record.key: decode(record.value) for record in changelog if not record.key.startswith(b"\0")}
    before, after = records[old.name(WARD[0]).encode()], records[new.name(WARD[0]).encode()]
    assert before.stay.into == new.name(WARD[0])
    assert after.stay.encounter is not None
    assert {name: len(one.entries) for name, one in after.series.items()} == dict.fromkeys(after.series, 8)
    assert new.unseal(after.sealed or "", new.name(WARD[0])) == WARD[0]


def test_the_settings_of_these_tests_have_the_key() -> None:
    assert Settings(pseudonym_key=KEY).pseudonym_keys == (bytes.fromhex(KEY),)


@pytest.mark.parametrize("secret", [PEOPLE[0], PEOPLE[-1], NAME])
@pytest.mark.parametrize("around", [("", ""), ("a", "b"), ("ab", "abc"), ("abc", "é")])
def test_the_search_sees_what_is_hidden_in_text(secret: str, around: tuple[str, str]) -> None:
    text = secret.join(around)
    for raw in (
        text.encode(),
        text.upper().encode(),
        text.replace("-", "").encode(),
        base64.b64encode(text.encode()),
        base64.urlsafe_b64encode(text.encode()),
        text.encode().hex().encode(),
        orjson.dumps({"note": text}),
    ):
        assert SECRETS.search(raw), raw

"""`python -m load_tests.hooks`: how soon an EHR has its cards, beside a bare echo of the same server.

A board shows some hundred patients, each with alerts; calls come at a steady rate, as the public sandbox sends them.
The time of a call runs from the instant at which it is due. The echo is the board's server with nothing behind it.
"""

import asyncio
import time
import uuid
from typing import Annotated, Any, Final, NamedTuple

import aiohttp
import orjson
import typer
import uvicorn
import uvloop
from hdrh.histogram import HdrHistogram
from starlette.types import Receive, Scope, Send

from load_tests import machine, service, stage
from load_tests.board import alert_of, bed_name, change, fill, ready, served
from load_tests.board import send as put
from load_tests.child import Child
from load_tests.kafka import Bootstrap, Out
from load_tests.outcome import histogram, milliseconds
from streams import kafka
from streams.board.cards import SERVICES
from streams.board.wire import Protocol
from streams.broker import free_port
from streams.commands.plain import FAILED
from streams.settings import Settings
from streams.topics import ALERTS

_ECHO: Final = "echo"
_SYSTEM: Final = "urn:oid:1.2.208.176.1.2"
_ANSWERS_S: Final = 30.0


class Answers(NamedTuple):
    """How soon calls of one kind were answered (µs), and how many were answered otherwise than they should be."""

    delays: HdrHistogram
    wrong: int


def hooks(
    patients: Annotated[int, typer.Option(min=1, help="On the board.")] = 300,
    rate: Annotated[float, typer.Option(min=0.1, max=90, help="Calls a second; one address may 100.")] = 50,
    seconds: Annotated[int, typer.Option(min=1, help="For each kind of call.")] = 30,
    bootstrap: Bootstrap = None,
    out: Out = None,
) -> None:
    """Measure how soon calls of CDS Hooks are answered. 1: an answer is none, or has not the card of its patient."""
    with stage.command(bootstrap) as (settings, console):
        about = machine.describe(settings)
        with service.channels(settings):
            found = uvloop.run(_measure(settings, patients, rate, seconds))
        for name, one in found.items():
            console.print(
                f"{name}: {one.delays.get_total_count()} answers to {rate:g} calls a second, median "
                f"{milliseconds(one.delays, 50):.1f} ms, 99 % {milliseconds(one.delays, 99):.1f} ms, longest "
                f"{milliseconds(one.delays, 100):.1f} ms; {one.wrong} wrong"
            )
    if out is not None:
        told = {
            name: {f"p{part}": milliseconds(one.delays, part) for part in (50, 99, 100)} | {"wrong": one.wrong}
            for name, one in found.items()
        }
        out.write_bytes(orjson.dumps({"machine": about, "patients": patients, "rate": rate, **told}))
    if any(one.wrong for one in found.values()):
        raise typer.Exit(FAILED)


async def _measure(settings: Settings, patients: int, rate: float, seconds: int) -> dict[str, Answers]:
    producer = kafka.producer(settings)
    await producer.start()
    try:
        await fill(settings, producer, patients)
        for number in range(patients):
            await put(settings, producer, ALERTS, bed_name(number), change(number, patients))
        await producer.flush()
    finally:
        await producer.stop()
    port = free_port()
    with served(settings) as (board, _), Child(_serve_echo, port):
        await ready(board)
        await ready(port)
        found = {_ECHO: await _called(f"http://127.0.0.1:{port}/", _ECHO, patients, rate, seconds)}
        for name, hook in SERVICES.items():
            address = f"http://127.0.0.1:{board}/cds-services/{name}"
            found[hook] = await _called(address, hook, patients, rate, seconds)
    return found


async def _called(address: str, kind: str, patients: int, rate: float, seconds: int) -> Answers:
    """Calls of one kind, each at its instant, however late the answers of those before it are."""
    delays, wrong = histogram(), 0

    async def call(session: aiohttp.ClientSession, number: int, due: float) -> None:
        nonlocal wrong
        name = bed_name(number % patients)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        async with session.post(address, json=_body(kind, name)) as answer:
            told = await answer.read()
        delays.record_value(max(1, int((time.monotonic() - due) * 1e6)))
        wrong += answer.status != 200 or (kind != _ECHO and not _is_of(name, orjson.loads(told)))

    timeout = aiohttp.ClientTimeout(total=_ANSWERS_S)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.monotonic() + 0.5
        calls = (call(session, number, began + number / rate) for number in range(round(rate * seconds)))
        await asyncio.gather(*calls)
    return Answers(delays, wrong)


def _body(kind: str, patient: str) -> dict[str, Any]:
    """A call as the sandbox at sandbox.cds-hooks.org sends it, with the patient whom the services ask for."""
    hook = "patient-view" if kind == _ECHO else kind
    context: dict[str, Any] = {"userId": "Practitioner/COREPRACTITIONER1", "patientId": "1288992"}
    if hook == "order-select":
        order = {
            "resourceType": "MedicationRequest",
            "id": "request-123",
            "status": "draft",
            "intent": "order",
            "subject": {"reference": "Patient/1288992"},
            "medicationCodeableConcept": {
                "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "617993"}],
                "text": "Amoxicillin 120 MG/ML",
            },
        }
        context |= {
            "selections": ["MedicationRequest/request-123"],
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order}]},
        }
    return {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "fhirServer": "https://launch.smarthealthit.org/v/r4/fhir",
        "context": context,
        "prefetch": {
            "patient": {
                "resourceType": "Patient",
                "id": "1288992",
                "identifier": [{"use": "official", "system": _SYSTEM, "value": patient}],
                "name": [{"use": "official", "family": "Adams", "given": ["Daniel", "X."]}],
                "gender": "male",
                "birthDate": "1925-12-23",
            }
        },
    }


def _is_of(patient: str, told: Any) -> bool:
    """Whether an answer has the patient's card."""
    return str(uuid.UUID(alert_of(patient))) in {one.get("uuid") for one in told["cards"]}


def _serve_echo(port: int) -> None:
    """Give back the body of every request, until this process is ended."""
    uvicorn.run(_echo, port=port, http=Protocol, log_config=None, access_log=False, server_header=False)


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    typer.run(hooks)

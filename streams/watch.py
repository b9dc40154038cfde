"""The alerts as they come, a line for each change, for a person at a terminal."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from models.quiet import quietness
from streams import kafka
from streams.settings import Settings
from streams.topics import ALERTS

_REASONS_SHOWN = 3
_HELD = {"en": "held back", "da": "holdt tilbage"}
_PASSED_ON = {"en": "to", "da": "til"}
_DANISH = {
    "info": "info",
    "warning": "advarsel",
    "critical": "kritisk",
    "raised": "rejst",
    "escalated": "forværret",
    "updated": "ændret",
    "acknowledged": "set",
    "snoozed": "udsat",
    "dismissed": "afvist",
    "resolved": "ovre",
    "retracted": "trukket tilbage",
    "expired": "udløbet",
}


def language(environment: Mapping[str, str] = os.environ) -> str:
    """The reader's language, `da` or `en`, as the environment names it."""
    named = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "da" if named.startswith("da") else "en"


def line(alert: Mapping[str, Any], tongue: str, zone: ZoneInfo) -> str:
    """An alert in a line: time, severity, kind, state, title, patient, ward, and what weighed most."""
    at = datetime.fromisoformat(alert["at"]).astimezone(zone).strftime("%Y-%m-%d %H:%M")
    severity, state = alert["severity"], alert["state"]
    if tongue == "da":
        severity, state = _DANISH[severity], _DANISH[state]
    place = f"{alert['patient']}, {alert['ward']}" if alert["ward"] else alert["patient"]
    role = alert.get("role")  # what was said before there were roles has none
    if quietness().passed_on(alert["state"], role):
        state = f"{_PASSED_ON[tongue]} {role}"
    held = alert["suppressed"]
    if held is not None:
        state += f" ({_HELD[tongue]}: {held['reason']})"
    reasons = alert["score"]["reasons"] if alert["score"] else ()
    told = [reason["text"][tongue] for reason in reasons if reason["feature"] != "rest"]
    shown = "; ".join(told[:_REASONS_SHOWN])
    text = f"{at}  {severity:<8}  {alert['kind']:<14}  {state:<9}  {alert['title'][tongue]}  ({place})"
    return f"{text}  {shown}" if shown else text


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[AsyncIterator[tuple[int, dict[str, Any]]]]:
    """All that is said on `alerts` from now on, heartbeats too: the partition and the message.

    Raises:
        KafkaError: the cluster does not answer.
    """
    reader = kafka.consumer(settings)
    await reader.start()
    try:
        tps = [TopicPartition(settings.topic(ALERTS), partition) for partition in range(settings.partitions)]
        reader.assign(tps)
        for tp, end in (await reader.end_offsets(tps)).items():
            reader.seek(tp, end)
        yield _messages(reader)
    finally:
        await reader.stop()


async def _messages(reader: AIOKafkaConsumer) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    async for record in reader:
        yield record.partition, orjson.loads(record.value)

"""Every metric of the service, and the few lines with which its parts count.

What is here is what there is: the reference page (docs/metrics.md), the dashboards and the alert rules are held against
it. No label names a patient, and none has values without bound.
"""

import os
import time
from asyncio import Future
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from models.scorer import Scorer
from streams.judge import Judged
from streams.metrics.meters import Counter, Gauge, Histogram, Meter, Names

BUILD: Final = Gauge("vagt_build_info", "The release that runs; always 1.", ("version",))
READY: Final = Gauge("vagt_ready", "1 where /readyz says yes: partitions assigned and their records restored.")

RECORDS: Final = Counter("vagt_records_total", "Records taken from a topic.", ("topic",))
LATENCY: Final = Histogram(
    "vagt_event_to_alert_seconds",
    "By stage: `wait` from Kafka's timestamp of a record until it is taken, `decide` what the decision takes; of those "
    "that change an alert `acknowledge` until the broker has the alert, and `total` from the record's timestamp to "
    "there.",
    ("stage",),
)
CHECKPOINT: Final = Histogram("vagt_checkpoint_seconds", "What it takes to make a partition's decisions durable.")
DEADLETTERS: Final = Counter("vagt_deadletters_total", "Objects that could not be used, by the reason.", ("reason",))
REKEYED: Final = Counter("vagt_rekeyed_total", "Records that were not on their key's partition, and were moved there.")
TICKS: Final = Counter("vagt_ticks_total", "Ticks that the service wrote, since time alone changed an alert.")
LOST: Final = Counter("vagt_events_lost_total", "Records of `events` that were removed before they were decided.")
ALERTS: Final = Counter(
    "vagt_alerts_total",
    "Changes of alerts; `held` is yes for one that is held back.",
    ("kind", "ward", "severity", "state", "held"),
)
SCORES: Final = Counter(
    "vagt_scores_total",
    "Scores of models and rules; `result` is `given`, `abstained` (it does not know) or `shadow` (nobody is told).",
    ("model", "version", "result"),
)
MODELS: Final = Gauge(
    "vagt_model_info", "The models and rules that are loaded; always 1.", ("model", "version", "sha256")
)
STOPPED: Final = Gauge(
    "vagt_stopped", "1 for what people stopped: a kind of scores (or `all`) in a ward (or `all`).", ("kind", "ward")
)
FRESHNESS: Final = Gauge(
    "vagt_source_last_record_timestamp_seconds",
    "When the newest record of a source (an observation's `performer`) came to Kafka.",
    ("source",),
)
LAG_RECORDS: Final = Gauge(
    "vagt_consumer_lag_records", "Records that wait, or are not durably decided.", ("topic", "partition")
)
LAG_SECONDS: Final = Gauge("vagt_consumer_lag_seconds", "How long the oldest of them waits at most.", ("topic",))
LOOKED: Final = Gauge(
    "vagt_watchdog_look_timestamp_seconds", "When the watchdog last compared the log with what is committed."
)
BROKER: Final = Gauge("vagt_broker_up", "1 while the cluster answers this process.")
FALLS: Final = Gauge("vagt_worker_falls", "How often in a row the worker began afresh before this run.")
STATE: Final = Gauge("vagt_state_bytes", "What the patients' records take on this worker's disk.")

CLIENTS: Final = Gauge("vagt_board_clients", "Open boards.")
PUSH: Final = Histogram("vagt_board_push_seconds", "From a change that the board hears of until it is sent to a page.")

MESSAGES: Final = Counter(
    "vagt_mllp_messages_total",
    "HL7 v2 messages by the answer: `AA` taken, `AR` refused (a dead letter), `AE` not stored, to be sent again.",
    ("answer",),
)
CONNECTIONS: Final = Gauge("vagt_mllp_connections", "Senders of HL7 v2 that are connected.")

NOTICES: Final = Counter(
    "vagt_watch_notices_total",
    "Notices on `model.watch`, by type (`unit`, `step`, `drift`, `missing`, `silence`, `scores`, `abstention`, "
    "`alerts`, `refusals`, `calibration`, `discrimination`) and state (`raised`, `updated`, `resolved`).",
    ("type", "state"),
)
NOTICES_OPEN: Final = Gauge("vagt_watch_notices", "Notices that are not over, by type.", ("type",))
WATCH_TIME: Final = Gauge(
    "vagt_watch_time_seconds", "How far the watch has come, as the records' own time has it (s since the epoch)."
)
WATCH_LATE: Final = Gauge("vagt_watch_late", "What came more than a quarter of an hour too late to be watched.")

#: What each command exposes.
PARTS: Final[Mapping[str, tuple[Meter, ...]]] = {
    "worker": (
        BUILD,
        READY,
        RECORDS,
        LATENCY,
        CHECKPOINT,
        DEADLETTERS,
        REKEYED,
        TICKS,
        LOST,
        ALERTS,
        SCORES,
        MODELS,
        STOPPED,
        FRESHNESS,
        LAG_RECORDS,
        LAG_SECONDS,
        LOOKED,
        BROKER,
        FALLS,
        STATE,
    ),
    "board": (BUILD, READY, BROKER, CLIENTS, PUSH),
    "monitor": (BUILD, READY, BROKER, NOTICES, NOTICES_OPEN, WATCH_TIME, WATCH_LATE),
    "mllp": (BUILD, READY, BROKER, MESSAGES, CONNECTIONS),
}

_WARDS: Final = Names(200)
_SOURCES: Final = Names(200)


def took(topic: str, timestamp_ms: int) -> None:
    """A record with this Kafka timestamp was taken from a topic."""
    RECORDS.add(topic)
    LATENCY.observe(time.time() - timestamp_ms / 1000, "wait")


def decided(judged: Judged, timestamp_ms: int, seconds: float) -> None:
    """What a decision on a record with this Kafka timestamp said; one that lies ahead of the clock counts as now."""
    LATENCY.observe(seconds, "decide")
    for score in judged.scores:
        result = "shadow" if score.shadow else "abstained" if score.abstained else "given"
        SCORES.add(score.model.name, score.model.version, result)
    for alert in judged.alerts:
        held = "no" if alert.suppressed is None else "yes"
        ALERTS.add(alert.kind, _WARDS.label(alert.ward), alert.severity, alert.state, held)
    for performer in judged.performers:
        FRESHNESS.rise(min(timestamp_ms / 1000, time.time()), _SOURCES.label(performer))


def acknowledged(alert: "Future[Any]", timestamp_ms: int) -> None:
    """Note, once the broker has an alert that was handed over just now, how long that took, and all of it."""
    handed = time.time()

    def note(sent: "Future[Any]") -> None:
        if not sent.cancelled() and sent.exception() is None:
            now = time.time()
            LATENCY.observe(now - handed, "acknowledge")
            LATENCY.observe(now - timestamp_ms / 1000, "total")

    alert.add_done_callback(note)


def of_worker(scorers: Iterable[Scorer], falls: int, folder: Path, answers: Callable[[], bool]) -> None:
    """What a worker is: who decides in it, how often it fell, where its records lie, whether its cluster answers."""
    for scorer in scorers:
        MODELS.set(1, scorer.model.name, scorer.model.version, scorer.model.sha256)
    for reason in ("internal-error", "unreadable-state"):  # one is enough to wake somebody, and needs a 0 before it
        DEADLETTERS.add(reason, by=0)
    FALLS.set(falls)
    STATE.follow(lambda: {(): _size(folder)})
    BROKER.follow(lambda: {(): float(answers())})


def _size(folder: Path) -> float:
    """The bytes of all files in a folder; some vanish while they are counted."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(place, name).stat().st_size
    return float(total)

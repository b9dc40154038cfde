"""A worker's own figures are those of the topics, and its probes say what it does meanwhile."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from streams.broker import free_port
from tests.integration.patients import ward
from tests.integration.service import running
from tests.integration.watched import Watched


@pytest.fixture
def service(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Watched]:
    service = Watched(broker, topic_prefix, tmp_path)
    assert service.port
    with running(service):
        yield service


def test_the_figures_are_those_of_the_topics(service: Watched) -> None:
    records = ward(patients=4, hours=12)
    service.start()
    service.wait_for("/readyz", 200)
    service.send([*records, ("p", b"no JSON")])
    service.settle()
    alerts = [orjson.loads(one.value) for one in service.read("alerts")]
    scores = [one for record in service.read("risk.scores") for one in orjson.loads(record.value)]
    assert service.samples("vagt_records_total", "topic") == {"events": len(records) + 1}
    assert service.samples("vagt_alerts_total", "kind") == Counter(one["kind"] for one in alerts)
    assert service.samples("vagt_alerts_total", "state") == Counter(one["state"] for one in alerts)
    assert service.samples("vagt_scores_total", "model") == Counter(one["model"]["name"] for one in scores)
    assert service.samples("vagt_scores_total", "result")["abstained"] == sum(
        one["abstained"] and not one["shadow"] for one in scores
    )
    assert service.samples("vagt_deadletters_total", "reason") == {
        "bad-json": 1,
        "internal-error": 0,
        "unreadable-state": 0,
    }
    assert service.samples("vagt_event_to_alert_seconds_count", "stage") == {
        "wait": len(records) + 1,
        "decide": len(records) + 1,
        "acknowledge": len(alerts),
        "total": len(alerts),
    }
    assert service.samples("vagt_checkpoint_seconds_count")[""] > 0
    assert service.samples("vagt_state_bytes")[""] > 0
    assert service.samples("vagt_broker_up")[""] == 1
    service.wait_for("/metrics", 200, 'vagt_consumer_lag_seconds{topic="events"} 0.0')
    text = service.ask("/metrics")[1]
    assert not [patient for patient, _ in records if patient in text]
    assert service.ask("/livez") == (200, "yes\n")


@pytest.mark.req("VAGT-OPS-07")
def test_a_worker_without_a_cluster_lives_and_is_not_ready(tmp_path: Path) -> None:
    away = Watched(f"127.0.0.1:{free_port()}", "", tmp_path)
    assert away.port
    try:
        away.start()
        away.wait_for("/readyz", 503, "It waits for its cluster.")
        assert away.ask("/livez") == (200, "yes\n")
        assert away.samples("vagt_ready")[""] == 0
    finally:
        away.close()

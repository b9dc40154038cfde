"""Models that others made, on a real Kafka and live: one here, one elsewhere that answers, and one that hangs."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.records import audited, events
from streams.rejudge import Span, compare
from streams.terms import Terms
from tests.endpoint import said, serving
from tests.integration.patients import LOINC, admitted_now, observation
from tests.integration.service import PARTITIONS, Service, running
from tests.plugins import manifest, new_shelf, put

PATIENTS = [f"p-{number}" for number in range(6)]


@pytest.fixture
def service(broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Service]:
    """A live deployment with plug-ins and without workers yet."""
    folder = tmp_path / "service"
    folder.mkdir()
    own = {"VAGT_MODELS": str(tmp_path / "models"), "VAGT_MODEL_KEYS": str(tmp_path / "keys")}
    with running(Service(broker, topic_prefix, folder, live=True, environment=own)) as service:
        yield service


def lactate(patient: str, value: float) -> dict[str, Any]:
    now = time.time_ns() // 1_000_000
    code = {"system": LOINC, "code": "2524-7"}
    return observation(patient, f"{patient}-{now}", now, code=code, value=value, unit="mmol/L")


def kinds(service: Service, patient: str) -> dict[str, list[dict[str, Any]]]:
    """The scores of a patient by kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for scores in service.scores().get(patient, []):
        for score in scores:
            found.setdefault(score["kind"], []).append(score)
    return found


def test_plug_ins_here_and_elsewhere_score_beside_ours_and_the_log_repeats_without_them(
    service: Service, tmp_path: Path
) -> None:
    shelf, key = new_shelf(tmp_path)
    answer = {"score": 0.8, "model": {"name": "far", "version": "1", "sha256": "ab" * 32}}
    with serving(lambda _: said(answer)) as answers, serving() as hangs:
        put(tmp_path / "models" / "here", manifest(), key=key)
        for name, url in (("far", answers.url), ("slow", hangs.url)):
            runtime = {"type": "http", "url": url, "sha256": "ab" * 32, "deadline_ms": 300}
            put(tmp_path / "models" / name, manifest(name=name, kind=f"{name}-risk", runtime=runtime), key=key)
        service.start()
        service.send([(patient, admitted_now(patient)) for patient in PATIENTS])
        service.send([(patient, lactate(patient, 6.0)) for patient in PATIENTS])
        deadline = time.monotonic() + 120
        while not all({"far-risk", "slow-risk"} <= kinds(service, one).keys() for one in PATIENTS):
            assert time.monotonic() < deadline, service.log()[-3000:]
            time.sleep(0.5)
        service.stop("w1")
    for patient in PATIENTS:
        scores = kinds(service, patient)
        assert {"crisis-risk", "news2"} <= scores.keys()
        assert (scores["far-risk"][-1]["score"], scores["far-risk"][-1]["abstained"]) == (0.8, False)
        assert (scores["slow-risk"][-1]["abstained"], scores["slow-risk"][-1]["reasons"][0]["feature"]) == (
            True,
            "no-answer",
        )
        raised = [one["kind"] for one in service.alerts()[patient] if one["state"] == "raised"]
        assert "far-risk" in raised
        assert "slow-risk" not in raised
    written = [orjson.loads(one.value) for one in service.read("events")]
    assert {one["origin"] for one in written if isinstance(one, dict) and one["type"] == "score"} == {"vagt"}
    assert not any(patient in repr(request) for request in answers.asked for patient in PATIENTS)
    assert service.dead() == []

    # Nobody answers any more, and every decision comes out as it did, those on the answers too.
    settings = service.settings
    for partition in range(PARTITIONS):
        past = audited(settings, partition), events(settings, partition)
        found = compare(Terms.of(settings), partition, *past, Span(), shelf)
        assert (found.differing, found.flaws, found.elsewhere, found.undecided) == ([], [], 0, 0)
    assert service.vagt("audit", "replay")[0] == 0
    assert service.vagt("models", "verify")[1].count("signed by own") == 3


@pytest.mark.req("VAGT-MOD-10")
def test_a_worker_does_not_start_with_a_plug_in_that_was_changed(service: Service, tmp_path: Path) -> None:
    _, key = new_shelf(tmp_path)
    folder = put(tmp_path / "models" / "here", manifest(), key=key)
    folder.joinpath("model.onnx").write_bytes(b"another")
    assert service.start().wait(120) == 1
    assert "model.onnx has the hash" in service.log()

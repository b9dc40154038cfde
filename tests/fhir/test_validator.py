"""HAPI's validator finds no fault with what the record system is told, and finds those that are made on purpose."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from features.record import Record
from models.datasets.cinc2019 import Cinc2019
from models.outputs import Alert
from models.step import Place, step
from streams import intake
from tests.fhir.alerts import BUNDLES, DECIDER, alert, every_shape, of_a_course
from tests.fhir.validator import errors

DATA = Path(os.environ.get("VAGT_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
STAYS = 200


def broken(kind: str, spoil: Callable[[dict[str, Any]], Any]) -> bytes:
    """A transaction of which one resource is spoilt."""
    bundle = orjson.loads(BUNDLES.of(alert("aki" if kind == "DetectedIssue" else "aki-risk")))
    (resource,) = (one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind)
    spoil(resource)
    return orjson.dumps(bundle)


BROKEN = [
    broken("RiskAssessment", lambda one: one.pop("status")),
    broken("RiskAssessment", lambda one: one["prediction"][0].update(probabilityDecimal="0.1")),
    broken("DetectedIssue", lambda one: one.update(severity="warning")),
    broken("Flag", lambda one: one.update(status="raised")),
    broken("Flag", lambda one: one.update(meta={"security": [{"system": "http://hl7.org/fhir/flag-status"}, {}]})),
    broken("CommunicationRequest", lambda one: one.update(about=[])),
    broken("CommunicationRequest", lambda one: one["text"].update(div="<p>unclosed")),
    broken("Provenance", lambda one: one["agent"][0].pop("who")),
    broken("Provenance", lambda one: one.update(invented=True)),
]


@pytest.mark.slow
@pytest.mark.req("VAGT-OUT-01")
def test_every_shape_passes_and_what_is_spoilt_does_not(tmp_path: Path):
    told = [BUNDLES.of(one) for one in (*every_shape(), *of_a_course())]
    found = errors([*told, *BROKEN], tmp_path)
    assert len(found) == len(told) + len(BROKEN)
    assert [one for one in found[: len(told)] if one] == []
    assert [number for number, one in enumerate(found[len(told) :]) if not one] == []


@pytest.mark.long
@pytest.mark.data
def test_all_that_is_told_of_200_real_stays_passes(tmp_path: Path):
    folder = DATA / "cinc2019"
    if not folder.exists():
        pytest.skip("cinc2019 is not there: set VAGT_TEST_DATA to a folder that holds it")
    alerts: list[Alert] = []
    for number, stay in enumerate(Cinc2019(folder)):
        if number == STAYS:
            break
        record = Record()
        for offset, one in enumerate(stay.records):
            taken = intake.read(orjson.dumps(one.value), stay.patient, 1 << 20)
            events = [event for _, event in taken.events]
            decision = step(DECIDER, record, stay.patient, events, Place("events", 0, offset))
            record = decision.record
            alerts += decision.alerts
    found = errors(map(BUNDLES.of, alerts), tmp_path)
    assert len(found) == len(alerts) > STAYS
    assert [one for one in found if one] == []

"""A FHIR store that is told twice, or again from where a worker had stopped, ends in the same state."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.outputs import Alert
from tests.builders import PATIENT
from tests.fhir.alerts import BUNDLES, STATES, alert, of_a_course
from tests.fhir.store import Store, StoreError, active

COURSE = [orjson.loads(BUNDLES.of(one)) for one in of_a_course()]


def after(bundles: list[Any]) -> dict[str, Any]:
    store = Store([PATIENT])
    for bundle in bundles:
        store.apply(bundle)
    return store.resources


ONCE = after(COURSE)


@pytest.mark.req("VAGT-OUT-01")
def test_twice_is_as_once():
    assert after([one for bundle in COURSE for one in (bundle, bundle)]) == ONCE
    assert after(COURSE + COURSE) == ONCE


@given(restarts=st.lists(st.tuples(st.integers(0, len(COURSE)), st.integers(0, len(COURSE))), max_size=6))
def test_a_worker_that_dies_anywhere_and_says_it_all_again_changes_nothing(restarts: list[tuple[int, int]]):
    log = []
    for first, second in restarts:  # from the last checkpoint to where it died
        log += COURSE[min(first, second) : max(first, second)]
    assert after([*COURSE, *log, *COURSE[min((min(pair) for pair in restarts), default=0) :]]) == ONCE


@given(order=st.lists(st.sampled_from(of_a_course()), max_size=30))
def test_a_reader_that_keeps_the_highest_sequence_may_be_told_in_any_order(order: list[Alert]):
    store, reached = Store([PATIENT]), dict[str, int]()
    for one in [*order, *of_a_course()]:
        if one.sequence >= reached.get(one.id, 0):
            reached[one.id] = one.sequence
            store.apply(orjson.loads(BUNDLES.of(one)))
    current = {url: one for url, one in store.resources.items() if not url.startswith("Provenance/")}
    assert current.items() <= ONCE.items()
    assert active(store.resources) == active(ONCE)


@pytest.mark.parametrize("kind", ["aki-risk", "aki"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.req("VAGT-OUT-01")
def test_a_retraction_leaves_nothing_active_whatever_came_before(kind: str, state: Any):
    store = Store([PATIENT])
    store.apply(orjson.loads(BUNDLES.of(alert(kind))))
    assert len(active(store.resources)) == 2
    store.apply(orjson.loads(BUNDLES.of(alert(kind, state=state, sequence=2))))
    store.apply(orjson.loads(BUNDLES.of(alert(kind, state="retracted", sequence=3, score=None, evidence=()))))
    assert active(store.resources) == set()
    assert {one["status"] for one in store.resources.values() if "status" in one} == {"entered-in-error"}


# ------------------------------------------------------------------------- the store itself


def spoilt(**changes: Any) -> dict[str, Any]:
    bundle: dict[str, Any] = orjson.loads(BUNDLES.of(alert()))
    bundle["entry"][0] |= changes
    return bundle


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        ({**spoilt(), "type": "batch"}, "no transaction"),
        (spoilt(request={"method": "POST", "url": "RiskAssessment"}), "no update by id"),
        (spoilt(request={"method": "PUT", "url": "RiskAssessment/other"}), "another resource"),
        ({**spoilt(), "entry": [*spoilt()["entry"], spoilt()["entry"][0]]}, "twice"),
        ({**spoilt(), "entry": spoilt()["entry"][1:]}, "is not in the store"),
        (spoilt(fullUrl="urn:uuid:other"), "is not in the store"),
    ],
)
def test_the_store_refuses_what_a_store_refuses_and_stays_as_it_was(bundle: dict[str, Any], reason: str):
    store = Store([PATIENT])
    with pytest.raises(StoreError, match=reason):
        store.apply(bundle)
    assert set(store.resources) == {f"Patient/{PATIENT}"}


def test_the_store_takes_nothing_about_a_patient_it_does_not_know():
    with pytest.raises(StoreError, match="Patient/p-1007 is not in the store"):
        Store().apply(spoilt())


def test_a_reference_to_a_version_leads_nowhere():
    bundle = spoilt()
    bundle["entry"][0]["resource"]["basis"] = [{"reference": "Observation/crp-1/_history/2"}]
    with pytest.raises(StoreError, match="_history"):
        Store([PATIENT]).apply(bundle)

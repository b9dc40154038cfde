"""The DESERT models that ship: what they say of themselves is what they do."""

from pathlib import Path

import pytest

import models
from features.instants import HOUR
from models.artefact import CARD, Estimate
from models.boosted import Boosted
from models.desert.judge import BETTER_BY, sound
from models.desert.outcomes import OUTCOMES, RECENT
from tests.builders import after, encounter, observation, tick

FOLDER = Path(models.__file__).parent
KINDS = list(OUTCOMES)


def shipped(kind):
    return Boosted(FOLDER / kind.replace("-", "_"))


@pytest.fixture(params=KINDS)
def model(request):
    return shipped(request.param)


@pytest.mark.req("VAGT-MOD-05")
def test_a_model_speaks_only_if_it_kept_what_is_asked(model):
    assert model.manifest.switched_on == (not sound(model.manifest.metrics))


@pytest.mark.req("VAGT-MOD-05")
def test_a_model_that_speaks_is_better_than_the_last_value_by_a_tenth(model):
    better, last = (model.manifest.metrics[name] for name in ("auroc", "last_value_auroc"))
    assert isinstance(better, Estimate)
    assert isinstance(last, Estimate)
    assert not model.manifest.switched_on or (better.estimate - last.estimate >= BETTER_BY and better.low > last.high)


def test_the_manifest_names_the_horizon_of_the_outcome(model):
    outcome = OUTCOMES[model.kind]
    assert model.manifest.horizon == f"PT{outcome.horizon // HOUR}H"
    assert model.manifest.event == outcome.event


def test_no_habit_of_ordering_is_read_but_the_age_of_its_own_analyte(model):
    habits = [name for name in model.manifest.features if name.endswith("_age_h") or "_count_" in name]
    assert habits == [f"{OUTCOMES[model.kind].analyte}_age_h"]


@pytest.mark.req("VAGT-MOD-05")
def test_the_card_says_whether_the_model_is_switched_on(model):
    card = (FOLDER / model.kind.replace("-", "_") / CARD).read_text()
    assert ("**Switched on.**" in card) == model.manifest.switched_on
    assert ("**Switched off:" in card) != model.manifest.switched_on


def test_only_open_data_without_share_alike_made_the_model(model):
    assert {one.licence for one in model.manifest.data} <= {"CC BY 4.0", "ODC-BY 1.0"}


def monitored(potassium, hour=1.0):
    """A patient in intensive care with a potassium and enough beside it to be judged."""
    return after(
        encounter("admit", 0.0, unitType="icu", birthDate="1951-05-02", sex="male"),
        observation("creatinine", 90.0, hour),
        observation("heart_rate", 88.0, hour),
        observation("systolic_pressure", 120.0, hour),
        observation("respiratory_rate", 16.0, hour),
        observation("potassium", potassium, hour),
    )


def test_a_condition_that_is_present_is_not_foreseen():
    assert shipped("hyperkalaemia-risk").score(monitored(6.0)) is None
    assert shipped("hyperkalaemia-risk").score(monitored(5.9)) is not None


def test_a_result_that_is_not_recent_makes_the_model_abstain():
    potassium = shipped("hyperkalaemia-risk")
    known = potassium.score(monitored(4.0))
    old = potassium.score(after(tick(1.1 + RECENT / HOUR), record=monitored(4.0)))
    assert known is not None
    assert old is not None
    assert (known.abstained, old.abstained) == (False, True)


def test_a_higher_potassium_never_lowers_the_risk():
    potassium = shipped("hyperkalaemia-risk")
    scores = [found.score for tenth in range(30, 60) if (found := potassium.score(monitored(tenth / 10)))]
    assert len(scores) == 30
    assert scores == sorted(scores)

"""Which notices stop a model, and which do not."""

import pytest
from msgspec.structs import replace

from models.monitor.notices import Notice
from models.outputs import Text
from streams.monitor.stops import BY, RuleError, rules, stops
from streams.settings import Settings
from streams.terms import Terms, shelf

SETTINGS = Settings(watch_stops="infection=unit, infection=calibration,aki=calibration")
SCORERS = Terms.of(SETTINGS).decider(shelf(SETTINGS)).scorers
RULES = rules(SETTINGS.watch_stopping, SCORERS)
WORDS = Text("Temperatures.", "Temperaturer.")
NOTICE = Notice(
    id="n1",
    sequence=1,
    state="raised",
    type="unit",
    model=None,
    models=("infection",),
    analytes=("temperature",),
    source="EPJ",
    ward=None,
    at="2026-01-01T10:00:00Z",
    since="2026-01-01T09:00:00Z",
    text=WORDS,
    advice=WORDS,
    figures={},
    guess=None,
    limits="1",
)


def stopped(notice: Notice) -> list[tuple[str | None, str | None]]:
    return [(item["kind"], item["ward"]) for item in stops(RULES, notice)]


@pytest.mark.req("VAGT-WATCH-05")
def test_a_notice_of_a_named_type_stops_the_model_that_reads_what_it_is_about() -> None:
    (item,) = stops(RULES, NOTICE)
    assert (item["action"], item["kind"], item["by"], item["at"]) == ("stop", "infection-risk", BY, NOTICE.at)
    assert item["why"] == "Notice n1 of the watch: Temperatures."
    assert stopped(replace(NOTICE, ward="M2")) == [("infection-risk", "M2")]
    assert stopped(replace(NOTICE, type="calibration", model="aki", models=())) == [("aki", None)]


@pytest.mark.req("VAGT-WATCH-05")
@pytest.mark.parametrize(
    "notice",
    [
        replace(NOTICE, state="updated"),
        replace(NOTICE, state="resolved"),
        replace(NOTICE, type="drift"),
        replace(NOTICE, models=("aki",)),
        replace(NOTICE, models=()),
    ],
)
def test_no_other_notice_stops_anything(notice: Notice) -> None:
    assert stopped(notice) == []


def test_without_the_setting_nothing_is_stopped() -> None:
    assert list(stops(rules(Settings().watch_stopping, SCORERS), NOTICE)) == []


@pytest.mark.parametrize("text", ["infection=units", "nobody=unit", "infection", "=unit"])
def test_a_rule_that_names_what_is_not_there_is_refused(text: str) -> None:
    with pytest.raises(RuleError, match="VAGT_WATCH_STOPS"):
        rules(Settings(watch_stops=text).watch_stopping, SCORERS)

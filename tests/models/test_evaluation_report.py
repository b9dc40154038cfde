"""From stays to questions, figures and a page that fetches nothing."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from features.catalogue import catalogue
from features.instants import HOUR
from models import outputs
from models.datasets import Record, Stay
from models.evaluation.analysis import Model, analyse
from models.evaluation.elsewhere import deaths, elsewhere
from models.evaluation.questions import INFECTION, QUESTIONS, last_value
from models.evaluation.report import html
from models.evaluation.run import at_hours, changes_from_topic, decisions, from_topic, outcome
from models.evaluation.summary import line, summary
from models.rules.news2 import News2
from models.step import Decider
from streams.commands.evaluate import KINDS, evaluate
from tests.builders import PATIENT, START, at, moment, observation_item
from tests.models.evaluated import KIND, change, stay
from tests.world import Gauge

MODEL = Model("infection", "1.0.0", "ab" * 32, 0.2, 0.3)


def ward(number=40):
    """Stays of which every fourth has an onset that the score foresees, more or less."""
    rng = np.random.default_rng(7)
    found = []
    for place in range(number):
        onset = 50 if place % 4 == 0 else None
        base = np.full(72, 0.05) if onset is None else np.where(np.arange(72) > 30, 0.4, 0.06)
        scores = np.clip(base + rng.uniform(0, 0.1, 72), 0, 1)
        first = int(np.argmax(scores >= 0.2)) + 1 if (scores >= 0.2).any() else None
        found.append(
            stay(
                f"p-{place}",
                onset=onset,
                scores={KIND: scores.tolist(), "news2": (scores * 10).round().tolist()},
                changes=[] if first is None else [change(first)],
                sex=("female", "male", None)[place % 3],
                age=(30, 55, 70, 90, None)[place % 5],
                results={"lactate": ((START, 1.0 + place % 3),)},
            )
        )
    return found


@pytest.fixture(scope="module")
def analysed():
    return analyse(INFECTION, MODEL, {"made-up <stays>": ward()})


class Balanced(HTMLParser):
    """Notes the elements that are open."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(analysed):
    page = html(analysed)
    reader = Balanced()
    reader.feed(page)
    assert reader.open == []
    assert not re.search(r"https?:|src=|href=|url\(|@import|<script|<link", page)
    assert "made-up &lt;stays&gt;" in page
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page)


@pytest.mark.parametrize(
    "part", ["ROC", "Precision and recall", "Calibration", "Decision curve", "Lead time", "The load of all alerts"]
)
@pytest.mark.req("VAGT-MOD-08")
def test_the_page_has_every_part(analysed, part):
    assert part in html(analysed)


def test_rules_that_never_spoke_are_left_out(analysed):
    assert set(analysed.rivals) == {"NEWS2", "Last lactate"}


def test_a_score_that_foresees_stands_out(analysed):
    assert analysed.own.auroc.estimate > 0.9
    assert analysed.margin["Last lactate"].low > 0
    assert analysed.told.sensitivity.estimate == 1
    assert analysed.told.predictive_value.estimate == 1
    assert analysed.utility is not None


def test_a_model_that_is_switched_off_is_compared_at_the_share_of_its_high_scores():
    silent = [replace(one, changes=()) for one in ward()]
    found = analyse(INFECTION, replace(MODEL, switched_on=False), {"made-up": silent})
    assert found.told.alerted.estimate == 0
    assert [one.alerted.estimate for one in found.beside] == pytest.approx([0.25] * len(found.beside))
    assert "switched off" in html(found)


@pytest.mark.req("VAGT-MOD-08")
def test_the_groups_add_up_to_all_stays(analysed):
    for by in ("sex", "age", "unit"):
        assert sum(one.stays for one in analysed.groups if one.by == by) == analysed.stays


def test_the_summary_is_json_without_nan(analysed):
    found = orjson.loads(summary(analysed))
    assert found["stays"] == 40
    assert found["auroc"]["low"] <= found["auroc"]["estimate"] <= found["auroc"]["high"]


def test_the_line_for_the_terminal_has_the_main_figures(analysed):
    assert re.match(r"infection 1\.0\.0 on 40 stays: AUROC (0\.9|1\.0)\d+, utility ", line(analysed))


def test_stays_without_an_onset_cannot_be_judged():
    with pytest.raises(ValueError, match="with the event"):
        analyse(INFECTION, MODEL, {"calm": [stay(), stay()]})


def test_every_model_of_the_command_has_its_question():
    assert set(KINDS.values()) == set(QUESTIONS)


@pytest.mark.parametrize("name", [*KINDS, "all"])
def test_each_model_has_a_command(name):
    result = CliRunner().invoke(evaluate, [name, "--help"])
    assert result.exit_code == 0
    assert "--data2012" in re.sub(r"\x1b\[[0-9;]*m", "", result.output)


def potassium(*results, hours=60):
    known = {"potassium": tuple((START + hour * HOUR, value) for hour, value in results)}
    return QUESTIONS["hyperkalaemia-risk"], stay(hours=hours, results=known)


def test_an_hour_counts_while_the_condition_is_absent_known_and_measured_again():
    question, one = potassium((5, 4.0), (30, 6.1), (40, 5.0))
    judged = question.judge(one)
    hours = np.flatnonzero(judged.counts) + 1
    assert hours.tolist() == list(range(6, 30)), "known from 5, measured again within 24 h from 6, present from 30"
    assert judged.event[judged.counts].all()
    assert (judged.onset, judged.at_start) == (30, False)


def test_the_second_analysis_counts_what_was_not_measured_again_as_without_the_event():
    question, one = potassium((5, 4.0), (30, 6.1), (40, 5.0))
    judged = question.second(one)
    hours = np.flatnonzero(judged.counts) + 1
    assert hours.tolist() == [*range(5, 30), *range(40, 61)]
    assert judged.event[judged.counts].sum() == 24


def test_an_old_result_does_not_count():
    question, one = potassium((1, 4.0), (40, 4.1))
    assert (np.flatnonzero(question.judge(one).counts) + 1).tolist() == list(range(16, 26))


def test_a_condition_of_the_first_result_was_there_from_the_start():
    question, one = potassium((3, 6.4), (20, 6.5))
    judged = question.judge(one)
    assert (judged.onset, judged.at_start) == (3, True)
    assert not judged.counts.any()


def test_the_last_value_is_the_newest_that_is_not_later():
    _, one = potassium((2, 4.0), (4, 5.0), hours=5)
    assert np.array(last_value("potassium")(one)).tolist()[1:] == [4, 4, 5, 5]
    assert np.array(last_value("potassium", -1)(one)).tolist()[4] == -5


def test_a_desert_model_is_judged_in_both_ways():
    stays = []
    for place in range(30):
        bad = place % 3 == 0
        results = {"potassium": tuple((START + hour * HOUR, 5.2 if bad else 4.0) for hour in (2, 12))}
        if bad:
            results["potassium"] += ((START + 30 * HOUR, 6.3),)
        else:
            results["potassium"] += ((START + 20 * HOUR, 4.2),)
        score = [0.5 if bad else 0.1 + 0.01 * (place % 7)] * 48
        stays.append(stay(f"p-{place}", hours=48, scores={"hyperkalaemia-risk": score}, results=results))
    found = analyse(QUESTIONS["hyperkalaemia-risk"], MODEL, {"one": stays[:15], "two": stays[15:]})
    assert found.own.auroc.estimate > 0.9
    assert found.utility is None
    assert found.second is not None
    assert found.second.hours > found.hours
    assert {one.name for one in found.groups if one.by == "set"} == {"one", "two"}
    assert "was not measured again" in html(found)


def test_a_walk_keeps_scores_changes_and_results():
    def hour(number, *items):
        return Record(moment(number), list(items) or {"type": "tick", "patient": PATIENT, "at": at(number)})

    records = [
        hour(1, observation_item("potassium", 4.1, 1)),
        hour(2, observation_item("respiratory_rate", 26.0, 2), observation_item("heart_rate", 140.0, 2)),
        hour(3, observation_item("potassium", 4.4, 3)),
    ]
    found = outcome(Stay(PATIENT, records, [1, 2, 3], [0, 0, 1], START), Decider(catalogue(), (News2(),)))
    assert found.scores["news2"][1:] == (6, 6)
    assert [(one.state, one.at) for one in found.changes] == [("raised", moment(2))]
    assert found.results["potassium"] == ((moment(1), 4.1), (moment(3), 4.4))
    assert (found.labels, found.hours) == ((0, 0, 1), (1, 2, 3))


@pytest.mark.req("VAGT-DEC-03")
def test_what_the_topics_hold_is_what_the_walk_says():
    def signs(hour, pulse, breaths):
        items = [observation_item("heart_rate", pulse, hour), observation_item("respiratory_rate", breaths, hour)]
        return Record(moment(hour), items)

    records = [signs(1, 140.0, 26.0), signs(2, 60.0, 14.0), signs(4, 150.0, 28.0)]
    one, decider = Stay(PATIENT, records, [1, 2, 3, 4], [0] * 4, START), Decider(catalogue(), (News2(),))
    held = [
        orjson.loads(outputs.encode({"scores": said.scores, "alerts": said.alerts})) for said in decisions(one, decider)
    ]
    scores = [score for said in held for score in said["scores"]]
    found = outcome(one, decider)
    assert from_topic(one, scores, "news2") == found.scores["news2"]
    assert changes_from_topic([alert for said in held for alert in said["alerts"]]) == found.changes
    assert {one.held for one in found.changes} == {None, "repeat"}


def test_that_an_alert_went_to_another_role_is_told_from_news_of_the_patient():
    beats = [
        Record(moment(hour), observation_item("heart_rate", pulse, hour)) for hour, pulse in ((1, 55), (2, 80), (4, 80))
    ]
    one, decider = Stay(PATIENT, beats, [], [], START), Decider(catalogue(), (Gauge(),))
    said = [orjson.loads(outputs.encode(alert)) for decision in decisions(one, decider) for alert in decision.alerts]
    found = outcome(one, decider).changes
    assert changes_from_topic(said) == found
    assert [(one.state, one.passed_on) for one in found] == [
        ("raised", False),
        ("escalated", False),
        ("escalated", True),
    ]


def test_a_stay_without_hours_is_judged_while_somebody_watches():
    records = [Record(moment(hour), observation_item("potassium", 4.1, hour)) for hour in (0, 3.5, 60, 62)]
    found = outcome(Stay(PATIENT, records, [], [], START), Decider(catalogue(), (News2(),)))
    assert found.hours == (*range(1, 28), 60, 61, 62)
    assert found.days == 30 / 24


def test_a_score_from_later_than_the_hour_does_not_count():
    scores = [(START + HOUR, 1.0), (START + HOUR + 1, 2.0)]
    assert at_hours(START, [1, 2], scores) == (1, 2)


def test_another_hospitals_deaths_are_the_proxy(tmp_path):
    tmp_path.joinpath("outcomes_a.csv").write_text("RecordID,SAPS-I,In-hospital_death\n1,3,1\n2,4,0\n")
    died = deaths(tmp_path / "set_a.parquet")
    assert died == {"cinc2012-1": True, "cinc2012-2": False}
    ill = stay("cinc2012-1", scores={KIND: [0.5] * 72}, changes=[change(9)])
    well = stay("cinc2012-2", scores={KIND: [0.1] * 72})
    found = elsewhere("there", [ill, well], died)
    assert found.alerted.estimate == 0.5
    assert found.proxy is not None
    assert found.proxy.auroc["Infection"].estimate == 1
    assert found.proxy.died_of_alerted.estimate == 1
    assert found.proxy.died_of_others.estimate == 0
    assert elsewhere("there", [well], died).proxy is None, "nobody died"
    assert elsewhere("there", [ill, stay("stranger")], died).proxy is None


def test_the_page_tells_of_other_hospitals(analysed):
    assert "MIMIC" in html(analysed, [elsewhere("MIMIC", [stay(changes=[change(9)])])])

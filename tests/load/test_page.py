"""The page of a folder of results: valid, whole by itself, and with the figures in it."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import orjson
import pytest

from load_tests import page, report
from load_tests.course import Way
from load_tests.page import PageError
from load_tests.scenario import Scenario
from load_tests.scenarios import play
from load_tests.scenarios.play import Played
from load_tests.svg import Axis, lines
from tests.load.test_report import outcome

MACHINE = {
    "kafka": "4.3",
    "brokers": 1,
    "replication": 1,
    "partitions": 4,
    "cores": 2,
    "processor": "<fast>",
    "memory_gib": 24,
    "python": "3.11",
    "scorers": ["news2 1.0.0"],
    "disturbed": "it was busy & hot",
}
VOID = {"meta"}
SURGE = Scenario.model_validate({"title": "A <surge>", "seconds": 30, "heavy": [10, 20], "streams": [{"of": "both"}]})


class Balance(HTMLParser):
    """Tags that are open; raises when one is closed that is not the last opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def shown(folder) -> str:
    """The text of a folder's page, which is sound."""
    written = page.write(folder).read_text()
    parser = Balance()
    parser.feed(written)
    parser.close()
    assert parser.open == []
    for drawing in re.findall(r"<svg.*?</svg>", written, re.DOTALL):
        ET.fromstring(drawing)
    loaded = re.findall(r"""(?:src|href|url|@import|<script|<link)[^>]*""", written)
    assert not loaded
    return " ".join(" ".join(parser.text).split())


def played(**more) -> Played:
    echo = [Way(number / 10, number / 10 + 0.01) for number in range(300)]
    late = [Way(one.due, max(one.due + 0.02, 25.0) if one.due > 10 else one.due + 0.02) for one in echo]
    return Played("surge", SURGE, outcome(**more), echo, late, 50.0, given=True)


def test_a_page_has_the_latencies_the_ratios_and_the_curves(tmp_path):
    report.write(tmp_path, MACHINE, [outcome()])
    text = shown(tmp_path)
    assert "100 observations a second" in text
    assert "event to score 3 3.00 3.00 3.00 3.00 3.00 1.50 1.50 0 0" in text
    assert "<fast>" in text
    assert "Disturbed: it was busy & hot." in text
    assert (tmp_path / page.NAME).read_text().count("<polyline") == 3
    assert "Invalid" not in text


def test_a_run_that_does_not_count_says_so_on_the_page(tmp_path):
    report.write(tmp_path, MACHINE, [outcome(lost=1)])
    assert "Invalid: 1 of 4 scores did not come." in shown(tmp_path)


def test_a_page_shows_how_a_scenario_caught_up_and_how_it_went(tmp_path):
    play.write(tmp_path, MACHINE, played())
    text = shown(tmp_path)
    assert "A <surge>" in text
    assert "Scenario surge at 100 observations a second, seed 1." in text
    assert "Of 3 records that count, 0 were lost." in text
    assert "The service carries 50 records a second (as given)." in text
    assert "The service: at most 1 records waited before, then 149; caught up 5.0 s after" in text
    assert "Arithmetic for the service: 1 waiting; caught up 0.0 s after" in text
    for title in ("Throughput", "Waiting at the end of each second", "99th percentile of those due in each second"):
        assert title in text
    found = orjson.loads((tmp_path / "scenario-surge-100.json").read_bytes())
    assert found["after_heavy"]["scores"] == {"calm": 1, "most": 149, "seconds": pytest.approx(5.0)}
    assert sum(one["answered"] for one in found["over_time"]["scores"]) == 300


def test_a_scenario_without_a_heavy_part_says_nothing_of_catching_up(tmp_path):
    steady = SURGE.model_copy(update={"heavy": None})
    one = played()
    play.write(tmp_path, MACHINE, Played("calm", steady, one.outcome, one.echo, one.scores, 50.0, given=False))
    assert "caught up" not in shown(tmp_path)


def test_a_page_has_the_throughput_with_and_without_quix(tmp_path):
    runs = [
        {"panel": 1, "records": 100, "echo": 4000.4, "service": 2000.2, "observations": 2000.2, "quix": 1500.0},
        {"panel": 12, "records": 100, "echo": 3000, "service": 600, "observations": 7200},
    ]
    (tmp_path / "throughput.json").write_bytes(orjson.dumps({"machine": MACHINE, "runs": runs}))
    assert "1 4,000 2,000 0.50 1,500 12 3,000 600 0.20" in shown(tmp_path)


def test_a_folder_without_results_has_no_page(tmp_path):
    with pytest.raises(PageError, match="holds no results"):
        page.write(tmp_path)


def test_a_lost_histogram_file_leaves_the_figures(tmp_path):
    report.write(tmp_path, MACHINE, [outcome()])
    (tmp_path / "latency-100.hlog").unlink()
    assert "Latency by percentile: nothing was measured." in shown(tmp_path)


@pytest.mark.parametrize("values", [[0.0], [5.0], [0.001, 900.0], [3.0, 3.0]])
@pytest.mark.parametrize("log", [False, True])
def test_a_plot_keeps_every_point_within_its_axes(values, log):
    points = [(float(number), value or (0.001 if log else 0.0)) for number, value in enumerate(values)]
    drawn = ET.fromstring(lines("A & B", {"one": points}, Axis("s"), Axis("ms", log)))
    line = drawn.find("{http://www.w3.org/2000/svg}polyline")
    assert line is not None
    for pair in line.attrib["points"].split():
        x, y = map(float, pair.split(","))
        assert 62 <= x <= 626
        assert 54 <= y <= 256

"""A report says what was measured, beside the echo, and which runs do not count."""

import orjson
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from rich.console import Console

from load_tests import report
from load_tests.outcome import Timing, histogram
from load_tests.plan import Load
from load_tests.run import Outcome


def timed(*milliseconds: float, lost: int = 0, behind: int = 0) -> Timing:
    timing = Timing(expected=len(milliseconds) + lost, answered=len(milliseconds), behind=behind)
    for value in milliseconds:
        timing.latency.record_value(round(value * 1000))
    return timing


def outcome(late_ms: float = 0.1, **scores: int) -> Outcome:
    lateness = histogram()
    lateness.record_value(round(late_ms * 1000))
    return Outcome(Load(100), 0, 60_000, timed(2, 2, 2), timed(3, 3, 3, **scores), timed(8), lateness, {"news2 low": 3})


@pytest.mark.req("VAGT-PER-01")
def test_the_ratios_are_those_to_the_echo_of_the_same_run():
    run = orjson.loads(report.document({}, [outcome()]))["runs"][0]
    assert run["valid"]
    assert run["scores"]["median_over_echo"] == pytest.approx(1.5, rel=1e-2)
    assert run["alerts"]["p99_over_echo"] == pytest.approx(4, rel=1e-2)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (outcome(late_ms=5.1), "late"),
        (outcome(lost=1), "1 of 4 scores did not come"),
        (outcome(behind=1), "disturbed"),
    ],
)
def test_a_run_that_does_not_count_says_why(bad, why):
    console = Console(record=True, width=160, quiet=True)
    console.print(report.table(bad))
    shown = "\n".join(bad.faults)
    assert why in shown
    assert not orjson.loads(report.document({}, [bad]))["runs"][0]["valid"]


def test_a_generator_that_is_within_the_limit_is_not_late():
    assert outcome(late_ms=4.99).faults == []


def test_histogram_files_hold_the_whole_distribution_under_its_name(tmp_path):
    report.write(tmp_path, {"cores": 2}, [outcome()])
    log = HistogramLogReader(str(tmp_path / "latency-100.hlog"), histogram())
    found: dict[str, HdrHistogram] = {}
    while (one := log.get_next_interval_histogram()) is not None:
        found[one.get_tag()] = one
    log.close()
    assert list(found) == ["echo", "scores", "alerts", "generator-lateness"]
    assert found["scores"].get_total_count() == 3
    assert orjson.loads((tmp_path / "latency.json").read_bytes())["machine"] == {"cores": 2}

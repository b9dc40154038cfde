"""What the service says of itself in figures, and that the page about them is true."""

import asyncio
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams import metrics
from streams.broker import free_port
from streams.metrics import page
from streams.metrics.endpoint import serving
from streams.metrics.lag import Lag
from streams.metrics.meters import BUCKETS, OTHER, Collected, Counter, Gauge, Histogram, Names
from streams.metrics.probes import stuck
from streams.settings import Settings

P0, P1, LAB = TopicPartition("a.events", 0), TopicPartition("a.events", 1), TopicPartition("a.lab", 0)
METERS = {one.name: one for meters in metrics.PARTS.values() for one in meters}


def read(*meters):
    """What Prometheus reads: the value of each sample, by name and labels."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected(meters))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_the_reference_page_is_current():
    assert page.PAGE.read_text() == page.page(), "run `python -m streams.metrics.page`"


@pytest.mark.parametrize("name", METERS)
def test_a_metric_is_named_as_prometheus_wants_it(name):
    one = METERS[name]
    assert name.startswith("vagt_")
    assert (one.kind == "counter") == name.endswith("_total")
    assert one.kind != "histogram" or name.endswith("_seconds")
    assert one.help.endswith((".", "1."))
    assert not {"patient", "id", "key", "offset", "bed", "name", "encounter"} & set(one.labels)


@pytest.mark.req("VAGT-OPS-07")
def test_what_was_counted_is_what_prometheus_reads():
    counter, gauge = Counter("x_total", "X.", ("ward",)), Gauge("y", "Y.")
    counter.add("M2")
    counter.add("M2", by=2)
    counter.add('a"\\\n')
    gauge.set(1.5)
    assert read(counter, gauge) == {
        ("x_total", (("ward", "M2"),)): 3,
        ("x_total", (("ward", 'a"\\\n'),)): 1,
        ("y", ()): 1.5,
    }


def test_what_never_happened_is_counted_as_0_where_there_are_no_labels():
    assert read(Counter("x_total", "X.")) == {("x_total", ()): 0}


@given(st.lists(st.floats(-1, 200)))
def test_a_histogram_holds_every_value_in_the_first_bucket_that_is_not_below_it(values):
    histogram = Histogram("x_seconds", "X.", ("stage",))
    for value in values:
        histogram.observe(value, "wait")
    found = read(histogram)
    for bound in BUCKETS if values else ():
        below = sum(max(value, 0) <= bound for value in values)
        assert found["x_seconds_bucket", (("le", str(bound)), ("stage", "wait"))] == below
    if values:
        assert found["x_seconds_count", (("stage", "wait"),)] == len(values)
        assert found["x_seconds_sum", (("stage", "wait"),)] == pytest.approx(sum(max(v, 0) for v in values))


def test_names_that_senders_choose_are_labels_only_up_to_a_number():
    names = Names(2)
    assert [names.label(one) for one in ("M2", None, "M3", "M4", "M2", "")] == ["M2", "", "M3", OTHER, "M2", ""]


# ------------------------------------------------------------------------------------------------ lag


def seconds(lag, now, waiting):
    lag.look(now, waiting, 0.0)
    return {dict(labels)["topic"]: value for (_, labels), value in read(metrics.LAG_SECONDS).items()}


def test_where_nothing_waits_there_is_no_lag():
    lag = Lag("a.")
    lag.took("a.events", 0, 1_000)
    assert seconds(lag, 5_000.0, {P0: 0, LAB: 0}) == {"events": 0.0, "lab": 0.0}


def test_a_backlog_is_as_old_as_the_last_record_taken_from_it():
    lag = Lag("a.")
    lag.took("a.events", 0, 400_000)
    assert seconds(lag, 1_000.0, {P0: 10}) == {"events": 600.0}


def test_a_record_that_came_after_a_quiet_hour_is_no_hour_behind():
    lag = Lag("a.")
    lag.took("a.events", 0, 1_000)
    seconds(lag, 3_600.0, {P0: 0})
    assert seconds(lag, 3_605.0, {P0: 1}) == {"events": 5.0}
    assert seconds(lag, 3_700.0, {P0: 1}) == {"events": 100.0}, "and it grows while nothing is taken"


def test_the_partition_that_is_furthest_behind_is_its_topics_lag():
    lag = Lag("a.")
    lag.took("a.events", 0, 990_000)
    lag.took("a.events", 1, 700_000)
    assert seconds(lag, 1_000.0, {P0: 3, P1: 1}) == {"events": 300.0}
    assert read(metrics.LAG_RECORDS) == {
        ("vagt_consumer_lag_records", (("partition", "0"), ("topic", "events"))): 3,
        ("vagt_consumer_lag_records", (("partition", "1"), ("topic", "events"))): 1,
    }


def test_of_a_partition_that_came_back_nothing_old_is_remembered_and_one_that_left_is_not_told():
    lag = Lag("a.")
    lag.took("a.events", 0, 1_000)
    seconds(lag, 10.0, {P0: 1, P1: 0})
    assert seconds(lag, 20.0, {P1: 0}) == {"events": 0.0}
    assert seconds(lag, 9_000.0, {P0: 1, P1: 0}) == {"events": 0.0}, "nothing was taken from it yet"
    assert len(read(metrics.LAG_RECORDS)) == 2


# ------------------------------------------------------------------------------------------- the port


class Told:
    """A process that is as it is told."""

    def __init__(self, dead=None, unready=None):
        self.dead, self.unready = lambda: dead, lambda: unready


@contextmanager
def answering(health):
    settings = Settings(metrics_port=free_port())

    def ask(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{settings.metrics_port}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    with serving(settings, "worker", health):
        yield ask


def test_a_process_that_is_well_says_so_and_is_scraped():
    with answering(Told()) as ask:
        assert ask("/livez") == ask("/readyz") == (200, "yes\n")
        status, text = ask("/metrics")
        assert status == 200
        assert "vagt_ready 1.0" in text
        assert "process_resident_memory_bytes" in text
        assert ask("/elsewhere")[0] == 404


@pytest.mark.req("VAGT-OPS-07")
def test_what_is_wrong_is_told_with_503():
    with answering(Told(dead="It stands.", unready="It waits.")) as ask:
        assert ask("/livez") == (503, "It stands.\n")
        assert ask("/readyz") == (503, "It waits.\n")
        assert "vagt_ready 0.0" in ask("/metrics")[1]


def test_a_port_that_is_taken_stops_nobody():
    with answering(Told()) as ask:
        port = next(iter({ask.__closure__[0].cell_contents.metrics_port}))
        with serving(Settings(metrics_port=port), "worker", Told(unready="x")):
            assert ask("/readyz")[0] == 200


def test_nobody_listens_where_no_port_is_set():
    with serving(Settings(), "worker", Told()):
        assert "metrics" not in [one.name for one in threading.enumerate()]


def test_a_loop_that_stands_is_found_out(monkeypatch):
    monkeypatch.setattr("streams.metrics.probes.ANSWER_S", 0.2)
    loop = asyncio.new_event_loop()
    assert stuck(loop) is None, "it does not run yet"
    runs = threading.Thread(target=loop.run_forever)
    runs.start()
    try:
        while not loop.is_running():
            time.sleep(0.01)
        assert stuck(loop) is None
        loop.call_soon_threadsafe(time.sleep, 1.0)
        assert stuck(loop) == "Its loop has not turned for 0.2 s."
    finally:
        loop.call_soon_threadsafe(loop.stop)
        runs.join()
        loop.close()

"""A data set on its way to Kafka: its order and its pace."""

from collections import Counter
from pathlib import Path

import orjson
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from models.datasets import READERS, Record, Stay
from streams.commands.replay import SourceName, speed_of
from streams.detect import detect
from streams.progress import summary
from streams.pseudonym import Pseudonyms
from streams.replay import Message, Tally, as_they_come, in_time_order, paced
from tests.builders import observation_item


class Set:
    """A data set in memory."""

    topic = "events"

    def __init__(self, *stays: Stay) -> None:
        self.path = Path()
        self.skipped: Counter[str] = Counter()
        self.stays = stays

    def __iter__(self):
        return iter(self.stays)


def stay(patient: str, *times: int) -> Stay:
    records = [Record(at, {"type": "observation", "n": n}) for n, at in enumerate(times)]
    return Stay(patient, records, hours=[], labels=[])


async def collected(messages) -> list[Message]:
    return [message async for message in messages]


def order(messages: list[Message]) -> list[tuple[str, int]]:
    return [(message.patient.decode(), orjson.loads(message.value)["n"]) for message in messages]


async def test_without_a_speed_one_stay_follows_the_other():
    tally = Tally()
    sent = await collected(as_they_come(Set(stay("a", 5, 9), stay("b", 1)), tally, None))
    assert order(sent) == [("a", 0), ("a", 1), ("b", 0)]
    assert tally.stays == 2


async def test_with_a_speed_the_stays_run_side_by_side(tmp_path):
    tally = Tally()
    sent = await collected(in_time_order(Set(stay("a", 1, 4, 9), stay("b", 2, 4)), tally, None, tmp_path))
    assert order(sent) == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2)]
    assert tally.expected == 5


async def test_a_late_record_stays_behind_what_its_patient_had_before(tmp_path):
    source = Set(stay("a", 10, 3), stay("b", 5), stay("a", 4))
    sent = await collected(in_time_order(source, Tally(), None, tmp_path))
    assert [message.value for message in sent if message.patient == b"a"] == [
        orjson.dumps(record.value) for one in source.stays if one.patient == "a" for record in one.records
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 50), max_size=6)), max_size=6))
async def test_a_patients_order_is_the_same_at_every_speed(tmp_path_factory, stays):
    source = Set(*(stay(patient, *times) for patient, times in stays))
    folder = tmp_path_factory.getbasetemp()
    fast = order(await collected(as_they_come(source, Tally(), None)))
    slow = await collected(in_time_order(source, Tally(), None, folder))
    for patient in "abc":
        assert [n for who, n in fast if who == patient] == [n for who, n in order(slow) if who == patient]
    times = [message.at_ms for message in slow]
    assert times == sorted(times)


async def test_the_limit_counts_stays(tmp_path):
    source = Set(stay("a", 1), stay("b", 2), stay("c", 3))
    assert len(await collected(as_they_come(source, Tally(), 2))) == 2
    assert len(await collected(in_time_order(source, Tally(), 2, tmp_path))) == 2


async def test_nothing_is_left_of_the_waiting_records(tmp_path):
    await collected(in_time_order(Set(stay("a", 1)), Tally(), None, tmp_path))
    assert list(tmp_path.iterdir()) == []


async def test_an_hour_takes_a_second_at_a_speed_of_3600():
    hour = 3_600_000
    now, waits = 100.0, []

    async def sleep(seconds: float) -> None:
        nonlocal now
        waits.append(seconds)
        now += seconds

    messages = in_time_order(Set(stay("a", hour, 2 * hour, 2 * hour, 4 * hour)), Tally(), None, Path("/tmp"))
    sent = await collected(paced(messages, 3600, lambda: now, sleep))
    assert len(sent) == 4
    assert waits == [pytest.approx(1), pytest.approx(2)]


async def test_a_replay_that_fell_behind_does_not_wait():
    ticks = iter([0.0, 0.0, 100.0])

    async def sleep(seconds: float) -> None:
        pytest.fail(f"waited {seconds} s")

    messages = as_they_come(Set(stay("a", 0, 1000)), Tally(), None)
    assert len(await collected(paced(messages, 1, lambda: next(ticks), sleep))) == 2


async def test_observations_are_counted_in_native_and_in_fhir_form():
    native = Record(0, [{"type": "observation"}, {"type": "encounter"}, {"type": "observation"}])
    fhir = Record(0, {"resourceType": "Observation"})
    source = Set(Stay("a", [native, fhir, Record(0, {"resourceType": "Patient"})], [], []))
    assert [message.observations for message in await collected(as_they_come(source, Tally(), None))] == [
        2,
        1,
        0,
    ]


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("0", None), ("1", 1.0), ("0.5", 0.5), ("3600", 3600.0)])
def test_speeds_as_people_write_them(text, speed):
    assert speed_of(text) == speed


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "fast", ""])
def test_what_is_no_speed_is_wrong_usage(text):
    with pytest.raises(typer.BadParameter):
        speed_of(text)


def test_the_command_line_names_exactly_the_sets_that_can_be_read():
    assert {name.value for name in SourceName} == set(READERS)


def test_the_summary_names_what_was_skipped():
    tally = Tally(stays=2, records=1500, observations=9000, skipped=Counter({"text": 3, "unmapped": 1000}))
    assert summary(tally, 1.25) == (
        "Replayed 2 stays: 1,500 records with 9,000 observations in 1.2 s; skipped: unmapped 1,000, text 3."
    )


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("p1.psv", "HR|SepsisLabel\n", "cinc2019"),
        ("x.ndjson", '{"resourceType": "Patient"}\n', "fhir"),
        ("x.ndjson", '[{"type": "tick"}]\n', "ndjson"),
    ],
)
def test_a_data_set_is_known_by_what_it_holds(tmp_path, name, text, found):
    (tmp_path / name).write_text(text)
    assert detect(tmp_path) == found
    assert detect(tmp_path / name) == found


def test_a_folder_without_a_data_set_is_said_to_be_one(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ValueError, match="none of the data sets"):
        detect(tmp_path)
    with pytest.raises(FileNotFoundError):
        detect(tmp_path / "nowhere")


async def test_with_a_key_a_replay_is_of_pseudonyms(tmp_path):
    names, tally = Pseudonyms([bytes(32)]), Tally()
    good, bad = observation_item(patient="010157-5011"), observation_item(patient="010157-5011", unit="furlong")
    records = [Record(1, good), Record(2, [good, bad, observation_item()]), Record(3, bad), Record(4, [5])]  # type: ignore[list-item]
    source = Set(Stay("010157-5011", records, [], []))
    expected = names.pseudonymised(good)
    for sent in (
        await collected(as_they_come(source, tally, None, names)),
        await collected(in_time_order(source, Tally(), None, tmp_path, names)),
    ):
        assert [message.patient.decode() for message in sent] == [names.name("010157-5011")] * 2
        assert [orjson.loads(message.value) for message in sent] == [expected, [expected]]
    assert tally.skipped == {"unknown-unit": 2, "wrong-subject": 1, "schema": 1}

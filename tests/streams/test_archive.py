"""The archive without Kafka: its files, gaps, crashes, erasure, and what a query may not do."""

import re
import stat
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.errors import OffsetOutOfRangeError
from pydantic import ValidationError

from features.instants import MINUTE, render
from features.record import Record
from streams import audit, release
from streams.archive.archiver import Archiver, Limits, archived
from streams.archive.check import faults
from streams.archive.erasure import erase
from streams.archive.past import Past
from streams.archive.place import Place
from streams.archive.query import QueryError, asked
from streams.archive.segments import ArchiveError, Segment, cover, holes
from streams.archive.tables import FORMS, identities, identity_path, parquet, table
from streams.audit import Entry, Link
from streams.deadletter import Source
from streams.judge import judge
from streams.pseudonym import Pseudonyms
from streams.rejudge import Comparison, Span, compare
from streams.settings import Settings
from streams.speech import spoken
from streams.terms import Terms
from streams.topics import ALERTS, AUDIT, AUDIT_IDENTITY, DEADLETTER, EVENTS, SCORES
from tests.integration.patients import START, admission, observation

LIMITS = Limits()
TERMS = Terms(1, False, 1 << 20, 600_000, "region_sjaelland", False)


def record(offset, value, key=b"p-1", topic=EVENTS, partition=0, headers=()):
    raw = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
    return Source(topic, partition, offset, START + offset, key, raw, tuple(headers))


@dataclass
class Reader:
    """A consumer over lists of records; ``forgotten`` is the first offset that there still is, by partition."""

    logs: dict[TopicPartition, list[Source]]
    forgotten: dict[TopicPartition, int] = field(default_factory=dict)
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    #: Offsets after the last record that Kafka keeps for itself, as after a transaction.
    markers: int = 0
    chunk: int = 3

    def partitions_for_topic(self, topic):
        return {tp.partition for tp in self.logs if tp.topic == topic} or None

    def assign(self, tps):
        self.positions = {}

    def beginning_offsets(self, tps):
        return {tp: self.forgotten.get(tp, 0) for tp in tps}

    def end_offsets(self, tps):
        return {tp: self._end(tp) for tp in tps}

    def _end(self, tp):
        return self.logs[tp][-1].offset + 1 + self.markers if self.logs[tp] else 0

    def seek(self, tp, offset):
        self.positions[tp] = offset

    def position(self, tp):
        return self.positions[tp]

    def poll(self, timeout_ms):
        found = {}
        for tp, position in self.positions.items():
            if position < self.forgotten.get(tp, 0):
                raise OffsetOutOfRangeError({tp: position})
            some = [one for one in self.logs[tp] if one.offset >= position][: self.chunk]
            if some:
                found[tp] = some
            last = not some or some[-1] == self.logs[tp][-1]
            self.positions[tp] = self._end(tp) if last else some[-1].offset + 1
        return found


def archive(place, records, limits=LIMITS, told=lambda text: None, forgotten=0, markers=0, chunk=3):
    """Archive these records, in as many topics and partitions as they have."""
    logs: dict[TopicPartition, list[Source]] = {}
    for one in records:
        logs.setdefault(TopicPartition(one.topic, one.partition), []).append(one)
    reader = Reader(logs, dict.fromkeys(logs, forgotten), markers=markers, chunk=chunk)
    topics = {tp.topic: tp.topic for tp in logs}
    return Archiver(reader, place, topics, told, limits).once()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.at(str(tmp_path / "archive"))


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    return Settings(archive=str(tmp_path / "archive"), partitions=1)


def read(own, name=EVENTS, partition=0):
    return list(Past.of(own, name, partition).records())


def asking(own, sql):
    with asked(own, Place.of(own), sql) as (names, rows):
        return [dict(zip(names, row, strict=True)) for row in rows]


def test_a_segments_name_says_topic_partition_and_offsets():
    one = Segment("a.risk.scores", 3, 0, 1771)
    assert one.path == "a.risk.scores/partition=3/00000000000000000000-00000000000000001771.parquet"
    assert Segment.named(one.path) == one


@pytest.mark.parametrize(
    "path",
    [
        "events/partition=0/newest.parquet",
        "events/partition=0/00000000000000000000-00000000000000000005.parquet.part",
        "events/partition=0/00000000000000000005-00000000000000000005.parquet",
        "events/partition=00/00000000000000000000-00000000000000000005.parquet",
        "other/events/partition=0/00000000000000000000-00000000000000000005.parquet",
    ],
)
def test_no_other_file_is_taken_for_a_segment(path):
    assert Segment.named(path) is None


RANGES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 10)).map(lambda one: Segment(EVENTS, 0, one[0], sum(one))), max_size=12
)


@given(RANGES)
def test_overlapping_segments_give_each_offset_once_and_holes_are_what_none_has(segments):
    given_ = {offset for one in segments for offset in range(one.start, one.end)}
    taken = [offset for piece in cover(segments) for offset in range(piece.since, piece.segment.end)]
    assert taken == sorted(given_)
    missing = {offset for start, end in holes(segments) for offset in range(start, end)}
    assert missing == (set(range(min(given_), max(given_))) - given_ if given_ else set())


def test_what_was_archived_is_read_again_byte_for_byte(place, own):
    records = [
        record(0, {"type": "tick"}, headers=[("vagt-contract", b"1"), ("empty", b"")]),
        record(1, b"\xff\x00 no JSON"),
        record(2, None, key=None),
        record(3, b"", key=b"\xfe"),
        record(7, [1, 2]),
    ]
    outcome = archive(place, records)
    assert (outcome.files, outcome.records, outcome.gaps) == (1, 5, [])
    assert read(own) == records


def test_what_kafka_has_no_calendar_for_is_read_again(place, own):
    records = [replace(record(0, b"x"), timestamp=-1), replace(record(1, b"y"), timestamp=2**60)]
    archive(place, records)
    assert read(own) == records


def test_the_next_run_goes_on_where_the_files_end_and_repeats_nothing(place, own):
    records = [record(offset, b"x") for offset in range(10)]
    archive(place, records[:4])
    assert archive(place, records[:4]).files == 0
    archive(place, records)
    assert read(own) == records
    assert [(one.start, one.end) for one in place.segments(EVENTS)] == [(0, 4), (4, 10)]


def test_offsets_that_kafka_keeps_for_itself_are_no_hole_and_no_gap(place, own):
    records = [record(offset, b"x") for offset in range(4)]
    archive(place, records[:2], markers=1)
    assert archive(place, [records[0], records[1], records[3]], markers=1, forgotten=3).gaps == []
    assert list(holes(place.segments(EVENTS))) == []
    assert [one.offset for one in read(own)] == [0, 1, 3]


def test_the_same_records_give_the_same_bytes(tmp_path):
    records = [record(offset, {"type": "tick", "at": render(START)}) for offset in range(5)]
    contents = []
    for name in ("one", "two"):
        archive(Place.at(str(tmp_path / name)), records, chunk=2 if name == "one" else 5)
        contents.append([file.read_bytes() for file in sorted((tmp_path / name).rglob("*.parquet"))])
    assert contents[0] == contents[1] != []


def test_segments_are_closed_by_rows_bytes_and_age(place):
    records = [record(offset, b"x" * 98, key=b"p1") for offset in range(12)]
    assert archive(place, records, Limits(records=6)).files == 2
    assert archive(place, [replace(one, partition=1) for one in records], Limits(size=300)).files == 4
    assert archive(place, [replace(one, partition=2) for one in records], Limits(age_s=0)).files == 4


def test_open_segments_together_hold_no_more_than_they_may(place):
    records = [
        record(offset, b"x" * 98, key=b"p1", partition=partition) for partition in range(4) for offset in range(9)
    ]
    archive(place, records, Limits(together=500))
    assert max(one.end - one.start for one in place.segments(EVENTS)) < 9
    assert [list(holes(place.segments(EVENTS, one))) for one in range(4)] == [[]] * 4


@pytest.mark.req("VAGT-AUD-03")
def test_a_gap_is_said_with_its_place_and_counted_once(place, own):
    records = [record(offset, b"x") for offset in range(20)]
    said: list[str] = []
    archive(place, records[:5])
    outcome = archive(place, records, told=said.append, forgotten=8)
    assert outcome.gaps == [(EVENTS, 0, 5, 8)]
    assert said == ["GAP: events, partition 0: Kafka forgot offsets 5 to 7 before they were archived."]
    assert archive(place, records, told=said.append, forgotten=12).gaps == []
    assert len(said) == 1
    assert list(holes(place.segments(EVENTS))) == [(5, 8)]
    assert [one.offset for one in read(own)] == [*range(5), *range(8, 20)]


def test_an_archive_that_begins_late_says_so_and_is_no_gap(place):
    said: list[str] = []
    outcome = archive(place, [record(9, b"x")], told=said.append, forgotten=9)
    assert outcome.gaps == []
    assert "begins at offset 9" in said[0]


def test_what_kafka_forgets_while_it_is_read_is_a_gap(place):
    tp = TopicPartition(EVENTS, 0)
    reader = Reader({tp: [record(offset, b"x") for offset in range(20)]})
    archiver = Archiver(reader, place, {EVENTS: EVENTS}, lambda text: None)
    archiver.begin()
    archiver.step()
    reader.forgotten[tp] = 10
    archiver.step()
    archiver.step()
    archiver.close()
    assert archiver.outcome.gaps == [(EVENTS, 0, 3, 10)]
    assert [(one.start, one.end) for one in place.segments(EVENTS)] == [(0, 3), (10, 13)]


def test_another_topic_of_the_same_name_is_not_mixed_with_the_archived_one(place):
    archive(place, [record(offset, b"old") for offset in range(9)])
    with pytest.raises(ArchiveError, match="another topic"):
        archive(place, [record(offset, b"new") for offset in range(5)])


def test_a_crash_before_the_rename_leaves_nothing_that_counts(place, own, monkeypatch):
    records = [record(offset, b"x") for offset in range(6)]
    archive(place, records[:3])

    def crash(self, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", crash)
        with pytest.raises(KeyboardInterrupt):
            archive(place, records)
    assert [one.end for one in place.segments(EVENTS)] == [3]
    assert list(Path(own.archive or "").rglob("*.part")) != []
    with place.alone():
        archive(place, records)
    assert read(own) == records
    assert list(Path(own.archive or "").rglob("*.part")) == []


def test_two_archivers_do_not_write_to_one_folder(tmp_path):
    one, other = Place.at(str(tmp_path)), Place.at(str(tmp_path))
    with one.alone(), pytest.raises(ArchiveError, match="stop it first"), other.alone():
        pass
    with other.alone():
        pass


def test_an_archive_that_is_not_there_is_not_taken_for_an_empty_one(own):
    with pytest.raises(ArchiveError, match="There is no archive at"):
        Place.of(own)
    with pytest.raises(ArchiveError, match="VAGT_ARCHIVE names no archive"):
        Place.of(Settings())
    assert Place.of(own, new=True).segments(EVENTS) == []


def test_only_its_owner_reads_the_archive(place, own):
    with place.alone():
        archive(place, [record(0, b"x")])
    folder = Path(own.archive or "")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.rglob("*.parquet")} == {0o600}


def test_a_disk_that_refuses_is_said_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArchiveError, match="cannot be used"), Place.at(str(tmp_path / "file")).alone():
        pass


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        ("s3://bucket/path", False),
        ("/var/lib/vagt/archive?", False),
        ("s3://key:secret@bucket/path", True),
        ("s3://bucket/path?secret_key=x", True),
        ("s3:///path", True),
        ("https://bucket/path", True),
    ],
)
def test_credentials_do_not_belong_in_the_address(where, wrong):
    if wrong:
        with pytest.raises(ValidationError) as error:
            Settings(archive=where)
        assert "secret@" not in str(error.value)
    else:
        assert Settings(archive=where).archive == where


JUNK = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "kind", "at", "score", "model", "name", "sequence", "n", "offset", "now", "abstained"]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=12,
    ).map(orjson.dumps),
)


@pytest.mark.parametrize("name", FORMS)
@given(value=JUNK, key=st.none() | st.binary(max_size=8))
def test_whatever_a_record_holds_it_can_be_archived(name, value, key):
    assert table(name, [record(0, value, key, topic=name)]).num_rows >= 1


@given(st.lists(st.binary(max_size=40) | st.lists(st.binary(max_size=9)).map(b"\n".join), max_size=6))
def test_the_audits_records_come_back_as_they_were(tmp_path_factory, values):
    own = Settings(archive=str(tmp_path_factory.mktemp("audit")), partitions=1)
    archive(Place.of(own), [record(offset, value, topic=AUDIT) for offset, value in enumerate(values)])
    assert list(Past.of(own, AUDIT, 0).audited()) == values


def score(patient, number, **fields):
    return {
        "id": f"s-{patient}-{number}",
        "kind": "news2",
        "patient": patient,
        "encounter": None,
        "at": render(START + number * MINUTE),
        "score": float(number),
        "band": "low",
        "abstained": False,
        "model": {"name": "news2", "version": "1.0.0"},
        **fields,
    }


def alert(patient, sequence, state="raised"):
    return {
        "id": f"a-{patient}",
        "sequence": sequence,
        "state": state,
        "kind": "aki",
        "severity": "warning",
        "patient": patient,
        "encounter": "e",
        "ward": "OUH-M2",
        "at": render(START),
        "suppressed": None,
    }


def outputs():
    """Two patients' scores, three to a record, and alerts, with a heartbeat between."""
    scores = [
        record(offset, [score(patient, 3 * offset + one) for one in range(3)], patient.encode(), SCORES)
        for offset, patient in enumerate(["p-1", "p-2", "p-1"])
    ]
    alerts = [
        record(0, alert("p-1", 1), b"p-1", ALERTS),
        record(1, {"type": "heartbeat"}, b"_heartbeat", ALERTS),
        record(2, alert("p-2", 1), b"p-2", ALERTS),
        record(3, alert("p-1", 2, "resolved"), b"p-1", ALERTS),
    ]
    return [*scores, *alerts]


def test_scores_and_alerts_are_rows_with_columns_of_their_own(place, own):
    archive(place, outputs())
    assert asking(own, "SELECT patient, count(*) AS n, max(score) AS top FROM scores GROUP BY ALL ORDER BY 1") == [
        {"patient": "p-1", "n": 6, "top": 8.0},
        {"patient": "p-2", "n": 3, "top": 5.0},
    ]
    (row,) = asking(own, "SELECT model, version, time::VARCHAR AS time, value->>'$.band' AS band FROM scores LIMIT 1")
    assert row == {"model": "news2", "version": "1.0.0", "time": "2026-01-01 00:00:00+00", "band": "low"}
    assert asking(own, "SELECT count(*) AS n FROM alerts WHERE date_trunc('day', time) = '2026-01-01'") == [{"n": 3}]
    assert asking(own, "SELECT * FROM events") == []


def test_a_query_sees_each_record_once_where_files_overlap(place, own):
    records = [record(offset, [score("p-1", offset)], topic=SCORES) for offset in range(9)]
    archive(place, records[:4])
    place.put(Segment(SCORES, 0, 2, 7).path, parquet(table(SCORES, records[2:7])))
    archive(place, records)
    assert asking(own, 'SELECT "offset" AS o FROM scores ORDER BY 1') == [{"o": offset} for offset in range(9)]


FORBIDDEN = [
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY scores TO '{folder}/out.parquet'",
    "ATTACH '{folder}/other.db'",
    "EXPORT DATABASE '{folder}/all'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "CREATE TABLE own AS SELECT 1",
    "DROP VIEW scores",
    "PRAGMA enable_profiling",
    "CALL enable_logging(storage = 'file', storage_path = '{folder}/logs')",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY (SELECT 1) TO '{folder}/out.csv'",
    "",
    "SELECT",
    "SELECT * FROM read_csv('{folder}/secret.csv')",
    "SELECT * FROM read_text('{folder}/secret.csv')",
    "SELECT * FROM read_blob('{folder}/secret.csv')",
    "SELECT * FROM '{folder}/secret.csv'",
    "SELECT * FROM read_parquet('{archive}/events/*/*.parquet')",
    "SELECT * FROM parquet_metadata('{archive}/events/*/*.parquet')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM sniff_csv('{folder}/secret.csv')",
    "SELECT * FROM query('SELECT * FROM read_text(''{folder}/secret.csv'')')",
    "SELECT * FROM read_text('https://127.0.0.1/secret')",
    "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_config = {{'path': '{folder}/logs'}})",
    "SELECT * FROM enable_profiling()",
    "SELECT getenv('HOME')",
    "SELECT * FROM leaked",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_a_query_reads_the_archive_and_nothing_else_and_writes_nothing(place, own, tmp_path, sql):
    archive(place, [record(0, b"x")])
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    before = sorted(tmp_path.rglob("*"))
    leaked = pa.table({"a": [1]})
    with pytest.raises(QueryError):
        asking(own, sql.format(folder=tmp_path, archive=own.archive))
    assert sorted(tmp_path.rglob("*")) == before
    assert leaked.num_rows == 1


def entries(records):
    """The audit of one partition, as its only record, and the names in it."""
    decider = TERMS.decider()
    description = release.describe(TERMS, decider)
    patients: dict[str, Record] = {}
    link, lines = Link.first(0), []
    names: dict[str, str] = {}
    for number, source in enumerate(records, 1):
        judged = judge(TERMS, decider, source, lambda one: patients.get(one, Record()), lambda: f"x{len(names)}")
        if judged.patient is not None:
            if judged.record is None:
                del patients[judged.patient]
            else:
                patients[judged.patient] = judged.record
                names[judged.subject or ""] = judged.patient
        body = audit.body(number, source, judged, release.digest(description), spoken(judged).digest)
        link, line = link.then(body)
        lines.append(line)
    packed = audit.pack(0, description, Link.first(0), lines)
    return [record(offset, value, b"0", AUDIT) for offset, value in enumerate(packed)], names


def ward():
    """Events of three patients on one partition: p-1 is merged into p-3, p-2 is somebody else."""
    values: list[tuple[str, Any]] = [(name, admission(name)) for name in ("p-1", "p-2", "p-3")]
    for minute in range(1, 6):
        values += [
            (name, observation(name, f"{name}-{minute}", START + minute * MINUTE, value=80.0 + minute))
            for name in ("p-1", "p-2", "p-3")
        ]
    merge = {**admission("p-1", START + 9 * MINUTE), "id": "m-1", "action": "merge", "into": "p-3"}
    values.append(("p-1", merge))
    return [record(offset, value, key.encode()) for offset, (key, value) in enumerate(values)]


def compared(own) -> Comparison:
    audited, events = Past.of(own, AUDIT, 0), Past.of(own, EVENTS, 0)
    return compare(TERMS, 0, audited.audited(), events.records(), Span())


@pytest.mark.req("VAGT-AUD-03")
def test_archived_decisions_are_computed_again_to_the_bit(place, own):
    events = ward()
    archive(place, [*events, *entries(events)[0]], Limits(records=5))
    found = compared(own)
    assert (found.identical, found.differing, found.flaws, found.unaudited) == (len(events), [], [], 0)


@pytest.mark.req("VAGT-PRI-04")
def test_an_erased_patient_is_in_no_file_and_all_others_stay_as_they_were(place, own, tmp_path):
    events = ward()
    control = {"type": "control", "id": "c", "action": "erase", "of": "p-1", "at": render(START), "origin": "vagt"}
    events.append(record(len(events), control, b"_control"))
    audited, names = entries(events)
    letters = [
        record(0, b'PID|1||p-1^^^LOCAL|"', None, DEADLETTER),
        record(1, b"p-10 is somebody else", b"p-10", DEADLETTER),
    ]
    archive(place, [*events, *audited, *outputs(), *letters], Limits(records=5))
    place.put(identity_path(AUDIT_IDENTITY, 0), parquet(identities(names)))
    assert {one["patient"] for one in asking(own, "SELECT patient FROM identity")} == {"p-1", "p-2", "p-3"}
    others = asking(own, "SELECT * FROM scores WHERE patient = 'p-2'")
    chain = list(Past.of(own, AUDIT, 0).audited())

    done = erase(own, place, ["p-1"])
    assert done.names == 2  # p-3 is the same person
    rows = {"scores": 6, "alerts": 2, "deadletter": 1, "events": 7 + 6 + 1, "identity": 2}
    assert done.rows == sum(rows.values())
    # The audit holds the ids that the laboratory gave to its results, and they begin with p-1 here.
    for file in {*(tmp_path / "archive").rglob("*.parquet")} - {*(tmp_path / "archive").glob("audit/*/*")}:
        text = str(pq.read_table(file).to_pylist())
        assert re.search(r"\bp-[13]\b", text) is None
    assert asking(own, "SELECT * FROM scores WHERE patient = 'p-2'") == others != []
    assert [one.offset for one in read(own)] == [one.offset for one in events]
    assert [one for one in read(own) if one.key == b"p-2"] == [one for one in events if one.key == b"p-2"]
    assert asking(own, "SELECT * FROM deadletter WHERE key = 'p-10'") != []
    assert list(Past.of(own, AUDIT, 0).audited()) == chain

    found = compared(own)
    assert (found.identical, found.differing, found.flaws) == (6, [], [])
    assert found.unreachable == len(events) - 6
    assert erase(own, place, ["p-1"]).rows == 0


def test_an_erased_patient_is_found_by_the_pseudonyms_too(place, tmp_path):
    own = Settings(archive=str(tmp_path / "archive"), partitions=1, pseudonym_key="11" * 32)
    pseudonyms = Pseudonyms.of(own)
    assert pseudonyms is not None
    name = pseudonyms.name("0101011234")
    archive(place, [record(0, {"type": "tick", "patient": name}, name.encode()), record(1, b"x", b"~other")])
    assert erase(own, place, ["0101011234"]).rows == 1
    assert [one.key for one in read(own)] == [None, b"~other"]


def test_a_bed_of_the_same_number_is_not_the_patient(place, own):
    tick = {"type": "encounter", "patient": "p-2", "bed": "12"}
    archive(
        place, [record(0, tick, b"p-2"), record(1, [{**tick, "patient": "12"}], b"wrong"), record(2, b'{"12"', b"x")]
    )
    assert erase(own, place, ["12"]).rows == 2
    assert read(own)[0] == record(0, tick, b"p-2")


def test_an_archive_that_is_whole_has_no_faults(place, own, monkeypatch):
    events = ward()
    archive(place, [*events, *entries(events)[0], *outputs()], Limits(records=5))
    monkeypatch.setattr("streams.records.read_all", lambda *_: ())
    assert list(faults(own, place)) == []


def test_a_missing_a_damaged_and_a_renamed_file_are_faults(place, own, tmp_path, monkeypatch):
    monkeypatch.setattr("streams.records.read_all", lambda *_: ())
    archive(place, [record(offset, b"x", partition=0) for offset in range(12)], Limits(records=1), chunk=2)
    paths = [tmp_path / "archive" / one.path for one in place.segments(EVENTS)]
    paths[1].unlink()
    paths[3].write_bytes(paths[3].read_bytes()[:-9])
    paths[5].rename(paths[5].with_name(Segment(EVENTS, 0, 12, 14).path.rpartition("/")[2]))
    found = list(faults(own, place))
    assert len(found) == 4
    assert "offsets 2 to 3 are missing" in found[0]
    assert "offsets 10 to 11 are missing" in found[1]
    assert "is damaged" in found[2]
    assert "holds what its name does not say" in found[3]


def test_dead_letters_are_archived_only_where_asked():
    assert DEADLETTER not in archived(deadletter=False)
    assert DEADLETTER in archived(deadletter=True)


def test_an_altered_entry_shows_in_the_archive_as_in_kafka(place, own):
    events = ward()
    (whole,) = entries(events)[0]
    archive(place, [replace(whole, value=(whole.value or b"").replace(b'"offset":3', b'"offset":4', 1))])
    read_again = list(audit.unpack(Past.of(own, AUDIT, 0).audited()))
    assert [one.number for one in read_again if not isinstance(one, Entry)] == [4]


def queries():
    text = (Path(__file__).parents[2] / "docs" / "archive.md").read_text()
    return re.findall(r"```sql\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("number", range(5))
def test_each_query_of_the_page_is_answered(place, own, number):
    events = ward()
    audited, names = entries(events)
    acknowledged = {**alert("p-1", 3, "acknowledged"), "at": render(START + 5 * MINUTE)}
    shown = {**alert("p-3", 1), "score": {"reasons": [{"feature": "creatinine_rise"}]}}
    raised = record(9, [score("p-2", 9, band="high")], b"p-2", SCORES)
    more = [raised, record(4, acknowledged, topic=ALERTS), record(5, shown, topic=ALERTS)]
    archive(place, [*events, *audited, *outputs(), *more])
    place.put(identity_path(AUDIT_IDENTITY, 0), parquet(identities(names)))
    assert len(queries()) == 5
    rows = asking(own, queries()[number])
    expected = (
        {"kind": "news2", "patients": 1},
        {"ward": "OUH-M2", "wait": timedelta(minutes=5), "alerts": 1},
        {"reason": "creatinine_rise", "alerts": 1},
        {"offset": 0},
        {"number": 1},
    )[number]
    assert any(row.items() >= expected.items() for row in rows)

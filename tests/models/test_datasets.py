import gzip
import os
from collections import Counter
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import instants
from models.datasets import READERS, cinc2019, open_source
from models.datasets.cinc2012 import PARAMETERS
from models.datasets.native import EPOCH, decimals, start_of

HOUR = instants.HOUR


def cinc2019_rows(patient, hours, **columns):
    """A stay's rows with all columns; a scalar stands for every hour, and what is left out is missing."""
    missing = [float("nan")] * len(hours)
    rows: dict[str, Any] = {"patient_id": patient} | {column: missing for column, _, _ in cinc2019.COLUMNS}
    rows |= {"Age": 64, "Gender": 1, "Unit1": float("nan"), "Unit2": float("nan"), "HospAdmTime": -2.5}
    rows |= {"ICULOS": hours, "SepsisLabel": 0} | columns
    return pa.table(
        {name: value if isinstance(value, list) else [value] * len(hours) for name, value in rows.items()}
    ).cast(cinc2019._SCHEMA)


@pytest.fixture
def two_stays(tmp_path):
    nan = float("nan")
    first = cinc2019_rows("p7", [1, 2, 3], HR=[80, nan, 81.5], pH=[nan, nan, 735.0], Temp=[36.6, nan, nan])
    first = first.set_column(first.column_names.index("SepsisLabel"), "SepsisLabel", pa.array([0, 0, 1], pa.int64()))
    second = cinc2019_rows("p8", [4, 5], Gender=0, Unit1=1, HospAdmTime=0, Lactate=[2.1, nan])
    path = tmp_path / "stays.parquet"
    pq.write_table(pa.concat_tables([first, second]), path)
    return path


def test_a_stay_is_sent_as_admission_transfer_hours_and_discharge(two_stays):
    stay, _ = open_source("cinc2019", two_stays)
    start = start_of("p7")
    at = [instants.render(start + hour * HOUR) for hour in range(4)]
    assert (stay.patient, stay.start, stay.hours, stay.labels) == ("p7", start, [1, 2, 3], [0, 0, 1])
    assert [record.at_ms - start for record in stay.records] == [
        -2.5 * HOUR,
        0,
        HOUR,
        2 * HOUR,
        3 * HOUR,
        3 * HOUR,
    ]
    admitted = instants.render(start - 9_000_000)
    visit = {"type": "encounter", "version": 1, "patient": "p7", "encounter": "e-p7"}
    assert stay.records[0].value == visit | {
        "id": "p7-admit", "action": "admit", "at": admitted, "issued": admitted,
        "unitType": "ward", "birthDate": "1962-01-01", "sex": "male",
    }  # fmt: skip
    assert stay.records[1].value == visit | {
        "id": "p7-transfer", "action": "transfer", "at": at[0], "issued": at[0],
        "unitType": "icu", "ward": "ICU",
    }  # fmt: skip
    assert stay.records[3].value == {"type": "tick", "patient": "p7", "at": at[2]}
    assert stay.records[5].value == visit | {
        "id": "p7-discharge", "action": "discharge", "at": at[3], "issued": at[3],
    }  # fmt: skip


def test_an_hours_values_are_one_array_in_the_files_column_order_and_dirt_is_sent(two_stays):
    stay, _ = open_source("cinc2019", two_stays)
    at = instants.render(stay.start + HOUR)

    def result(column, loinc, value, unit):
        return {
            "type": "observation", "id": f"p7-1-{column}", "version": 1, "status": "final", "patient": "p7",
            "encounter": "e-p7", "code": {"system": "http://loinc.org", "code": loinc}, "value": value,
            "unit": unit, "effective": at, "issued": at,
        }  # fmt: skip

    assert stay.records[2].value == [
        result("HR", "8867-4", 80.0, "/min"),
        result("Temp", "8310-5", 36.6, "Cel"),
    ]
    assert [(item["id"], item["value"]) for item in stay.records[4].items] == [
        ("p7-3-HR", 81.5),
        ("p7-3-pH", 735.0),
    ]


def test_an_admission_straight_to_intensive_care_is_at_its_start(two_stays):
    _, stay = open_source("cinc2019", two_stays)
    admit, transfer, first, *_ = stay.records
    assert admit.at_ms == transfer.at_ms == stay.start
    assert admit.items[0]["sex"] == "female"
    assert transfer.items[0]["ward"] == "MICU"
    assert first.at_ms == stay.start + 4 * HOUR


@pytest.mark.parametrize(
    ("unit1", "unit2", "ward"),
    [(1, 0, "MICU"), (0, 1, "SICU"), (0, 0, "ICU"), (float("nan"), float("nan"), "ICU")],
)
def test_the_ward_follows_from_the_unit_columns(tmp_path, unit1, unit2, ward):
    pq.write_table(cinc2019_rows("p1", [1], Unit1=unit1, Unit2=unit2), tmp_path / "a.parquet")
    (stay,) = open_source("cinc2019", tmp_path)
    assert stay.records[1].items[0]["ward"] == ward


def test_the_challenges_own_files_give_the_same_stays(two_stays, tmp_path):
    folder = tmp_path / "training" / "setB"
    folder.mkdir(parents=True)
    table = pq.read_table(two_stays)
    for patient in ("p7", "p8"):
        rows = table.filter(pa.compute.equal(table["patient_id"], patient)).drop_columns("patient_id")
        text = pa.BufferOutputStream()
        pa_csv.write_csv(rows, text, pa_csv.WriteOptions(delimiter="|", quoting_style="none", quoting_header="none"))
        (folder / f"{patient}.psv").write_bytes(text.getvalue().to_pybytes().replace(b"nan", b"NaN"))
    assert list(open_source("cinc2019", tmp_path / "training")) == list(open_source("cinc2019", two_stays))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 100])
def test_a_stay_that_lies_across_two_batches_stays_whole(two_stays, rows):
    found = [table["patient_id"].to_pylist() for table in cinc2019.tables(two_stays, rows)]
    assert list(chain(*found)) == ["p7"] * 3 + ["p8"] * 2
    assert all(set(one).isdisjoint(other) for one, other in pairwise(found))


def test_a_start_is_within_72_hours_on_the_minute_and_always_the_same():
    starts = [start_of(f"p{number}") for number in range(2000)]
    assert starts == [start_of(f"p{number}") for number in range(2000)]
    assert all((start - EPOCH) % instants.MINUTE == 0 for start in starts)
    assert min(starts) >= EPOCH
    assert max(starts) < EPOCH + 72 * HOUR
    assert len(set(starts)) > 1000


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=20))
def test_a_shortest_decimal_is_the_same_single_precision_number(values):
    single = np.array(values, np.float32)
    assert np.array_equal(np.array(decimals(single), np.float32), single)


def test_a_decimal_has_no_digits_of_the_conversion():
    assert decimals(np.array([7.35, 36.6, -214.64], np.float32)) == [7.35, 36.6, -214.64]


def cinc2012_table(*rows):
    number, time, parameter, value = zip(*rows, strict=True)
    columns = [pa.array(number, pa.int32()), time, parameter, pa.array(value, pa.float32())]
    return pa.table(dict(zip(("RecordID", "Time", "Parameter", "Value"), columns, strict=True)))


def test_values_of_one_minute_are_one_record_and_what_has_no_code_is_counted(tmp_path):
    described = [("Age", 54.0), ("Gender", 0.0), ("Height", -1.0), ("ICUType", 4.0), ("Weight", -1.0)]
    table = cinc2012_table(
        *((132539, "00:00", parameter, value) for parameter, value in described),
        (132539, "00:07", "HR", 73.0),
        (132539, "00:07", "Urine", 900.0),
        (132539, "00:07", "Temp", 35.1),
        (132539, "47:59", "pH", 7.4),
        (132540, "00:00", "Gender", -1.0),
        (132540, "01:00", "Urine", 60.0),
    )
    pq.write_table(table, tmp_path / "set_a.parquet")
    source = open_source("cinc2012", tmp_path)
    stay, other = source
    assert [record.at_ms - stay.start for record in stay.records] == [
        0,
        7 * instants.MINUTE,
        48 * HOUR - instants.MINUTE,
    ]
    (admit,) = stay.records[0].items
    assert (admit["unitType"], admit["ward"], admit["sex"], admit["birthDate"]) == (
        "icu",
        "SICU",
        "female",
        "1972-01-01",
    )
    assert [(item["code"]["code"], item["value"], item["unit"]) for item in stay.records[1].items] == [
        ("8867-4", 73.0, "/min"),
        ("8310-5", 35.1, "Cel"),
    ]
    assert len(other.records) == 1
    assert "sex" not in other.records[0].items[0]
    assert source.skipped == {"unmapped:Urine": 2, "unmapped:Height": 1, "missing:Weight": 1}


@pytest.fixture
def mimic(tmp_path):
    def write(*events):
        moments = [None if time is None else instants.parse(f"2180-05-{time}:00Z") for time, _, _ in events]
        table = pa.table(
            {
                "subject_id": pa.array([10] * len(events), pa.int64()),
                "time": pa.array(moments, pa.timestamp("ms")).cast(pa.timestamp("us")),
                "code": [code for _, code, _ in events],
                "value": pa.array([value for _, _, value in events], pa.float32()),
            }
        )
        pq.write_table(table, tmp_path / "events.parquet")
        mappings = tmp_path / "mappings"
        mappings.mkdir(exist_ok=True)
        header = "itemid (omop_source_code),label,omop_vocabulary_id,omop_concept_code\n"
        (mappings / "d_labitems_to_loinc.csv").write_text(f"{header}50912,Creatinine,LOINC,2160-0\n9,Nameless,LOINC,\n")
        (mappings / "meas_chartevents_main.csv").write_text(
            f"{header}223761,Temperature Fahrenheit,LOINC,8310-5\n223835,Inspired O2 Fraction,LOINC,3150-0\n"
            "1,Coded otherwise,SNOMED,2\n"
        )
        return open_source("mimic-demo", tmp_path)

    return write


def test_a_visit_opens_moves_and_closes_with_the_sets_transfers(mimic):
    (stay,) = mimic(
        ("06T19:17", "ED_REGISTRATION", None),
        ("06T19:17", "TRANSFER_TO//ED//Emergency Department", None),
        ("06T23:30", "TRANSFER_TO//admit//Medical Intensive Care Unit (MICU)", None),
        ("07T17:15", "HOSPITAL_DISCHARGE//HOME", None),
        ("07T17:21", "TRANSFER_TO//discharge//UNK", None),
        ("09T08:00", "TRANSFER_TO//ED//Emergency Department", None),
        ("11T08:00", "TRANSFER_TO//ED//Emergency Department", None),
        (None, "GENDER//F", None),
        ("01T00:00", "MEDS_BIRTH", None),
    )
    items = [item for record in stay.records for item in record.items]
    assert [(item["action"], item.get("unitType"), item["encounter"]) for item in items] == [
        ("admit", "emergency", "e-mimic-10-1"),
        ("transfer", "icu", "e-mimic-10-1"),
        ("discharge", None, "e-mimic-10-1"),
        ("admit", "emergency", "e-mimic-10-2"),
        ("admit", "emergency", "e-mimic-10-3"),
    ]
    assert (items[0]["sex"], items[0]["birthDate"], items[0]["at"]) == (
        "female",
        "2180-05-01",
        "2180-05-06T19:17:00.000Z",
    )


def test_results_of_one_time_are_one_record_with_units_in_ucum(mimic):
    nan = float("nan")
    source = mimic(
        ("06T10:00", "LAB//50912//mg/dL", 1.3),
        ("06T10:00", "LAB//223761//°F", 98.6),
        ("06T10:00", "LAB//223835//UNK", 40.0),
        ("06T10:00", "LAB//50912//mg/dL", nan),
        ("06T10:00", "LAB//1//UNK", 3.0),
        ("06T10:00", "LAB//9//UNK", 3.0),
        ("06T11:00", "MEDICATION//Heparin//Administered", nan),
    )
    (stay,) = source
    (record,) = stay.records
    assert [(item["id"], item["code"]["code"], item["value"], item["unit"]) for item in record.items] == [
        ("mimic-10-0", "2160-0", 1.3, "mg/dL"),
        ("mimic-10-1", "8310-5", 98.6, "[degF]"),
        ("mimic-10-2", "3150-0", 40.0, "%"),
    ]
    assert [item["encounter"] for item in record.items] == [None] * 3
    assert source.skipped == {"text": 1, "unmapped": 2, "kind:MEDICATION": 1}


def test_fhir_resources_go_unchanged_in_the_order_in_which_they_became_known(tmp_path):
    patient = {"resourceType": "Patient", "id": "a"}
    about = {"subject": {"reference": "Patient/a"}}
    late = {
        "resourceType": "Observation",
        "effectiveDateTime": "2180-05-06T21:00:00-04:00",
        "id": "late",
    } | about
    early = {
        "resourceType": "Observation",
        "effectiveDateTime": "2180-05-06T19:00:00-04:00",
        "id": "early",
    } | about
    period = {"start": "2180-05-06T18:00:00-04:00", "end": "2180-05-06T20:00:00-04:00"}
    visit = {"resourceType": "Encounter", "period": period, "status": "finished"} | about
    nobody = {"resourceType": "Observation", "effectiveDateTime": "2180-05-06T21:00:00-04:00"}
    timeless = {"resourceType": "Observation", "effectiveDateTime": "2180-05"} | about
    alone = {"resourceType": "Patient", "id": "b"}
    lines = [late, early, visit, nobody, timeless]
    with gzip.open(tmp_path / "Observation.ndjson.gz", "wb") as file:
        file.write(b"\n".join(map(orjson.dumps, lines)))
    (tmp_path / "Patient.ndjson").write_bytes(orjson.dumps(patient) + b"\n\n" + orjson.dumps(alone) + b"\n")
    source = open_source("fhir", tmp_path)
    (stay,) = source
    assert source.topic == "fhir"
    assert stay.patient == "a"
    assert [record.value for record in stay.records] == [patient, early, visit, late]
    assert stay.records[0].at_ms == stay.records[1].at_ms == instants.parse("2180-05-06T23:00:00Z")
    assert source.skipped == {"no-subject": 1, "no-time": 2}


def test_native_lines_are_sent_as_they_are_and_only_what_cannot_be_keyed_is_skipped(tmp_path):
    tick = {"type": "tick", "patient": "a", "at": "2026-01-01T10:00:00+01:00"}
    panel = [{"patient": "b", "issued": "2026-01-01T11:00:00Z", "anything": 1}, {"patient": "b"}, "no object"]
    undated = {"patient": "b", "issued": "soon"}
    lines = [orjson.dumps(value) for value in (tick, panel, undated, {"type": "control"}, 5)]
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join([*lines, b"{not json", b"", orjson.dumps(tick)]))
    source = open_source("ndjson", path)
    stays = list(source)
    assert [(stay.patient, [record.value for record in stay.records]) for stay in stays] == [
        ("a", [tick]),
        ("b", [panel, undated]),
        ("a", [tick]),
    ]
    assert [record.at_ms - EPOCH for record in stays[1].records] == [11 * HOUR, 11 * HOUR]
    assert source.skipped == {"bad-json": 1, "missing-subject": 2}


@pytest.mark.parametrize("name", ["cinc2019", "cinc2012", "fhir"])
def test_a_folder_without_the_sets_files_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        list(open_source(name, tmp_path))


def test_an_unknown_set_and_a_missing_path_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there are cinc2019"):
        open_source("mimic-iii", tmp_path)
    with pytest.raises(FileNotFoundError, match="absent"):
        open_source("ndjson", tmp_path / "absent")


DATA = Path(os.environ.get("VAGT_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
FOUND = {
    "cinc2019": DATA / "cinc2019" / "hospital_b.parquet",
    "cinc2012": DATA / "cinc2012" / "set_a.parquet",
    "mimic-demo": DATA / "mimic_iv_demo",
    "fhir": DATA / "mimic_iv_demo_fhir",
}


def real(name):
    if not FOUND[name].exists():
        pytest.skip(f"real data are not there: set VAGT_TEST_DATA to the folder that holds {FOUND[name].name}")
    return open_source(name, FOUND[name])


@pytest.fixture
def first_rows(tmp_path):
    """A source of the first rows of a real file, and those rows."""

    def take(name, rows):
        real(name)
        with pq.ParquetFile(FOUND[name]) as file:
            table = pa.table(next(file.iter_batches(rows)))
        pq.write_table(table, tmp_path / FOUND[name].name)
        return open_source(name, tmp_path), table

    return take


@pytest.mark.data
@pytest.mark.parametrize("name", FOUND)
def test_real_stays_are_in_time_order_ready_for_json_and_have_unique_ids(name):
    for stay in islice(real(name), 20):
        moments = [record.at_ms for record in stay.records]
        assert moments == sorted(moments)
        values = [record.items for record in stay.records]
        assert b"NaN" not in orjson.dumps(values)
        ids = Counter(item["id"] for items in values for item in items if "id" in item)
        assert not ids or max(ids.values()) == 1


@pytest.mark.data
def test_nothing_of_the_real_2019_set_is_lost(first_rows):
    source, table = first_rows("cinc2019", 30_000)
    values = hours = 0
    for stay in source:
        hours += len(stay.hours)
        assert len(stay.hours) == len(stay.labels) == len(stay.records) - 3
        values += sum(len(record.value) for record in stay.records if isinstance(record.value, list))
    columns = [table[column].to_numpy() for column, _, _ in cinc2019.COLUMNS]
    assert values == sum(int(np.count_nonzero(~np.isnan(column))) for column in columns)
    assert hours == table.num_rows


@pytest.mark.data
def test_every_parameter_of_the_real_2012_set_is_sent_or_counted(first_rows):
    source, table = first_rows("cinc2012", 100_000)
    sent = sum(len(record.value) for stay in source for record in stay.records[1:])
    parameters = Counter(table["Parameter"].to_pylist())
    described = sum(parameters[name] for name in ("RecordID", "Age", "Gender", "ICUType"))
    assert sent + source.skipped.total() + described == table.num_rows
    unmapped = {key.partition(":")[2] for key in source.skipped if key.startswith("unmapped:")}
    assert unmapped == {"Urine", "MechVent", "Height", "Cholesterol"}
    assert unmapped == set(parameters) - set(PARAMETERS) - {"RecordID", "Age", "Gender", "ICUType"}


def test_every_reader_has_a_name_and_says_where_its_records_belong():
    assert set(READERS) == {"cinc2019", "cinc2012", "mimic-demo", "fhir", "ndjson"}
    assert {name for name, reader in READERS.items() if reader.topic == "fhir"} == {"fhir"}
    assert {reader.topic for reader in READERS.values()} == {"events", "fhir"}

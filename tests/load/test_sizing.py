"""What people need is worked out from a file: by hand for round numbers, and never less for more people."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.document import read
from load_tests.sizing import FILE, Basis, Measured, People, size

ROUND = Basis(
    people=People(
        beds_per_1000=10,
        occupied=0.5,
        intensive=0.1,
        ward_signs=20,
        intensive_signs=864,
        bed_results=10,
        outside_results=36.5,
        known=0.5,
        peak=4,
    ),
    measured=Measured(carried=100, stored=1000, stored_seldom=100, restored=1e6, start=5, logged=1000),
)
SHIPPED = read(FILE, Basis)


def test_what_a_million_people_need_is_as_reckoned_by_hand():
    found = size(ROUND, 1_000_000)
    # 5,000 beds in use: 500 send 864 signs a day, 4,500 send 20, all have 10 results; 100,000 come from outside.
    assert found.beds == 5000
    assert found.a_day == pytest.approx(432_000 + 90_000 + 50_000 + 100_000)
    assert found.at_peak == pytest.approx(5 + 240_000 * 4 / 86_400)
    assert (found.workers, found.partitions) == (2, 12)
    assert found.state_gb == pytest.approx(0.005 + 0.05)
    assert found.restart_s == pytest.approx(5 + 55 / 2)
    assert found.log_gb_a_day == pytest.approx(0.672)


def test_a_worker_is_planned_to_be_busy_half_its_time_at_the_peak():
    assert [size(ROUND, people).workers for people in (6.2e6, 6.3e6)] == [2, 3]


@given(st.floats(min_value=1, max_value=1e9), st.floats(min_value=1, max_value=10))
def test_more_people_never_need_less(people, times):
    few, many = size(SHIPPED, people), size(SHIPPED, people * times)
    assert many.a_day >= few.a_day
    assert many.workers >= few.workers
    assert many.partitions >= few.partitions


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("occupied = 0.9", "occupied = 1.1", "people.occupied"),
        ("carried = ", "carries = ", "measured.carries"),
        ("[people]", "[people", "line 3"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(tmp_path: Path, before: str, after: str, said: str):
    file = tmp_path / "mine.toml"
    file.write_text(FILE.read_text().replace(before, after))
    with pytest.raises(ValueError, match=said):
        read(file, Basis)

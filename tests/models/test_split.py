from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.split import fold, part


@pytest.mark.req("VAGT-MOD-06")
def test_a_patients_fold_never_changes():
    assert [fold(patient) for patient in ("p100001", "p100002", "p000001", "æøå", "")] == [7, 5, 0, 1, 2]


def test_three_folds_of_ten_are_held_out_and_two_validate():
    counts = Counter(part(f"p{number:06d}") for number in range(20_000))
    assert abs(counts["test"] / 20_000 - 0.3) < 0.01
    assert abs(counts["validation"] / 20_000 - 0.2) < 0.01
    assert abs(counts["train"] / 20_000 - 0.5) < 0.01


@given(st.text())
def test_every_identifier_has_exactly_one_part(patient):
    assert fold(patient) in range(10)
    assert part(patient) == ("test" if fold(patient) < 3 else "validation" if fold(patient) < 5 else "train")

import pytest

from models.rules.coma import coma
from models.rules.limits import Bounds
from tests.builders import after, moment, observation


def known(*observations):
    record = after(*(observation(name, value, hour) for name, value, hour in observations))
    found = coma(record, moment(5), 4)
    return None if found is None else (found.total, sorted(entry.id for entry in found.entries))


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        ([], None),
        ([("gcs", 13, 4)], (Bounds(13, 13), ["gcs-4"])),
        ([("gcs", 13, 1)], (Bounds(13, 13), ["gcs-1"])),
        ([("gcs", 13, 0.9)], None),
        (
            [("gcs_eye", 3, 4), ("gcs_verbal", 4, 4), ("gcs_motor", 6, 4)],
            (Bounds(13, 13), ["gcs_eye-4", "gcs_motor-4", "gcs_verbal-4"]),
        ),
        # Two of three: the third is anything.
        ([("gcs_eye", 3, 4), ("gcs_motor", 6, 4)], (Bounds(10, 14), ["gcs_eye-4", "gcs_motor-4"])),
        # The newer of total and sum; a tie goes to the total, and so does a sum that is not whole.
        (
            [("gcs", 15, 3), ("gcs_eye", 3, 4), ("gcs_verbal", 4, 4), ("gcs_motor", 6, 4)],
            (Bounds(13, 13), ["gcs_eye-4", "gcs_motor-4", "gcs_verbal-4"]),
        ),
        ([("gcs", 15, 4), ("gcs_eye", 3, 4), ("gcs_verbal", 4, 4), ("gcs_motor", 6, 4)], (Bounds(15, 15), ["gcs-4"])),
        ([("gcs", 15, 3), ("gcs_eye", 3, 4)], (Bounds(15, 15), ["gcs-3"])),
    ],
)
def test_the_scale_is_the_newer_of_total_and_sum_and_bounded_by_what_is_known(observations, expected):
    assert known(*observations) == expected

"""What the page of a patient says of what was measured."""

import pytest

from features.catalogue import catalogue
from streams.board.patient import series
from streams.board.phrases import Phrases
from tests.builders import LOINC, after, moment, observation
from tests.streams.board.told import shown

DANISH = Phrases.of("da", "Europe/Copenhagen")


def points(*told):
    [found] = series(shown(), after(*told), catalogue(), moment(10), DANISH)
    return [(one["at"], one["text"], one["note"]) for one in found["points"]]


def test_values_are_written_with_their_decimals_and_when():
    assert points(observation("potassium", 4.1, 9)) == [("10:00", "4,1", "")]


@pytest.mark.rule("GTAB-030")
def test_a_value_that_was_converted_says_from_what():
    told = observation("creatinine", 1.5, 9, unit="mg/dL", code={"system": LOINC, "code": "2160-0"})
    assert points(told) == [("10:00", "133", "omregnet fra 1,5 mg/dL")]


def test_what_was_corrected_or_came_late_is_marked():
    corrected = observation("potassium", 4.4, 5, 8, id="k", version=2, status="corrected")
    assert points(observation("potassium", 4.1, 5, id="k"), corrected) == [
        ("06:00", "4,4", "rettet, kom 180 min senere")
    ]

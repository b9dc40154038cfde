"""What a partition holds of its patients is bounded by the memory that it takes."""

import gc
import tracemalloc

import pytest

from features.record import Record, decode, encode
from streams.shard import in_hand
from tests.builders import after, encounter, observation

COPIES = 200
TAKEN = ("heart_rate", "systolic_pressure", "glucose", "leukocytes", "crp", "platelets")


def _patient(rounds: int, analytes: tuple[str, ...]) -> Record:
    given = [
        observation(name, 50.0, hour=1.0 + turn / 8, id=f"{name}-{turn}") for turn in range(rounds) for name in analytes
    ]
    return after(encounter(), *given)


@pytest.mark.req("VAGT-REL-09")
@pytest.mark.parametrize(("rounds", "analytes"), [(1, TAKEN[:1]), (1, TAKEN), (12, TAKEN), (99, TAKEN[:2])])
def test_what_a_decoded_record_takes_of_the_memory_is_known(rounds: int, analytes: tuple[str, ...]) -> None:
    stored = encode(_patient(rounds, analytes))
    gc.collect()  # empties the interpreter's lists of freed objects, whose memory nobody traces
    tracemalloc.start()
    try:
        held = [decode(stored) for _ in range(COPIES)]
        taken = tracemalloc.get_traced_memory()[0] / COPIES
    finally:
        tracemalloc.stop()
    assert 0.66 < in_hand(held[0], len(stored)) / taken < 1.5

import numpy as np
import pyarrow as pa
import pytest

from models import reference
from models.datasets import cinc2019


def literal(values, row, first, hours):
    """One quantity's features at a row, read off the values as a person would."""
    seen = [(at, values[at]) for at in range(first, row + 1) if not np.isnan(values[at])]
    last, age = (seen[-1][1], row - seen[-1][0]) if seen else (np.nan, np.nan)
    within = [value for at, value in seen if at > row - hours] or [np.nan]
    return [last, age, len(seen), np.mean(within), min(within), max(within)]


@pytest.mark.parametrize("hours", [6, 24])
def test_features_are_those_of_a_literal_reading_and_never_cross_stays(hours):
    rng = np.random.default_rng(3)
    lengths = [1, 40, 3, 60]
    rows = sum(lengths)
    columns = {}
    for column, _, _ in cinc2019.COLUMNS:
        values = rng.normal(80, 20, rows).astype(np.float32)
        values[rng.random(rows) < 0.6] = np.nan
        columns[column] = values
    table = pa.table(
        {"patient_id": [f"p{stay}" for stay, length in enumerate(lengths) for _ in range(length)]}
        | columns
        | {name: np.arange(rows, dtype=np.float32) for name in reference.STATICS}
    )
    features = dict(zip(reference.feature_names(), reference.hourly_features(table).T, strict=True))
    edges = np.cumsum([0, *lengths])
    for column in ("HR", "Platelets"):
        kinds = ("last", "age", "count", f"mean_{hours}h", f"min_{hours}h", f"max_{hours}h")
        computed = np.stack([features[f"{column}_{kind}"] for kind in kinds], axis=1)
        expected = [
            literal(columns[column], row, edges[np.searchsorted(edges, row, side="right") - 1], hours)
            for row in range(rows)
        ]
        np.testing.assert_allclose(computed, np.array(expected), rtol=1e-5)
    assert features["ICULOS"].tolist() == list(range(rows))

"""Several LightGBM models as one: their mean is again a sum of trees, so it ships and explains itself as one model."""

import re
from collections.abc import Sequence
from itertools import count

import lightgbm as lgb

_SCALED = re.compile(r"^(leaf_value|internal_value)=(.*)$", re.MULTILINE)
_NUMBER = re.compile(r"^Tree=\d+$", re.MULTILINE)


def mean(boosters: Sequence[lgb.Booster]) -> lgb.Booster:
    """One booster whose raw score is the mean of those of ``boosters``, which were fitted on the same features.

    Raises:
        ValueError: there is none, or their features differ.
    """
    if not boosters or any(one.feature_name() != boosters[0].feature_name() for one in boosters):
        raise ValueError("a mean needs at least one booster, and all of them on the same features")
    texts = [one.model_to_string() for one in boosters]
    head, _, _ = texts[0].partition("Tree=0\n")
    _, end, tail = texts[0].partition("end of trees\n")
    # Without the sizes, which no longer hold, LightGBM finds the trees by their names.
    head = re.sub(r"^tree_sizes=.*\n", "", head, flags=re.MULTILINE)
    trees = "".join(text[text.index("Tree=0\n") : text.index("end of trees\n")] for text in texts)
    numbers = count()
    trees = _NUMBER.sub(lambda _: f"Tree={next(numbers)}", trees)
    trees = _SCALED.sub(lambda line: f"{line[1]}={_divided(line[2], len(boosters))}", trees)
    return lgb.Booster(model_str=head + trees + end + tail)


def _divided(values: str, by: int) -> str:
    return " ".join(repr(float(value) / by) for value in values.split())

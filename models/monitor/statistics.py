"""The statistics of the watch, each with its source; plain functions of numbers."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from math import ceil, exp, log, sqrt
from statistics import fmean, pstdev

#: The share that is left out at either end of changes.
_TRIMMED = 0.2


def psi(expected: Sequence[float], found: Sequence[float]) -> float:
    """Population stability index of two histograms over the same bins, in counts; 0 for the same shares.

    Half an observation is added to each bin, so that an empty one has a logarithm. Symmetric: Kullback and Leibler's
    divergence both ways. Source: Siddiqi, Credit Risk Scorecards, 2006.
    """
    bins = len(expected)
    whole, other = sum(expected) + bins / 2, sum(found) + bins / 2
    shares = [((a + 0.5) / whole, (b + 0.5) / other) for a, b in zip(expected, found, strict=True)]
    return sum((b - a) * log(b / a) for a, b in shares)


def evidence(index: float, expected: float, found: float) -> float:
    """The index in units of what chance gives two samples of these sizes: chi-squared with one degree less than bins.

    Source: Yurdakul and Naranjo, Statistical properties of the population stability index, J Risk Model Valid 2020.
    """
    return index / (1 / expected + 1 / found)


def histogram(edges: Sequence[float], values: Sequence[float]) -> list[int]:
    """How many values lie in each bin; a value on an edge belongs to the bin below it."""
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[bisect_left(edges, value)] += 1
    return counts


def quantile(ordered: Sequence[float], share: float) -> float:
    """The least value at or below which at least this share of the ordered values lies."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def tilt(events: float, occasions: float, share: float, odds: float) -> float:
    """The log-likelihood ratio of ``events`` in ``occasions`` for odds times as high, against those of ``share``.

    Summed up and never below 0 it is a CUSUM. Source: Steiner et al., Biostatistics 2000;1:441-452.
    """
    return events * log(odds) - occasions * log(1 - share + odds * share)


def both_ways(
    sums: tuple[float, float, int], higher: float, lower: float, at: int, most: float
) -> tuple[float, float, int]:
    """Two CUSUMs, each after its log-likelihood ratio, and since when (ms) one of them is above 0.

    None goes beyond ``most``: what a change that lasts would add further would only hide its end. Source: Page,
    Biometrika 1954;41:100-115.
    """
    up, down, since = sums
    if up == down == 0:
        since = at
    return min(most, max(0.0, up + higher)), min(most, max(0.0, down + lower)), since


def middle(values: Collection[float]) -> tuple[float, float]:
    """The mean of values without the fifth that is highest and the fifth that is lowest, and its error's deviation.

    The standard error of the mean of n is that deviation over the square root of n. Unlike a median it moves evenly
    where values are whole numbers. Source: Tukey and McLaughlin, Sankhya A 1963;25:331-352.
    """
    ordered = sorted(values)
    cut = int(_TRIMMED * len(ordered))
    kept = ordered[cut : len(ordered) - cut]
    centre = fmean(kept)
    drawn_in = [*[kept[0]] * cut, *kept, *[kept[-1]] * cut]
    return centre, pstdev(drawn_in) / (1 - 2 * _TRIMMED)


def shifted(share: float, logits: float) -> float:
    """A share whose log-odds are so much higher."""
    odds = share / (1 - share) * exp(logits)
    return odds / (1 + odds)


def effective(weights: Collection[float]) -> float:
    """To how many observations of one weight these weights amount. Source: Kish, Survey Sampling, 1965."""
    return sum(weights) ** 2 / sum(weight * weight for weight in weights)


def auroc(events: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """The area under the ROC curve of scores, ties counted half, and its standard error.

    Source: Hanley and McNeil, Radiology 1982;143:29-36.
    """
    ordered = sorted(others)
    won = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in events) / 2
    area = won / (len(events) * len(others))
    above = (len(events) - 1) * (area / (2 - area) - area * area)
    below = (len(others) - 1) * (2 * area * area / (1 + area) - area * area)
    return area, sqrt((area * (1 - area) + above + below) / (len(events) * len(others)))

"""Plots as plain SVG: lines over one pair of axes, nothing loaded from anywhere."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 54, 44
_COLOURS: Final = ("#7a7a7a", "#0b62a4", "#c2410c", "#15803d")
_TICKS: Final = 5

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: its label, whether it is logarithmic, and ticks of its own by value."""

    label: str
    log: bool = False
    ticks: Mapping[float, str] | None = None


def lines(title: str, series: Mapping[str, Points], across: Axis, up: Axis) -> str:
    """A plot with a line for each series, or a sentence where there is nothing to draw."""
    points = [point for found in series.values() for point in found]
    if not points:
        return f"<p>{escape(title)}: nothing was measured.</p>"
    x, marks_x = _scale(across, [one for one, _ in points], _LEFT, _WIDTH - _RIGHT)
    y, marks_y = _scale(up, [one for _, one in points], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<text x="{_LEFT}" y="16" class="title">{escape(title)}</text>',
    ]
    for place, label in marks_x:
        parts += [
            f'<path class="grid" d="M{place:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>',
            f'<text x="{place:.1f}" y="{_HEIGHT - _BOTTOM + 15}" text-anchor="middle">{escape(label)}</text>',
        ]
    for place, label in marks_y:
        parts += [
            f'<path class="grid" d="M{_LEFT} {place:.1f}H{_WIDTH - _RIGHT}"/>',
            f'<text x="{_LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{escape(label)}</text>',
        ]
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts += [
        f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(across.label)}</text>',
        f'<text transform="translate(13 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(up.label)}</text>',
    ]
    for number, (name, found) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        y_name = 16 + 12 * number
        path = " ".join(f"{x(one):.1f},{y(other):.1f}" for one, other in found)
        parts += [
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{path}"/>',
            f'<text x="{_WIDTH - _RIGHT}" y="{y_name}" text-anchor="end" fill="{colour}">{escape(name)}</text>',
        ]
    return "\n".join([*parts, "</svg>"])


def _scale(
    axis: Axis, values: Sequence[float], begin: float, end: float
) -> tuple[Callable[[float], float], list[tuple[float, str]]]:
    """Where a value lies from ``begin`` to ``end``, and the ticks' places and labels."""
    at: Callable[[float], float] = math.log10 if axis.log else float
    found = [at(one) for one in (*values, *(axis.ticks or ()))]
    if axis.log and not axis.ticks:
        low, high = math.floor(min(found)), math.ceil(max(found))
        high = max(high, low + 1)
        ticks = {10.0**power: f"{10.0**power:g}" for power in range(low, high + 1)}
        bounds = float(low), float(high)
    elif axis.ticks:
        ticks, bounds = dict(axis.ticks), (min(found), max(found))
    else:
        most = max(*found, 1e-9)
        step = _step(most / _TICKS)
        count = math.ceil(most / step)
        ticks = {number * step: f"{number * step:g}" for number in range(count + 1)}
        bounds = 0.0, count * step

    def place(value: float) -> float:
        return begin + (end - begin) * (at(value) - bounds[0]) / ((bounds[1] - bounds[0]) or 1.0)

    return place, [(place(value), label) for value, label in ticks.items()]


def _step(least: float) -> float:
    """The smallest 1, 2 or 5 times a power of ten that is not less."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(one * power for one in (1, 2, 5, 10) if one * power >= least * (1 - 1e-9))

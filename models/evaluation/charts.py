"""Charts as inline SVG: lines with bands, points with whiskers, bars. Numbers in, text out; nothing is fetched."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

_WIDTH, _HEIGHT = 460, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 20, 10, 42
#: Told apart in print and by the colour-blind (Okabe and Ito 2008), the model's own first.
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#555555")


@dataclass(frozen=True, slots=True)
class Line:
    """A line, or points with whiskers; ``low`` and ``high`` bound it."""

    name: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    dashed: bool = False
    points: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows, from where to where; ``percent`` writes shares."""

    name: str
    low: float
    high: float
    percent: bool = False

    def ticks(self) -> list[float]:
        """Four to eight round numbers within the axis."""
        span = self.high - self.low
        size = 10 ** floor(log10(span / 5))
        step = next(size * one for one in (1, 2, 2.5, 5, 10) if span / (size * one) <= 6)
        first = ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, floor(self.high / step + 1e-9) + 1)]

    def text(self, value: float) -> str:
        """A tick's label."""
        if self.percent:
            return f"{100 * value:.4g} %"
        return f"{value + 0.0:.4g}"


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Line], note: str = "") -> str:
    """A figure of lines with its legend."""
    frame = _Frame(x, y)
    body = [frame.grid()]
    for number, line in enumerate(lines):
        body.append(frame.line(line, _COLOURS[number % len(_COLOURS)]))
    legend = "".join(
        f'<li><svg width="22" height="8" aria-hidden="true"><line x1="0" y1="4" x2="22" y2="4" '
        f'stroke="{_COLOURS[number % len(_COLOURS)]}" stroke-width="2"{_dash(line)}/></svg> {escape(line.name)}</li>'
        for number, line in enumerate(lines)
    )
    return _figure(title, "".join(body), f'<ul class="legend">{legend}</ul>', note)


def bars(title: str, x: Axis, edges: Sequence[float], counts: Sequence[int], y_name: str, note: str = "") -> str:
    """A histogram."""
    frame = _Frame(x, Axis(y_name, 0, max(5, *counts) * 1.05))
    body = [frame.grid()]
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        left, right, top, bottom = frame.x(low), frame.x(high), frame.y(count), frame.y(0)
        body.append(
            f'<rect x="{left + 1:.1f}" y="{top:.1f}" width="{max(0, right - left - 2):.1f}" '
            f'height="{bottom - top:.1f}" fill="{_COLOURS[0]}"><title>{count}</title></rect>'
        )
    return _figure(title, "".join(body), "", note)


def _figure(title: str, body: str, legend: str, note: str) -> str:
    said = f"<p>{escape(note)}</p>" if note else ""
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}" '
        f'font-size="11.5">{body}</svg>'
        f"{legend}{said}</figure>"
    )


class _Frame:
    """Axes, and where a value lies between them."""

    def __init__(self, x: Axis, y: Axis) -> None:
        self._x, self._y = x, y

    def x(self, value: float) -> float:
        share = (value - self._x.low) / (self._x.high - self._x.low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (min(max(value, self._y.low), self._y.high) - self._y.low) / (self._y.high - self._y.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def grid(self) -> str:
        bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
        parts = []
        for tick in self._x.ticks():
            at = self.x(tick)
            parts.append(
                f'<path stroke="#d9dfe5" stroke-width="0.7" d="M{at:.1f} {_TOP}V{bottom}"/>'
                f'<text x="{at:.1f}" y="{bottom + 15}" text-anchor="middle">{self._x.text(tick)}</text>'
            )
        for tick in self._y.ticks():
            at = self.y(tick)
            parts.append(
                f'<path stroke="#d9dfe5" stroke-width="0.7" d="M{_LEFT} {at:.1f}H{right}"/>'
                f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{self._y.text(tick)}</text>'
            )
        middle_x, middle_y = (_LEFT + right) / 2, (_TOP + bottom) / 2
        return (
            f'<g fill="#5b6875">{"".join(parts)}'
            + f'<path stroke="#1d2630" fill="none" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>'
            + f'<text x="{middle_x}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(self._x.name)}</text>'
            + f'<text transform="translate(13 {middle_y}) rotate(-90)" text-anchor="middle">'
            + f"{escape(self._y.name)}</text></g>"
        )

    def line(self, line: Line, colour: str) -> str:
        xs, ys = np.asarray(line.x, np.float64).tolist(), np.asarray(line.y, np.float64).tolist()
        bounds: list[tuple[float, float, float]] = []
        if line.low is not None and line.high is not None:
            lows, highs = np.asarray(line.low, np.float64).tolist(), np.asarray(line.high, np.float64).tolist()
            bounds = [one for one in zip(xs, lows, highs, strict=True) if all(map(isfinite, one))]
        if line.points:
            return self._points(xs, ys, bounds, colour)
        band = ""
        if bounds:
            there = " ".join(f"{self.x(at):.1f},{self.y(high):.1f}" for at, _, high in bounds)
            back = " ".join(f"{self.x(at):.1f},{self.y(low):.1f}" for at, low, _ in reversed(bounds))
            band = f'<polygon points="{there} {back}" fill="{colour}" opacity="0.15"/>'
        drawn = " ".join(
            f"{self.x(at):.1f},{self.y(value):.1f}" for at, value in zip(xs, ys, strict=True) if isfinite(value)
        )
        return f'{band}<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.8"{_dash(line)}/>'

    def _points(self, xs: list[float], ys: list[float], bounds: list[tuple[float, float, float]], colour: str) -> str:
        whiskers = "".join(
            f'<path d="M{self.x(at):.1f} {self.y(low):.1f}V{self.y(high):.1f}" stroke="{colour}"/>'
            for at, low, high in bounds
        )
        dots = "".join(
            f'<circle cx="{self.x(at):.1f}" cy="{self.y(value):.1f}" r="3.5" fill="{colour}"/>'
            for at, value in zip(xs, ys, strict=True)
        )
        return whiskers + dots


def _dash(line: Line) -> str:
    return ' stroke-dasharray="5 4"' if line.dashed else ""

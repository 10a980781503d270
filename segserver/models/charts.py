"""Charts as SVG, small enough to be read as text: lines over a plane, and columns side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 44
TICKS = 5
"""At most so many on an axis, besides its beginning."""

Point = tuple[float, float]
Format = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart: its name, its points from left to right, and its look (a class of the page's style)."""

    name: str
    points: Sequence[Point]
    look: str = "main"


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from 0 to a round value.

    Attributes:
        name: what it measures.
        most: the greatest value that it must have room for, above 0.
        form: how values are written.
    """

    name: str
    most: float
    form: Format

    @property
    def step(self) -> float:
        """Between two ticks: the least of 1, 2, 2.5 and 5 times a power of ten with few enough of them."""
        power = 10.0 ** math.floor(math.log10(self.most / TICKS))
        return next(power * one for one in (1, 2, 2.5, 5, 10) if self.most <= power * one * TICKS * (1 + 1e-9))

    @property
    def end(self) -> float:
        """The value at its end."""
        return self.step * self.ticks

    @property
    def ticks(self) -> int:
        """How many there are besides the beginning."""
        return math.ceil(self.most / self.step - 1e-9)


def share(value: float) -> str:
    """A share as a percentage."""
    return f"{value:.0%}"


def figure(value: float) -> str:
    """A number, short."""
    return f"{value:.3g}"


def line_chart(title: str, x: Axis, y: Axis, lines: Sequence[Line], mark: float | None = None) -> Markup:
    """Lines over a plane.

    Args:
        title: said to those who do not see it.
        x: the axis below.
        y: the axis to the left.
        lines: what is drawn; a legend names them where there are several.
        mark: an upright line at this value of x.
    """
    parts = [_frame(x, y)]
    if mark is not None:
        at = _across(mark, x)
        parts.append(
            Markup('<line class="mark" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(at, TOP, HEIGHT - BOTTOM)
        )
    for line in lines:
        points = " ".join(f"{_across(a, x):.1f},{_down(b, y):.1f}" for a, b in line.points)
        parts.append(Markup('<polyline class="{}" points="{}"/>').format(line.look, points))
    return _drawn(title, parts, [(line.name, line.look) for line in lines])


def column_chart(title: str, x: Axis, y: Axis, stacks: Sequence[Sequence[float]], names: Sequence[str]) -> Markup:
    """Columns of equal width from 0 to `x.most`, each a stack with the same names from the ground up."""
    parts = [_frame(x, y)]
    width = (_across(x.most, x) - LEFT) / len(stacks)
    looks = ("main", "other")[: len(names)]
    for place, stack in enumerate(stacks):
        ground = 0.0
        for look, height in zip(looks, stack, strict=True):
            top, foot = _down(ground + height, y), _down(ground, y)
            parts.append(
                Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                    look, LEFT + place * width + 1, top, max(width - 2, 1), foot - top
                )
            )
            ground += height
    return _drawn(title, parts, list(zip(names, looks, strict=True)))


def _frame(x: Axis, y: Axis) -> Markup:
    """Both axes with their ticks and names."""
    parts = []
    for value in (y.step * place for place in range(y.ticks + 1)):
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
                LEFT, WIDTH - RIGHT, _down(value, y), _down(value, y)
            )
        )
        parts.append(_text(LEFT - 6, _down(value, y) + 4, "end", y.form(value)))
    below = (x.step * place for place in range(x.ticks + 1))
    parts += [_text(_across(value, x), HEIGHT - BOTTOM + 15, "middle", x.form(value)) for value in below]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "middle", x.name))
    turned = Markup('<text class="axis" text-anchor="middle" transform="translate(13 {:.1f}) rotate(-90)">{}</text>')
    parts.append(turned.format((TOP + HEIGHT - BOTTOM) / 2, y.name))
    return Markup("").join(parts)


def _text(x: float, y: float, anchor: str, text: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def _across(value: float, axis: Axis) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(max(value / axis.end, 0.0), 1.0)


def _down(value: float, axis: Axis) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(value / axis.end, 0.0), 1.0)


def _drawn(title: str, parts: Sequence[Markup], names: Sequence[tuple[str, str]]) -> Markup:
    drawing = Markup('<svg viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>').format(
        WIDTH, HEIGHT, title, Markup("").join(parts)
    )
    if len(names) < 2:
        return drawing
    legend = (Markup('<span class="{}">{}</span>').format(look, escape(name)) for name, look in names)
    return drawing + Markup('<p class="legend">{}</p>').format(Markup(" ").join(legend))

"""Line charts as SVG, in the colours and letters of the page that they stand in."""

import html
import math
from collections.abc import Sequence

import numpy as np

from bert_ja.reports import report_files

_WIDTH, _HEIGHT = 290, 180  # of the plot, in units of the picture
_LEFT, _BELOW, _ABOVE, _RIGHT = 68, 28, 8, 14  # room around it
_MOST_TICKS = 6
_LETTER, _BETWEEN = 8.3, 14  # width of a digit, room between the numbers below
_MOST_DECIMALS = 5  # digits behind the point, or zeros before it, that have room
_MOST_POINTS = 400  # more than a picture has dots
_MOST_MARKS = 30  # points that still have room for a circle each
NUM_COLORS = 6


def line_chart(lines: Sequence[report_files.Line]) -> str:
  """An `<svg>` with axes; the n-th line has the class `line<n modulo NUM_COLORS>`.

  Args:
    lines: what is not finite is left out.

  Returns:
    "" where no line has two points.
  """
  finite = [_finite(line) for line in lines]
  if not any(len(steps) > 1 for steps, _ in finite):
    return ""
  steps, values = (np.concatenate(column) for column in zip(*finite, strict=True))
  longest = _LETTER * len(f"{steps.max():,.0f}") + _BETWEEN
  most = min(max(int(_WIDTH / longest), 2), _MOST_TICKS)
  x_ticks = ticks(steps.min(), steps.max(), most, least_width=1.0)
  y_ticks = ticks(values.min(), values.max())
  x_range = _range(x_ticks, steps)
  y_range = _range(y_ticks, values)

  def x(step):
    return _LEFT + _WIDTH * (step - x_range[0]) / (x_range[1] - x_range[0])

  def y(value):
    return _ABOVE + _HEIGHT * (1 - (value - y_range[0]) / (y_range[1] - y_range[0]))

  parts = [_axes(x_ticks, y_ticks, x, y)]
  parts += [
    _polyline(x(line_steps), y(line_values), number % NUM_COLORS)
    for number, (line_steps, line_values) in enumerate(finite)
    if len(line_steps)
  ]
  # Half of the last number stands to the right of the plot.
  right = max(_RIGHT, _LETTER * len(f"{x_ticks[-1]:,.0f}") / 2)
  size = f"{_LEFT + _WIDTH + right:.0f} {_ABOVE + _HEIGHT + _BELOW}"
  names = html.escape(", ".join(line.label for line in lines))
  return (
    f'<svg viewBox="0 0 {size}" role="img" aria-label="{names} by step">'
    f"{''.join(parts)}</svg>"
  )


def _finite(line):
  steps, values = np.array(line.steps, float), np.array(line.values, float)
  kept = np.flatnonzero(np.isfinite(values))
  if len(kept) > _MOST_POINTS:
    kept = kept[np.linspace(0, len(kept) - 1, _MOST_POINTS).astype(int)]
  return steps[kept], values[kept]


def ticks(
  low: float, high: float, most: int = _MOST_TICKS, least_width: float = 0.0
) -> np.ndarray:
  """Round numbers from `low` on or below it to `high` or above it.

  Args:
    low: least value.
    high: greatest value.
    most: about how many there may be.
    least_width: between two; 1 keeps whole numbers whole.
  """
  span = max(high - low or abs(high) or 1.0, least_width)
  # 1, 2 or 5 times a power of ten, the smallest that is wide enough.
  power = math.floor(math.log10(span / most))
  for digit, exponent in ((1, 0), (2, 0), (5, 0), (1, 1), (2, 1), (5, 1)):
    width = max(digit * 10.0 ** (power + exponent), least_width)
    first, last = math.floor(low / width + 1e-9), math.ceil(high / width - 1e-9)
    if last - first < most:
      break
  return np.arange(first, max(last, first + 1) + 1) * width


def tick_texts(places: np.ndarray) -> list[str]:
  """Numbers with as many digits as tell ticks from each other."""
  # Of 0.2 and 20: -1 and 1; sums of widths are not exact.
  place = math.floor(math.log10(places[1] - places[0]) + 1e-6)
  top = math.floor(math.log10(np.abs(places).max()) + 1e-6)
  if place < -_MOST_DECIMALS or top > _MOST_DECIMALS:
    return [f"{value + 0.0:.{max(top - place, 0)}e}" for value in places]
  return [f"{value + 0.0:,.{max(-place, 0)}f}" for value in places]


def _range(places, values):
  return min(places[0], values.min()), max(places[-1], values.max())


def _axes(x_ticks, y_ticks, x, y):
  right, bottom = _LEFT + _WIDTH, _ABOVE + _HEIGHT
  parts = []
  for value, text in zip(y_ticks, tick_texts(y_ticks), strict=True):
    here = f"{y(value):.1f}"
    parts.append(
      f'<path class="grid" d="M{_LEFT} {here}H{right}"/>'
      f'<text x="{_LEFT - 8}" y="{here}" dy=".35em" text-anchor="end">{text}</text>'
    )
  parts += [
    f'<text x="{x(value):.1f}" y="{bottom + 18}" text-anchor="middle">{value:,.0f}</text>'
    for value in x_ticks
  ]
  parts.append(f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>')
  return "".join(parts)


def _polyline(x, y, number):
  points = [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)]
  marks = ""
  if len(points) <= _MOST_MARKS:
    places = (point.split(",") for point in points)
    marks = "".join(f'<circle cx="{a}" cy="{b}" r="3"/>' for a, b in places)
  line = f'<polyline points="{" ".join(points)}"/>'
  return f'<g class="line{number}">{line}{marks}</g>'

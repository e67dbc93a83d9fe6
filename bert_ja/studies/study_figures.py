"""The learning curves of many runs on one page, as PNG data."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bert_ja import figures

_WIDTH, _HEIGHT = 3.2, 2.8  # inches of a panel
_LOG_FROM = 5  # times that the longest training is as long as the shortest
_COLORS = 10  # those that Matplotlib tells apart
_LINE_STYLES = ("-", "--", ":", "-.")  # of each further ten names

Curve = tuple[str, str, Sequence[Mapping[str, Any]]]


def learning_curves(
  curves: Sequence[Curve], metrics: Mapping[str, tuple[str, str]]
) -> bytes | None:
  """Draws a column of panels for each set, a row for each metric, a line for each run.

  Runs of one name have one colour, and beyond ten names a line style. The x axis is
  logarithmic where some trainings are many times as long as others.

  Args:
    curves: (set, name, history) of each run; see `learning_curve.write`.
    metrics: title -> (split, metric) of each row of panels; a row without a point is
      left out.

  Returns:
    PNG data; None if there is nothing to draw.
  """
  lines = {
    title: [
      (name_of_set, name, _points(rows, *key)) for name_of_set, name, rows in curves
    ]
    for title, key in metrics.items()
  }
  lines = {title: drawn for title, drawn in lines.items() if any(p for *_, p in drawn)}
  if not lines:
    return None
  sets = list(dict.fromkeys(one for one, *_ in curves))
  names = list(dict.fromkeys(name for _, name, _ in curves))
  lengths = [rows[-1]["epoch"] for *_, rows in curves if rows]
  has_log_axis = max(lengths) > _LOG_FROM * min(lengths)
  font = figures.font_for("".join([*sets, *names]))
  figure = figures.new_figure(
    max(_WIDTH * len(sets), 5), _HEIGHT * len(lines) + 0.25 * len(names)
  )
  panels = figure.subplots(
    len(lines), len(sets), sharex=True, sharey="row", squeeze=False
  )
  handles = {}
  for axes_of_row, (title, drawn) in zip(panels, lines.items(), strict=True):
    axes_of_row[0].set_ylabel(title)
    for name_of_set, name, points in drawn:
      place, axes = names.index(name), axes_of_row[sets.index(name_of_set)]
      # A line through one point is invisible, so few points are marked.
      marker = "o" if len(points) <= 20 else None
      (handles[name],) = axes.plot(
        *(zip(*points, strict=True) if points else ((), ())),
        color=f"C{place % _COLORS}",
        linestyle=_LINE_STYLES[place // _COLORS % len(_LINE_STYLES)],
        marker=marker,
        markersize=2.5,
        linewidth=1,
        alpha=0.8,
      )
  for number, name in enumerate(sets):
    shown = name if font else f"set {number + 1}"
    panels[0][number].set_title(shown, fontproperties=font)
    panels[-1][number].set_xlabel("epoch")
  for axes in panels.flat:
    axes.grid(alpha=0.3)
    if has_log_axis:
      axes.set_xscale("log")
      axes.xaxis.set_major_formatter("{x:g}")
  labels = names if font else [f"row {number + 1}" for number in range(len(names))]
  figure.legend(
    [handles[name] for name in names],
    labels,
    loc="outside lower center",
    frameon=False,
    prop=font,
  )
  return figures.png(figure)


def _points(history, split, metric):
  """(epoch, value) of the rows that have a finite value."""
  return [
    (row["epoch"], row[metric])
    for row in history
    if row["split"] == split and math.isfinite(row.get(metric, math.nan))
  ]

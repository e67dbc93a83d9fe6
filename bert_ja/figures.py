"""Pictures of a run, as PNG data. C classes.

matplotlib is imported where used and only through its objects and the Agg canvas: no
display, no global state.
"""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Metrics worth a curve: those named so, or ending so (`eval_accuracy`).
_CURVES = (
  "accuracy",
  "f1",
  "f1_macro",
  "pearson",
  "spearman",
  "matthews_correlation",
  "auc",
  "exact",
  "exact_match",
)
# Fonts with Japanese glyphs on Linux, macOS and Windows, the better first.
_JAPANESE_FONTS = (
  "Noto Sans CJK JP",
  "Noto Sans JP",
  "Source Han Sans JP",
  "IPAexGothic",
  "IPAGothic",
  "TakaoGothic",
  "VL Gothic",
  "Hiragino Sans",
  "BIZ UDGothic",
  "Yu Gothic",
  "Meiryo",
  "MS Gothic",
)
_MOST_POINTS = 2000  # more than the dots of a picture's width
_MARK_STYLES = (":", "-.", "--")
_MOST_COUNTED_CLASSES = 40  # more cells than this a side have no room for numbers


def learning_curve(
  history: Sequence[Mapping[str, Any]], metrics: Sequence[str] | None = None
) -> bytes | None:
  """Draws losses over steps to the left and metrics to the right.

  Args:
    history: dicts with `step`, `split` and metrics. `loss` is drawn on the left, or
      metrics ending in `_loss` if there is none.
    metrics: names for the right; by default accuracies, F1 and the like.

  Returns:
    PNG data; None if there is no finite number to draw.
  """
  names = list(dict.fromkeys(name for entry in history for name in entry))
  losses = [name for name in names if name == "loss"] or [
    name for name in names if name.endswith("_loss")
  ]
  if metrics is None:
    metrics = [name for name in names if _is_curve(name)]
  panels = [
    (title, lines)
    for title, lines in (
      ("loss", _lines(history, losses)),
      ("metrics", _lines(history, metrics)),
    )
    if lines
  ]
  if not panels:
    return None
  figure = new_figure(5.5 * len(panels), 4)
  for number, (title, lines) in enumerate(panels, 1):
    axes = figure.add_subplot(1, len(panels), number)
    for label, steps, values in lines:
      # A line through one point is invisible, so few points are marked.
      marker = "o" if len(steps) <= 50 else None
      axes.plot(steps, values, label=label, marker=marker, markersize=3)
    axes.set_xlabel("step")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.xaxis.get_major_locator().set_params(integer=True)
    # Below: curves fill the whole panel.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncol=2, frameon=False)
  return png(figure)


def _is_curve(name):
  return any(name == curve or name.endswith("_" + curve) for curve in _CURVES)


def _lines(history, names):
  """(label, steps, values) for each split and name that has finite numbers."""
  lines = []
  for split in dict.fromkeys(entry.get("split", "") for entry in history):
    for name in names:
      points = [
        (entry["step"], float(entry[name]))
        for entry in history
        if entry.get("split", "") == split and entry.get(name) is not None
      ]
      points = [point for point in points if math.isfinite(point[1])]
      if points:
        label = name if name.startswith(f"{split}_") else f"{split} {name}".strip()
        lines.append((label, *zip(*points, strict=True)))
  return lines


def threshold_curve(
  thresholds: np.ndarray,
  scores: Mapping[str, np.ndarray],
  marks: Mapping[str, float],
) -> bytes:
  """Draws scores by the no-answer threshold, and some thresholds as upright lines.

  The lowest and highest hundredth of the thresholds lie outside of the picture, since
  single odds may be far from all others.

  Args:
    thresholds: float [T], ascending.
    scores: by name, float [T] in percent.
    marks: thresholds by name, at most three; those outside of the picture are left out.

  Returns:
    PNG data.
  """
  low, high = np.quantile(thresholds, [0.01, 0.99])
  margin = 0.02 * (high - low) or 1.0
  shown = np.unique(np.linspace(0, len(thresholds) - 1, _MOST_POINTS, dtype=int))
  figure = new_figure(6.5, 4)
  axes = figure.add_subplot()
  for name, values in scores.items():
    label = name.replace("_", " ")
    # Between two odds the scores stay what they are at the lower one.
    axes.plot(thresholds[shown], values[shown], label=label, drawstyle="steps-post")
  for (name, threshold), style in zip(marks.items(), _MARK_STYLES, strict=False):
    if low - margin <= threshold <= high + margin:
      label = f"{name} ({threshold:.4g})"
      axes.axvline(threshold, color="gray", linestyle=style, linewidth=1, label=label)
  axes.set_xlim(low - margin, high + margin)
  axes.set_xlabel("no-answer threshold")
  axes.set_ylabel("score (%)")
  axes.grid(alpha=0.3)
  axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncol=3, frameon=False)
  return png(figure)


def bar_chart(
  values: np.ndarray, names: Sequence[str], series: Sequence[str], digits: int = 2
) -> bytes | None:
  """Draws a group of bars for each name, with each bar's value above it.

  Names or series that no installed font can draw appear as their numbers, from 1 on.

  Args:
    values: float [N, K]; NaN for a bar that is missing.
    names: N texts below the groups.
    series: K texts for the legend.
    digits: decimals of the values.

  Returns:
    PNG data; None if no value is finite.
  """
  if not np.isfinite(values).any():
    return None
  count, bars = values.shape
  font, series_font = font_for("".join(names)), font_for("".join(series))
  shown = list(names) if font else [str(number + 1) for number in range(count)]
  labels = list(series) if series_font else [str(n + 1) for n in range(bars)]
  inches = min(max(5.0, 0.35 * count * bars + 1.5), 30.0)
  longest = 0.1 * max(map(len, shown))  # inches, a tenth for each letter
  fits = longest < inches / count
  figure = new_figure(inches, 4 if fits else 4 + longest)
  axes = figure.add_subplot()
  width = 0.8 / bars
  for number, label in enumerate(labels):
    places = np.arange(count) + (number - (bars - 1) / 2) * width
    heights = np.where(np.isfinite(values[:, number]), values[:, number], np.nan)
    drawn = axes.bar(places, heights, width, label=label)
    texts = ["" if np.isnan(height) else f"{height:.{digits}f}" for height in heights]
    axes.bar_label(drawn, texts, padding=2, fontsize=7, rotation=90)
  axes.margins(y=0.2)  # room for the values
  rotation = 0 if fits else 90
  axes.set_xticks(range(count), shown, fontproperties=font, rotation=rotation)
  if not font:
    axes.set_xlabel("rows of the table")
  axes.grid(alpha=0.3, axis="y")
  entry = 0.1 * max(map(len, labels)) + 0.7  # inches, those of its mark included
  figure.legend(
    loc="outside lower center",
    ncol=max(1, int(inches / entry)),
    frameon=False,
    prop=series_font,
    title=None if series_font else "columns of the table",
  )
  return png(figure)


def confusion_matrix(matrix: np.ndarray, label_names: Sequence[str]) -> bytes:
  """Draws counts in cells, shaded by their share of the true label's row.

  Labels that no installed font can draw appear as their numbers.

  Args:
    matrix: int [C, C], rows are true labels.
    label_names: C names.

  Returns:
    PNG data.
  """
  size = len(matrix)
  font = font_for("".join(label_names))
  names = list(label_names) if font else [str(number) for number in range(size)]
  shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # [C, C]
  side = min(max(4.0, 0.55 * size + 2), 20.0)
  figure = new_figure(side + 1, side)
  axes = figure.add_subplot()
  image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
  figure.colorbar(image, ax=axes, label="share of the true label", shrink=0.8)
  axes.set_xticks(range(size), names, fontproperties=font, rotation=_rotation(names))
  axes.set_yticks(range(size), names, fontproperties=font)
  numbers = "" if font else " (numbers as in confusion_matrix.txt)"
  axes.set_xlabel("predicted label" + numbers)
  axes.set_ylabel("true label")
  if size <= _MOST_COUNTED_CLASSES:
    _write_counts(axes, matrix, shares)
  return png(figure)


def _rotation(names):
  return 90 if len(names) * max(map(len, names)) > 40 else 0


def _write_counts(axes, matrix, shares):
  digits = len(str(matrix.max()))
  for row, column in np.ndindex(*matrix.shape):
    axes.text(
      column,
      row,
      str(matrix[row, column]),
      ha="center",
      va="center",
      fontsize=9 if digits <= 4 else 7,
      color="white" if shares[row, column] > 0.5 else "black",
    )


def font_for(text: str) -> Any:
  """Font properties that can draw every character of a text; None if there are none."""
  from matplotlib import font_manager

  installed = {font.name for font in font_manager.fontManager.ttflist}
  default = font_manager.FontProperties().get_name()
  for name in (default, *_JAPANESE_FONTS):
    if name in installed:
      properties = font_manager.FontProperties(family=name)
      path = font_manager.findfont(properties)
      glyphs = font_manager.get_font(path).get_charmap()
      if all(ord(character) in glyphs for character in text):
        return properties
  return None


def new_figure(width: float, height: float) -> Any:
  """An empty Matplotlib figure of so many inches."""
  from matplotlib.backends import backend_agg
  from matplotlib.figure import Figure

  figure = Figure(figsize=(width, height), layout="constrained")
  backend_agg.FigureCanvasAgg(figure)
  return figure


def png(figure: Any) -> bytes:
  """A figure as PNG data."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format="png", dpi=120)
  return buffer.getvalue()

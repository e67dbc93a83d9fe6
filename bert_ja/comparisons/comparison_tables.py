"""What tables of scores have in common: titles, best values, cells and CSV files."""

import csv
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bert_ja import text_io
from bert_ja.metrics import smaller_is_better

_TITLES = {
  "exact_match": "EM",
  "f1": "F1",
  "character_f1": "character F1",
  "f1_macro": "macro F1",
}


def title(metric: str) -> str:
  """What a metric is called in a table."""
  return _TITLES.get(metric, metric.replace("_", " "))


def signed(metric: str, value: Any) -> Any:
  """Values of which the largest is the best; NaN is worse than any."""
  sign = -1 if smaller_is_better(metric) else 1
  return np.where(np.isnan(value), -math.inf, sign * np.asarray(value))


def best_of_columns(values: np.ndarray, metrics: Sequence[str]) -> np.ndarray:
  """Where the best of each column stand, all equal ones: bool [rows, columns].

  Args:
    values: float [rows, columns]; NaN where there is none.
    metrics: of the columns.
  """
  columns = [signed(metric, values[:, place]) for place, metric in enumerate(metrics)]
  ranks = np.stack(columns, axis=1)
  return (ranks == ranks.max(axis=0)) & ~np.isnan(values)


def cell(text: str, is_best: bool) -> str:
  """A cell of a Markdown table, bold if it is the best of its column."""
  return f"**{text}**" if is_best else text


def escaped(name: str) -> str:
  """A name as a cell of a Markdown table, which a bar would end."""
  return name.replace("|", "\\|")


def write_csv(path: str, rows: Iterable[Sequence[Any]]) -> None:
  """Writes a CSV file, whole or not at all."""
  with text_io.written_whole(path) as writer:
    csv.writer(writer, lineterminator="\n").writerows(rows)

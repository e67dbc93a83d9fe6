"""Learning curves: measurements of a training by its steps, as a table and a picture."""

import csv
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bert_ja import figures, reporting, table_files, text_io

_COLUMNS = ("step", "epoch", "split")


def write(
  directory: str,
  history: Sequence[Mapping[str, Any]],
  metrics: Sequence[str] | None = None,
) -> None:
  """Writes `learning_curve.csv` and, if there is something to draw, its picture.

  Args:
    directory: an existing directory; files of an earlier call are replaced.
    history: one dict a measurement: `step`, `epoch`, `split` ("train" or "eval") and
      any metrics. Columns of the CSV are these three, then `loss`, then the other
      metrics by name; a missing metric is an empty cell.
    metrics: which metrics `learning_curve.png` shows to the right of the losses; by
      default accuracies, F1 and the like.
  """
  first = [*_COLUMNS, "loss"]
  names = {name for entry in history for name in entry}
  columns = first + sorted(names - set(first))
  with text_io.written_whole(os.path.join(directory, "learning_curve.csv")) as writer:
    table = csv.writer(writer, lineterminator="\n")
    table.writerow(columns)
    for entry in history:
      table.writerow([_exact_text(entry.get(column)) for column in columns])
  picture = figures.learning_curve(history, metrics)
  if picture is not None:
    text_io.write_bytes(os.path.join(directory, "learning_curve.png"), picture)


def read(directory: str) -> list[dict[str, Any]]:
  """The history that `write` wrote; empty if there is no file yet.

  Numbers come back exactly, as int or float; metrics that were None are left out.
  """
  path = os.path.join(directory, "learning_curve.csv")
  if not text_io.exists(path):
    return []
  _, rows = table_files.read_table(path)
  return [
    {
      name: text if name == "split" else reporting.exact_number(text)
      for name, text in row.items()
      if text
    }
    for _, row in rows
  ]


def _exact_text(value):
  if value is None or isinstance(value, str):
    return value
  # `repr` of a float is the shortest text that reads back as the same float.
  return repr(np.asarray(value).item())

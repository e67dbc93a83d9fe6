"""Reports of predicted labels: scores of each label, confusion matrices; read back too.

R rows (examples), C classes. scikit-learn is imported where used, so that importing
this module stays fast.
"""

import itertools
import os
import re
from collections.abc import Mapping, Sequence

import numpy as np
from absl import logging

from bert_ja import entity_scores, figures, metrics, reporting, text_io

_SCREEN_COLUMNS = 88
# Of classification_report.txt; entity_report.txt has types in place of labels.
LABEL_COLUMNS = ("label", "precision", "recall", "F1", "support")


def write_classification_report(
  directory: str,
  labels: Sequence[int],
  predicted: Sequence[int],
  label_names: Sequence[str],
) -> list[str]:
  """Writes `classification_report.txt`, `confusion_matrix.txt`, `confusion_matrix.png`.

  Args:
    directory: an existing directory.
    labels: int [R], each in [0, C).
    predicted: int [R], each in [0, C).
    label_names: C names.

  Returns:
    The paths. The report is logged too.

  Raises:
    ValueError: no rows, or sizes that do not match.
  """
  labels, predicted = np.asarray(labels), np.asarray(predicted)
  if not labels.size or labels.ndim != 1 or labels.shape != predicted.shape:
    raise ValueError(
      "expected as many predictions as labels and at least one, got "
      f"{list(labels.shape)} labels and {list(predicted.shape)} predictions"
    )
  report = _write_report(
    directory, "classification_report.txt", _report_text(labels, predicted, label_names)
  )
  return [report, *_write_matrix(directory, labels, predicted, label_names)]


def _write_matrix(directory, labels, predicted, label_names):
  matrix = np.zeros([len(label_names)] * 2, np.int64)  # [C, C]
  np.add.at(matrix, (labels, predicted), 1)
  paths = [
    os.path.join(directory, f"confusion_matrix.{ending}") for ending in ("txt", "png")
  ]
  text_io.write_text(paths[0], _matrix_text(matrix, label_names))
  text_io.write_bytes(paths[1], figures.confusion_matrix(matrix, label_names))
  return paths


def write_label_report(
  directory: str,
  targets: np.ndarray,
  predicted: np.ndarray,
  label_names: Sequence[str],
) -> list[str]:
  """Writes `classification_report.txt` of rows with any number of labels.

  Args:
    directory: an existing directory.
    targets: int [R, C], 1 for each label that a row has, else 0.
    predicted: the same of predicted labels.
    label_names: C names.

  Returns:
    The path. The report is logged too.
  """
  averages = ("micro", "macro", "weighted")
  columns = metrics.indicators(targets), metrics.indicators(predicted)
  table = _scores_table(*columns, label_names, averages, int(targets.sum()))
  right = int(np.sum((targets == predicted).all(axis=1)))
  sums = (
    f"all labels of a row right {right / len(targets):.4f} ({right} of {len(targets)})"
  )
  return [_write_report(directory, "classification_report.txt", f"{table}\n{sums}\n")]


def write_entity_report(
  directory: str,
  scores: Mapping[str, tuple[entity_scores.Score, Mapping[str, entity_scores.Score]]],
) -> list[str]:
  """Writes `entity_report.txt`: a table for each way to count entities.

  Args:
    directory: an existing directory.
    scores: {what heads the types: what `entity_scores.score` returns}.

  Returns:
    The path. The report is logged too.
  """
  tables = []
  for heading, (total, by_type) in scores.items():
    rows = [
      (name, row.precision, row.recall, row.f1, row.support)
      for name, row in [*by_type.items(), ("(all)", total)]
    ]
    tables.append(reporting.format_table(rows, (heading, *LABEL_COLUMNS[1:])))
  return [_write_report(directory, "entity_report.txt", "\n".join(tables))]


def write_type_matrix(
  directory: str,
  true: Sequence[Sequence[str]],
  predicted: Sequence[Sequence[str]],
  label_list: Sequence[str],
) -> list[str]:
  """Writes `confusion_matrix.txt` and `.png`: words by true and predicted type.

  B-<type> and I-<type> count as one; O comes first.

  Args:
    directory: an existing directory.
    true: tags of each sentence.
    predicted: as many.
    label_list: all tags that there are.

  Returns:
    The paths.
  """
  types = sorted({entity_scores.type_of(tag) for tag in label_list} - {None})
  places = {name: place for place, name in enumerate([None, *types])}

  def places_of(sentences):
    found = [places[entity_scores.type_of(tag)] for tags in sentences for tag in tags]
    return np.array(found, np.int64)

  return _write_matrix(directory, places_of(true), places_of(predicted), ["O", *types])


def _write_report(directory, name, text):
  path = os.path.join(directory, name)
  text_io.write_text(path, text)
  logging.info("%s", text)
  return path


def _scores_table(labels, predicted, label_names, averages, support):
  from sklearn import metrics as sk

  def scores(average):
    return sk.precision_recall_fscore_support(
      labels,
      predicted,
      labels=range(len(label_names)),
      average=average,
      zero_division=0,
    )

  rows = list(zip(label_names, *scores(None), strict=True))
  for average in averages:
    rows.append((f"({average} average)", *scores(average)[:3], support))
  return reporting.format_table(rows, LABEL_COLUMNS)


def _report_text(labels, predicted, label_names):
  averages = ("macro", "weighted")
  table = _scores_table(labels, predicted, label_names, averages, len(labels))
  right = int(np.sum(labels == predicted))
  return f"{table}\naccuracy {right / len(labels):.4f} ({right} of {len(labels)})\n"


def _matrix_text(matrix, label_names):
  numbers = [str(number) for number in range(len(label_names))]
  numbered = [f"{number} {name}" for number, name in enumerate(label_names)]
  rows = [(name, *row) for name, row in zip(numbered, matrix.tolist(), strict=True)]
  # Long names stay at the rows only, so that a row fits on a screen.
  for headers in (numbered, numbers):
    table = reporting.format_table(rows, ("true \\ predicted", *headers))
    if reporting.display_width(table.split("\n")[0]) <= _SCREEN_COLUMNS:
      break
  return f"Rows are true labels, columns are predicted labels.\n\n{table}"


def read_label_report(path: str) -> list[list[str]]:
  """The first table of `classification_report.txt` or `entity_report.txt`.

  Returns:
    Cells of `LABEL_COLUMNS` for each label and average, as texts.

  Raises:
    ValueError: the file is damaged.
  """
  # A blank line ends the table: sums, or the table of strict scores, follow.
  lines = itertools.takewhile(str.strip, text_io.read_lines(path)[1:])
  return [_name_and_numbers(line, len(LABEL_COLUMNS) - 1, path) for line in lines]


def read_confusion_matrix(path: str) -> tuple[list[str], list[list[int]]]:
  """What a function above wrote into `confusion_matrix.txt`.

  Returns:
    (C names, counts [C][C]); rows are true labels.

  Raises:
    ValueError: the file is damaged.
  """
  lines = text_io.read_lines(path)[3:]  # the title, a blank line, names
  rows = [_name_and_numbers(line, len(lines), path) for line in lines]
  # Names are numbered.
  names = [name.partition(" ")[2] for name, *_ in rows]
  return names, [[*map(int, counts)] for _, *counts in rows]


def _name_and_numbers(line, count, path):
  """Cells of a line: a name, which may hold spaces, and the numbers behind it."""
  cells = line.rsplit(None, count)
  if len(cells) == count:
    cells = ["", *cells]  # a name of no letters
  _, *numbers = cells or [""]
  if len(numbers) != count or not all(
    re.fullmatch(r"[\d.]+|nan", number) for number in numbers
  ):
    raise ValueError(
      f"{path}: expected a name and {count} numbers, found {line!r}; run the script "
      "again"
    )
  return cells

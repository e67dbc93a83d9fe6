"""What a run tells: result files, tables, progress, learning curves, predictions.

R rows (examples), C classes. scikit-learn and tqdm are imported where used, so that
importing this module stays fast.
"""

import csv
import itertools
import logging as python_logging
import math
import os
import re
import resource
import string
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any

import numpy as np
from absl import logging

from bert_ja import figures, table_files, text_io

_CURVE_COLUMNS = ("step", "epoch", "split")
_BAR_SECONDS = 0.5  # least time between two readings of the values beside a bar
_AS_IT_IS = (int, np.integer, str)  # values of `update` that are not rounded
_SCREEN_COLUMNS = 88
_MISSING = object()
# Of classification_report.txt; entity_report.txt has types in place of labels.
LABEL_COLUMNS = ("label", "precision", "recall", "F1", "support")
# All that `str.splitlines` and spreadsheet programs take as the end of a cell or line.
_BREAKS = re.compile("\r\n|[\t-\r\x1c-\x1e\x85\u2028\u2029]")

# --- Numbers and tables -------------------------------------------------------------


def number_text(value: Any) -> str:
  """A number as the original prints it: the shortest text of its float32 value.

  Integers and truth values are printed plainly (`343`), other values as `str` does.
  """
  array = np.asarray(value)
  if array.ndim:
    raise ValueError(f"expected one number, got an array of shape {list(array.shape)}")
  if array.dtype.kind == "f":
    return str(np.float32(array))
  return str(array.item())


def duration_text(seconds: float) -> str:
  """Seconds in two units at most: `4.2 s`, `2 min 10 s`, `1 h 3 min`, `2 d 5 h`."""
  if not math.isfinite(seconds) or seconds < 0:
    raise ValueError(f"expected a number of seconds from 0 on, got {seconds}")
  if round(seconds, 1) < 10:
    return f"{seconds:.1f} s"
  whole = round(seconds)
  if whole < 60:
    return f"{whole} s"
  if whole < 3600:
    return f"{whole // 60} min {whole % 60} s"
  minutes = round(seconds / 60)
  if minutes < 24 * 60:
    return f"{minutes // 60} h {minutes % 60} min"
  hours = round(seconds / 3600)
  return f"{hours // 24} d {hours % 24} h"


def peak_memory_bytes() -> int:
  """The most main memory this process has held, in bytes (not that of a GPU)."""
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return peak if sys.platform == "darwin" else peak * 1024  # Linux counts KiB


def display_width(text: str) -> int:
  """Columns of a terminal that `text` takes: wide East Asian characters take two."""
  return sum(
    0
    if unicodedata.category(character) in ("Mn", "Me", "Cf")
    else 1 + (unicodedata.east_asian_width(character) in "WF")
    for character in text
  )


def format_table(
  rows: Iterable[Sequence[Any]],
  headers: Sequence[str],
  *,
  digits: int = 4,
  markdown: bool = False,
) -> str:
  """Lays out rows as an aligned table.

  A column whose cells are all numbers (or texts of numbers) is aligned to the right,
  any other to the left. None is an empty cell.

  Args:
    rows: cells, as many as headers; floats are printed with `digits` decimals, other
      values with `str`. Tabs and line ends in cells become spaces.
    headers: one text a column.
    digits: decimals of floats.
    markdown: whether to draw a Markdown table.

  Returns:
    Lines, each ended by a newline.

  Raises:
    ValueError: a row has another number of cells than there are headers.
  """
  lines = [[_cell_text(header, digits) for header in headers]]
  for row in rows:
    if len(row) != len(headers):
      raise ValueError(f"expected {len(headers)} cells ({headers}), got {row}")
    lines.append([_cell_text(cell, digits) for cell in row])
  columns = list(zip(*lines, strict=True))
  widths = [max(map(display_width, column)) for column in columns]
  right = [all(map(_is_number_text, column[1:])) for column in columns]
  if markdown:
    widths = [max(width, 3) for width in widths]
    ends = [":" if is_right else "-" for is_right in right]
    lines.insert(1, ["-" * (w - 1) + end for w, end in zip(widths, ends, strict=True)])
  left_edge, between, right_edge = ("| ", " | ", " |") if markdown else ("", "  ", "")
  return "".join(
    (left_edge + between.join(map(_padded, line, widths, right)) + right_edge).rstrip()
    + "\n"
    for line in lines
  )


def _cell_text(cell, digits):
  if cell is None:
    return ""
  if isinstance(cell, (float, np.floating)):
    return f"{cell:.{digits}f}"
  return _BREAKS.sub(" ", str(cell))


def _is_number_text(text):
  return not text or re.fullmatch(r"[+-]?[\d.,]+(e[+-]?\d+)?%?|nan|[+-]?inf", text)


def _padded(text, width, right):
  space = " " * (width - display_width(text))
  return space + text if right else text + space


def write_results(
  path: str,
  results: Mapping[str, Any],
  heading: str = "***** Eval results *****",
) -> None:
  """Writes `key = value` lines, sorted by key, and logs them under `heading`."""
  lines = [f"{key} = {number_text(results[key])}" for key in sorted(results)]
  text_io.write_text(path, "".join(line + "\n" for line in lines))
  logging.info("%s", heading)
  for line in lines:
    logging.info("  %s", line)


def read_results(path: str) -> dict[str, int | float]:
  """What `write_results` wrote, by name.

  Raises:
    ValueError: a line is something else.
  """
  results = {}
  for number, line in enumerate(text_io.read_lines(path), 1):
    name, _, value = line.partition(" = ")
    try:
      results[name] = _exact_number(value)
    except ValueError:
      raise ValueError(
        f"{path}, line {number}: expected `name = number`, found {line!r}; run the "
        "script again"
      ) from None
  return results


# --- Progress -----------------------------------------------------------------------


class Progress:
  """Tells how far long work is: a bar on a terminal, now and then a line in a log.

      with Progress(total=343, unit="step", description="train") as progress:
        for batch in batches:
          progress.update(1, loss=loss, learning_rate=rate)

  A log line reads `train: step 120/343 (35%), loss 0.6123, learning rate 1.2e-05,
  41.3 examples/s, 2 min 10 s left`. Speed is that since the line before, time left that
  of this run; both leave out the first update where they can, since it includes
  tracing. The last line gives the whole time, or where an exception stopped the work.
  """

  def __init__(
    self,
    total: int | None = None,
    unit: str = "step",
    description: str = "",
    *,
    initial: int = 0,
    examples_per_unit: float | None = None,
    interval: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
    stream: IO[str] | None = None,
  ):
    """Prepares; nothing is shown before `with`.

    Args:
      total: units of the whole work, with those of earlier runs; None if unknown.
      unit: what is counted, in the singular.
      description: name of the work.
      initial: units done by earlier runs.
      examples_per_unit: batch size, to give the speed in examples/s.
      interval: least seconds between two log lines.
      clock: seconds from any fixed time.
      stream: where the bar goes if it is a terminal; the standard error by default.
    """
    self._total, self._unit, self._description = total, unit, description
    self._done, self._examples_per_unit = initial, examples_per_unit
    self._interval, self._clock = interval, clock
    self._stream = stream if stream is not None else sys.stderr
    self._values: dict[str, Any] = {}
    self._bar, self._handlers = None, []

  def __enter__(self) -> "Progress":
    # (seconds, units done) at the start, after the first update, at the line before.
    self._entered = self._started = self._mark = (self._clock(), self._done)
    self._shown_at = self._entered[0]
    if self._stream.isatty():
      self._open_bar()
    return self

  def update(self, n: int = 1, **values: Any) -> None:
    """Counts `n` units as done.

    Args:
      n: units.
      **values: what to show beside them, such as `loss`. They are read (`float`) only
        when shown, so numbers still on a device cost nothing in between.
    """
    now, first = self._clock(), self._done == self._entered[1]
    self._done += n
    self._values.update(values)
    finished = self._total is not None and self._done >= self._total
    if self._bar is not None:
      self._update_bar(n, now, finished)
    elif not finished and now - self._shown_at >= self._interval:
      # The last unit is left to the closing line.
      logging.info("%s", self._line(now))
      self._mark, self._shown_at = (now, self._done), now
    if first:
      self._started = self._mark = (now, self._done)

  def update_to(self, done: int, total: int) -> None:
    """What functions call that report (units done, units in all)."""
    self._total = total
    self.update(done - self._done)

  def __exit__(self, exception_type, exception, traceback):
    if self._bar is not None:
      self._close_bar()
      return
    now = self._clock()
    if self._done == self._entered[1] and exception_type is None:
      return  # there was nothing to do
    parts = self._parts(self._overall_rate(now))
    ending = "took" if exception_type is None else "stopped after"
    parts.append(f"{ending} {duration_text(now - self._entered[0])}")
    logging.info("%s", ", ".join(parts))

  def _line(self, now):
    parts, overall = self._parts(self._rate(self._mark, now)), self._overall_rate(now)
    if overall and self._total is not None:
      parts.append(f"{duration_text((self._total - self._done) / overall)} left")
    return ", ".join(parts)

  def _parts(self, rate):
    count = f"{self._unit} {self._done}"
    if self._total:
      count += f"/{self._total} ({100 * self._done // self._total}%)"
    if self._description:
      count = f"{self._description}: {count}"
    return [count, *self._value_texts(), *([self._speed_text(rate)] if rate else [])]

  def _value_texts(self):
    return [
      f"{name.replace('_', ' ')} "
      + (str(value) if isinstance(value, _AS_IT_IS) else f"{float(value):.4g}")
      for name, value in self._values.items()
    ]

  def _speed_text(self, rate):
    unit = self._unit
    if self._examples_per_unit is not None:
      rate, unit = rate * self._examples_per_unit, "example"
    digits = 0 if rate >= 100 else 1 if rate >= 10 else 2
    return f"{rate:.{digits}f} {unit}s/s"

  def _overall_rate(self, now):
    return self._rate(self._started, now) or self._rate(self._entered, now)

  def _rate(self, mark, now):
    """Units per second since a mark; None if no time passed or nothing was done."""
    seconds, units = now - mark[0], self._done - mark[1]
    return units / seconds if seconds > 0 and units > 0 else None

  def _open_bar(self):
    import tqdm

    self._bar = tqdm.tqdm(
      total=self._total,
      initial=self._done,
      desc=self._description or None,
      unit=f" {self._unit}",
      file=self._stream,
      dynamic_ncols=True,
      leave=None,  # a bar inside another one disappears when it is done
    )
    # A log line would be written behind the bar: wipe the bar before every line. The
    # next update draws it again below.
    self._handlers = list(python_logging.getLogger().handlers)
    for handler in self._handlers:
      handler.addFilter(self._wipe_bar)

  def _wipe_bar(self, record):
    del record  # every record passes
    self._bar.clear()
    return True

  def _update_bar(self, n, now, finished):
    if finished or now - self._shown_at >= _BAR_SECONDS:
      parts = self._value_texts()
      rate = self._rate(self._mark, now)
      if rate and self._examples_per_unit is not None:
        parts.append(self._speed_text(rate))
      self._bar.set_postfix_str(", ".join(parts), refresh=finished)
      self._mark, self._shown_at = (now, self._done), now
    self._bar.update(n)

  def _close_bar(self):
    for handler in self._handlers:
      handler.removeFilter(self._wipe_bar)
    self._bar.close()
    self._bar, self._handlers = None, []


# --- Learning curve -----------------------------------------------------------------


def write_learning_curve(
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
  first = [*_CURVE_COLUMNS, "loss"]
  names = {name for entry in history for name in entry}
  columns = first + sorted(names - set(first))
  with text_io.written_whole(os.path.join(directory, "learning_curve.csv")) as writer:
    table = csv.writer(writer, lineterminator="\n")
    table.writerow(columns)
    for entry in history:
      table.writerow([_exact_text(entry.get(column)) for column in columns])
  picture = figures.learning_curve(history, metrics)
  if picture is not None:
    _write_bytes(os.path.join(directory, "learning_curve.png"), picture)


def read_learning_curve(directory: str) -> list[dict[str, Any]]:
  """The history that `write_learning_curve` wrote; empty if there is no file yet.

  Numbers come back exactly, as int or float; metrics that were None are left out.
  """
  path = os.path.join(directory, "learning_curve.csv")
  if not text_io.exists(path):
    return []
  _, rows = table_files.read_table(path)
  return [
    {
      name: text if name == "split" else _exact_number(text)
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


def _exact_number(text):
  try:
    return int(text)
  except ValueError:
    return float(text)


def _write_bytes(path, data):
  with text_io.written_whole(path, "wb") as writer:
    writer.write(data)


# --- Classification -----------------------------------------------------------------


def write_classification_report(
  directory: str,
  labels: Sequence[int],
  predicted: Sequence[int],
  label_names: Sequence[str],
) -> None:
  """Writes `classification_report.txt`, `confusion_matrix.txt`, `confusion_matrix.png`.

  Args:
    directory: an existing directory.
    labels: int [R], each in [0, C).
    predicted: int [R], each in [0, C).
    label_names: C names.

  Raises:
    ValueError: no rows, or sizes that do not match.
  """
  labels, predicted = np.asarray(labels), np.asarray(predicted)
  if not labels.size or labels.ndim != 1 or labels.shape != predicted.shape:
    raise ValueError(
      "expected as many predictions as labels and at least one, got "
      f"{list(labels.shape)} labels and {list(predicted.shape)} predictions"
    )
  matrix = np.zeros([len(label_names)] * 2, np.int64)  # [C, C]
  np.add.at(matrix, (labels, predicted), 1)
  text_io.write_text(
    os.path.join(directory, "classification_report.txt"),
    _report_text(labels, predicted, label_names),
  )
  text_io.write_text(
    os.path.join(directory, "confusion_matrix.txt"), _matrix_text(matrix, label_names)
  )
  _write_bytes(
    os.path.join(directory, "confusion_matrix.png"),
    figures.confusion_matrix(matrix, label_names),
  )


def write_label_report(
  directory: str,
  targets: np.ndarray,
  predicted: np.ndarray,
  label_names: Sequence[str],
) -> str:
  """Writes `classification_report.txt` of rows with any number of labels.

  Args:
    directory: an existing directory.
    targets: int [R, C], 1 for each label that a row has, else 0.
    predicted: the same of predicted labels.
    label_names: C names.

  Returns:
    The path.
  """
  averages = ("micro", "macro", "weighted")
  table = _scores_table(targets, predicted, label_names, averages, int(targets.sum()))
  right = int(np.sum((targets == predicted).all(axis=1)))
  path = os.path.join(directory, "classification_report.txt")
  text_io.write_text(
    path,
    f"{table}\nall labels of a row right {right / len(targets):.4f} ({right} of "
    f"{len(targets)})\n",
  )
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
  return format_table(rows, LABEL_COLUMNS)


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
    table = format_table(rows, ("true \\ predicted", *headers))
    if display_width(table.split("\n")[0]) <= _SCREEN_COLUMNS:
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
  """What `write_classification_report` wrote into `confusion_matrix.txt`.

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


# --- Predictions --------------------------------------------------------------------


def write_predictions(
  path: str,
  ids: Iterable[Any],
  texts: Iterable[Sequence[str]],
  labels: Iterable[int | None] | None,
  probabilities: Iterable[Sequence[float]],
  label_names: Sequence[str],
) -> int:
  """Writes what was predicted beside its text, as a TSV file with a header.

  Columns: `id`; `text`, or `text_a`, `text_b`, ... for pairs and more; `label` if
  `labels` are given; `predicted`; `probability_<label>` for each class. Tabs and line
  ends in cells become spaces. Rows are written as they come, so generators of any
  length do; the file appears when all are written.

  Args:
    path: the file.
    ids: [R].
    texts: [R] tuples, all of the same length.
    labels: int [R], None where one row's label is unknown; None if all are.
    probabilities: float [R, C].
    label_names: C names.

  Returns:
    R.

  Raises:
    ValueError: the columns have different lengths.
  """
  columns = [ids, texts, probabilities] + ([] if labels is None else [labels])
  count = 0
  with text_io.written_whole(path) as writer:
    for row in itertools.zip_longest(*columns, fillvalue=_MISSING):
      if any(cell is _MISSING for cell in row):
        raise ValueError(
          f"{path}: expected as many ids, texts, labels and probabilities; one of them "
          f"ends after {count} rows"
        )
      row_id, row_texts, row_probabilities, *label = row
      if not count:
        header = _prediction_header(len(row_texts), labels is not None, label_names)
        _write_cells(writer, header)
      names = ["" if k is None else label_names[k] for k in label]
      names.append(label_names[int(np.argmax(row_probabilities))])
      numbers = [number_text(np.float32(value)) for value in row_probabilities]
      _write_cells(writer, [row_id, *row_texts, *names, *numbers])
      count += 1
    if not count:
      _write_cells(writer, _prediction_header(1, labels is not None, label_names))
  return count


def write_columns(path: str, columns: Mapping[str, Sequence[Any]]) -> str:
  """Writes a TSV file with a header; tabs and line ends in cells become spaces.

  Args:
    path: the file.
    columns: cells by column name, R each; numbers are written by `number_text`.

  Returns:
    The path.

  Raises:
    ValueError: the columns have different lengths.
  """
  lengths = {name: len(cells) for name, cells in columns.items()}
  if len(set(lengths.values())) > 1:
    raise ValueError(f"{path}: expected columns of one length, got {lengths}")
  with text_io.written_whole(path) as writer:
    _write_cells(writer, columns)
    for row in zip(*columns.values(), strict=True):
      _write_cells(writer, map(number_text, row))
  return path


def write_test_results(path: str, probabilities: Iterable[Sequence[float]]) -> int:
  """Writes the original's `test_results.tsv`: class probabilities, no header, no ids.

  Args:
    path: the file.
    probabilities: float [R, C], in the order of the examples; read row by row.

  Returns:
    R.
  """
  count = 0
  with text_io.written_whole(path) as writer:
    for row in probabilities:
      _write_cells(writer, [number_text(np.float32(value)) for value in row])
      count += 1
  return count


def _prediction_header(num_texts, has_labels, label_names):
  letters = string.ascii_lowercase
  texts = ["text"] if num_texts == 1 else [f"text_{k}" for k in letters[:num_texts]]
  label = ["label"] if has_labels else []
  classes = [f"probability_{name}" for name in label_names]
  return ["id", *texts, *label, "predicted", *classes]


def _write_cells(writer, cells):
  writer.write("\t".join(_BREAKS.sub(" ", str(cell)) for cell in cells) + "\n")

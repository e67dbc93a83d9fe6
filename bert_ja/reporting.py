"""What a run tells: numbers and tables as texts, result files, progress.

R rows (examples), C classes. tqdm is imported where used, so that importing this module
stays fast.
"""

import logging as python_logging
import math
import re
import resource
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any

import numpy as np
from absl import logging

from bert_ja import text_io

_BAR_SECONDS = 0.5  # least time between two readings of the values beside a bar
_AS_IT_IS = (int, np.integer, str)  # values of `update` that are not rounded

# --- Numbers, tables and files ------------------------------------------------------


def number_text(value: Any) -> str:
  """A number as the original prints it: the shortest text of its float32 value.

  Integers and truth values are printed plainly (`343`), other values as `str` does.
  """
  if isinstance(value, str):
    return value
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
  return text_io.one_cell(str(cell))


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
      results[name] = exact_number(value)
    except ValueError:
      raise ValueError(
        f"{path}, line {number}: expected `name = number`, found {line!r}; run the "
        "script again"
      ) from None
  return results


def exact_number(text: str) -> int | float:
  """A number as `repr` writes it.

  Raises:
    ValueError: the text is none.
  """
  try:
    return int(text)
  except ValueError:
    return float(text)


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


def _write_cells(writer, cells):
  writer.write("\t".join(text_io.one_cell(str(cell)) for cell in cells) + "\n")


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
    first_is_slow: bool = False,
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
      first_is_slow: whether the first update tells nothing of the time that is left.
      clock: seconds from any fixed time.
      stream: where the bar goes if it is a terminal; the standard error by default.
    """
    self._total, self._unit, self._description = total, unit, description
    self._done, self._examples_per_unit = initial, examples_per_unit
    self._interval, self._clock = interval, clock
    self._first_is_slow = first_is_slow
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
    told = self._started != self._entered or not self._first_is_slow
    if told and overall and self._total is not None:
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

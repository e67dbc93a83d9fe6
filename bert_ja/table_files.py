"""Tables: the rows of CSV, TSV, JSON and JSON-lines files."""

import collections
import contextlib
import csv
import io
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from bert_ja import text_io


def read_tsv(path: str) -> list[list[str]]:
  """Rows of tab-separated cells; quotes are ordinary characters (contract A-83)."""
  return [line.split("\t") if line else [] for line in text_io.read_lines(path)]


def read_table(path: str) -> tuple[list[str], list[tuple[int, dict[str, Any]]]]:
  """Reads the rows of a `.csv`, `.tsv`, `.jsonl` or `.json` file by column name.

  CSV: quoted as in RFC 4180; a quoted cell may hold commas, quotes written twice
  and line breaks.

  TSV: a tab ends a cell and a line end ends a row. A cell that both starts and ends
  with a quote, and has its inner quotes written twice, is unquoted; in any other cell
  quotes are ordinary characters. Only where lines do not split into as many cells as
  the header, and reading them as CSV (quoted tabs and line breaks) gives a row that
  does, they are read so.

  JSON: one object a line, or one list of objects.

  Returns:
    (column names, [(line number from 1, {column: value})]). Blank lines are left out.

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: another ending, no header, a column named twice, a row with another
      number of cells than the header, bad quoting or bad JSON; the message names
      file and line.
  """
  suffix = _suffix(path)
  if suffix in _JSON:
    text = text_io.read_text(path)
    is_list = text.lstrip()[:1] == "["
    values = _json_list(path, text) if is_list else json_lines(path, text.split("\n"))
    rows = list(_objects(path, values))
    return list(dict.fromkeys(name for _, row in rows for name in row)), rows
  if suffix == ".csv":
    lines = io.StringIO(text_io.read_text(path), newline="")
  else:
    lines = text_io.read_lines(path)
  columns, rows = _named_cells(path, _ROWS[suffix](path, lines))
  return columns, [(line, row) for line, row in rows if row is not None]


def stream_table(
  path: str,
) -> tuple[list[str] | None, Iterator[tuple[int, dict[str, Any]]]]:
  """Reads the rows that `read_table` does, one at a time: a file may be of any size.

  In a CSV or TSV table of one column an empty line is a row: its text is empty. A line
  end within a quoted cell is LF. gzip is unpacked. Only a list of JSON objects is read
  whole, and not unpacked.

  Returns:
    (column names; None for JSON, whose objects may each have others, rows as of
    `read_table`).

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: as `read_table`, of the rows when they are reached.
  """
  suffix = _suffix(path)
  if suffix in _JSON:
    with contextlib.closing(text_io.stream_lines(path)) as lines:
      is_list = next((x.lstrip()[0] for x in lines if x.strip()), "") == "["
    if is_list:
      return None, iter(read_table(path)[1])
    return None, _objects(path, json_lines(path, text_io.stream_lines(path)))
  lines = text_io.stream_lines(path)
  if suffix == ".csv":
    # A lone CR ends a line of CSV, too.
    lines = (part for x in lines for part in io.StringIO(f"{x}\n", newline=""))
  columns, rows = _named_cells(path, _ROWS[suffix](path, lines))
  keeps_blank = len(columns) == 1
  return columns, (
    (line, {columns[0]: ""} if row is None else row)
    for line, row in rows
    if keeps_blank or row is not None
  )


def json_lines(path: str, lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
  """Yields (line number from 1, value) of lines that hold one JSON value each.

  Args:
    path: what messages call it.
    lines: without their ends; blank ones are left out.

  Raises:
    ValueError: a line is not JSON.
  """
  for number, line in enumerate(lines, 1):
    if not line.strip():
      continue
    try:
      yield number, json.loads(line)
    except json.JSONDecodeError as error:
      raise ValueError(
        f"{path}, line {number}: expected one JSON object a line ({error.msg})"
      ) from None
    except (RecursionError, ValueError) as error:  # as in `text_io.read_json`
      raise ValueError(
        f"{path}, line {number}: JSON that cannot be read ({error})"
      ) from None


def is_table(path: str) -> bool:
  """Whether the path ends as a table does."""
  return _ending(path) in (*_ROWS, *_JSON)


def _suffix(path):
  if not is_table(path):
    raise ValueError(
      f"{path}: expected a file ending in .csv, .tsv, .json or .jsonl, found "
      f"{_ending(path)!r}"
    )
  return _ending(path)


def _ending(path):
  return os.path.splitext(path)[1].lower()


def _named_cells(path, numbered_cells):
  """(header, [(line, cells by name, or None of a blank line)]) of [(line, cells)]."""
  line, cells = next(
    ((line, cells) for line, cells in numbered_cells if cells), (0, [])
  )
  if not cells:
    raise ValueError(f"{path} is empty; expected a header line with column names")
  header = [cell.strip() for cell in cells]
  for name in header:
    if name and header.count(name) > 1:
      raise ValueError(f"{path}, line {line}: column {name!r} is there twice")
  return header, _rows_of_cells(path, header, numbered_cells)


def _rows_of_cells(path, header, numbered_cells):
  for line, cells in numbered_cells:
    if cells and len(cells) != len(header):
      raise ValueError(
        f"{path}, line {line}: expected {len(header)} cells "
        f"({', '.join(header)}), found {len(cells)}"
      )
    yield line, dict(zip(header, cells, strict=True)) if cells else None


def _csv_rows(path, lines):
  """Yields (line, cells; none of a blank line) of lines with their ends."""
  # csv counts physical lines itself, so that a message names the line an editor shows.
  # Without newline="" (or with str.splitlines) line separators within cells would be
  # lost or end a row.
  reader = csv.reader(lines, strict=True)
  line = 1
  with _long_cells():
    try:
      for cells in reader:
        yield line, cells
        line = reader.line_num + 1
    except csv.Error as error:
      raise ValueError(
        f"{path}, line {line}: {error}; a quote inside a quoted cell is written twice"
      ) from None


@contextlib.contextmanager
def _long_cells():
  """Lets csv read cells of more than its 131,072 characters: texts may be books."""
  before = csv.field_size_limit(1 << 30)
  try:
    yield
  finally:
    csv.field_size_limit(before)


def _tsv_rows(path, lines):
  """Yields (line, cells; none of a blank line) of lines without their ends."""
  del path
  width, number, rest, ahead = None, 1, iter(lines), collections.deque()
  while True:
    if not ahead:
      ahead.extend(itertools.islice(rest, 1))
    if not ahead:
      return
    line, span = ahead[0], 1
    cells = line.split("\t")
    width = width or (len(cells) if line else None)
    row = [_unquoted(cell) for cell in cells] if line else []
    if len(cells) != width or any(map(_opens_quote, cells)):
      quoted, quoted_span = _quoted_tsv_row(_looked_ahead(ahead, rest))
      spanned = itertools.islice(ahead, quoted_span)
      if len(quoted) == width and any(x.count("\t") + 1 != width for x in spanned):
        row, span = quoted, quoted_span
    yield number, row
    number += span
    for _ in range(span):
      ahead.popleft()


def _looked_ahead(ahead, rest):
  """Yields the lines of `ahead` and then of `rest`, which join those of `ahead`."""
  yield from ahead
  for line in rest:
    ahead.append(line)
    yield line


def _quoted_tsv_row(lines):
  """Reads one row as CSV with tabs: (cells, lines used), or ([], 1) if it is not."""
  reader = csv.reader((line + "\n" for line in lines), delimiter="\t", strict=True)
  with _long_cells():
    try:
      return next(reader), reader.line_num
    except csv.Error:
      return [], 1


_ROWS = {".csv": _csv_rows, ".tsv": _tsv_rows}
_JSON = (".json", ".jsonl")

_QUOTED = re.compile(r'"([^"]*(?:""[^"]*)*)"')


def _opens_quote(cell):
  return cell[:1] == '"' and not _QUOTED.fullmatch(cell)


def _unquoted(cell):
  quoted = _QUOTED.fullmatch(cell) if cell[:1] == '"' else None
  return quoted[1].replace('""', '"') if quoted else cell


def _json_list(path, text):
  """The items of a list with the line each starts on."""
  values = text_io.read_json(path)
  decode, between = json.JSONDecoder().raw_decode, re.compile(r"[\s,]*")
  position, line, counted = text.index("[") + 1, 1, 0
  for value in values:
    position = between.match(text, position).end()
    line, counted = line + text.count("\n", counted, position), position
    yield line, value
    position = decode(text, position)[1]


def _objects(path, numbered_values):
  """Yields [(line, value)], all values being objects."""
  for line, value in numbered_values:
    if not isinstance(value, dict):
      raise ValueError(
        f"{path}, line {line}: expected a JSON object, found {type(value).__name__}"
      )
    yield line, value

"""Tables: the rows of CSV, TSV, JSON and JSON-lines files, read whole."""

import contextlib
import csv
import io
import itertools
import json
import os
import re
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
  suffix = os.path.splitext(path)[1].lower()
  if suffix == ".csv":
    return _columns_to_rows(path, _csv_rows(path))
  if suffix == ".tsv":
    return _columns_to_rows(path, _tsv_rows(text_io.read_lines(path)))
  if suffix in (".json", ".jsonl"):
    text = text_io.read_text(path)
    objects = _json_list if text.lstrip()[:1] == "[" else _json_lines
    return _objects_to_rows(path, objects(path, text))
  raise ValueError(
    f"{path}: expected a file ending in .csv, .tsv, .json or .jsonl, found {suffix!r}"
  )


def _columns_to_rows(path, numbered_cells):
  """Names the cells of [(line, cells)], the first of which is the header."""
  header, rows = None, []
  for line, cells in numbered_cells:
    if header is None:
      header = [cell.strip() for cell in cells]
      for name in header:
        if name and header.count(name) > 1:
          raise ValueError(f"{path}, line {line}: column {name!r} is there twice")
      continue
    if len(cells) != len(header):
      raise ValueError(
        f"{path}, line {line}: expected {len(header)} cells "
        f"({', '.join(header)}), found {len(cells)}"
      )
    rows.append((line, dict(zip(header, cells, strict=True))))
  if header is None:
    raise ValueError(f"{path} is empty; expected a header line with column names")
  return header, rows


def _csv_rows(path):
  text = text_io.read_text(path)
  # csv counts physical lines itself, so that a message names the line an editor shows.
  # Without newline="" (or with str.splitlines) line separators within cells would be
  # lost or end a row.
  reader = csv.reader(io.StringIO(text, newline=""), strict=True)
  line = 1
  with _long_cells(len(text)):
    try:
      for cells in reader:
        if cells:
          yield line, cells
        line = reader.line_num + 1
    except csv.Error as error:
      raise ValueError(
        f"{path}, line {line}: {error}; a quote inside a quoted cell is written twice"
      ) from None


@contextlib.contextmanager
def _long_cells(length):
  """Lets csv read cells of more than its 131,072 characters: texts may be books."""
  before = csv.field_size_limit(max(length, csv.field_size_limit()))
  try:
    yield
  finally:
    csv.field_size_limit(before)


def _tsv_rows(lines):
  width, start = None, 0
  while start < len(lines):
    cells, span = lines[start].split("\t"), 1
    width = width or (len(cells) if lines[start] else None)
    row = [_unquoted(cell) for cell in cells] if lines[start] else None
    if len(cells) != width or any(map(_opens_quote, cells)):
      quoted, quoted_span = _quoted_tsv_row(lines, start)
      spanned = lines[start : start + quoted_span]
      if len(quoted) == width and any(x.count("\t") + 1 != width for x in spanned):
        row, span = quoted, quoted_span
    if row:
      yield start + 1, row
    start += span


def _quoted_tsv_row(lines, start):
  """Reads one row as CSV with tabs: (cells, lines used), or ([], 1) if it is not."""
  rest = (line + "\n" for line in itertools.islice(lines, start, None))
  reader = csv.reader(rest, delimiter="\t", strict=True)
  with _long_cells(1 << 30):
    try:
      return next(reader), reader.line_num
    except csv.Error:
      return [], 1


_QUOTED = re.compile(r'"([^"]*(?:""[^"]*)*)"')


def _opens_quote(cell):
  return cell[:1] == '"' and not _QUOTED.fullmatch(cell)


def _unquoted(cell):
  quoted = _QUOTED.fullmatch(cell) if cell[:1] == '"' else None
  return quoted[1].replace('""', '"') if quoted else cell


def _json_lines(path, text):
  for number, line in enumerate(text.split("\n"), 1):
    if not line.strip():
      continue
    try:
      yield number, json.loads(line)
    except json.JSONDecodeError as error:
      raise ValueError(
        f"{path}, line {number}: expected one JSON object a line ({error.msg})"
      ) from None
    except (RecursionError, ValueError) as error:
      raise ValueError(
        f"{path}, line {number}: JSON that cannot be read ({error})"
      ) from None


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


def _objects_to_rows(path, numbered_values):
  columns, rows = {}, []
  for line, value in numbered_values:
    if not isinstance(value, dict):
      raise ValueError(
        f"{path}, line {line}: expected a JSON object, found {type(value).__name__}"
      )
    columns.update(dict.fromkeys(value))
    rows.append((line, value))
  return list(columns), rows

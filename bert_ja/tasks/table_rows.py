"""The texts of a table's rows: cells, texts that stand elsewhere, rows before."""

import collections
import json
import os
from collections.abc import Mapping
from typing import Any

from bert_ja import table_files, text_io


def cell_text(row: Mapping[str, Any], column: str, source: str) -> str:
  """A cell as a text; a number as it is written.

  Args:
    row: {column: value}.
    column: its name.
    source: file and line, for messages.

  Raises:
    ValueError: there is no text in it.
  """
  value = row.get(column)
  if isinstance(value, str):
    return value
  if isinstance(value, int | float) and not isinstance(value, bool):
    return str(value)
  raise ValueError(
    f"{source}, column {column!r}: expected a text, found {described(value)}"
  )


def described(value: Any) -> str:
  """A cell's value for a message."""
  return "nothing" if value is None else json.dumps(value, ensure_ascii=False)[:40]


def read_texts(path: str) -> dict[str, str]:
  """{id: text} of a JSON object, or of a table with columns `id` and `text`.

  Args:
    path: ends in .json, or as `table_files.read_table` has it.

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: it is neither, a text is no text, or an id has two; the message names
      file and, in a table, line.
  """
  is_json = os.path.splitext(path)[1].lower() == ".json"
  if is_json and isinstance(text_io.read_json(path), dict):
    # An id that is there twice is there once in a dictionary.
    pairs = json.loads(text_io.read_text(path), object_pairs_hook=list)
    return _texts_by_id(
      (name, cell_text({name: value}, name, path), path) for name, value in pairs
    )
  columns, rows = table_files.read_table(path)
  for column in ("id", "text"):
    if column not in columns:
      raise ValueError(
        f"--texts_file={path}: expected columns id and text, or a JSON object "
        f'{{"id": "text"}}; it has {", ".join(columns) or "no rows"}'
      )
  places = [(row, f"{path}, line {line}") for line, row in rows]
  return _texts_by_id(
    (cell_text(row, "id", source), cell_text(row, "text", source), source)
    for row, source in places
  )


def _texts_by_id(entries):
  """{id: text} of (id, text, where it stands)."""
  texts = {}
  for name, text, source in entries:
    if texts.setdefault(name, text) != text:
      raise ValueError(
        f"{source}: id {name!r} has another text further up; give each id one text"
      )
  return texts


class Contexts:
  """The texts of the rows before a row, which is the next of a file.

  Args:
    num_rows: the most that a context holds.
  """

  def __init__(self, num_rows: int):
    self._before = collections.defaultdict(lambda: collections.deque(maxlen=num_rows))

  def before(self, text: str, document: str = "") -> str:
    """The context of the next row.

    Args:
      text: of this row.
      document: its name; only rows of the same one are context. They need not stand
        side by side.

    Returns:
      Texts from the first to the last, joined by spaces; empty before the first row.
    """
    rows = self._before[document]
    context = " ".join(rows)
    rows.append(text)
    return context

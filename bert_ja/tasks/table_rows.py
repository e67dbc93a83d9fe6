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
  if os.path.splitext(path)[1].lower() == ".json":
    value = text_io.read_json(path)
    if isinstance(value, dict):
      return {name: cell_text(value, name, path) for name in value}
  columns, rows = table_files.read_table(path)
  for column in ("id", "text"):
    if column not in columns:
      raise ValueError(
        f"--texts_file={path}: expected columns id and text, or a JSON object "
        f'{{"id": "text"}}; it has {", ".join(columns) or "no rows"}'
      )
  texts = {}
  for line, row in rows:
    source = f"{path}, line {line}"
    name, text = (cell_text(row, column, source) for column in ("id", "text"))
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

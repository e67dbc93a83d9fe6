"""Texts and pairs of texts to encode: where they come from, and the model's rows of them.

A text is a str, or a pair (A, B) of them.
"""

import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from bert_ja import table_files, text_io
from bert_ja.data import pair_features

STANDARD_INPUT = "-"
LONG_TEXTS = ("truncate", "windows")

_SEPARATOR = " ||| "

Text = str | tuple[str, str]


@dataclasses.dataclass(frozen=True)
class ModelRow:
  """What the model takes as one row: [CLS], pieces, [SEP], and those of a second text.

  Attributes:
    ids: of the pieces.
    segment_ids: 0 for the first text, 1 for the second.
  """

  ids: list[int]
  segment_ids: list[int]


def read(path: str, columns: Sequence[str] | None = None) -> Iterator[Text]:
  """Texts of a file, one at a time.

  Args:
    path: of a text file, packed with gzip or not; `-` for standard input. With
      `columns`, of a table (`table_files.stream_table`).
    columns: one or two columns of a table; None for lines (contract A-164): a line
      `A ||| B` is a pair, an empty line is a text.

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: not UTF-8, not a table, no such column, or a cell without text; the
      message names file and line.
  """
  if columns:
    yield from _read_columns(path, columns)
    return
  for line in _lines(path):
    text_a, separator, text_b = line.strip().rpartition(_SEPARATOR)
    yield (text_a, text_b) if separator else text_b


def is_read_once(path: str) -> bool:
  """Whether what comes from there is gone once it is read: standard input, pipes."""
  if path == STANDARD_INPUT:
    return True
  # Nothing local is at a remote path.
  return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def _lines(path):
  if path == STANDARD_INPUT:
    yield from text_io.decoded_lines(sys.stdin.buffer, "standard input")
  elif is_read_once(path):
    with open(path, "rb") as reader:
      yield from text_io.decoded_lines(reader, path)
  else:
    yield from text_io.stream_lines(path)


def _read_columns(path, columns):
  if len(columns) > 2 or is_read_once(path):
    raise ValueError(
      f"--text_columns={','.join(columns)}: expected one or two columns of a file, "
      f"found {len(columns)} of {path}"
    )
  known, rows = table_files.stream_table(path)
  if known is not None:
    _check_columns(path, columns, known)
  for line, row in rows:
    place = f"{path}, line {line}"
    if known is None:
      known = row.keys()
      _check_columns(place, columns, known)
    cells = [_cell(place, row, column) for column in columns]
    yield cells[0] if len(cells) == 1 else tuple(cells)


def _check_columns(place, columns, known):
  for column in columns:
    if column not in known:
      raise ValueError(
        f"{place} has no column {column!r}; give one or two of {', '.join(known)} with "
        "--text_columns"
      )


def _cell(place, row, column):
  if column not in row:
    raise ValueError(
      f'{place} lacks {column!r}, which must be in each row; add it ("" for none) or '
      "leave it out of --text_columns"
    )
  value = row[column]
  if not isinstance(value, str):
    raise ValueError(f"{place}: expected a text in {column!r}, found {value!r}")
  try:
    value.encode()
  except UnicodeEncodeError as error:
    # JSON can say it; no file of text can hold it.
    raise ValueError(
      f"{place}: half a character, \\u{ord(value[error.start]):04x}, in {column!r}, as "
      "where a text was cut; take it out"
    ) from None
  return value.strip()


def model_rows(settings: tuple[Any, int, str], text: Text) -> list[ModelRow]:
  """A text as the model takes it; runs in worker processes.

  Args:
    settings: (tokenizer, most pieces of a row with [CLS] and [SEP], one of
      `LONG_TEXTS`).
    text: a text or a pair. A pair that is too long is always cut.

  Returns:
    One row; with "windows", as many as a long text fills, side by side.
  """
  tokenizer, max_seq_length, long_text = settings
  cls_id, sep_id = tokenizer.convert_tokens_to_ids(("[CLS]", "[SEP]"))
  text_a, text_b = (text, "") if isinstance(text, str) else text
  ids_a, ids_b = tokenizer.encode(text_a), None
  if text_b:
    ids_b = tokenizer.encode(text_b)
  if ids_b:
    ids_a, ids_b = pair_features.truncate_pair(ids_a, ids_b, max_seq_length - 3)
  size = max_seq_length - 2
  if ids_b or long_text == "truncate":
    starts = [0]
  else:
    starts = range(0, max(len(ids_a), 1), size)
  return [
    ModelRow(
      *pair_features.pack_pair(ids_a[start : start + size], ids_b, cls_id, sep_id)
    )
    for start in starts
  ]

"""Text, JSON, TSV, CSV and JSON-lines files, local or behind TensorFlow's file systems.

Local paths use Python's own files, so that reading a vocabulary does not import
TensorFlow; a path with a scheme (`gs://...`) goes through `tf.io.gfile`.
"""

import codecs
import contextlib
import csv
import glob as _glob
import json
import os
import shutil
from collections.abc import Iterator
from typing import IO, Any


def is_remote(path: str) -> bool:
  """Whether `path` names a scheme that only TensorFlow's file systems can read."""
  return "://" in path


def _gfile():
  import tensorflow as tf

  return tf.io.gfile


def exists(path: str) -> bool:
  return _gfile().exists(path) if is_remote(path) else os.path.exists(path)


def isdir(path: str) -> bool:
  return _gfile().isdir(path) if is_remote(path) else os.path.isdir(path)


def listdir(path: str) -> list[str]:
  """File names in a directory, sorted."""
  return sorted(_gfile().listdir(path) if is_remote(path) else os.listdir(path))


def glob(pattern: str) -> list[str]:
  """Paths that match, sorted."""
  return sorted(_gfile().glob(pattern) if is_remote(pattern) else _glob.glob(pattern))


def makedirs(path: str) -> None:
  """Creates a directory and its parents; an existing one is fine."""
  if is_remote(path):
    _gfile().makedirs(path)
  else:
    os.makedirs(path, exist_ok=True)


def remove(path: str) -> None:
  """Removes one file; a missing one is fine."""
  if is_remote(path):
    if exists(path):
      _gfile().remove(path)
  else:
    with contextlib.suppress(FileNotFoundError):
      os.remove(path)


def rename(source: str, target: str) -> None:
  """Renames a file, replacing `target`."""
  if is_remote(target):
    _gfile().rename(source, target, overwrite=True)
  else:
    os.replace(source, target)


def copy(source: str, target: str) -> None:
  """Copies one file, whole or not at all."""
  with open_file(source, "rb") as reader, written_whole(target, "wb") as writer:
    shutil.copyfileobj(reader, writer, 1 << 20)


def open_file(path: str, mode: str = "r") -> IO:
  """Opens a file; text is UTF-8 with line ends as they are in the file.

  Raises:
    FileNotFoundError: the path does not exist.
  """
  if is_remote(path):
    import tensorflow as tf

    if "r" in mode and not tf.io.gfile.exists(path):
      raise FileNotFoundError(f"{path} does not exist")
    return tf.io.gfile.GFile(path, mode)
  if "b" in mode:
    return open(path, mode)
  return open(path, mode, encoding="utf-8", newline="")


@contextlib.contextmanager
def written_whole(path: str, mode: str = "w") -> Iterator[IO]:
  """Opens a temporary file beside `path` that takes its name if the block succeeds."""
  temporary = f"{path}.tmp-{os.getpid()}"
  try:
    with open_file(temporary, mode) as writer:
      yield writer
    rename(temporary, path)
  except BaseException:
    remove(temporary)
    raise


def read_text(path: str) -> str:
  """A whole UTF-8 file without its byte-order mark.

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: the file is not UTF-8; the message names file and line.
  """
  with open_file(path, "rb") as reader:
    data = reader.read()
  data = data.removeprefix(codecs.BOM_UTF8)
  try:
    return data.decode("utf-8")
  except UnicodeDecodeError as error:
    line = data.count(b"\n", 0, error.start) + 1
    raise ValueError(
      f"{path}, line {line}: expected UTF-8, found byte 0x{data[error.start]:02x}; "
      "convert the file, for example with iconv -f CP932 -t UTF-8"
    ) from None


def read_lines(path: str) -> list[str]:
  """Lines of a text file without their ends; only LF and CRLF end a line."""
  text = read_text(path)
  lines = text.split("\n")
  if lines[-1] == "":
    lines.pop()
  return [line.removesuffix("\r") for line in lines]


def write_text(path: str, text: str) -> None:
  with written_whole(path) as writer:
    writer.write(text)


def read_json(path: str) -> Any:
  """One JSON value.

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: not JSON; the message names file, line and column.
  """
  try:
    return json.loads(read_text(path))
  except json.JSONDecodeError as error:
    raise ValueError(
      f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
    ) from None


def write_json(path: str, value: Any) -> None:
  write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_tsv(path: str) -> list[list[str]]:
  """Rows of tab-separated cells; quotes are ordinary characters (contract A-83)."""
  return [line.split("\t") if line else [] for line in read_lines(path)]


def read_table(path: str) -> tuple[list[str], list[tuple[int, dict[str, Any]]]]:
  """Reads `.csv`, `.tsv`, `.json`, `.jsonl` rows by column name.

  CSV follows RFC 4180 quoting, line breaks inside quotes included. TSV is read
  like CSV where a cell starts with a quote that closes at a cell's end, else
  its quotes are ordinary characters.

  Returns:
    (column names, [(line number from 1, {column: value})]). Blank lines are left out.

  Raises:
    ValueError: a row with another number of cells than the header, or bad JSON;
      the message names file and line.
  """
  suffix = os.path.splitext(path)[1].lower()
  if suffix in (".json", ".jsonl"):
    return _read_json_lines(path)
  if suffix not in (".csv", ".tsv"):
    raise ValueError(
      f"{path}: expected a file ending in .csv, .tsv, .json or .jsonl, got {suffix!r}"
    )
  return _read_delimited(path, "," if suffix == ".csv" else "\t")


def _read_delimited(path, delimiter):
  # csv counts physical lines itself, so that a message names the line an editor shows.
  text = read_text(path)
  reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
  header, rows, start = None, [], 1
  try:
    for cells in reader:
      line, start = start, reader.line_num + 1
      if not cells:
        continue
      if header is None:
        header = [cell.strip() for cell in cells]
        continue
      if len(cells) != len(header):
        raise ValueError(
          f"{path}, line {line}: expected {len(header)} cells "
          f"({', '.join(header)}), found {len(cells)}"
        )
      rows.append((line, dict(zip(header, cells, strict=True))))
  except csv.Error as error:
    raise ValueError(
      f"{path}, line {start}: {error}; a quote inside a quoted cell is written twice"
    ) from None
  if header is None:
    raise ValueError(f"{path} is empty; expected a header line with column names")
  return header, rows


def _read_json_lines(path):
  columns, rows = {}, []
  for number, line in enumerate(read_lines(path), 1):
    if not line.strip():
      continue
    try:
      row = json.loads(line)
    except json.JSONDecodeError as error:
      raise ValueError(
        f"{path}, line {number}: expected one JSON object a line ({error.msg})"
      ) from None
    if not isinstance(row, dict):
      raise ValueError(
        f"{path}, line {number}: expected a JSON object, found {type(row).__name__}"
      )
    columns.update(dict.fromkeys(row))
    rows.append((number, row))
  return list(columns), rows

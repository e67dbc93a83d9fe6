"""Text, JSON, TSV, CSV and JSON-lines files, local or behind TensorFlow's file systems.

Local paths use Python's own files, so that reading a vocabulary does not import
TensorFlow; a path with a scheme (`gs://...`) goes through `tf.io.gfile`.
"""

import codecs
import contextlib
import csv
import errno
import glob as _glob
import gzip
import io
import itertools
import json
import os
import platform
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any

# What the system says where there is no more room.
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What stands beside a file: see `named_by`.
_BESIDE = re.compile(r".*(\.key|\.tmp-[^/]*\d+)", re.DOTALL)


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


def named_by(pattern: str) -> list[str]:
  """The file of this name, even one that looks like a pattern, or those that match.

  A pattern passes over what is no file of its own: one that is being written, and
  `<file>.key`, which says what a file holds.
  """
  if exists(pattern):
    return [pattern]
  return [path for path in glob(pattern) if not _BESIDE.fullmatch(path)]


def absolute(path: str) -> str:
  """The path from the root, by which files are told from each other."""
  return path if is_remote(path) else os.path.abspath(path)


def numbered(path: str, count: int) -> list[str]:
  """`data.txt` -> `data-00000-of-00002.txt`, ...; of one file its own name."""
  if count == 1:
    return [path]
  stem, suffix = os.path.splitext(path)
  return [f"{stem}-{number:05}-of-{count:05}{suffix}" for number in range(count)]


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


def size(path: str) -> int:
  """Bytes in a file."""
  return _gfile().stat(path).length if is_remote(path) else os.path.getsize(path)


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
def path_written_whole(path: str) -> Iterator[str]:
  """Yields a path beside `path`; the file written there takes its name at the end.

  If the block fails, what it wrote is removed and `path` stays as it was.

  Raises:
    OSError: the disk is full; the message names `path`.
  """
  # Machines that share the directory may have processes of the same number.
  temporary = f"{path}.tmp-{platform.node()}-{os.getpid()}"
  try:
    yield temporary
    rename(temporary, path)
  except BaseException as error:
    remove(temporary)
    # Who writes to an open file is not told which.
    if getattr(error, "errno", None) in FULL_DISK and error.filename is None:
      raise OSError(error.errno, error.strerror, path) from None
    raise


@contextlib.contextmanager
def written_whole(path: str, mode: str = "w") -> Iterator[IO]:
  """Opens a temporary file beside `path` that takes its name if the block succeeds."""
  with path_written_whole(path) as temporary, open_file(temporary, mode) as writer:
    yield writer


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
    raise _not_utf_8(f"{path}, line {line}", error) from None


def _not_utf_8(place, error):
  return ValueError(
    f"{place}: expected UTF-8, found byte 0x{error.object[error.start]:02x}; convert "
    "the file, for example with iconv -f CP932 -t UTF-8"
  )


def stream_lines(path: str) -> Iterator[str]:
  """Lines without their ends, as `read_lines`, of a file of any size; unpacks gzip.

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: a line is not UTF-8, or a packed file is damaged.
  """
  with open_file(path, "rb") as reader:
    is_gzip = reader.read(2) == b"\x1f\x8b"
    reader.seek(0)
    try:
      yield from decoded_lines(
        gzip.GzipFile(fileobj=reader) if is_gzip else reader, path
      )
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
      raise ValueError(
        f"{path} is a damaged gzip file ({error}); copy it again"
      ) from None


def decoded_lines(lines: Iterable[bytes], name: str) -> Iterator[str]:
  """UTF-8 lines as str without their ends.

  Args:
    lines: such as a binary file.
    name: what messages call it.

  Raises:
    ValueError: a line is not UTF-8, or other text that looks like it.
  """
  for number, data in enumerate(lines, 1):
    if number == 1:
      data = data.removeprefix(codecs.BOM_UTF8)
    if b"\x1b" in data or b"\0" in data:
      _check_no_other_encoding(f"{name}, line {number}", data)
    try:
      line = data.decode("utf-8")
    except UnicodeDecodeError as error:
      raise _not_utf_8(f"{name}, line {number}", error) from None
    yield line.removesuffix("\n").removesuffix("\r")


def _check_no_other_encoding(place, data):
  """Refuses text whose bytes could be UTF-8, but are not meant so."""
  if b"\0" in data:
    found, encoding = "a NUL byte, as in UTF-16", "UTF-16"
  elif b"\x1b$" in data or b"\x1b(" in data:
    found, encoding = "an escape sequence of ISO-2022-JP", "ISO-2022-JP"
  else:
    return
  raise ValueError(
    f"{place}: expected UTF-8, found {found}; convert the file, for example with "
    f"iconv -f {encoding} -t UTF-8"
  )


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
  text = read_text(path)
  try:
    return json.loads(text)
  except json.JSONDecodeError as error:
    raise ValueError(
      f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
    ) from None
  except (RecursionError, ValueError) as error:  # Thousands of levels, or of digits.
    raise ValueError(f"{path}: JSON that cannot be read ({error})") from None


def write_json(path: str, value: Any) -> None:
  write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_tsv(path: str) -> list[list[str]]:
  """Rows of tab-separated cells; quotes are ordinary characters (contract A-83)."""
  return [line.split("\t") if line else [] for line in read_lines(path)]


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
    return _columns_to_rows(path, _tsv_rows(read_lines(path)))
  if suffix in (".json", ".jsonl"):
    text = read_text(path)
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
  text = read_text(path)
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
  values = read_json(path)
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

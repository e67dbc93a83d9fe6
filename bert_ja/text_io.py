"""Text and JSON files, local or behind TensorFlow's file systems.

Local paths use Python's own files, so that reading a vocabulary does not import
TensorFlow; a path with a scheme (`gs://...`) goes through `tf.io.gfile`.
"""

import codecs
import contextlib
import errno
import glob as _glob
import gzip
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
# All that `str.splitlines` and spreadsheet programs take as the end of a cell or line; and
# NUL, by which other encodings than UTF-8 are told.
_BREAKS = re.compile("\r\n|[\0\t-\r\x1c-\x1e\x85\u2028\u2029]")


def describe_full_disk(path: str, reason: str, space: str = "no space") -> str:
  """What a message says of a full disk.

  Args:
    path: what was written, a file or a directory.
    reason: what the system said.
    space: what there is no space for.
  """
  return f"{path}: {space} ({reason}); make some and give the same command again"


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
    OSError: the disk is full; its `filename` is `path`.
  """
  # Machines that share the directory may have processes of the same number.
  temporary = f"{path}.tmp-{platform.node()}-{os.getpid()}"
  try:
    yield temporary
    rename(temporary, path)
  except BaseException as error:
    remove(temporary)
    # Who writes to an open file is not told which.
    is_ours = getattr(error, "filename", None) in (None, temporary)
    if getattr(error, "errno", None) in FULL_DISK and is_ours:
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
    ValueError: a line is not UTF-8, or other text that looks like it; the message
      names file and line.
  """
  with open_file(path, "rb") as reader:
    data = reader.read()
  data = data.removeprefix(codecs.BOM_UTF8)
  if _another_encoding(data) is None:
    with contextlib.suppress(UnicodeDecodeError):
      return data.decode("utf-8")
  # Line by line it takes longer, but tells which is wrong.
  lines = enumerate(data.split(b"\n"), 1)
  return "\n".join(_decoded(line, path, number) for number, line in lines)


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
    yield _decoded(data, name, number).removesuffix("\n").removesuffix("\r")


def _decoded(data, name, number):
  """Text of the line of that number, which is UTF-8 and meant so."""
  other = _another_encoding(data)
  if other is None:
    try:
      return data.decode("utf-8")
    except UnicodeDecodeError as error:
      other = f"byte 0x{data[error.start]:02x}", "CP932"
  found, encoding = other
  raise ValueError(
    f"{name}, line {number}: expected UTF-8, found {found}; convert the file, for "
    f"example with iconv -f {encoding} -t UTF-8"
  )


def _another_encoding(data):
  """(sign, encoding) of text whose bytes could be UTF-8, but are not meant so."""
  if b"\0" in data:
    return "a NUL byte, as in UTF-16", "UTF-16"
  if b"\x1b" in data and (b"\x1b$" in data or b"\x1b(" in data):
    return "an escape sequence of ISO-2022-JP", "ISO-2022-JP"
  return None


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


def write_bytes(path: str, data: bytes) -> None:
  """Writes a file, whole or not at all."""
  with written_whole(path, "wb") as writer:
    writer.write(data)


def one_cell(text: str) -> str:
  """A text for a table; what would end its cell or line becomes a space."""
  return _BREAKS.sub(" ", text)


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

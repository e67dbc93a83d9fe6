"""The files that paths, globs, directories and archives name, as streams."""

import contextlib
import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator

from bert_ja import text_io

_TAR = re.compile(r".*\.(tar|tgz|tar\.(gz|bz2|xz))", re.IGNORECASE)
_DAMAGES = (
  tarfile.TarError,
  zipfile.BadZipFile,
  EOFError,
  zlib.error,
  lzma.LZMAError,
)


def paths_of(
  patterns: Iterable[str],
  flag: str = "--input",
  expected: str = "a file, a directory or a glob",
) -> list[str]:
  """The files and directories that paths and globs name.

  Args:
    patterns: paths and globs.
    flag: where they come from, for the message.
    expected: what each should be, for the message.

  Raises:
    FileNotFoundError: one of them names none.
  """
  paths = []
  for pattern in patterns:
    found = text_io.named_by(pattern)
    if not found:
      raise FileNotFoundError(f"{flag}: {pattern} does not exist; expected {expected}")
    paths += found
  return paths


def files(
  paths: Iterable[str], is_wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[str]:
  """The files named, and of the directories named those below them, sorted by name.

  Args:
    paths: files and directories.
    is_wanted: whether a file of a directory counts, by its base name. Hidden files and
      directories never do.

  Raises:
    ValueError: a directory has no file wanted.
  """
  for path in paths:
    if not text_io.isdir(path):
      yield path
      continue
    count = 0
    for found in _tree(path):
      if is_wanted(os.path.basename(found)):
        count += 1
        yield found
    if not count:
      raise ValueError(f"{path} has no file of the kind that --format reads")


def _tree(path):
  """Files of a directory and those below; hidden ones are left out."""
  for name in text_io.listdir(path):
    name = name.rstrip("/")  # remote listings mark directories
    inner = os.path.join(path, name)
    if name.startswith("."):
      continue
    if text_io.isdir(inner):
      yield from _tree(inner)
    else:
      yield inner


def contents(
  paths: Iterable[str], suffix: str = ""
) -> Iterator[tuple[str, str, bytes]]:
  """Yields (base name, what messages call it, bytes) of files and archives' members.

  Args:
    paths: files, directories, and tar (packed or not) and zip archives, which are also
      found in directories. A file named is read whatever it is called.
    suffix: of the files wanted in directories and archives.

  Raises:
    ValueError: a directory has no file wanted, or an archive is damaged or cannot be
      unpacked here.
  """

  def is_wanted(name):
    return name.lower().endswith(suffix) or _is_archive(name)

  for path in files(paths, is_wanted):
    if _is_archive(path):
      with _told_if_damaged(path):
        for member, data in _members(path):
          name = os.path.basename(member)
          if name.lower().endswith(suffix) and not name.startswith("."):
            yield name, f"{path}, {member}", data
    else:
      with text_io.open_file(path, "rb") as reader:
        yield os.path.basename(path), path, reader.read()


def _is_archive(path):
  return path.lower().endswith(".zip") or _TAR.fullmatch(path) is not None


@contextlib.contextmanager
def _told_if_damaged(path):
  try:
    yield
  except _DAMAGES as error:
    raise ValueError(f"{path} is a damaged archive ({error}); copy it again") from None
  except RuntimeError as error:  # a password, or a way of packing that is not known
    raise ValueError(
      f"{path} cannot be unpacked ({error}); unpack it by another program and name the "
      "directory"
    ) from None


def _members(path):
  """Yields (name, bytes) of an archive's files, in its order."""
  with text_io.open_file(path, "rb") as reader:
    if path.lower().endswith(".zip"):
      with zipfile.ZipFile(reader) as archive:
        for entry in archive.infolist():
          if not entry.is_dir():
            yield entry.filename, archive.read(entry)
    else:
      with tarfile.open(fileobj=reader, mode="r|*") as archive:
        for entry in archive:
          if entry.isfile():
            yield entry.name, archive.extractfile(entry).read()

"""Long work done once: files made of texts, and beside them a key that says of which."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from absl import logging

from bert_ja import text_io


def content_key(
  tokenizer: Any, settings: Sequence[Any], rows: Iterable[Sequence[Any]]
) -> str | None:
  """Hex SHA-256 of all that a result depends on.

  Args:
    tokenizer: its `fingerprint` counts.
    settings: what holds for all rows, with the number of the result's format; values
      that JSON has.
    rows: the values of each row.

  Returns:
    None for a tokenizer without a fingerprint, whose results are never kept.
  """
  fingerprint = getattr(tokenizer, "fingerprint", None)
  if not fingerprint:
    return None
  digest = hashlib.sha256()
  for values in ((*settings, fingerprint), *rows):
    digest.update(json.dumps(values).encode("ascii") + b"\n")
  return digest.hexdigest()


def recorded_key(output_file: str) -> str | None:
  """The key beside a file that a `Store` filled; None if it is of another file."""
  key_file = f"{output_file}.key"
  if not (text_io.exists(output_file) and text_io.exists(key_file)):
    return None
  lines = text_io.read_lines(key_file)
  return lines[0] if lines[1:] == [str(text_io.size(output_file))] else None


@dataclasses.dataclass(frozen=True)
class Store:
  """Files of one result, and copies of them by key for other runs.

  Attributes:
    output_file: path of the first file; `<output_file>.key` says what the files hold.
    key: of `content_key`.
    cache_dir: where the copies are, `<key>` with the ending of `output_file` and on;
      None for no copies.
    suffixes: what the path of each file has after `output_file`.
  """

  output_file: str
  key: str | None
  cache_dir: str | None = None
  suffixes: tuple[str, ...] = ("",)

  def reuse(self) -> str | None:
    """Puts the files in place if they were made before.

    Returns:
      Path of the first file as it was found, or None: then `fill` makes them.
    """
    if self.key is None:
      return None
    if self._is_current():
      return self.output_file
    copies = self._copies
    if copies and all(map(text_io.exists, self._paths(copies))):
      self._write(lambda: self._copy(copies, self.output_file))
      return copies
    return None

  def fill(self, make: Callable[[], None]) -> None:
    """Calls `make`, which writes the files, and keeps what they hold in mind."""
    self._write(make)
    copies = self._copies
    if copies:
      text_io.makedirs(self.cache_dir)
      self._copy(self.output_file, copies)

  @property
  def _key_file(self):
    return f"{self.output_file}.key"

  @property
  def _copies(self):
    """Path of the first copy, or None."""
    if self.cache_dir and self.key:
      return f"{self.cache_dir}/{self.key}{os.path.splitext(self.output_file)[1]}"
    return None

  def _paths(self, first):
    return [first + suffix for suffix in self.suffixes]

  def _copy(self, source, target):
    for paths in zip(self._paths(source), self._paths(target), strict=True):
      text_io.copy(*paths)

  def _is_current(self):
    paths = self._paths(self.output_file)
    if not all(map(text_io.exists, (self._key_file, *paths))):
      return False
    return text_io.read_lines(self._key_file) == self._key_lines()

  def _key_lines(self):
    # With the sizes, since another program may have written over the files.
    sizes = map(text_io.size, self._paths(self.output_file))
    return [self.key, *map(str, sizes)]

  def _write(self, make):
    text_io.remove(self._key_file)  # first: an old key must never stand by new files
    make()
    if self.key is not None:
      text_io.write_text(self._key_file, "\n".join(self._key_lines()) + "\n")


def convert_once(
  num_examples: int,
  key: str | None,
  output_file: str,
  cache_dir: str | None,
  convert: Callable[[], None],
) -> bool:
  """Calls `convert`, which writes `output_file`, unless its result is there already.

  Args:
    num_examples: for the log.
    key: of `content_key`.
    output_file: as a `Store` has it.
    cache_dir: as a `Store` has it.
    convert: writes the file.

  Returns:
    Whether examples were converted.
  """
  store = Store(output_file, key, cache_dir)
  kept = store.reuse()
  if kept:
    logging.info("%d examples were converted before: %s", num_examples, kept)
    return False
  store.fill(convert)
  return True

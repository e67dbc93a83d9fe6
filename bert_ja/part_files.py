"""Files that grow block by block, and go on where an interrupted program left them.

Beside the files `X.part...` a small one, `X.part.json`, says how far they are good. It
is written after them, so what stands behind is cut off and made again: a program that
is ended at any moment goes on to the same bytes.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from absl import logging

from bert_ja import text_io


class PartFiles:
  """The files of one result that is being made.

  Attributes:
    paths: name -> path of each file.
    rows: rows that the files hold.
    digest: of the input that became these rows, as `append` was given it.
  """

  def __init__(self, output_file: str, names: Sequence[str], key: str | None):
    """Looks for what an earlier program left; writes nothing.

    Args:
      output_file: path of the result, which is local.
      names: of the files.
      key: of all that the files depend on besides their input; files with another key
        are begun anew, and those without any are.
    """
    self._output_file, self._key = output_file, key
    self._state_file = f"{output_file}.part.json"
    self.paths = {
      name: f"{output_file}.part" + (f".{name}" if name else "") for name in names
    }
    self.rows, self.digest, self._sizes = 0, None, {}
    state = self._state()
    if state:
      self.rows, self.digest = state["rows"], state["digest"]
      self._sizes = state["sizes"]

  def _state(self):
    """What was recorded, if it is of these files; else {}."""
    if not os.path.exists(self._state_file):
      return {}
    state = text_io.read_json(self._state_file)
    if self._key is None or state["key"] != self._key:
      logging.info(
        "%s was made by another model or other settings: it is begun anew",
        self.paths[next(iter(self.paths))],
      )
      return {}
    for name, path in self.paths.items():
      if not os.path.exists(path) or os.path.getsize(path) < state["sizes"][name]:
        return {}
    return state

  def begin(self, heads: Mapping[str, bytes]) -> None:
    """Makes the files ready to be appended to.

    Args:
      heads: what each file starts with.

    Raises:
      OSError: the disk is full, or the directory cannot be written.
    """
    with self._told_where_it_fails():
      if self._sizes:
        self._cut()
        logging.info("%s: %d rows are there", self._output_file, self.rows)
        return
      text_io.remove(self._state_file)  # first: it must never speak of new files
      for name, path in self.paths.items():
        with open(path, "wb") as writer:
          writer.write(heads[name])
      self._sizes = {name: len(head) for name, head in heads.items()}

  def append(self, data: Mapping[str, bytes], rows: int, digest: str) -> None:
    """Adds a block to each file.

    Args:
      data: bytes for each file.
      rows: rows of the block.
      digest: of all input so far.

    Raises:
      OSError: the disk is full; what was there before the call stays.
    """
    with self._told_where_it_fails():
      for name, path in self.paths.items():
        with open(path, "ab") as writer:
          writer.write(data[name])
          writer.flush()
          os.fsync(writer.fileno())
      sizes = {name: self._sizes[name] + len(data[name]) for name in self.paths}
      state = {
        "key": self._key,
        "rows": self.rows + rows,
        "digest": digest,
        "sizes": sizes,
      }
      text_io.write_json(self._state_file, state)
    self.rows, self.digest, self._sizes = self.rows + rows, digest, sizes

  def finish(self, make: Callable[[Mapping[str, str]], None]) -> None:
    """Calls `make`, which puts the result in place, and removes what is left.

    Args:
      make: of (name -> path); the files must stay whole until it is done.

    Raises:
      OSError: the disk is full.
    """
    with self._told_where_it_fails():
      make(self.paths)
    for path in (*self.paths.values(), self._state_file):
      text_io.remove(path)

  def _cut(self):
    """Takes away what no record speaks of."""
    for name, path in self.paths.items():
      if name not in self._sizes:
        text_io.remove(path)
      elif os.path.getsize(path) > self._sizes[name]:
        os.truncate(path, self._sizes[name])

  @contextlib.contextmanager
  def _told_where_it_fails(self) -> Iterator[None]:
    try:
      yield
    except OSError as error:
      with contextlib.suppress(OSError):
        self._cut()
      if error.errno not in text_io.FULL_DISK:
        raise
      raise OSError(
        f"{self._output_file}: no space for more than {self.rows} rows, which are kept "
        f"({error.strerror}); make some and give the same command again"
      ) from None

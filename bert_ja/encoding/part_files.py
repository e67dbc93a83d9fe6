"""Files that grow block by block, and go on where an interrupted program left them.

Beside the files `X.part...` a small one, `X.part.json`, says how far they are good. It
is written after them, so what stands behind is cut off and made again: a program that
is ended at any moment goes on to the same bytes.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from absl import logging

from bert_ja import text_io


@contextlib.contextmanager
def opened(
  output_file: str, names: Sequence[str], key: str | None
) -> Iterator["PartFiles"]:
  """The files of one result, which no other program can open meanwhile.

  If the block fails before they have a row, they are removed.

  Args:
    output_file: path of the result, which is local.
    names: of the files.
    key: of all that the files depend on besides their input. Without one, nothing tells
      whether what an earlier program left can be gone on with: it is begun anew.

  Raises:
    ValueError: another program has them open, or began them with another key.
  """
  paths = {name: _path(output_file, name) for name in names}
  with _held(paths[names[0]], output_file):
    parts = PartFiles(output_file, paths, key)
    try:
      yield parts
    except BaseException:
      if not parts.rows:
        parts.remove()
      raise


class PartFiles:
  """The files of one result that is being made; of `opened`.

  Attributes:
    paths: name -> path of each file.
    rows: rows that the files hold.
    digest: of the input that became these rows, as `append` was given it.
  """

  def __init__(self, output_file: str, paths: Mapping[str, str], key: str | None):
    """Looks for what an earlier program left; writes nothing."""
    self._output_file, self.paths, self._key = output_file, dict(paths), key
    self._state_file = _path(output_file, "json")
    # The name is always the same, so that what a killed program left is written over.
    self._temporary = _path(output_file, "new")
    self.rows, self.digest, self._sizes = 0, None, {}
    state = self._state()
    if state:
      self.rows, self.digest = state["rows"], state["digest"]
      self._sizes = state["sizes"]

  def _state(self):
    """What was recorded of these files, or {} if they are to be begun anew."""
    if not os.path.exists(self._state_file):
      return {}
    state = _read_state(self._state_file)
    if not state:
      reason = f"{self._state_file} is damaged"
    elif any(
      _size(_path(self._output_file, name)) < size
      for name, size in state["sizes"].items()
    ):
      reason = f"{self._output_file}.part has lost some of its rows"
    elif self._key is None:
      reason = "nothing tells whether the earlier program had the same tokenizer"
    elif state["key"] != self._key:
      raise ValueError(
        f"{self._output_file}.part, {state['rows']} rows, was begun by another model, "
        "with other settings or on other devices; give the command that it was begun "
        f"with, or remove {self._output_file}.part* to begin anew"
      )
    else:
      return state
    logging.warning("%s is begun anew: %s", self._output_file, reason)
    return {}

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

  def append(
    self, pieces: Iterable[Mapping[str, bytes]], rows: int, digest: str
  ) -> None:
    """Adds a block to each file.

    Args:
      pieces: bytes for each file, a part of the block at a time.
      rows: rows of the block.
      digest: of all input so far.

    Raises:
      OSError: the disk is full; what was there before the call stays.
      ValueError: another program wrote to the files.
    """
    with self._told_where_it_fails():
      self._check_sizes()
      sizes = dict(self._sizes)
      with contextlib.ExitStack() as stack:
        writers = {
          name: stack.enter_context(open(path, "ab"))
          for name, path in self.paths.items()
        }
        for piece in pieces:
          for name, writer in writers.items():
            writer.write(piece[name])
            sizes[name] += len(piece[name])
        for writer in writers.values():
          sync(writer)
      self._record(self.rows + rows, digest, sizes)
    self.rows, self.digest, self._sizes = self.rows + rows, digest, sizes

  def finish(self, make: Callable[[Mapping[str, str], str], None]) -> None:
    """Calls `make`, which puts the result in place, and removes what is left.

    Args:
      make: of (name -> path) and a path for what it has to write first; the files must
        stay whole until it is done.

    Raises:
      OSError: the disk is full.
    """
    try:
      with self._told_where_it_fails():
        make(self.paths, self._temporary)
    finally:
      text_io.remove(self._temporary)
    self.remove()

  def remove(self) -> None:
    """Removes the files and the record of them."""
    for path in (*self.paths.values(), self._state_file):
      text_io.remove(path)

  def _record(self, rows, digest, sizes):
    state = {"key": self._key, "rows": rows, "digest": digest, "sizes": sizes}
    with open(self._temporary, "w", encoding="utf-8") as writer:
      json.dump(state, writer)
      # Else a loss of power may leave the name without the bytes.
      sync(writer)
    os.replace(self._temporary, self._state_file)

  def _check_sizes(self):
    for name, path in self.paths.items():
      found = _size(path)
      if found != self._sizes[name]:
        raise ValueError(
          f"{path} has {found} bytes, {self._sizes[name]} were written: another program "
          f"changed it; see that one runs at a time, and remove {self._output_file}.part* "
          "to begin anew"
        )

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
      space = "no space"
      if self.rows:
        space += f" for more than {self.rows} rows, which are kept"
      raise OSError(
        text_io.describe_full_disk(self._output_file, error.strerror, space)
      ) from None


def sync(writer) -> None:
  """Has what was written to a file on the disk before anything that follows."""
  writer.flush()
  os.fsync(writer.fileno())


def _path(output_file, name):
  return f"{output_file}.part" + (f".{name}" if name else "")


def _size(path):
  return os.path.getsize(path) if os.path.exists(path) else -1


def _read_state(path):
  """The record of an earlier program; None if it is not whole."""
  try:
    state = text_io.read_json(path)
    numbers = [state["rows"], *state["sizes"].values()]
    is_whole = isinstance(state["digest"], str) and {"key", "sizes"} <= state.keys()
  except (ValueError, LookupError, TypeError, AttributeError):
    return None
  return state if is_whole and all(isinstance(x, int) for x in numbers) else None


@contextlib.contextmanager
def _held(path, output_file):
  """Holds a lock on a file, which is made if it is missing.

  The system takes the lock back from a program that has ended, however it ended.
  """
  with contextlib.ExitStack() as stack:
    file = None
    # Whoever held the lock last may have given the file its final name since.
    while file is None or not _is_at(file, path):
      file = stack.enter_context(open(path, "ab"))
      try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
      except BlockingIOError:
        raise ValueError(
          f"{output_file} is being made by another program; wait for its end, or give "
          "another name"
        ) from None
      except OSError as error:
        logging.warning("%s cannot be locked (%s)", path, error.strerror)
    yield


def _is_at(file, path):
  try:
    return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
  except FileNotFoundError:
    return False

"""Forms of files with vectors, by their endings.

A writer turns rows into bytes for one or more files that grow, and in the end makes the
result of them. R texts, T pieces of all texts, L layers, D numbers a vector.
"""

import io
import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bert_ja import text_io
from bert_ja.encoding import part_files, vector_json


class Writer:
  """One form.

  Attributes:
    names: of the files that grow.
    takes_pieces: whether it can hold a vector for each piece.
  """

  names: tuple[str, ...] = ("",)
  takes_pieces = True

  def __init__(self, size: int, layers: Sequence[int | str] | None):
    """Keeps the form of the vectors.

    Args:
      size: D.
      layers: names of the L layers of each piece; None for one vector a text.
    """
    self.size, self.layers = size, layers

  def heads(self) -> dict[str, bytes]:
    """What the files start with."""
    return dict.fromkeys(self.names, b"")

  def block(
    self,
    first: int,
    texts: Sequence[Any],
    values: np.ndarray,
    pieces: Sequence[Sequence[str]] | None,
    ids: Sequence[Sequence[int]] | None,
  ) -> dict[str, bytes]:
    """Bytes for the files.

    Args:
      first: number of the first text, from 0.
      texts: str, or pairs.
      values: float32 [R, D], or [T, L, H].
      pieces: of each text; None for one vector a text.
      ids: those of the pieces.
    """
    raise NotImplementedError

  def finish(self, paths: Mapping[str, str], temporary: str, output_file: str) -> None:
    """Puts the result in place of `output_file`; may be called again if interrupted.

    Args:
      paths: of the files that grew.
      temporary: path for what has to be written before it gets its name.
      output_file: path of the result.
    """
    os.replace(paths[""], output_file)


class JsonLines(Writer):
  """`.jsonl` and whatever no other form is for: the original's form (A-166)."""

  def block(self, first, texts, values, pieces, ids):
    vectors = vector_json.texts(values.reshape(-1, values.shape[-1]))
    if self.layers is None:
      lines = [
        vector_json.line_of_text(index, vector)
        for index, vector in enumerate(vectors, first)
      ]
      return {"": b"".join(lines)}
    lines, start = [], 0
    for index, of_text in enumerate(pieces, first):
      end = start + len(of_text) * len(self.layers)
      lines.append(
        vector_json.line_of_pieces(index, of_text, self.layers, vectors[start:end])
      )
      start = end
    return {"": b"".join(lines)}


class Array(Writer):
  """`.npy`: float32 [R, D]; `numpy.load(path, mmap_mode="r")` reads what is asked for."""

  takes_pieces = False

  def heads(self):
    return {"": _array_head(0, np.float32, self.size)}

  def block(self, first, texts, values, pieces, ids):
    return {"": values.astype("<f4").tobytes()}

  def finish(self, paths, temporary, output_file):
    _write_count(paths[""], np.float32, self.size)
    super().finish(paths, temporary, output_file)


class Archive(Writer):
  """`.npz`: `vectors`, float32 [R, D].

  With a vector for each piece they are [T, D], and there are `input_ids`, int32 [T], and
  `offsets`, int64 [R + 1]: text i has the pieces from offsets[i] to offsets[i + 1].
  """

  def __init__(self, size, layers):
    super().__init__(size, layers)
    self._arrays = {"vectors": (np.float32, size)}
    if layers is not None:
      self._arrays |= {"input_ids": (np.int32, None), "offsets": (np.int64, None)}
    self.names = tuple(self._arrays)

  def heads(self):
    heads = {name: _array_head(0, *form) for name, form in self._arrays.items()}
    if "offsets" in heads:
      heads["offsets"] += np.zeros([1], "<i8").tobytes()
    return heads

  def block(self, first, texts, values, pieces, ids):
    data = {"vectors": values.astype("<f4").tobytes()}
    if self.layers is not None:
      flat = [index for of_text in ids for index in of_text]
      data["input_ids"] = np.array(flat, "<i4").tobytes()
      # Lengths so far; the end adds them up.
      data["offsets"] = np.array([len(x) for x in ids], "<i8").tobytes()
    return data

  def finish(self, paths, temporary, output_file):
    for name, form in self._arrays.items():
      _write_count(paths[name], *form)
    with open(temporary, "wb") as writer:
      with zipfile.ZipFile(writer, "w", zipfile.ZIP_STORED) as archive:
        for name in self._arrays:
          # Without a date, so that equal vectors are equal files.
          entry = zipfile.ZipInfo(f"{name}.npy")
          with archive.open(entry, "w", force_zip64=True) as member:
            if name == "offsets":
              np.save(member, np.cumsum(np.load(paths[name])))
            else:
              with open(paths[name], "rb") as reader:
                shutil.copyfileobj(reader, member, 1 << 20)
      part_files.sync(writer)
    os.replace(temporary, output_file)


class Table(Writer):
  """`.tsv` for TensorBoard's projector: a vector a line, 6 decimals.

  `X.metadata.tsv` beside `X.tsv` has a header, and for each vector its number and text.
  """

  names = ("", "metadata")
  takes_pieces = False

  def heads(self):
    return {"": b"", "metadata": b"row\ttext\n"}

  def block(self, first, texts, values, pieces, ids):
    rows = [
      f"{index}\t{_cell(text)}\n".encode() for index, text in enumerate(texts, first)
    ]
    vectors = vector_json.texts(values, b"\t")
    return {
      "": b"".join(vector + b"\n" for vector in vectors),
      "metadata": b"".join(rows),
    }

  def finish(self, paths, temporary, output_file):
    # A copy: if this is interrupted, the parts are still whole.
    with open(paths["metadata"], "rb") as reader, open(temporary, "wb") as writer:
      shutil.copyfileobj(reader, writer, 1 << 20)
      part_files.sync(writer)
    os.replace(temporary, metadata_path(output_file))
    super().finish(paths, temporary, output_file)


# Ending -> form.
WRITERS: dict[str, type[Writer]] = {
  ".jsonl": JsonLines,
  ".npy": Array,
  ".npz": Archive,
  ".tsv": Table,
}


def of(output_file: str, size: int, layers: Sequence[int | str] | None) -> Writer:
  """The writer for a path; one without a known ending is JSON lines, as in the original.

  Raises:
    ValueError: the form cannot hold a vector for each piece.
  """
  form = _form(output_file)
  if layers is not None and not form.takes_pieces:
    able = [name for name, other in WRITERS.items() if other.takes_pieces]
    raise ValueError(
      f"--output_file={output_file}: a {_ending(output_file)} file has one vector a text, "
      f"--pooling=none makes one a piece; choose a pooling, or {' or '.join(able)}"
    )
  return form(size, layers)


def metadata_path(output_file: str) -> str:
  """Of the file beside a `.tsv` file that says which texts its vectors are of."""
  return f"{os.path.splitext(output_file)[0]}.metadata.tsv"


def targets(output_file: str) -> list[str]:
  """Paths of the files that a result consists of."""
  if _form(output_file) is Table:
    return [metadata_path(output_file), output_file]
  return [output_file]


def check_targets(output_file: str, input_file: str | None = None) -> None:
  """Checks, before the work, that its result can take its place at the end.

  Args:
    output_file: path of the result.
    input_file: path of the texts, if they have one.

  Raises:
    ValueError: there is no such directory, or what the result would take the place of
      is a directory, a device or the input.
  """
  for path in targets(output_file):
    where = f"--output_file={output_file}: {path}"
    if text_io.isdir(path):
      raise ValueError(f"{where} is a directory; give the name of a file in it")
    if text_io.is_remote(path):
      continue
    if not os.path.isdir(os.path.dirname(path) or "."):
      raise ValueError(f"{where} is in a directory that does not exist; make it first")
    if not os.path.exists(path):
      continue
    if not os.path.isfile(path):
      raise ValueError(f"{where} is a device or a pipe; give the name of a file")
    if input_file and os.path.exists(input_file) and os.path.samefile(path, input_file):
      raise ValueError(f"{where} is the input, which would be lost; give another name")


def _ending(output_file):
  return os.path.splitext(output_file)[1].lower()


def _form(output_file):
  return WRITERS.get(_ending(output_file), JsonLines)


def _cell(text):
  joined = text if isinstance(text, str) else " ||| ".join(text)
  return " ".join(joined.split())


def _array_head(count, dtype, size):
  """Start of a .npy file of [count] or [count, size] values.

  numpy keeps room for a larger count, so that the length is the same for each.
  """
  head = io.BytesIO()
  shape = (count,) if size is None else (count, size)
  descr = np.dtype(dtype).newbyteorder("<").str
  np.lib.format.write_array_header_1_0(
    head, {"descr": descr, "fortran_order": False, "shape": shape}
  )
  return head.getvalue()


def _write_count(path, dtype, size):
  """Puts the number of rows, which the file's length tells, into its head."""
  length = len(_array_head(0, dtype, size))
  row_bytes = np.dtype(dtype).itemsize * (1 if size is None else size)
  count = (os.path.getsize(path) - length) // row_bytes
  with open(path, "r+b") as writer:
    writer.write(_array_head(count, dtype, size))
    part_files.sync(writer)

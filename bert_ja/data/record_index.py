"""Where the records of TFRecord files are, so that reading can begin at any of them."""

import dataclasses
import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import IO

import numpy as np
import tensorflow as tf

from bert_ja import text_io
from bert_ja.data import record_frames, records

# Bytes around a record: its length and a checksum of it; a checksum of the record.
HEAD, FOOT = 12, 4
# Records between two whose places are kept.
_STRETCH = 256
_BATCH = 4096
_MOST_THREADS = 16
_GZIP_MAGIC = b"\x1f\x8b\x08"
_LARGEST_RECORD = 1 << 28  # bytes; more is no length but other data


@dataclasses.dataclass(frozen=True)
class RecordFile:
  """A file and where its records are.

  Attributes:
    path: the file.
    count: its records.
    offsets: int64, bytes before record 0, 256, 512, ... and at the end of the file;
      empty for a gzip file.
  """

  path: str
  count: int
  offsets: np.ndarray

  @property
  def stretches(self) -> list[int]:
    """Records of each stretch."""
    if not self.offsets.size:
      return [self.count]
    starts = range(0, self.count, _STRETCH)
    return [min(_STRETCH, self.count - start) for start in starts]


def index_files(
  paths: Sequence[str],
  index_dir: str | None = None,
  progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[RecordFile]:
  """Finds the records of files, and checks their checksums: reads each file once.

  Args:
    paths: TFRecord files, plain or gzip.
    index_dir: where what was found is kept; a file of another size or time is read
      again.
    progress: told (files done, files in all).

  Raises:
    FileNotFoundError: a file is not there.
    ValueError: a file is damaged, or cut short, or there is no record.
  """

  def find(path):
    file = _load_index(path, index_dir)
    if file is None:
      file = _index(path)
      _save_index(file, index_dir)
    return file

  files = []
  # Threads are enough: what takes the time leaves Python to others.
  with futures.ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
    for file in pool.map(find, paths):
      files.append(file)
      progress(len(files), len(paths))
  if not sum(file.count for file in files):
    raise ValueError(f"there is no record in {', '.join(paths[:3])}")
  return files


def _version(path):
  if not text_io.exists(path):
    raise FileNotFoundError(f"{path} does not exist")
  status = tf.io.gfile.stat(path)
  return [status.length, status.mtime_nsec]


def _index_file(path, index_dir):
  digest = hashlib.sha256(text_io.absolute(path).encode("utf-8")).hexdigest()[:16]
  return os.path.join(index_dir, f"{os.path.basename(path)}-{digest}.npy")


def _load_index(path, index_dir):
  version = _version(path)
  if index_dir is None:
    return None
  index_file = _index_file(path, index_dir)
  if not text_io.exists(index_file):
    return None
  with text_io.open_file(index_file, "rb") as reader:
    values = np.load(reader)
  if values[:2].tolist() != version:
    return None
  return RecordFile(path, int(values[2]), values[3:])


def _save_index(file, index_dir):
  if index_dir is None:
    return
  text_io.makedirs(index_dir)
  values = np.concatenate([[*_version(file.path), file.count], file.offsets])
  with text_io.written_whole(_index_file(file.path, index_dir), "wb") as writer:
    np.save(writer, values.astype(np.int64))


def _index(path):
  try:
    if _is_gzip(path):
      return RecordFile(path, _count_gzip(path), np.zeros([0], np.int64))
    return _index_plain(path)
  except (tf.errors.DataLossError, EOFError, gzip.BadGzipFile, zlib.error):
    raise ValueError(
      f"{path} is damaged or cut short, or holds no TFRecords; make it again"
    ) from None


def _index_plain(path):
  count, size, offsets = 0, 0, []
  with tf.device("CPU"):
    dataset = tf.data.TFRecordDataset(path).batch(_BATCH)
    for lengths in dataset.map(tf.strings.length):
      ends = size + np.cumsum(lengths.numpy() + np.int64(HEAD + FOOT))
      starts = np.concatenate([[size], ends[:-1]])
      offsets.append(starts[-count % _STRETCH :: _STRETCH])
      count, size = count + len(ends), int(ends[-1])
  if size != text_io.size(path):  # TensorFlow takes a cut in a head for the end
    raise EOFError
  return RecordFile(path, count, np.concatenate([*offsets, [size]]).astype(np.int64))


def _count_gzip(path):
  """TensorFlow takes a cut gzip file for a shorter one; this reader does not."""
  count = 0
  with open_records(path) as reader:
    while head := reader.read(HEAD):
      length = int.from_bytes(head[:8], "little")
      # First: of what is no record, the length can be more than memory has.
      if length > _LARGEST_RECORD or head != record_frames.header(length):
        raise EOFError
      if len(reader.read(length + FOOT)) != length + FOOT:
        raise EOFError
      count += 1
  return count


def _is_gzip(path):
  """As a record's first bytes, the magic number would be a length of 560 kB or more."""
  with text_io.open_file(path, "rb") as reader:
    return reader.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


def first_features(path: str) -> dict[str, int] | None:
  """Features of a file's first record and how many numbers they have.

  Returns:
    None for an empty file, and for a damaged one, which its index will tell.

  Raises:
    FileNotFoundError: the file is not there.
    ValueError: the record is no `tf.train.Example`.
  """
  if not text_io.exists(path):
    raise FileNotFoundError(f"{path} does not exist")
  serialized = _first_record(path)
  if serialized is None:
    return None
  try:
    example = tf.train.Example.FromString(serialized)
  except Exception:  # of protobuf, whose classes differ by version
    raise ValueError(
      f"{path} holds no tf.train.Example records; expected what "
      "create_pretraining_data.py writes"
    ) from None
  return {
    name: len(feature.int64_list.value) or len(feature.float_list.value)
    for name, feature in example.features.feature.items()
  }


def check_records(paths: Sequence[str], spec: records.FeatureSpec) -> None:
  """Compares the first record of each file with what the flags say (A-161).

  Raises:
    FileNotFoundError: a file is not there.
    ValueError: its first record lacks a feature, or has it in another length.
  """
  for path in paths:
    found = first_features(path)
    if found is None:
      continue
    for name, feature in spec.items():
      if name not in found:
        there = ", ".join(sorted(found)) or "none"
        raise ValueError(f"{path}: its records lack {name!r} (they have: {there})")
      if found[name] != feature.length:
        hint = f"; give the --{feature.flag} that they were made with"
        raise ValueError(
          f"{path}: {name} has {found[name]} values in its records, expected "
          f"{feature.length}{hint if feature.flag else ''}"
        )


def _first_record(path):
  try:
    with open_records(path) as reader:
      head = reader.read(HEAD)
      length = int.from_bytes(head[:8], "little")
      if len(head) < HEAD or length > _LARGEST_RECORD:
        return None
      return reader.read(length)
  except (EOFError, gzip.BadGzipFile, zlib.error):
    return None


def open_records(path: str) -> IO:
  """Opens a file, unpacked if it is gzip."""
  reader = text_io.open_file(path, "rb")
  return gzip.GzipFile(fileobj=reader) if _is_gzip(path) else reader


def read_records(reader: IO, count: int) -> Iterator[bytes]:
  """Yields the next records, which the index has checked before."""
  for _ in range(count):
    length = int.from_bytes(reader.read(HEAD)[:8], "little")
    yield reader.read(length + FOOT)[:length]

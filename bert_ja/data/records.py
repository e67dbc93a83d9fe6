"""TFRecord files of `tf.train.Example`: feature specs, writing, reading.

Encoding and writing need no TensorFlow (worker processes do it too); reading does, and
imports it then.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bert_ja import text_io
from bert_ja.data import record_frames

_READ_BATCH, _WRITE_BATCH = 1024, 256
_FRAME = 16  # bytes that TFRecord puts around a record: length, two checksums


@dataclasses.dataclass(frozen=True)
class Feature:
  """One feature of every record of a file.

  Attributes:
    shape: its fixed shape; `()` for one number.
    dtype: `"int64"` or `"float32"`, the two kinds of numbers in a `tf.train.Example`.
    flag: name of the flag that its length comes from, for messages.
  """

  shape: tuple[int, ...]
  dtype: str = "int64"
  flag: str | None = dataclasses.field(default=None, compare=False)

  def __post_init__(self):
    if self.dtype not in ("int64", "float32"):
      raise ValueError(f"dtype must be 'int64' or 'float32', found {self.dtype!r}")

  @property
  def length(self) -> int:
    """Numbers in one record."""
    return int(np.prod(self.shape, dtype=np.int64))


FeatureSpec = Mapping[str, Feature]


def encode_example(values: Mapping[str, Sequence[int] | Sequence[float]]) -> bytes:
  """Serializes a `tf.train.Example`.

  Args:
    values: {feature name: flat list or array of ints or floats}. A list with a float in
      it is stored as float32, any other (also an empty one) as int64.

  Returns:
    The bytes that `tf.train.Example.FromString` reads.

  Raises:
    ValueError: a value is no number, or an integer does not fit in 64 bits.
  """
  entries = []
  for name, sequence in values.items():
    feature = _encode_feature(name, sequence)
    key = name.encode("utf-8")
    entry = b"\x0a%b%b\x12%b%b" % (
      _VARINTS[len(key)],
      key,
      _VARINTS[len(feature)],
      feature,
    )
    entries.append(b"\x0a%b%b" % (_VARINTS[len(entry)], entry))
  features = b"".join(entries)
  return b"\x0a%b%b" % (_VARINTS[len(features)], features)


class _Varints(dict):
  """Integer -> base-128 bytes, filled as integers come.

  Ids, masks and lengths are small and recur, so nearly all of them are one lookup.
  """

  _KEPT = 1 << 18  # above the ids of every vocabulary

  def __missing__(self, number):
    if not -(1 << 63) <= number < 1 << 63:
      raise ValueError(f"{number} does not fit in 64 bits")
    rest = int(number) & 0xFFFFFFFFFFFFFFFF  # a negative one is its two's complement
    encoded = bytearray()
    while rest > 0x7F:
      encoded.append(rest & 0x7F | 0x80)
      rest >>= 7
    encoded.append(rest)
    if 0 <= number < self._KEPT:
      self[number] = bytes(encoded)
    return bytes(encoded)


_VARINTS = _Varints()


def _encode_feature(name, sequence):
  """A serialized `tf.train.Feature`: float_list is its field 2, int64_list field 3."""
  if isinstance(sequence, np.ndarray):
    kinds, sequence = {sequence.dtype.type}, sequence.ravel()
  else:
    kinds = set(map(type, sequence))
  if any(issubclass(kind, float | np.floating) for kind in kinds):
    tag, packed = b"\x12", np.asarray(sequence, "<f4").tobytes()
  elif all(issubclass(kind, int | np.integer | np.bool_) for kind in kinds):
    if isinstance(sequence, np.ndarray):
      sequence = sequence.tolist()
    tag, packed = b"\x1a", b"".join(map(_VARINTS.__getitem__, sequence))
  else:
    found = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise ValueError(f"feature {name!r}: expected integers or floats, found {found}")
  # Both lists hold their numbers packed in field 1.
  inner = b"\x0a%b%b" % (_VARINTS[len(packed)], packed)
  return b"%b%b%b" % (tag, _VARINTS[len(inner)], inner)


def write_records(path: str, records: Iterable[bytes]) -> int:
  """Writes a TFRecord file, whole or not at all.

  Args:
    path: the file; one that is there is replaced when all records are written.
    records: serialized examples.

  Returns:
    The number of records.
  """
  count = 0
  with text_io.written_whole(path, "wb") as writer:
    for batch in _batches(records):
      writer.write(record_frames.frame(batch))
      count += len(batch)
  return count


def _batches(records):
  records = iter(records)
  while batch := list(itertools.islice(records, _WRITE_BATCH)):
    yield batch


def parse_spec(spec: FeatureSpec) -> dict[str, Any]:
  """The spec in the form that `tf.io.parse_example` takes."""
  import tensorflow as tf

  return {
    name: tf.io.FixedLenFeature(feature.shape, tf.dtypes.as_dtype(feature.dtype))
    for name, feature in spec.items()
  }


def read_records(path: str, spec: FeatureSpec) -> dict[str, np.ndarray]:
  """Reads a whole TFRecord file.

  Args:
    path: the file.
    spec: {feature name: Feature}; other features of the records are not read.

  Returns:
    {feature name: array [R, *shape]} of R records in file order; int32 for int64
    features (contract A-95), else float32.

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: the file is damaged or no TFRecord file, or a record lacks a feature or
      holds it with another length or type; the message names file, record and feature.
  """
  import tensorflow as tf

  if not text_io.exists(path):
    raise FileNotFoundError(f"{path} does not exist")
  parts = {name: [] for name in spec}
  kinds = {name: _host_type(feature) for name, feature in spec.items()}
  wanted = parse_spec(spec)
  count, size = 0, 0
  damaged = f"{path} is damaged or cut short; make it again"
  with tf.device("CPU"):
    try:
      for batch in tf.data.TFRecordDataset(path).batch(_READ_BATCH):
        serialized = batch.numpy()
        parsed = tf.io.parse_example(batch, wanted)
        for name, kind in kinds.items():
          parts[name].append(parsed[name].numpy().astype(kind))
        count += len(serialized)
        size += sum(map(len, serialized)) + len(serialized) * _FRAME
    except tf.errors.DataLossError:
      raise ValueError(damaged) from None
    # The message of the error quotes the record, which need not be text.
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
      raise ValueError(_explain(path, spec, serialized, count, error)) from None
  if size != text_io.size(
    path
  ):  # TensorFlow takes a cut in a record's head for the end
    raise ValueError(damaged)
  empty = {
    name: np.zeros((0, *feature.shape), kinds[name]) for name, feature in spec.items()
  }
  return {name: np.concatenate([empty[name], *parts[name]]) for name in spec}


def _host_type(feature):
  return np.int32 if feature.dtype == "int64" else np.float32


def _explain(path, spec, batch, count, error):
  """Says which feature of which record does not fit; parse_example does not."""
  import tensorflow as tf
  from google.protobuf.message import DecodeError

  for number, serialized in enumerate(batch, count + 1):
    place = f"{path}, record {number}"
    try:
      features = tf.train.Example.FromString(serialized).features.feature
    except DecodeError:
      return f"{place}: expected a tf.train.Example, found other bytes"
    for name, feature in spec.items():
      kind = features[name].WhichOneof("kind") if name in features else None
      if kind is None:
        there = ", ".join(sorted(features)) or "none"
        return f"{place}: feature {name!r} is missing (the record holds: {there})"
      found = {"int64_list": "int64", "float_list": "float32"}.get(kind, "bytes")
      if found != feature.dtype:
        return f"{place}: feature {name!r} holds {found}, expected {feature.dtype}"
      length = len(getattr(features[name], kind).value)
      if length != feature.length:
        hint = f"; was the file made with another --{feature.flag}?"
        return (
          f"{place}: feature {name!r} has {length} values, expected {feature.length}"
          f"{hint if feature.flag else ''}"
        )
  return f"{path}: {error}"

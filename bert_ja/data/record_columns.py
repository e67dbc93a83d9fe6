"""Many `tf.train.Example`s of integers at once, from arrays with one row for each.

The bytes are those of `records.encode_example`, in about a sixth of the time for rows
of some hundred numbers. B is the number of records.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Mapping

import numpy as np

_LANE_BITS = 7


def encode_columns(columns: Mapping[str, np.ndarray]) -> Iterator[bytes]:
  """Serializes records.

  Args:
    columns: {feature name: integers from 0 on, [B] or [B, numbers in a record]}.

  Yields:
    B records, each with all features in the order of the mapping.

  Raises:
    ValueError: a value is no integer, or less than 0.
  """
  parts = []
  for name, values in columns.items():
    if values.dtype.kind not in "bui" or (values.size and values.min() < 0):
      raise ValueError(f"feature {name!r}: expected integers from 0 on")
    parts.append(
      _features(name, values.reshape(len(values), math.prod(values.shape[1:])))
    )
  for features in zip(*parts, strict=True):
    length = sum(map(len, itertools.chain.from_iterable(features)))
    yield b"".join([_head(b"\x0a", length), *itertools.chain.from_iterable(features)])


def _features(name, values):
  """Yields (bytes before the numbers, the numbers) for each record."""
  data, ends = _varints(values)
  start = 0
  for end in ends:
    yield _entry_head(name, end - start), data[start:end]
    start = end


def _varints(values):
  """All numbers in base 128, low digits first, and where those of each record end."""
  if values.dtype == bool or values.max(initial=0) < 128:
    ends = np.arange(1, len(values) + 1) * values.shape[1]
    return values.astype(np.uint8).tobytes(), ends.tolist()
  largest = int(values.max())
  rest = values.astype(np.uint32 if largest < 1 << 32 else np.uint64)
  lanes = -(-largest.bit_length() // _LANE_BITS)
  digits = np.empty((*values.shape, lanes), np.uint8)
  present = np.empty(digits.shape, bool)
  present[..., 0] = True
  sizes = np.full(len(values), values.shape[1])
  for lane in range(lanes):
    digit = rest.astype(np.uint8)
    rest >>= _LANE_BITS
    follows = rest > 0
    digit &= 0x7F
    digit |= follows.view(np.uint8) << 7
    digits[..., lane] = digit
    if lane + 1 < lanes:
      present[..., lane + 1] = follows
      sizes += np.count_nonzero(follows, axis=1)
  return digits[present].tobytes(), np.cumsum(sizes).tolist()


@functools.lru_cache(maxsize=1 << 14)
def _entry_head(name, length):
  """What stands before `length` bytes of the numbers of a feature.

  A map entry (field 1) of a key (1) and a feature (2) with an int64_list (3) that has
  its numbers packed in field 1: each is a tag, the length of all that follows in it,
  and that.
  """
  key = name.encode("utf-8")
  packed = _head(b"\x0a", length)
  numbers = _head(b"\x1a", len(packed) + length) + packed
  feature = _head(b"\x12", len(numbers) + length) + numbers
  entry = _head(b"\x0a", len(key)) + key + feature
  return _head(b"\x0a", len(entry) + length) + entry


@functools.lru_cache(maxsize=1 << 14)
def _head(tag, length):
  data, _ = _varints(np.array([[length]]))
  return tag + data

"""Vectors as JSON text: what json.dumps writes of rounded numbers, in a tenth of its time.

N vectors of H numbers.
"""

import json
from collections.abc import Sequence

import numpy as np

_DECIMALS = 6
_MOST = 1000.0  # Numbers from here on go the slow way.
_TOGETHER = 1 << 14  # Numbers whose bytes stay in the processor's cache.
_ZERO, _POINT, _MINUS, _COMMA, _SPACE = b"0.-, "
# Bytes of a number in turn: sign, three digits, point, six digits, comma, space.
_WIDTH = 13
_SIGN, _WHOLE, _DOT, _FRACTION, _SEPARATOR = 0, 1, 4, 5, 11


def _digit_tables():
  """Of 0 to 999: three digits; which are kept before the point, and which behind."""
  numbers = np.arange(1000)
  digits = np.stack([numbers // 100, numbers // 10 % 10, numbers % 10], axis=1)
  leading = np.stack([numbers >= 100, numbers >= 10, numbers >= 0], axis=1)
  trailing = np.stack([numbers > 0, numbers % 100 > 0, numbers % 10 > 0], axis=1)
  return (digits + _ZERO).astype(np.uint8), leading, trailing


def _tiny_tables():
  """Of 1 to 99 millionths: the text, which has an exponent, and its bytes kept."""
  texts = [b"", *(repr(number / 10**_DECIMALS).encode() for number in range(1, 100))]
  width = _SEPARATOR - _WHOLE
  table = np.array([list(text.ljust(width)) for text in texts], np.uint8)
  lengths = np.array([len(text) for text in texts])[:, np.newaxis]
  return table, np.arange(width) < lengths


_DIGITS, _LEADING, _TRAILING = _digit_tables()
_TINY, _TINY_KEPT = _tiny_tables()


def texts(values: np.ndarray, separator: bytes = b", ") -> list[bytes]:
  """The numbers of each vector, rounded to 6 decimals (contract A-166).

  Args:
    values: float32 [N, H].
    separator: one or two bytes between numbers.

  Returns:
    For each vector what `json.dumps([round(float(x), 6) for x in vector])` has between
    its brackets, with this separator.
  """
  values = np.asarray(values, np.float32)
  if not values.size:
    return [b""] * len(values)
  step = max(1, _TOGETHER // values.shape[1])
  parts = [values[start : start + step] for start in range(0, len(values), step)]
  return [text for part in parts for text in _texts(part, separator)]


def _texts(values, separator):
  # NaN fails the comparison as well.
  if not np.all(np.abs(values) < _MOST):
    return [_slow_text(vector, separator) for vector in values]
  # A float32 times a million is exact in float64: this rounds as Python's round does.
  millionths = np.rint(np.abs(values).astype(np.float64) * 10**_DECIMALS)
  millionths = millionths.astype(np.uint32)
  whole, fraction = np.divmod(millionths, np.uint32(10**_DECIMALS))
  high, low = np.divmod(fraction, np.uint32(1000))
  characters = np.empty([*values.shape, _WIDTH], np.uint8)
  kept = np.ones(characters.shape, bool)
  characters[..., _SIGN] = _MINUS
  kept[..., _SIGN] = np.signbit(values)
  characters[..., _WHOLE:_DOT] = _DIGITS[whole]
  kept[..., _WHOLE:_DOT] = _LEADING[whole]
  characters[..., _DOT] = _POINT
  characters[..., _FRACTION : _FRACTION + 3] = _DIGITS[high]
  characters[..., _FRACTION + 3 : _SEPARATOR] = _DIGITS[low]
  kept[..., _FRACTION : _FRACTION + 3] = _TRAILING[high] | (low > 0)[..., np.newaxis]
  kept[..., _FRACTION] = True
  kept[..., _FRACTION + 3 : _SEPARATOR] = _TRAILING[low]
  tiny = np.nonzero((millionths > 0) & (millionths < 100))
  characters[(*tiny, slice(_WHOLE, _SEPARATOR))] = _TINY[millionths[tiny]]
  kept[(*tiny, slice(_WHOLE, _SEPARATOR))] = _TINY_KEPT[millionths[tiny]]
  for place in (0, 1):
    kept[..., _SEPARATOR + place] = place < len(separator)
    characters[..., _SEPARATOR + place] = separator[min(place, len(separator) - 1)]
  kept[:, -1, _SEPARATOR:] = False
  ends = np.cumsum(np.count_nonzero(kept, axis=(1, 2)))
  flat = characters[kept].tobytes()
  return [flat[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _slow_text(vector, separator):
  rounded = [round(number, _DECIMALS) for number in vector.tolist()]
  return json.dumps(rounded, separators=(separator.decode(), ": "))[1:-1].encode()


def line_of_pieces(
  index: int,
  pieces: Sequence[str],
  layers: Sequence[int | str],
  vectors: Sequence[bytes],
) -> bytes:
  """A line of the original's form (contract A-166).

  Args:
    index: of the line, from 0.
    pieces: of the text.
    layers: names of L layers.
    vectors: of `texts`, for each piece those of its layers.
  """
  heads = [b'{"index": %s, "values": [' % json.dumps(name).encode() for name in layers]
  features = []
  for number, piece in enumerate(pieces):
    of_piece = vectors[number * len(heads) : (number + 1) * len(heads)]
    values = b"]}, ".join(map(b"".join, zip(heads, of_piece, strict=True)))
    features.append(
      b'{"token": %s, "layers": [%s]}]}' % (json.dumps(piece).encode(), values)
    )
  return b'{"linex_index": %d, "features": [%s]}\n' % (index, b", ".join(features))


def line_of_text(index: int, vector: bytes) -> bytes:
  """A line with one vector: {"linex_index": 0, "values": [...]}."""
  return b'{"linex_index": %d, "values": [%s]}\n' % (index, vector)

"""Normalization of Japanese text, with the origin of every character.

Each step is a small object that pickles and compares by value; its repr tells its
settings. Steps take any text, NUL and lone surrogates too.
"""

import dataclasses
import functools
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol


class Aligned(NamedTuple):
  """A normalized text, and where its characters come from.

  Attributes:
    text: the normalized text.
    starts: for each of its characters, the index in the input where its origin starts.
    ends: the index where its origin ends, exclusive.

  Both sequences never decrease. They are ranges where each character comes from the
  one in its place.
  """

  text: str
  starts: Sequence[int]
  ends: Sequence[int]


class Normalization(Protocol):
  """What the classes of this module are."""

  def __call__(self, text: str) -> str:
    """The normalized text."""

  def align(self, text: str) -> Aligned:
    """The same text, and where its characters come from."""


@dataclasses.dataclass(frozen=True)
class Nfkc:
  """Unicode normalization form KC, of the version of Python's `unicodedata`."""

  def __call__(self, text: str) -> str:
    """The normalized text."""
    return unicodedata.normalize("NFKC", text)

  def align(self, text: str) -> Aligned:
    """The normalized text; what composes or decomposes has its unit as its origin.

    A unit is a character and those behind it that could join with it: half-width か and
    its voicing mark, a letter and its accents, the parts of a Hangul syllable. A unit
    that stays as it is counts as single characters.
    """
    normalized = self(text)
    if normalized == text:
      return _in_place(text)
    units, characters = _nfkc_units()
    if characters.isdisjoint(text):  # Far faster than the pattern.
      return _in_place(normalized)
    return _align(text, normalized, self, units)


@dataclasses.dataclass(frozen=True)
class FullWidth:
  """Half-width letters, digits, marks and kana to full width: `mojimoji.han_to_zen`.

  A space becomes U+3000.
  """

  def __post_init__(self):
    """Loads mojimoji.

    Raises:
      ImportError: it is not installed.
    """
    try:
      import mojimoji
    except ImportError as error:
      raise ImportError(
        '--tokenizer needs mojimoji: pip install "bert_ja[ja]"'
      ) from error
    object.__setattr__(self, "_convert", mojimoji.han_to_zen)

  def __call__(self, text: str) -> str:
    """The normalized text."""
    return self._convert(text)

  def align(self, text: str) -> Aligned:
    """The normalized text; a kana with its voicing mark becomes one character."""
    return _align(text, self(text), self, _VOICED)


# Half-width kana that mojimoji joins with the mark behind them.
_VOICED = re.compile("[ｳｶ-ﾄﾊ-ﾎ]ﾞ|[ﾊ-ﾎ]ﾟ")


@dataclasses.dataclass(frozen=True)
class LowerCase:
  """`str.lower`: the small letters of every script; Σ at the end of a word is ς."""

  def __call__(self, text: str) -> str:
    """The text in small letters."""
    return text.lower()

  def align(self, text: str) -> Aligned:
    """The text in small letters; İ becomes i and a dot above."""
    return _align(text, self(text), self, _LENGTHENED)


_LENGTHENED = re.compile("İ")  # The only character with more than one small letter.


@dataclasses.dataclass(frozen=True)
class Replace:
  """Another character for one character."""

  old: str
  new: str

  def __post_init__(self):
    """Checks the lengths.

    Raises:
      ValueError: one of them is not one character.
    """
    if len(self.old) != 1 or len(self.new) != 1:
      raise ValueError(f"expected two single characters, found {self!r}")

  def __call__(self, text: str) -> str:
    """The text with all `old` as `new`."""
    return text.replace(self.old, self.new)

  def align(self, text: str) -> Aligned:
    """The same, each character in its place."""
    return _in_place(self(text))


@dataclasses.dataclass(frozen=True)
class Chain:
  """Several steps, the first one first; without steps the text stays as it is.

  Attributes:
    steps: the normalizations.
  """

  steps: Sequence[Normalization] = ()

  def __post_init__(self):
    """Makes a tuple of any sequence, so that equal chains compare equal."""
    object.__setattr__(self, "steps", tuple(self.steps))

  def __call__(self, text: str) -> str:
    """The text after all steps."""
    for step in self.steps:
      text = step(text)
    return text

  def align(self, text: str) -> Aligned:
    """The text after all steps; origins are in the text before the first."""
    aligned = _in_place(text)
    for step in self.steps:
      after = step.align(aligned.text)
      if isinstance(after.starts, range):  # Steps seldom move a character.
        aligned = aligned._replace(text=after.text)
      elif isinstance(aligned.starts, range):
        aligned = after
      else:
        starts = [aligned.starts[start] for start in after.starts]
        ends = [aligned.ends[end - 1] for end in after.ends]
        aligned = Aligned(after.text, starts, ends)
    return aligned


def _in_place(text):
  return Aligned(text, range(len(text)), range(1, len(text) + 1))


def _align(
  text: str, normalized: str, normalize: Callable[[str], str], units: re.Pattern
) -> Aligned:
  """Finds the origins of characters.

  Args:
    text: the input.
    normalized: all of it normalized.
    normalize: gives a unit's part of `normalized`.
    units: matches all that is not one character for one; outside of its matches each
      character stays in its place.
  """
  starts, ends, done = [], [], 0
  for match in units.finditer(text):
    start, end = match.span()
    unit = normalize(match[0])
    if unit == match[0]:
      continue
    starts += range(done, start)
    ends += range(done + 1, start + 1)
    starts += [start] * len(unit)
    ends += [end] * len(unit)
    done = end
  if not done:
    return _in_place(normalized)
  starts += range(done, len(text))
  ends += range(done + 1, len(text) + 1)
  assert len(starts) == len(normalized)
  return Aligned(normalized, starts, ends)


@functools.cache
def _nfkc_units():
  """What NFKC may treat otherwise than one character for one.

  Returns:
    (a pattern that matches such units, the characters one of which is in each unit).

  Before a character whose decomposition starts with a starter that ends no composition,
  nothing reaches over: normalizing both sides apart gives the same.
  """
  # Beyond these planes no character joins with another or becomes several; tests hold
  # this against every code point of the running Python.
  characters = list(map(chr, range(0x20000)))
  seconds = set()
  for character in characters:
    parts = unicodedata.normalize("NFD", character)
    if len(parts) > 1 and unicodedata.is_normalized("NFC", character):
      seconds.update(parts[1:])
  joining, several = [], []
  for character in characters:
    parts = unicodedata.normalize("NFKD", character)
    if parts[0] in seconds or unicodedata.combining(parts[0]):
      joining.append(character)
    elif len(parts) > 1 and len(unicodedata.normalize("NFKC", character)) > 1:
      several.append(character)
  unusual = frozenset(joining + several)
  joining, several = map(_character_ranges, (joining, several))
  return re.compile(f"[^{joining}]?[{joining}]+|[{several}]"), unusual


def _character_ranges(characters):
  """The inside of a regular expression's brackets, for characters in ascending order."""
  ranges = []
  for character in map(ord, characters):
    if ranges and ranges[-1][1] == character - 1:
      ranges[-1][1] = character
    else:
      ranges.append([character, character])
  return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)

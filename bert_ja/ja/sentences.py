"""Splits Japanese text into sentences.

Two rules: `split` knows brackets, quotes and marks of every width; `split_at_full_stops`
is the plain one that a published Japanese model's corpus was made with.
"""

import collections
import re
from collections.abc import Iterator

# What is quoted in more characters than this is a tale of its own, not a part of the
# sentence around it: its sentences are split.
_LONGEST_QUOTE = 150

_PAIRS = dict(
  zip("「『（(〔［[｛{〈《【〖〘“‘〝≪｢", "」』）)〕］]｝}〉》】〗〙”’〟≫｣", strict=True)
)
_OPENING = re.escape("".join(_PAIRS))
_CLOSING = re.escape("".join(_PAIRS.values()) + "\"'〞")
_BRACKETS = re.compile(f"[{_OPENING}{re.escape(''.join(_PAIRS.values()))}]")
_ALWAYS = "。｡"
_WIDE = "！？‼⁇⁈⁉"
_ENDS = re.compile(f"([。｡！？‼⁇⁈⁉!?．.]+)([{_CLOSING}]*)")
_OPENS = re.compile(rf"\s*[{_OPENING}]")
# と (or って) tells that what was cried or asked is quoted.
_GOES_ON = re.compile("[とっ、，,]")
_LETTER_OR_DIGIT = re.compile("[0-9A-Za-z０-９Ａ-Ｚａ-ｚ]")
_NOT_JAPANESE = re.compile(r"[\x00-\x7f０-９Ａ-Ｚａ-ｚ\s]")

_FULL_STOP = re.compile('(?<=。)(?![」）)"|])')


def split(text: str) -> list[str]:
  """Splits at the ends of sentences, with brackets and quotes kept whole.

  - A line break ends a sentence.
  - 。 and ｡ end one. So do ！ and ？, unless と, っ or a comma follows: えっ！と驚く.
  - `.`, `．`, `!` and `?` end one behind a Japanese character and before anything but a
    letter or digit; `!` and `?` behind any character if white space follows.
  - Marks in a row (？！, 。。。) end one sentence, behind the last.
  - Within brackets or quotes that close in the same line, at most 150 characters away,
    nothing ends.
  - Where a closing bracket follows the mark, a sentence ends behind the bracket only
    if another bracket opens there: 「はい。」「どうぞ。」 are two, 「はい。」と言う。 is one.

  Returns:
    Sentences without white space around them; none is empty.
  """
  return [
    sentence
    for line in text.splitlines()
    for sentence in map(str.strip, _sentences(line))
    if sentence
  ]


def _sentences(line: str) -> Iterator[str]:
  start, held, place = 0, None, 0
  for match in _ENDS.finditer(line):
    end = match.end()
    if end == len(line):
      break
    if not _ends_sentence(line, match):
      continue
    if held is None:  # few lines of prose have brackets and several sentences
      held = _held(line)
    while place < len(held) and held[place][1] < end:
      place += 1  # closed before: of no later end either
    if place < len(held) and held[place][0] < match.start():
      continue
    yield line[start:end]
    start = end
  yield line[start:]


def _ends_sentence(line, match):
  """Whether marks, with what closes behind them, can end a sentence there."""
  marks, closing = match.groups()
  only_stops = not marks.strip("．.")
  if closing:
    return not only_stops and _OPENS.match(line, match.end()) is not None
  if any(mark in marks for mark in _ALWAYS):
    return True
  if any(mark in marks for mark in _WIDE):
    return _GOES_ON.match(line, match.end()) is None
  if line[match.end()].isspace() and not only_stops:
    return True
  return (
    match.start() > 0
    and not _NOT_JAPANESE.match(line, match.start() - 1)
    and not _LETTER_OR_DIGIT.match(line, match.end())
    and not _GOES_ON.match(line, match.end())
  )


def _held(line):
  """The outermost brackets that hold their sentences together: ascending (start, end)."""
  opened, held = [], []  # `opened`: (what closes it, where it stands)
  waiting = collections.Counter()  # how many of `opened` a bracket could close
  for match in _BRACKETS.finditer(line):
    bracket, place = match[0], match.start()
    if bracket in _PAIRS:
      opened.append((_PAIRS[bracket], place))
      waiting[_PAIRS[bracket]] += 1
      continue
    # A bracket that closes nothing, or was left open within others, is passed over.
    if not waiting[bracket]:
      continue
    closer = None
    while closer != bracket:
      closer, start = opened.pop()
      waiting[closer] -= 1
    if place - start <= _LONGEST_QUOTE:
      while held and held[-1][0] > start:
        held.pop()
      held.append((start, place))
  return held


def split_at_full_stops(text: str) -> list[str]:
  """Splits behind each 。 that no closing bracket or quote follows (contract B-21).

  The followers are 」 ） ) " and |. Parts that start with 。 are dropped.

  Returns:
    Sentences without white space around them; none is empty.
  """
  parts = map(str.strip, _FULL_STOP.split(text))
  return [part for part in parts if part and not part.startswith("。")]

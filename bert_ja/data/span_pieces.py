"""Contexts to pieces, and answers to the pieces that they stand in.

There are two ways, by the names of `WindowOptions.answer_alignment`. "words" is the
original's: a context is split at white space and each word for itself (contract A-108,
A-113), an answer has whole words, narrowed to the first pieces that are equal to its
own (A-110, A-114). In text without spaces a word is a paragraph or a line, and these
are the pieces of the first such text in it, wherever the answer stands (A-122).
"characters" splits the context as any text and takes the pieces between the answer's
first and last character.

C is the number of a context's pieces.
"""

import bisect
import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bert_ja import tokenization

# As in the original: no other white space parts words, U+3000 neither.
WORD = re.compile("[^ \t\r\n\u202f]+")
"""A word of a context (contract A-108)."""
_SPECIAL_TOKENS = ("[CLS]", "[SEP]", "[MASK]")

Span = tuple[int, int]


class Pieces(NamedTuple):
  """Pieces of a context.

  Attributes:
    tokens: C pieces.
    ids: their ids.
    places: int32 [C, 2], as in `span_features.Windows`.
  """

  tokens: list[str]
  ids: list[int]
  places: np.ndarray


class AnswerPieces(NamedTuple):
  """Where an answer stands.

  Attributes:
    first: number of its first piece in the context; -1 if it has none.
    last: number of its last piece.
    exact: whether the pieces are the answer's text and no more.
  """

  first: int
  last: int
  exact: bool


NO_PIECES = AnswerPieces(-1, -1, False)


class Question(NamedTuple):
  """A question about a context.

  Attributes:
    ids: of its pieces, cut to the greatest length (A-113).
    answer: where the answer stands in the context.
  """

  ids: list[int]
  answer: AnswerPieces


class Splitter:
  """A tokenizer as windows need it; can be sent to worker processes.

  Attributes:
    tokenizer: the tokenizer.
    answer_alignment: "words" or "characters".
    max_query_length: most pieces of a question.
    word: (pieces, ids) of a text by the text, kept since words come again.
  """

  def __init__(self, tokenizer: Any, answer_alignment: str, max_query_length: int):
    self.tokenizer = tokenizer
    self.answer_alignment = answer_alignment
    self.max_query_length = max_query_length
    special = {tokenizer.vocab.get(token) for token in _SPECIAL_TOKENS}
    self._special_ids = {*special, tokenizer.pad_id} - {tokenizer.unk_id}
    self.word = tokenization.Cache(self._split)

  def __reduce__(self):
    return type(self), (self.tokenizer, self.answer_alignment, self.max_query_length)

  def split(
    self, context: str, questions: Sequence[tuple[str, Sequence | None]]
  ) -> tuple[Pieces, list[Question]]:
    """Pieces of a context and of questions about it.

    Args:
      context: the context.
      questions: for each its text, and (text, first character) of its answer or None.
    """
    view = ALIGNMENTS[self.answer_alignment](context)
    pieces = view.split(self)
    asked = []
    for text, answer in questions:
      ids = self.tokenizer.encode(text)[: self.max_query_length]
      place = NO_PIECES
      found = view.find(*answer) if answer is not None else None
      if found is not None:
        place = view.place(pieces, found, answer[0], self)
      asked.append(Question(ids, place))
    return pieces, asked

  def _split(self, text):
    tokens = self.tokenizer.tokenize(text)
    return tokens, self.ids(text, tokens)

  def ids(self, text: str, tokens: Sequence[str]) -> list[int]:
    """Ids of the pieces of a text, none of them special.

    Unknown characters can be a piece of a special token's name. Only then the text is
    split once more, by `encode`, which knows the difference.
    """
    ids = self.tokenizer.convert_tokens_to_ids(tokens)
    return ids if self._special_ids.isdisjoint(ids) else self.tokenizer.encode(text)


class Words:
  """A context in words, numbered from 0, as the original sees it."""

  def __init__(self, context: str):
    self._length = len(context)
    matches = list(WORD.finditer(context))
    self._words = [match[0] for match in matches]
    self._starts = [match.start() for match in matches]

  def find(self, text: str, start: int) -> Span | None:
    """First and last word of an answer; None if they do not hold its text (A-110).

    New: an answer beyond the context or of white space alone is none; the original
    stops at the one and trains on any words for the other.
    """
    wanted = " ".join(text.split())
    if not wanted or not 0 <= start <= self._length - len(text):
      return None
    # White space counts to the word before it. As in the original, that is -1 before
    # the first word, where only a context of one word finds its answer.
    first, last = map(self._word_at, (start, start + len(text) - 1))
    if wanted not in " ".join(self._words[first : last + 1]):
      return None
    return max(first, 0), last

  def _word_at(self, character):
    return bisect.bisect_right(self._starts, character) - 1

  def split(self, splitter: Splitter) -> Pieces:
    """Pieces of all words."""
    parts = list(map(splitter.word.__getitem__, self._words))
    tokens = [token for tokens, _ in parts for token in tokens]
    ids = [index for _, ids in parts for index in ids]
    counts = [len(ids) for _, ids in parts]
    self._edges = np.cumsum([0, *counts]).tolist()
    words = np.repeat(np.arange(len(parts), dtype=np.int32), counts)
    self._text, self._letters = _spelled(tokens)
    return Pieces(tokens, ids, np.stack([words, words], axis=1))

  def place(
    self, pieces: Pieces, found: Span, text: str, splitter: Splitter
  ) -> AnswerPieces:
    """Pieces of an answer (A-114).

    Args:
      pieces: what `split` gave before.
      found: what `find` gave for the answer.
      text: the answer's.
      splitter: the same as for `split`.
    """
    start, end = self._edges[found[0]], self._edges[found[1] + 1]
    if start == end:
      return NO_PIECES
    wanted, _ = splitter.word[text]
    # One letter a piece makes this a search for a text, which takes linear time.
    letters = "".join(self._letters.get(token, "\0") for token in wanted)
    narrowed = self._text.find(letters, start, end) if letters else -1
    if narrowed < 0:
      return AnswerPieces(start, end - 1, False)
    return AnswerPieces(narrowed, narrowed + len(letters) - 1, True)


def _spelled(tokens):
  """(a text with one letter for each token, {token: letter}); no letter is NUL."""
  letters = {token: chr(n) for n, token in enumerate(dict.fromkeys(tokens), 1)}
  return "".join(map(letters.__getitem__, tokens)), letters


class Characters:
  """A context as its characters."""

  def __init__(self, context: str):
    self._context = context

  def find(self, text: str, start: int) -> Span | None:
    """First character of an answer and the one after the last; None if not there."""
    if not text.strip() or start < 0 or not self._context.startswith(text, start):
      return None
    return start, start + len(text)

  def split(self, splitter: Splitter) -> Pieces:
    """Pieces of the context."""
    tokens, spans = splitter.tokenizer.tokenize_with_offsets(self._context)
    flat = itertools.chain.from_iterable(spans)
    places = np.fromiter(flat, np.int32, 2 * len(spans)).reshape(-1, 2)
    return Pieces(tokens, splitter.ids(self._context, tokens), places)

  def place(
    self, pieces: Pieces, found: Span, text: str, splitter: Splitter
  ) -> AnswerPieces:
    """All pieces that have a character of the answer; arguments as in `Words.place`."""
    del splitter
    starts, ends = pieces.places.T
    # Neither goes back in a text.
    low = np.searchsorted(ends, found[0], "right")
    high = np.searchsorted(starts, found[1], "left")
    # A piece of no character, as of a space before a word, has none of the answer.
    hits = low + np.flatnonzero(starts[low:high] < ends[low:high])
    if not len(hits):
      return NO_PIECES
    first, last = hits[[0, -1]].tolist()
    cut = self._context[starts[first] : ends[last]]
    return AnswerPieces(first, last, cut == text)


ALIGNMENTS = {"words": Words, "characters": Characters}
"""Name of an alignment -> what is made of a context."""

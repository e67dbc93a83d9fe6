"""Text files to documents of piece ids, and which pieces go on with a word.

T is the number of pieces of all documents, N of their sentences, D of documents.
"""

import array
import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from absl import logging

from bert_ja import japanese_tokenization, text_io, tokenization
from bert_ja.data import parallel

_BATCH_CHARACTERS = 1 << 16
_BLANK = -1

# Called with (lines done, lines in all).
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Documents:
  """Documents end to end.

  Attributes:
    ids: int32 [T], pieces.
    sentences: int64 [N + 1], where each sentence starts in `ids`, and T.
    documents: int64 [D + 1], where each document starts in `sentences`, and N.
    continues: bool [T], whether a piece goes on with the word before it; None where
      words play no part.
  """

  ids: np.ndarray
  sentences: np.ndarray
  documents: np.ndarray
  continues: np.ndarray | None = None

  def __len__(self) -> int:
    return len(self.documents) - 1


def read_documents(
  input_files: Sequence[str],
  tokenizer: tokenization.Tokenizer,
  words: str | None = None,
  workers: int = 1,
  progress: Progress | None = None,
) -> Documents:
  """Reads a sentence a line, with blank lines between documents (A-139, A-140).

  Args:
    input_files: UTF-8 text, packed by gzip or not. The end of a file ends no document.
    tokenizer: makes the pieces.
    words: None, "auto" (the tokenizer's words) or "spaces" (a word is what stands
      between white space).
    workers: processes that tokenize.
    progress: called as lines are done.

  Raises:
    FileNotFoundError: a file does not exist.
    ValueError: a line is not UTF-8, or no line has a piece.
  """
  texts = list(_batches(input_files))
  total = sum(text.count("\n") for text in texts)
  table, rule = None, words
  if words == "auto":
    table = continuing_pieces(tokenizer)
    rule = None if table is not None else "segmenter"
  parts = [(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, bool))]
  done = 0
  for part in parallel.ordered_map(_tokenize, (tokenizer, rule), texts, workers):
    parts.append(part)
    done += len(part[1])
    if progress is not None:
      progress(done, total)
  del texts
  ids, lengths, continues = map(np.concatenate, zip(*parts, strict=True))
  sentences, documents = _bounds(lengths)
  _check_documents(input_files, documents, total)
  if not words:
    continues = None
  elif table is not None:
    continues = table[ids]
  return Documents(ids, sentences, documents, continues)


def has_text(path: str) -> bool:
  """Whether a file has a line that is not blank; reads no further.

  Raises:
    FileNotFoundError: the file does not exist.
    ValueError: a line before is not UTF-8.
  """
  return any(line.strip() for line in text_io.stream_lines(path))


def continuing_pieces(tokenizer: tokenization.Tokenizer) -> np.ndarray | None:
  """Which pieces go on with the word before them, as their names say.

  SentencePiece starts a word with ▁ (an unknown piece is taken to go on with one);
  all others mark the pieces that go on by ##, at the words of their segmenter.

  Returns:
    bool [V] by id; None for characters of a segmenter's words, whose names say nothing.
  """
  is_segmented = isinstance(tokenizer, japanese_tokenization.SegmentedTokenizer)
  if is_segmented and isinstance(
    tokenizer.pieces, japanese_tokenization.CharacterTokenizer
  ):
    return None
  by_space = isinstance(tokenizer, japanese_tokenization.SentencePieceTokenizer)
  table = np.zeros(max(tokenizer.inv_vocab) + 1, bool)
  for index, piece in tokenizer.inv_vocab.items():
    table[index] = not piece.startswith("▁") if by_space else piece.startswith("##")
  return table


def _batches(input_files: Sequence[str]) -> Iterator[str]:
  """Stripped lines in texts of some size; each with a line end."""
  lines, size = [], 0
  for path in input_files:
    for line in text_io.stream_lines(path):
      lines.append(line.strip() + "\n")
      size += len(lines[-1])
      if size >= _BATCH_CHARACTERS:
        yield "".join(lines)
        lines, size = [], 0
  yield "".join(lines)


def _tokenize(shared, text):
  """Pieces of lines; runs in a worker process.

  Args:
    shared: (tokenizer, None or "spaces" or "segmenter": where words come from).
    text: lines, each with its end.

  Returns:
    (ids int32 [T], pieces of each line int64 [lines] or -1 for a blank one,
    continues bool [T], or [0] if words play no part).
  """
  tokenizer, rule = shared
  ids, lengths, continues = array.array("i"), array.array("q"), array.array("b")
  for line in text.split("\n")[:-1]:
    before = len(ids)
    if rule is None:
      ids.extend(tokenizer.encode(line))
    else:
      for word in _words(tokenizer, rule, line):
        ids.extend(word)
        if word:
          continues.extend([False, *[True] * (len(word) - 1)])
    lengths.append(len(ids) - before if line else _BLANK)
  return (
    np.frombuffer(ids, np.int32),
    np.frombuffer(lengths, np.int64),
    np.frombuffer(continues, bool),
  )


def _words(tokenizer, rule, line):
  """Ids of the pieces of each word."""
  if rule == "spaces":
    return map(tokenizer.encode, line.split())
  words = tokenizer.segmenter.split(tokenizer.normalizer(line))
  if tokenizer.do_lower_case:
    words = map(str.lower, words)
  return (
    tokenizer.convert_tokens_to_ids(tokenizer.pieces.split_word(word)) for word in words
  )


def _bounds(lengths):
  """(`sentences`, `documents`) of `Documents` for the pieces of each line."""
  real = lengths > 0
  sentences = np.concatenate([[0], np.cumsum(lengths[real])])
  document_of = np.cumsum(lengths == _BLANK)[real]
  changes = np.flatnonzero(np.diff(document_of)) + 1
  ends = [len(document_of)] if len(document_of) else []
  return sentences, np.concatenate([[0], changes, ends]).astype(np.int64)


def _check_documents(input_files, documents, num_lines):
  names = ", ".join(input_files)
  if len(documents) < 2:
    raise ValueError(
      f"{names}: expected text, a sentence a line and a blank line between documents; "
      f"found {num_lines} lines without a word"
    )
  if len(documents) == 2:
    logging.warning(
      "%s: one document only, so that random second sentences are from the same one; "
      "put a blank line between documents",
      names,
    )

"""Tokenizers made of parts: normalization, segmentation, pieces.

The parts are objects that the caller chooses (`front_ends` has the published choices).
Imports no TensorFlow and no analyser.
"""

import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from bert_ja import text_io, tokenization
from bert_ja.ja import normalization
from bert_ja.tokenization import Span


def load_piece_vocab(vocab_file: str) -> dict[str, int]:
  """Reads a SentencePiece vocabulary: `piece`, or `piece TAB score` (contract B-12).

  The id is the line number from 0; a repeated piece keeps the id of its last line.

  Raises:
    FileNotFoundError: no such file.
    ValueError: a line has another number of columns than the first, or more than two.
  """
  if not text_io.exists(vocab_file):
    raise FileNotFoundError(
      f"{vocab_file} does not exist; expected the vocabulary of a SentencePiece model "
      "(--vocab_file)"
    )
  rows = [line.split("\t") for line in text_io.read_lines(vocab_file)]
  columns = len(rows[0]) if rows else 0
  if columns not in (1, 2):
    raise ValueError(
      f"{vocab_file}: expected one piece a line, or a piece and its score, found "
      f"{columns} columns"
    )
  for number, row in enumerate(rows, 1):
    if len(row) != columns:
      raise ValueError(
        f"{vocab_file}:{number}: expected {columns} columns as in the first line, "
        f"found {len(row)}"
      )
  return {row[0]: index for index, row in enumerate(rows)}


class CharacterTokenizer:
  """Splits words into characters."""

  def __init__(self, vocab: Collection[str], unk_token: str = "[UNK]"):
    self.vocab = vocab
    self.unk_token = unk_token

  def split_word(self, word: str) -> list[str]:
    """The characters; `unk_token` for those that the vocabulary lacks."""
    return [c if c in self.vocab else self.unk_token for c in word]


class WholeWordTokenizer:
  """Takes words as they are."""

  def __init__(self, vocab: Collection[str], unk_token: str = "[UNK]"):
    self.vocab = vocab
    self.unk_token = unk_token

  def split_word(self, word: str) -> list[str]:
    """The word, or `unk_token`."""
    return [word if word in self.vocab else self.unk_token]


class SegmentedTokenizer(tokenization.Tokenizer):
  """Text to words by a segmenter, words to pieces of a vocabulary.

  Attributes:
    normalizer: text -> text, with `align`; see `ja.normalization`.
    segmenter: text -> words, with spans; see `ja.segmenters`.
    pieces: word -> pieces.
    settings: what to write to `tokenizer_config.json`.
  """

  def __init__(
    self,
    vocab: dict[str, int],
    normalizer: Any,
    segmenter: Any,
    pieces: Any,
    do_lower_case: bool = False,
    settings: Mapping[str, Any] | None = None,
    unk_token: str = "[UNK]",
    pad_token: str = "[PAD]",
  ):
    """Puts the parts together.

    Args:
      vocab: token to id.
      normalizer: as the attribute.
      segmenter: as the attribute.
      pieces: has `split_word(word)`; every piece but the unknown token is a part of
        the word, after ## where it does not start the word.
      do_lower_case: lower-case the words, after segmentation as in Hugging Face's
        tokenizer for Japanese, since analysers know capitals.
      settings: as the attribute.
      unk_token: piece of a word that the vocabulary does not cover.
      pad_token: name of the padding piece.
    """
    super().__init__(vocab, unk_token, pad_token)
    self._arguments = (
      vocab,
      normalizer,
      segmenter,
      pieces,
      do_lower_case,
      settings,
      unk_token,
      pad_token,
    )
    self.normalizer = normalizer
    self.segmenter = segmenter
    self.pieces = pieces
    self.do_lower_case = do_lower_case
    self.settings = dict(settings or {})
    self._lower_case = normalization.LowerCase()
    self._pieces = tokenization.Cache(self._split_word)
    self._ids = tokenization.Cache(self._word_ids)
    self._spans = tokenization.Cache(self._measure_word)

  def __reduce__(self):
    return type(self), self._arguments

  @property
  def fingerprint(self) -> str:
    """Hex SHA-256 of vocabulary and parts: equal where all results are equal."""
    parts = [self.normalizer, self.segmenter, type(self.pieces).__name__]
    limit = getattr(self.pieces, "max_input_chars_per_word", None)
    return _digest(self, [*map(str, parts), limit, self.do_lower_case])

  def tokenize(self, text: str | bytes) -> list[str]:
    """Pieces of a text.

    Raises:
      ValueError: text is neither str nor bytes.
    """
    words = self._words(text)
    return list(itertools.chain.from_iterable(map(self._pieces.__getitem__, words)))

  def tokenize_with_offsets(self, text: str | bytes) -> tuple[list[str], list[Span]]:
    """Pieces of a text and where they stand.

    Returns:
      (tokens as of `tokenize`, one (start, end) for each token: character offsets
      into the decoded text, in the order of the text). A character that became
      several pieces is in the spans of all of them.

    Raises:
      ValueError: text is neither str nor bytes.
    """
    aligned = self.normalizer.align(tokenization.convert_to_unicode(text))
    words, word_spans = self.segmenter.split_with_spans(aligned.text)
    tokens = list(itertools.chain.from_iterable(map(self._pieces.__getitem__, words)))
    starts, ends = aligned.starts, aligned.ends
    spans = [
      (starts[first + start], ends[first + end - 1])
      for word, (first, _) in zip(words, word_spans, strict=True)
      for start, end in self._spans[word]
    ]
    return tokens, spans

  def encode(self, text: str | bytes) -> list[int]:
    """Ids of the pieces of a text: in less time than of the pieces of `tokenize`.

    Raises:
      ValueError: text is neither str nor bytes.
    """
    words = self._words(text)
    return list(itertools.chain.from_iterable(map(self._ids.__getitem__, words)))

  def _words(self, text):
    text = self.normalizer(tokenization.convert_to_unicode(text))
    return self.segmenter.split(text)

  def _word_ids(self, word):
    return tuple(self.convert_tokens_to_ids(self._split_word(word)))

  def _split_word(self, word):
    return tuple(self.pieces.split_word(word.lower() if self.do_lower_case else word))

  def _measure_word(self, word):
    """(start, end) of each piece in the word."""
    pieces = self._pieces[word]
    if len(pieces) == 1:
      return ((0, len(word)),)
    aligned = self._lower_case.align(word) if self.do_lower_case else None
    spans, end = [], 0
    for piece in pieces:
      start = end
      end += 1 if piece == self.unk_token else len(piece)
      if start and piece.startswith("##"):
        end -= 2
      if aligned is None:
        spans.append((start, end))
      else:
        spans.append((aligned.starts[start], aligned.ends[end - 1]))
    return tuple(spans)


class SentencePieceTokenizer(tokenization.Tokenizer):
  """Text to SentencePiece's pieces, without words (contract B-10 to B-16).

  Attributes:
    sentence_piece: `ja.sentence_piece.SentencePiece`.
    do_lower_case: whether the text is lower-cased first.
    ids_of_model: the vocabulary's id for each of the model's ids; None where the
      vocabulary has pieces that the model lacks, which could be the text of a piece
      that is unknown to the model.
    settings: what to write to `tokenizer_config.json`.
  """

  def __init__(
    self,
    vocab: dict[str, int],
    sentence_piece: Any,
    do_lower_case: bool = True,
    settings: Mapping[str, Any] | None = None,
    unk_token: str = "<unk>",
    pad_token: str = "<pad>",
  ):
    """Puts the parts together.

    Args:
      vocab: piece to id. Its ids are used, not those of the model.
      sentence_piece: as the attribute.
      do_lower_case: as the attribute.
      settings: as the attribute.
      unk_token: name of the unknown piece; without it, id 0 is used.
      pad_token: name of the padding piece; without it, id 0 is used.
    """
    super().__init__(vocab, unk_token, pad_token)
    self._arguments = (
      vocab,
      sentence_piece,
      do_lower_case,
      settings,
      unk_token,
      pad_token,
    )
    self.sentence_piece = sentence_piece
    self.do_lower_case = do_lower_case
    self.settings = dict(settings or {})
    self._known_ids = _IdsWithDefault(vocab, self.unk_id)
    self.ids_of_model = self._match_ids()
    if self.ids_of_model is not None:
      self._id_of_model = self.ids_of_model.__getitem__
      self._has_models_ids = self.ids_of_model == list(range(len(self.ids_of_model)))
    self._lower_case = normalization.LowerCase()

  def __reduce__(self):
    return type(self), self._arguments

  @property
  def fingerprint(self) -> str:
    """Hex SHA-256 of model and vocabulary: equal where all results are equal."""
    model = self.sentence_piece.fingerprint
    return _digest(self, [model, self.do_lower_case, self.unk_id])

  def tokenize(self, text: str | bytes) -> list[str]:
    """Pieces of a text: its own characters, also where the vocabulary lacks them.

    Raises:
      ValueError: text is neither str nor bytes.
    """
    return self.sentence_piece.pieces(self._normalized(text))

  def encode(self, text: str | bytes) -> list[int]:
    """Ids of the pieces of a text: in less time than of the pieces of `tokenize`.

    Raises:
      ValueError: text is neither str nor bytes.
    """
    if self.ids_of_model is None:
      return self.convert_tokens_to_ids(self.tokenize(text))
    ids = self.sentence_piece.ids(self._normalized(text))
    return ids if self._has_models_ids else list(map(self._id_of_model, ids))

  def _normalized(self, text):
    text = tokenization.convert_to_unicode(text)
    return text.lower() if self.do_lower_case else text

  def _match_ids(self):
    """Value of `ids_of_model`."""
    pieces = [piece for piece, _ in self.sentence_piece.vocabulary()]
    if not self.vocab.keys() <= set(pieces):
      return None
    ids = self.convert_tokens_to_ids(pieces)
    # The name of the unknown piece may have another id than an unknown piece.
    ids[self.sentence_piece.unk_id] = self.unk_id
    return ids

  def tokenize_with_offsets(self, text: str | bytes) -> tuple[list[str], list[Span]]:
    """Pieces of a text and where they stand; see `SegmentedTokenizer`.

    A `▁` that stands for no character has an empty span.
    """
    text = tokenization.convert_to_unicode(text)
    if not self.do_lower_case:
      return self.sentence_piece.pieces_with_spans(text)
    aligned = self._lower_case.align(text)
    pieces, spans = self.sentence_piece.pieces_with_spans(aligned.text)
    if isinstance(aligned.starts, range):  # Each character stayed in its place.
      return pieces, spans
    return pieces, [_original_span(aligned, *span) for span in spans]

  def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
    """Ids of pieces; `unk_id` for those that the vocabulary lacks (B-14)."""
    return list(map(self._known_ids.__getitem__, tokens))

  def convert_ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
    """Pieces of ids; the unknown token for ids outside the vocabulary (B-14)."""
    unknown = self.inv_vocab[self.unk_id]
    return [self.inv_vocab.get(index, unknown) for index in ids]


class _IdsWithDefault(dict):
  """Piece to id, and the unknown one's for any other."""

  def __init__(self, vocab, unk_id):
    super().__init__(vocab)
    self._unk_id = unk_id

  def __missing__(self, piece):
    return self._unk_id


def _original_span(aligned: normalization.Aligned, start: int, end: int) -> Span:
  if start < end:
    return aligned.starts[start], aligned.ends[end - 1]
  # An empty span stays where it is: before the character that follows, or at the end.
  if start < len(aligned.text):
    place = aligned.starts[start]
  else:
    place = aligned.ends[-1] if aligned.text else 0
  return place, place


def _digest(tokenizer: tokenization.Tokenizer, parts: Sequence[Any]) -> str:
  content = [type(tokenizer).__name__, *parts, tokenizer.pad_id, tokenizer.unk_token]
  return hashlib.sha256(
    json.dumps([*content, list(tokenizer.vocab.items())]).encode()
  ).hexdigest()

"""Fills in [MASK] in texts with what a pre-trained model finds likely.

B rows, S positions, P masks a row, V vocabulary size.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_ja import (
  checkpoint,
  japanese_tokenization,
  modeling,
  pretraining_heads,
  tokenization,
)

MASK = "[MASK]"

_BATCH_ROWS = 16
# Lengths are rounded up, and rows to a power of two: each new shape costs time.
_LENGTH_STEP = 32
# Names of no text: BERT's, SentencePiece's, places that are kept free, single bytes.
_SPECIAL = re.compile(
  r"|\[(PAD|UNK|CLS|SEP|MASK|unused\d+)\]"
  r"|<(pad|unk|cls|sep|mask|/?s|S|T|unused\d+|0x[0-9A-F]{2})>"
)
# For private use: no vocabulary has a piece with it, no normalization changes it.
_STAND_INS = range(0x10FFFD, 0x10FF00, -1)


@dataclasses.dataclass(frozen=True)
class Filler:
  """What can stand in the place of a [MASK].

  Attributes:
    piece: of the vocabulary, with its `##` or `▁`.
    probability: among all pieces of the vocabulary.
    text: the whole text with this [MASK] filled in; others stay.
  """

  piece: str
  probability: float
  text: str


@dataclasses.dataclass(frozen=True)
class Filled:
  """A text and the fillers of its masks.

  Attributes:
    text: as it was given.
    masks: for each [MASK], in their order, its fillers, the best one first.
  """

  text: str
  masks: list[list[Filler]]


@dataclasses.dataclass(frozen=True)
class Row:
  """A text as the model takes it.

  Attributes:
    parts: what stands before, between and behind the masks.
    ids: [CLS], pieces, [SEP].
    positions: of the masks.
  """

  parts: list[str]
  ids: list[int]
  positions: list[int]


def load_model(
  config: modeling.BertConfig, init_checkpoint: str
) -> pretraining_heads.PretrainingModel:
  """Encoder and masked-word head of a checkpoint.

  Raises:
    ValueError: the checkpoint has no such head, or belongs to another config.
  """
  model = pretraining_heads.PretrainingModel(config, next_sentence=False)
  head = checkpoint.named_variables(model.masked_lm)
  stored = checkpoint.open_checkpoint(init_checkpoint).shapes
  missing = [name for name in head if name not in stored]
  if missing:
    raise ValueError(
      f"{init_checkpoint} cannot fill in masks: it lacks {missing[0]}, as models that "
      "were fine-tuned do; give the model as it was pre-trained"
    )
  checkpoint.init_from_checkpoint(init_checkpoint, checkpoint.named_variables(model))
  return model


class MaskFiller:
  """Finds fillers for [MASK] in texts."""

  def __init__(
    self,
    model: pretraining_heads.PretrainingModel,
    tokenizer: tokenization.Tokenizer,
    max_seq_length: int = 128,
  ):
    """Looks at the vocabulary.

    Args:
      model: see `load_model`.
      tokenizer: the model's.
      max_seq_length: pieces that the model sees at once, [CLS] and [SEP] included.

    Raises:
      ValueError: the vocabulary has no [MASK].
    """
    if MASK not in tokenizer.vocab:
      raise ValueError(
        f"the vocabulary has no {MASK} among its {len(tokenizer.vocab)} pieces; give "
        "the one that the model was pre-trained with"
      )
    self._model, self._tokenizer = model, tokenizer
    self._max_seq_length = max_seq_length
    vocab_size = model.bert.config.vocab_size
    # Rows of the table without a piece are no words either.
    pieces = tokenizer.inv_vocab
    self._offered = np.array(
      [not _SPECIAL.fullmatch(pieces.get(i, "")) for i in range(vocab_size)]
    )

  def fill(
    self,
    texts: Iterable[str],
    top_k: int = 5,
    place: str = "text ",
    num_together: int = 256,
  ) -> Iterator[Filled]:
    """Fillers for texts in their order; blank texts are passed over.

    Where a text has several masks, each is filled with the others masked: the best
    fillers of all together need not fit each other.

    Args:
      texts: each with one [MASK] at least.
      top_k: fillers of a mask.
      place: what messages put before a text's number, which counts from 1.
      num_together: texts that are read before the first result is given.

    Raises:
      ValueError: a text has no [MASK], or masks too far apart.
    """
    numbered = ((n, text) for n, text in enumerate(texts, 1) if text.strip())
    while block := list(itertools.islice(numbered, num_together)):
      rows = [self.row(text, f"{place}{number}") for number, text in block]
      results = [None] * len(rows)
      by_length = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
      for start in range(0, len(rows), _BATCH_ROWS):
        batch = by_length[start : start + _BATCH_ROWS]
        found = self._best([rows[i] for i in batch], top_k)
        for i, masks in zip(batch, found, strict=True):
          results[i] = Filled(block[i][1], masks)
      yield from results

  def row(self, text: str, place: str = "the text") -> Row:
    """Ids of a text. What is too long is cut on both sides of the masks.

    Raises:
      ValueError: no [MASK], or masks too far apart; the message begins with `place`.
    """
    parts = text.split(MASK)
    if len(parts) == 1:
      raise ValueError(
        f"{place}: expected {MASK} in the place of a word, found {text[:40]!r}; put one "
        "in, with brackets and in capitals"
      )
    vocab = self._tokenizer.vocab
    mask_id = vocab[MASK]
    ids = self._ids(parts, mask_id)
    masks = [i for i, piece in enumerate(ids) if piece == mask_id]
    size = self._max_seq_length - 2
    if len(ids) > size:
      if masks[-1] - masks[0] >= size:
        raise ValueError(
          f"{place}: its masks are {masks[-1] - masks[0] + 1} pieces apart, and "
          f"--max_seq_length leaves {size}; split the text or raise the flag"
        )
      middle = (masks[0] + masks[-1] + 1) // 2
      start = min(max(middle - size // 2, 0), len(ids) - size)
      ids, masks = ids[start : start + size], [i - start for i in masks]
    ids = [vocab["[CLS]"], *ids, vocab["[SEP]"]]
    return Row(parts, ids, [i + 1 for i in masks])

  def _ids(self, parts, mask_id):
    if isinstance(self._tokenizer, japanese_tokenization.SentencePieceTokenizer):
      return _sentence_piece_ids(self._tokenizer, parts, mask_id)
    # As in Hugging Face's tokenizers: words end at [MASK].
    first, *others = map(self._tokenizer.encode, parts)
    return first + [piece for ids in others for piece in (mask_id, *ids)]

  def _best(self, rows: Sequence[Row], top_k: int) -> list[list[list[Filler]]]:
    """Fillers for each mask of each row."""
    features = _features(rows, self._tokenizer.pad_id)
    logits = self._model(features).masked_lm_logits
    shape = [*features["masked_lm_positions"].shape, -1]
    probabilities = tf.reshape(tf.nn.softmax(logits), shape)  # [B, P, V]
    best, ids = tf.math.top_k(
      tf.where(self._offered, probabilities, -1.0), min(top_k, self._offered.sum())
    )
    return [
      [
        self._fillers(row.parts, mask, values, pieces)
        for mask, (values, pieces) in enumerate(zip(of_row, ids_of_row, strict=True))
        if mask < len(row.positions)
      ]
      for row, of_row, ids_of_row in zip(rows, best.numpy(), ids.numpy(), strict=False)
    ]

  def _fillers(self, parts, mask, probabilities, ids):
    before, after = MASK.join(parts[: mask + 1]), MASK.join(parts[mask + 1 :])
    pieces = self._tokenizer.convert_ids_to_tokens(ids.tolist())
    return [
      Filler(piece, float(p), put_between(before, piece, after))
      for piece, p in zip(pieces, probabilities, strict=True)
    ]


def put_between(before: str, piece: str, after: str) -> str:
  """A text with a piece in the place of a mask.

  What starts with ## goes on with the word before; ▁ is the white space before a word.
  """
  if piece.startswith("##") and len(piece) > 2:
    return before.rstrip() + piece[2:] + after
  if piece.startswith("▁"):
    space = " " if before and not before[-1].isspace() else ""
    return before + space + piece[1:].replace("▁", " ") + after
  return before + piece + after


def _sentence_piece_ids(tokenizer: Any, parts: Sequence[str], mask_id: int):
  """Ids of parts with masks between them.

  A part that is split by itself would start with ▁, as if a space stood before it. So
  the whole text is split, with a character in place of the masks that is in no piece
  of the model.
  """
  stand_in = next(c for c in map(chr, _STAND_INS) if c not in "".join(parts))
  text, unknown = stand_in.join(parts), [tokenizer.unk_id]
  ids, end_before = [], 0
  for piece, (start, end) in zip(*tokenizer.tokenize_with_offsets(text), strict=True):
    known, *others = text[start:end].split(stand_in)
    if not others:
      ids += tokenizer.convert_tokens_to_ids([piece])
    elif end > end_before:  # A model may spell in bytes what it does not know.
      ids += unknown if known else []  # Unknown neighbours are in one piece.
      for other in others:
        ids += [mask_id] + (unknown if other else [])
      end_before = end
  return ids


def _features(rows: Sequence[Row], pad_id: int) -> dict[str, np.ndarray]:
  """int32 arrays [B, S] and [B, P] for the model; B and S are rounded up."""
  length = max(len(row.ids) for row in rows)
  length = -(-length // _LENGTH_STEP) * _LENGTH_STEP
  batch = 1 << (len(rows) - 1).bit_length()
  most = max(len(row.positions) for row in rows)
  input_ids = np.full([batch, length], pad_id, np.int32)
  input_mask = np.zeros([batch, length], np.int32)
  positions = np.zeros([batch, most], np.int32)
  for i, row in enumerate(rows):
    input_ids[i, : len(row.ids)] = row.ids
    input_mask[i, : len(row.ids)] = 1
    positions[i, : len(row.positions)] = row.positions
  return {
    "input_ids": input_ids,
    "input_mask": input_mask,
    "segment_ids": np.zeros_like(input_ids),
    "masked_lm_positions": positions,
  }

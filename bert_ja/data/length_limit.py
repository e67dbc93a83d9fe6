"""Rows that a model reads whole, and those that are longer."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from absl import logging

from bert_ja.data import parallel


@dataclasses.dataclass(frozen=True)
class LengthLimit:
  """How many pieces a row may have that the model reads whole.

  Attributes:
    tokenizer: `tokenization.Tokenizer`.
    max_seq_length: pieces of a row, special ones included.
    apart: whether each text of a row has a row of its own (--pair_model=two_tower).
  """

  tokenizer: Any
  max_seq_length: int
  apart: bool = False

  def fitting(
    self, examples: Sequence[Any], place: str, has_context: bool = False
  ) -> Sequence[Any]:
    """Examples of a set without those that are longer; all if not all have labels.

    Args:
      examples: `InputExample`s.
      place: which set, for messages.
      has_context: whether first texts are contexts. They are cut to what their rows
        leave, so that rows alone are too long or not.

    Raises:
      ValueError: all are longer.
    """
    texts = [("" if has_context else row.text_a, row.text_b) for row in examples]
    longer = list(parallel.ordered_map(_is_longer, self, texts))
    count, length = sum(longer), self.max_seq_length
    counted = f"{count} of {len(examples)} rows have more than {length} pieces"
    if any(row.label is None for row in examples):
      logging.info("%s: %s; all stay, for not all have labels", place, counted)
      return examples
    logging.info("%s: %s and are left out (--drop_longer)", place, counted)
    if count == len(examples):
      raise ValueError(
        f"{place}: --drop_longer leaves no row, all have more than --max_seq_length="
        f"{length} pieces; raise it, or leave --drop_longer out"
      )
    return [
      row for row, is_longer in zip(examples, longer, strict=True) if not is_longer
    ]


def _is_longer(limit, texts):
  """Whether a row has more pieces than the limit; runs in a worker process."""
  first, second = (len(limit.tokenizer.encode(text)) if text else 0 for text in texts)
  if limit.apart:
    return max(first, second) + 2 > limit.max_seq_length
  specials = 3 if second else 2  # As `pair_features.pack_pair` has them.
  return first + second + specials > limit.max_seq_length

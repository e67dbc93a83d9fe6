"""A text and what stands before it to ids: the context is cut first, from its front.

The functions stand in for those of `pair_features`, by their names.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from bert_ja.data import feature_cache, labels, pair_features, parallel

# Part of the cache key: changes with what is stored for the same texts.
_CACHE_FORMAT = 1

check = pair_features.check
feature_spec = pair_features.feature_spec


def truncate_context(
  context: Sequence[Any], tokens: Sequence[Any], max_length: int
) -> tuple[Sequence[Any], Sequence[Any]]:
  """Leaves at most `max_length` tokens in all, those nearest to the text's start.

  Args:
    context: what stands before the text; its front is cut first, as what is near to
      the text says most of it.
    tokens: the text; its end is cut where it is too long alone.
    max_length: tokens of both.
  """
  tokens = tokens[:max_length]
  excess = len(context) + len(tokens) - max_length
  return context[max(excess, 0) :], tokens


def cached_features(
  examples: Sequence[pair_features.InputExample],
  label_list: labels.Labels | Sequence[str],
  max_seq_length: int,
  tokenizer: Any,
  output_file: str,
  cache_dir: str | None = None,
  progress: pair_features.Progress | None = None,
) -> bool:
  """Converts examples to a TFRecord file, unless it is there already.

  Args:
    examples: `text_a` is the context of `text_b`.
    label_list: the labels of the task.
    max_seq_length: S.
    tokenizer: the tokenizer.
    output_file: the TFRecord file; `<output_file>.key` beside it says what it holds.
    cache_dir: as `pair_features.cached_features` has it.
    progress: called as the conversion goes on.

  Returns:
    Whether examples were converted.
  """
  pair_features.check_length(max_seq_length)
  key_of_labels = labels.of(label_list).key
  settings = ("context", _CACHE_FORMAT, max_seq_length, key_of_labels)
  texts = [(row.text_a, row.text_b) for row in examples]
  rows = ((*pair, row.label) for pair, row in zip(texts, examples, strict=True))
  key = feature_cache.content_key(tokenizer, settings, rows)

  def convert():
    pieces = parallel.ordered_map(_cut, (tokenizer, max_seq_length), texts)
    cut = []
    for row, (context, text) in zip(examples, pieces, strict=True):
      cut.append(dataclasses.replace(row, text_a=context, text_b=text))
      if progress is not None:
        progress(len(cut), len(examples))
    # They fit, so nothing more is cut there.
    pair_features.file_based_convert_examples_to_features(
      cut, label_list, max_seq_length, _OfIds(tokenizer), output_file
    )

  return feature_cache.convert_once(len(examples), key, output_file, cache_dir, convert)


def _cut(tokenizer_and_length, texts):
  """Ids of (context, text) that fit with their special ones; in a worker process."""
  tokenizer, max_seq_length = tokenizer_and_length
  return truncate_context(*map(tokenizer.encode, texts), max_seq_length - 3)


class _OfIds:
  """Stands for a tokenizer where texts are its ids already."""

  def __init__(self, tokenizer: Any):
    self._tokenizer = tokenizer
    self.pad_id = tokenizer.pad_id

  def encode(self, ids: list[int]) -> list[int]:
    return ids

  def tokenize(self, ids: list[int]) -> list[str]:
    return self._tokenizer.convert_ids_to_tokens(ids)

  def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
    return self._tokenizer.convert_tokens_to_ids(tokens)

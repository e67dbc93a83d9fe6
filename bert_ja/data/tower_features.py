"""Two texts to two rows of ids: what `two_tower.TwoTower` takes.

The functions stand in for those of `pair_features`, by their names.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from bert_ja.data import feature_cache, labels, pair_features, records

# Part of the cache key: changes with what is stored for the same texts.
_CACHE_FORMAT = 1
_TEXT_FEATURES = ("input_ids", "input_mask", "segment_ids")


def check(
  examples: Sequence[pair_features.InputExample],
  label_list: labels.Labels | Sequence[str],
) -> None:
  """`pair_features.check`, and that each row has two texts.

  Raises:
    ValueError: a row has one text; the message names its place.
  """
  for example in examples:
    if example.text_b is None:
      raise ValueError(
        f"{labels.place(example)}: --pair_model=two_tower compares two texts, this row "
        "has one; choose a task of pairs, or --pair_model=joint"
      )
  pair_features.check(examples, label_list)


def feature_spec(
  max_seq_length: int, label_list: labels.Labels | Sequence[str] = ()
) -> dict[str, records.Feature]:
  """What a record holds: those of `pair_features`, texts as [2, S]."""
  spec = pair_features.feature_spec(max_seq_length, label_list)
  texts = records.Feature((2, max_seq_length), flag="max_seq_length")
  return spec | dict.fromkeys(_TEXT_FEATURES, texts)


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
    examples: pairs of texts.
    label_list: the labels of the task.
    max_seq_length: S, of each text with [CLS] and [SEP]. Longer ones are cut.
    tokenizer: the tokenizer.
    output_file: the TFRecord file; `<output_file>.key` beside it says what it holds.
    cache_dir: as `pair_features.cached_features` has it.
    progress: called with texts, two an example.

  Returns:
    Whether examples were converted.
  """
  key_of_labels = labels.of(label_list).key
  settings = ("two_tower", _CACHE_FORMAT, max_seq_length, key_of_labels)
  rows = ((row.text_a, row.text_b, row.label) for row in examples)
  key = feature_cache.content_key(tokenizer, settings, rows)

  def convert():
    # A text that is empty has no pieces, but its two special ones.
    texts = [
      dataclasses.replace(example, text_a=text, text_b=None)
      for example in examples
      for text in (example.text_a, example.text_b)
    ]
    features = pair_features.convert_examples_to_features(
      texts, label_list, max_seq_length, tokenizer, progress
    )
    both = zip(features[::2], features[1::2], strict=True)
    records.write_records(output_file, (_encode(*pair) for pair in both))

  return feature_cache.convert_once(len(examples), key, output_file, cache_dir, convert)


def _encode(first, second):
  texts = {
    name: [*getattr(first, name), *getattr(second, name)] for name in _TEXT_FEATURES
  }
  return records.encode_example(
    texts
    | {
      "label_ids": pair_features.as_list(first.label_id),
      "is_real_example": [int(first.is_real_example)],
    }
  )

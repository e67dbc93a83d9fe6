"""One or two texts to the ids, mask and segments of a classifier (contract A-90..94).

The original's functions of run_classifier.py, by their names. New are the use of all
cores for many texts, and `cached_features`, which does the work once.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from absl import logging

from bert_ja.data import example_log, feature_cache, labels, parallel, records

_LOGGED_EXAMPLES = 5
_LOG_EVERY = 10_000
# Part of the cache key: changes with what is stored for the same texts.
_CACHE_FORMAT = 2

# Called with (examples done, examples in all).
Progress = Callable[[int, int], None]


@dataclasses.dataclass
class InputExample:
  """One labelled input of a sentence task.

  Attributes:
    guid: name of the example, `<set>-<row>` in the original's tasks.
    text_a: the text, or the first of two.
    text_b: the second text; None or empty for single texts.
    label: a label of the task, of the form that its `labels.Labels` takes: a name, a
      list of names, a number; None where it is not known.
    source: file and line it came from, for messages.
  """

  guid: str
  text_a: str
  text_b: str | None = None
  label: Any = None
  source: str | None = None


class PaddingInputExample:
  """Fills the last batch on a TPU, which takes whole batches only (contract A-104)."""


@dataclasses.dataclass
class InputFeatures:
  """Fixed-length model input of one example; texts have S numbers each."""

  input_ids: list[int]
  input_mask: list[int]
  segment_ids: list[int]
  label_id: Any
  is_real_example: bool = True


def truncate_pair(
  tokens_a: Sequence[Any], tokens_b: Sequence[Any], max_length: int
) -> tuple[Sequence[Any], Sequence[Any]]:
  """Cuts both ends so that at most `max_length` tokens are left in all.

  The same as taking one token at a time off the longer side, and off B when both are
  as long (contract A-90).
  """
  half_b = max_length // 2
  half_a = max_length - half_b
  keep_a = max(half_a, max_length - len(tokens_b))
  keep_b = max(half_b, max_length - len(tokens_a))
  return tokens_a[:keep_a], tokens_b[:keep_b]


def pack_pair(
  tokens_a: Sequence[Any],
  tokens_b: Sequence[Any] | None = None,
  cls_token: Any = "[CLS]",
  sep_token: Any = "[SEP]",
) -> tuple[list[Any], list[int]]:
  """`[CLS] a [SEP]`, or `[CLS] a [SEP] b [SEP]`, with segment ids 0 and 1.

  Args:
    tokens_a: tokens, or their ids.
    tokens_b: those of the second text; none or empty for a single text (A-91).
    cls_token: what starts a row, an id where the others are.
    sep_token: what ends a text.

  Returns:
    (tokens, segment_ids) of equal length.
  """
  tokens = [cls_token, *tokens_a, sep_token]
  segment_ids = [0] * len(tokens)
  if tokens_b:
    tokens += [*tokens_b, sep_token]
    segment_ids += [1] * (len(tokens_b) + 1)
  return tokens, segment_ids


def pad(values: Sequence[int], max_seq_length: int, filler: int = 0) -> list[int]:
  """The values and then `filler` up to `max_seq_length` (contract A-92)."""
  return [*values, *([filler] * (max_seq_length - len(values)))]


def tokenize_pair(
  text_a: str, text_b: str | None, max_seq_length: int, tokenizer: Any
) -> tuple[list[str], list[int]]:
  """Tokens of one or two texts, cut and packed.

  Args:
    text_a: the text.
    text_b: the second text, None or empty for none.
    max_seq_length: tokens at most, special ones included.
    tokenizer: has `tokenize`.

  Returns:
    (tokens, segment_ids), at most `max_seq_length` each, not padded.
  """
  return _packed(tokenizer.tokenize, text_a, text_b, max_seq_length)


def _packed(split, text_a, text_b, max_seq_length, *specials):
  """`pack_pair` of what `split` makes of the texts, cut to the length."""
  tokens_a = split(text_a)
  tokens_b = split(text_b) if text_b else None
  if tokens_b:
    cut = truncate_pair(tokens_a, tokens_b, max_seq_length - 3)
    return pack_pair(*cut, *specials)
  return pack_pair(tokens_a[: max_seq_length - 2], None, *specials)


def convert_single_example(
  ex_index: int,
  example: InputExample | PaddingInputExample,
  label_list: labels.Labels | Sequence[str],
  max_seq_length: int,
  tokenizer: Any,
) -> InputFeatures:
  """Converts one example; the first five are logged (contract A-93).

  Args:
    ex_index: its number from 0.
    example: the texts and the label.
    label_list: the labels of the task; of a list of names, a label's id is its place.
    max_seq_length: S.
    tokenizer: `tokenization.Tokenizer`.

  Returns:
    The features; those of a `PaddingInputExample` are zeros and not real.

  Raises:
    ValueError: the label is not in the list, or S leaves no room for a token.
  """
  check_length(max_seq_length)
  label_id = labels.of(label_list).value(example)
  if isinstance(example, PaddingInputExample):
    return _features(example, label_id, [], [], max_seq_length)
  texts = _texts(example)
  ids, segment_ids = _packed_ids((tokenizer, max_seq_length), texts)
  features = _features(
    example, label_id, ids, segment_ids, max_seq_length, tokenizer.pad_id
  )
  if ex_index < _LOGGED_EXAMPLES:
    tokens, _ = tokenize_pair(*texts, max_seq_length, tokenizer)
    example_log.log_example(
      [
        ("guid", example.guid),
        ("tokens", tokens),
        ("input_ids", features.input_ids),
        ("input_mask", features.input_mask),
        ("segment_ids", features.segment_ids),
        ("label", f"{example.label} (id = {features.label_id})"),
      ]
    )
  return features


def convert_examples_to_features(
  examples: Sequence[InputExample | PaddingInputExample],
  label_list: labels.Labels | Sequence[str],
  max_seq_length: int,
  tokenizer: Any,
  progress: Progress | None = None,
) -> list[InputFeatures]:
  """Converts examples in memory; arguments as in `convert_single_example`."""
  return list(_convert(examples, label_list, max_seq_length, tokenizer, progress))


def file_based_convert_examples_to_features(
  examples: Sequence[InputExample | PaddingInputExample],
  label_list: labels.Labels | Sequence[str],
  max_seq_length: int,
  tokenizer: Any,
  output_file: str,
  progress: Progress | None = None,
) -> None:
  """Converts examples to a TFRecord file (contract A-94), whole or not at all."""
  features = _convert(examples, label_list, max_seq_length, tokenizer, progress)
  records.write_records(output_file, map(_encode, features))


def feature_spec(
  max_seq_length: int, label_list: labels.Labels | Sequence[str] = ()
) -> dict[str, records.Feature]:
  """What a record of `file_based_convert_examples_to_features` holds (contract A-94)."""
  text = records.Feature((max_seq_length,), flag="max_seq_length")
  return {
    "input_ids": text,
    "input_mask": text,
    "segment_ids": text,
    "label_ids": labels.of(label_list).feature,
    "is_real_example": records.Feature(()),
  }


def cached_features(
  examples: Sequence[InputExample | PaddingInputExample],
  label_list: labels.Labels | Sequence[str],
  max_seq_length: int,
  tokenizer: Any,
  output_file: str,
  cache_dir: str | None = None,
  progress: Progress | None = None,
) -> bool:
  """`file_based_convert_examples_to_features`, unless its result is there already.

  The key is a hash of texts, labels, label list, length and the tokenizer's
  `fingerprint`; a tokenizer without one is never cached.

  Args:
    examples: as all before `output_file`, see `convert_single_example`.
    label_list: the labels of the task.
    max_seq_length: S.
    tokenizer: the tokenizer.
    output_file: the TFRecord file; `<output_file>.key` beside it says what it holds.
    cache_dir: where `<key>.tf_record` is kept for other output files; none by default.
    progress: called as the conversion goes on.

  Returns:
    Whether examples were converted.
  """
  settings = (_CACHE_FORMAT, max_seq_length, labels.of(label_list).key)
  key = feature_cache.content_key(tokenizer, settings, map(_key_row, examples))
  arguments = (label_list, max_seq_length, tokenizer)

  def convert():
    file_based_convert_examples_to_features(examples, *arguments, output_file, progress)

  converted = feature_cache.convert_once(
    len(examples), key, output_file, cache_dir, convert
  )
  if not converted:
    for index, example in enumerate(examples[:_LOGGED_EXAMPLES]):
      convert_single_example(index, example, *arguments)
  return converted


def _convert(examples, label_list, max_seq_length, tokenizer, progress=None):
  """Yields the features of all examples, made by several processes if it is long work."""
  check_length(max_seq_length)
  # Before the long work, so that a wrong label is told at once.
  label_ids = labels.of(label_list).values(examples)
  for index, example in enumerate(examples[:_LOGGED_EXAMPLES]):
    convert_single_example(index, example, label_list, max_seq_length, tokenizer)
  texts = [_texts(example) for example in examples]
  packed = parallel.ordered_map(_packed_ids, (tokenizer, max_seq_length), texts)
  rows = zip(examples, label_ids, packed, strict=True)
  for index, (example, label_id, (ids, segment_ids)) in enumerate(rows):
    if index % _LOG_EVERY == 0:
      logging.info("Writing example %d of %d", index, len(examples))
    pad_id = 0 if isinstance(example, PaddingInputExample) else tokenizer.pad_id
    yield _features(example, label_id, ids, segment_ids, max_seq_length, pad_id)
    if progress is not None:
      progress(index + 1, len(examples))


def _texts(example):
  """(text_a, text_b), or () for a padding example."""
  if isinstance(example, PaddingInputExample):
    return ()
  return example.text_a, example.text_b


def _packed_ids(tokenizer_and_length, texts):
  """(ids, segment_ids) without padding; runs in a worker process."""
  tokenizer, max_seq_length = tokenizer_and_length
  if not texts:
    return [], []
  specials = tokenizer.convert_tokens_to_ids(("[CLS]", "[SEP]"))
  return _packed(tokenizer.encode, *texts, max_seq_length, *specials)


def _features(example, label_id, ids, segment_ids, max_seq_length, pad_id=0):
  return InputFeatures(
    input_ids=pad(ids, max_seq_length, pad_id),
    input_mask=pad([1] * len(ids), max_seq_length),
    segment_ids=pad(segment_ids, max_seq_length),
    label_id=label_id,
    is_real_example=not isinstance(example, PaddingInputExample),
  )


def check_length(max_seq_length: int) -> None:
  """Raises ValueError where a row has no room for a token of a text."""
  if max_seq_length < 3:
    raise ValueError(
      f"--max_seq_length={max_seq_length} leaves no room for a token between [CLS] and "
      "[SEP]; the least is 3"
    )


def check(
  examples: Sequence[InputExample], label_list: labels.Labels | Sequence[str]
) -> None:
  """Checks all that can be wrong with examples.

  Raises:
    ValueError: a label is not in the list; the message names its place.
  """
  labels.of(label_list).values(examples)


def _encode(features):
  return records.encode_example(
    {
      "input_ids": features.input_ids,
      "input_mask": features.input_mask,
      "segment_ids": features.segment_ids,
      "label_ids": as_list(features.label_id),
      "is_real_example": [int(features.is_real_example)],
    }
  )


def as_list(value: Any) -> list:
  """A label's value as a record takes it."""
  return value if isinstance(value, list) else [value]


def _key_row(example):
  if isinstance(example, PaddingInputExample):
    return ()
  return example.text_a, example.text_b, example.label

"""Questions about contexts to model input (contract A-107 to A-121).

`convert_examples_to_features` and `FeatureWriter` have the original's names and make
one window at a time. `cached_windows` makes the same records by all cores, and once.
S is the length of a row.
"""

import contextlib
import dataclasses
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import logging

from bert_ja import text_io
from bert_ja.data import (
  example_log,
  feature_cache,
  parallel,
  record_columns,
  records,
  span_pieces,
  span_windows,
)

# What questions and windows are belongs to this module for those who use it.
Answer = span_windows.Answer
SquadExample = span_windows.SquadExample
WindowOptions = span_windows.WindowOptions
Windows = span_windows.Windows

FIRST_UNIQUE_ID = 1_000_000_000  # Contract A-119.
_LOGGED_EXAMPLES = 20
_NAMED_EXAMPLES = 5
_BLOCK = 512  # windows whose rows are made together
_SHUFFLE_SEED = 12345
# Of spaced text: in letters, and in kana and ideographs, which a word has fewer of.
_LONGEST_MEAN_WORD = 16, 4
_UNSPACED = re.compile("[\u3041-\u30ff\u3400-\u9fff\uff66-\uff9f]")
_WINDOWS_SUFFIX = ".windows.npz"
_LISTS = ("input_ids", "input_mask", "segment_ids")
_ANSWER = ("start_positions", "end_positions", "is_impossible")
# Part of the cache key: changes with what is stored for the same texts.
_CACHE_FORMAT = 1

# Called with (examples done, examples in all).
Progress = Callable[[int, int], None]


@dataclasses.dataclass
class InputFeatures:
  """One window.

  Attributes:
    unique_id: counts up from 1000000000 (A-119).
    example_index: number of the example.
    doc_span_index: number of the window among those of its example.
    tokens: `[CLS] question [SEP] window [SEP]`.
    token_to_orig_map: position of each context piece -> number of its word; with
      "characters", (its first character, the one after its last).
    token_is_max_context: the same positions -> A-117.
    input_ids, input_mask, segment_ids: S numbers each.
    start_position, end_position: of the answer; 0 where the window does not hold it
      (A-118), None in prediction.
    is_impossible: whether the context is known not to answer; False in prediction.
  """

  unique_id: int
  example_index: int
  doc_span_index: int
  tokens: list[str]
  token_to_orig_map: dict[int, Any]
  token_is_max_context: dict[int, bool]
  input_ids: list[int]
  input_mask: list[int]
  segment_ids: list[int]
  start_position: int | None = None
  end_position: int | None = None
  is_impossible: bool = False


def feature_spec(max_seq_length: int, is_training: bool) -> dict[str, records.Feature]:
  """What a record holds (A-121)."""
  text = records.Feature((max_seq_length,), flag="max_seq_length")
  return {
    "unique_ids": records.Feature(()),
    **{name: text for name in _LISTS},
    **{name: records.Feature(()) for name in _ANSWER if is_training},
  }


def default_alignment(front_end: str, examples: Sequence[SquadExample]) -> str:
  """How answers are placed where the user does not say.

  Returns:
    "words" for the original's tokenizers (`google`, `multilingual-cased`) on spaced
    text: words of at most 16 characters on average over all contexts, or of 4 where
    kana and ideographs are more than a tenth of the characters. "characters" else.
  """
  if front_end not in ("google", "multilingual-cased"):
    return "characters"
  contexts = {example.context for example in examples}
  words = sum(len(span_pieces.WORD.findall(context)) for context in contexts)
  characters = sum(map(len, contexts))
  unspaced = sum(len(_UNSPACED.findall(context)) for context in contexts)
  longest = _LONGEST_MEAN_WORD[10 * unspaced > characters]
  return "words" if characters <= longest * words else "characters"


def training_order(
  examples: Sequence[SquadExample], answer_alignment: str = "words"
) -> list[int]:
  """Indexes of the examples to train on, in the original's order.

  Those whose answer does not stand at its place are left out (A-110), the others
  shuffled (A-112). An answer that has no piece shows only later.

  Raises:
    ValueError: an answerable question has not exactly one answer (A-109).
  """
  views, order = {}, []
  for index, example in enumerate(examples):
    answer = _training_answer(example)
    if answer is not None:
      view = views.get(example.context)
      if view is None:
        view = span_pieces.ALIGNMENTS[answer_alignment](example.context)
        views[example.context] = view
      if view.find(*answer) is None:
        continue
    order.append(index)
  random.Random(_SHUFFLE_SEED).shuffle(order)
  return order


def _training_answer(example):
  """The one answer of an example, None if it has none."""
  if example.is_impossible:
    return None
  if len(example.answers) != 1:
    place = example.source or f"question {example.qas_id}"
    raise ValueError(
      f"{place}: expected exactly one answer of an answerable question in training, "
      f"found {len(example.answers)}; leave one, or none and is_impossible in a file of "
      "version 2"
    )
  return example.answers[0]


def convert_examples_to_features(
  examples: Sequence[SquadExample],
  tokenizer: Any,
  max_seq_length: int,
  doc_stride: int,
  max_query_length: int,
  is_training: bool,
  output_fn: Callable[[InputFeatures], None],
  answer_alignment: str = "words",
) -> None:
  """Calls `output_fn` with the windows of all examples, in their order.

  The windows of the first 20 examples are logged (A-120). In training, examples whose
  answer cannot be placed have no windows.

  Args:
    examples: the questions.
    tokenizer: `tokenization.Tokenizer`.
    max_seq_length: S.
    doc_stride: as in `WindowOptions`.
    max_query_length: as in `WindowOptions`.
    is_training: whether windows have the place of the answer.
    output_fn: takes each window.
    answer_alignment: as in `WindowOptions`.

  Raises:
    ValueError: as `cached_windows`.
  """
  options = WindowOptions(
    max_seq_length, doc_stride, max_query_length, answer_alignment
  )
  span_windows.check_options(options)
  splitter = span_pieces.Splitter(tokenizer, answer_alignment, max_query_length)
  unique_id = FIRST_UNIQUE_ID
  for index, example in enumerate(examples):
    for feature in _example_features(example, splitter, options, is_training):
      feature.unique_id, feature.example_index = unique_id, index
      if index < _LOGGED_EXAMPLES:
        _log_window(feature)
      output_fn(feature)
      unique_id += 1


def _example_features(example, splitter, options, is_training):
  """Yields the windows of one example, numbered as if it were the only one."""
  pieces, [question] = splitter.split(
    example.context, [_question(example, is_training)]
  )
  row = span_windows.Row(
    np.array(pieces.ids, np.int32), pieces.places, question.ids, question.answer
  )
  order = _placed([example], [row], [0]) if is_training else [0]
  windows = span_windows.cut_contexts([row], order, options, is_training)
  max_context = windows.max_context().tolist()
  answers = windows.answer_positions().tolist() if is_training else None
  places = [
    place[0] if options.answer_alignment == "words" else tuple(place)
    for place in pieces.places.tolist()
  ]
  query = splitter.tokenizer.tokenize(example.question_text)[: len(question.ids)]
  specials = splitter.tokenizer.convert_tokens_to_ids(("[CLS]", "[SEP]"))
  lists = span_windows.model_input(
    windows, [question.ids], specials, splitter.tokenizer.pad_id, slice(None)
  )
  lists = {name: values.astype(int).tolist() for name, values in lists.items()}
  starts, lengths = windows.doc_start.tolist(), windows.length.tolist()
  for number, (start, length) in enumerate(zip(starts, lengths, strict=True)):
    seen = slice(start, start + length)
    first = len(question.ids) + 2
    start_position, end_position = answers[number] if answers else (None, None)
    yield InputFeatures(
      unique_id=FIRST_UNIQUE_ID + number,
      example_index=0,
      doc_span_index=number,
      tokens=["[CLS]", *query, "[SEP]", *pieces.tokens[seen], "[SEP]"],
      token_to_orig_map=dict(enumerate(places[seen], first)),
      token_is_max_context=dict(enumerate(max_context[number][:length], first)),
      **{name: values[number] for name, values in lists.items()},
      start_position=start_position,
      end_position=end_position,
      is_impossible=is_training and example.is_impossible,
    )


def _log_window(feature):
  """Contract A-120."""
  names = ("unique_id", "example_index", "doc_span_index", "tokens")
  lines = [(name, getattr(feature, name)) for name in names]
  for name in ("token_to_orig_map", "token_is_max_context"):
    pairs = getattr(feature, name).items()
    lines.append((name, [f"{key}:{value}" for key, value in pairs]))
  lines += [(name, getattr(feature, name)) for name in _LISTS]
  start, end = feature.start_position, feature.end_position
  if start is not None and not feature.is_impossible:
    lines += [("start_position", start), ("end_position", end)]
    lines.append(("answer", feature.tokens[start : end + 1]))
  example_log.log_example(lines)
  if feature.is_impossible:
    logging.info("impossible example")


class FeatureWriter:
  """Writes windows to a TFRecord file, which takes its name when closed (A-121).

  In a `with` block an error leaves no file.

  Attributes:
    num_features: windows written.
  """

  def __init__(self, filename: str, is_training: bool):
    """Starts the file.

    Args:
      filename: its path.
      is_training: whether windows have the place of the answer.
    """
    import tensorflow as tf

    self._is_training = is_training
    self._files = contextlib.ExitStack()
    path = self._files.enter_context(text_io.path_written_whole(filename))
    self._writer = self._files.enter_context(tf.io.TFRecordWriter(path))
    self.num_features = 0

  def process_feature(self, feature: InputFeatures) -> None:
    """Writes one window."""
    values = {
      "unique_ids": [feature.unique_id],
      **{name: getattr(feature, name) for name in _LISTS},
    }
    if self._is_training:
      answer = feature.start_position, feature.end_position, feature.is_impossible
      values.update((n, [int(v)]) for n, v in zip(_ANSWER, answer, strict=True))
    self._writer.write(records.encode_example(values))
    self.num_features += 1

  def close(self) -> None:
    """Ends the file."""
    self._files.close()

  def __enter__(self):
    return self

  def __exit__(self, *error):
    return self._files.__exit__(*error)


def cached_windows(
  examples: Sequence[SquadExample],
  tokenizer: Any,
  options: WindowOptions,
  is_training: bool,
  output_file: str,
  cache_dir: str | None = None,
  progress: Progress | None = None,
) -> Windows:
  """Writes the windows of all examples to a TFRecord file, unless it is there already.

  `<output_file>.windows.npz` has the same windows as they are returned. In training the
  windows come in the order of `training_order`, which the records keep; examples that
  cannot be placed are left out and told of in one warning. The key of the stored files
  is a hash of texts, answers (in training), options and the tokenizer's `fingerprint`.

  Args:
    examples: the questions.
    tokenizer: `tokenization.Tokenizer`.
    options: how contexts are cut.
    is_training: whether records have the place of the answer.
    output_file: the TFRecord file.
    cache_dir: where the result is kept for other output files; none by default.
    progress: called as the work goes on.

  Raises:
    ValueError: the options leave no room for a context, or an answerable question has
      not exactly one answer in training.
  """
  span_windows.check_options(options)
  order = list(range(len(examples)))
  if is_training:
    order = training_order(examples, options.answer_alignment)
  settings = (_CACHE_FORMAT, is_training, *dataclasses.astuple(options))
  rows = (_key_row(example, is_training) for example in examples)
  key = feature_cache.content_key(tokenizer, settings, rows)
  store = feature_cache.Store(output_file, key, cache_dir, ("", _WINDOWS_SUFFIX))
  _log_first([examples[i] for i in order], tokenizer, options, is_training)
  kept = store.reuse()
  if kept:
    logging.info("%d questions were converted before: %s", len(examples), kept)
    windows = Windows.load(output_file + _WINDOWS_SUFFIX)
  else:
    windows, questions = _convert(
      examples, order, tokenizer, options, is_training, progress
    )
    if not len(windows.length):
      raise ValueError(
        f"none of {len(examples)} questions can be trained on: their answers do not "
        "stand in their contexts at their answer_start"
      )

    def make():
      rows = _encoded(examples, windows, questions, tokenizer, is_training)
      records.write_records(output_file, rows)
      windows.save(output_file + _WINDOWS_SUFFIX)

    store.fill(make)
  _report(examples, windows)
  return windows


def _key_row(example, is_training):
  texts = example.context, example.question_text
  return (*texts, example.is_impossible, example.answers) if is_training else texts


def _log_first(examples, tokenizer, options, is_training):
  """Logs the first windows as `convert_examples_to_features` does."""
  convert_examples_to_features(
    examples[:_LOGGED_EXAMPLES],
    tokenizer,
    options.max_seq_length,
    options.doc_stride,
    options.max_query_length,
    is_training,
    lambda feature: None,
    options.answer_alignment,
  )


def _report(examples, windows):
  """Says which answers do not stand where they should."""

  def named(indexes):
    ids = [examples[i].qas_id for i in indexes[:_NAMED_EXAMPLES]]
    return ", ".join(ids) + (", ..." if len(indexes) > len(ids) else "")

  if windows.misaligned:
    logging.warning(
      "%d of %d questions are left out of training, since the context does not have "
      "their answer at its place: %s",
      len(windows.misaligned),
      len(examples),
      named(windows.misaligned),
    )
  if windows.inexact:
    logging.info(
      "%d of %d questions train on more than their answer, which has no pieces of its "
      "own: %s",
      len(windows.inexact),
      len(examples),
      named(windows.inexact),
    )


def _question(example, is_training):
  """(question, its answer to be placed or None)."""
  return example.question_text, _training_answer(example) if is_training else None


def _placed(examples, rows, order):
  """Those of `order` with pieces that answer, or known to have no answer."""
  return [i for i in order if examples[i].is_impossible or rows[i].answer.first >= 0]


def _convert(examples, order, tokenizer, options, is_training, progress):
  """The windows of examples, and the ids of their questions."""
  # A context is split once for all questions about it.
  groups = {}
  for index in order:
    groups.setdefault(examples[index].context, []).append(index)
  items = [
    (context, [_question(examples[i], is_training) for i in indexes])
    for context, indexes in groups.items()
  ]
  splitter = span_pieces.Splitter(
    tokenizer, options.answer_alignment, options.max_query_length
  )
  results = parallel.ordered_map(_split_group, splitter, items)
  rows, done = [span_windows.NO_ROW] * len(examples), 0
  for indexes, (ids, places, asked) in zip(groups.values(), results, strict=True):
    for index, (question, answer) in zip(indexes, asked, strict=True):
      rows[index] = span_windows.Row(ids, places, question, answer)
    done += len(indexes)
    if progress is not None:
      progress(done, len(order))
  if is_training:
    order = _placed(examples, rows, order)
  windows = span_windows.cut_contexts(rows, order, options, is_training)
  return windows, [row.question for row in rows]


def _split_group(splitter, group):
  """Pieces of a context and its questions as arrays; runs in a worker process."""
  pieces, questions = splitter.split(*group)
  return np.array(pieces.ids, np.int32), pieces.places, questions


def _encoded(examples, windows, questions, tokenizer, is_training):
  """Yields the record of each window (A-121)."""
  specials = tokenizer.convert_tokens_to_ids(("[CLS]", "[SEP]"))
  numbers = [FIRST_UNIQUE_ID + np.arange(len(windows.length))]
  if is_training:
    impossible = np.array([example.is_impossible for example in examples], bool)
    numbers += [*windows.answer_positions().T, impossible[windows.example_index]]
  for start in range(0, len(windows.length), _BLOCK):
    block = slice(start, start + _BLOCK)
    lists = span_windows.model_input(
      windows, questions, specials, tokenizer.pad_id, block
    )
    columns = {
      "unique_ids": numbers[0][block],
      **lists,
      **{name: c[block] for name, c in zip(_ANSWER, numbers[1:], strict=False)},
    }
    yield from record_columns.encode_columns(columns)

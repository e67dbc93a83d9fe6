"""Time to make the windows of reading comprehension, and where the answers stand.

  python -m benchmarks.span_benchmark
  python -m benchmarks.span_benchmark --tokenizer=tohoku --vocab_file=vocab.txt \
    --mecab_dic=unidic_lite --train_file='jaquad/train/*.json' --output_file=spans.json

Both sides make the training records of all questions, for each way to place answers:
ours by all cores and without a cache of earlier runs, the plain algorithm as the rules
say it, one question after the other in one process. They have the same kind of
tokenizer, made anew for each. Seconds are those of a clock, medians over the rounds.

"trained" are the questions that can be trained on, in percent of those that have an
answer, and "aligned" those of them whose pieces are the answer by the rules of each way;
the others train on more than their answer. Of the aligned ones, "equal" is the percentage
whose pieces, cut from the context, are the answer's text, and "in_place" that of those
that also start at `answer_start`. The pieces of "words" have places in their words, so
that they can be cut too: a model trained so means these pieces.
"""

import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import flags, logging

from benchmarks import tokenizer_benchmark
from bert_ja import front_ends, reporting, text_io
from bert_ja.data import records, span_features
from bert_ja.flags import command_line
from bert_ja.tasks import squad

FLAGS = flags.FLAGS

ALIGNMENTS = ("words", "characters")
_SPACES = " \t\r\n\u202f"


# --- The plain algorithm (contract) ------------------------------------


def plain_windows(
  examples: Sequence[span_features.SquadExample],
  tokenizer: Any,
  options: span_features.WindowOptions,
  is_training: bool,
) -> Iterator[dict[str, Any]]:
  """The windows of all examples, one after the other.

  Yields:
    {"unique_id", "tokens", "token_to_orig_map", "token_is_max_context", "input_ids",
    "input_mask", "segment_ids", "start_position", "end_position", "is_impossible"}.
  """
  split = {"words": _plain_words, "characters": _plain_characters}
  unique_id = 1_000_000_000
  for example in examples:
    answer = None
    if is_training and not example.is_impossible:
      [answer] = example.answers
    found = split[options.answer_alignment](example.context, answer, tokenizer)
    if found is None:
      continue
    for window in _plain_cut(example, *found, tokenizer, options):
      window["unique_id"] = unique_id
      window["is_impossible"] = is_training and example.is_impossible
      unique_id += 1
      yield window


def _plain_words(context, answer, tokenizer):
  """(pieces, their words, first and last piece of the answer); None to leave out."""
  words, word_of_character, between = [], [], True
  for character in context:
    if character in _SPACES:
      between = True
    else:
      if between:
        words.append(character)
      else:
        words[-1] += character
      between = False
    word_of_character.append(len(words) - 1)
  pieces, places, first_piece = [], [], []
  for number, word in enumerate(words):
    first_piece.append(len(pieces))
    for piece in tokenizer.tokenize(word):
      pieces.append(piece)
      places.append(number)
  if answer is None:
    return pieces, places, -1, -1
  last_character = answer.start + len(answer.text) - 1
  if not answer.text.strip() or answer.start < 0 or last_character >= len(context):
    return None
  start = word_of_character[answer.start]
  end = word_of_character[last_character]
  if " ".join(answer.text.split()) not in " ".join(words[start : end + 1]):
    return None
  first = first_piece[start]
  last = (first_piece[end + 1] if end + 1 < len(words) else len(pieces)) - 1
  if first > last:
    return None
  # The rule looks at every start and end; only one end has the answer's length.
  wanted = tokenizer.tokenize(answer.text)
  for start in range(first, last + 2 - len(wanted)):
    if wanted and pieces[start : start + len(wanted)] == wanted:
      return pieces, places, start, start + len(wanted) - 1
  return pieces, places, first, last


def _plain_characters(context, answer, tokenizer):
  """As `_plain_words`, with (first character, the one after the last) as places."""
  pieces, spans = tokenizer.tokenize_with_offsets(context)
  places = list(map(tuple, spans))
  if answer is None:
    return pieces, places, -1, -1
  start, end = answer.start, answer.start + len(answer.text)
  if start < 0 or start == end or context[start:end] != answer.text:
    return None
  inside = []
  for number, (piece_start, piece_end) in enumerate(places):
    if piece_start < end and piece_end > start and piece_start < piece_end:
      inside.append(number)
  return (pieces, places, inside[0], inside[-1]) if inside else None


def _plain_cut(example, pieces, places, first, last, tokenizer, options):
  query = tokenizer.tokenize(example.question_text)[: options.max_query_length]
  capacity = options.max_seq_length - len(query) - 3
  spans, start = [], 0
  while True:
    length = min(len(pieces) - start, capacity)
    spans.append((start, length))
    if start + length == len(pieces):
      break
    start += min(length, options.doc_stride)
  for number, (start, length) in enumerate(spans):
    tokens, segment_ids = ["[CLS]"], [0]
    for piece in query:
      tokens.append(piece)
      segment_ids.append(0)
    tokens.append("[SEP]")
    segment_ids.append(0)
    place, best = {}, {}
    for piece in range(start, start + length):
      place[len(tokens)] = places[piece]
      best[len(tokens)] = _plain_best(spans, piece) == number
      tokens.append(pieces[piece])
      segment_ids.append(1)
    tokens.append("[SEP]")
    segment_ids.append(1)
    input_ids = tokenizer.convert_tokens_to_ids(tokens)
    input_mask = [1] * len(input_ids)
    while len(input_ids) < options.max_seq_length:
      input_ids.append(tokenizer.pad_id)
      input_mask.append(0)
      segment_ids.append(0)
    start_position = end_position = 0
    if first >= 0 and first >= start and last <= start + length - 1:
      start_position = first - start + len(query) + 2
      end_position = last - start + len(query) + 2
    yield {
      "tokens": tokens,
      "token_to_orig_map": place,
      "token_is_max_context": best,
      "input_ids": input_ids,
      "input_mask": input_mask,
      "segment_ids": segment_ids,
      "start_position": start_position,
      "end_position": end_position,
    }


def _plain_best(spans, piece):
  best_score, best = None, None
  for number, (start, length) in enumerate(spans):
    left, right = piece - start, start + length - 1 - piece
    if left < 0 or right < 0:
      continue
    score = min(left, right) + 0.01 * length
    if best_score is None or score > best_score:
      best_score, best = score, number
  return best


def plain_write(
  examples: Sequence[span_features.SquadExample],
  tokenizer: Any,
  options: span_features.WindowOptions,
  output_file: str,
) -> None:
  """Training records of examples."""
  import tensorflow as tf

  def numbers(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

  with tf.io.TFRecordWriter(output_file) as writer:
    for window in plain_windows(examples, tokenizer, options, is_training=True):
      feature = {
        "unique_ids": numbers([window["unique_id"]]),
        "input_ids": numbers(window["input_ids"]),
        "input_mask": numbers(window["input_mask"]),
        "segment_ids": numbers(window["segment_ids"]),
        "start_positions": numbers([window["start_position"]]),
        "end_positions": numbers([window["end_position"]]),
        "is_impossible": numbers([int(window["is_impossible"])]),
      }
      example = tf.train.Example(features=tf.train.Features(feature=feature))
      writer.write(example.SerializeToString())


# --- Measuring ------------------------------------------------------------------------


def generated_examples(
  count: int = 200, seed: int = 1
) -> list[span_features.SquadExample]:
  """Questions about invented text, five a context, every second one without spaces."""
  generator = random.Random(seed)
  lines = tokenizer_benchmark.generated_lines()
  examples = []
  for number in range(count):
    spaced = number // 5 % 2 == 0
    if number % 5 == 0:
      # Lines in Latin and in Japanese script take turns.
      first = generator.randrange(0, len(lines) - 24, 2)
      context = (
        " ".join(lines[first : first + 8 : 2])
        if spaced
        else "".join(lines[first + 1 : first + 24 : 2])
      )
    start = generator.randrange(len(context) - 40)
    end = start + generator.randint(1, 8)
    if spaced:  # Whole words.
      start = context.index(" ", start) + 1
      end = (context + " ").index(" ", start + 1)
    question = generator.choice(lines)[:40]
    answer = span_features.Answer(context[start:end], start)
    examples.append(
      span_features.SquadExample(str(number), question, context, (answer,))
    )
  return examples


def measure(
  examples: Sequence[span_features.SquadExample],
  make_tokenizer: Any,
  options: span_features.WindowOptions,
  rounds: int = 1,
) -> tuple[dict[str, Any], dict[str, Any]]:
  """Times one way to place answers, and counts them.

  Args:
    examples: the questions.
    make_tokenizer: makes a tokenizer with empty caches.
    options: how contexts are cut.
    rounds: how often both sides run.

  Returns:
    ({"alignment", "questions", "windows", "seconds", "plain_seconds", "share_of_plain",
    "different_windows"}, the shares of `answer_shares`).
  """
  import tensorflow  # noqa: F401, before the clock runs

  times = []
  with tempfile.TemporaryDirectory() as folder:
    ours, plain = (os.path.join(folder, name) for name in ("ours", "plain"))
    for _ in range(rounds):
      times.append([])
      tokenizer = make_tokenizer()
      started = time.perf_counter()
      order = span_features.training_order(examples, options.answer_alignment)
      plain_write([examples[i] for i in order], tokenizer, options, plain)
      times[-1].append(time.perf_counter() - started)
      tokenizer = make_tokenizer()
      started = time.perf_counter()
      path = f"{ours}{len(times)}"
      windows = span_features.cached_windows(examples, tokenizer, options, True, path)
      times[-1].append(time.perf_counter() - started)
    spec = span_features.feature_spec(options.max_seq_length, is_training=True)
    different = different_records(
      *(records.read_records(p, spec) for p in (path, plain))
    )
  plain_seconds, seconds = map(statistics.median, zip(*times, strict=True))
  row = {
    "alignment": options.answer_alignment,
    "questions": len(examples),
    "windows": len(windows.length),
    "seconds": seconds,
    "plain_seconds": plain_seconds,
    "share_of_plain": statistics.median(own / other for other, own in times),
    "different_windows": different,
  }
  return row, answer_shares(examples, windows, make_tokenizer())


def different_records(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> int:
  """Records that are not in both, or not the same."""
  counts = [len(arrays["unique_ids"]) for arrays in (one, other)]
  common = min(counts)
  same = np.ones(common, bool)
  for name, values in one.items():
    equal = values[:common] == other[name][:common]
    same &= equal.reshape(common, -1).all(axis=1)
  return int(max(counts) - same.sum())


def answer_shares(
  examples: Sequence[span_features.SquadExample],
  windows: span_features.Windows,
  tokenizer: Any,
) -> dict[str, Any]:
  """What the gold spans of training windows are.

  Returns:
    {"alignment", "answerable" (questions), "trained", "aligned", "equal", "in_place"
    (percent)}; see the module.
  """
  lost, inexact = set(windows.misaligned), set(windows.inexact)
  answerable = [i for i, example in enumerate(examples) if not example.is_impossible]
  trained = [i for i in answerable if i not in lost]
  aligned = [i for i in trained if i not in inexact]
  equal, in_place, spans_of = 0, 0, {}
  for index in aligned:
    context, [answer] = examples[index].context, examples[index].answers
    if context not in spans_of:
      spans = _character_spans(context, tokenizer, windows.answer_alignment)
      spans_of[context] = spans
    first, last = windows.answer_pieces[index]
    start, end = spans_of[context][first][0], spans_of[context][last][1]
    is_equal = context[start:end] == answer.text
    equal += is_equal
    in_place += is_equal and start == answer.start
  return {
    "alignment": windows.answer_alignment,
    "answerable": len(answerable),
    "trained": _percent(len(trained), len(answerable)),
    "aligned": _percent(len(aligned), len(answerable)),
    "equal": _percent(equal, len(aligned)),
    "in_place": _percent(in_place, len(aligned)),
  }


def _percent(part, whole):
  return 100 * part / max(whole, 1)


def _character_spans(context, tokenizer, alignment):
  """First character and the one after the last of each piece."""
  if alignment == "characters":
    return tokenizer.tokenize_with_offsets(context)[1]
  spans = []
  for match in re.finditer(f"[^{_SPACES}]+", context):
    _, found = tokenizer.tokenize_with_offsets(match[0])
    spans += [(match.start() + start, match.start() + end) for start, end in found]
  return spans


def define_flags(flag_values=FLAGS):
  """Defines the benchmark's flags."""
  flags.DEFINE_string("tokenizer", "google", "Name of a front end.", flag_values)
  flags.DEFINE_string(
    "vocab_file", None, "Vocabulary; made from the text by default.", flag_values
  )
  flags.DEFINE_string("model_file", None, "SentencePiece model.", flag_values)
  flags.DEFINE_string(
    "mecab_dic", None, "MeCab dictionary; the front end's by default.", flag_values
  )
  flags.DEFINE_string(
    "train_file", None, "SQuAD file, or a pattern; made up by default.", flag_values
  )
  flags.DEFINE_integer(
    "max_questions", None, "Questions to read; all by default.", 1, None, flag_values
  )
  flags.DEFINE_integer("max_seq_length", 384, "As run_squad.", 8, None, flag_values)
  flags.DEFINE_integer("doc_stride", 128, "As run_squad.", 1, None, flag_values)
  flags.DEFINE_integer("max_query_length", 64, "As run_squad.", 1, None, flag_values)
  flags.DEFINE_integer("rounds", 1, "Rounds of each side.", 1, None, flag_values)
  flags.DEFINE_string("output_file", None, "JSON of the results.", flag_values)


def read_examples(flag_values: flags.FlagValues = FLAGS):
  """The questions that the flags ask for."""
  if flag_values.train_file:
    examples = squad.read_squad_examples(flag_values.train_file, is_training=True)
  else:
    examples = generated_examples()
  return examples[: flag_values.max_questions]


def main(_):
  """Measures and prints."""
  # Our side logs its first windows as the scripts do: many lines for each way.
  logging.set_verbosity(logging.WARNING)
  command_line.import_tensorflow()
  examples = read_examples()
  settings = {"mecab_kwargs": {"mecab_dic": FLAGS.mecab_dic}} if FLAGS.mecab_dic else {}
  times, shares = [], []
  with tempfile.TemporaryDirectory() as folder:
    vocab_file = FLAGS.vocab_file
    if vocab_file is None:
      vocab_file = os.path.join(folder, "vocab.txt")
      lines = [text for e in examples for text in (e.question_text, e.context)]
      tokens = tokenizer_benchmark.derived_vocabulary(lines, {})
      text_io.write_text(vocab_file, "\n".join(tokens))

    def make_tokenizer():
      return front_ends.create(FLAGS.tokenizer, vocab_file, FLAGS.model_file, settings)

    for alignment in ALIGNMENTS:
      options = span_features.WindowOptions(
        FLAGS.max_seq_length, FLAGS.doc_stride, FLAGS.max_query_length, alignment
      )
      row, share = measure(examples, make_tokenizer, options, FLAGS.rounds)
      times.append(row)
      shares.append(share)
  for rows in (times, shares):
    table = [list(row.values()) for row in rows]
    print(reporting.format_table(table, list(rows[0]), digits=2))
  if FLAGS.output_file:
    text_io.write_json(FLAGS.output_file, {"times": times, "answers": shares})


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

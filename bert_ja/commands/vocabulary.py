"""Train a vocabulary, SentencePiece or word pieces, from plain text."""

import collections
import contextlib
import functools
import os
import tempfile
from collections.abc import Sequence
from typing import Any

from absl import flags, logging

from bert_ja import (
  front_ends,
  input_files,
  model_files,
  reporting,
  text_io,
  tokenization,
  vocabularies,
)
from bert_ja.flags import command_line

FLAGS = flags.FLAGS

_KIKUTA = "bert-japanese"  # the front end whose model contract B-22 describes
_MEASURED_SENTENCES = 10_000
_SENTENCE_PIECE_FLAGS = ("model_prefix", "model_type", "character_coverage")
_WORD_PIECE_FLAGS = ("tokenizer", "limit_alphabet")
_SWITCHES = (*front_ends.GOOGLE_SWITCHES, "mecab_dic")


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  flags.DEFINE_list(
    "input_file",
    None,
    "Text, one sentence a line, UTF-8; paths or globs, with commas between them.",
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "output_dir", None, "Where the files go; created if missing.", flag_values
  )
  flags.DEFINE_enum(
    "kind", None, ["sentencepiece", "wordpiece"], "What to train.", flag_values
  )
  flags.DEFINE_integer(
    "vocab_size", 32000, "Pieces, with the special tokens.", 1, flag_values=flag_values
  )
  flags.DEFINE_integer(
    "max_sentences",
    0,
    "Train on so many sentences, chosen at random; 0 means all.",
    0,
    flag_values=flag_values,
  )
  flags.DEFINE_integer("seed", 12345, "Of that choice.", flag_values=flag_values)
  flags.DEFINE_bool(
    "do_lower_case",
    None,
    "Lower-case the text; by default as the tokenizer does: SentencePiece and google do.",
    flag_values,
  )
  _define_word_piece_flags(flag_values)
  _define_sentence_piece_flags(flag_values)


def _define_word_piece_flags(flag_values):
  flags.DEFINE_enum(
    "tokenizer",
    "google",
    [
      name
      for name, way in front_ends.FRONT_ENDS.items()
      if way.pieces != "sentencepiece"
    ],
    "Word pieces: normalization and segmentation before them.",
    flag_values,
  )
  flags.DEFINE_enum(
    "mecab_dic",
    "ipadic",
    ["ipadic", "unidic_lite"],
    "Word pieces: MeCab's dictionary for --tokenizer=tohoku.",
    flag_values,
  )
  flags.DEFINE_bool(
    "strip_accents",
    False,
    "Word pieces: remove accents, and with them the voicing marks of kana.",
    flag_values,
  )
  flags.DEFINE_bool(
    "tokenize_chinese_chars",
    True,
    "Word pieces: make each ideograph a word.",
    flag_values,
  )
  flags.DEFINE_integer(
    "limit_alphabet",
    6000,
    "Word pieces: the most frequent characters that get pieces; a word with another one "
    "is unknown.",
    1,
    flag_values=flag_values,
  )


def _define_sentence_piece_flags(flag_values):
  flags.DEFINE_string(
    "model_prefix", "spm", "SentencePiece: name of the files.", flag_values
  )
  flags.DEFINE_enum(
    "model_type", "unigram", ["unigram", "bpe"], "SentencePiece: method.", flag_values
  )
  flags.DEFINE_float(
    "character_coverage",
    0.9995,
    "SentencePiece: share of the text's characters that get pieces.",
    0.98,  # the library's limits
    1.0,
    flag_values=flag_values,
  )


def main(argv: Sequence[str]) -> None:
  """Trains, writes the files, prints what they are like."""
  del argv
  command_line.require(FLAGS, "input_file", "output_dir", "kind")
  check_flags()
  if FLAGS.kind == "sentencepiece":
    vocabulary_names = (f"{FLAGS.model_prefix}.model", f"{FLAGS.model_prefix}.vocab")
    name, train = _KIKUTA, train_sentence_pieces
  else:
    vocabulary_names = ("vocab.txt",)
    name, train = FLAGS.tokenizer, train_word_pieces
  names = (*vocabulary_names, model_files.TOKENIZER_NAME)
  check_output(FLAGS.output_dir, names)
  with tempfile.TemporaryDirectory() as folder:
    tokenizer, sentences = train(*(os.path.join(folder, n) for n in vocabulary_names))
    settings = {**tokenizer.settings, "tokenizer": name}
    model_files.write_tokenizer(folder, None, settings)
    report = measure(tokenizer, sentences)
    copy_all(folder, FLAGS.output_dir, names)
  print(report)
  print("\n".join(os.path.join(FLAGS.output_dir, name) for name in names))


def check_flags() -> None:
  """Checks that no flag is given that would be without effect.

  Raises:
    ValueError: there is one.
  """
  if FLAGS.kind == "sentencepiece":
    choice, used = "--kind=sentencepiece", ("do_lower_case", *_SENTENCE_PIECE_FLAGS)
  else:
    choice = f"--tokenizer={FLAGS.tokenizer}"
    used = (*front_ends.get(FLAGS.tokenizer).switches, *_WORD_PIECE_FLAGS)
    if FLAGS.tokenizer == "tohoku":
      used += ("mecab_dic",)
  for name in (*_SWITCHES, *_WORD_PIECE_FLAGS, *_SENTENCE_PIECE_FLAGS):
    if FLAGS[name].present and name not in used:
      raise ValueError(f"--{name} means nothing to {choice}; leave it out")


def check_output(output_dir: str, names: Sequence[str]) -> None:
  """Refuses to replace files.

  Raises:
    ValueError: one of them exists.
  """
  for name in names:
    path = os.path.join(output_dir, name)
    if text_io.exists(path):
      raise ValueError(f"{path} exists; remove it or name another --output_dir")


def input_paths(patterns: Sequence[str]) -> list[str]:
  """The files that paths and globs name.

  Raises:
    FileNotFoundError: one of them names none.
  """
  expected = "the path of a text file or a glob that matches some"
  return input_files.paths_of(patterns, "--input_file", expected)


def train_word_pieces(vocab_file: str) -> tuple[Any, vocabularies.Sentences]:
  """Writes `vocab_file`; returns the tokenizer that it makes and what it is made of."""
  settings = {name: FLAGS[name].value for name in front_ends.GOOGLE_SWITCHES}
  settings["mecab_kwargs"] = {"mecab_dic": FLAGS.mecab_dic}
  words_of = front_ends.words_of(FLAGS.tokenizer, settings)
  if front_ends.get(FLAGS.tokenizer).pieces == "whole":
    train = functools.partial(vocabularies.frequent_words, vocab_size=FLAGS.vocab_size)
  else:
    train = vocabularies.WordPieceTrainer(FLAGS.vocab_size, FLAGS.limit_alphabet).train
  sentences = _sentences()
  counts = collections.Counter()
  for sentence in _with_progress(sentences):
    counts.update(words_of(sentence))
  pieces = train(counts)
  if len(pieces) < FLAGS.vocab_size:
    logging.warning(
      "The text gives %d pieces, fewer than --vocab_size=%d: set the vocab_size of the "
      "model's configuration to it, or add text",
      len(pieces),
      FLAGS.vocab_size,
    )
  text_io.write_text(vocab_file, "".join(f"{piece}\n" for piece in pieces))
  tokenizer = front_ends.create(FLAGS.tokenizer, vocab_file, None, settings)
  return tokenizer, sentences


def train_sentence_pieces(
  model_file: str, vocab_file: str
) -> tuple[Any, vocabularies.Sentences]:
  """Writes the files; returns the tokenizer that they make and what they are made of."""
  trainer = vocabularies.SentencePieceTrainer(
    FLAGS.vocab_size, FLAGS.model_type, FLAGS.character_coverage
  )
  lower = FLAGS.do_lower_case is not False
  sentences = _sentences()
  model = trainer.train(
    sentence.lower() if lower else sentence for sentence in _with_progress(sentences)
  )
  if trainer.num_too_long:
    logging.warning(
      "%d of %d sentences are longer than %d bytes and took no part in training: put "
      "one sentence on a line",
      trainer.num_too_long,
      len(sentences),
      vocabularies.SENTENCE_PIECE_MAX_BYTES,
    )
  text_io.write_bytes(model_file, model)
  text_io.write_text(vocab_file, vocabularies.sentence_piece_table(model))
  settings = {"do_lower_case": lower}
  return front_ends.create(_KIKUTA, vocab_file, model_file, settings), sentences


def _sentences():
  paths = input_paths(FLAGS.input_file)
  return vocabularies.Sentences(paths, FLAGS.max_sentences or None, FLAGS.seed)


def _with_progress(sentences):
  with reporting.Progress(len(sentences), "sentence", "read") as progress:
    for sentence in sentences:
      yield sentence
      progress.update()
  logging.info("Training %d pieces", FLAGS.vocab_size)


def measure(tokenizer: Any, sentences: vocabularies.Sentences) -> str:
  """Says how a tokenizer splits the text that it was made of, or a sample of it."""
  count = min(len(sentences), _MEASURED_SENTENCES)
  sampled = vocabularies.sample(sentences, count, len(sentences), FLAGS.seed)
  counts = tokenization.count_pieces(tokenizer, sampled)
  pieces, unknown = counts["pieces"], counts["unknown"]
  return (
    f"{len(tokenizer.vocab):,} pieces from {len(sentences):,} sentences; of {count:,} "
    f"sentences {unknown / max(pieces, 1):.3%} of the pieces are unknown, with "
    f"{pieces / count:.1f} pieces a sentence"
  )


def copy_all(folder: str, output_dir: str, names: Sequence[str]) -> None:
  """Copies files; none takes its name before all are copied."""
  text_io.makedirs(output_dir)
  with contextlib.ExitStack() as stack:
    for name in names:
      path = os.path.join(output_dir, name)
      temporary = stack.enter_context(text_io.path_written_whole(path))
      text_io.copy(os.path.join(folder, name), temporary)

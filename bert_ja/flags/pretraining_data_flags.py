"""Flags of records for pre-training: texts, files, what an instance is, who works."""

import dataclasses
from typing import Any

from absl import flags


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group (A-11)."""
  flags.DEFINE_list(
    "input_file",
    None,
    "UTF-8 text, a sentence a line and a blank line between documents: paths and globs.",
    flag_values=flag_values,
  )
  flags.DEFINE_list(
    "output_file",
    None,
    "TFRecord files. With one shard, instances go to several in turn; with more shards, "
    "one name for each, or one that each shard's number is put into.",
    flag_values=flag_values,
  )
  flags.DEFINE_enum(
    "compression", "", ["", "gzip"], "Of the output.", flag_values=flag_values
  )
  _define_work(flag_values)
  _define_recipe(flag_values)


def _define_work(flag_values):
  """Flags of how the work is shared out."""
  flags.DEFINE_integer(
    "num_shards",
    1,
    "Groups of input files, each made by itself with a seed of its own: memory holds a "
    "group, and a run that was ended goes on with the missing ones.",
    lower_bound=1,
    flag_values=flag_values,
  )
  flags.DEFINE_integer(
    "num_workers",
    1,
    "Processes. They change the speed and no result.",
    lower_bound=1,
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "runner",
    None,
    "Make the shards by Apache Beam, with this runner: DirectRunner, FlinkRunner, "
    "SparkRunner, DataflowRunner or another that Beam knows.",
    flag_values,
  )
  flags.DEFINE_multi_string(
    "beam_option",
    [],
    "An option of Beam, its runner or its cluster, without dashes: name=value, or name "
    "for a switch. Give the flag once for each.",
    flag_values=flag_values,
  )


def _define_recipe(flag_values):
  """Flags of what an instance is; but for the seed, fields of `Recipe`."""
  flags.DEFINE_integer(
    "max_seq_length",
    128,
    "Pieces of an instance, special ones included.",
    lower_bound=5,
    upper_bound=(1 << 16) - 1,
    flag_values=flag_values,
  )
  for name, default, text in (
    (
      "max_predictions_per_seq",
      20,
      "Masked pieces of an instance at most: about --max_seq_length * --masked_lm_prob.",
    ),
    ("dupe_factor", 10, "Passes over the text, each with other pairs and masks."),
  ):
    flags.DEFINE_integer(name, default, text, 1, flag_values=flag_values)
  flags.DEFINE_integer("random_seed", 12345, "Of all draws.", flag_values=flag_values)
  for name, default, text in (
    ("masked_lm_prob", 0.15, "Share of masked pieces."),
    ("short_seq_prob", 0.1, "How often a shorter length is aimed at."),
  ):
    flags.DEFINE_float(name, default, text, 0, 1, flag_values=flag_values)
  flags.DEFINE_bool(
    "do_whole_word_mask",
    False,
    "Mask all pieces of a word or none. Words are those of the tokenizer: of its "
    "segmenter, by ##, or by SentencePiece's ▁.",
    flag_values,
  )
  flags.DEFINE_enum(
    "word_boundaries",
    "auto",
    ["auto", "spaces"],
    "Where words end: auto as the tokenizer says; spaces for text that was segmented "
    "before, where white space stands between words.",
    flag_values,
  )
  flags.DEFINE_bool(
    "static_masking",
    True,
    "Draw the masks now. --nostatic_masking leaves them to run_pretraining.py "
    "--dynamic_masking: the records hold the whole text, and where words start.",
    flag_values,
  )


def settings(flag_values: flags.FlagValues = flags.FLAGS) -> Any:
  """The flags as `pretraining_shards.Settings`.

  Raises:
    ValueError: word boundaries are given where words play no part.
  """
  from bert_ja.data import pretraining_draws, pretraining_shards

  names = [field.name for field in dataclasses.fields(pretraining_draws.Recipe)]
  recipe = pretraining_draws.Recipe(**{name: flag_values[name].value for name in names})
  if recipe.words is None and recipe.word_boundaries != "auto":
    raise ValueError(
      f"--word_boundaries={recipe.word_boundaries} needs --do_whole_word_mask or "
      "--nostatic_masking; leave it out"
    )
  return pretraining_shards.Settings(
    recipe, flag_values.random_seed, flag_values.compression.upper()
  )

"""Makes records for masked-word and next-sentence training from text."""

import dataclasses
import os

from absl import flags, logging

from bert_ja import input_files, lazy, reporting, text_io
from bert_ja.flags import command_line, model_flags, tokenizer_flags

FLAGS = flags.FLAGS

# Names that other code imports from this script.
__getattr__ = lazy.names(
  __name__,
  {
    "TrainingInstance": "bert_ja.data.pretraining_instances",
    "MaskedLmInstance": "bert_ja.data.pretraining_instances",
    "create_training_instances": "bert_ja.data.pretraining_instances",
    "create_instances_from_document": "bert_ja.data.pretraining_instances",
    "create_masked_lm_predictions": "bert_ja.data.pretraining_instances",
    "truncate_seq_pair": "bert_ja.data.pretraining_instances",
    "write_instance_to_example_files": "bert_ja.data.pretraining_records",
  },
)


def define_flags(flag_values=FLAGS):
  """Defines the script's flags."""
  model_flags.define(flag_values, only=("model_dir",))
  tokenizer_flags.define(flag_values)
  flags.adopt_module_key_flags(tokenizer_flags, flag_values)
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
  flags.DEFINE_enum(
    "compression", "", ["", "gzip"], "Of the output.", flag_values=flag_values
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
  _define_recipe(flag_values)


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
  flags.DEFINE_integer(
    "max_predictions_per_seq",
    20,
    "Masked pieces of an instance at most: about --max_seq_length * --masked_lm_prob.",
    lower_bound=1,
    flag_values=flag_values,
  )
  flags.DEFINE_integer("random_seed", 12345, "Of all draws.", flag_values=flag_values)
  flags.DEFINE_integer(
    "dupe_factor",
    10,
    "Passes over the text, each with other pairs and masks.",
    lower_bound=1,
    flag_values=flag_values,
  )
  flags.DEFINE_float(
    "masked_lm_prob", 0.15, "Share of masked pieces.", 0, 1, flag_values=flag_values
  )
  flags.DEFINE_float(
    "short_seq_prob",
    0.1,
    "How often a shorter length is aimed at.",
    0,
    1,
    flag_values=flag_values,
  )
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


class ProgressBars:
  """One bar after the other: a new one when something else begins."""

  def __init__(self):
    self._name, self._bar = None, None

  def __enter__(self):
    return self

  def show(self, name, unit, done, total):
    """Takes what `pretraining_shards.make_shards` tells of its work."""
    if name != self._name:
      self.__exit__(None, None, None)
      self._name, self._bar = name, reporting.Progress(total, unit, name)
      self._bar.__enter__()
    self._bar.update_to(done, total)

  def __exit__(self, *exception):
    if self._bar is not None:
      self._bar.__exit__(*exception)


def check_runner(flag_values=FLAGS):
  """Checks that a runner, its options and processes of this machine go together.

  Raises:
    ImportError: Beam is not installed.
    ValueError: they do not.
  """
  if flag_values.runner:
    from bert_ja.data import pretraining_beam  # noqa: F401

    if flag_values.num_workers > 1:
      raise ValueError(
        f"--num_workers={flag_values.num_workers} is for this machine without --runner; "
        "say by --beam_option how many workers a runner has, for example "
        "direct_num_workers=2 with direct_running_mode=multi_processing"
      )
  elif flag_values.beam_option:
    raise ValueError(
      f"--beam_option={flag_values.beam_option[0]} needs --runner, for example "
      "--runner=DirectRunner"
    )


def make_shards(shards, tokenizer, settings):
  """Makes shards by Beam or on this machine; returns the number of instances."""
  if FLAGS.runner:
    from bert_ja.data import pretraining_beam

    return pretraining_beam.make_shards(
      shards, tokenizer, settings, FLAGS.runner, FLAGS.beam_option
    )
  from bert_ja.data import pretraining_shards

  with ProgressBars() as bars:
    return pretraining_shards.make_shards(
      shards, tokenizer, settings, FLAGS.num_workers, bars.show
    )


def main(_):
  """Reads text, writes records."""
  from bert_ja.data import pretraining_draws, pretraining_shards

  command_line.require(FLAGS, "input_file", "output_file")
  check_runner(FLAGS)
  paths = input_files.paths_of(FLAGS.input_file, "--input_file", "a file or a glob")
  shards = pretraining_shards.plan(paths, FLAGS.output_file, FLAGS.num_shards)
  names = [field.name for field in dataclasses.fields(pretraining_draws.Recipe)]
  recipe = pretraining_draws.Recipe(**{name: FLAGS[name].value for name in names})
  settings = pretraining_shards.Settings(
    recipe, FLAGS.random_seed, FLAGS.compression.upper()
  )
  files = model_flags.find(FLAGS, weights=False)
  tokenizer = tokenizer_flags.create_tokenizer(files, FLAGS)
  outputs = [path for shard in shards for path in shard.output_files]
  for path in outputs:
    text_io.makedirs(os.path.dirname(path) or ".")
  logging.info("*** Reading from input files ***\n  %s", "\n  ".join(paths))
  logging.info("*** Writing to output files ***\n  %s", "\n  ".join(outputs))
  count = make_shards(shards, tokenizer, settings)
  logging.info("Wrote %d total instances", count)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

"""Makes records for masked-word and next-sentence training from text."""

import os

from absl import flags, logging

from bert_ja import input_files, lazy, reporting, text_io
from bert_ja.flags import (
  command_line,
  model_flags,
  pretraining_data_flags,
  tokenizer_flags,
)

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
  for group, options in (
    (pretraining_data_flags, {}),
    (model_flags, {"only": ("model_dir",)}),
    (tokenizer_flags, {}),
  ):
    group.define(flag_values, **options)
    flags.adopt_module_key_flags(group, flag_values)


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
  """Makes shards by Beam or on this machine: `pretraining_shards.Made`."""
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
  from bert_ja.data import pretraining_shards

  command_line.require(FLAGS, "input_file", "output_file")
  check_runner(FLAGS)
  settings = pretraining_data_flags.settings(FLAGS)
  paths = input_files.paths_of(FLAGS.input_file, "--input_file", "a file or a glob")
  shards = pretraining_shards.plan(paths, FLAGS.output_file, FLAGS.num_shards)
  files = model_flags.find(FLAGS, weights=False)
  tokenizer = tokenizer_flags.create_tokenizer(files, FLAGS)
  outputs = [path for shard in shards for path in shard.output_files]
  for path in outputs:
    text_io.makedirs(os.path.dirname(path) or ".")
  logging.info("*** Reading from input files ***\n  %s", "\n  ".join(paths))
  logging.info("*** Writing to output files ***\n  %s", "\n  ".join(outputs))
  made = make_shards(shards, tokenizer, settings)
  others = ""
  if made.shards < len(shards):
    others = f" in {made.shards} of {len(shards)} shards; the others were made before"
  logging.info("Wrote %d total instances%s", made.instances, others)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

"""Trains a model to fill in masked words and to tell whether two texts belong together.

The original's two-phase recipe in one --output_dir: train with --max_seq_length=128,
then again with the records of length 512, --max_seq_length=512 and a larger
--num_train_steps; the learning rate goes on as that of a run of the new length.
"""

import functools

from absl import flags, logging

from bert_ja import job, lazy
from bert_ja.flags import (
  command_line,
  data_flags,
  model_flags,
  runtime_flags,
  training_flags,
)

FLAGS = flags.FLAGS

# Names that other code imports from this script.
__getattr__ = lazy.names(
  __name__,
  {
    "get_masked_lm_output": "bert_ja.pretraining_heads",
    "get_next_sentence_output": "bert_ja.pretraining_heads",
    "gather_indexes": "bert_ja.pretraining_heads",
  },
)

# Of the groups, what has no meaning here: there are no epochs, nothing is predicted,
# and rows are streamed at their full length.
_LEFT_OUT = ("num_train_epochs", "warmup_proportion", "predict_batch_size")
_LEFT_OUT += ("bucket_by_length", "pad_to_max_length", "cache_dir")


def define_flags(flag_values=FLAGS):
  """Defines the script's flags."""
  for group, options in (
    (model_flags, {}),
    (data_flags, {}),
    (training_flags, {"best_metric": "masked_lm_loss"}),
    (runtime_flags, {}),
  ):
    defined = flags.FlagValues()
    group.define(defined, **options)
    for name in defined:
      if name not in _LEFT_OUT:
        flag_values[name] = defined[name]
        flags.declare_key_flag(name, flag_values)
  flags.DEFINE_string(
    "input_file",
    None,
    "Records to train on: TFRecord files, plain or gzip; globs, separated by commas.",
    flag_values,
  )
  flags.DEFINE_string(
    "eval_file",
    None,
    "Records to evaluate with, like --input_file, which is taken without it.",
    flag_values,
  )
  flags.DEFINE_string(
    "cache_dir",
    None,
    "Where the places of records in their files are kept, for other runs too; in "
    "--output_dir by default.",
    flag_values,
  )
  flags.DEFINE_bool("do_train", False, "Train on --input_file.", flag_values)
  flags.DEFINE_bool("do_eval", False, "Evaluate.", flag_values)
  flags.DEFINE_bool(
    "next_sentence",
    True,
    "Train the next-sentence head too; --nonext_sentence makes a model without it.",
    flag_values,
  )
  for name, default, lowest, text in (
    ("max_predictions_per_seq", 20, 1, "Masked words of a record, padding included."),
    ("num_train_steps", 100000, 1, "Updates in all, those of earlier runs included."),
    ("num_warmup_steps", 10000, 0, "Updates with a rising rate."),
    ("max_eval_steps", 100, 1, "Batches of an evaluation."),
  ):
    flags.DEFINE_integer(name, default, text, lowest, flag_values=flag_values)


def create_model(
  bert_config,
  seed=0,
  precision=None,
  use_one_hot_embeddings=False,
  next_sentence=True,
):
  """Encoder and heads, with fresh variables."""
  from bert_ja import modeling, pretraining_heads

  return pretraining_heads.PretrainingModel(
    bert_config,
    seed,
    precision or modeling.Precision(),
    use_one_hot_embeddings,
    next_sentence,
  )


def model_fn_builder(
  bert_config,
  init_checkpoint,
  optimizer_fn=None,
  eval_batch_size=8,
  seed=0,
  precision=None,
  use_one_hot_embeddings=False,
  trainable=lambda name: True,
  next_sentence=True,
):
  """What an Estimator calls to make a model that is pre-trained.

  Args:
    bert_config: BertConfig.
    init_checkpoint: weights to start from, or None.
    optimizer_fn: () -> optimizer, for training.
    eval_batch_size: rows of a batch of evaluation.
    seed: of the variables that no checkpoint fills.
    precision: modeling.Precision; float32 by default.
    use_one_hot_embeddings: look words up by a matrix product (TPU).
    trainable: name -> whether a variable is trained.
    next_sentence: whether there is a next-sentence head.
  """
  from bert_ja import pretraining_heads, run_config

  def loss_fn(model, features, dropout_stream):
    return pretraining_heads.row_losses(model(features, dropout_stream), features)

  def predict_fn(model, features):
    return pretraining_heads.row_outputs(model(features), features)

  return run_config.model_fn_of(
    lambda: create_model(
      bert_config, seed, precision, use_one_hot_embeddings, next_sentence
    ),
    loss_fn,
    predict_fn,
    optimizer_fn,
    metric_fn=lambda outputs: pretraining_heads.evaluation_metrics(
      outputs, eval_batch_size
    ),
    init_checkpoint=init_checkpoint,
    trainable=trainable,
  )


def feature_spec(max_seq_length, max_predictions_per_seq, next_sentence=True):
  """Features of a record (A-152): name -> `records.Feature`."""
  from bert_ja.data import records

  rows = dict.fromkeys(("input_ids", "input_mask", "segment_ids"), max_seq_length)
  rows |= dict.fromkeys(
    ("masked_lm_positions", "masked_lm_ids"), max_predictions_per_seq
  )
  if next_sentence:
    rows["next_sentence_labels"] = 1
  spec = {name: records.Feature((length,)) for name, length in rows.items()}
  weights = records.Feature((max_predictions_per_seq,), "float32")
  return {**spec, "masked_lm_weights": weights}


def main(_):
  """Trains, then evaluates."""
  command_line.require(FLAGS, "input_file", "output_dir")
  if not (FLAGS.do_train or FLAGS.do_eval):
    raise ValueError("nothing to do: give --do_train or --do_eval")
  command_line.import_tensorflow()
  pretraining = PretrainingJob(model_flags.resolve(FLAGS), FLAGS)
  pretraining.find_records()
  if FLAGS.do_train:
    pretraining.train()
  if FLAGS.use_best:
    pretraining.load_best()
  if FLAGS.do_eval:
    logging.info("Wrote:\n  %s", "\n  ".join(pretraining.evaluate()))


class PretrainingJob(job.TrainingJob):
  """Records with masked words."""

  path_flags = ("input_file", "eval_file", "output_dir", "cache_dir")

  def plan(self):
    from bert_ja.data import record_stream

    self.spec = feature_spec(
      FLAGS.max_seq_length, FLAGS.max_predictions_per_seq, FLAGS.next_sentence
    )
    self.paths = {}
    if FLAGS.do_train:
      self.paths["train"] = _paths("input_file")
    if FLAGS.do_eval or FLAGS.eval_steps:
      self.paths["eval"] = _paths("eval_file" if FLAGS.eval_file else "input_file")
    for split, paths in self.paths.items():
      logging.info("*** Input Files (%s) ***", split)
      for path in paths:
        logging.info("  %s", path)
      record_stream.check_records(paths, self.spec)
    if not FLAGS.do_train:
      return 0, 0
    return FLAGS.num_train_steps, FLAGS.num_warmup_steps

  def find_records(self):
    """Reads all files once, unless an earlier run did, before any training."""
    from bert_ja import reporting
    from bert_ja.data import record_stream

    index_dir = FLAGS.cache_dir or self.output_path("record_index")
    self.records = {}
    for split, paths in self.paths.items():
      with reporting.Progress(len(paths), "file", "find records") as progress:
        self.records[split] = self.chief_first(
          functools.partial(
            record_stream.index_files, paths, index_dir, progress.update_to
          )
        )

  def batch_sizes(self):
    return FLAGS.train_batch_size, FLAGS.eval_batch_size, FLAGS.eval_batch_size

  def task_description(self):
    return {}

  def model_fn(self, optimizer_fn, options):
    return model_fn_builder(
      self.config,
      self.files.init_checkpoint,
      optimizer_fn,
      FLAGS.eval_batch_size,
      next_sentence=FLAGS.next_sentence,
      **options,
    )

  def input_fn(self, split):
    from bert_ja import pretraining_heads
    from bert_ja.data import record_stream

    return record_stream.stream_input_fn_builder(
      self.records[split],
      self.spec,
      is_training=split == "train",
      num_batches=FLAGS.max_eval_steps,
      transform=lambda features, *_: pretraining_heads.add_prediction_scale(features),
    )

  def evaluate(self):
    """Scores the model; returns the paths written."""
    from bert_ja import reporting, text_io

    input_fn = self.input_fn("eval")
    logging.info("***** Running evaluation *****")
    logging.info("  Num examples = %d", input_fn.num_rows)
    logging.info("  Batch size = %d", FLAGS.eval_batch_size)
    results, _ = self.estimator.evaluate(input_fn)
    if not self.estimator.is_chief:
      return []
    paths = [self.output_path(name) for name in ("eval_results.txt", "metrics.json")]
    reporting.write_results(paths[0], results)
    text_io.write_json(paths[1], dict(sorted(results.items())))
    return paths


def _paths(flag):
  """Files that a flag's globs name, each once and in their order.

  Raises:
    FileNotFoundError: a glob names no file.
  """
  from bert_ja import text_io

  paths = []
  for pattern in FLAGS[flag].value.split(","):
    found = text_io.glob(pattern)
    if not found:
      raise FileNotFoundError(f"--{flag}: no file is named {pattern}")
    paths += found
  return list(dict.fromkeys(paths))


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

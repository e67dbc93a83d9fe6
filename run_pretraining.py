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
  pretraining_flags,
  runtime_flags,
  tokenizer_flags,
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
    "input_fn_builder": "bert_ja.data.pretraining_input",
  },
)


def define_flags(flag_values=FLAGS):
  """Defines the script's flags."""
  # There are no epochs, nothing is predicted, and rows are streamed at full length.
  no_epochs = ("num_train_epochs", "warmup_proportion", "predict_batch_size")
  for group, options in (
    (pretraining_flags, {}),
    (model_flags, {}),
    (data_flags, {"only": ("max_seq_length",)}),
    (training_flags, {"best_metric": "masked_lm_loss", "without": no_epochs}),
    (runtime_flags, {}),
  ):
    group.define(flag_values, **options)
    flags.adopt_module_key_flags(group, flag_values)


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


def main(_):
  """Trains, then evaluates."""
  command_line.require(FLAGS, "input_file", "output_dir")
  pretraining_flags.check(FLAGS)
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

  def read_model(self):
    from bert_ja import text_io

    super().read_model()
    if self.files.vocab_file:
      count = len(text_io.read_lines(self.files.vocab_file))
      tokenizer_flags.check_vocab_size(count, self.config, self.files)

  def plan(self):
    from bert_ja.data import pretraining_input

    if runtime_flags.read(FLAGS).tpu_is_remote:
      raise ValueError(
        "records of pre-training are read by this machine's own process, which a TPU "
        "elsewhere cannot call; run on the TPU's machine, with --tpu_name=local"
      )
    self.masker = pretraining_flags.masker(
      self.files.vocab_file, self.config.vocab_size, FLAGS
    )
    self.paths, self.specs = {}, {}
    if FLAGS.do_train:
      self.paths["train"] = pretraining_flags.paths("input_file", FLAGS)
    if FLAGS.do_eval or FLAGS.eval_steps:
      name = "eval_file" if FLAGS.eval_file else "input_file"
      self.paths["eval"] = pretraining_flags.paths(name, FLAGS)
    for split, paths in self.paths.items():
      logging.info("*** Input Files (%s) ***", split)
      for path in paths:
        logging.info("  %s", path)
      self.specs[split] = pretraining_input.record_spec(
        paths,
        FLAGS.max_seq_length,
        FLAGS.max_predictions_per_seq,
        split == "train",
        FLAGS.next_sentence,
        self.masker,
      )
    if not FLAGS.do_train:
      return 0, 0
    return FLAGS.num_train_steps, FLAGS.num_warmup_steps

  def find_records(self):
    """Reads all files once, unless an earlier run did, before any training."""
    from bert_ja import reporting
    from bert_ja.data import record_index

    index_dir = FLAGS.cache_dir or self.output_path("record_index")
    self.records = {}
    for split, paths in self.paths.items():
      with reporting.Progress(len(paths), "file", "find records") as progress:
        self.records[split] = self.chief_first(
          functools.partial(
            record_index.index_files, paths, index_dir, progress.update_to
          )
        )

  def curve_values(self):
    # A loss at another length says nothing beside it.
    return {"max_seq_length": FLAGS.max_seq_length}

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
    from bert_ja.data import pretraining_input

    return pretraining_input.input_fn_builder(
      self.records[split],
      self.specs[split],
      self.config.vocab_size,
      split == "train",
      FLAGS.max_eval_steps,
      self.masker,
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
    self.record("do_eval")
    return paths


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

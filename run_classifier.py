"""Fine-tunes, evaluates and applies a classifier of sentences or sentence pairs."""

import os

from absl import flags, logging

from bert_ja import lazy, text_io
from bert_ja.flags import (
  command_line,
  data_flags,
  model_flags,
  runtime_flags,
  task_flags,
  tokenizer_flags,
  training_flags,
)

FLAGS = flags.FLAGS
_FLAG_GROUPS = (
  model_flags,
  tokenizer_flags,
  task_flags,
  data_flags,
  training_flags,
  runtime_flags,
)

# Names that other code imports from this script (contract A-5).
__getattr__ = lazy.names(
  __name__,
  {
    "InputExample": "bert_ja.tasks.base",
    "PaddingInputExample": "bert_ja.tasks.base",
    "DataProcessor": "bert_ja.tasks.base",
    "InputFeatures": "bert_ja.data.pair_features",
    "XnliProcessor": "bert_ja.tasks.xnli",
    "MnliProcessor": "bert_ja.tasks.glue",
    "MrpcProcessor": "bert_ja.tasks.glue",
    "ColaProcessor": "bert_ja.tasks.glue",
    "convert_single_example": "bert_ja.data.pair_features",
    "convert_examples_to_features": "bert_ja.data.pair_features",
    "file_based_convert_examples_to_features": "bert_ja.data.pair_features",
    "file_based_input_fn_builder": "bert_ja.data.input_pipeline",
    "input_fn_builder": "bert_ja.data.input_pipeline",
  },
)


def define_flags(flag_values=FLAGS):
  """Defines the script's flags."""
  for group in _FLAG_GROUPS:
    group.define(flag_values)
    flags.adopt_module_key_flags(group, flag_values)
  flags.DEFINE_bool("do_train", False, "Train on the train set.", flag_values)
  flags.DEFINE_bool("do_eval", False, "Evaluate on the dev set.", flag_values)
  flags.DEFINE_bool("do_predict", False, "Predict the test set.", flag_values)


def create_model(
  bert_config, num_labels, seed=0, precision=None, use_one_hot_embeddings=False
):
  """Encoder and classification head, with fresh variables."""
  from bert_ja import heads, modeling

  return heads.SentenceClassifier(
    bert_config,
    num_labels,
    seed,
    precision or modeling.Precision(),
    use_one_hot_embeddings,
  )


def model_fn_builder(
  bert_config,
  num_labels,
  init_checkpoint,
  optimizer_fn=None,
  metric_fn=None,
  seed=0,
  precision=None,
  use_one_hot_embeddings=False,
  trainable=lambda name: True,
):
  """What an Estimator calls to make a classifier.

  Args:
    bert_config: BertConfig.
    num_labels: C.
    init_checkpoint: weights to start from, or None.
    optimizer_fn: () -> optimizer, for training.
    metric_fn: outputs of all rows -> metrics, for evaluation.
    seed: of the variables that no checkpoint fills.
    precision: modeling.Precision; float32 by default.
    use_one_hot_embeddings: look words up by a matrix product (TPU).
    trainable: name -> whether a variable is trained.
  """
  import tensorflow as tf

  from bert_ja import heads
  from bert_ja.run_config import ModeKeys, ModelSpec

  def model_fn(mode):
    model = create_model(
      bert_config, num_labels, seed, precision, use_one_hot_embeddings
    )

    def loss_fn(features, dropout_stream):
      return heads.cross_entropy(model(features, dropout_stream), features["label_ids"])

    def predict_fn(features):
      logits = model(features)
      return {
        "probabilities": tf.nn.softmax(logits),
        "per_example_loss": heads.cross_entropy(logits, features["label_ids"]),
        "label_ids": features["label_ids"],
      }

    return ModelSpec(
      module=model,
      loss_fn=loss_fn,
      predict_fn=predict_fn,
      metric_fn=metric_fn,
      optimizer=optimizer_fn() if mode == ModeKeys.TRAIN else None,
      init_checkpoint=init_checkpoint,
      trainable=trainable,
    )

  return model_fn


def main(_):
  """Trains, evaluates and predicts, in this order (A-106)."""
  command_line.require(FLAGS, "output_dir")
  if not (FLAGS.do_train or FLAGS.do_eval or FLAGS.do_predict):
    raise ValueError("nothing to do: give --do_train, --do_eval or --do_predict")
  command_line.import_tensorflow()
  files = model_flags.resolve(FLAGS)
  command_line.require(FLAGS, "task_name", "data_dir")
  job = Job(files)
  written = []
  if FLAGS.do_train:
    job.train()
  if FLAGS.use_best:
    job.load_best()
  if FLAGS.do_eval:
    written += job.evaluate()
  if FLAGS.do_predict:
    written += job.predict()
  if written:
    logging.info("Wrote:\n  %s", "\n  ".join(written))


class Job:
  """What the flags come to: a task, a model and where they meet."""

  def __init__(self, files):
    """Reads the task and the model's description, and chooses devices.

    Args:
      files: model_files.ModelFiles.
    """
    from bert_ja import distribution

    runtime = runtime_flags.read(FLAGS)
    paths = {name: FLAGS[name].value for name in ("data_dir", "output_dir")}
    paths |= {
      name: getattr(files, name)
      for name in ("init_checkpoint", "vocab_file", "model_file")
    }
    distribution.check_paths(runtime, paths)
    self.files = files
    choice = tokenizer_flags.choose(files, FLAGS)
    self.front_end = choice.name
    self.config = model_flags.load_config(files, self.front_end)
    model_flags.check_length(FLAGS.max_seq_length, self.config, files)
    self.tokenizer = tokenizer_flags.create_tokenizer(files, FLAGS, choice)
    tokenizer_flags.check(self.tokenizer, self.config, files)
    # A trained model keeps its labels; training takes those of its data.
    labels = None if FLAGS.do_train else files.task.get("labels")
    self.processor = task_flags.get_processor(labels, FLAGS)
    self.label_list = list(labels or self.processor.get_labels())
    self.examples = self._read_examples()
    self.num_train_steps = training_flags.num_train_steps(
      len(self.examples.get("train", ())), FLAGS
    )
    model_flags.check_output_dir(self.label_list, files, FLAGS)
    self.strategy = distribution.create_strategy(runtime)
    self.estimator = self._estimator()
    # The last thing that can be wrong: from here on files are written.
    self.estimator.prepare(FLAGS.do_train)
    text_io.makedirs(FLAGS.output_dir)

  def _read_examples(self):
    """All sets that the run needs: a fault in the last shall not cost a training."""
    from bert_ja.data import pair_features

    examples = {}
    if FLAGS.do_train:
      examples["train"] = self.processor.get_train_examples(FLAGS.data_dir)
    if FLAGS.do_eval or FLAGS.eval_steps:
      examples["eval"] = self.processor.get_dev_examples(FLAGS.data_dir)
    if FLAGS.do_predict:
      examples["predict"] = self.processor.get_test_examples(FLAGS.data_dir)
    for rows in examples.values():
      pair_features.check_labels(rows, self.label_list)
    return examples

  def _estimator(self):
    from bert_ja import distribution, estimator, modeling
    from bert_ja.tasks import sentence

    precision = modeling.Precision.from_name(
      FLAGS.precision, distribution.on_cpu(self.strategy)
    )
    model_fn = model_fn_builder(
      self.config,
      len(self.label_list),
      self.files.init_checkpoint,
      optimizer_fn=lambda: training_flags.create_optimizer(
        self.num_train_steps,
        int(self.num_train_steps * FLAGS.warmup_proportion),
        self.config.num_hidden_layers,
        FLAGS,
      ),
      metric_fn=lambda outputs: sentence.evaluation_metrics(
        outputs, self.label_list, FLAGS.eval_batch_size
      ),
      seed=FLAGS.seed,
      precision=precision,
      use_one_hot_embeddings=FLAGS.use_tpu,
      trainable=training_flags.trainable(FLAGS),
    )
    return estimator.Estimator(
      model_fn,
      training_flags.run_config(FLAGS),
      FLAGS.train_batch_size,
      FLAGS.eval_batch_size,
      FLAGS.predict_batch_size,
      self.strategy,
    )

  def _input_fn(self, split):
    from bert_ja import reporting
    from bert_ja.data import input_pipeline, pair_features

    examples = self.examples[split]
    path = os.path.join(FLAGS.output_dir, f"{split}.tf_record")
    with reporting.Progress(len(examples), "example", f"tokenize {split}") as progress:
      pair_features.cached_features(
        examples,
        self.label_list,
        FLAGS.max_seq_length,
        self.tokenizer,
        path,
        FLAGS.cache_dir,
        progress=lambda done, total: progress.update(),
      )
    spec = pair_features.feature_spec(FLAGS.max_seq_length)
    logging.info("*** Features ***")
    for name in sorted(spec):
      logging.info("  name = %s, shape = %s", name, ["?", *spec[name].shape])
    return input_pipeline.file_based_input_fn_builder(
      path,
      FLAGS.max_seq_length,
      is_training=split == "train",
      spec=spec,
      options=data_flags.batch_options(self.strategy, FLAGS),
    )

  def train(self):
    """Trains, evaluating between updates if --eval_steps says so."""
    from bert_ja import training_loop

    if self.estimator.is_chief:
      self._describe(FLAGS.output_dir)
      if FLAGS.eval_steps:
        self._describe(training_loop.best_dir(FLAGS.output_dir))
    input_fn = self._input_fn("train")
    eval_input_fn = self._input_fn("eval") if FLAGS.eval_steps else None
    logging.info("***** Running training *****")
    logging.info("  Num examples = %d", len(self.examples["train"]))
    logging.info("  Batch size = %d", FLAGS.train_batch_size)
    logging.info("  Num steps = %d", self.num_train_steps)
    self.estimator.train(input_fn, self.num_train_steps, eval_input_fn)

  def _describe(self, directory):
    from bert_ja import model_files

    model_files.write_description(
      directory,
      self.config,
      self.files.vocab_file,
      {**self.tokenizer.settings, "tokenizer": self.front_end},
      {"labels": self.label_list, "flags": task_flags.recorded(FLAGS)},
      self.files.model_file,
    )

  def load_best(self):
    """Takes the checkpoint in best/ for evaluation and prediction."""
    from bert_ja import checkpoint, training_loop

    directory = training_loop.best_dir(FLAGS.output_dir)
    best = checkpoint.latest_checkpoint(directory)
    if best is None:
      raise ValueError(
        f"--use_best: {directory} holds no checkpoint; train with --eval_steps first"
      )
    self.estimator.load(best)

  def evaluate(self):
    """Scores the dev set; returns the paths written."""
    from bert_ja.tasks import sentence

    input_fn = self._input_fn("eval")
    self._log_rows("evaluation", input_fn.num_rows, FLAGS.eval_batch_size)
    results, outputs = self.estimator.evaluate(input_fn)
    if not self.estimator.is_chief:
      return []
    return sentence.write_evaluation(
      FLAGS.output_dir, results, outputs, self.label_list
    )

  def predict(self):
    """Predicts the test set; returns the paths written."""
    import numpy as np

    from bert_ja.tasks import sentence

    input_fn = self._input_fn("predict")
    self._log_rows("prediction", input_fn.num_rows, FLAGS.predict_batch_size)
    rows = [row["probabilities"] for row in self.estimator.predict(input_fn)]
    if not self.estimator.is_chief:
      return []
    return sentence.write_predictions(
      FLAGS.output_dir,
      self.examples["predict"],
      np.stack(rows),
      self.label_list,
      self.processor.test_labels_are_known,
    )

  def _log_rows(self, what, count, batch_size):
    padding = -count % batch_size
    logging.info("***** Running %s *****", what)
    logging.info(
      "  Num examples = %d (%d actual, %d padding)", count + padding, count, padding
    )
    logging.info("  Batch size = %d", batch_size)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

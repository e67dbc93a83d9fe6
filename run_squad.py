"""Trains a model to find answers in contexts, answers questions and scores answers."""

from absl import flags, logging

from bert_ja import job, lazy, text_io
from bert_ja.flags import (
  command_line,
  data_flags,
  model_flags,
  runtime_flags,
  span_flags,
  tokenizer_flags,
  training_flags,
)

FLAGS = flags.FLAGS

# Names that other code imports from this script.
__getattr__ = lazy.names(
  __name__,
  {
    "SquadExample": "bert_ja.data.span_features",
    "InputFeatures": "bert_ja.data.span_features",
    "FeatureWriter": "bert_ja.data.span_features",
    "convert_examples_to_features": "bert_ja.data.span_features",
    "read_squad_examples": "bert_ja.tasks.squad",
    "RawResult": "bert_ja.tasks.span_answers",
    "get_final_text": "bert_ja.tasks.span_answers",
    "write_predictions": "bert_ja.tasks.span_answers",
  },
)


def define_flags(flag_values=FLAGS):
  """Defines the script's flags."""
  for group, options in (
    (model_flags, {}),
    (tokenizer_flags, {}),
    (span_flags, {}),
    (data_flags, {"max_seq_length": 384}),
    (training_flags, {"best_metric": "eval_f1", "without": ("eval_batch_size",)}),
    (runtime_flags, {}),
  ):
    group.define(flag_values, **options)
    flags.adopt_module_key_flags(group, flag_values)
  flags.DEFINE_bool("do_train", False, "Train on --train_file.", flag_values)
  flags.DEFINE_bool("do_predict", False, "Answer --predict_file.", flag_values)
  flags.DEFINE_bool(
    "do_eval", False, "Answer --predict_file and score the answers.", flag_values
  )


def input_fn_builder(input_file, seq_length, is_training, drop_remainder=False):
  """input_fn over a TFRecord file of windows (A-121)."""
  from bert_ja.data import input_pipeline, span_features

  spec = span_features.feature_spec(seq_length, is_training)
  return input_pipeline.file_based_input_fn_builder(
    input_file, seq_length, is_training, drop_remainder, spec
  )


def create_model(bert_config, seed=0, precision=None, use_one_hot_embeddings=False):
  """Encoder and head, with fresh variables."""
  from bert_ja import heads, modeling

  precision = precision or modeling.Precision()
  return heads.SpanClassifier(bert_config, seed, precision, use_one_hot_embeddings)


def model_fn_builder(
  bert_config,
  init_checkpoint,
  optimizer_fn=None,
  metric_fn=None,
  max_seq_length=None,
  seed=0,
  precision=None,
  use_one_hot_embeddings=False,
  trainable=lambda name: True,
):
  """What an Estimator calls to make a model that finds answers.

  Args:
    bert_config: BertConfig.
    init_checkpoint: weights to start from, or None.
    optimizer_fn: () -> optimizer, for training.
    metric_fn: outputs of all windows -> metrics, for evaluation.
    max_seq_length: S, where batches may be shorter: logits are filled up with -inf.
    seed: of the variables that no checkpoint fills.
    precision: modeling.Precision; float32 by default.
    use_one_hot_embeddings: look words up by a matrix product (TPU).
    trainable: name -> whether a variable is trained.
  """
  import tensorflow as tf

  from bert_ja import losses, run_config

  def loss_fn(model, features, dropout_stream):
    start, end = model(features, dropout_stream)
    return 0.5 * (
      losses.cross_entropy(start, features["start_positions"])
      + losses.cross_entropy(end, features["end_positions"])
    )

  def full_length(logits):
    if not max_seq_length:
      return logits
    missing = max_seq_length - tf.shape(logits)[1]
    return tf.pad(logits, [[0, 0], [0, missing]], constant_values=-float("inf"))

  def predict_fn(model, features):
    start, end = model(features)
    return {
      "unique_ids": features["unique_ids"],
      "start_logits": full_length(start),
      "end_logits": full_length(end),
    }

  return run_config.model_fn_of(
    lambda: create_model(bert_config, seed, precision, use_one_hot_embeddings),
    loss_fn,
    predict_fn,
    optimizer_fn,
    metric_fn=metric_fn,
    init_checkpoint=init_checkpoint,
    trainable=trainable,
  )


def main(_):
  """Trains, then answers, then scores."""
  command_line.require(FLAGS, "output_dir")
  span_flags.check(FLAGS)
  command_line.import_tensorflow()
  files = model_flags.resolve(FLAGS)
  span_flags.check_lengths(FLAGS)
  squad = SquadJob(files, FLAGS)
  if FLAGS.do_train:
    squad.train()
  if FLAGS.use_best:
    squad.load_best()
  if FLAGS.do_predict or FLAGS.do_eval:
    written = squad.predict()
    if written:
      logging.info("Wrote:\n  %s", "\n  ".join(written))


class SquadJob(job.Job):
  """Questions whose answers are parts of a context."""

  path_flags = ("train_file", "predict_file", "output_dir")

  def read(self):
    from bert_ja.data import span_features
    from bert_ja.tasks import squad, squad_scores

    version_2 = FLAGS.version_2_with_negative
    self.examples, count = {}, 0
    if FLAGS.do_train:
      self.examples["train"] = squad.read_squad_examples(
        FLAGS.train_file, True, version_2
      )
    if FLAGS.predict_file:
      self.examples["eval"] = squad.read_squad_examples(
        FLAGS.predict_file, False, version_2
      )
      if FLAGS.do_eval or FLAGS.eval_steps:
        squad_scores.check_answers(self.examples["eval"], version_2)
    self.alignment = FLAGS.answer_alignment
    if self.alignment == "auto":
      some = self.examples.get("train") or self.examples["eval"]
      self.alignment = span_features.default_alignment(self.front_end, some)
    logging.info("Answers are placed by %s (--answer_alignment)", self.alignment)
    if FLAGS.do_train:
      # The original counts the questions it trains on, not their windows.
      count = len(span_features.training_order(self.examples["train"], self.alignment))
      logging.info("%d of %d questions to train on", count, len(self.examples["train"]))
    self.windows = {}
    return count

  def task_description(self):
    return {"flags": span_flags.recorded(self.alignment, FLAGS)}

  def model_fn(self, optimizer_fn, options):
    return model_fn_builder(
      self.config,
      self.files.init_checkpoint,
      optimizer_fn,
      self._metrics,
      FLAGS.max_seq_length,
      **options,
    )

  def input_fn(self, split):
    from bert_ja import reporting
    from bert_ja.data import span_features

    is_training = split == "train"
    path = self.output_path(f"{split}.tf_record")
    count = len(self.examples[split])
    with reporting.Progress(count, "question", f"tokenize {split}") as progress:
      self.windows[split] = self.chief_first(
        lambda: span_features.cached_windows(
          self.examples[split],
          self.tokenizer,
          span_flags.window_options(self.alignment, FLAGS),
          is_training,
          path,
          FLAGS.cache_dir,
          progress=progress.update_to,
        )
      )
    spec = span_features.feature_spec(FLAGS.max_seq_length, is_training)
    # The original's loss and n best are over padding too.
    return self.record_input_fn(path, split, spec, pad=self.alignment == "words")

  def log_training_rows(self, num_rows):
    """Contract A-138."""
    logging.info("  Num orig examples = %d", len(self.examples["train"]))
    logging.info("  Num split examples = %d", num_rows)

  def _answers(self, outputs):
    from bert_ja.tasks import span_answers

    options = span_answers.AnswerOptions(
      FLAGS.n_best_size,
      FLAGS.max_answer_length,
      FLAGS.version_2_with_negative,
      FLAGS.null_score_diff_threshold,
      self.tokenizer.settings.get("do_lower_case", False),
      FLAGS.verbose_logging,
    )
    return span_answers.predict_answers(
      self.examples["eval"],
      self.windows["eval"],
      outputs["start_logits"],
      outputs["end_logits"],
      self.tokenizer,
      options,
    )

  def _scores(self, answers):
    from bert_ja.tasks import squad_scores

    return squad_scores.score_questions(
      self.examples["eval"],
      # The threshold is the scorer's to apply, which tries others too.
      answers.best_texts(),
      answers.null_odds or None,
      FLAGS.version_2_with_negative,
      FLAGS.null_score_diff_threshold,
    )

  def _metrics(self, outputs):
    from bert_ja.tasks import squad_scores

    scores = squad_scores.summarize(self._scores(self._answers(outputs)))
    return squad_scores.flat_metrics(scores)

  def predict(self):
    """Answers the questions, with scores if they are asked for; returns the paths."""
    import numpy as np

    from bert_ja.tasks import span_answers, squad_scores

    input_fn = self.input_fn("eval")
    logging.info("***** Running predictions *****")
    logging.info("  Num orig examples = %d", len(self.examples["eval"]))
    logging.info("  Num split examples = %d", input_fn.num_rows)
    logging.info("  Batch size = %d", FLAGS.predict_batch_size)
    rows = list(self.estimator.predict(input_fn))
    if not self.estimator.is_chief:
      return []
    names = ("start_logits", "end_logits")
    outputs = {name: np.stack([row[name] for row in rows]) for name in names}
    answers = self._answers(outputs)
    # Those of an earlier prediction would stand beside other answers.
    text_io.remove(self.output_path(squad_scores.QUESTION_SCORES))
    paths = span_answers.write_answers(FLAGS.output_dir, answers)
    if FLAGS.do_eval:
      paths += squad_scores.write_scores(
        FLAGS.output_dir,
        self._scores(answers),
        {"global_step": self.estimator.global_step},
      )
    self.record("do_eval", "do_predict")
    return paths


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

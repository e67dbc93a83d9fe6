"""Fine-tunes, evaluates and applies a classifier of sentences or sentence pairs."""

from absl import flags, logging

from bert_ja import frozen_encoder, job, lazy, text_io
from bert_ja.flags import (
  command_line,
  data_flags,
  head_flags,
  loss_flags,
  model_flags,
  pair_flags,
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
  head_flags,
  loss_flags,
  pair_flags,
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
  flags.DEFINE_float(
    "validation_fraction",
    0.0,
    "Part of the train set that is held out, by label and --seed, and serves as dev set; "
    "the task's own is not read.",
    0,
    1,
    flag_values,
  )
  flags.DEFINE_float(
    "eval_epochs",
    0.0,
    "Epochs between evaluations while training, instead of --eval_steps; 0 for none.",
    0,
    None,
    flag_values,
  )


def create_model(
  bert_config,
  num_labels,
  seed=0,
  precision=None,
  use_one_hot_embeddings=False,
  head=None,
  pair=None,
  kind="sentence",
):
  """Encoder and the head of a kind of task, with fresh variables."""
  from bert_ja import heads, modeling, two_tower

  arguments = (
    bert_config,
    num_labels,
    seed,
    precision or modeling.Precision(),
    use_one_hot_embeddings,
    head or heads.HeadOptions(),
  )
  if pair:
    return two_tower.TwoTower(*arguments, pair)
  return heads.HEADS[kind](*arguments)


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
  head=None,
  pair=None,
  kind=None,
  loss=None,
):
  """What an Estimator calls to make a classifier.

  Args:
    bert_config: BertConfig.
    num_labels: C, or what a kind of task has in its place.
    init_checkpoint: weights to start from, or None.
    optimizer_fn: () -> optimizer, for training.
    metric_fn: outputs of all rows -> metrics, for evaluation.
    seed: of the variables that no checkpoint fills.
    precision: modeling.Precision; float32 by default.
    use_one_hot_embeddings: look words up by a matrix product (TPU).
    trainable: name -> whether a variable is trained.
    head: heads.HeadOptions; one linear layer by default.
    pair: two_tower.PairOptions; None for one sequence of both texts.
    kind: tasks.kinds.Kind; one class for a row by default.
    loss: losses.LossOptions; the plain loss by default.
  """
  from bert_ja import run_config
  from bert_ja.tasks import kinds

  kind = kind or kinds.get("sentence")(range(num_labels))
  arguments = (bert_config, num_labels, seed, precision, use_one_hot_embeddings)
  return run_config.model_fn_of(
    lambda: create_model(*arguments, head, pair, kind.head),
    lambda model, features, stream: kind.loss(model(features, stream), features, loss),
    lambda model, features: kind.outputs(model(features), features),
    optimizer_fn,
    metric_fn=metric_fn,
    init_checkpoint=init_checkpoint,
    trainable=trainable,
  )


def main(_):
  """Trains, evaluates and predicts, in this order (A-106)."""
  command_line.require(FLAGS, "output_dir")
  if not (FLAGS.do_train or FLAGS.do_eval or FLAGS.do_predict):
    raise ValueError("nothing to do: give --do_train, --do_eval or --do_predict")
  command_line.import_tensorflow()
  files = model_flags.resolve(FLAGS)
  command_line.require(FLAGS, "task_name", "data_dir")
  head_only = FLAGS.do_train and FLAGS.trainable == "head"
  classifier = (HeadJob if head_only else ClassifierJob)(files, FLAGS)
  written = []
  if FLAGS.do_train:
    classifier.train()
  if FLAGS.use_best:
    classifier.load_best()
  if FLAGS.do_eval:
    written += classifier.evaluate()
  if FLAGS.do_predict:
    written += classifier.predict()
  if written:
    logging.info("Wrote:\n  %s", "\n  ".join(written))


class ClassifierJob(job.Job):
  """A task of any kind that stands on one text or two."""

  path_flags = ("data_dir", "output_dir")

  def read(self):
    self.pair = pair_flags.read(FLAGS)
    # A trained model keeps its labels; training takes those of its data.
    trained = {} if FLAGS.do_train else model_flags.trained_task(self.files, FLAGS)
    labels = trained.get("labels")
    self.processor = task_flags.get_processor(labels, FLAGS)
    self.kind = self._create_kind(labels or self.processor.get_labels())
    self.kind.learned = trained.get("learned", {})
    self.examples = self._read_training_and_dev_set()
    if FLAGS.do_predict:
      rows = self.processor.get_test_examples(FLAGS.data_dir)
      self.examples["predict"] = self._checked(rows)
    self._learn()
    return len(self.examples.get("train", ()))

  def _learn(self):
    if FLAGS.do_train:
      self.kind.learn(self.examples["train"])
      known = model_flags.continued_task(FLAGS).get("learned")
      if self.kind.must_learn and known and known != self.kind.learned:
        logging.warning(
          "%s holds a model that learned %s from other training data; it goes on so",
          FLAGS.output_dir,
          known,
        )
        self.kind.learned = known
    elif self._lacks_learned():
      self.kind.learn(self.examples.pop("train"))
      logging.warning(
        "The model's files do not say what it learned of its training set; taken from "
        "that of --data_dir: %s",
        self.kind.learned,
      )

  def _lacks_learned(self):
    """Whether a model without record has to be read a training set for."""
    return self.kind.must_learn and not (FLAGS.do_train or self.kind.learned)

  def _create_kind(self, labels):
    from bert_ja.tasks import kinds

    kind = kinds.get(self.processor.kind)(
      labels, pair_flags.features(FLAGS), **self.processor.kind_options
    )
    if not FLAGS["best_metric"].present:
      FLAGS.best_metric = kind.best_metric
    return kind

  def _read_training_and_dev_set(self):
    """{"train", "eval": examples}, those that the run needs."""
    from bert_ja.data import validation_split

    fraction, directory = FLAGS.validation_fraction, FLAGS.data_dir
    if fraction and FLAGS.dev_file:
      raise ValueError("--validation_fraction and --dev_file exclude each other")
    examples, trains = {}, FLAGS.do_train or self._lacks_learned()
    if trains or (FLAGS.do_eval and fraction):
      # Before any are held out: the longest row may be among these.
      examples["train"] = self._checked(self.processor.get_train_examples(directory))
      if fraction:
        examples["train"], examples["eval"] = validation_split.split_examples(
          examples["train"], fraction, FLAGS.seed, self.kind.strata(examples["train"])
        )
    if FLAGS.do_train:
      training_flags.set_eval_steps(len(examples["train"]), FLAGS)
    needed = {"train": trains, "eval": FLAGS.do_eval or FLAGS.eval_steps}
    if needed["eval"] and not fraction:
      examples["eval"] = self._checked(self.processor.get_dev_examples(directory))
    return {split: rows for split, rows in examples.items() if needed[split]}

  def _checked(self, examples):
    examples = self.kind.prepare(examples, self.tokenizer)
    self.kind.check(examples)
    return examples

  def task_description(self):
    learned = {"learned": self.kind.learned} if self.kind.learned else {}
    return {
      **learned,
      "kind": self.processor.kind,
      "labels": self.kind.label_list,
      "flags": task_flags.recorded(FLAGS)
      | head_flags.recorded(FLAGS)
      | pair_flags.recorded(FLAGS),
    }

  def record_facts(self):
    # How its predictions are read, wherever they lie.
    facts = {"kind": self.processor.kind, "row_options": self.kind.row_options}
    return {**super().record_facts(), **facts}

  def model_fn(self, optimizer_fn, options):
    return model_fn_builder(
      self.config,
      self.kind.num_outputs,
      self.files.init_checkpoint,
      optimizer_fn=optimizer_fn,
      metric_fn=lambda outputs: self.kind.metrics(
        outputs, FLAGS.eval_batch_size, self.examples["eval"]
      ),
      head=head_flags.read(FLAGS),
      pair=self.pair,
      kind=self.kind,
      loss=loss_flags.read(self.kind, self.examples.get("train", ()), FLAGS),
      **options,
    )

  def input_fn(self, split):
    from bert_ja import reporting

    examples = self.examples[split]
    path = self.output_path(f"{split}.tf_record")
    with reporting.Progress(len(examples), "example", f"tokenize {split}") as progress:
      self.chief_first(
        lambda: self.kind.cached_features(
          examples,
          FLAGS.max_seq_length,
          self.tokenizer,
          path,
          FLAGS.cache_dir,
          progress=progress.update_to,
        )
      )
    spec = self.kind.feature_spec(FLAGS.max_seq_length)
    logging.info("*** Features ***")
    for name in sorted(spec):
      logging.info("  name = %s, shape = %s", name, ["?", *spec[name].shape])
    return self.record_input_fn(path, split, spec)

  def evaluate(self):
    """Scores the dev set; returns the paths written."""
    input_fn = self.input_fn("eval")
    self._log_rows("evaluation", input_fn.num_rows, FLAGS.eval_batch_size)
    results, outputs = self.estimator.evaluate(input_fn)
    if not self.estimator.is_chief:
      return []
    examples, directory = self.examples["eval"], self.output_path("eval")
    paths = self.kind.write_evaluation(FLAGS.output_dir, results, outputs, examples)
    text_io.makedirs(directory)
    paths += self.kind.write_rows(directory, examples, outputs, True)
    self.record("do_eval")
    return paths

  def predict(self):
    """Predicts the test set; returns the paths written."""
    import numpy as np

    input_fn = self.input_fn("predict")
    self._log_rows("prediction", input_fn.num_rows, FLAGS.predict_batch_size)
    rows = list(self.estimator.predict(input_fn))
    if not self.estimator.is_chief:
      return []
    paths = self.kind.write_predictions(
      FLAGS.output_dir,
      self.examples["predict"],
      {name: np.stack([row[name] for row in rows]) for name in rows[0]},
      self.processor.test_labels_are_known,
    )
    self.record("do_predict")
    return paths

  def _log_rows(self, what, count, batch_size):
    padding = -count % batch_size
    logging.info("***** Running %s *****", what)
    logging.info(
      "  Num examples = %d (%d actual, %d padding)", count + padding, count, padding
    )
    logging.info("  Batch size = %d", batch_size)


class HeadJob(frozen_encoder.FrozenEncoder, ClassifierJob):
  """A classifier of which the head alone is trained."""

  @property
  def evaluation_batches_in_one(self):
    """One where vectors of all pieces fill the memory."""
    from bert_ja import heads

    if self.pair:
      of_pieces = self.pair.of_pieces
    else:
      of_pieces = heads.HEADS[self.kind.head].vectors == "pieces"
    return 1 if of_pieces else super().evaluation_batches_in_one


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

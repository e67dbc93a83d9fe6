"""What scripts that train have in common: from flags to a model that trains.

A script's subclass says which data it reads and what its model_fn is.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from absl import flags, logging

from bert_ja import text_io
from bert_ja.flags import (
  data_flags,
  model_flags,
  run_record,
  runtime_flags,
  tokenizer_flags,
  training_flags,
)


class TrainingJob:
  """What the flags come to: data, a model and where they meet. It has no tokenizer.

  Attributes:
    flags: parsed flags.
    files: `model_files.ModelFiles`.
    config: `modeling.BertConfig`.
    strategy: where the model computes.
    estimator: `estimator.Estimator`.
    num_train_steps: updates in all; 0 without training.
    num_warmup_steps: those of them with a rising rate.
  """

  # Flags that hold paths, which a TPU's worker may have to read.
  path_flags: tuple[str, ...] = ("output_dir",)

  def __init__(self, files: Any, flag_values: flags.FlagValues):
    """Reads data and the model's description, and chooses devices.

    Nothing is written before all that can be checked was checked.

    Args:
      files: `model_files.ModelFiles`.
      flag_values: parsed flags.
    """
    from bert_ja import distribution

    self.flags, self.files = flag_values, files
    runtime = runtime_flags.read(flag_values)
    paths = {name: flag_values[name].value for name in self.path_flags}
    paths |= {
      name: getattr(files, name)
      for name in ("init_checkpoint", "vocab_file", "model_file")
    }
    distribution.check_paths(runtime, paths)
    self.read_model()
    self.num_train_steps, self.num_warmup_steps = self.plan()
    labels = self.task_description().get("labels", [])
    model_flags.check_output_dir(labels, files, flag_values)
    self.strategy = distribution.create_strategy(runtime)
    self.estimator = self._create_estimator()
    # The last thing that can be wrong: from here on files are written.
    self.estimator.prepare(flag_values.do_train)
    text_io.makedirs(flag_values.output_dir)

  def read_model(self) -> None:
    """Reads the model's description."""
    self.config = model_flags.load_config(self.files)
    model_flags.check_length(self.flags.max_seq_length, self.config, self.files)

  def plan(self) -> tuple[int, int]:
    """Reads all data that the run needs: a fault in the last shall not cost a training.

    Returns:
      (updates in all, updates of the warm-up).
    """
    raise NotImplementedError

  def model_fn(self, optimizer_fn: Callable[[], Any], options: Mapping[str, Any]):
    """The model_fn.

    Args:
      optimizer_fn: makes the optimizer.
      options: `seed`, `precision`, `use_one_hot_embeddings`, `trainable`, as the
        scripts' `model_fn_builder` takes them.
    """
    raise NotImplementedError

  def input_fn(self, split: str) -> Callable:
    """Rows of "train", "eval" or "predict"."""
    raise NotImplementedError

  def task_description(self) -> dict[str, Any]:
    """What is recorded beside a trained model: "flags", and "labels" if it has any."""
    raise NotImplementedError

  def record(self, *acts: str) -> None:
    """Keeps the flags of acts, those of them that this run does, beside their results.

    Called by the chief, when training starts and when other acts have their results: a
    run that is stopped says of its directory nothing that is not so.
    """
    done = [act for act in acts if act in self.flags and self.flags[act].value]
    run_record.write(self.flags.output_dir, done, self.flags, self.record_facts())

  def record_facts(self) -> dict[str, Any]:
    """What is recorded of a run besides its flags: where its model lies."""
    files = self.files
    directory = files.directory or os.path.dirname(files.init_checkpoint or "")
    return {"model_directory": text_io.absolute(directory)} if directory else {}

  def _create_estimator(self):
    from bert_ja import distribution, estimator, modeling

    values = self.flags
    options = {
      "seed": values.seed,
      "precision": modeling.Precision.from_name(
        values.precision, distribution.on_cpu(self.strategy)
      ),
      "use_one_hot_embeddings": values.use_tpu,
      "trainable": training_flags.trainable(self.config.num_hidden_layers, values),
    }

    def optimizer_fn():
      return training_flags.create_optimizer(
        self.num_train_steps,
        self.num_warmup_steps,
        self.config.num_hidden_layers,
        values,
      )

    return estimator.Estimator(
      self.model_fn(optimizer_fn, options),
      training_flags.run_config(values, self.curve_values()),
      *self.batch_sizes(),
      self.strategy,
    )

  def curve_values(self) -> dict[str, int]:
    """What `RunConfig.curve_values` are; none where a directory has one training set."""
    return {}

  def batch_sizes(self) -> tuple[int, int, int]:
    """Of training, evaluation and prediction."""
    return training_flags.batch_sizes(self.flags)

  def train(self) -> None:
    """Trains, evaluating between updates if --eval_steps says so."""
    from bert_ja import training_loop

    output_dir, eval_steps = self.flags.output_dir, self.flags.eval_steps
    if self.estimator.is_chief:
      self.record("do_train")
      self._describe(output_dir)
      if eval_steps:
        self._describe(training_loop.best_dir(output_dir))
    input_fn = self.input_fn("train")
    eval_input_fn = self.input_fn("eval") if eval_steps else None
    logging.info("***** Running training *****")
    self.log_training_rows(input_fn.num_rows)
    logging.info("  Batch size = %d", self.flags.train_batch_size)
    logging.info("  Num steps = %d", self.num_train_steps)
    self.estimator.train(input_fn, self.num_train_steps, eval_input_fn)

  def log_training_rows(self, num_rows: int) -> None:
    """Says how many rows there are to train on."""
    logging.info("  Num examples = %d", num_rows)

  def chief_first(self, make: Callable[[], Any]) -> Any:
    """What `make` returns, which writes files that other workers then find."""
    if self.estimator.is_chief:
      made = make()
    self.estimator.wait_for_workers()
    return made if self.estimator.is_chief else make()

  def tokenizer_settings(self) -> dict[str, Any]:
    """What is recorded of the tokenizer beside a trained model."""
    return dict(self.files.tokenizer_settings)

  def _describe(self, directory):
    from bert_ja import model_files

    model_files.write_description(
      directory,
      self.config,
      self.files.vocab_file,
      self.tokenizer_settings(),
      self.task_description(),
      self.files.model_file,
    )

  def load_best(self) -> None:
    """Takes the checkpoint in best/ for evaluation and prediction."""
    from bert_ja import checkpoint, training_loop

    directory = training_loop.best_dir(self.flags.output_dir)
    best = checkpoint.latest_checkpoint(directory)
    if best is None:
      raise ValueError(
        f"--use_best: {directory} holds no checkpoint; train with --eval_steps first"
      )
    self.estimator.load(best)

  def output_path(self, name: str) -> str:
    """Of a file in the output directory."""
    return os.path.join(self.flags.output_dir, name)


class Job(TrainingJob):
  """A task on texts, in epochs over their rows.

  Attributes, besides those of a `TrainingJob`:
    front_end: name of the tokenizer's front end.
    tokenizer: `tokenization.Tokenizer`.
  """

  def read_model(self) -> None:
    self.front_end, self.config, self.tokenizer = tokenizer_flags.read_model(
      self.files, self.flags, self.flags.max_seq_length
    )

  def plan(self) -> tuple[int, int]:
    steps = training_flags.num_train_steps(self.read(), self.flags)
    return steps, int(steps * self.flags.warmup_proportion)

  def read(self) -> int:
    """Reads all data that the run needs; returns the number of training examples."""
    raise NotImplementedError

  def tokenizer_settings(self) -> dict[str, Any]:
    return {**self.tokenizer.settings, "tokenizer": self.front_end}

  def record_input_fn(
    self, path: str, split: str, spec: Mapping[str, Any], pad: bool = False
  ) -> Callable:
    """input_fn over the records of a file.

    Args:
      path: TFRecord file.
      split: "train" shuffles.
      spec: name -> `records.Feature`.
      pad: whether batches have full length where the flags do not say.
    """
    from bert_ja.data import input_pipeline

    return input_pipeline.file_based_input_fn_builder(
      path,
      self.flags.max_seq_length,
      is_training=split == "train",
      spec=spec,
      options=data_flags.batch_options(self.strategy, self.flags, pad),
    )

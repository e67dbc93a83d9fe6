"""train, evaluate and predict over a model directory, with TPUEstimator's conventions.

A `model_fn(mode)` builds the variables and returns functions that are traced later; an
`input_fn(params)` returns a dataset (see `data.input_pipeline`). Everything else is
here: variables from a checkpoint, distribution, checkpoints, evaluation while training,
the best checkpoint, early stopping, summaries, requests to stop.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from bert_ja import checkpoint, distribution, reporting, stopping
from bert_ja.run_config import ModeKeys, ModelSpec, RunConfig
from bert_ja.training_loop import TrainingLoop


class Estimator:
  """A model, a directory and devices."""

  def __init__(
    self,
    model_fn: Callable[[ModeKeys], ModelSpec],
    config: RunConfig,
    train_batch_size: int = 32,
    eval_batch_size: int = 8,
    predict_batch_size: int = 8,
    strategy: tf.distribute.Strategy | None = None,
  ):
    """Builds nothing yet. Batch sizes count the rows of all replicas (A-170).

    Raises:
      ValueError: a batch cannot be divided over replicas and accumulated parts.
    """
    self._model_fn, self.config = model_fn, config
    self.strategy = strategy or tf.distribute.get_strategy()
    self.batch_sizes = {
      ModeKeys.TRAIN: train_batch_size,
      ModeKeys.EVAL: eval_batch_size,
      ModeKeys.PREDICT: predict_batch_size,
    }
    replicas = self.strategy.num_replicas_in_sync
    # Evaluation last: a script without a flag for it has the size of prediction.
    for mode in (ModeKeys.TRAIN, ModeKeys.PREDICT, ModeKeys.EVAL):
      size = self.batch_sizes[mode]
      parts = replicas
      if mode == ModeKeys.TRAIN:
        parts *= config.gradient_accumulation_steps
      if size < 1 or size % parts:
        name = "predict" if mode == ModeKeys.PREDICT else mode.value
        raise ValueError(
          f"--{name}_batch_size={size} cannot be divided by {parts} "
          "(replicas x gradient accumulation steps)"
        )
    self._model: _Model | None = None
    self._chosen: str | None = None

  @property
  def is_chief(self) -> bool:
    """Whether this process writes files."""
    return distribution.is_chief(self.strategy)

  @property
  def global_step(self) -> int:
    """Updates of the weights that are loaded."""
    return self._model.step if self._model else 0

  def prepare(self, is_training: bool) -> None:
    """Makes the variables and loads their values, before anything is written.

    Raises:
      ValueError: the checkpoint does not fit, or nothing is left to train.
    """
    self._build(ModeKeys.TRAIN if is_training else ModeKeys.EVAL)

  def train(
    self,
    input_fn: Callable[[dict], tf.data.Dataset],
    max_steps: int,
    eval_input_fn: Callable[[dict], tf.data.Dataset] | None = None,
  ) -> None:
    """Trains to a total of `max_steps` updates, from the newest checkpoint on (A-51).

    Args:
      input_fn: training rows.
      max_steps: updates in all, those of earlier runs included.
      eval_input_fn: rows to evaluate every `eval_steps`.

    Raises:
      ValueError: the loss is not finite, or a checkpoint does not fit.
      KeyboardInterrupt, SystemExit: asked to stop; the state is saved.
    """
    model = self._build(ModeKeys.TRAIN)
    if model.step >= max_steps:
      logging.info(
        "Training is done already: step %d of %d. For more, ask for more steps or "
        "epochs, or choose another --output_dir.",
        model.step,
        max_steps,
      )
      return
    with stopping.StopRequest() as stop:
      if model.step == 0:
        self.save(model)
      TrainingLoop(self, model, input_fn, max_steps, eval_input_fn).run(stop)

  def evaluate(
    self, input_fn: Callable[[dict], tf.data.Dataset]
  ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metrics of the newest checkpoint, or of `init_checkpoint` without one (A-52).

    Returns:
      (metrics and `global_step`, outputs of all rows in input order).
    """
    model = self._build(ModeKeys.EVAL)
    return self.evaluate_model(model, input_fn)

  def evaluate_model(self, model, input_fn):
    """`evaluate` of the weights as they are; see there."""
    started = time.monotonic()
    outputs = self._outputs(model, input_fn, ModeKeys.EVAL)
    metrics = model.spec.metric_fn(outputs)
    metrics["global_step"] = model.step
    seconds = time.monotonic() - started
    rows = len(next(iter(outputs.values())))
    logging.info(
      "Evaluated %d examples in %s: %.1f examples/s, peak memory %.2f GB.",
      rows,
      reporting.duration_text(seconds),
      rows / seconds,
      reporting.peak_memory_bytes() / 1e9,
    )
    return metrics, outputs

  def predict(
    self, input_fn: Callable[[dict], tf.data.Dataset]
  ) -> Iterator[dict[str, np.ndarray]]:
    """Yields one {name: array} an example, in input order."""
    outputs = self._outputs(self._build(ModeKeys.PREDICT), input_fn, ModeKeys.PREDICT)
    for row in zip(*outputs.values(), strict=True):
      yield dict(zip(outputs, row, strict=True))

  def predict_batches(
    self, input_fn: Callable[[dict], tf.data.Dataset]
  ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """`predict` for outputs that memory does not hold; all workers have to take all.

    Yields:
      (places of the batch's rows in the input, int32 [B]; {name: array [B, ...]}), in
      the order in which the input_fn gives them, without padding.
    """
    return self._batches(self._build(ModeKeys.PREDICT), input_fn, ModeKeys.PREDICT)

  def load(self, prefix: str) -> None:
    """Evaluates and predicts with this checkpoint from now on, not with the newest."""
    self._chosen = prefix
    self._build(ModeKeys.EVAL)

  def _outputs(self, model, input_fn, mode):
    """{name: array [R, ...]} in input order."""
    batches = list(self._batches(model, input_fn, mode))
    count = sum(len(row_ids) for row_ids, _ in batches)
    outputs = {}
    for name, first in list(batches[0][1].items()):
      outputs[name] = np.empty([count, *first.shape[1:]], first.dtype)
      for row_ids, values in batches:
        # What is in its place is let go: pieces' vectors fill the memory once.
        outputs[name][row_ids] = values.pop(name)
    return outputs

  def _batches(self, model, input_fn, mode):
    """See `predict_batches`."""
    dataset = self.dataset(input_fn, mode)
    run = model.predict_function(self.strategy)
    with reporting.Progress(
      unit="batch",
      description="evaluate" if mode == ModeKeys.EVAL else "predict",
      examples_per_unit=self.batch_sizes[mode],
    ) as progress:
      for features in dataset:
        values = self._gather(run(features))
        row_ids = values.pop("row_ids")
        real = row_ids >= 0
        yield row_ids[real], {name: value[real] for name, value in values.items()}
        progress.update()

  def _gather(self, values):
    if self.strategy.num_replicas_in_sync > 1:
      values = {
        name: self.strategy.gather(value, axis=0) for name, value in values.items()
      }
    return {name: value.numpy() for name, value in values.items()}

  def dataset(self, input_fn, mode, **params):
    """Distributed batches of an input_fn; `params` as `data.input_pipeline` says."""

    def of_worker(context):
      size = context.get_per_replica_batch_size(self.batch_sizes[mode])
      return input_fn(
        {
          "batch_size": size,
          "seed": self.config.seed,
          "input_context": context,
          **params,
        }
      )

    return self.strategy.distribute_datasets_from_function(of_worker)

  def _build(self, mode):
    """The model with the weights that `mode` needs; variables are made once."""
    model = self._model
    if model is None or (mode == ModeKeys.TRAIN and model.spec.optimizer is None):
      model = self._model = _Model(self._model_fn, mode, self.strategy)
    is_training = mode == ModeKeys.TRAIN
    prefix = None if is_training else self._chosen
    prefix = prefix or checkpoint.latest_checkpoint(self.config.model_dir)
    model.load(prefix, weights_only=not is_training)
    return model

  def save(self, model):
    """Writes a checkpoint of the model's state, by the chief alone."""
    if self.is_chief:
      model.source = checkpoint.save_step(
        self.config.model_dir,
        model.step,
        model.saved,
        self.config.keep_checkpoint_max,
      )
      logging.info("Saved %s", model.source)
    self.wait_for_workers()
    if not self.is_chief:
      model.source = checkpoint.latest_checkpoint(self.config.model_dir)

  def wait_for_workers(self) -> None:
    """Returns when every worker has come here, so that files of the chief are there."""
    if distribution.num_workers() > 1:
      self.sum_over_workers(1.0)

  def sum_over_workers(self, value):
    """Sum of a number over all replicas of all workers, who all have to call."""
    ones = self.strategy.run(lambda: tf.constant(value, tf.float32))
    return float(self.strategy.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None))


# Unlike None, which stands for the values that a model starts from.
_NOT_LOADED = object()


class _Model:
  """Variables of a run and where their values come from.

  Attributes:
    source: prefix that was loaded; None without one.
  """

  def __init__(self, model_fn, mode, strategy):
    # An outer name scope would become part of the names.
    with strategy.scope(), tf.name_scope(""):
      self.spec = model_fn(mode)
      self.variables = checkpoint.named_variables(self.spec.module)
      self.trained = {
        name: variable
        for name, variable in self.variables.items()
        if self.spec.trainable(name)
      }
      if not self.trained:
        first, last = list(self.variables)[0], list(self.variables)[-1]
        raise ValueError(
          "no variable is left to train: see --trainable and --frozen_variables; the "
          f"{len(self.variables)} variables are {first}, ..., {last}"
        )
      self.saved = dict(self.variables)
      if self.spec.optimizer is not None:
        self.spec.optimizer.build(self.trained)
        self.saved.update(self.spec.optimizer.state())
    self.source = _NOT_LOADED
    self.step = 0
    self._predict = None

  def load(self, prefix, weights_only):
    """Values of a checkpoint, or of `init_checkpoint` without one, unless they are there.

    Args:
      prefix: checkpoint of a training, or None.
      weights_only: whether the optimizer's state is left alone.
    """
    if self.source == prefix:
      return
    loaded = set()
    if prefix:
      checkpoint.restore(prefix, self.variables if weights_only else self.saved)
      loaded = set(self.variables)
      stored = checkpoint.open_checkpoint(prefix)
      if "global_step" in stored.shapes:
        self.step = int(stored.tensor("global_step"))
      logging.info("Restored %s", prefix)
    elif self.spec.init_checkpoint:
      loaded = checkpoint.init_from_checkpoint(
        self.spec.init_checkpoint, self.variables
      )
    self.source = prefix
    origin = prefix or self.spec.init_checkpoint
    self._log(loaded)
    logging.info(
      "%d of %d variables have their values from %s",
      len(loaded),
      len(self.variables),
      origin if loaded else "the seed",
    )
    if weights_only and loaded and len(loaded) < len(self.variables):
      logging.warning(
        "%s lacks %s: their random values make the results meaningless. Train first.",
        origin,
        ", ".join(self.variables.keys() - loaded),
      )

  def _log(self, loaded):
    logging.info("**** Trainable Variables ****")
    for name, variable in self.trained.items():
      logging.info(
        "  name = %s:0, shape = %s%s",
        name,
        tuple(variable.shape),
        ", *INIT_FROM_CKPT*" if name in loaded else "",
      )
    frozen = [name for name in self.variables if name not in self.trained]
    for name in frozen:
      logging.info("  name = %s:0, frozen", name)
    count = sum(math.prod(v.shape) for v in self.variables.values())
    trained = sum(math.prod(v.shape) for v in self.trained.values())
    logging.info(
      "  %s parameters in %d variables%s",
      f"{count:,}",
      len(self.variables),
      f", {trained:,} of them trained" if frozen else "",
    )

  def predict_function(self, strategy):
    """Traced once: features -> outputs and row_ids, per replica."""
    if self._predict is None:

      def replica(features):
        outputs = dict(self.spec.predict_fn(features))
        outputs["row_ids"] = features["row_ids"]
        return outputs

      self._predict = tf.function(
        lambda features: strategy.run(replica, args=(features,)), reduce_retracing=True
      )
    return self._predict

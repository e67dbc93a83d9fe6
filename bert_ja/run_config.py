"""What an Estimator is given: settings of a run, and what a model_fn returns."""

import dataclasses
import enum
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from bert_ja import optimization


class ModeKeys(enum.StrEnum):
  """What a model is built for."""

  TRAIN, EVAL, PREDICT = "train", "eval", "infer"


@dataclasses.dataclass(frozen=True)
class RunConfig:
  """How a run is kept, shown and stopped.

  Attributes:
    model_dir: checkpoints, curves and event files.
    save_checkpoints_steps: updates between two checkpoints.
    iterations_per_loop: most updates in one call of the device.
    keep_checkpoint_max: newest checkpoints that stay; 0 keeps all.
    eval_steps: updates between two evaluations while training; 0 for none.
    best_metric: which metric chooses the best checkpoint; one that ends in "loss" or
      "error" is better when smaller.
    early_stopping_patience: evaluations without a better one before training ends; 0
      for never.
    seed: of dropout and data order.
    gradient_accumulation_steps: parts that a batch is computed in.
    jit_compile: whether the step is compiled by XLA.
    curve_values: columns of the learning curve that say what is trained on;
      evaluations are compared with those alone whose values are the same.
  """

  model_dir: str
  save_checkpoints_steps: int = 1000
  iterations_per_loop: int = 1000
  keep_checkpoint_max: int = 5
  eval_steps: int = 0
  best_metric: str = "eval_accuracy"
  early_stopping_patience: int = 0
  seed: int = 0
  gradient_accumulation_steps: int = 1
  jit_compile: bool = False
  curve_values: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ModelSpec:
  """What a model_fn returns. B is the number of rows a replica was given.

  Attributes:
    module: owns every variable.
    loss_fn: (features, dropout stream) -> float32 [B], the training loss.
    predict_fn: features -> {name: [B, ...]}; in evaluation, what metrics need too.
    metric_fn: {name: host array [R, ...]} over all rows in input order -> metrics.
    optimizer: in training.
    init_checkpoint: where weights come from when `model_dir` has none.
    trainable: name -> whether the variable is trained.
  """

  module: tf.Module
  loss_fn: Callable[..., tf.Tensor] | None = None
  predict_fn: Callable[[Mapping[str, tf.Tensor]], Mapping[str, tf.Tensor]] | None = None
  metric_fn: Callable[[Mapping[str, np.ndarray]], dict[str, float]] | None = None
  optimizer: optimization.AdamWeightDecayOptimizer | None = None
  init_checkpoint: str | None = None
  trainable: Callable[[str], bool] = lambda name: True


def model_fn_of(
  create_model: Callable[[], tf.Module],
  loss_fn: Callable[..., tf.Tensor],
  predict_fn: Callable[..., Mapping[str, tf.Tensor]],
  optimizer_fn: Callable[[], Any] | None = None,
  **spec: Any,
) -> Callable[[ModeKeys], ModelSpec]:
  """The model_fn of a model and two functions of it.

  Args:
    create_model: makes the model with fresh variables.
    loss_fn: (model, features, dropout stream) -> float32 [B].
    predict_fn: (model, features) -> {name: [B, ...]}.
    optimizer_fn: makes the optimizer, for training.
    **spec: the other attributes of the `ModelSpec`.
  """

  def model_fn(mode):
    model = create_model()
    return ModelSpec(
      module=model,
      loss_fn=functools.partial(loss_fn, model),
      predict_fn=functools.partial(predict_fn, model),
      optimizer=optimizer_fn() if mode == ModeKeys.TRAIN else None,
      **spec,
    )

  return model_fn

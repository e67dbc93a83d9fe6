"""One update of the weights, and many of them in one call of the device."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from bert_ja import modeling, optimization


@dataclasses.dataclass(frozen=True)
class StepOptions:
  """How an update is computed.

  Attributes:
    seed: of the dropout.
    gradient_accumulation_steps: parts that a batch is computed in, one after the
      other; without dropout the update is that of the whole batch.
    jit_compile: compile the step with XLA; needs static shapes.
  """

  seed: int = 0
  gradient_accumulation_steps: int = 1
  jit_compile: bool = False


class TrainStep:
  """Compiled updates of a model under a strategy."""

  def __init__(
    self,
    loss_fn: Callable[[Mapping[str, tf.Tensor], modeling.DropoutStream], tf.Tensor],
    optimizer: optimization.AdamWeightDecayOptimizer,
    variables: Mapping[str, tf.Variable],
    strategy: tf.distribute.Strategy,
    options: StepOptions,
  ):
    """Compiles nothing yet.

    Args:
      loss_fn: (features, dropout stream) -> loss, float32 [B] or scalar.
      optimizer: built for `variables`.
      variables: name -> variable that is trained.
      strategy: devices.
      options: see `StepOptions`.
    """
    self._loss_fn, self._optimizer, self._variables = loss_fn, optimizer, variables
    self._strategy, self._options = strategy, options
    replicas = strategy.num_replicas_in_sync
    self._shares = replicas * options.gradient_accumulation_steps
    replica_step = self._replica_step
    gradients = self._gradients
    if options.jit_compile:
      # merge_call, which the update of several replicas needs, cannot be compiled;
      # there only the gradients are.
      if replicas == 1:
        replica_step = tf.function(replica_step, jit_compile=True, autograph=False)
      else:
        gradients = tf.function(gradients, jit_compile=True, autograph=False)
    self._compute_gradients = gradients
    self._compute_step = replica_step
    self._run = tf.function(self._run_steps, reduce_retracing=True)

  def run(self, iterator: Iterator, count: int) -> dict[str, Any]:
    """Makes `count` updates.

    Returns:
      "loss" (of the batch, before its update), "norm" (of the gradient, before
      clipping), "rate": float32 arrays [count].
    """
    values = self._run(iterator, tf.constant(count))
    return {name: value.numpy() for name, value in values.items()}

  def _run_steps(self, iterator, count):
    losses = tf.TensorArray(tf.float32, size=count)
    norms = tf.TensorArray(tf.float32, size=count)
    rates = tf.TensorArray(tf.float32, size=count)
    for i in tf.range(count):
      rates = rates.write(i, self._optimizer.rate())
      loss, norm = self._strategy.run(self._compute_step, args=(next(iterator),))
      losses = losses.write(
        i, self._strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None)
      )
      norms = norms.write(
        i, self._strategy.reduce(tf.distribute.ReduceOp.MEAN, norm, axis=None)
      )
    return {"loss": losses.stack(), "norm": norms.stack(), "rate": rates.stack()}

  def _replica_step(self, features):
    context = tf.distribute.get_replica_context()
    loss, gradients = self._compute_gradients(
      features,
      tf.cast(context.replica_id_in_sync_group, tf.int64),
      self._optimizer.global_step.read_value(),
    )
    return loss, self._optimizer.apply_gradients(gradients, self._variables)

  def _gradients(self, features, replica, step):
    """A replica's share of loss and gradients, over all parts of the batch."""
    parts = self._options.gradient_accumulation_steps
    if parts == 1:
      return self._part_gradients(features, step * self._shares + replica)
    rows = tf.shape(next(iter(features.values())))[0] // parts
    unused = set()  # filled while the loop is traced

    def add_part(part, loss, gradients):
      rows_of_part = {
        name: value[part * rows : (part + 1) * rows] for name, value in features.items()
      }
      place = (step * parts + tf.cast(part, tf.int64)) * (self._shares // parts)
      more_loss, more = self._part_gradients(rows_of_part, place + replica)
      unused.update(i for i, gradient in enumerate(more) if gradient is None)
      sums = [
        old if new is None else old + tf.convert_to_tensor(new)
        for old, new in zip(gradients, more, strict=True)
      ]
      return part + 1, loss + more_loss, sums

    zeros = [tf.zeros(variable.shape) for variable in self._variables.values()]
    _, loss, gradients = tf.while_loop(
      lambda part, *_: part < parts,
      add_part,
      (tf.constant(0), tf.constant(0.0), zeros),
    )
    return loss, [None if i in unused else g for i, g in enumerate(gradients)]

  def _part_gradients(self, features, place):
    stream = modeling.DropoutStream(self._options.seed, place)
    scale = 1.0
    if self._optimizer.loss_scale is not None:
      scale = self._optimizer.loss_scale.current.read_value()
    variables = list(self._variables.values())
    # Below the lowest trained variable nothing shall be recorded or differentiated.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(variables)
      loss = tf.reduce_mean(self._loss_fn(features, stream)) / self._shares
      scaled = loss * scale
    return loss, tape.gradient(scaled, variables)

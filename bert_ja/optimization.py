"""BERT's Adam: decoupled weight decay, no bias correction, linear warm-up and decay.

Slots are named `<variable>/adam_m` and `<variable>/adam_v` (contract A-45, A-55..68).
"""

import collections
import re
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

# Elements from which on the update of a variable is compiled.
_COMPILED_SIZE = 1 << 18
_NOT_DECAYED = ("LayerNorm", "layer_norm", "bias")


def learning_rate_at(
  step: tf.Tensor,
  init_lr: float,
  num_train_steps: int,
  num_warmup_steps: int,
  lr_schedule: str = "linear",
) -> tf.Tensor:
  """Rate of the update that follows `step` updates, float32 (A-62, A-63).

  Linear warm-up from 0, then linear decay to 0 at `num_train_steps` (or the constant
  peak). As in the original: the decay line starts at step 0, not after the warm-up,
  so the rate drops onto it slightly below the peak.
  """
  step = tf.cast(step, tf.float32)
  if lr_schedule == "linear":
    rate = init_lr * (1.0 - tf.minimum(step, num_train_steps) / num_train_steps)
  elif lr_schedule == "constant":
    rate = tf.constant(init_lr, tf.float32)
  else:
    raise ValueError(f"lr_schedule {lr_schedule!r} is not known: linear or constant")
  if not num_warmup_steps:
    return rate
  return tf.where(step < num_warmup_steps, init_lr * step / num_warmup_steps, rate)


def layerwise_multiplier(
  decay: float, num_hidden_layers: int
) -> Callable[[str], float]:
  """Name -> factor of the rate: 1 for the heads, `decay` less a layer further down.

  The top layer and the pooler have `decay`, the embeddings
  `decay ** (num_hidden_layers + 1)` (Howard & Ruder 2018, section 3.2).
  """

  def multiplier(name):
    layer = re.search(r"/layer_(\d+)/", name)
    if layer:
      return decay ** (num_hidden_layers - int(layer[1]))
    if "/embeddings/" in name:
      return decay ** (num_hidden_layers + 1)
    return decay if "/pooler/" in name else 1.0

  return multiplier


class LossScale(tf.Module):
  """Dynamic factor of the loss that keeps float16 gradients off zero and infinity.

  Halved when a gradient is not finite, doubled after `growth_steps` finite ones.
  """

  def __init__(self, initial: float = 2.0**15, growth_steps: int = 2000):
    super().__init__(name="loss_scale")
    self.growth_steps = growth_steps
    with self.name_scope:
      self.current = _counter(initial, tf.float32, "current")
      self.good_steps = _counter(0, tf.int64, "good_steps")

  def update(self, finite: tf.Tensor) -> None:
    """Takes notice of one update; `finite` is a bool scalar."""
    grown = self.good_steps + 1 >= self.growth_steps
    self.current.assign(
      tf.where(
        finite,
        tf.where(grown, self.current * 2.0, self.current),
        tf.maximum(self.current / 2.0, 1.0),
      )
    )
    self.good_steps.assign(
      tf.where(finite & ~grown, self.good_steps + 1, tf.zeros([], tf.int64))
    )


class AdamWeightDecayOptimizer(tf.Module):
  """Adam with decoupled weight decay (A-55..61).

  Per variable w with gradient g: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
  w = w - rate (m / (sqrt(v) + epsilon) + decay w). All slots move at each step,
  those of embedding rows without a gradient too (A-58).

  Attributes:
    global_step: int64 variable, the number of updates made.
    slots: name -> (m, v), filled by `build`.
    loss_scale: the float16 loss scale, or None.
  """

  def __init__(
    self,
    learning_rate: float | Callable[[tf.Tensor], tf.Tensor],
    weight_decay_rate: float = 0.0,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-6,
    exclude_from_weight_decay: Sequence[str] | None = None,
    clip_norm: float | None = None,
    bias_correction: bool = False,
    rate_multiplier: Callable[[str], float] | None = None,
    loss_scale: LossScale | None = None,
    name: str = "AdamWeightDecayOptimizer",
  ):
    """Keeps the settings.

    Args:
      learning_rate: a number, or a function of the step.
      weight_decay_rate: factor of the weight in the update.
      beta_1: decay of m.
      beta_2: decay of v.
      epsilon: added to the root of v.
      exclude_from_weight_decay: patterns of names that are not decayed.
      clip_norm: the largest global norm a gradient keeps; None for any.
      bias_correction: divide m and v by 1 - beta ** step, as Adam's paper does and
        the original does not.
      rate_multiplier: name -> factor of the rate.
      loss_scale: what the loss was multiplied by.
      name: unused in variable names.
    """
    super().__init__(name=name)
    self.learning_rate = learning_rate
    self.weight_decay_rate = weight_decay_rate
    self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
    self.exclude_from_weight_decay = tuple(exclude_from_weight_decay or ())
    self.clip_norm = clip_norm
    self.bias_correction = bias_correction
    self.rate_multiplier = rate_multiplier or (lambda name: 1.0)
    self.loss_scale = loss_scale
    with tf.name_scope(""):
      self.global_step = _counter(0, tf.int64, "global_step")
    self.slots = {}
    self._compiled_adam = tf.function(self._adam, jit_compile=True)

  def build(self, variables: Mapping[str, tf.Variable]) -> None:
    """Creates the slots; call once, in the scope the variables were created in."""
    with tf.name_scope(""):
      for name, variable in variables.items():
        self.slots[name] = tuple(
          tf.Variable(
            tf.zeros(variable.shape), trainable=False, name=f"{name}/adam_{slot}"
          )
          for slot in "mv"
        )

  def state(self) -> dict[str, tf.Variable]:
    """Name -> variable of all that a continued run needs besides the weights."""
    state = collections.OrderedDict()
    for name, (m, v) in self.slots.items():
      state[f"{name}/adam_m"], state[f"{name}/adam_v"] = m, v
    state["global_step"] = self.global_step
    if self.loss_scale is not None:
      state["loss_scale/current"] = self.loss_scale.current
      state["loss_scale/good_steps"] = self.loss_scale.good_steps
    return state

  def rate(self) -> tf.Tensor:
    """Learning rate of the next update, float32 scalar."""
    if callable(self.learning_rate):
      return self.learning_rate(self.global_step.read_value())
    return tf.constant(self.learning_rate, tf.float32)

  def apply_gradients(
    self, gradients: Sequence[tf.Tensor | None], variables: Mapping[str, tf.Variable]
  ) -> tf.Tensor:
    """One update. Gradients are summed over the replicas, clipped, applied.

    Args:
      gradients: one for each of `variables`, of the replica's share of the loss
        (times the loss scale, where there is one). Variables whose gradient is None
        are skipped (A-66).
      variables: name -> variable, those given to `build`.

    Returns:
      The global norm before clipping, float32 scalar. Rows of an embedding gradient
      that repeat an id are merged first, as with the original's one-hot lookup (A-60).

    Raises:
      RuntimeError: called outside `strategy.run`.
    """
    if tf.distribute.in_cross_replica_context():
      raise RuntimeError("apply_gradients belongs inside strategy.run()")
    pairs = [
      (name, tf.convert_to_tensor(gradient))
      for name, gradient in zip(variables, gradients, strict=True)
      if gradient is not None
    ]
    context = tf.distribute.get_replica_context()
    dense = [gradient for _, gradient in pairs]
    if context.num_replicas_in_sync > 1:
      dense = context.all_reduce(tf.distribute.ReduceOp.SUM, dense)
    norm = tf.linalg.global_norm(dense)
    if self.loss_scale is not None:
      norm = norm / self.loss_scale.current
    context.merge_call(
      self._update,
      args=(dense, norm),
      kwargs={"targets": [(name, variables[name]) for name, _ in pairs]},
    )
    return norm

  def _update(self, strategy, gradients, norm, targets):
    rate = self.rate()
    step = self.global_step.read_value()
    for (name, variable), gradient in zip(targets, gradients, strict=True):
      strategy.extended.update(
        variable,
        self._update_one,
        args=(gradient, *self.slots[name], norm, rate, step),
        kwargs={"name": name},
      )
    if self.loss_scale is not None:
      norm = strategy.experimental_local_results(norm)[0]
      self.loss_scale.update(tf.math.is_finite(norm))
    self.global_step.assign_add(1)

  def _update_one(self, variable, gradient, m, v, norm, rate, step, name):
    decays = not any(
      re.search(pattern, name) for pattern in self.exclude_from_weight_decay
    )
    # One pass over memory instead of a dozen, where that is worth a compilation.
    large = variable.shape.num_elements() >= _COMPILED_SIZE
    update = self._compiled_adam if large else self._adam
    rate = rate * self.rate_multiplier(name)
    update(variable, gradient, m, v, norm, rate, step, decays)

  def _adam(self, variable, gradient, m, v, norm, rate, step, decays):
    gradient = gradient * self._gradient_factor(norm)
    next_m = self.beta_1 * m + (1.0 - self.beta_1) * gradient
    next_v = self.beta_2 * v + (1.0 - self.beta_2) * tf.square(gradient)
    direction = next_m / (tf.sqrt(next_v) + self.epsilon)
    if self.bias_correction:
      count = tf.cast(step + 1, tf.float32)
      corrected_m = next_m / (1.0 - tf.pow(self.beta_1, count))
      corrected_v = next_v / (1.0 - tf.pow(self.beta_2, count))
      direction = corrected_m / (tf.sqrt(corrected_v) + self.epsilon)
    if decays and self.weight_decay_rate:
      direction += self.weight_decay_rate * variable
    next_value = variable - rate * direction
    if self.loss_scale is not None:
      # A step whose gradient is not finite leaves weights and slots as they are.
      finite = tf.math.is_finite(norm)
      next_m = tf.where(finite, next_m, m)
      next_v = tf.where(finite, next_v, v)
      next_value = tf.where(finite, next_value, variable)
    m.assign(next_m)
    v.assign(next_v)
    variable.assign(next_value)

  def _gradient_factor(self, norm):
    factor = 1.0
    if self.clip_norm is not None:
      factor = self.clip_norm / tf.maximum(norm, self.clip_norm)
    if self.loss_scale is not None:
      factor = factor / self.loss_scale.current
    return factor


def create_optimizer(
  init_lr: float,
  num_train_steps: int,
  num_warmup_steps: int,
  weight_decay_rate: float = 0.01,
  epsilon: float = 1e-6,
  lr_schedule: str = "linear",
  **options,
) -> AdamWeightDecayOptimizer:
  """The optimizer that BERT is trained with: clipping to norm 1, decay 0.01.

  Args:
    init_lr: peak rate.
    num_train_steps: updates in all.
    num_warmup_steps: updates of linear warm-up.
    weight_decay_rate: decay of all but biases and layer norms.
    epsilon: added to the root of v.
    lr_schedule: "linear" or "constant" after the warm-up.
    **options: further arguments of `AdamWeightDecayOptimizer`.
  """

  def schedule(step):
    return learning_rate_at(
      step, init_lr, num_train_steps, num_warmup_steps, lr_schedule
    )

  return AdamWeightDecayOptimizer(
    schedule,
    weight_decay_rate=weight_decay_rate,
    epsilon=epsilon,
    exclude_from_weight_decay=_NOT_DECAYED,
    clip_norm=1.0,
    **options,
  )


def _counter(value, dtype, name):
  return tf.Variable(
    value,
    dtype=dtype,
    trainable=False,
    name=name,
    aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
  )

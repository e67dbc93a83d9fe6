"""Elementwise work in one pass over memory, compiled by XLA.

Plain operations read and write their tensors again and again; on a CPU that, and not
arithmetic, is what they cost. Each new shape is compiled once (a few tenths of a
second), which narrow layers do not earn back: `is_worth_it` says for which a caller
should choose these. The same functions are fine inside a step that is compiled whole.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

_LEAST_WIDTH = 128


def is_worth_it(width: int) -> bool:
  """Whether a model of this hidden size earns back the time of compiling."""
  return width >= _LEAST_WIDTH


def activation(value_and_slope: Callable) -> Callable:
  """Function of (product [R, I], bias [I], type of the result): an activation.

  It keeps its slope, so that the backward pass is one product.

  Args:
    value_and_slope: float32 x -> (value, derivative).
  """

  @functools.partial(tf.function, jit_compile=True)
  def forward(product, bias, dtype):
    value, slope = value_and_slope(tf.cast(product, tf.float32) + bias)
    return tf.cast(value, dtype), slope

  @functools.partial(tf.function, jit_compile=True)
  def backward(upstream, slope, dtype):
    gradient = tf.cast(upstream, tf.float32) * slope
    return tf.cast(gradient, dtype), tf.reduce_sum(gradient, axis=0)

  def apply(product, bias, dtype):
    @tf.custom_gradient
    def activate(product, bias):
      value, slope = forward(product, bias, dtype)
      return value, lambda upstream: backward(upstream, slope, product.dtype)

    return activate(product, bias)

  return apply


def split_heads(
  product: tf.Tensor,
  bias: tf.Tensor,
  mask_adder: tf.Tensor,
  num_heads: int,
  factor: float,
  dtype: tf.DType,
) -> tf.Tensor:
  """(product + bias) * factor by heads: [B * S, H] -> [B, N, S, D].

  Args:
    product: [B * S, H].
    bias: float32 [H].
    mask_adder: [B, 1, 1, S], asked for its shape alone.
    num_heads: N.
    factor: what to multiply by.
    dtype: type of the result.
  """

  @tf.custom_gradient
  def split(product, bias):
    def backward(upstream):
      return _split_heads_gradient(upstream, factor, product.dtype)

    arguments = product, bias, mask_adder, num_heads, factor, dtype
    return _split_heads(*arguments), backward

  return split(product, bias)


@functools.partial(tf.function, jit_compile=True)
def _split_heads(product, bias, mask_adder, num_heads, factor, dtype):
  values = (tf.cast(product, tf.float32) + bias) * factor
  shape = [*tf.unstack(tf.shape(mask_adder))[::3], num_heads, -1]
  return tf.transpose(tf.reshape(tf.cast(values, dtype), shape), [0, 2, 1, 3])


@functools.partial(tf.function, jit_compile=True)
def _split_heads_gradient(upstream, factor, dtype):
  shape = tf.shape(upstream)  # [B, N, S, D]
  merged = tf.transpose(tf.cast(upstream, tf.float32), [0, 2, 1, 3]) * factor
  merged = tf.reshape(merged, [shape[0] * shape[2], shape[1] * shape[3]])
  return tf.cast(merged, dtype), tf.reduce_sum(merged, axis=0)


def keep_factor(shape: tf.Tensor, dropout_prob: float, seed: tf.Tensor) -> tf.Tensor:
  """0 with probability `dropout_prob`, else 1 / (1 - dropout_prob): float32 [shape].

  Element i depends on (seed, i) alone: its random bits are a hash of i, ten integer
  operations that fuse with whatever uses the factor, so that it need not be stored
  for the backward pass. Twice the 32-bit mixer "lowbias32" of
  https://nullprogram.com/blog/2018/07/31/, with a key before each.

  Args:
    shape: int32, fewer than 2**32 elements.
    dropout_prob: rounded to 2**-32.
    seed: int64 [2].
  """
  threshold = round(dropout_prob * 2**32)
  keys = tf.reshape(tf.bitcast(seed, tf.uint32), [4])
  key = tf.constant(0, tf.uint32)
  for index in range(4):
    key = _mix(tf.bitwise.bitwise_xor(key, keys[index]))
  index = tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32)
  bits = _mix(_mix(tf.bitwise.bitwise_xor(index, key)) + _mix(key + 1))
  kept = bits >= tf.constant(threshold, tf.uint32)
  return tf.reshape(tf.where(kept, 2**32 / (2**32 - threshold), 0.0), shape)


def _mix(x):
  for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
    x = tf.bitwise.bitwise_xor(
      x, tf.bitwise.right_shift(x, tf.constant(shift, x.dtype))
    )
    if factor > 1:
      x *= tf.constant(factor, x.dtype)
  return x


def attention_probs(
  scores: tf.Tensor, mask_adder: tf.Tensor, dropout_prob: float, seed: tf.Tensor
) -> tf.Tensor:
  """dropout(softmax(scores + mask_adder)), the arithmetic in float32.

  Args:
    scores: [B, N, S, S].
    mask_adder: float32 [B, 1, 1, S]; it gets no gradient.
    dropout_prob: 0 for none.
    seed: int64 [2] of the dropout.

  Returns:
    [B, N, S, S] of the scores' type.
  """

  @tf.custom_gradient
  def apply(scores):
    dropped, probs = _attention_probs(scores, mask_adder, seed, dropout_prob)

    def backward(upstream):
      return _attention_probs_gradient(upstream, probs, seed, dropout_prob)

    return dropped, backward

  return apply(scores)


@functools.partial(tf.function, jit_compile=True)
def _attention_probs(scores, mask_adder, seed, dropout_prob):
  probs = tf.nn.softmax(tf.cast(scores, tf.float32) + mask_adder)
  dropped = _dropped(probs, dropout_prob, seed)
  return tf.cast(dropped, scores.dtype), probs


@functools.partial(tf.function, jit_compile=True)
def _attention_probs_gradient(upstream, probs, seed, dropout_prob):
  slope = _dropped(tf.cast(upstream, tf.float32), dropout_prob, seed)
  mean = tf.reduce_sum(slope * probs, axis=-1, keepdims=True)
  return tf.cast(probs * (slope - mean), upstream.dtype)


def _dropped(x, dropout_prob, seed):
  return x * keep_factor(tf.shape(x), dropout_prob, seed) if dropout_prob else x


def residual_norm(
  product: tf.Tensor,
  bias: tf.Tensor,
  residual: tf.Tensor,
  beta: tf.Tensor,
  gamma: tf.Tensor,
  epsilon: float,
  dropout_prob: float,
  seed: tf.Tensor,
) -> tf.Tensor:
  """LayerNorm(dropout(product + bias) + residual), the arithmetic in float32.

  Args:
    product: [R, H].
    bias: float32 [H].
    residual: [R, H].
    beta: float32 [H].
    gamma: float32 [H].
    epsilon: of the normalization.
    dropout_prob: 0 for none.
    seed: int64 [2] of the dropout.

  Returns:
    [R, H] of the residual's type.
  """

  @tf.custom_gradient
  def apply(product, bias, residual, beta, gamma):
    arguments = product, bias, residual, beta, gamma, seed, epsilon, dropout_prob
    result, normal, scale = _residual_norm(*arguments)

    def backward(upstream):
      return _residual_norm_gradient(
        upstream,
        normal,
        scale,
        gamma,
        seed,
        dropout_prob,
        product.dtype,
        residual.dtype,
      )

    return result, backward

  return apply(product, bias, residual, beta, gamma)


@functools.partial(tf.function, jit_compile=True)
def _residual_norm(product, bias, residual, beta, gamma, seed, epsilon, dropout_prob):
  x = _dropped(tf.cast(product, tf.float32) + bias, dropout_prob, seed)
  x += tf.cast(residual, tf.float32)
  centered = x - tf.reduce_mean(x, axis=-1, keepdims=True)
  variance = tf.reduce_mean(tf.square(centered), axis=-1, keepdims=True)
  scale = tf.math.rsqrt(variance + epsilon)
  normal = centered * scale
  return tf.cast(normal * gamma + beta, residual.dtype), normal, scale


@functools.partial(tf.function, jit_compile=True)
def _residual_norm_gradient(
  upstream, normal, scale, gamma, seed, dropout_prob, product_type, residual_type
):
  """Gradients of product, bias, residual, beta, gamma."""
  upstream = tf.cast(upstream, tf.float32)
  slope = upstream * gamma
  mean = tf.reduce_mean(slope, axis=-1, keepdims=True)
  along = tf.reduce_mean(slope * normal, axis=-1, keepdims=True)
  of_sum = (slope - mean - normal * along) * scale
  of_product = _dropped(of_sum, dropout_prob, seed)
  return (
    tf.cast(of_product, product_type),
    tf.reduce_sum(of_product, axis=0),
    tf.cast(of_sum, residual_type),
    tf.reduce_sum(upstream, axis=0),
    tf.reduce_sum(upstream * normal, axis=0),
  )


def cross_entropy(product: tf.Tensor, bias: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
  """-log softmax(product + bias)[label], the arithmetic in float32.

  Of what has the product's size, nothing but its gradient is written.

  Args:
    product: [R, V].
    bias: float32 [V].
    labels: int32 [R], below V.

  Returns:
    float32 [R].
  """

  @tf.custom_gradient
  def apply(product, bias):
    losses, log_sums = _cross_entropy(product, bias, labels)

    def backward(upstream):
      return _cross_entropy_gradient(upstream, product, bias, labels, log_sums)

    return losses, backward

  return apply(product, tf.convert_to_tensor(bias))


@functools.partial(tf.function, jit_compile=True)
def _cross_entropy(product, bias, labels):
  logits = tf.cast(product, tf.float32) + bias
  largest = tf.reduce_max(logits, axis=-1)
  sums = tf.reduce_sum(tf.exp(logits - largest[:, tf.newaxis]), axis=-1)
  log_sums = largest + tf.math.log(sums)
  of_labels = tf.reduce_sum(tf.where(_is_label(logits, labels), logits, 0.0), axis=-1)
  return log_sums - of_labels, log_sums


@functools.partial(tf.function, jit_compile=True)
def _cross_entropy_gradient(upstream, product, bias, labels, log_sums):
  """Gradients of product and bias."""
  logits = tf.cast(product, tf.float32) + bias
  probs = tf.exp(logits - log_sums[:, tf.newaxis])
  slope = probs - tf.cast(_is_label(logits, labels), tf.float32)
  slope *= upstream[:, tf.newaxis]
  return tf.cast(slope, product.dtype), tf.reduce_sum(slope, axis=0)


def _is_label(logits, labels):
  return labels[:, tf.newaxis] == tf.range(tf.shape(logits)[1], dtype=labels.dtype)

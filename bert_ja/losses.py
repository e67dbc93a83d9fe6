"""Losses of rows, with what people change of them. B rows, C classes."""

import dataclasses
import math

import tensorflow as tf

# Powers below 1 have an endless slope at 0, which makes gradients of sure rows NaN.
_LEAST_FOCAL_BASE = 1e-7


@dataclasses.dataclass(frozen=True)
class LossOptions:
  """What training does to the plain loss; evaluations report the plain one.

  Attributes:
    class_weights: what a row of each class counts, C numbers; all alike without.
    label_smoothing: part of each label that is spread over all classes (Szegedy et al.
      2016), from 0 to less than 1.
    focal_gamma: a row counts (1 - p)^gamma, where p is its label's probability (Lin et
      al. 2017); 0 for all alike.
  """

  class_weights: tuple[float, ...] | None = None
  label_smoothing: float = 0.0
  focal_gamma: float = 0.0

  def __post_init__(self):
    if not 0 <= self.label_smoothing < 1:
      raise ValueError(
        f"--label_smoothing={self.label_smoothing}: expected a number from 0 to less "
        "than 1"
      )
    if not 0 <= self.focal_gamma < math.inf:
      raise ValueError(
        f"--focal_gamma={self.focal_gamma}: expected a finite number, 0 or more"
      )


def cross_entropy(
  logits: tf.Tensor, label_ids: tf.Tensor, options: LossOptions | None = None
) -> tf.Tensor:
  """Of one class a row: float32 [..., C] and int32 [...] -> float32 [...]."""
  if options is None or options == LossOptions():
    return tf.nn.sparse_softmax_cross_entropy_with_logits(label_ids, logits)
  classes = logits.shape[-1]
  targets = tf.one_hot(label_ids, classes)
  log_probs = tf.nn.log_softmax(logits)
  smoothing = options.label_smoothing
  smoothed = targets * (1 - smoothing) + smoothing / classes
  loss = -tf.reduce_sum(smoothed * log_probs, axis=-1)
  if options.focal_gamma:
    rest = -tf.math.expm1(tf.reduce_sum(targets * log_probs, axis=-1))
    loss *= _focal_factor(rest, options.focal_gamma)
  if options.class_weights is not None:
    loss *= tf.gather(tf.constant(options.class_weights, tf.float32), label_ids)
  return loss


def sigmoid_cross_entropy(
  logits: tf.Tensor, targets: tf.Tensor, options: LossOptions | None = None
) -> tf.Tensor:
  """Of any classes a row, the mean over them: float32 [B, C] twice -> float32 [B].

  A class weight counts where the class is there; smoothing moves targets towards 1/2.
  """
  options = options or LossOptions()
  smoothing = options.label_smoothing
  smoothed = targets * (1 - smoothing) + smoothing / 2
  loss = tf.nn.sigmoid_cross_entropy_with_logits(smoothed, logits)
  if options.focal_gamma:
    rest = tf.sigmoid(logits * (1 - 2 * targets))
    loss *= _focal_factor(rest, options.focal_gamma)
  if options.class_weights is not None:
    weights = tf.constant(options.class_weights, tf.float32)
    loss *= 1 + targets * (weights - 1)
  return tf.reduce_mean(loss, axis=-1)


def _focal_factor(rest, gamma):
  """What a row counts whose label has the probability 1 - rest."""
  return tf.maximum(rest, _LEAST_FOCAL_BASE) ** gamma

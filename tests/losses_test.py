"""Losses: values by hand and by numpy, options one at a time."""

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import losses


class TestCrossEntropy:
  def test_equals_numpy(self):
    logits = np.random.default_rng(1).normal(0, 4, [5, 3])
    labels = np.int32([0, 2, 1, 1, 0])
    log_sums = np.log(np.exp(logits).sum(axis=1))
    expected = log_sums - logits[np.arange(5), labels]
    actual = losses.cross_entropy(tf.constant(logits, tf.float32), labels)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)

  def test_far_logits_do_not_overflow(self):
    actual = losses.cross_entropy(tf.constant([[1000.0, 0.0, -1000.0]]), [2])
    np.testing.assert_allclose(actual, [2000.0])


LOGITS = np.float32([[2.0, -1.0, 0.5], [0.0, 0.25, -3.0], [-1.0, 1.5, 1.0]])
LABELS = np.int32([0, 2, 1])


def probabilities():
  powers = np.exp(np.float64(LOGITS))
  return powers / powers.sum(axis=1, keepdims=True)


def cross_entropy(**options):
  return losses.cross_entropy(
    tf.constant(LOGITS), LABELS, losses.LossOptions(**options)
  ).numpy()


def gradient_of(loss, logits, labels):
  """By logits, of the sum of focal losses with a power below 1."""
  with tf.GradientTape() as tape:
    tape.watch(logits)
    total = tf.reduce_sum(loss(logits, labels, losses.LossOptions(focal_gamma=0.5)))
  return tape.gradient(total, logits).numpy()


class TestLossOptions:
  def test_none_are_the_plain_loss(self):
    plain = losses.cross_entropy(tf.constant(LOGITS), LABELS)
    np.testing.assert_array_equal(cross_entropy(), plain)

  def test_class_weights_multiply_rows_of_their_class(self):
    weights = np.float32([0.5, 2.0, 3.0])
    actual = cross_entropy(class_weights=tuple(weights))
    np.testing.assert_allclose(actual, weights[LABELS] * cross_entropy(), rtol=1e-6)

  def test_label_smoothing_is_the_loss_against_smoothed_targets(self):
    targets = 0.7 * np.eye(3)[LABELS] + 0.1
    expected = -(targets * np.log(probabilities())).sum(axis=1)
    np.testing.assert_allclose(cross_entropy(label_smoothing=0.3), expected, rtol=1e-5)

  def test_focal_loss_lowers_what_is_known_well(self):
    of_label = probabilities()[np.arange(3), LABELS]
    expected = -((1 - of_label) ** 2) * np.log(of_label)
    np.testing.assert_allclose(cross_entropy(focal_gamma=2.0), expected, rtol=1e-5)

  def test_focal_gradients_of_a_sure_row_are_none(self):
    logits = tf.constant([[30.0, 0.0, 0.0], [200.0, 0.0, 0.0]])
    gradient = gradient_of(losses.cross_entropy, logits, np.int32([0, 0]))
    np.testing.assert_allclose(gradient, np.zeros([2, 3]), atol=1e-6)

  @pytest.mark.parametrize(
    ("options", "flag"),
    [
      ({"label_smoothing": 1.0}, "--label_smoothing=1.0"),
      ({"label_smoothing": -0.1}, "--label_smoothing=-0.1"),
      ({"focal_gamma": -1.0}, "--focal_gamma=-1.0"),
      ({"focal_gamma": float("nan")}, "--focal_gamma=nan"),
      ({"focal_gamma": float("inf")}, "--focal_gamma=inf"),
    ],
  )
  def test_values_out_of_range_name_the_flag(self, options, flag):
    with pytest.raises(ValueError, match=flag):
      losses.LossOptions(**options)


class TestSigmoidCrossEntropy:
  TARGETS = np.float32([[1, 0, 1], [0, 0, 0], [1, 1, 1]])

  def loss(self, **options):
    return losses.sigmoid_cross_entropy(
      tf.constant(LOGITS), self.TARGETS, losses.LossOptions(**options)
    ).numpy()

  def elements(self):
    """(probability of what is so, minus its logarithm), [3, 3] each."""
    right = 1 / (1 + np.exp(-np.float64(LOGITS) * (2 * self.TARGETS - 1)))
    return right, -np.log(right)

  def test_is_the_mean_over_classes(self):
    np.testing.assert_allclose(self.loss(), self.elements()[1].mean(axis=1), rtol=1e-5)

  def test_class_weights_count_where_the_class_is_there(self):
    factors = np.where(self.TARGETS == 1, [2.0, 0.5, 3.0], 1.0)
    expected = (factors * self.elements()[1]).mean(axis=1)
    actual = self.loss(class_weights=(2.0, 0.5, 3.0))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)

  def test_focal_loss_lowers_what_is_known_well(self):
    right, loss = self.elements()
    expected = ((1 - right) ** 1.5 * loss).mean(axis=1)
    np.testing.assert_allclose(self.loss(focal_gamma=1.5), expected, rtol=1e-5)

  def test_focal_gradients_of_a_sure_row_are_none(self):
    logits = tf.constant([[30.0, -30.0, 200.0]])
    targets = np.float32([[1, 0, 1]])
    gradient = gradient_of(losses.sigmoid_cross_entropy, logits, targets)
    np.testing.assert_allclose(gradient, np.zeros([1, 3]), atol=1e-6)

  def test_label_smoothing_moves_targets_to_the_middle(self):
    p = 1 / (1 + np.exp(-np.float64(LOGITS)))
    targets = 0.8 * self.TARGETS + 0.1
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(self.loss(label_smoothing=0.2), expected, rtol=1e-5)

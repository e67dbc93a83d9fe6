"""Pooling: numpy on small numbers."""

import numpy as np
import tensorflow as tf

from bert_ja.encoding import pooling


def test_largest_numbers_may_be_negative():
  class Outputs:
    def get_all_encoder_layers(self):
      return [tf.constant([[[-3.0, 1.0], [-2.0, 9.0]]])]

  found = pooling.pooled(Outputs(), tf.constant([[1, 0]]), "max")
  np.testing.assert_array_equal(found, [[-3, 1]])


def test_zeros_stay_zeros():
  values = np.array([[0, 0], [3, 4]], np.float32)
  np.testing.assert_allclose(pooling.normalized(values), [[0, 0], [0.6, 0.8]])


def test_weights_of_zero_are_one():
  windows, weights = np.eye(3, dtype=np.float32), np.array([0, 1, 3])
  found = pooling.merged(windows, weights, [1, 2], "mean")
  np.testing.assert_allclose(found, [[1, 0, 0], [0, 0.25, 0.75]])

"""From the vectors of pieces to those of texts.

B rows of a batch, S positions, L layers asked for, H hidden size; R texts, D numbers of a
pooled vector.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from bert_ja import modeling

POOLINGS = ("none", "cls", "mean", "max", "pooler")
LAYER_COMBINATIONS = ("concat", "mean")


def pooled(
  outputs: modeling.BertOutputs,
  input_mask: tf.Tensor,
  pooling: str,
  layers: Sequence[int] = (-1,),
  layer_combination: str = "concat",
) -> tf.Tensor:
  """Vectors of rows; see `vectors.Options` for the words.

  Args:
    outputs: of the model.
    input_mask: int32 [B, S], 1 for real pieces.
    pooling: one of `POOLINGS`.
    layers: numbers of layers.
    layer_combination: one of `LAYER_COMBINATIONS`.

  Returns:
    float32 [B, D]; without pooling [B, S, L, H].
  """
  if pooling == "pooler":
    return outputs.get_pooled_output()
  all_layers = outputs.get_all_encoder_layers()
  values = tf.stack([all_layers[layer] for layer in layers], axis=2)
  values = tf.cast(values, tf.float32)  # [B, S, L, H]
  if layer_combination == "mean":
    values = tf.reduce_mean(values, axis=2, keepdims=True)
  if pooling == "none":
    return values
  is_real = input_mask[:, :, tf.newaxis, tf.newaxis] > 0
  if pooling == "cls":
    values = values[:, 0]
  elif pooling == "max":
    values = tf.reduce_max(tf.where(is_real, values, values.dtype.min), axis=1)
  else:
    sums = tf.reduce_sum(tf.where(is_real, values, 0.0), axis=1)
    counts = tf.reduce_sum(tf.cast(is_real, tf.float32), axis=1)
    values = sums / counts
  batch, count, size = modeling.get_shape_list(values, expected_rank=3)
  return tf.reshape(values, [batch, count * size])


def merged(
  values: np.ndarray, weights: np.ndarray, counts: Sequence[int], pooling: str
) -> np.ndarray:
  """Vectors of texts from those of their windows.

  Args:
    values: float32 [windows, D].
    weights: int [windows]; of a text's only window it may be 0.
    counts: windows of each text.
    pooling: "max" takes the largest numbers, others the weighted mean.

  Returns:
    float32 [R, D].
  """
  starts = np.cumsum([0, *counts[:-1]])
  if pooling == "max":
    return np.maximum.reduceat(values, starts)
  weights = np.maximum(weights, 1)[:, np.newaxis].astype(np.float64)
  sums = np.add.reduceat(values * weights, starts)
  return (sums / np.add.reduceat(weights, starts)).astype(np.float32)


def normalized(values: np.ndarray) -> np.ndarray:
  """Vectors along the last axis divided by their lengths; zeros stay zeros."""
  lengths = np.linalg.norm(values, axis=-1, keepdims=True)
  return values / np.maximum(lengths, 1e-12)

"""Output layers of pre-training, their losses and scores (contract A-155..158).

B rows, S positions, P predictions a row, H hidden size, V vocabulary size.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from bert_ja import modeling, one_pass

# Added to the sum of weights: a batch without predictions has the loss 0.
_WEIGHT_EPSILON = 1e-5


class MaskedLmHead(tf.Module):
  """Which piece stands at a position: dense, activation, norm, product with the table.

  Variables below `cls/predictions`: transform/dense/kernel [H, H],
  transform/dense/bias [H], transform/LayerNorm/{beta, gamma} [H], output_bias [V].
  """

  def __init__(
    self,
    config: modeling.BertConfig,
    seed: int = 0,
    precision: modeling.Precision = modeling.Precision(),
  ):
    """Creates all variables; their first values depend on `seed`."""
    super().__init__(name="masked_lm_head")
    self.precision = precision
    size = config.hidden_size
    initializer = modeling.create_initializer(config.initializer_range, seed)
    with tf.name_scope("cls/predictions"):
      with tf.name_scope("transform"):
        activation = modeling.get_activation(config.hidden_act)
        self.dense = modeling.Dense(size, size, initializer, precision, activation)
        self.layer_norm = modeling.LayerNorm(size, config.layer_norm_epsilon)
      self.output_bias = tf.Variable(tf.zeros([config.vocab_size]), name="output_bias")

  def __call__(self, vectors: tf.Tensor, embedding_table: tf.Tensor) -> tf.Tensor:
    """[R, H] at masked positions and the words' table [V, H] -> float32 [R, V]."""
    return add_bias(self.product(vectors, embedding_table), self.output_bias)

  def product(self, vectors: tf.Tensor, embedding_table: tf.Tensor) -> tf.Tensor:
    """The logits without their bias, in the type of the products."""
    x = self.layer_norm(self.dense(vectors))
    return self.precision.matmul(x, embedding_table, transpose_b=True)


def add_bias(product: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
  """[R, V] of any type and float32 [V] -> float32 [R, V]."""
  return tf.nn.bias_add(tf.cast(product, tf.float32), bias)


class NextSentenceHead(tf.Module):
  """Whether B follows A (0) or is random (1).

  Variables below `cls/seq_relationship`: output_weights [2, H], output_bias [2].
  """

  def __init__(self, config: modeling.BertConfig, seed: int = 0):
    """Creates all variables; their first values depend on `seed`."""
    super().__init__(name="next_sentence_head")
    initializer = modeling.create_initializer(config.initializer_range, seed)
    with tf.name_scope("cls/seq_relationship"):
      self.output_weights = tf.Variable(
        initializer([2, config.hidden_size], "output_weights"), name="output_weights"
      )
      self.output_bias = tf.Variable(tf.zeros([2]), name="output_bias")

  def __call__(self, pooled_output: tf.Tensor) -> tf.Tensor:
    """float32 [B, H] -> logits, float32 [B, 2]."""
    logits = tf.matmul(pooled_output, self.output_weights, transpose_b=True)
    return tf.nn.bias_add(logits, self.output_bias)


@dataclasses.dataclass(frozen=True)
class PretrainingOutputs:
  """Logits of a batch.

  Attributes:
    masked_lm_product: [B * P, V], row-major: the masked words' logits without bias, in
      the type of the products.
    masked_lm_bias: float32 [V].
    next_sentence_logits: float32 [B, 2], or None for a model without that head.
  """

  masked_lm_product: tf.Tensor
  masked_lm_bias: tf.Tensor
  next_sentence_logits: tf.Tensor | None

  @property
  def masked_lm_logits(self) -> tf.Tensor:
    """float32 [B * P, V]."""
    return add_bias(self.masked_lm_product, self.masked_lm_bias)


class PretrainingModel(tf.Module):
  """Encoder and both heads; only the masked positions reach the vocabulary.

  Variables are the encoder's and the heads', by the names of the released files.
  """

  def __init__(
    self,
    config: modeling.BertConfig,
    seed: int = 0,
    precision: modeling.Precision = modeling.Precision(),
    use_one_hot_embeddings: bool = False,
    next_sentence: bool = True,
  ):
    """Creates all variables; their first values depend on `seed`.

    Args:
      config: of the encoder.
      seed: of the first values.
      precision: types of the matrix products.
      use_one_hot_embeddings: look words up by a matrix product (TPU).
      next_sentence: whether there is a next-sentence head.
    """
    super().__init__(name="pretraining_model")
    self.bert = modeling.BertModel(config, seed, precision, use_one_hot_embeddings)
    self.masked_lm = MaskedLmHead(config, seed, precision)
    self.next_sentence = NextSentenceHead(config, seed) if next_sentence else None

  def __call__(
    self,
    features: Mapping[str, tf.Tensor],
    dropout_stream: modeling.DropoutStream | None = None,
  ) -> PretrainingOutputs:
    """Logits of `input_ids`, `input_mask`, `segment_ids` and `masked_lm_positions`.

    A stream means training.
    """
    outputs = self.bert(
      features["input_ids"],
      features["input_mask"],
      features["segment_ids"],
      is_training=dropout_stream is not None,
      dropout_stream=dropout_stream,
    )
    vectors = gather_indexes(
      outputs.get_sequence_output(), features["masked_lm_positions"]
    )
    next_sentence = self.next_sentence
    return PretrainingOutputs(
      self.masked_lm.product(vectors, outputs.get_embedding_table()),
      self.masked_lm.output_bias,
      next_sentence(outputs.get_pooled_output()) if next_sentence else None,
    )


def gather_indexes(sequence_tensor: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
  """Vectors at given positions: [B, S, H] and int [B, P] -> [B * P, H], row-major."""
  batch, length, size = modeling.get_shape_list(sequence_tensor, expected_rank=3)
  starts = tf.range(batch, dtype=positions.dtype)[:, tf.newaxis] * length
  return tf.gather(
    tf.reshape(sequence_tensor, [-1, size]), tf.reshape(positions + starts, [-1])
  )


def get_masked_lm_output(
  head: MaskedLmHead,
  input_tensor: tf.Tensor,
  output_weights: tf.Tensor,
  positions: tf.Tensor,
  label_ids: tf.Tensor,
  label_weights: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """The original's function: loss, loss of each prediction, log probabilities.

  Args:
    head: the layers.
    input_tensor: the encoder's last layer, [B, S, H].
    output_weights: the words' table, [V, H].
    positions: int32 [B, P].
    label_ids: int32 [B, P].
    label_weights: float32 [B, P], 0 where there is no prediction.

  Returns:
    (float32 scalar, float32 [B * P], float32 [B * P, V]).
  """
  logits = head(gather_indexes(input_tensor, positions), output_weights)
  per_example_loss = _negative_log_likelihood(logits, label_ids)
  weights = tf.reshape(label_weights, [-1])
  loss = tf.reduce_sum(weights * per_example_loss)
  loss /= tf.reduce_sum(weights) + _WEIGHT_EPSILON
  return loss, per_example_loss, tf.nn.log_softmax(logits)


def get_next_sentence_output(
  head: NextSentenceHead, input_tensor: tf.Tensor, labels: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """The original's function: loss, loss of each row, log probabilities.

  Args:
    head: the layer.
    input_tensor: the pooled output, float32 [B, H].
    labels: int32 [B] or [B, 1].

  Returns:
    (float32 scalar, float32 [B], float32 [B, 2]).
  """
  logits = head(input_tensor)
  per_example_loss = _negative_log_likelihood(logits, labels)
  return tf.reduce_mean(per_example_loss), per_example_loss, tf.nn.log_softmax(logits)


def add_prediction_scale(features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
  """Adds `masked_lm_scale` [B], which lets a mean over rows be a mean over predictions.

  The masked-LM loss divides by the number of predictions in the batch, which differs
  from row to row. Given to each row of the whole batch, the same number holds on every
  device and in every part of an accumulated batch; without this they would weigh a
  prediction by the others that happen to share its device.

  Args:
    features: of the whole batch of an update, over all devices.
  """
  weights = features["masked_lm_weights"]
  rows = tf.shape(weights)[:1]
  scale = tf.cast(rows, tf.float32) / (tf.reduce_sum(weights) + _WEIGHT_EPSILON)
  return {**features, "masked_lm_scale": tf.repeat(scale, rows)}


def row_losses(
  outputs: PretrainingOutputs, features: Mapping[str, tf.Tensor]
) -> tf.Tensor:
  """Losses whose mean over all rows of a batch is its loss (A-156): float32 [B]."""
  weights = features["masked_lm_weights"]
  predictions = weights * _masked_lm_losses(outputs, features["masked_lm_ids"])
  losses = tf.reduce_sum(predictions, axis=1) * features["masked_lm_scale"]
  logits = outputs.next_sentence_logits
  if logits is None:
    return losses
  return losses + _negative_log_likelihood(logits, features["next_sentence_labels"])


def row_outputs(
  outputs: PretrainingOutputs, features: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
  """What losses and `evaluation_metrics` are made of.

  Returns:
    `masked_lm_example_loss`, `masked_lm_correct`, `masked_lm_weights`: float32 [B, P];
    with a next-sentence head `next_sentence_example_loss`, `next_sentence_correct`:
    float32 [B].
  """
  labels = features["masked_lm_ids"]
  is_best = _is_best(outputs.masked_lm_logits, labels)
  values = {
    "masked_lm_example_loss": _masked_lm_losses(outputs, labels),
    "masked_lm_correct": tf.reshape(is_best, tf.shape(labels)),
    "masked_lm_weights": features["masked_lm_weights"],
  }
  logits = outputs.next_sentence_logits
  if logits is not None:
    labels = features["next_sentence_labels"]
    values["next_sentence_example_loss"] = _negative_log_likelihood(logits, labels)
    values["next_sentence_correct"] = _is_best(logits, labels)
  return values


def _masked_lm_losses(outputs, labels):
  """float32 [B, P]."""
  product, bias = outputs.masked_lm_product, outputs.masked_lm_bias
  if one_pass.is_worth_it(product.shape[-1]):
    losses = one_pass.cross_entropy(product, bias, tf.reshape(labels, [-1]))
  else:
    losses = _negative_log_likelihood(outputs.masked_lm_logits, labels)
  return tf.reshape(losses, tf.shape(labels))


def _negative_log_likelihood(logits, labels):
  return tf.nn.sparse_softmax_cross_entropy_with_logits(
    tf.reshape(labels, [-1]), logits
  )


def _is_best(logits, labels):
  best = tf.argmax(logits, axis=-1, output_type=labels.dtype)
  return tf.cast(best == tf.reshape(labels, [-1]), tf.float32)


def evaluation_metrics(
  outputs: Mapping[str, np.ndarray], batch_size: int
) -> dict[str, float]:
  """The original's metrics (A-158), and `loss`.

  Args:
    outputs: `row_outputs` of R rows, in the order of evaluation.
    batch_size: rows of a batch, which R is a multiple of; `loss` is the mean of the
      batches' losses.

  Returns:
    Metrics by name. Those of masked words are means over all predictions, 0 where
    there is none.
  """
  weights = outputs["masked_lm_weights"].astype(np.float64)  # [R, P]
  losses = weights * outputs["masked_lm_example_loss"]
  total = max(weights.sum(), _WEIGHT_EPSILON)
  # [R / batch, batch * P]
  of_batches = [x.reshape(-1, batch_size * x.shape[1]) for x in (losses, weights)]
  sums, counts = (x.sum(axis=1) for x in of_batches)
  results = {
    "masked_lm_accuracy": (weights * outputs["masked_lm_correct"]).sum() / total,
    "masked_lm_loss": losses.sum() / total,
    "loss": (sums / (counts + _WEIGHT_EPSILON)).mean(),
  }
  if "next_sentence_correct" in outputs:
    for name, key in (("accuracy", "correct"), ("loss", "example_loss")):
      values = outputs[f"next_sentence_{key}"]
      results[f"next_sentence_{name}"] = values.mean(dtype=np.float64)
    results["loss"] += results["next_sentence_loss"]
  return {name: float(value) for name, value in results.items()}

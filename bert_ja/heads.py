"""Output layers over the encoder. B rows, S positions, H hidden size, C classes."""

import tensorflow as tf

from bert_ja import modeling


class SentenceClassifier(tf.Module):
  """One of C classes for a row: encoder, pooler, linear layer (contract A-44, A-98).

  Variables besides the encoder's: output_weights [C, H], output_bias [C].
  """

  def __init__(
    self,
    config: modeling.BertConfig,
    num_labels: int,
    seed: int = 0,
    precision: modeling.Precision = modeling.Precision(),
    use_one_hot_embeddings: bool = False,
    dropout_prob: float = 0.1,
  ):
    """Creates all variables; their first values depend on `seed`.

    Args:
      config: of the encoder.
      num_labels: C.
      seed: of the first values.
      precision: types of the encoder's products.
      use_one_hot_embeddings: look words up by a matrix product (TPU).
      dropout_prob: before the linear layer; as in the original 0.1, whatever the
        config says.
    """
    super().__init__(name="sentence_classifier")
    self.bert = modeling.BertModel(config, seed, precision, use_one_hot_embeddings)
    self.dropout_prob = dropout_prob
    initializer = modeling.create_initializer(seed=seed)
    self.output_weights = tf.Variable(
      initializer([num_labels, config.hidden_size], "output_weights"),
      name="output_weights",
    )
    self.output_bias = tf.Variable(tf.zeros([num_labels]), name="output_bias")

  def __call__(
    self, features: dict, dropout_stream: modeling.DropoutStream | None = None
  ) -> tf.Tensor:
    """Features of a batch -> logits, float32 [B, C]; a stream means training."""
    outputs = _encode(self.bert, features, dropout_stream)
    pooled = modeling.dropout(
      outputs.get_pooled_output(), self.dropout_prob, dropout_stream
    )
    return tf.nn.bias_add(
      tf.matmul(pooled, self.output_weights, transpose_b=True), self.output_bias
    )


class SpanClassifier(tf.Module):
  """Where an answer starts and ends: encoder, linear layer (contract A-44, A-123).

  Variables besides the encoder's: cls/squad/output_weights [2, H],
  cls/squad/output_bias [2].
  """

  def __init__(
    self,
    config: modeling.BertConfig,
    seed: int = 0,
    precision: modeling.Precision = modeling.Precision(),
    use_one_hot_embeddings: bool = False,
  ):
    """Creates all variables; arguments as `SentenceClassifier`'s."""
    super().__init__(name="span_classifier")
    self.bert = modeling.BertModel(config, seed, precision, use_one_hot_embeddings)
    initializer = modeling.create_initializer(seed=seed)
    with tf.name_scope("cls/squad"):
      self.output_weights = tf.Variable(
        initializer([2, config.hidden_size], "output_weights"), name="output_weights"
      )
      self.output_bias = tf.Variable(tf.zeros([2]), name="output_bias")

  def __call__(
    self, features: dict, dropout_stream: modeling.DropoutStream | None = None
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Features of a batch -> logits of start and end, float32 [B, S] each."""
    outputs = _encode(self.bert, features, dropout_stream)
    sequence = tf.cast(outputs.get_sequence_output(), tf.float32)  # [B, S, H]
    logits = tf.matmul(sequence, self.output_weights, transpose_b=True)
    start, end = tf.unstack(tf.nn.bias_add(logits, self.output_bias), axis=-1)
    return start, end


def _encode(bert, features, dropout_stream):
  """Outputs of the encoder; a stream means training."""
  return bert(
    features["input_ids"],
    features["input_mask"],
    features["segment_ids"],
    is_training=dropout_stream is not None,
    dropout_stream=dropout_stream,
  )


def cross_entropy(logits: tf.Tensor, label_ids: tf.Tensor) -> tf.Tensor:
  """Softmax cross-entropy of each row: float32 [B, C] and int32 [B] -> float32 [B]."""
  return tf.nn.sparse_softmax_cross_entropy_with_logits(label_ids, logits)

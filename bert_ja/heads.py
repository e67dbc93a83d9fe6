"""Output layers over the encoder. B rows, S positions, H hidden size, C classes."""

import dataclasses
import math
from collections.abc import Mapping

import tensorflow as tf

from bert_ja import modeling


@dataclasses.dataclass(frozen=True)
class HeadOptions:
  """What stands between a row's vector and its logits; the original's by default.

  Attributes:
    hidden_sizes: of the layers before the linear one; none for a linear head.
    dropout_prob: before each layer; as in the original 0.1, whatever the config says.
  """

  hidden_sizes: tuple[int, ...] = ()
  dropout_prob: float = 0.1

  def __post_init__(self):
    if not 0 <= self.dropout_prob < 1:
      raise ValueError(
        f"--head_dropout={self.dropout_prob}: expected a number from 0 to less than 1"
      )


class VectorClassifier(tf.Module):
  """One of C classes for a vector: hidden layers, if any, and a linear layer.

  Variables: mlp/hidden_0/kernel [in, W0], mlp/hidden_0/bias [W0], mlp/hidden_1/... for
  hidden layers of sizes W0, W1, ...; output_weights [C, last size], output_bias [C].
  """

  def __init__(
    self,
    in_size: int,
    num_labels: int,
    seed: int = 0,
    options: HeadOptions = HeadOptions(),
    initializer_range: float = 0.02,
  ):
    """Creates all variables; their first values depend on `seed`.

    Args:
      in_size: of the vectors.
      num_labels: C.
      seed: of the first values.
      options: hidden layers and dropout.
      initializer_range: standard deviation of output_weights.
    """
    super().__init__(name="vector_classifier")
    self.dropout_prob = options.dropout_prob
    self.hidden = []
    with tf.name_scope("mlp"):
      for index, out_size in enumerate(options.hidden_sizes):
        # 0.02 would let the signal fade from layer to layer; this keeps its size.
        initializer = modeling.create_initializer(math.sqrt(2 / in_size), seed)
        self.hidden.append(
          modeling.Dense(
            in_size,
            out_size,
            initializer,
            modeling.Precision(),
            modeling.gelu,
            name=f"hidden_{index}",
          )
        )
        in_size = out_size
    initializer = modeling.create_initializer(initializer_range, seed)
    self.output_weights = tf.Variable(
      initializer([num_labels, in_size], "output_weights"), name="output_weights"
    )
    self.output_bias = tf.Variable(tf.zeros([num_labels]), name="output_bias")

  def __call__(
    self, vectors: tf.Tensor, dropout_stream: modeling.DropoutStream | None = None
  ) -> tf.Tensor:
    """float32 [B, in] -> logits, float32 [B, C]; a stream means training."""
    for dense in self.hidden:
      vectors = dense(modeling.dropout(vectors, self.dropout_prob, dropout_stream))
    vectors = modeling.dropout(vectors, self.dropout_prob, dropout_stream)
    return tf.nn.bias_add(
      tf.matmul(vectors, self.output_weights, transpose_b=True), self.output_bias
    )


class SentenceClassifier(tf.Module):
  """One of C classes for a row: encoder, pooler, head (contract A-44, A-98).

  Variables besides the encoder's: those of a `VectorClassifier`.

  Attributes:
    vectors: which vectors `encode` gives.
  """

  vectors = "pooler"

  def __init__(
    self,
    config: modeling.BertConfig,
    num_labels: int,
    seed: int = 0,
    precision: modeling.Precision = modeling.Precision(),
    use_one_hot_embeddings: bool = False,
    head: HeadOptions = HeadOptions(),
  ):
    """Creates all variables; their first values depend on `seed`.

    Args:
      config: of the encoder.
      num_labels: C.
      seed: of the first values.
      precision: types of the encoder's products.
      use_one_hot_embeddings: look words up by a matrix product (TPU).
      head: what stands on the pooled vectors.
    """
    super().__init__(name="sentence_classifier")
    self.bert = modeling.BertModel(config, seed, precision, use_one_hot_embeddings)
    self.head = VectorClassifier(config.hidden_size, num_labels, seed, head)

  def encode(
    self, features: dict, dropout_stream: modeling.DropoutStream | None = None
  ) -> tf.Tensor:
    """Features of a batch -> pooled vectors, float32 [B, H]; a stream means training."""
    return encode(self.bert, features, dropout_stream).get_pooled_output()

  def __call__(
    self, features: dict, dropout_stream: modeling.DropoutStream | None = None
  ) -> tf.Tensor:
    """Features of a batch -> logits, float32 [B, C]; a stream means training.

    Args:
      features: of texts; or `pooled_output` [B, H], what `encode` gave for them.
      dropout_stream: where random numbers come from.
    """
    pooled = features.get("pooled_output")
    if pooled is None:
      pooled = self.encode(features, dropout_stream)
    return self.head(pooled, dropout_stream)


class TokenClassifier(SentenceClassifier):
  """One of C classes for each position: encoder, head.

  Variables as a `SentenceClassifier`'s, which it differs from in what it classifies.
  """

  vectors = "pieces"

  def encode(
    self, features: dict, dropout_stream: modeling.DropoutStream | None = None
  ) -> tf.Tensor:
    """Features of a batch -> float32 [B, S, H]; a stream means training."""
    outputs = encode(self.bert, features, dropout_stream)
    return tf.cast(outputs.get_sequence_output(), tf.float32)

  def __call__(
    self, features: dict, dropout_stream: modeling.DropoutStream | None = None
  ) -> tf.Tensor:
    """Features of a batch -> logits, float32 [B, S, C]; a stream means training.

    Args:
      features: of texts; or `pooled_output` [B, S, H], what `encode` gave for them.
      dropout_stream: where random numbers come from.
    """
    vectors = features.get("pooled_output")
    if vectors is None:
      vectors = self.encode(features, dropout_stream)
    batch, length, size = modeling.get_shape_list(vectors, expected_rank=3)
    logits = self.head(tf.reshape(vectors, [-1, size]), dropout_stream)  # [B * S, C]
    return tf.reshape(logits, [batch, length, logits.shape[-1]])


class ChoiceClassifier(SentenceClassifier):
  """A score for each of a row's N choices: encoder, pooler, head.

  Variables as a `SentenceClassifier`'s of one class.
  """

  def __call__(
    self, features: dict, dropout_stream: modeling.DropoutStream | None = None
  ) -> tf.Tensor:
    """Features of a batch -> scores, float32 [B, N]; a stream means training.

    Args:
      features: of choices, [B, N, S] each; or `pooled_output` [B, N, H], what `encode`
        gave for them. `choice_mask` [B, N] is 0 where there is no choice: -1e9 there.
      dropout_stream: where random numbers come from.
    """
    mask = features["choice_mask"]
    pooled = features.get("pooled_output")
    if pooled is None:
      ids = tf.convert_to_tensor(features["input_ids"])
      length = modeling.get_shape_list(ids, expected_rank=3)[2]
      names = ("input_ids", "input_mask", "segment_ids")
      texts = {name: tf.reshape(features[name], [-1, length]) for name in names}
      pooled = self.encode(texts, dropout_stream)  # [B * N, H]
    size = modeling.get_shape_list(pooled)[-1]
    scores = self.head(tf.reshape(pooled, [-1, size]), dropout_stream)  # [B * N, 1]
    return tf.where(mask > 0, tf.reshape(scores, tf.shape(mask)), -1e9)


# What stands on the encoder, by the name that a kind of task gives it.
HEADS = {
  "choice": ChoiceClassifier,
  "sentence": SentenceClassifier,
  "token": TokenClassifier,
}


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
    outputs = encode(self.bert, features, dropout_stream)
    sequence = tf.cast(outputs.get_sequence_output(), tf.float32)  # [B, S, H]
    logits = tf.matmul(sequence, self.output_weights, transpose_b=True)
    start, end = tf.unstack(tf.nn.bias_add(logits, self.output_bias), axis=-1)
    return start, end


def encode(
  bert: modeling.BertModel,
  features: Mapping[str, tf.Tensor],
  dropout_stream: modeling.DropoutStream | None,
) -> modeling.BertOutputs:
  """The encoder's outputs for features of a batch; a stream means training."""
  return bert(
    features["input_ids"],
    features["input_mask"],
    features["segment_ids"],
    is_training=dropout_stream is not None,
    dropout_stream=dropout_stream,
  )

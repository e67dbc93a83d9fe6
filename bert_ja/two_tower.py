"""Two texts, each encoded alone by the same encoder, and classes of their comparison.

B rows, S positions of a text, H hidden size, K attention size, C classes.
"""

import dataclasses
import math

import tensorflow as tf

from bert_ja import heads, modeling

# How many vectors of size H a combination hands to the head.
COMBINATIONS = {
  "concat": 2,
  "difference": 1,
  "product": 1,
  "all": 4,
  "attention_dot": 4,
  "attention_additive": 4,
  "attention_reduced": 4,
}

_LINEAR = heads.HeadOptions()


@dataclasses.dataclass(frozen=True)
class PairOptions:
  """How two texts are compared; u and v are the means of their pieces' vectors.

  Attributes:
    combination: "concat" is u, v; "difference" |u - v|; "product" u * v; "all" u, v,
      |u - v|, u * v. An "attention" gives each piece the weighted mean of the other
      text's pieces, and the head u, v and for each text the mean of |piece - what it
      was given|. Weights are the softmax of scores: "dot" products of the pieces'
      vectors, over the root of their size; "reduced": the same of their projections to
      a smaller size; "additive": a layer over the sum of two projections, with tanh.
    attention_size: K of the projections.
  """

  combination: str = "all"
  attention_size: int = 64

  def __post_init__(self):
    if self.combination not in COMBINATIONS:
      raise ValueError(
        f"--combination={self.combination}: expected one of {', '.join(COMBINATIONS)}"
      )

  @property
  def of_pieces(self) -> bool:
    """Whether texts are compared piece by piece."""
    return self.combination.startswith("attention_")


class PairHead(tf.Module):
  """Classes for the vectors of two texts.

  A text is its mean vector, [B, H]; for an attention [B, S, H], where zeros stand behind
  the last piece.

  Variables: two_tower/ and then those of a `heads.VectorClassifier`; before them, for
  attention_additive, two_tower/attention/first [H, K], .../second [H, K], .../score
  [K]; for attention_reduced two_tower/attention/projection [H, K].
  """

  def __init__(
    self,
    hidden_size: int,
    num_labels: int,
    seed: int = 0,
    pair: PairOptions = PairOptions(),
    head: heads.HeadOptions = _LINEAR,
  ):
    """Creates all variables; their first values depend on `seed`.

    Args:
      hidden_size: H.
      num_labels: C.
      seed: of the first values.
      pair: how texts are compared.
      head: what stands on the comparison.
    """
    super().__init__(name="pair_head")
    self.pair = pair

    def variable(name, in_size, *out_size):
      # With these first values, projections are of the size of what they project.
      initializer = modeling.create_initializer(1 / math.sqrt(in_size), seed)
      return tf.Variable(initializer([in_size, *out_size], name), name=name)

    with tf.name_scope("two_tower"):
      with tf.name_scope("attention"):
        if pair.combination == "attention_additive":
          self.first = variable("first", hidden_size, pair.attention_size)
          self.second = variable("second", hidden_size, pair.attention_size)
          self.score = variable("score", pair.attention_size)
        elif pair.combination == "attention_reduced":
          self.projection = variable("projection", hidden_size, pair.attention_size)
      size = COMBINATIONS[pair.combination] * hidden_size
      self.classifier = heads.VectorClassifier(size, num_labels, seed, head)

  def __call__(
    self,
    a: tf.Tensor,
    b: tf.Tensor,
    dropout_stream: modeling.DropoutStream | None = None,
  ) -> tf.Tensor:
    """Vectors of the texts -> logits, float32 [B, C]; a stream means training."""
    parts = self._compared_pieces(a, b) if self.pair.of_pieces else self._compared(a, b)
    return self.classifier(tf.concat(parts, axis=-1), dropout_stream)

  def _compared(self, u, v):
    """Parts of the comparison, [B, H] each."""
    combination = self.pair.combination
    if combination == "concat":
      return [u, v]
    if combination == "difference":
      return [tf.abs(u - v)]
    if combination == "product":
      return [u * v]
    return [u, v, tf.abs(u - v), u * v]

  def _compared_pieces(self, a, b):
    mask_a, mask_b = _is_piece(a), _is_piece(b)  # [B, S]
    scores = self._scores(a, b)  # [B, Sa, Sb]
    for_a = tf.nn.softmax(scores + _adder(mask_b)[:, tf.newaxis, :], axis=2)
    for_b = tf.nn.softmax(scores + _adder(mask_a)[:, :, tf.newaxis], axis=1)
    given_a = tf.matmul(for_a, b)  # [B, Sa, H]
    given_b = tf.matmul(for_b, a, transpose_a=True)
    return [
      mean_of_pieces(a, mask_a),
      mean_of_pieces(b, mask_b),
      mean_of_pieces(tf.abs(a - given_a), mask_a),
      mean_of_pieces(tf.abs(b - given_b), mask_b),
    ]

  def _scores(self, a, b):
    if self.pair.combination == "attention_additive":
      of_a = tf.matmul(a, self.first)[:, :, tf.newaxis]  # [B, Sa, 1, K]
      of_b = tf.matmul(b, self.second)[:, tf.newaxis]
      return tf.linalg.matvec(tf.tanh(of_a + of_b), self.score)
    if self.pair.combination == "attention_reduced":
      a, b = tf.matmul(a, self.projection), tf.matmul(b, self.projection)
    return tf.matmul(a, b, transpose_b=True) / math.sqrt(a.shape[-1])


class TwoTower(tf.Module):
  """One of C classes for two texts, which meet behind the encoder only.

  Variables besides the encoder's: those of a `PairHead`. The encoder's pooler is not
  used and not trained.
  """

  def __init__(
    self,
    config: modeling.BertConfig,
    num_labels: int,
    seed: int = 0,
    precision: modeling.Precision = modeling.Precision(),
    use_one_hot_embeddings: bool = False,
    head: heads.HeadOptions = _LINEAR,
    pair: PairOptions = PairOptions(),
  ):
    """Creates all variables; as `heads.SentenceClassifier`, `pair` as `PairHead`."""
    super().__init__(name="two_tower")
    self.bert = modeling.BertModel(config, seed, precision, use_one_hot_embeddings)
    self.head = PairHead(config.hidden_size, num_labels, seed, pair, head)

  @property
  def vectors(self) -> str:
    """Which vectors `encode` gives."""
    return "pieces" if self.head.pair.of_pieces else "mean"

  def encode(
    self, features: dict, dropout_stream: modeling.DropoutStream | None = None
  ) -> tf.Tensor:
    """Vectors of texts as a `PairHead` takes them; a stream means training.

    Args:
      features: of single texts, [B, S] each.
      dropout_stream: where random numbers come from.

    Returns:
      float32 [B, H], or [B, S, H] for an attention.
    """
    outputs = heads.encode(self.bert, features, dropout_stream)
    pieces = tf.cast(outputs.get_sequence_output(), tf.float32)
    mask = tf.cast(features["input_mask"], tf.float32)
    if self.head.pair.of_pieces:
      return pieces * mask[:, :, tf.newaxis]
    return mean_of_pieces(pieces, mask)

  def __call__(
    self, features: dict, dropout_stream: modeling.DropoutStream | None = None
  ) -> tf.Tensor:
    """Features of pairs -> logits, float32 [B, C]; a stream means training.

    Args:
      features: [B, 2, S] each; or `pooled_output`, [B, 2, H] or [B, 2, S, H]: what
        `encode` gave for the two texts of each row.
      dropout_stream: where random numbers come from.
    """
    vectors = features.get("pooled_output")
    if vectors is None:
      # Both texts in one pass: rows 2n and 2n + 1 belong together.
      ids = tf.convert_to_tensor(features["input_ids"])
      length = modeling.get_shape_list(ids, expected_rank=3)[2]
      texts = {
        name: tf.reshape(features[name], [-1, length])
        for name in ("input_ids", "input_mask", "segment_ids")
      }
      vectors = self.encode(texts, dropout_stream)
      sizes = modeling.get_shape_list(vectors)[1:]
      vectors = tf.reshape(vectors, [-1, 2, *sizes])
    return self.head(vectors[:, 0], vectors[:, 1], dropout_stream)


def mean_of_pieces(pieces: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
  """float32 [B, S, H] and [B, S] -> [B, H]; zeros where there is no piece."""
  sums = tf.linalg.matvec(pieces, mask, transpose_a=True)
  return sums / tf.maximum(tf.reduce_sum(mask, axis=1, keepdims=True), 1.0)


def _is_piece(vectors):
  """[B, S, H] -> float32 [B, S]. The encoder normalizes: no piece's vector is zeros."""
  return tf.cast(tf.reduce_any(vectors != 0, axis=-1), tf.float32)


def _adder(mask):
  """What takes positions that are no pieces out of a softmax."""
  return (1.0 - mask) * -1e9

"""BERT's encoder (Devlin et al. 2018, https://arxiv.org/abs/1810.04805).

Modules are `tf.Module`s whose variable names are the names in released checkpoints
(contract A-42). Letters in shapes: B rows, S positions, H hidden size, N heads,
D = H / N, I intermediate size, V vocabulary, T token types, P positions.
"""

import copy
import dataclasses
import json
import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from bert_ja import one_pass, text_io
from bert_ja.checkpoint import (
  get_assignment_map_from_checkpoint as get_assignment_map_from_checkpoint,
)

# Any of these keys marks a config that Hugging Face's library wrote.
_HUGGING_FACE_KEYS = (
  "model_type",
  "architectures",
  "transformers_version",
  "torchscript",
)


class BertConfig:
  """Architecture of a BERT model; unknown keys are kept as attributes (A-23..29)."""

  def __init__(
    self,
    vocab_size: int,
    hidden_size: int = 768,
    num_hidden_layers: int = 12,
    num_attention_heads: int = 12,
    intermediate_size: int = 3072,
    hidden_act: str | Callable | None = "gelu",
    hidden_dropout_prob: float = 0.1,
    attention_probs_dropout_prob: float = 0.1,
    max_position_embeddings: int = 512,
    type_vocab_size: int = 16,
    initializer_range: float = 0.02,
    **unknown: Any,
  ):
    """Checks the numbers against each other.

    Raises:
      ValueError: a size is not a positive integer, the hidden size is no multiple
        of the heads, or the activation, model type or kind of positions is unknown.
    """
    self.vocab_size = vocab_size
    self.hidden_size = hidden_size
    self.num_hidden_layers = num_hidden_layers
    self.num_attention_heads = num_attention_heads
    self.hidden_act = hidden_act
    self.intermediate_size = intermediate_size
    self.hidden_dropout_prob = hidden_dropout_prob
    self.attention_probs_dropout_prob = attention_probs_dropout_prob
    self.max_position_embeddings = max_position_embeddings
    self.type_vocab_size = type_vocab_size
    self.initializer_range = initializer_range
    vars(self).update(unknown)
    self._check()

  @classmethod
  def from_dict(cls, json_object: Mapping[str, Any]) -> "BertConfig":
    """From a dictionary in the original's or in Hugging Face's words.

    The two differ in what "gelu" means: the tanh form in the original, the exact
    (erf) form in Hugging Face's configs, where it becomes "gelu_erf" here.
    """
    values = dict(json_object)
    if "vocab_size" not in values:
      raise ValueError(
        f"vocab_size is missing; this is no BERT config (keys: {', '.join(values)})"
      )
    if any(key in values for key in _HUGGING_FACE_KEYS):
      if values.get("hidden_act", "gelu") == "gelu":
        values["hidden_act"] = "gelu_erf"
      # Hugging Face's constructor has 2 where the original has 16.
      values.setdefault("type_vocab_size", 2)
    return cls(**values)

  @classmethod
  def from_json_file(cls, json_file: str) -> "BertConfig":
    """From a JSON file; errors name it."""
    values = text_io.read_json(json_file)
    if not isinstance(values, dict):
      raise ValueError(f"{json_file}: expected a JSON object with a model's sizes")
    try:
      return cls.from_dict(values)
    except ValueError as error:
      raise ValueError(f"{json_file}: {error}") from None

  def to_dict(self) -> dict[str, Any]:
    return copy.deepcopy(vars(self))

  def to_json_string(self) -> str:
    return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

  @property
  def layer_norm_epsilon(self) -> float:
    """Added to the variance; Hugging Face's configs name it `layer_norm_eps`."""
    return getattr(self, "layer_norm_eps", 1e-12)

  def _check(self):
    for name in (
      "vocab_size",
      "hidden_size",
      "num_hidden_layers",
      "num_attention_heads",
      "intermediate_size",
      "max_position_embeddings",
      "type_vocab_size",
    ):
      value = getattr(self, name)
      if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {value!r}; expected an integer of at least 1")
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
      value = getattr(self, name)
      if value is not None and not 0 <= value < 1:
        raise ValueError(f"{name} is {value!r}; expected a number in [0, 1)")
    if self.hidden_size % self.num_attention_heads:
      raise ValueError(
        f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads "
        f"{self.num_attention_heads}"
      )
    model_type = getattr(self, "model_type", "bert")
    if model_type != "bert":
      raise ValueError(f"model_type is {model_type!r}; only 'bert' can be read")
    positions = getattr(self, "position_embedding_type", "absolute")
    if positions != "absolute":
      raise ValueError(
        f"position_embedding_type is {positions!r}; only 'absolute' can be computed"
      )
    get_activation(self.hidden_act)


@dataclasses.dataclass(frozen=True)
class Precision:
  """Types of matrix products and of what flows between them; variables are float32.

  Attributes:
    compute: operands of `Dense` and of the two products of attention.
    activation: tensors between them. On CPU float32 even where products take
      bfloat16: elementwise bfloat16 is slow there.
    one_pass: whether wide layers compile their elementwise work. It pays where there
      is a backward pass; without one, a CPU has nothing from it but the compiling.
  """

  compute: tf.DType = tf.float32
  activation: tf.DType = tf.float32
  one_pass: bool = True

  @classmethod
  def from_name(cls, name: str, on_cpu: bool = True) -> "Precision":
    """`float32`, `bfloat16` or `float16`, for a kind of device."""
    if name not in ("float32", "bfloat16", "float16"):
      raise ValueError(
        f"precision {name!r} is not known; choose float32, bfloat16 or float16"
      )
    compute = tf.as_dtype(name)
    return cls(compute, tf.float32 if on_cpu else compute)

  def in_one_pass(self, width: int) -> bool:
    """Whether layers of this width use `one_pass`."""
    return self.one_pass and one_pass.is_worth_it(width)

  def matmul(self, a: tf.Tensor, b: tf.Tensor, transpose_b: bool = False) -> tf.Tensor:
    """Matrix product over the last two axes, in `compute`."""
    return tf.matmul(
      tf.cast(a, self.compute), tf.cast(b, self.compute), transpose_b=transpose_b
    )


class DropoutStream:
  """Random seeds for the dropout calls of one pass through a model.

  The n-th call's numbers depend on (seed, step, n) alone, so a continued run
  draws what an unbroken one would have drawn.
  """

  _CALLS_PER_STEP = 1 << 12

  def __init__(self, seed: int | tf.Tensor, step: int | tf.Tensor = 0):
    self._seed = tf.cast(seed, tf.int64)
    self._first = tf.cast(step, tf.int64) * self._CALLS_PER_STEP
    self._calls = 0

  def next_seed(self) -> tf.Tensor:
    """int64 [2], another at each call."""
    self._calls += 1
    return tf.stack([self._seed, self._first + self._calls])


def dropout(
  input_tensor: tf.Tensor, dropout_prob: float | None, stream: DropoutStream | None
) -> tf.Tensor:
  """Sets elements to zero with probability `dropout_prob`, scales the others up.

  The identity without a stream (evaluation) or for a probability of None or 0
  (A-37).
  """
  if stream is None or not dropout_prob:
    return input_tensor
  shape = tf.shape(input_tensor)
  factor = one_pass.keep_factor(shape, dropout_prob, stream.next_seed())
  return input_tensor * tf.cast(factor, input_tensor.dtype)


def gelu(x: tf.Tensor) -> tf.Tensor:
  """Gaussian error linear unit, tanh form (A-36; https://arxiv.org/abs/1606.08415)."""
  return _with_slope(_tanh_gelu, tf.convert_to_tensor(x))


def gelu_erf(x: tf.Tensor) -> tf.Tensor:
  """Gaussian error linear unit, exact form: what Hugging Face calls `gelu`."""
  return _with_slope(_erf_gelu, tf.convert_to_tensor(x))


def _with_slope(value_and_slope, x):
  """A function whose derivative comes out of the forward pass nearly for free.

  The backward pass is then one product instead of nine elementwise operations.
  """

  @tf.custom_gradient
  def apply(x):
    value, slope = value_and_slope(x)
    return value, lambda upstream: upstream * slope

  return apply(x)


def _tanh_gelu(x):
  root = math.sqrt(2 / math.pi)
  square = x * x
  tanh = tf.tanh(x * (root + (root * 0.044715) * square))
  half = 0.5 + 0.5 * tanh
  slope = half + (x * (0.5 - 0.5 * tanh * tanh)) * (
    root + (root * 3 * 0.044715) * square
  )
  return x * half, slope


def _erf_gelu(x):
  half = 0.5 + 0.5 * tf.math.erf(x * math.sqrt(0.5))
  density = tf.exp(-0.5 * x * x) * (1.0 / math.sqrt(2 * math.pi))
  return x * half, half + x * density


_COMPILED = {
  gelu: one_pass.activation(_tanh_gelu),
  gelu_erf: one_pass.activation(_erf_gelu),
}

_ACTIVATIONS = {
  "": None,
  "linear": None,
  "relu": tf.nn.relu,
  "tanh": tf.tanh,
  "gelu": gelu,
  "gelu_tanh": gelu,
  "gelu_new": gelu,
  "gelu_pytorch_tanh": gelu,
  "gelu_erf": gelu_erf,
}


def get_activation(activation: str | Callable | None) -> Callable | None:
  """Function of a name in any case; None for none; callables pass through (A-27).

  Raises:
    ValueError: the name is unknown.
  """
  if activation is None or callable(activation):
    return activation
  try:
    return _ACTIVATIONS[activation.lower()]
  except (KeyError, AttributeError):
    raise ValueError(
      f"hidden_act {activation!r} is not known; choose one of "
      f"{', '.join(name for name in _ACTIVATIONS if name)}"
    ) from None


def create_initializer(initializer_range: float = 0.02, seed: int = 0) -> Callable:
  """Truncated normal weights (A-38) that depend on the seed and the variable's name.

  Returns:
    f(shape, name) -> float32 tensor, to be called in the variable's name scope.
  """

  def initialize(shape, name):
    # By name, so that a model with another head starts from the same encoder.
    key = zlib.crc32(f"{tf.get_current_name_scope()}/{name}".encode())
    return tf.random.stateless_truncated_normal(
      shape, seed=[seed, key], stddev=initializer_range
    )

  return initialize


class Dense(tf.Module):
  """y = activation(x W + b). Variables: kernel [in, out], bias [out]."""

  def __init__(
    self,
    in_size: int,
    out_size: int,
    initializer: Callable,
    precision: Precision,
    activation: Callable | None = None,
    name: str = "dense",
  ):
    super().__init__(name=name)
    self.activation = activation or tf.identity
    self.precision = precision
    with self.name_scope:
      self.kernel = tf.Variable(
        initializer([in_size, out_size], "kernel"), name="kernel"
      )
      self.bias = tf.Variable(tf.zeros([out_size]), name="bias")

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    """[R, in] -> [R, out]; a wide activated layer returns the products' type."""
    compiled = _COMPILED.get(self.activation)
    if compiled and self.precision.in_one_pass(min(self.kernel.shape)):
      bias = self.bias.read_value()
      return compiled(self.product(x), bias, self.precision.compute)
    product = tf.cast(self.product(x), self.precision.activation)
    return self.activation(tf.nn.bias_add(product, tf.cast(self.bias, product.dtype)))

  def product(self, x: tf.Tensor) -> tf.Tensor:
    """The product alone, in the products' type: [R, in] -> [R, out]."""
    return self.precision.matmul(x, self.kernel)


class LayerNorm(tf.Module):
  """Normalizes the last axis, in float32 (A-33). Variables: beta [H], gamma [H]."""

  def __init__(self, size: int, epsilon: float = 1e-12, name: str = "LayerNorm"):
    super().__init__(name=name)
    self.epsilon = epsilon
    with self.name_scope:
      # beta first, as in the released files.
      self.beta = tf.Variable(tf.zeros([size]), name="beta")
      self.gamma = tf.Variable(tf.ones([size]), name="gamma")

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    return layer_norm(x, self.beta, self.gamma, self.epsilon)


def layer_norm(
  x: tf.Tensor, beta: tf.Tensor, gamma: tf.Tensor, epsilon: float = 1e-12
) -> tf.Tensor:
  """(x - mean) / sqrt(variance + epsilon) * gamma + beta over the last axis.

  Args:
    x: [..., H] of any float type.
    beta: float32 [H].
    gamma: float32 [H].
    epsilon: added to the variance.

  Returns:
    [..., H] of x's type; the arithmetic is float32.
  """
  wide = tf.cast(x, tf.float32)
  centered = wide - tf.reduce_mean(wide, axis=-1, keepdims=True)
  variance = tf.reduce_mean(tf.square(centered), axis=-1, keepdims=True)
  normal = centered * tf.math.rsqrt(variance + epsilon)
  return tf.cast(normal * gamma + beta, x.dtype)


class SelfAttention(tf.Module):
  """Multi-head scaled dot-product attention of a sequence with itself."""

  def __init__(self, config, initializer, precision, name="self"):
    super().__init__(name=name)
    self.config, self.precision = config, precision
    size = config.hidden_size
    with self.name_scope:
      self.query = Dense(size, size, initializer, precision, name="query")
      self.key = Dense(size, size, initializer, precision, name="key")
      self.value = Dense(size, size, initializer, precision, name="value")

  def __call__(self, x, mask_adder, stream):
    """[B * S, H] and mask [B, 1, 1, S] -> [B * S, H]."""
    size, num_heads = self.config.hidden_size, self.config.num_attention_heads
    in_one_pass = self.precision.in_one_pass(size)
    heads = self._heads_in_one_pass if in_one_pass else self._heads
    # Scaled before the product: the query is smaller than the scores.
    scores = self.precision.matmul(
      heads(self.query, x, mask_adder, 1.0 / math.sqrt(size // num_heads)),
      heads(self.key, x, mask_adder),
      transpose_b=True,
    )  # [B, N, S, S]
    # As in the original: padding positions still act as queries; only keys are masked.
    dropout_prob = self.config.attention_probs_dropout_prob
    if in_one_pass:
      dropout_prob, seed = _dropout_arguments(dropout_prob, stream)
      probs = one_pass.attention_probs(scores, mask_adder, dropout_prob, seed)
    else:
      probs = tf.nn.softmax(tf.cast(scores, tf.float32) + mask_adder)
      probs = dropout(probs, dropout_prob, stream)
    # [B, N, S, D]
    context = self.precision.matmul(probs, heads(self.value, x, mask_adder))
    return tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [-1, size])

  def _heads(self, dense, x, mask_adder, factor=1.0):
    """Of one of the three layers, by heads: [B, N, S, D]."""
    batch, _, _, length = get_shape_list(mask_adder)
    values = tf.reshape(
      dense(x) * factor, [batch, length, self.config.num_attention_heads, -1]
    )
    return tf.transpose(values, [0, 2, 1, 3])

  def _heads_in_one_pass(self, dense, x, mask_adder, factor=1.0):
    num_heads = self.config.num_attention_heads
    return one_pass.split_heads(
      dense.product(x),
      dense.bias.read_value(),
      mask_adder,
      num_heads,
      factor,
      self.precision.compute,
    )


def _dropout_arguments(dropout_prob, stream):
  """(probability, seed) for `one_pass`; (0, zeros) for none."""
  if stream is None or not dropout_prob:
    return 0.0, tf.zeros([2], tf.int64)
  return dropout_prob, stream.next_seed()


class ResidualOutput(tf.Module):
  """Dense, dropout, residual, LayerNorm: the scope the original calls `output`."""

  def __init__(self, in_size, config, initializer, precision, name="output"):
    super().__init__(name=name)
    self.dropout_prob = config.hidden_dropout_prob
    with self.name_scope:
      self.dense = Dense(in_size, config.hidden_size, initializer, precision)
      self.layer_norm = LayerNorm(config.hidden_size, config.layer_norm_epsilon)

  def __call__(self, x, residual, stream):
    """[R, in] and [R, H] -> [R, H]."""
    norm = self.layer_norm
    if not self.dense.precision.in_one_pass(norm.gamma.shape[0]):
      return norm(dropout(self.dense(x), self.dropout_prob, stream) + residual)
    return one_pass.residual_norm(
      self.dense.product(x),
      self.dense.bias.read_value(),
      residual,
      norm.beta.read_value(),
      norm.gamma.read_value(),
      norm.epsilon,
      *_dropout_arguments(self.dropout_prob, stream),
    )


class TransformerLayer(tf.Module):
  """One block (A-35). A scope without behaviour of its own is a plain name scope."""

  def __init__(self, config, initializer, precision, name):
    super().__init__(name=name)
    with self.name_scope:
      with tf.name_scope("attention"):
        self.self_attention = SelfAttention(config, initializer, precision)
        self.attention_output = ResidualOutput(
          config.hidden_size, config, initializer, precision
        )
      with tf.name_scope("intermediate"):
        self.intermediate = Dense(
          config.hidden_size,
          config.intermediate_size,
          initializer,
          precision,
          get_activation(config.hidden_act),
        )
      self.output = ResidualOutput(
        config.intermediate_size, config, initializer, precision
      )

  def __call__(self, x, mask_adder, stream):
    """[B * S, H] -> [B * S, H]."""
    context = self.self_attention(x, mask_adder, stream)
    x = self.attention_output(context, x, stream)
    return self.output(self.intermediate(x), x, stream)


class Embeddings(tf.Module):
  """Sum of word, token-type and position vectors, normalized (A-31)."""

  def __init__(self, config, initializer, precision, use_one_hot, name="embeddings"):
    super().__init__(name=name)
    self.config, self.precision, self.use_one_hot = config, precision, use_one_hot

    def table(rows, name):
      return tf.Variable(initializer([rows, config.hidden_size], name), name=name)

    with self.name_scope:
      self.word_embeddings = table(config.vocab_size, "word_embeddings")
      self.token_type_embeddings = table(
        config.type_vocab_size, "token_type_embeddings"
      )
      self.position_embeddings = table(
        config.max_position_embeddings, "position_embeddings"
      )
      self.layer_norm = LayerNorm(config.hidden_size, config.layer_norm_epsilon)

  def __call__(self, input_ids, token_type_ids, stream):
    """int32 [B, S] twice -> [B * S, H]."""
    batch, length = get_shape_list(input_ids, expected_rank=2)
    size, positions = self.config.hidden_size, self.config.max_position_embeddings
    if isinstance(length, int):
      if length > positions:
        raise ValueError(
          f"input_ids has {length} positions, the model {positions} "
          "(max_position_embeddings); shorten the input"
        )
    else:
      tf.debugging.assert_less_equal(
        length, positions, "input_ids has more positions than the model"
      )
    if self.use_one_hot:
      flat = tf.reshape(input_ids, [-1])
      words = tf.matmul(tf.one_hot(flat, self.config.vocab_size), self.word_embeddings)
    else:
      words = tf.gather(self.word_embeddings, tf.reshape(input_ids, [-1]))
    # One-hot on every device: the table is tiny and a gradient of scattered rows is not.
    types = tf.matmul(
      tf.one_hot(tf.reshape(token_type_ids, [-1]), self.config.type_vocab_size),
      self.token_type_embeddings,
    )
    summed = tf.reshape(words + types, [batch, length, size])
    summed = tf.reshape(summed + self.position_embeddings[:length], [-1, size])
    normal = tf.cast(self.layer_norm(summed), self.precision.activation)
    return dropout(normal, self.config.hidden_dropout_prob, stream)


@dataclasses.dataclass(frozen=True)
class BertOutputs:
  """What a model returns for a batch; the original's accessors (A-40).

  Attributes:
    pooled_output: float32 [B, H].
    all_encoder_layers: [B, S, H] for each layer, the last one last.
    embedding_output: [B, S, H], after normalization and dropout.
    embedding_table: the variable [V, H].
  """

  pooled_output: tf.Tensor
  all_encoder_layers: list[tf.Tensor]
  embedding_output: tf.Tensor
  embedding_table: tf.Variable

  def get_pooled_output(self) -> tf.Tensor:
    return self.pooled_output

  def get_sequence_output(self) -> tf.Tensor:
    return self.all_encoder_layers[-1]

  def get_all_encoder_layers(self) -> list[tf.Tensor]:
    return self.all_encoder_layers

  def get_embedding_output(self) -> tf.Tensor:
    return self.embedding_output

  def get_embedding_table(self) -> tf.Variable:
    return self.embedding_table


class BertModel(tf.Module):
  """Encoder and pooler.

  model = BertModel(BertConfig.from_json_file("bert_config.json"))
  outputs = model(input_ids, input_mask, token_type_ids)
  vectors = outputs.get_pooled_output()
  """

  def __init__(
    self,
    config: BertConfig,
    seed: int = 0,
    precision: Precision = Precision(),
    use_one_hot_embeddings: bool = False,
    name: str = "bert",
  ):
    """Creates all variables; their first values depend on `seed`."""
    super().__init__(name=name)
    self.config = copy.deepcopy(config)
    initializer = create_initializer(config.initializer_range, seed)
    with self.name_scope:
      self.embeddings = Embeddings(
        self.config, initializer, precision, use_one_hot_embeddings
      )
      with tf.name_scope("encoder"):
        self.layers = [
          TransformerLayer(self.config, initializer, precision, name=f"layer_{i}")
          for i in range(config.num_hidden_layers)
        ]
      with tf.name_scope("pooler"):
        self.pooler = Dense(
          config.hidden_size, config.hidden_size, initializer, precision, tf.tanh
        )

  def __call__(
    self,
    input_ids: tf.Tensor,
    input_mask: tf.Tensor | None = None,
    token_type_ids: tf.Tensor | None = None,
    is_training: bool = False,
    dropout_stream: DropoutStream | None = None,
  ) -> BertOutputs:
    """Runs the encoder.

    Args:
      input_ids: int32 [B, S].
      input_mask: int32 [B, S], 1 = attend; all ones by default.
      token_type_ids: int32 [B, S]; zeros by default.
      is_training: whether dropout acts.
      dropout_stream: where its random numbers come from.

    Raises:
      ValueError: a tensor of another rank or size, or training with dropout
        without a stream.
    """
    input_ids = tf.convert_to_tensor(input_ids)
    batch, length = get_shape_list(input_ids, expected_rank=2, name="input_ids")
    if input_mask is None:
      input_mask = tf.ones([batch, length], tf.int32)
    if token_type_ids is None:
      token_type_ids = tf.zeros([batch, length], tf.int32)
    input_mask = tf.convert_to_tensor(input_mask)
    token_type_ids = tf.convert_to_tensor(token_type_ids)
    for name, tensor in (
      ("input_mask", input_mask),
      ("token_type_ids", token_type_ids),
    ):
      if not tensor.shape.is_compatible_with(input_ids.shape):
        raise ValueError(
          f"{name} has shape {tensor.shape}, input_ids {input_ids.shape}; expected "
          "the same"
        )
    drops = self.config.hidden_dropout_prob or self.config.attention_probs_dropout_prob
    if is_training and drops and dropout_stream is None:
      raise ValueError(
        "training with dropout needs dropout_stream=DropoutStream(seed, step)"
      )
    stream = dropout_stream if is_training else None

    def rows(x):  # [B * S, H] -> [B, S, H]
      return tf.reshape(x, [batch, length, self.config.hidden_size])

    x = self.embeddings(input_ids, token_type_ids, stream)
    embedding_output = rows(x)
    mask = tf.cast(input_mask[:, tf.newaxis, tf.newaxis, :], tf.float32)
    mask_adder = (1.0 - mask) * -10000.0
    all_layers = []
    for layer in self.layers:
      x = layer(x, mask_adder, stream)
      all_layers.append(rows(x))
    pooled = tf.cast(self.pooler(all_layers[-1][:, 0]), tf.float32)
    return BertOutputs(
      pooled, all_layers, embedding_output, self.embeddings.word_embeddings
    )


def create_attention_mask_from_input_mask(
  from_tensor: tf.Tensor, to_mask: tf.Tensor
) -> tf.Tensor:
  """[B, F, ...] and int [B, T] -> float32 [B, F, T], the same for every query."""
  batch, from_length = get_shape_list(from_tensor)[:2]
  mask = tf.cast(to_mask[:, tf.newaxis, :], tf.float32)
  return tf.broadcast_to(mask, [batch, from_length, get_shape_list(to_mask)[1]])


def get_shape_list(
  tensor: tf.Tensor, expected_rank: int | None = None, name: str | None = None
) -> list:
  """Static sizes where known, scalar tensors where not.

  Raises:
    ValueError: the tensor has another rank; the message names it and its shape.
  """
  if expected_rank is not None:
    assert_rank(tensor, expected_rank, name)
  sizes = tf.shape(tensor)
  return [
    sizes[i] if size is None else size for i, size in enumerate(tensor.shape.as_list())
  ]


def assert_rank(tensor: tf.Tensor, expected_rank: int, name: str | None = None) -> None:
  """Raises ValueError where the tensor has another number of axes (A-41)."""
  if tensor.shape.rank != expected_rank:
    raise ValueError(
      f"{name or 'tensor'} has shape {tensor.shape}; expected {expected_rank} axes"
    )

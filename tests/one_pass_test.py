import math

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import modeling, one_pass

_SEED = tf.constant([3, 1 << 40], tf.int64)


def normals(*shape):
  return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def value_and_gradients(function, arguments, upstream):
  with tf.GradientTape() as tape:
    arguments = [tf.convert_to_tensor(argument) for argument in arguments]
    tape.watch(arguments)
    value = function(*arguments)
  return value, tape.gradient(value, arguments, output_gradients=upstream)


def assert_same(one, other, arguments, upstream, tolerance=2e-5):
  """Equal values and gradients of two functions of the arguments."""
  for actual, expected in zip(
    tf.nest.flatten(value_and_gradients(one, arguments, upstream)),
    tf.nest.flatten(value_and_gradients(other, arguments, upstream)),
    strict=True,
  ):
    assert actual.dtype == expected.dtype
    actual, expected = (tf.cast(x, tf.float32) for x in (actual, expected))
    np.testing.assert_allclose(actual, expected, tolerance, tolerance)


class TestKeepFactor:
  def factor(self, shape, prob=0.5, seed=_SEED):
    return one_pass.keep_factor(tf.constant(shape), prob, seed).numpy()

  @pytest.mark.parametrize("prob", [0.01, 0.1, 0.5])
  def test_drops_the_stated_share(self, prob):
    dropped = (self.factor([1000, 1000], prob) == 0).mean()
    assert abs(dropped - prob) < 4 * math.sqrt(prob * (1 - prob) / 1e6)

  def test_keeps_the_expectation(self):
    values = self.factor([1000], 0.1)
    np.testing.assert_allclose(values[values != 0], 1 / 0.9, rtol=1e-6)

  def test_is_the_same_in_a_compiled_function(self):
    compiled = tf.function(
      lambda: one_pass.keep_factor(tf.constant([70, 3]), 0.3, _SEED), jit_compile=True
    )
    np.testing.assert_array_equal(compiled(), self.factor([70, 3], 0.3))

  @pytest.mark.parametrize("distance", [1, 2, 3, 64, 768, 1024])
  def test_elements_are_independent_of_those_at_a_distance(self, distance):
    kept = (self.factor([1 << 20]) != 0).astype(np.float64) - 0.5
    correlation = 4 * (kept[:-distance] * kept[distance:]).mean()
    assert abs(correlation) < 5 / 1024

  @pytest.mark.parametrize(
    "other", [[4, 1 << 40], [3, (1 << 40) + 1], [3, 0], [1 << 40, 3], [-3, 1 << 40]]
  )
  def test_seeds_are_independent(self, other):
    first = self.factor([1 << 20]) != 0
    second = self.factor([1 << 20], seed=tf.constant(other, tf.int64)) != 0
    assert abs((first == second).mean() - 0.5) < 2.5 / 1024

  def test_counts_of_rows_spread_as_independent_draws_do(self):
    counts = (self.factor([4096, 256], 0.1) == 0).sum(axis=1)
    # The variance of 4,096 draws varies by 2.2%.
    assert abs(counts.var() / (256 * 0.1 * 0.9) - 1) < 0.1

  def test_counts_of_seeds_spread_as_independent_draws_do(self):
    counts = [
      (self.factor([256], 0.1, tf.constant([7, step], tf.int64)) == 0).sum()
      for step in range(600)
    ]
    assert abs(np.var(counts) / (256 * 0.1 * 0.9) - 1) < 0.25


class TestActivation:
  @pytest.mark.parametrize("function", [modeling.gelu, modeling.gelu_erf])
  def test_equals_the_plain_activation_of_the_sum(self, function):
    arguments = normals(6, 10), normals(10)
    assert_same(
      lambda product, bias: modeling._COMPILED[function](product, bias, tf.float32),
      lambda product, bias: function(product + bias),
      arguments,
      normals(10, 6).T,
    )


class TestSplitHeads:
  def test_equals_bias_factor_and_transposition(self):
    def plain(product, bias):
      values = tf.reshape((product + bias) * 0.3, [2, 3, 5, 4])
      return tf.transpose(values, [0, 2, 1, 3])

    assert_same(
      lambda product, bias: one_pass.split_heads(
        product, bias, tf.zeros([2, 1, 1, 3]), 5, 0.3, tf.float32
      ),
      plain,
      (normals(6, 20), normals(20)),
      normals(2, 5, 3, 4),
    )


class TestAttentionProbs:
  @pytest.mark.parametrize("prob", [0.0, 0.3])
  def test_equals_softmax_and_dropout(self, prob):
    mask = np.zeros([2, 1, 1, 5], np.float32)
    mask[1, ..., 3:] = -10000

    def plain(scores):
      factor = one_pass.keep_factor(tf.shape(scores), prob, _SEED)
      return tf.nn.softmax(scores + mask) * factor

    assert_same(
      lambda scores: one_pass.attention_probs(scores, mask, prob, _SEED),
      plain,
      (normals(2, 3, 5, 5),),
      normals(3, 2, 5, 5).reshape(2, 3, 5, 5),
    )


class TestResidualNorm:
  @pytest.mark.parametrize("prob", [0.0, 0.3])
  def test_equals_dropout_sum_and_norm(self, prob):
    def plain(product, bias, residual, beta, gamma):
      factor = one_pass.keep_factor(tf.shape(product), prob, _SEED)
      x = (product + bias) * factor + residual
      return modeling.layer_norm(x, beta, gamma, 1e-3)

    assert_same(
      lambda *arguments: one_pass.residual_norm(*arguments, 1e-3, prob, _SEED),
      plain,
      (normals(6, 10), normals(10), normals(10, 6).T, normals(10) + 1, normals(10)),
      normals(6, 10) ** 2,
    )

  def test_gradients_have_the_types_of_their_arguments(self):
    arguments = (
      tf.cast(normals(6, 10), tf.bfloat16),
      normals(10),
      normals(6, 10),
      normals(10),
      normals(10),
    )
    value, gradients = value_and_gradients(
      lambda *tensors: one_pass.residual_norm(*tensors, 1e-3, 0.1, _SEED),
      arguments,
      normals(6, 10),
    )
    assert value.dtype == tf.float32
    assert [gradient.dtype for gradient in gradients] == [
      tf.bfloat16,
      *[tf.float32] * 4,
    ]


class TestIsWorthIt:
  @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
  def test_a_wide_model_computes_what_a_narrow_one_would(self, monkeypatch, precision):
    config = modeling.BertConfig(
      vocab_size=30,
      hidden_size=256,
      num_hidden_layers=2,
      num_attention_heads=4,
      intermediate_size=512,
      max_position_embeddings=16,
    )
    model = modeling.BertModel(config, 1, modeling.Precision.from_name(precision))
    ids = np.random.default_rng(1).integers(0, 30, [3, 7], np.int32)
    mask = np.array([[1] * 7, [1] * 4 + [0] * 3, [1] * 6 + [0]], np.int32)

    def outputs(is_wide):
      monkeypatch.setattr(one_pass, "is_worth_it", lambda width: is_wide)
      with tf.GradientTape() as tape:
        stream = modeling.DropoutStream(5, 9)
        arguments = {"is_training": True, "dropout_stream": stream}
        output = model(ids, mask, **arguments).get_sequence_output()
        loss = tf.reduce_sum(output * normals(3, 7, 256))
      used = [v for v in model.trainable_variables if "pooler" not in v.name]
      return output, tape.gradient(loss, used)

    for wide, narrow in zip(
      tf.nest.flatten(outputs(True)), tf.nest.flatten(outputs(False)), strict=True
    ):
      wide, narrow = (tf.convert_to_tensor(x) for x in (wide, narrow))
      tolerance = 1e-4 if precision == "float32" else 0.05
      scale = max(float(tf.reduce_max(tf.abs(narrow))), 1e-2)
      np.testing.assert_allclose(wide / scale, narrow / scale, atol=tolerance)


class TestCrossEntropy:
  labels = tf.constant([4, 0, 2, 2, 1, 0])

  def plain(self, product, bias):
    logits = tf.cast(product, tf.float32) + bias
    return tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, logits)

  def in_one_pass(self, product, bias):
    return one_pass.cross_entropy(product, bias, self.labels)

  @pytest.mark.parametrize(
    ("dtype", "tolerance"), [(tf.float32, 2e-6), (tf.bfloat16, 2**-8)]
  )
  def test_equals_the_plain_function_with_its_gradients(self, dtype, tolerance):
    arguments = tf.cast(normals(6, 5), dtype), normals(5)
    assert_same(self.in_one_pass, self.plain, arguments, normals(6), tolerance)

  def test_large_logits_neither_overflow_nor_vanish(self):
    product = tf.constant(1e4 * normals(6, 5))
    assert_same(self.in_one_pass, self.plain, (product, normals(5)), normals(6))

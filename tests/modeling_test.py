"""The encoder against the original's stored numbers, numpy and invariants.

Sizes: B=2 rows, S=5 positions, H=8 hidden, N=2 heads, I=12, V=37, T=3, P=16.
"""

import math

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import checkpoint, modeling

SIZES = {
  "vocab_size": 37,
  "hidden_size": 8,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "intermediate_size": 12,
  "max_position_embeddings": 16,
  "type_vocab_size": 3,
}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def tiny_config(**changes):
  return modeling.BertConfig(**{**SIZES, **changes})


def tiny_inputs(batch=2, length=5, seed=3):
  rng = np.random.default_rng(seed)
  return {
    "input_ids": rng.integers(0, 37, [batch, length], np.int32),
    "input_mask": np.int32([[1] * length] + [[1] * (length - 2) + [0] * 2])[:batch],
    "token_type_ids": rng.integers(0, 3, [batch, length], np.int32),
  }


def perturbed(model, scale=0.3, seed=5):
  """Moves every weight, so that zeros and ones of a fresh model hide nothing."""
  rng = np.random.default_rng(seed)
  for variable in checkpoint.named_variables(model).values():
    variable.assign_add(rng.normal(0, scale, variable.shape).astype(np.float32))
  return model


def golden_bert(golden_model, **options):
  model = modeling.BertModel(
    modeling.BertConfig.from_json_file(golden_model.config_file), **options
  )
  variables = checkpoint.named_variables(model)
  loaded = checkpoint.init_from_checkpoint(golden_model.init_checkpoint, variables)
  assert loaded == set(variables)
  return model


def golden_inputs(golden_model):
  arrays = golden_model.arrays("inputs")
  return [arrays[name] for name in ("input_ids", "input_mask", "segment_ids")]


def normals(*shape, seed=7):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class TestActivations:
  x = np.linspace(-6, 6, 241)

  def tanh_form(self, x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

  def test_gelu_is_the_tanh_form(self):
    actual = modeling.gelu(tf.constant(self.x, tf.float32))
    np.testing.assert_allclose(actual, self.tanh_form(self.x), atol=1e-6)

  def test_gelu_erf_is_the_exact_form(self):
    exact = [x * 0.5 * math.erfc(-x / math.sqrt(2)) for x in self.x]
    actual = modeling.gelu_erf(tf.constant(self.x, tf.float32))
    np.testing.assert_allclose(actual, exact, atol=1e-6)

  def test_gradient_of_gelu_is_that_of_differences_in_float64(self):
    x, h = tf.constant(self.x, tf.float64), 1e-5
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = modeling.gelu(x)
    slope = (self.tanh_form(self.x + h) - self.tanh_form(self.x - h)) / (2 * h)
    np.testing.assert_allclose(tape.gradient(y, x), slope, atol=1e-9)

  @pytest.mark.parametrize("width", [7, 1027])
  def test_gelu_and_its_gradient_equal_those_of_the_plain_formula(self, width):
    x = tf.constant(normals(3, width) * 3)
    upstream = tf.constant(normals(3, width, seed=8))

    def plain(x):
      return 0.5 * x * (1 + tf.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

    values, gradients = [], []
    for function in (modeling.gelu, plain):
      with tf.GradientTape() as tape:
        tape.watch(x)
        values.append(function(x))
      gradients.append(tape.gradient(values[-1], x, upstream))
    np.testing.assert_allclose(*values, atol=1e-6)
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-5)

  @pytest.mark.parametrize("far", [-60.0, 60.0])
  def test_gradient_of_gelu_is_finite_far_from_zero(self, far):
    x = tf.constant(far)
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = modeling.gelu(x)
    assert float(tape.gradient(y, x)) == float(far > 0)

  @pytest.mark.parametrize("name", ["relu", "RELU", "Tanh", "gelu", "GELU", "gelu_erf"])
  def test_names_are_known_in_any_case(self, name):
    plain = {"relu": tf.nn.relu, "tanh": tf.tanh, "gelu": modeling.gelu}
    expected = plain.get(name.lower(), modeling.gelu_erf)
    assert modeling.get_activation(name) is expected

  @pytest.mark.parametrize("name", ["gelu_new", "gelu_tanh", "gelu_pytorch_tanh"])
  def test_other_names_of_the_tanh_form(self, name):
    assert modeling.get_activation(name) is modeling.gelu

  @pytest.mark.parametrize("name", [None, "", "linear", "LINEAR"])
  def test_linear_is_no_activation(self, name):
    assert modeling.get_activation(name) is None

  def test_a_callable_passes_through(self):
    assert modeling.get_activation(tf.nn.elu) is tf.nn.elu

  @pytest.mark.parametrize("name", ["swish", 3])
  def test_an_unknown_one_raises(self, name):
    with pytest.raises(ValueError, match=f"hidden_act {name!r} is not known"):
      modeling.get_activation(name)


class TestLayerNorm:
  def test_equals_numpy_in_float64(self):
    x, beta, gamma = normals(2, 5, 8) * 4 + 3, normals(8, seed=1), normals(8, seed=2)
    wide = x.astype(np.float64)
    centered = wide - wide.mean(-1, keepdims=True)
    expected = centered / np.sqrt(wide.var(-1, keepdims=True) + 1e-12) * gamma + beta
    np.testing.assert_allclose(modeling.layer_norm(x, beta, gamma), expected, atol=2e-5)

  def test_epsilon_is_added_to_the_variance(self):
    x = tf.constant([[1.0, -1.0]])
    actual = modeling.layer_norm(x, tf.zeros(2), tf.ones(2), epsilon=3.0)
    np.testing.assert_allclose(actual, [[0.5, -0.5]], rtol=1e-6)

  def test_a_constant_row_becomes_beta(self):
    beta = normals(8)
    actual = modeling.layer_norm(tf.fill([3, 8], 2.5), beta, tf.ones(8))
    np.testing.assert_array_equal(actual, np.tile(beta, [3, 1]))

  def test_low_precision_input_is_normalized_in_float32(self):
    x = tf.cast(300 + 2 * normals(4, 8), tf.bfloat16)
    narrow = modeling.layer_norm(x, tf.zeros(8), tf.ones(8))
    wide = modeling.layer_norm(tf.cast(x, tf.float32), tf.zeros(8), tf.ones(8))
    assert narrow.dtype == tf.bfloat16
    np.testing.assert_array_equal(narrow, tf.cast(wide, tf.bfloat16))

  def test_starts_as_plain_normalization(self):
    layer = modeling.LayerNorm(8)
    assert layer.epsilon == 1e-12
    np.testing.assert_array_equal(layer.beta, np.zeros(8))
    np.testing.assert_array_equal(layer.gamma, np.ones(8))


class TestDropout:
  def test_drops_the_stated_share(self):
    count = 200_000
    kept = modeling.dropout(tf.ones([count]), 0.1, modeling.DropoutStream(3)).numpy()
    deviation = math.sqrt(0.1 * 0.9 * count)
    assert abs((kept == 0).sum() - 0.1 * count) < 5 * deviation

  def test_neighbours_are_dropped_independently(self):
    kept = modeling.dropout(tf.ones([100_000]), 0.5, modeling.DropoutStream(5)).numpy()
    both = ((kept[1:] == 0) & (kept[:-1] == 0)).mean()
    assert abs(both - 0.25) < 0.01

  def test_keeps_the_expectation(self):
    kept = modeling.dropout(tf.ones([1000]), 0.1, modeling.DropoutStream(3)).numpy()
    np.testing.assert_allclose(kept[kept != 0], 1 / 0.9, rtol=1e-6)

  @pytest.mark.parametrize("shape", [[1], [3], [5], [3, 7], [2, 1, 9], [0], [2, 0]])
  def test_takes_any_shape(self, shape):
    kept = modeling.dropout(tf.ones(shape), 0.5, modeling.DropoutStream(2))
    assert kept.shape == shape
    assert set(np.unique(kept)) <= {0.0, 2.0}

  @pytest.mark.parametrize("prob", [None, 0, 0.0])
  def test_no_probability_is_the_identity(self, prob):
    x = tf.constant(normals(3, 7))
    assert modeling.dropout(x, prob, modeling.DropoutStream(1)) is x

  def test_no_stream_is_the_identity(self):
    x = tf.constant(normals(3, 7))
    assert modeling.dropout(x, 0.5, None) is x

  def masks(self, stream, calls=1):
    return [
      tuple(modeling.dropout(tf.ones([64]), 0.5, stream).numpy()) for _ in range(calls)
    ]

  def test_same_seed_step_and_call_drop_the_same(self):
    first, second = (self.masks(modeling.DropoutStream(7, 11), 3) for _ in range(2))
    assert first == second

  def test_another_seed_step_or_call_drops_others(self):
    streams = [modeling.DropoutStream(seed, step) for seed in (7, 8) for step in (0, 1)]
    masks = [mask for stream in streams for mask in self.masks(stream, 2)]
    assert len(set(masks)) == len(masks) == 8

  def test_step_may_be_a_tensor(self):
    traced = tf.function(
      lambda step: modeling.dropout(tf.ones([64]), 0.5, modeling.DropoutStream(7, step))
    )
    of_tensor = tuple(traced(tf.constant(11, tf.int64)).numpy())
    assert [of_tensor] == self.masks(modeling.DropoutStream(7, 11))

  @pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
  def test_gradient_uses_the_same_mask(self, dtype):
    x = tf.cast(tf.constant(normals(5, 7) + 10), dtype)
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = modeling.dropout(x, 0.5, modeling.DropoutStream(2))
    np.testing.assert_array_equal(tape.gradient(y, x), tf.where(y != 0, 2.0, 0.0))


class TestCreateInitializer:
  def values(self, name="kernel", scope="layer", seed=0, stddev=0.02, shape=(50, 40)):
    with tf.name_scope(scope):
      return modeling.create_initializer(stddev, seed)(shape, name).numpy()

  def test_same_seed_and_name_give_the_same_weights(self):
    np.testing.assert_array_equal(self.values(), self.values())

  @pytest.mark.parametrize("other", [{"name": "k"}, {"scope": "top"}, {"seed": 1}])
  def test_another_seed_or_name_gives_others(self, other):
    assert not np.any(self.values() == self.values(**other))

  def test_is_normal_cut_at_two_deviations(self):
    values = self.values(stddev=0.5, shape=(300, 200)) / 0.5
    assert np.abs(values).max() <= 2
    assert np.abs(values).max() > 1.99
    # Deviation of a standard normal cut at 2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    deviation = math.sqrt(1 - 4 * density / math.erf(math.sqrt(2)))
    assert abs(values.std() - deviation) < 0.01
    assert abs(values.mean()) < 0.02


class TestPrecision:
  def test_products_of_float32_by_default(self):
    assert modeling.Precision() == modeling.Precision.from_name("float32")

  @pytest.mark.parametrize("name", ["bfloat16", "float16"])
  def test_activations_stay_float32_on_cpu_alone(self, name):
    on_cpu = modeling.Precision.from_name(name, on_cpu=True)
    elsewhere = modeling.Precision.from_name(name, on_cpu=False)
    assert (on_cpu.compute, on_cpu.activation) == (tf.as_dtype(name), tf.float32)
    assert (elsewhere.compute, elsewhere.activation) == (tf.as_dtype(name),) * 2

  def test_an_unknown_name_raises(self):
    with pytest.raises(ValueError, match="precision 'fp8' .* bfloat16 or float16"):
      modeling.Precision.from_name("fp8")

  @pytest.mark.parametrize("on_cpu", [True, False])
  def test_bfloat16_is_close_to_float32(self, golden_model, on_cpu):
    precision = modeling.Precision.from_name("bfloat16", on_cpu)
    outputs = golden_bert(golden_model, precision=precision)(
      *golden_inputs(golden_model)
    )
    expected = golden_model.arrays("pretraining_outputs")["pooled_output"]
    error = np.abs(outputs.get_pooled_output() - expected).max()
    assert 0 < error < 0.03
    assert outputs.get_pooled_output().dtype == tf.float32
    assert outputs.get_sequence_output().dtype == precision.activation

  def test_variables_and_gradients_stay_float32(self):
    model = modeling.BertModel(
      tiny_config(), precision=modeling.Precision.from_name("bfloat16", False)
    )
    variables = checkpoint.named_variables(model)
    with tf.GradientTape() as tape:
      loss = tf.reduce_sum(model(**tiny_inputs()).get_pooled_output())
    gradients = tape.gradient(loss, list(variables.values()))
    assert {v.dtype for v in variables.values()} == {tf.float32}
    assert {gradient.dtype for gradient in gradients} == {tf.float32}


class TestBertModel:
  def test_names_order_and_shapes_are_the_originals(self, golden_model):
    model = modeling.BertModel(
      modeling.BertConfig.from_json_file(golden_model.config_file)
    )
    variables = checkpoint.named_variables(model)
    encoder = [
      pair for pair in golden_model.variable_shapes() if pair[0].startswith("bert/")
    ]
    assert [(n, tuple(v.shape)) for n, v in variables.items()] == encoder

  @pytest.mark.parametrize("traced", [False, True], ids=["eager", "unknown_sizes"])
  @pytest.mark.parametrize("one_hot", [False, True], ids=["gather", "one_hot"])
  def test_activations_are_the_originals(self, golden_model, traced, one_hot):
    model = golden_bert(golden_model, use_one_hot_embeddings=one_hot)

    def named(*inputs):
      outputs = model(*inputs)
      layers = outputs.get_all_encoder_layers()
      return {
        "embedding_output": outputs.get_embedding_output(),
        "sequence_output": outputs.get_sequence_output(),
        "pooled_output": outputs.get_pooled_output(),
        **{f"encoder_layer_{i}": layer for i, layer in enumerate(layers)},
      }

    if traced:
      unknown = tf.TensorSpec([None, None], tf.int32)
      named = tf.function(named, input_signature=[unknown] * 3)
    expected = golden_model.arrays("pretraining_outputs")
    actual = named(*golden_inputs(golden_model))
    assert len(actual) == 5
    for name, value in actual.items():
      np.testing.assert_allclose(
        value, expected[name], rtol=1e-4, atol=1e-5, err_msg=name
      )

  def test_embedding_table_is_the_variable(self):
    model = modeling.BertModel(tiny_config())
    table = model(**tiny_inputs()).get_embedding_table()
    assert table is model.embeddings.word_embeddings
    assert table.shape == [37, 8]

  def test_mask_and_types_default_to_ones_and_zeros(self):
    model = perturbed(modeling.BertModel(tiny_config()))
    ids = tiny_inputs()["input_ids"]
    explicit = model(ids, np.ones_like(ids), np.zeros_like(ids))
    np.testing.assert_array_equal(
      model(ids).get_sequence_output(), explicit.get_sequence_output()
    )

  def test_masked_keys_have_no_effect_on_the_rest(self):
    model = perturbed(modeling.BertModel(tiny_config()))
    inputs = tiny_inputs()
    before = model(**inputs).get_sequence_output()
    inputs["input_ids"][1, 3:] = (inputs["input_ids"][1, 3:] + 5) % 37
    after = model(**inputs).get_sequence_output()
    np.testing.assert_array_equal(before[1, :3], after[1, :3])
    assert np.abs(before[1, 3:] - after[1, 3:]).min(axis=-1).max() > 1e-3

  def test_masked_positions_still_ask(self):
    model = perturbed(modeling.BertModel(tiny_config()))
    inputs = tiny_inputs()
    before = model(**inputs).get_sequence_output()[1, 4]
    inputs["input_ids"][1, 0] = (inputs["input_ids"][1, 0] + 5) % 37
    after = model(**inputs).get_sequence_output()[1, 4]
    assert np.abs(before - after).max() > 1e-4

  def test_padding_does_not_change_a_row(self):
    model = perturbed(modeling.BertModel(tiny_config()))
    inputs = tiny_inputs(batch=1)
    short = model(**inputs)
    long = model(**{name: np.pad(v, [(0, 0), (0, 6)]) for name, v in inputs.items()})
    np.testing.assert_allclose(
      long.get_sequence_output()[:, :5], short.get_sequence_output(), atol=1e-5
    )

  def test_attention_is_scaled_by_the_root_of_the_head_size(self):
    attention = modeling.BertModel(tiny_config()).layers[0].self_attention
    perturbed(attention)
    x = normals(2 * 5, 8)
    adder = np.zeros([2, 1, 1, 5], np.float32)
    adder[1, :, :, 3:] = -10000.0
    q, k, v = (
      (x @ dense.kernel.numpy() + dense.bias.numpy()).reshape(2, 5, 2, 4)
      for dense in (attention.query, attention.key, attention.value)
    )
    expected = np.zeros([2, 5, 2, 4])
    for b, n in np.ndindex(2, 2):
      scores = q[b, :, n] @ k[b, :, n].T / math.sqrt(4) + adder[b, 0]
      weights = np.exp(scores - scores.max(-1, keepdims=True))
      expected[b, :, n] = weights / weights.sum(-1, keepdims=True) @ v[b, :, n]
    actual = attention(tf.constant(x), tf.constant(adder), None)
    np.testing.assert_allclose(actual, expected.reshape(10, 8), atol=1e-5)

  def test_dropout_acts_in_training_alone(self):
    model = perturbed(modeling.BertModel(tiny_config()))
    stream = modeling.DropoutStream(1)
    evaluated = model(**tiny_inputs(), dropout_stream=stream).get_pooled_output()
    trained = model(
      **tiny_inputs(), is_training=True, dropout_stream=stream
    ).get_pooled_output()
    np.testing.assert_array_equal(evaluated, model(**tiny_inputs()).get_pooled_output())
    assert np.abs(trained - evaluated).max() > 1e-3

  def test_each_of_the_dropouts_draws_its_own_numbers(self):
    drawn = []

    class Spy(modeling.DropoutStream):
      def next_seed(self):
        drawn.append(tuple(super().next_seed().numpy()))
        return tf.constant(drawn[-1], tf.int64)

    modeling.BertModel(tiny_config())(
      **tiny_inputs(), is_training=True, dropout_stream=Spy(9, 2)
    )
    # Embeddings, and probabilities and two outputs of each of the two layers.
    assert len(set(drawn)) == len(drawn) == 1 + 2 * 3

  def test_training_with_dropout_needs_a_stream(self):
    with pytest.raises(ValueError, match=r"needs dropout_stream=DropoutStream"):
      modeling.BertModel(tiny_config())(**tiny_inputs(), is_training=True)

  def test_training_without_dropout_needs_none(self):
    model = modeling.BertModel(tiny_config(**NO_DROPOUT))
    trained = model(**tiny_inputs(), is_training=True).get_pooled_output()
    np.testing.assert_array_equal(trained, model(**tiny_inputs()).get_pooled_output())

  def test_the_config_is_copied(self):
    config = tiny_config()
    model = modeling.BertModel(config)
    config.hidden_dropout_prob = 0.9
    assert model.config.hidden_dropout_prob == 0.1

  def test_first_weights_depend_on_seed_and_name(self):
    first, same, other = (
      checkpoint.named_variables(modeling.BertModel(tiny_config(), seed))
      for seed in (4, 4, 5)
    )
    kernels = [n for n in first if n.endswith(("kernel", "embeddings"))]
    assert len(kernels) == 3 + 2 * 6 + 1
    for name in kernels:
      np.testing.assert_array_equal(first[name], same[name])
      assert not np.any(first[name].numpy() == other[name].numpy())
    squares = [first[n].numpy() for n in kernels if first[n].shape == [8, 8]]
    assert len({kernel.tobytes() for kernel in squares}) == len(squares)

  def test_first_biases_are_zero_and_gammas_one(self):
    variables = checkpoint.named_variables(modeling.BertModel(tiny_config()))
    for name, variable in variables.items():
      if name.endswith(("bias", "beta", "gamma")):
        expected = float(name.endswith("gamma"))
        np.testing.assert_array_equal(variable, np.full(variable.shape, expected))

  def test_second_instance_loads_what_the_first_saved(self, tmp_path):
    first = perturbed(modeling.BertModel(tiny_config()))
    prefix = str(tmp_path / "bert_model.ckpt")
    checkpoint.save(prefix, checkpoint.named_variables(first))
    second = modeling.BertModel(tiny_config(), seed=1)
    checkpoint.restore(prefix, checkpoint.named_variables(second))
    np.testing.assert_array_equal(
      first(**tiny_inputs()).get_sequence_output(),
      second(**tiny_inputs()).get_sequence_output(),
    )

  def test_names_are_the_same_under_a_mirrored_strategy(self):
    plain = checkpoint.named_variables(modeling.BertModel(tiny_config()))
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
      mirrored = checkpoint.named_variables(modeling.BertModel(tiny_config()))
    assert list(mirrored) == list(plain)
    for name, variable in mirrored.items():
      np.testing.assert_array_equal(variable.numpy(), plain[name])

  def test_an_outer_name_scope_is_kept_out_by_an_empty_one(self):
    plain = checkpoint.named_variables(modeling.BertModel(tiny_config()))
    with tf.name_scope("outer"), tf.name_scope(""):
      inside = checkpoint.named_variables(modeling.BertModel(tiny_config()))
    assert list(inside) == list(plain)
    np.testing.assert_array_equal(
      inside["bert/pooler/dense/kernel"], plain["bert/pooler/dense/kernel"]
    )

  def test_a_call_creates_no_variable(self):
    model = modeling.BertModel(tiny_config())
    before = set(map(id, model.variables))
    with tf.device("CPU:0"):
      model(**tiny_inputs())
    assert set(map(id, model.variables)) == before

  def test_an_input_longer_than_the_table_raises(self):
    with pytest.raises(ValueError, match=r"input_ids has 17 positions, the model 16"):
      modeling.BertModel(tiny_config())(np.zeros([2, 17], np.int32))

  def test_an_input_longer_than_the_table_raises_where_sizes_are_unknown(self):
    model = modeling.BertModel(tiny_config())
    spec = tf.TensorSpec([None, None], tf.int32)
    traced = tf.function(lambda ids: model(ids).pooled_output, input_signature=[spec])
    with pytest.raises(tf.errors.InvalidArgumentError):
      traced(np.zeros([2, 17], np.int32))

  def test_an_input_as_long_as_the_table_is_taken(self):
    outputs = modeling.BertModel(tiny_config())(np.zeros([1, 16], np.int32))
    assert outputs.get_sequence_output().shape == [1, 16, 8]

  def test_another_rank_is_named(self):
    with pytest.raises(ValueError, match=r"input_ids has shape \(5,\); expected 2"):
      modeling.BertModel(tiny_config())(np.zeros([5], np.int32))

  @pytest.mark.parametrize("name", ["input_mask", "token_type_ids"])
  def test_another_width_is_named(self, name):
    inputs = {**tiny_inputs(), name: np.zeros([2, 4], np.int32)}
    with pytest.raises(
      ValueError, match=rf"{name} has shape \(2, 4\), input_ids \(2, 5\)"
    ):
      modeling.BertModel(tiny_config())(**inputs)


class TestShapeHelpers:
  def test_known_sizes_are_numbers(self):
    assert modeling.get_shape_list(tf.zeros([2, 5])) == [2, 5]

  def test_unknown_sizes_are_tensors(self):
    @tf.function(input_signature=[tf.TensorSpec([None, 5])])
    def sizes(x):
      batch, length = modeling.get_shape_list(x)
      assert length == 5
      return batch

    assert int(sizes(tf.zeros([2, 5]))) == 2

  def test_another_rank_raises_with_name_and_shape(self):
    with pytest.raises(ValueError, match=r"logits has shape \(2, 5\); expected 3 axes"):
      modeling.get_shape_list(tf.zeros([2, 5]), expected_rank=3, name="logits")

  def test_attention_mask_repeats_the_keys_for_every_query(self):
    keys = np.int32([[1, 1, 0, 1], [1, 0, 0, 0]])
    mask = modeling.create_attention_mask_from_input_mask(
      tf.zeros([2, 3, 8]), tf.constant(keys)
    )
    expected = np.repeat(keys[:, np.newaxis].astype(np.float32), 3, axis=1)
    np.testing.assert_array_equal(mask, expected)

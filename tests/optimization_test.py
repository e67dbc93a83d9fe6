"""Updates against numpy, the published formula and the original's trajectories."""

import math

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import checkpoint, heads, losses, modeling, optimization


def variables_of(**arrays):
  """{name: variable}; `__` in a keyword stands for a slash."""
  return {
    name.replace("__", "/"): tf.Variable(tf.constant(value, tf.float32))
    for name, value in arrays.items()
  }


def built(variables, *args, **options):
  optimizer = optimization.AdamWeightDecayOptimizer(*args, **options)
  optimizer.build(variables)
  return optimizer


def snapshot(*groups):
  return [
    {name: value.numpy().copy() for name, value in group.items()} for group in groups
  ]


class NumpyAdam:
  """A-56 and A-59 in float64; one rate and decay a variable."""

  def __init__(self, weights, decay=0.0, clip_norm=None):
    self.weights = {n: np.float64(w) for n, w in weights.items()}
    self.m = {n: np.zeros_like(w) for n, w in self.weights.items()}
    self.v = {n: np.zeros_like(w) for n, w in self.weights.items()}
    self.decay, self.clip_norm = decay, clip_norm

  def update(self, gradients, rate, undecayed=()):
    norm = math.sqrt(sum(np.sum(np.float64(g) ** 2) for g in gradients.values()))
    factor = 1.0 if self.clip_norm is None else min(1.0, self.clip_norm / norm)
    for name, gradient in gradients.items():
      g = np.float64(gradient) * factor
      self.m[name] = 0.9 * self.m[name] + 0.1 * g
      self.v[name] = 0.999 * self.v[name] + 0.001 * g**2
      u = self.m[name] / (np.sqrt(self.v[name]) + 1e-6)
      if name not in undecayed:
        u = u + self.decay * self.weights[name]
      self.weights[name] = self.weights[name] - rate * u

  def assert_equals(self, optimizer, variables):
    # Computed in float32, 1 - 0.999 is off by 1.3e-5 of itself.
    for name, variable in variables.items():
      m, v = optimizer.slots[name]
      np.testing.assert_allclose(variable, self.weights[name], rtol=1e-5, atol=1e-5)
      np.testing.assert_allclose(m, self.m[name], rtol=1e-5, atol=1e-7)
      np.testing.assert_allclose(v, self.v[name], rtol=2e-5, atol=1e-9)


class TestLearningRateAt:
  peak, steps, warmup = 0.02, 50, 20

  def rate(self, step, warmup=None, lr_schedule="linear"):
    step = tf.constant(step, tf.int64)
    warmup = self.warmup if warmup is None else warmup
    return float(
      optimization.learning_rate_at(step, self.peak, self.steps, warmup, lr_schedule)
    )

  @pytest.mark.parametrize(
    ("step", "expected"),
    [
      (0, 0.0),
      (1, 0.02 * 1 / 20),
      (19, 0.02 * 19 / 20),
      # The drop onto the line of the decay, which starts at step 0.
      (20, 0.02 * (1 - 20 / 50)),
      (49, 0.02 * (1 - 49 / 50)),
      (50, 0.0),
      (51, 0.0),
      (1000, 0.0),
    ],
  )
  def test_linear_warm_up_and_decay(self, step, expected):
    assert self.rate(step) == pytest.approx(expected, rel=1e-5, abs=1e-12)

  def test_without_warm_up_the_first_rate_is_the_peak(self):
    assert self.rate(0, warmup=0) == pytest.approx(0.02)

  @pytest.mark.parametrize(("step", "share"), [(0, 0), (5, 0.25), (20, 1), (500, 1)])
  def test_constant_after_the_warm_up(self, step, share):
    rate = self.rate(step, lr_schedule="constant")
    assert rate == pytest.approx(0.02 * share)

  def test_an_unknown_schedule_raises(self):
    with pytest.raises(ValueError, match="'cosine' is not known: linear or constant"):
      self.rate(3, lr_schedule="cosine")


class TestLayerwiseMultiplier:
  @pytest.mark.parametrize(
    ("name", "power"),
    [
      ("output_weights", 0),
      ("cls/predictions/output_bias", 0),
      ("bert/pooler/dense/kernel", 1),
      ("bert/encoder/layer_11/output/dense/bias", 1),
      ("bert/encoder/layer_10/attention/self/query/kernel", 2),
      ("bert/encoder/layer_0/output/LayerNorm/gamma", 12),
      ("bert/embeddings/word_embeddings", 13),
      ("bert/embeddings/LayerNorm/beta", 13),
    ],
  )
  def test_each_layer_down_is_slower(self, name, power):
    multiplier = optimization.layerwise_multiplier(0.9, num_hidden_layers=12)
    assert multiplier(name) == pytest.approx(0.9**power)

  def test_the_update_is_multiplied_and_so_is_the_decay(self):
    variables = variables_of(bert__embeddings__word_embeddings=[1.0], top=[1.0])
    optimizer = built(
      variables,
      0.1,
      weight_decay_rate=0.5,
      rate_multiplier=optimization.layerwise_multiplier(0.5, num_hidden_layers=2),
    )
    optimizer.apply_gradients([tf.constant([2.0]), tf.constant([2.0])], variables)
    low, top = (1.0 - float(variable[0]) for variable in variables.values())
    assert low == pytest.approx(top * 0.5**3, rel=1e-5)


class TestAdamWeightDecayOptimizer:
  def weights(self, seed=0):
    rng = np.random.default_rng(seed)
    return {
      "dense/kernel": rng.normal(size=[3, 4]),
      "dense/bias": rng.normal(size=[4]),
      "LayerNorm/gamma": rng.normal(size=[5]),
      "layer_norm_7/x": rng.normal(size=[2]),
      "output_bias": rng.normal(size=[6]),
      "output_weights": rng.normal(size=[2, 3]),
    }

  def gradients(self, step):
    return {
      name: 3 * value.astype(np.float32)
      for name, value in self.weights(9 + step).items()
    }

  def variables(self):
    return {
      n: tf.Variable(tf.constant(w, tf.float32)) for n, w in self.weights().items()
    }

  @pytest.mark.parametrize("decay", [0.0, 0.3])
  @pytest.mark.parametrize("clip_norm", [None, 1.0, 1e6])
  def test_equals_numpy(self, decay, clip_norm):
    excluded = ["LayerNorm", "layer_norm", "bias"]
    undecayed = ("dense/bias", "LayerNorm/gamma", "layer_norm_7/x", "output_bias")
    variables = self.variables()
    optimizer = built(
      variables,
      0.05,
      weight_decay_rate=decay,
      exclude_from_weight_decay=excluded,
      clip_norm=clip_norm,
    )
    expected = NumpyAdam(self.weights(), decay, clip_norm)
    for step in range(4):
      gradients = self.gradients(step)
      optimizer.apply_gradients(
        [tf.constant(gradients[name]) for name in variables], variables
      )
      expected.update(gradients, 0.05, undecayed)
    expected.assert_equals(optimizer, variables)

  def test_a_large_variable_is_updated_as_a_small_one(self):
    rng = np.random.default_rng(4)
    start, gradients = rng.normal(size=[515, 512]), rng.normal(size=[2, 515, 512])
    variables = variables_of(large=start, small__bias=start[0, :3])
    optimizer = built(
      variables,
      0.05,
      weight_decay_rate=0.3,
      exclude_from_weight_decay=["bias"],
      clip_norm=1.0,
    )
    expected = NumpyAdam({n: v.numpy() for n, v in variables.items()}, 0.3, 1.0)
    for gradient in np.float32(gradients):
      pair = [tf.constant(gradient), tf.constant(gradient[0, :3])]
      optimizer.apply_gradients(pair, variables)
      named = dict(zip(variables, (gradient, gradient[0, :3]), strict=True))
      expected.update(named, 0.05, undecayed=("small/bias",))
    expected.assert_equals(optimizer, variables)

  def test_bias_correction_gives_the_published_adamw(self):
    rate, decay, epsilon = 0.05, 0.1, 1e-6
    rng = np.random.default_rng(2)
    start, stream = rng.normal(size=[3, 4]), rng.normal(size=[7, 3, 4])
    variables = {"w": tf.Variable(tf.constant(start, tf.float32))}
    optimizer = built(variables, rate, weight_decay_rate=decay, bias_correction=True)
    w, m, v = start.copy(), 0.0, 0.0
    for t, g in enumerate(stream, 1):
      optimizer.apply_gradients([tf.constant(g, tf.float32)], variables)
      m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
      m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
      w = w - rate * (m_hat / (np.sqrt(v_hat) + epsilon) + decay * w)
    np.testing.assert_allclose(variables["w"], w, rtol=1e-4)

  def test_returns_the_norm_before_clipping(self):
    variables = variables_of(a=[0.0], b=[0.0, 0.0])
    optimizer = built(variables, 0.1, clip_norm=1.0)
    norm = optimizer.apply_gradients(
      [tf.constant([3.0]), tf.constant([0.0, 4.0])], variables
    )
    assert float(norm) == pytest.approx(5.0)
    np.testing.assert_allclose(optimizer.slots["a"][0], [0.1 * 3 / 5], rtol=1e-6)
    np.testing.assert_allclose(optimizer.slots["b"][0], [0, 0.1 * 4 / 5], rtol=1e-6)

  def test_a_gradient_of_zero_norm_is_not_divided_by_it(self):
    variables = variables_of(a=[1.0])
    built(variables, 0.1, clip_norm=1.0).apply_gradients([tf.zeros([1])], variables)
    np.testing.assert_array_equal(variables["a"], [1.0])

  def test_rows_of_a_sparse_gradient_are_merged_before_the_norm(self):
    variables = variables_of(table=np.zeros([4, 1]))
    gradient = tf.IndexedSlices(tf.ones([3, 1]), tf.constant([1, 1, 2]), [4, 1])
    norm = built(variables, 0.1, clip_norm=1.0).apply_gradients([gradient], variables)
    # ids 1, 1, 2 give (2, 1); unmerged rows would give the root of 3.
    assert float(norm) == pytest.approx(math.sqrt(5.0))

  def test_reference_fixture(self):
    target = tf.constant([0.4, 0.2, -0.5])
    variables = variables_of(w=[0.1, -0.2, -0.1])
    optimizer = built(variables, 0.2)
    for _ in range(100):
      with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(target - variables["w"]))
      optimizer.apply_gradients([tape.gradient(loss, variables["w"])], variables)
    np.testing.assert_allclose(variables["w"], target, rtol=1e-2, atol=1e-2)

  def test_variables_without_gradient_are_skipped(self):
    variables = variables_of(used=[1.0], unused=[2.0])
    optimizer = built(variables, 0.1, weight_decay_rate=0.5, clip_norm=1.0)
    optimizer.apply_gradients([tf.constant([1.0]), None], variables)
    assert float(variables["unused"][0]) == 2.0
    assert float(variables["used"][0]) != 1.0
    assert float(optimizer.slots["unused"][1][0]) == 0.0

  def test_a_gradient_too_few_is_refused(self):
    variables = variables_of(a=[1.0], b=[2.0])
    with pytest.raises(ValueError, match="shorter"):
      built(variables, 0.1).apply_gradients([tf.constant([1.0])], variables)

  def test_rows_without_gradient_still_move(self):
    start = np.linspace(-1, 1, 8).reshape(4, 2)
    variables = variables_of(word_embeddings=start)
    optimizer = built(variables, 0.1, weight_decay_rate=0.2)
    expected = NumpyAdam({"word_embeddings": start}, decay=0.2)
    for ids in ([1, 3, 1], [0], [0]):
      with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(variables["word_embeddings"], ids) ** 2)
      gradient = tape.gradient(loss, variables["word_embeddings"])
      assert isinstance(gradient, tf.IndexedSlices)
      dense = np.zeros([4, 2])
      np.add.at(dense, ids, 2 * variables["word_embeddings"].numpy()[ids])
      optimizer.apply_gradients([gradient], variables)
      expected.update({"word_embeddings": dense}, 0.1)
    expected.assert_equals(optimizer, variables)
    # Row 2 never had a gradient, and decayed.
    np.testing.assert_allclose(
      variables["word_embeddings"][2], start[2] * (1 - 0.1 * 0.2) ** 3, rtol=1e-5
    )

  def test_the_first_update_of_a_warm_up_moves_the_slots_alone(self):
    variables = variables_of(w=[1.0, -2.0])
    optimizer = optimization.create_optimizer(0.1, 10, 4)
    optimizer.build(variables)
    optimizer.apply_gradients([tf.constant([0.3, 0.4])], variables)
    np.testing.assert_array_equal(variables["w"], [1.0, -2.0])
    np.testing.assert_allclose(optimizer.slots["w"][0], [0.03, 0.04], rtol=1e-6)
    assert int(optimizer.global_step) == 1

  def test_the_rate_follows_the_step(self):
    variables = variables_of(w=[1.0])
    optimizer = optimization.create_optimizer(0.1, 10, 4)
    optimizer.build(variables)
    rates = []
    for _ in range(10):
      rates.append(float(optimizer.rate()))
      optimizer.apply_gradients([tf.constant([0.3])], variables)
    expected = [0.1 * t / 4 for t in range(4)] + [
      0.1 * (1 - t / 10) for t in range(4, 10)
    ]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)

  def test_the_step_is_counted_once_an_update(self):
    variables = variables_of(a=[1.0], b=[2.0])
    optimizer = built(variables, 0.1)
    for _ in range(3):
      optimizer.apply_gradients([tf.constant([1.0])] * 2, variables)
    assert int(optimizer.global_step) == 3
    assert optimizer.global_step.dtype == tf.int64

  def test_outside_of_a_replica_it_raises(self):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
      variables = variables_of(a=[1.0])
      optimizer = built(variables, 0.1)
      with pytest.raises(RuntimeError, match=r"inside strategy\.run"):
        optimizer.apply_gradients([tf.constant([1.0])], variables)

  def test_state_names_are_those_of_the_files(self):
    variables = variables_of(bert__kernel=[1.0], output_bias=[2.0])
    optimizer = built(variables, 0.1)
    assert list(optimizer.state()) == [
      "bert/kernel/adam_m",
      "bert/kernel/adam_v",
      "output_bias/adam_m",
      "output_bias/adam_v",
      "global_step",
    ]

  def test_variables_carry_the_names_of_the_state(self):
    variables = variables_of(bert__kernel=[1.0])
    with tf.name_scope("outer"):
      optimizer = built(variables, 0.1, loss_scale=optimization.LossScale())
    for name, variable in optimizer.state().items():
      if not name.startswith("loss_scale"):
        assert variable.name == f"{name}:0"

  def test_second_instance_continues_what_the_first_saved(self, tmp_path):
    def fresh():
      variables = self.variables()
      optimizer = optimization.create_optimizer(0.1, 8, 3)
      optimizer.build(variables)
      return variables, optimizer

    def advance(variables, optimizer, steps):
      for step in steps:
        gradients = self.gradients(step)
        optimizer.apply_gradients(
          [tf.constant(gradients[name]) for name in variables], variables
        )

    first, first_optimizer = fresh()
    advance(first, first_optimizer, range(3))
    prefix = str(tmp_path / "model.ckpt-3")
    checkpoint.save(prefix, {**first, **first_optimizer.state()})
    second, second_optimizer = fresh()
    checkpoint.restore(prefix, {**second, **second_optimizer.state()})
    for variables, optimizer in ((first, first_optimizer), (second, second_optimizer)):
      advance(variables, optimizer, range(3, 6))
    for name, variable in first.items():
      np.testing.assert_array_equal(variable, second[name])


class TestCreateOptimizer:
  def test_has_the_originals_settings(self):
    optimizer = optimization.create_optimizer(1e-3, 10, 2)
    assert optimizer.weight_decay_rate == 0.01
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.999, 1e-6)
    assert optimizer.clip_norm == 1.0
    assert not optimizer.bias_correction

  def test_biases_and_layer_norms_are_not_decayed(self):
    names = [
      "bert/encoder/layer_0/output/LayerNorm/gamma",
      "layer_norm/scale",
      "bert/pooler/dense/bias",
      "output_bias",
      "bert/embeddings/word_embeddings",
      "output_weights",
    ]
    variables = {name: tf.Variable([1.0]) for name in names}
    optimizer = optimization.create_optimizer(0.1, 10, 0)
    optimizer.build(variables)
    optimizer.apply_gradients([tf.zeros([1])] * len(names), variables)
    moved = [name for name in names if float(variables[name][0]) != 1.0]
    assert moved == names[-2:]


class TestLossScale:
  def scaled(self, initial=8.0, growth_steps=3):
    return optimization.LossScale(initial, growth_steps)

  def update(self, scale, *finite):
    for value in finite:
      scale.update(tf.constant(value))
    return float(scale.current), int(scale.good_steps)

  def test_halves_and_counts_anew_after_an_overflow(self):
    assert self.update(self.scaled(), True, True, False) == (4.0, 0)

  def test_doubles_after_enough_good_steps(self):
    assert self.update(self.scaled(), True, True) == (8.0, 2)
    assert self.update(self.scaled(), True, True, True) == (16.0, 0)

  def test_never_falls_below_one(self):
    assert self.update(self.scaled(2.0), *[False] * 5) == (1.0, 0)

  def test_is_part_of_the_state(self):
    variables = variables_of(w=[1.0])
    scale = self.scaled()
    state = built(variables, 0.1, loss_scale=scale).state()
    assert state["loss_scale/current"] is scale.current
    assert state["loss_scale/good_steps"] is scale.good_steps

  def optimizers(self):
    options = {"weight_decay_rate": 0.1, "clip_norm": 1.0}
    plain, scaled = variables_of(w=[1.0, -2.0]), variables_of(w=[1.0, -2.0])
    scale = self.scaled(1024.0)
    return (
      (plain, built(plain, 0.1, **options)),
      (scaled, built(scaled, 0.1, loss_scale=scale, **options)),
    )

  def test_a_scaled_gradient_gives_the_plain_update(self):
    (plain, plain_optimizer), (scaled, scaled_optimizer) = self.optimizers()
    for gradient in ([3.0, 4.0], [0.1, -0.2]):
      norm = plain_optimizer.apply_gradients([tf.constant(gradient)], plain)
      same = scaled_optimizer.apply_gradients([tf.constant(gradient) * 1024.0], scaled)
      np.testing.assert_allclose(norm, same, rtol=1e-6)
    np.testing.assert_allclose(plain["w"], scaled["w"], rtol=1e-6)
    for old, new in zip(
      plain_optimizer.slots["w"], scaled_optimizer.slots["w"], strict=True
    ):
      np.testing.assert_allclose(old, new, rtol=1e-6)

  @pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
  def test_an_overflow_leaves_weights_and_slots(self, bad):
    _, (variables, optimizer) = self.optimizers()
    optimizer.apply_gradients([tf.constant([3.0, 4.0])], variables)
    slots = dict(zip("mv", optimizer.slots["w"], strict=True))
    before = snapshot(variables, slots)
    norm = optimizer.apply_gradients([tf.constant([1.0, bad])], variables)
    assert not math.isfinite(norm)
    for old, new in zip(before, snapshot(variables, slots), strict=True):
      for name, value in old.items():
        np.testing.assert_array_equal(new[name], value)
    assert float(optimizer.loss_scale.current) == 512.0

  def test_an_overflow_leaves_a_large_variable(self):
    variables = variables_of(large=np.ones([515, 512]))
    optimizer = built(variables, 0.1, loss_scale=self.scaled())
    gradient = np.ones([515, 512], np.float32)
    gradient[3, 4] = np.inf
    optimizer.apply_gradients([tf.constant(gradient)], variables)
    for value, start in zip(
      (variables["large"], *optimizer.slots["large"]), (1, 0, 0), strict=True
    ):
      np.testing.assert_array_equal(value, np.full([515, 512], start))

  def test_training_goes_on_after_an_overflow(self):
    _, (variables, optimizer) = self.optimizers()
    optimizer.apply_gradients([tf.constant([np.inf, 1.0])], variables)
    optimizer.apply_gradients([tf.constant([3.0, 4.0]) * 512.0], variables)
    expected = NumpyAdam({"w": [1.0, -2.0]}, decay=0.1, clip_norm=1.0)
    expected.update({"w": np.array([3.0, 4.0])}, 0.1)
    expected.assert_equals(optimizer, variables)


class TestTrajectoryOfTheOriginal:
  """Twelve updates of a sentence classifier, whole batches, no dropout."""

  @pytest.fixture(scope="class", params=["gather", "one_hot"])
  @classmethod
  def trained(cls, request, golden_model):
    """(stored arrays, losses, {step: weights}, final state)."""
    suffix = "_one_hot" if request.param == "one_hot" else ""
    stored = golden_model.arrays("finetuning_trajectory" + suffix)
    inputs = golden_model.arrays("inputs")
    classifier = heads.SentenceClassifier(
      modeling.BertConfig.from_json_file(golden_model.config_file),
      num_labels=3,
      use_one_hot_embeddings=request.param == "one_hot",
    )
    variables = checkpoint.named_variables(classifier)
    checkpoint.init_from_checkpoint(golden_model.init_checkpoint, variables)
    classifier.head.output_weights.assign(stored["init/output_weights"])
    optimizer = optimization.create_optimizer(5e-3, 12, 4)
    optimizer.build(variables)

    @tf.function
    def update():
      with tf.GradientTape() as tape:
        logits = classifier(inputs)
        loss = tf.reduce_mean(losses.cross_entropy(logits, inputs["label_ids"]))
      gradients = tape.gradient(loss, list(variables.values()))
      optimizer.apply_gradients(gradients, variables)
      return loss

    history, weights = [], {}
    for step in range(1, 13):
      history.append(float(update()))
      weights[step] = snapshot(variables)[0]
    return stored, history, weights, snapshot(variables, optimizer.state())

  def assert_near(self, actual, expected, name):
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4, err_msg=name)

  def test_losses(self, trained):
    stored, history, _, _ = trained
    self.assert_near(history, stored["losses"], "losses")

  @pytest.mark.parametrize("step", [1, 3, 6, 12])
  def test_weights(self, trained, step):
    stored, _, weights, _ = trained
    names = [n for n in stored if n.startswith(f"step{step}/")]
    assert len(names) == 7
    for name in names:
      self.assert_near(weights[step][name.split("/", 1)[1]], stored[name], name)

  def test_slots_and_step(self, trained):
    stored, _, _, (_, state) = trained
    names = [n for n in stored if n.startswith("final/")]
    assert len(names) == 14
    for name in names:
      self.assert_near(state[name.removeprefix("final/")], stored[name], name)
    assert state["global_step"] == stored["final_global_step"] == 12

  def test_the_whole_checkpoint(self, trained, golden_model):
    _, _, _, (weights, state) = trained
    file = tf.train.load_checkpoint(golden_model.finetuned_checkpoint)
    values = {**weights, **state}
    assert set(values) == set(file.get_variable_to_shape_map())
    for name, value in values.items():
      self.assert_near(value, file.get_tensor(name), name)

"""Updates: parts of a batch, XLA, several devices, and where dropout comes from."""

import fcntl
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import checkpoint, losses, optimization, train_step
from tests import device_runs


@pytest.fixture(scope="module")
def one_device():
  """Five updates on one device, in one call."""
  return device_runs.train(tf.distribute.get_strategy())


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory):
  """({fact: value}, {run: Trained}) of a process with two logical CPU devices."""
  root = tmp_path_factory.getbasetemp()
  if "PYTEST_XDIST_WORKER" in os.environ:
    root = root.parent
  file = root / "two_devices.npz"
  # One of pytest's processes computes, the others wait for its file.
  with open(root / "two_devices.lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not file.exists():
      run_on_two_devices(file)
  runs = {run: device_runs.load(file, run) for run in ("plain", "scaled_parts")}
  return facts_of(file), runs


def facts_of(file):
  with np.load(file) as stored:
    return json.loads(str(stored["facts"]))


def run_on_two_devices(file, *kinds):
  done = subprocess.run(
    [sys.executable, "-m", "tests.device_runs", str(file), *kinds],
    cwd=pathlib.Path(__file__).parents[1],
    env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CONFIG": "{}"},
    capture_output=True,
    text=True,
    timeout=600,
  )
  assert done.returncode == 0, done.stderr


def assert_same_training(actual, expected, tolerance=1e-5):
  """Losses, norms and rates are equal, and what all weights moved by, as a whole."""
  for name, value in expected.values.items():
    np.testing.assert_allclose(actual.values[name], value, rtol=tolerance)
  assert list(actual.weights) == list(expected.weights)
  moved = expected.moved()
  assert np.linalg.norm(actual.moved() - moved) < tolerance * np.linalg.norm(moved)


class TestTrainStep:
  def train(self, **options):
    return device_runs.train(tf.distribute.get_strategy(), **options)

  def test_values_are_those_of_the_batch_before_its_update(self, one_device):
    model = device_runs.new_classifier()
    features = next(device_runs.tiny_iterator(tf.distribute.get_strategy()))
    with tf.GradientTape() as tape:
      of_rows = losses.cross_entropy(model(features), features["label_ids"])
      loss = tf.reduce_mean(of_rows)
    gradients = tape.gradient(loss, list(checkpoint.named_variables(model).values()))
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
    norm = np.sqrt(sum(np.sum(gradient.numpy() ** 2) for gradient in dense))
    assert one_device.values["loss"][0] == pytest.approx(float(loss), rel=1e-5)
    assert one_device.values["norm"][0] == pytest.approx(norm, rel=1e-5)
    np.testing.assert_allclose(
      one_device.values["rate"], [0, 0.005, 0.008, 0.007, 0.006], rtol=1e-5
    )

  def test_all_weights_but_unused_rows_move(self, one_device):
    assert np.mean(one_device.moved() != 0) > 0.9

  @pytest.mark.parametrize("calls", [(1,) * 5, (2, 3)])
  def test_a_call_of_n_equals_n_calls_of_one(self, one_device, calls):
    assert_same_training(self.train(calls=calls), one_device)

  @pytest.mark.parametrize("parts", [2, 3])
  def test_parts_together_are_the_whole_batch(self, one_device, parts):
    trained = self.train(gradient_accumulation_steps=parts)
    assert_same_training(trained, one_device)

  def test_xla_gives_the_same(self, one_device):
    assert_same_training(self.train(jit_compile=True), one_device)

  def test_xla_gives_the_same_in_parts(self, one_device):
    trained = self.train(jit_compile=True, gradient_accumulation_steps=3)
    assert_same_training(trained, one_device)

  @pytest.mark.parametrize("parts", [1, 3])
  def test_a_loss_scale_is_taken_out_again(self, one_device, parts):
    trained = self.train(loss_scale=1024.0, gradient_accumulation_steps=parts)
    assert_same_training(trained, one_device)

  def test_float16_with_a_loss_scale_stays_near(self, one_device):
    trained = self.train(precision="float16", loss_scale=2.0**15)
    np.testing.assert_allclose(
      trained.values["loss"], one_device.values["loss"], rtol=1e-2
    )
    assert np.any(trained.values["loss"] != one_device.values["loss"])

  def step_on(self, loss_fn, variables, trained=None, **options):
    """Weights after one update by the gradient of `loss_fn` on four rows."""
    trained = variables if trained is None else trained
    optimizer = optimization.AdamWeightDecayOptimizer(0.1, weight_decay_rate=0.5)
    optimizer.build(trained)
    step = train_step.TrainStep(
      loss_fn,
      optimizer,
      trained,
      tf.distribute.get_strategy(),
      train_step.StepOptions(**options),
    )
    rows = tf.data.Dataset.from_tensors({"x": tf.constant([1.0, 2.0, 3.0, 6.0])})
    values = step.run(iter(rows), 1)
    return values["loss"][0], {n: float(v.numpy()) for n, v in variables.items()}

  @pytest.mark.parametrize("parts", [1, 2])
  def test_a_loss_of_rows_is_averaged_and_a_scalar_taken(self, parts):
    results = []
    for reduce in (tf.identity, tf.reduce_mean):
      variables = {"w": tf.Variable(2.0)}
      results.append(
        self.step_on(
          lambda features, stream, reduce=reduce, w=variables["w"]: reduce(
            features["x"] * w
          ),
          variables,
          gradient_accumulation_steps=parts,
        )
      )
    assert results[0] == results[1]
    assert results[0][0] == pytest.approx(6.0)

  def test_variables_that_are_not_given_stay(self):
    variables = {"trained": tf.Variable(1.0), "frozen": tf.Variable(1.0)}
    _, weights = self.step_on(
      lambda features, stream: (
        features["x"] * variables["trained"] * variables["frozen"]
      ),
      variables,
      {"trained": variables["trained"]},
    )
    assert weights["frozen"] == 1.0
    assert weights["trained"] < 1.0

  def test_no_gradient_is_computed_below_what_is_trained(self):
    variables = {"trained": tf.Variable(1.0), "frozen": tf.Variable(1.0)}

    @tf.custom_gradient
    def encoder(x):
      def gradient(upstream):
        raise AssertionError("a gradient of the frozen part is computed")

      return tf.identity(x), gradient

    _, weights = self.step_on(
      lambda features, stream: (
        encoder(features["x"] * variables["frozen"]) * variables["trained"]
      ),
      variables,
      {"trained": variables["trained"]},
    )
    assert weights["trained"] < 1.0

  @pytest.mark.parametrize("parts", [1, 2])
  @pytest.mark.parametrize("jit_compile", [False, True])
  def test_variables_that_the_loss_does_not_use_stay(self, parts, jit_compile):
    variables = {"used": tf.Variable(1.0), "unused": tf.Variable(1.0)}
    _, weights = self.step_on(
      lambda features, stream: features["x"] * variables["used"],
      variables,
      gradient_accumulation_steps=parts,
      jit_compile=jit_compile,
    )
    assert weights["unused"] == 1.0
    assert weights["used"] < 1.0


class TestDropoutOfATrainStep:
  def shares(self, step=0, **options):
    return device_runs.dropout_of_shares(tf.distribute.get_strategy(), step, **options)

  def test_steps_differ(self):
    numbers = [self.shares(step) for step in range(3)]
    assert len({number for (number,) in numbers}) == 3

  def test_parts_and_steps_differ(self):
    numbers = [n for step in range(3) for n in self.shares(step, parts=2)]
    assert len(set(numbers)) == 6

  def test_seeds_differ(self):
    assert self.shares(seed=1) != self.shares(seed=2)

  def test_same_seed_and_step_are_the_same_in_another_run(self):
    assert self.shares(7, seed=1, parts=2) == self.shares(7, seed=1, parts=2)

  def test_xla_draws_the_same(self):
    assert self.shares(7, jit_compile=True) == self.shares(7)


class TestTwoDevices:
  def test_weights_are_those_of_one_device(self, one_device, two_devices):
    assert_same_training(two_devices[1]["plain"], one_device)

  def test_scaled_parts_give_the_weights_of_one_device(self, one_device, two_devices):
    assert_same_training(two_devices[1]["scaled_parts"], one_device)

  def test_a_large_variable_is_updated_as_on_one_device(self, two_devices):
    expected = device_runs.update_large(tf.distribute.get_strategy())
    np.testing.assert_allclose(two_devices[0]["large"], expected, rtol=1e-5)

  def test_names_are_those_of_one_device(self, one_device, two_devices):
    facts, _ = two_devices
    assert facts["names"] == list(one_device.weights)
    assert facts["state_names"] == one_device.state_names

  def test_replicas_parts_and_steps_drop_different_elements(self, two_devices):
    numbers = np.array(two_devices[0]["dropout"])
    assert numbers.shape == (2, 4)
    assert len(set(numbers.flat)) == 8

  def test_the_strategy_has_both_and_writes_files(self, two_devices):
    facts, _ = two_devices
    assert facts["replicas"] == 2
    assert facts["on_cpu"]
    assert facts["is_chief"]


_KINDS = ("choice", "multi_label", "regression", "token")


@pytest.fixture(scope="module")
def kinds_file(tmp_path_factory):
  """What two devices have trained, of all kinds."""
  file = tmp_path_factory.mktemp("kinds") / "kinds.npz"
  run_on_two_devices(file, *_KINDS)
  assert facts_of(file)["replicas"] == 2
  return file


@pytest.mark.slow
class TestKindsOnTwoDevices:
  @pytest.mark.parametrize("kind", _KINDS)
  def test_weights_are_those_of_one_device(self, kinds_file, kind):
    expected = device_runs.train(tf.distribute.get_strategy(), kind=kind)
    actual = device_runs.load(kinds_file, kind, kind)
    if kind == "choice":
      # All scores of a row have it in common: its gradient is nothing but rounding.
      actual.weights["output_bias"] = expected.weights["output_bias"]
    assert np.mean(expected.moved() != 0) > 0.8
    assert_same_training(actual, expected)

import os
import socket
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import checkpoint, estimator, learning_curve
from bert_ja.data import input_pipeline
from bert_ja.run_config import ModelSpec, RunConfig
from tests import training_process
from tests.scripts import runs

LENGTH, STEPS = training_process.LENGTH, training_process.STEPS


def input_fn(is_training):
  return input_pipeline.array_input_fn_builder(
    training_process.arrays(), LENGTH, is_training
  )


def make(model_dir, model_fn=training_process.model_fn, **config):
  config = {"save_checkpoints_steps": 100, **config}
  return estimator.Estimator(model_fn, RunConfig(str(model_dir), **config), 8, 4, 4)


def with_dropout(mode):
  return training_process.model_fn(mode, dropout=0.2)


def steps_of(directory):
  return sorted(
    int(name.split("-")[1].split(".")[0])
    for name in os.listdir(directory)
    if name.endswith(".index")
  )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
  """What a run with dropout comes to that nothing stops."""
  directory = str(tmp_path_factory.mktemp("unbroken"))
  make(directory, with_dropout).train(input_fn(True), STEPS)
  return runs.arrays(directory)


class TestTrain:
  def test_saves_at_the_start_at_intervals_and_at_the_end(self, tmp_path):
    make(tmp_path, save_checkpoints_steps=4).train(input_fn(True), STEPS)
    assert steps_of(tmp_path) == [0, 4, 6]

  def test_keeps_the_newest_checkpoints(self, tmp_path):
    runner = make(tmp_path, save_checkpoints_steps=1, keep_checkpoint_max=2)
    runner.train(input_fn(True), STEPS)
    assert steps_of(tmp_path) == [5, 6]

  def test_checkpoint_holds_weights_slots_and_step(self, tmp_path):
    make(tmp_path).train(input_fn(True), STEPS)
    names = runs.arrays(str(tmp_path))
    weights = [name for name in names if "adam" not in name and name != "global_step"]
    assert len(weights) == 23 + 2
    assert len(names) == 3 * len(weights) + 1
    assert names["global_step"] == STEPS

  @pytest.mark.parametrize("stop_at", [1, 4])
  def test_a_continued_run_equals_an_unbroken_one(self, unbroken, tmp_path, stop_at):
    def failing(params):
      # The dataset ends early, as if the process had died there.
      return input_fn(True)(params).take(stop_at)

    failing.num_rows = training_process.ROWS
    runner = make(tmp_path, with_dropout, save_checkpoints_steps=1)
    with pytest.raises(tf.errors.OutOfRangeError):
      runner.train(failing, STEPS)
    assert steps_of(tmp_path)[-1] == stop_at
    make(tmp_path, with_dropout).train(input_fn(True), STEPS)
    runs.assert_same(unbroken, runs.arrays(str(tmp_path)))

  def test_at_the_last_step_nothing_is_trained(self, tmp_path, info_lines):
    make(tmp_path).train(input_fn(True), 2)
    before = runs.arrays(str(tmp_path))

    def unreadable(params):
      raise AssertionError("no row is needed")

    make(tmp_path).train(unreadable, 2)
    # Scripts count in steps or in epochs.
    told = "done already: step 2 of 2. For more, ask for more steps or epochs, or"
    assert any(told in line for line in info_lines())
    runs.assert_same(before, runs.arrays(str(tmp_path)))

  def test_number_of_steps_in_a_call_does_not_matter(self, unbroken, tmp_path):
    runner = make(tmp_path, with_dropout, iterations_per_loop=1)
    runner.train(input_fn(True), STEPS)
    runs.assert_same(unbroken, runs.arrays(str(tmp_path)))

  def test_frozen_variables_stay_and_have_no_slots(self, tmp_path):
    def frozen(mode):
      spec = training_process.model_fn(mode)
      return ModelSpec(
        **{**vars(spec), "trainable": lambda name: "embeddings" not in name}
      )

    make(tmp_path, frozen, save_checkpoints_steps=3).train(input_fn(True), STEPS)
    first = tf.train.load_checkpoint(str(tmp_path / "model.ckpt-0"))
    last = runs.arrays(str(tmp_path))
    name = "bert/embeddings/word_embeddings"
    np.testing.assert_array_equal(first.get_tensor(name), last[name])
    assert f"{name}/adam_m" not in last
    assert "output_weights/adam_m" in last

  def test_nothing_to_train_is_an_error_that_names_variables(self, tmp_path):
    def frozen(mode):
      spec = training_process.model_fn(mode)
      return ModelSpec(**{**vars(spec), "trainable": lambda name: False})

    message = (
      "no variable is left to train: see --trainable and --frozen_variables; the 25 "
      "variables are bert/embeddings/word_embeddings, ..., output_bias"
    )
    with pytest.raises(ValueError, match=message):
      make(tmp_path, frozen).prepare(True)
    assert not list(tmp_path.iterdir())

  def test_other_variables_of_the_directory_are_refused(self, tmp_path):
    checkpoint.save_step(str(tmp_path), 3, {"other": np.zeros(2)}, keep=1)
    with pytest.raises(ValueError, match="lacks .* of .* variables"):
      make(tmp_path).train(input_fn(True), STEPS)

  def test_a_loss_that_is_not_finite_names_step_and_rows(self, tmp_path):
    def broken(mode):
      spec = training_process.model_fn(mode)

      def loss_fn(features, stream):
        real = spec.loss_fn(features, stream)
        return real * tf.where(spec.optimizer.global_step == 2, np.nan, 1.0)

      return ModelSpec(**{**vars(spec), "loss_fn": loss_fn})

    rows = input_pipeline.training_rows(np.ones(22, int), 8, 0, 2, 3)[0]
    expected = f"the loss is .* at step 3, .* rows {', '.join(map(str, rows))} "
    with pytest.raises(ValueError, match=expected):
      make(tmp_path, broken).train(input_fn(True), STEPS)
    assert steps_of(tmp_path) == [0]

  def test_evaluates_while_training_and_keeps_the_best(self, tmp_path):
    scores = iter([0.2, 0.9, 0.5])

    def scored(mode):
      spec = training_process.model_fn(mode)
      metric_fn = lambda outputs: {"eval_accuracy": next(scores)}  # noqa: E731
      return ModelSpec(**{**vars(spec), "metric_fn": metric_fn})

    make(tmp_path, scored, eval_steps=2).train(input_fn(True), STEPS, input_fn(False))
    assert steps_of(tmp_path / "best") == [4]

  @pytest.mark.parametrize("stop_at", [None, 3])
  def test_evaluations_where_epochs_of_two_and_a_half_steps_end(
    self, tmp_path, stop_at
  ):
    config = {"eval_steps": 2.5, "save_checkpoints_steps": 3}
    if stop_at:
      make(tmp_path, **config).train(input_fn(True), stop_at)
    make(tmp_path, **config).train(input_fn(True), STEPS, input_fn(False))
    rows = learning_curve.read(str(tmp_path))
    steps = [row["step"] for row in rows if row["split"] == "eval"]
    assert steps == [step for step in (2, 5, 6) if step > (stop_at or 0)]

  def test_early_stopping_saves_and_stays_stopped(self, tmp_path):
    def worse(mode):
      spec = training_process.model_fn(mode)
      metric_fn = lambda outputs: {"eval_accuracy": 0.5}  # noqa: E731
      return ModelSpec(**{**vars(spec), "metric_fn": metric_fn})

    for _ in range(2):
      runner = make(tmp_path, worse, eval_steps=1, early_stopping_patience=2)
      runner.train(input_fn(True), STEPS, input_fn(False))
      assert steps_of(tmp_path)[-1] == 3

  def test_an_unknown_best_metric_lists_those_there_are(self, tmp_path):
    runner = make(tmp_path, eval_steps=2, best_metric="f1")
    with pytest.raises(
      ValueError, match="--best_metric=f1 .* eval_accuracy, eval_loss"
    ):
      runner.train(input_fn(True), STEPS, input_fn(False))


class TestEvaluate:
  def test_outputs_come_in_input_order(self, tmp_path):
    runner = make(tmp_path)
    _, outputs = runner.evaluate(input_fn(False))
    arrays = training_process.arrays()
    np.testing.assert_array_equal(outputs["label_ids"], arrays["label_ids"])
    module = training_process.model_fn("eval").module
    logits = module({name: tf.constant(value) for name, value in arrays.items()})
    np.testing.assert_allclose(
      outputs["probabilities"], tf.nn.softmax(logits), rtol=1e-5, atol=1e-6
    )

  def test_takes_the_newest_checkpoint(self, tmp_path):
    make(tmp_path).train(input_fn(True), STEPS)
    metrics, _ = make(tmp_path).evaluate(input_fn(False))
    untrained, _ = make(tmp_path / "empty").evaluate(input_fn(False))
    assert metrics["global_step"] == STEPS
    assert untrained["global_step"] == 0
    assert metrics["eval_loss"] != untrained["eval_loss"]

  def test_without_one_takes_the_init_checkpoint(self, tmp_path):
    make(tmp_path / "trained").train(input_fn(True), STEPS)

    def warm(mode):
      spec = training_process.model_fn(mode)
      return ModelSpec(**{**vars(spec), "init_checkpoint": str(tmp_path / "trained")})

    expected, _ = make(tmp_path / "trained").evaluate(input_fn(False))
    actual, _ = make(tmp_path / "new", warm).evaluate(input_fn(False))
    assert actual["eval_loss"] == expected["eval_loss"]
    assert actual["global_step"] == 0


class TestPredict:
  def test_yields_a_row_for_each_example(self, tmp_path):
    rows = list(make(tmp_path).predict(input_fn(False)))
    labels = [int(row["label_ids"]) for row in rows]
    assert labels == training_process.arrays()["label_ids"].tolist()

  def test_batches_are_those_of_the_input_fn_without_padding(self, tmp_path):
    runner = make(tmp_path)
    outputs = list(runner.predict(input_fn(False)))
    found = list(runner.predict_batches(input_fn(False)))
    assert [len(row_ids) for row_ids, _ in found] == [4, 4, 4, 4, 4, 2]
    lengths = training_process.arrays()["input_mask"].sum(axis=1)
    expected = np.argsort(-lengths, kind="stable")
    np.testing.assert_array_equal(np.concatenate([ids for ids, _ in found]), expected)
    for row_ids, values in found:
      for row, probabilities in zip(row_ids, values["probabilities"], strict=True):
        np.testing.assert_array_equal(probabilities, outputs[row]["probabilities"])

  def test_large_outputs_are_in_memory_twice_at_most(self, tmp_path):
    def wide(mode):
      spec = training_process.model_fn(mode)

      def predict_fn(features):
        return {"wide": tf.ones([tf.shape(features["label_ids"])[0], 250_000])}

      return ModelSpec(**{**vars(spec), "predict_fn": predict_fn})

    runner = make(tmp_path, wide)
    tracemalloc.start()
    try:
      rows = runner.predict(input_fn(False))
      first = next(rows)["wide"]
      most = tracemalloc.get_traced_memory()[1]
    finally:
      tracemalloc.stop()
    assert most < 2.5 * 22 * first.nbytes


class TestBatchSize:
  def test_must_be_a_multiple_of_the_parts(self, tmp_path):
    with pytest.raises(ValueError, match="--train_batch_size=8 cannot be divided by 3"):
      make(tmp_path, gradient_accumulation_steps=3)


class TestDevices:
  """The same weights and outputs, whatever computes them."""

  def _start(self, *arguments):
    return subprocess.Popen(
      [sys.executable, "-m", "tests.training_process", *map(str, arguments)],
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )

  def _compare(self, tmp_path):
    make(tmp_path / "one").train(input_fn(True), STEPS)
    _, expected = make(tmp_path / "one").evaluate(input_fn(False))
    runs.assert_close(
      runs.arrays(str(tmp_path / "one")), runs.arrays(str(tmp_path / "other")), 1e-5
    )
    actual = np.load(tmp_path / "other" / "outputs.npz")
    np.testing.assert_allclose(
      actual["probabilities"], expected["probabilities"], rtol=1e-4
    )

  def test_two_logical_devices(self, tmp_path):
    status, log = runs.finish(self._start(tmp_path / "other", 2))
    assert status == 0, log
    self._compare(tmp_path)

  def test_two_workers(self, tmp_path):
    with socket.socket() as one, socket.socket() as other:
      one.bind(("127.0.0.1", 0))
      other.bind(("127.0.0.1", 0))
      ports = one.getsockname()[1], other.getsockname()[1]
    workers = [self._start(tmp_path / "other", 0, index, *ports) for index in range(2)]
    for worker in workers:
      status, log = runs.finish(worker)
      assert status == 0, log
    self._compare(tmp_path)


class TestLoad:
  def test_chosen_checkpoint_is_used_instead_of_the_newest(self, tmp_path):
    runner = make(tmp_path, eval_steps=2)
    runner.train(input_fn(True), STEPS, input_fn(False))
    newest, _ = runner.evaluate(input_fn(False))
    checkpoint.save(
      str(tmp_path / "zero" / "model.ckpt-1"),
      {name: value * 0 for name, value in runs.arrays(str(tmp_path)).items()},
    )
    runner.load(str(tmp_path / "zero" / "model.ckpt-1"))
    chosen, _ = runner.evaluate(input_fn(False))
    assert chosen["eval_loss"] == pytest.approx(np.log(3), abs=1e-6)
    assert newest["eval_loss"] != chosen["eval_loss"]

  def test_step_is_that_of_the_checkpoint(self, tmp_path):
    runner = make(tmp_path, eval_steps=2, best_metric="eval_loss")
    runner.train(input_fn(True), STEPS, input_fn(False))
    best = checkpoint.latest_checkpoint(str(tmp_path / "best"))
    runner.load(best)
    metrics, _ = runner.evaluate(input_fn(False))
    assert metrics["global_step"] == int(best.rsplit("-", 1)[1])


class TestPrepare:
  def test_training_loads_the_values_once(self, tmp_path, monkeypatch):
    make(tmp_path / "first").train(input_fn(True), 2)

    def warm(mode):
      spec = training_process.model_fn(mode)
      return ModelSpec(**{**vars(spec), "init_checkpoint": str(tmp_path / "first")})

    loads = []
    load = checkpoint.init_from_checkpoint
    monkeypatch.setattr(
      checkpoint, "init_from_checkpoint", lambda *args: loads.append(1) or load(*args)
    )
    runner = make(tmp_path / "second", warm)
    runner.prepare(is_training=True)
    runner.train(input_fn(True), 2)
    runner.evaluate(input_fn(False))
    assert len(loads) == 1

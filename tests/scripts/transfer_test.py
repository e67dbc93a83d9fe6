"""What is trained, on which rows, and with which head: `run_classifier.py` end to end."""

import csv
import json
import os
import shutil

import numpy as np
import pytest

from tests.scripts import runs

HEAD = (
  "mlp/hidden_0/kernel",
  "mlp/hidden_0/bias",
  "mlp/hidden_1/kernel",
  "mlp/hidden_1/bias",
  "output_weights",
  "output_bias",
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  """As `runs.write_inputs`, but for a model without dropout in the encoder."""
  directory = str(tmp_path_factory.mktemp("inputs"))
  runs.write_inputs(directory, layers=2)
  path = f"{directory}/bert_config.json"
  with open(path) as reader:
    config = json.load(reader)
  config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
  config["initializer_range"] = 0.3
  with open(path, "w") as writer:
    json.dump(config, writer)
  return directory


@pytest.fixture(scope="module")
def results(inputs, tmp_path_factory):
  """({name: output directory}, {name: log}) of runs in one process."""
  root = tmp_path_factory.mktemp("results")
  cache = {"cache_dir": str(root / "cache")}
  mlp = {"trainable": "head", "head": "mlp", "mlp_layers": "8,6"}
  held_out = {"validation_fraction": 0.25, "eval_epochs": 1}
  jobs = {
    "head": {**mlp, **held_out, **cache, "use_best": True, "do_predict": True},
    "linear": {"trainable": "head", **held_out, **cache},
    "once": {"trainable": "head", "head_dropout": 0.3},
    "each_step": {"frozen_variables": "^bert/", "head_dropout": 0.3},
    "last_layer": {"trainable": "last_layer", **held_out, "do_eval": True},
  }
  commands = [
    runs.arguments(inputs, str(root / name), **job) for name, job in jobs.items()
  ]
  again = {"model_dir": str(root / "head" / "best"), "data_dir": inputs}
  again |= {"output_dir": str(root / "again"), "do_predict": True}
  commands.append([f"--{name}={value}" for name, value in again.items()])
  names = [*jobs, "again"]
  logs = runs.logs_of_many(commands)
  return (
    {name: str(root / name) for name in names},
    dict(zip(names, logs, strict=True)),
  )


@pytest.fixture(scope="module")
def directories(results):
  return results[0]


def stored(prefix):
  import tensorflow as tf

  reader = tf.train.load_checkpoint(prefix)
  return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def curve(directory):
  with open(f"{directory}/learning_curve.csv") as reader:
    return list(csv.DictReader(reader))


class TestHead:
  def test_the_checkpoint_is_a_whole_model_with_slots_of_the_head(self, directories):
    arrays = runs.arrays(directories["head"])
    weights = {n for n in arrays if "/adam_" not in n and n != "global_step"}
    encoder = {name for name in weights if name.startswith("bert/")}
    assert len(encoder) == 5 + 16 * 2 + 2
    assert weights - encoder == set(HEAD)
    slots = {n.removesuffix("/adam_m") for n in arrays if n.endswith("/adam_m")}
    assert slots == set(HEAD)

  def test_the_encoder_stays_and_the_head_moves(self, directories):
    first = stored(f"{directories['head']}/model.ckpt-0")
    last = runs.arrays(directories["head"])
    for name, value in first.items():
      if "/adam_" not in name and name != "global_step":
        assert np.array_equal(value, last[name]) == name.startswith("bert/"), name

  def test_vectors_train_the_head_as_the_encoder_in_each_step_does(self, directories):
    """Without dropout in the encoder there is no difference but rounding."""
    once, each_step = (runs.arrays(directories[name]) for name in ("once", "each_step"))
    for name in ("output_weights", "output_bias"):
      np.testing.assert_allclose(once[name], each_step[name], rtol=1e-4, atol=1e-5)
    first = stored(f"{directories['once']}/model.ckpt-5")["output_weights"]
    assert np.abs(once["output_weights"] - first).max() > 0.01

  def test_the_directory_predicts_by_itself_as_the_training_did(self, directories):
    expected, actual = (
      np.loadtxt(f"{directories[name]}/test_results.tsv") for name in ("head", "again")
    )
    assert np.ptp(expected[:, 0]) > 0.01
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)

  def test_the_head_is_recorded(self, directories):
    with open(f"{directories['head']}/task.json") as reader:
      recorded = json.load(reader)["flags"]
    assert (recorded["head"], recorded["mlp_layers"]) == ("mlp", ["8", "6"])

  def test_vectors_are_kept_for_other_heads(self, results):
    directories, logs = results
    assert "Encoding 36 rows" in logs["head"]
    assert "Encoding 12 rows" in logs["head"]
    assert "Encoding 9 rows" in logs["head"]
    assert "***** Encoding" not in logs["linear"]
    assert "36 rows were encoded before" in logs["linear"]
    vectors = np.load(f"{directories['linear']}/train.vectors.npy")
    assert (vectors.shape, vectors.dtype) == ((36, 16), np.float32)

  def test_other_rows_are_encoded(self, results):
    _, logs = results
    assert "Encoding 48 rows" in logs["once"]


class TestAContinuedRun:
  def test_it_encodes_nothing_and_comes_to_the_same_bits(
    self, inputs, directories, tmp_path
  ):
    whole, part = directories["once"], str(tmp_path / "part")
    # As if it had been killed behind step 10.
    shutil.copytree(whole, part, ignore=shutil.ignore_patterns("*ckpt-[12][!0]*"))
    for name in os.listdir(part):
      if name.startswith("model.ckpt-20"):
        os.remove(f"{part}/{name}")
    with open(f"{part}/checkpoint", "w") as writer:
      writer.write('model_checkpoint_path: "model.ckpt-10"\n')
    status, log = runs.run(
      runs.arguments(inputs, part, trainable="head", head_dropout=0.3)
    )
    assert status == 0, log
    assert "model.ckpt-10" in log
    assert "48 rows were encoded before" in log
    runs.assert_same(runs.arrays(whole), runs.arrays(part))


class TestLastLayer:
  def test_what_lies_below_stays(self, directories):
    first = stored(f"{directories['last_layer']}/model.ckpt-0")
    last = runs.arrays(directories["last_layer"])
    moved = {
      name.split("/")[-3 if "LayerNorm" in name else -1]
      if "layer_" not in name
      else name.split("/")[2]
      for name, value in first.items()
      if "/adam_" not in name
      and name != "global_step"
      and not np.array_equal(value, last[name])
    }
    assert moved == {"layer_1", "kernel", "bias", "output_weights", "output_bias"}

  def test_it_has_no_vectors(self, directories):
    names = os.listdir(directories["last_layer"])
    assert not [name for name in names if "vectors" in name]


class TestValidation:
  def test_rows_are_those_of_the_train_set(self, results):
    _, logs = results
    assert "Num examples = 36\n" in logs["last_layer"]
    assert "Num examples = 16 (12 actual, 4 padding)" in logs["last_layer"]

  @pytest.mark.parametrize("name", ["head", "last_layer"])
  def test_an_evaluation_an_epoch_beside_a_training_loss(self, directories, name):
    # 36 rows in batches of 8: 4.5 steps an epoch, and 18 in all.
    rows = curve(directories[name])
    evaluations = [row for row in rows if row["split"] == "eval"]
    assert [row["step"] for row in evaluations] == ["4", "9", "14", "18"]
    assert all(row["eval_accuracy"] and row["eval_loss"] for row in evaluations)
    losses = [row["step"] for row in rows if row["split"] == "train" and row["loss"]]
    assert losses == ["4", "9", "14", "18"]
    assert os.path.getsize(f"{directories[name]}/learning_curve.png") > 1000

  def test_the_best_epoch_is_kept(self, directories):
    rows = [row for row in curve(directories["head"]) if row["split"] == "eval"]
    best = max(rows, key=lambda row: float(row["eval_accuracy"]))["step"]
    assert f"model.ckpt-{best}.index" in os.listdir(f"{directories['head']}/best")


class TestErrors:
  def test_two_dev_sets_are_one_line_and_nothing_is_written(self, inputs, tmp_path):
    output_dir = str(tmp_path / "out")
    status, log = runs.run(
      runs.arguments(inputs, output_dir, validation_fraction=0.2, dev_file="dev.csv")
    )
    message = "--validation_fraction and --dev_file exclude each other"
    assert (status, log.splitlines()[-1]) == (1, f"run_classifier.py: {message}")
    assert not os.path.exists(output_dir)

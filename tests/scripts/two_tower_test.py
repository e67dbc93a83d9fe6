"""`run_classifier.py --pair_model=two_tower` end to end."""

import json
import os
import random

import numpy as np
import pytest

import bert_ja
from bert_ja import text_io
from tests.scripts import runs

_WORDS = [f"w{index}" for index in range(40)]
# All weights are trained, without dropout: the numbers hang on no device.
_WHOLE = {
  "pair_model": "two_tower",
  "combination": "attention_reduced",
  "attention_size": 6,
  "head_dropout": 0.0,
  "num_train_epochs": 2,
  "do_predict": True,
}


def write_rows(path, count, seed):
  """Pairs; 5 texts serve as the second of all. Label: whether first words are alike."""
  draw = random.Random(seed)
  seconds = [draw.choices(_WORDS, k=size) for size in (1, 3, 5, 8, 2)]
  lines = ["text_a\ttext_b\tlabel"]
  for number in range(count):
    first = draw.choices(_WORDS, k=draw.randint(2, 9))
    second = seconds[number % 5]
    is_even = [_WORDS.index(words[0]) % 2 == 0 for words in (first, second)]
    label = "alike" if is_even[0] == is_even[1] else "other"
    lines.append(f"{' '.join(first)}\t{' '.join(second)}\t{label}")
  with open(path, "w") as writer:
    writer.write("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  directory = str(tmp_path_factory.mktemp("inputs"))
  runs.write_inputs(directory)
  for number, (name, count) in enumerate((("train", 48), ("dev", 16), ("test", 9))):
    os.remove(f"{directory}/{name}.csv")
    write_rows(f"{directory}/{name}.tsv", count, number)
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
  additive = {"combination": "attention_additive", "attention_size": 5}
  reduced = {"combination": "attention_reduced", "attention_size": 6}
  step = {"frozen_variables": "^bert/"}
  jobs = {
    "all": {**additive, "head": "mlp", "mlp_layers": "7", "do_predict": True},
    "once": {"trainable": "head", "do_eval": True, "do_predict": True},
    "each_step": step,
    "pieces_once": {**reduced, "trainable": "head", "do_eval": True},
    "pieces_each_step": {**reduced, **step, "do_eval": True},
    "last_layer": {"trainable": "last_layer", "combination": "product"},
  }
  common = {"pair_model": "two_tower", "num_train_epochs": 2}
  commands = [
    runs.arguments(inputs, str(root / name), **common, **job)
    for name, job in jobs.items()
  ]
  again = {"model_dir": str(root / "all"), "data_dir": inputs, "do_predict": True}
  again["output_dir"] = str(root / "again")
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


def probabilities(directory):
  return np.loadtxt(f"{directory}/test_results.tsv")


class TestPrediction:
  def test_the_directory_predicts_by_itself_as_the_training_did(self, directories):
    expected, actual = (probabilities(directories[name]) for name in ("all", "again"))
    assert np.ptp(expected[:, 0]) > 0.01
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)

  @pytest.mark.parametrize("name", ["all", "once"])
  def test_the_scorer_in_python_gives_the_same(self, inputs, directories, name):
    scorer = bert_ja.PairScorer(directories[name])
    assert scorer.labels == ["alike", "other"]
    rows = [row.split("\t") for row in text_io.read_lines(f"{inputs}/test.tsv")[1:4]]
    candidates = scorer.encode([second for _, second, _ in rows])
    scores = [
      scorer.score(first, candidates)[number] for number, (first, *_) in enumerate(rows)
    ]
    expected = probabilities(directories[name])[:3]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)

  def test_the_pair_model_is_recorded(self, directories):
    recorded = text_io.read_json(f"{directories['all']}/task.json")["flags"]
    names = ("pair_model", "combination", "attention_size")
    assert [recorded[name] for name in names] == ["two_tower", "attention_additive", 5]


class TestAFixedEncoder:
  @pytest.mark.parametrize("prefix", ["", "pieces_"])
  def test_vectors_train_as_the_encoder_in_each_step_does(self, directories, prefix):
    once, each_step = (
      runs.arrays(directories[prefix + name]) for name in ("once", "each_step")
    )
    names = [name for name in once if name.startswith("two_tower/")]
    assert names
    for name in names:
      np.testing.assert_allclose(
        once[name], each_step[name], rtol=1e-3, atol=1e-4, err_msg=name
      )

  def test_evaluations_agree(self, directories):
    found = [
      text_io.read_lines(f"{directories[name]}/eval_results.txt")
      for name in ("pieces_once", "pieces_each_step")
    ]
    values = [[float(line.split(" = ")[1]) for line in lines] for lines in found]
    np.testing.assert_allclose(*values, rtol=1e-3)

  def test_a_text_of_many_rows_is_encoded_once(self, results):
    directories, logs = results
    # 48 first texts, and 5 that are the second one of all rows.
    assert "Encoding 53 rows" in logs["once"]
    vectors = np.load(f"{directories['once']}/train.vectors.npy")
    assert vectors.shape == (53, 16)
    vectors = np.load(f"{directories['pieces_once']}/train.vectors.npy")
    assert vectors.shape == (53, 16, 16)


@pytest.fixture(scope="module")
def on_devices(inputs, tmp_path_factory):
  """{run: (weights, probabilities)}"""
  root = tmp_path_factory.mktemp("on_devices")
  # In one process: the first run divides the devices, which cannot be done later.
  jobs = {
    "devices": {"num_devices": 2},
    "devices and xla": {"num_devices": 2, "xla": True},
    "xla": {"xla": True},
    "one": {},
  }
  runs.logs_of_many(
    [
      runs.arguments(inputs, str(root / name), **_WHOLE, **job)
      for name, job in jobs.items()
    ]
  )
  found = {}
  for name in jobs:
    weights = runs.arrays(str(root / name))
    # Softmax does not see biases of keys: what is stored is rounding.
    seen = {name: value for name, value in weights.items() if "/key/bias" not in name}
    found[name] = seen, probabilities(str(root / name))
  return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["devices", "devices and xla", "xla"])
def test_other_devices_come_to_the_same(on_devices, name):
  (expected, expected_outputs), (actual, outputs) = on_devices["one"], on_devices[name]
  assert np.ptp(expected_outputs[:, 0]) > 0.01
  runs.assert_close(expected, actual, relative=1e-4)
  np.testing.assert_allclose(outputs, expected_outputs, rtol=1e-4)


def test_the_last_layer_and_the_head_are_trained(directories):
  slots = {
    name.removesuffix("/adam_m")
    for name, value in runs.arrays(directories["last_layer"]).items()
    if name.endswith("/adam_m") and np.any(value)
  }
  heads = {"two_tower/output_weights", "two_tower/output_bias"}
  assert heads <= slots
  assert {name.split("/")[2] for name in slots - heads} == {"layer_0"}


def test_a_task_of_one_text_is_one_line_and_nothing_is_written(tmp_path):
  directory, output_dir = str(tmp_path / "in"), str(tmp_path / "out")
  runs.write_inputs(directory)
  arguments = runs.arguments(directory, output_dir, pair_model="two_tower")
  status, log = runs.run(arguments)
  last = log.splitlines()[-1]
  assert (status, last.count("compares two texts, this row has one")) == (1, 1), log
  assert f"{directory}/train.csv, line 2: --pair_model=two_tower" in last
  assert not os.path.exists(output_dir)

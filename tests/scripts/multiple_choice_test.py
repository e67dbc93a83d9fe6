"""`run_classifier.py --task_name=multiple_choice` end to end."""

import json
import os
import random

import numpy as np
import pytest

from bert_ja import table_files, text_io
from tests.scripts import runs

_WORDS = [f"w{index}" for index in range(40)]


def rows(count, seed):
  """Two to four choices, and a place without one; the right one is the text's word."""
  draw = random.Random(seed)
  for _ in range(count):
    choices = draw.sample(_WORDS[:6], draw.randint(2, 4))
    label = draw.randrange(len(choices))
    text = " ".join([choices[label], draw.choice(_WORDS[20:])])
    empty = draw.randint(0, len(choices))
    choices.insert(empty, "")
    yield {"text": text, "choices": choices, "label": label + (empty <= label)}


def write_rows(path, values):
  with open(path, "w") as writer:
    writer.writelines(json.dumps(value) + "\n" for value in values)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  directory = str(tmp_path_factory.mktemp("inputs"))
  runs.write_inputs(directory)
  for seed, (name, count) in enumerate((("train", 96), ("dev", 16), ("test", 9))):
    os.remove(f"{directory}/{name}.csv")
    write_rows(f"{directory}/{name}.jsonl", rows(count, seed))
  # Without dropout: the numbers hang on no length of a batch.
  path = f"{directory}/bert_config.json"
  config = text_io.read_json(path) | {"initializer_range": 0.3}
  config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
  text_io.write_json(path, config)
  return directory


@pytest.fixture(scope="module")
def results(inputs, tmp_path_factory):
  """{name: output directory} of runs in one process."""
  root = str(tmp_path_factory.mktemp("results"))
  common = {"task_name": "multiple_choice", "num_train_epochs": 2, "do_predict": True}
  common["head_dropout"] = 0.0
  jobs = {
    # Evaluations between steps, batches of many lengths.
    "plain": {"do_eval": True, "eval_steps": 12, "bucket_by_length": True},
    "by_xla": {
      "do_eval": True,
      "eval_steps": 12,
      "bucket_by_length": True,
      "xla": True,
    },
    "head": {"trainable": "head", "do_eval": True, "focal_gamma": 1.0},
  }
  commands = [
    runs.arguments(inputs, f"{root}/{name}", **(common | job))
    for name, job in jobs.items()
  ]
  for name, more in (("again", {}), ("wider", {"num_choices": 7})):
    values = {"model_dir": f"{root}/plain", "data_dir": inputs, "do_predict": True}
    values |= {"output_dir": f"{root}/{name}", **more}
    commands.append([f"--{flag}={value}" for flag, value in values.items()])
  runs.logs_of_many(commands)
  return {name: f"{root}/{name}" for name in (*jobs, "again", "wider")}


def scores(directory):
  """Scores of the test set [R, N]; NaN without a choice."""
  header, *cells = table_files.read_tsv(f"{directory}/predictions.tsv")
  first = header.index("score_0")
  return np.array([[float(cell or "nan") for cell in row[first:]] for row in cells])


class TestRuns:
  def test_the_number_of_choices_is_recorded(self, results):
    task = text_io.read_json(f"{results['plain']}/task.json")
    assert task["learned"] == {"num_choices": 5}
    assert task["labels"] == []

  def test_accuracy_is_that_of_the_predictions(self, inputs, results):
    header, *cells = table_files.read_tsv(f"{results['plain']}/predictions.tsv")
    values = [dict(zip(header, row, strict=True)) for row in cells]
    right = [row["label"] == row["predicted"] for row in values]
    measured = text_io.read_json(f"{results['plain']}/test/metrics.json")
    assert measured == {"accuracy": pytest.approx(np.mean(right))}
    for row, (_, given) in zip(
      values, table_files.read_table(f"{inputs}/test.jsonl")[1], strict=True
    ):
      assert row["choice"] == given["choices"][int(row["predicted"])] != ""

  def test_evaluations_are_recorded(self, results):
    for name in ("plain", "head"):
      lines = text_io.read_lines(f"{results[name]}/eval_results.txt")
      assert lines[0].startswith("eval_accuracy = ")
    curve = text_io.read_lines(f"{results['plain']}/learning_curve.csv")
    assert "eval_accuracy" in curve[0]

  def test_the_directory_predicts_by_itself_as_the_training_did(self, results):
    expected = scores(results["plain"])
    assert np.nanstd(expected) > 1e-3
    np.testing.assert_allclose(scores(results["again"]), expected, rtol=1e-3, atol=1e-5)

  def test_more_places_change_no_score(self, results):
    wide = scores(results["wider"])
    assert wide.shape == (9, 7)
    assert np.isnan(wide[:, 5:]).all()
    np.testing.assert_allclose(
      wide[:, :5], scores(results["plain"]), rtol=1e-3, atol=1e-5
    )

  def test_xla_gives_the_same(self, results):
    # Not by the weights: what all choices have in common has no gradient, but rounding.
    np.testing.assert_allclose(
      scores(results["by_xla"]), scores(results["plain"]), rtol=2e-3, atol=1e-4
    )


def test_the_longest_row_may_be_held_out(inputs, tmp_path):
  # One row of five choices: some seed holds it out.
  same = [{"text": "w1", "choices": ["w2", "w3"], "label": 0}] * 9
  row = {"text": "w1", "choices": ["w2", "w3", "w4", "w5", "w6"], "label": 0}
  write_rows(tmp_path / "train.jsonl", [*same, row])
  directories = [str(tmp_path / f"out{seed}") for seed in range(4)]
  commands = [
    runs.arguments(
      inputs,
      directory,
      task_name="multiple_choice",
      train_file=str(tmp_path / "train.jsonl"),
      validation_fraction=0.3,
      train_batch_size=4,
      num_train_epochs=1,
      do_eval=True,
      seed=seed,
    )
    for seed, directory in enumerate(directories)
  ]
  runs.logs_of_many(commands)
  held_out = 0
  for directory in directories:
    task = text_io.read_json(f"{directory}/task.json")
    assert task["learned"] == {"num_choices": 5}
    _, *rows_of_dev = table_files.read_tsv(f"{directory}/eval/predictions.tsv")
    held_out += any(row[-1] for row in rows_of_dev)
  assert 0 < held_out < 4


def test_a_bad_row_of_any_set_is_told_before_the_training(inputs, tmp_path):
  bad = {"text": "w1", "choices": ["w2", "w3"], "label": 5}
  write_rows(tmp_path / "bad.jsonl", [*rows(3, 7), bad])
  output_dir = str(tmp_path / "out")
  arguments = runs.arguments(
    inputs,
    output_dir,
    task_name="multiple_choice",
    test_file=str(tmp_path / "bad.jsonl"),
    do_predict=True,
  )
  status, log = runs.run(arguments)
  assert status == 1
  last = log.splitlines()[-1]
  assert "bad.jsonl, line 4: label 5 is outside the range of 2 choices" in last
  assert not os.path.exists(output_dir)

"""The script from outside: the original's numbers, training, stops, odd and bad input."""

import csv
import importlib
import json
import os
import random
import socket

import pytest

from tests.scripts import pretraining_inputs, runs


def results_of(*path):
  """{name: value} of an eval_results.txt."""
  with open(os.path.join(*path)) as reader:
    pairs = [line.split(" = ") for line in reader.read().splitlines()]
  return {name: float(value) for name, value in pairs}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  directory = str(tmp_path_factory.mktemp("inputs"))
  pretraining_inputs.write(directory)
  return directory


@pytest.fixture(scope="module")
def outputs(inputs, tmp_path_factory):
  """Output directories of several runs, and their logs."""
  root = str(tmp_path_factory.mktemp("out"))

  def arguments(name, **flag_values):
    return pretraining_inputs.arguments(inputs, f"{root}/{name}", **flag_values)

  held_out = {"do_eval": True, "eval_file": f"{inputs}/dev.tfrecord"}
  phase_2 = {
    "input_file": f"{inputs}/long.tfrecord",
    "max_seq_length": 24,
    "num_train_steps": 40,
    "do_eval": True,
  }
  jobs = [
    arguments("untrained", do_train=None, random_init=True, **held_out),
    arguments(
      "long", num_train_steps=240, train_batch_size=32, eval_steps=120, **held_out
    ),
    arguments("short"),
    arguments("short", **phase_2),
    arguments("no_next", next_sentence=False, do_eval=True, num_train_steps=6),
    arguments(
      "from_other", init_checkpoint=f"{root}/long", num_train_steps=1, **held_out
    ),
    arguments(
      "dynamic",
      input_file=f"{inputs}/whole.tfrecord",
      dynamic_masking=True,
      do_whole_word_mask=True,
      mask_token_id=pretraining_inputs.MASK,
      max_predictions_per_seq=2,
      do_eval=True,
      num_train_steps=6,
    ),
  ]
  return root, runs.logs_of_many(jobs, "run_pretraining")


class TestGolden:
  def test_evaluation_is_the_originals(self, shared_golden, tmp_path):
    golden = shared_golden / "cli"
    records = shared_golden / "pretraining_data" / "plain" / "tf_examples.tfrecord"
    status, log = runs.run(
      [
        f"--bert_config_file={golden}/model/bert_config.json",
        f"--init_checkpoint={golden}/model/bert_model.ckpt",
        f"--input_file={records}",
        "--do_eval=true",
        "--max_seq_length=128",
        "--max_predictions_per_seq=20",
        "--eval_batch_size=4",
        "--max_eval_steps=10",
        f"--output_dir={tmp_path}",
      ],
      "run_pretraining",
    )
    assert status == 0, log
    expected = results_of(golden, "expected", "pretraining_eval_results.txt")
    assert results_of(tmp_path, "eval_results.txt") == pytest.approx(
      expected, rel=1e-3, abs=1e-4
    )


class TestTraining:
  def test_learns_words_it_was_not_trained_on(self, outputs):
    before, after = (
      results_of(outputs[0], name, "eval_results.txt") for name in ("untrained", "long")
    )
    assert before["masked_lm_accuracy"] < 0.2
    assert after["masked_lm_accuracy"] > 0.4
    assert after["masked_lm_loss"] < 0.7 * before["masked_lm_loss"]
    assert after["global_step"] == 240

  def test_the_file_holds_the_originals_metrics(self, outputs):
    names = {"global_step", "loss"}
    for head in ("masked_lm", "next_sentence"):
      names |= {f"{head}_accuracy", f"{head}_loss"}
    results = results_of(outputs[0], "long", "eval_results.txt")
    assert set(results) == names
    with open(os.path.join(outputs[0], "long", "metrics.json")) as reader:
      assert json.load(reader) == pytest.approx(results, rel=1e-5)

  def test_evaluates_while_training_on_the_held_out_file(self, outputs):
    with open(os.path.join(outputs[0], "long", "learning_curve.csv")) as reader:
      rows = [row for row in csv.DictReader(reader) if row["split"] == "eval"]
    assert [int(row["step"]) for row in rows] == [120, 240]
    results = results_of(outputs[0], "long", "eval_results.txt")
    assert float(rows[-1]["masked_lm_loss"]) == pytest.approx(
      results["masked_lm_loss"], rel=1e-4
    )
    assert os.path.exists(os.path.join(outputs[0], "long", "best", "checkpoint"))

  def test_a_second_phase_goes_on_with_longer_records(self, outputs):
    """From step 24 to 40, with the rates of a run of 40 steps (B-25)."""
    root, logs = outputs
    results = results_of(root, "short", "eval_results.txt")
    assert results["global_step"] == 40
    assert f"Restored {root}/short/model.ckpt-24" in logs[3]
    with open(os.path.join(root, "short", "learning_curve.csv")) as reader:
      rates = {
        int(row["step"]): float(row["learning_rate"])
        for row in csv.DictReader(reader)
        if row["split"] == "train"
      }
    assert rates[40] == pytest.approx(3e-3 * (1 - 39 / 40), rel=1e-4)

  def test_next_sentences_can_be_left_out(self, outputs):
    root, _ = outputs
    assert not any("seq_rel" in name for name in runs.arrays(f"{root}/no_next"))
    results = results_of(root, "no_next", "eval_results.txt")
    assert set(results) == {
      "global_step",
      "loss",
      "masked_lm_accuracy",
      "masked_lm_loss",
    }
    assert results["loss"] == pytest.approx(results["masked_lm_loss"], rel=0.2)

  def test_goes_on_from_another_models_weights(self, outputs):
    """The first update has the rate 0, so that the scores are that model's."""
    expected, found = (
      results_of(outputs[0], name, "eval_results.txt")
      for name in ("long", "from_other")
    )
    assert found == pytest.approx({**expected, "global_step": 1}, rel=1e-4)

  def test_masks_are_drawn_for_records_without(self, outputs):
    results = results_of(outputs[0], "dynamic", "eval_results.txt")
    assert results["global_step"] == 6
    assert 0 < results["masked_lm_loss"] < 5

  def test_the_output_directory_is_a_model(self, outputs):
    from bert_ja import model_files

    directory = os.path.join(outputs[0], "long")
    files = model_files.find(directory)
    assert files.init_checkpoint == f"{directory}/model.ckpt-240"
    assert files.config_file == f"{directory}/bert_config.json"

  def test_help_lists_all_flags_of_the_contract(self):
    status, log = runs.finish(runs.start(["--help"], "run_pretraining"))
    assert status == 1
    for name in ("input_file", "bert_config_file", "max_eval_steps", "tpu_name"):
      assert f"--{name}:" in log
    for name in ("vocab_file", "num_train_epochs", "predict_batch_size"):
      assert f"--{name}:" not in log


class TestDevices:
  def arguments(self, inputs, directory, **options):
    """Of six updates without dropout."""
    config = {
      **pretraining_inputs.CONFIG,
      "hidden_dropout_prob": 0.0,
      "attention_probs_dropout_prob": 0.0,
    }
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(config))
    return pretraining_inputs.arguments(
      inputs,
      str(directory / "out"),
      bert_config_file=str(directory / "config.json"),
      num_train_steps=6,
      do_eval=True,
      eval_batch_size=6,
      max_eval_steps=5,
      **options,
    )

  def results(self, directory):
    """(weights, scores, losses by step)"""
    with open(directory / "out" / "learning_curve.csv") as reader:
      losses = {
        (row["split"], int(row["step"])): float(row["loss"])
        for row in csv.DictReader(reader)
      }
    weights = runs.arrays(str(directory / "out"))
    return weights, results_of(directory, "out", "eval_results.txt"), losses

  def trained(self, inputs, directory, **options):
    """What a process with these options comes to."""
    arguments = self.arguments(inputs, directory, **options)
    status, log = runs.run(arguments, "run_pretraining")
    assert status == 0, log
    return self.results(directory)

  def compare(self, expected, found):
    """They differ by the order of sums of float32.

    Which Adam makes more of: a gradient of rounding alone moves a weight by the rate.
    """
    runs.assert_close(expected[0], found[0], relative=2e-3)
    assert found[1] == pytest.approx(expected[1], rel=1e-3)
    assert found[2] == pytest.approx(expected[2], rel=1e-3)

  @pytest.mark.parametrize(
    "options",
    [
      {"num_devices": 2},
      pytest.param({"gradient_accumulation_steps": 4}, marks=pytest.mark.slow),
    ],
    ids=["devices", "parts"],
  )
  def test_shares_of_a_batch_add_up(self, inputs, tmp_path, options):
    """Though their rows have different numbers of predictions."""
    expected = self.trained(inputs, tmp_path / "one")
    self.compare(expected, self.trained(inputs, tmp_path / "many", **options))

  @pytest.mark.slow
  def test_two_workers_are_one(self, inputs, tmp_path):
    """From records to scores, with an evaluation on the way and masks drawn anew."""
    options = {
      "input_file": f"{inputs}/whole.tfrecord",
      "dynamic_masking": True,
      "mask_token_id": pretraining_inputs.MASK,
      "eval_steps": 3,
    }
    expected = self.trained(inputs, tmp_path / "one", **options)
    arguments = self.arguments(inputs, tmp_path / "workers", **options)
    with socket.socket() as one, socket.socket() as other:
      for end in (one, other):
        end.bind(("127.0.0.1", 0))
      addresses = [f"127.0.0.1:{end.getsockname()[1]}" for end in (one, other)]
    workers = [
      runs.start(arguments, "run_pretraining", TF_CONFIG=json.dumps(config))
      for config in (
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        for index in range(2)
      )
    ]
    for status, log in map(runs.finish, workers):
      assert status == 0, log
    self.compare(expected, self.results(tmp_path / "workers"))


class TestStops:
  def test_a_killed_run_continues_to_the_same_weights(self, inputs, outputs, tmp_path):
    draw, directory = random.Random(11), str(tmp_path / "killed")
    steps = {"num_train_steps": 200}
    arguments = pretraining_inputs.arguments(
      inputs, directory, **steps, save_checkpoints_steps=2
    )
    for _ in range(2):
      process = runs.start(arguments, "run_pretraining")
      runs.kill_in_training(process, directory, draw.uniform(0, 0.1))
    assert 0 < runs.newest_step(directory) < 200
    status, log = runs.run(arguments, "run_pretraining")
    assert status == 0, log
    unbroken = pretraining_inputs.arguments(inputs, str(tmp_path / "unbroken"), **steps)
    status, log = runs.run(unbroken, "run_pretraining")
    assert status == 0, log
    runs.assert_same(
      runs.arrays(str(tmp_path / "unbroken")), runs.arrays(str(tmp_path / "killed"))
    )

  @pytest.mark.slow
  def test_kills_at_random_moments_change_nothing(self, inputs, tmp_path):
    draw, directory = random.Random(12), str(tmp_path / "killed")
    steps = {"num_train_steps": 3000, "save_checkpoints_steps": 20}
    unbroken = pretraining_inputs.arguments(inputs, str(tmp_path / "unbroken"), **steps)
    assert runs.run(unbroken, "run_pretraining")[0] == 0
    killed = pretraining_inputs.arguments(inputs, directory, **steps)
    reached = set()
    for _ in range(20):
      process = runs.start(killed, "run_pretraining")
      runs.kill_in_training(process, directory, draw.uniform(0, 0.5))
      reached.add(runs.newest_step(directory))
    assert len(reached) > 15 and max(reached) < 3000
    status, log = runs.run(killed, "run_pretraining")
    assert status == 0, log
    runs.assert_same(
      runs.arrays(str(tmp_path / "unbroken")), runs.arrays(str(tmp_path / "killed"))
    )


class TestBadInput:
  @pytest.mark.parametrize(
    ("flag_values", "message"),
    [
      ({"do_train": None}, "nothing to do: give --do_train or --do_eval"),
      ({"input_file": None}, "--input_file is required"),
      ({"output_dir": None}, "--output_dir is required"),
      ({"input_file": "nowhere-*"}, "--input_file: nowhere-* does not exist"),
      (
        {"max_seq_length": 12},
        "train-0.tfrecord: input_ids has 16 values in its records, expected 12; give the "
        "--max_seq_length that they were made with",
      ),
      (
        {"max_predictions_per_seq": 4},
        "masked_lm_positions has 3 values in its records, expected 4; give the "
        "--max_predictions_per_seq that they were made with",
      ),
      ({"max_seq_length": 30}, "longer than the 24 positions"),
      (
        {
          "use_tpu": True,
          "tpu_name": "far",
          "input_file": "gs://b/r",
          "output_dir": "gs://b/o",
        },
        "run on the TPU's machine, with --tpu_name=local",
      ),
      ({"model_dir": "{inputs}"}, "vocab.txt has 36 pieces, {inputs}/bert_config"),
      ({"eval_steps": 2, "eval_file": "{inputs}/long.tfrecord"}, "expected 16; give"),
      ({"input_file": "{inputs}/bert_config.json"}, "is damaged or cut short"),
      ({"do_whole_word_mask": True}, "--do_whole_word_mask needs --dynamic_masking"),
      ({"dynamic_masking": True}, "the id of [MASK]; give --mask_token_id"),
      ({"dynamic_masking": True, "mask_token_id": 35}, "the model has 35 pieces"),
      ({"train_batch_size": 7, "gradient_accumulation_steps": 2}, "=7 cannot be"),
    ],
  )
  def test_is_told_in_one_line_before_anything_is_written(
    self, inputs, tmp_path, flag_values, message
  ):
    flag_values = {
      name: value.format(inputs=inputs) if isinstance(value, str) else value
      for name, value in flag_values.items()
    }
    output_dir = str(tmp_path / "out")
    values = {"output_dir": output_dir, **flag_values}
    arguments = pretraining_inputs.arguments(inputs, **values)
    status, log = runs.run(arguments, "run_pretraining")
    assert status == 1, log
    assert message.format(inputs=inputs) in log.splitlines()[-1]
    assert "Traceback" not in log
    left = os.listdir(output_dir) if os.path.exists(output_dir) else []
    assert set(left) <= {"record_index"}


class TestNames:
  def test_the_originals_functions_can_be_imported(self):
    script = importlib.import_module("run_pretraining")
    heads = ("get_masked_lm_output", "get_next_sentence_output", "gather_indexes")
    for name in (*heads, "input_fn_builder", "model_fn_builder", "main"):
      assert callable(getattr(script, name))

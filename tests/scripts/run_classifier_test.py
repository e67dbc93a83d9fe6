"""The script from outside: files, numbers, interruptions, several devices, errors."""

import importlib
import json
import os
import random
import signal
import time

import numpy as np
import pytest

from tests.scripts import runs

_SHARED = "../shared"
_CLI = f"{_SHARED}/golden/cli"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  directory = str(tmp_path_factory.mktemp("inputs"))
  runs.write_inputs(directory)
  return directory


@pytest.fixture(scope="module")
def unbroken(inputs, tmp_path_factory):
  """Output directory of a run that nothing stopped."""
  output_dir = str(tmp_path_factory.mktemp("unbroken"))
  status, log = runs.run(
    runs.arguments(inputs, output_dir, do_eval=True, do_predict=True, eval_steps=10)
  )
  assert status == 0, log
  return output_dir


def numbers(path):
  with open(path) as reader:
    return dict(line.rstrip("\n").split(" = ") for line in reader)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
  """Output directory of a stored command line of the original."""
  if not os.path.isdir(_CLI):
    pytest.skip(f"{_CLI} is not there: the original's files cannot be compared")
  output_dir = str(tmp_path_factory.mktemp("cli"))
  status, log = runs.run(
    [
      "--task_name=MRPC",
      "--do_eval=true",
      "--do_predict=true",
      f"--data_dir={_CLI}/mrpc",
      "--max_seq_length=80",
      f"--vocab_file={_SHARED}/data/vocab/uncased_en_30522.txt",
      f"--bert_config_file={_CLI}/model/bert_config.json",
      f"--init_checkpoint={_CLI}/model/bert_model.ckpt",
      f"--output_dir={output_dir}",
    ]
  )
  assert status == 0, log
  return output_dir


class TestOriginalsNumbers:
  """Contract A-100..102."""

  def test_eval_results(self, original):
    expected = numbers(f"{_CLI}/expected/eval_results.txt")
    actual = numbers(f"{original}/eval_results.txt")
    assert list(actual) == list(expected)
    for name, value in expected.items():
      assert float(actual[name]) == pytest.approx(float(value), rel=1e-3, abs=1e-4)

  def test_test_results(self, original):
    expected = np.loadtxt(f"{_CLI}/expected/test_results.tsv")
    actual = np.loadtxt(f"{original}/test_results.tsv")
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


class TestFiles:
  def test_a_run_leaves_its_results(self, unbroken):
    names = set(os.listdir(unbroken))
    assert names >= {
      "best",
      "bert_config.json",
      "checkpoint",
      "classification_report.txt",
      "confusion_matrix.png",
      "confusion_matrix.txt",
      "eval",
      "eval.tf_record",
      "eval_results.txt",
      "learning_curve.csv",
      "learning_curve.png",
      "metrics.json",
      "model.ckpt-5.index",
      "model.ckpt-24.index",
      "predict.tf_record",
      "predictions.tsv",
      "task.json",
      "test",
      "test_results.tsv",
      "tokenizer_config.json",
      "train.tf_record",
      "vocab.txt",
    }
    assert any(name.startswith("events.out.tfevents") for name in names)

  def test_nothing_temporary_stays(self, unbroken):
    for directory, _, names in os.walk(unbroken):
      assert not [name for name in names if "tmp" in name or "temp" in name], directory

  def test_eval_results_hold_the_originals_keys(self, unbroken):
    keys = ["eval_accuracy", "eval_loss", "global_step", "loss"]
    assert list(numbers(f"{unbroken}/eval_results.txt")) == keys

  def test_predictions_name_rows_and_classes(self, unbroken):
    with open(f"{unbroken}/predictions.tsv") as reader:
      header, *rows = [line.rstrip("\n").split("\t") for line in reader]
    assert header == [
      "id",
      "text",
      "label",
      "predicted",
      "probability_even",
      "probability_odd",
    ]
    assert [row[0] for row in rows] == [f"test-{index}" for index in range(1, 10)]

  def test_the_curve_has_an_evaluation_every_ten_steps_and_at_the_end(self, unbroken):
    with open(f"{unbroken}/learning_curve.csv") as reader:
      header, *rows = [line.rstrip("\n").split(",") for line in reader]
    steps = [row[0] for row in rows if row[header.index("split")] == "eval"]
    assert steps == ["10", "20", "24"]


class TestOutputDirectoryIsAModel:
  def test_it_predicts_the_same_from_another_directory(
    self, inputs, unbroken, tmp_path
  ):
    status, log = runs.run(
      [
        f"--model_dir={unbroken}",
        f"--data_dir={inputs}",
        f"--output_dir={tmp_path}",
        "--do_eval",
        "--do_predict",
      ]
    )
    assert status == 0, log
    for name in ("test_results.tsv", "classification_report.txt"):
      with open(f"{unbroken}/{name}") as one, open(tmp_path / name) as other:
        assert one.read() == other.read()
    expected = numbers(f"{unbroken}/eval_results.txt")
    actual = numbers(tmp_path / "eval_results.txt")
    assert actual["eval_loss"] == expected["eval_loss"]

  def test_random_init_takes_config_and_tokenizer_only(
    self, inputs, unbroken, tmp_path
  ):
    status, log = runs.run(
      [
        f"--model_dir={unbroken}",
        "--random_init",
        f"--data_dir={inputs}",
        f"--output_dir={tmp_path}",
        "--do_eval",
      ]
    )
    assert status == 0, log
    assert "INIT_FROM_CKPT" not in log

  def test_a_second_run_converts_nothing_and_trains_nothing(self, inputs, unbroken):
    status, log = runs.run(runs.arguments(inputs, unbroken))
    assert status == 0, log
    assert "48 examples were converted before" in log
    assert "Training is done already: step 24 of 24" in log


class TestInterruption:
  def test_sigterm_saves_and_the_same_command_continues(
    self, inputs, unbroken, tmp_path
  ):
    output_dir = str(tmp_path)
    command = runs.arguments(inputs, output_dir, eval_steps=10)
    process = runs.start(command)
    while not os.path.exists(f"{output_dir}/model.ckpt-0.index"):
      assert process.poll() is None
      time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    status, log = runs.finish(process)
    assert status == 143, log
    assert "the same command continues" in log
    status, log = runs.run(command)
    assert status == 0, log
    runs.assert_same(runs.arrays(unbroken), runs.arrays(output_dir))

  @pytest.mark.parametrize("seed", range(2))
  def test_a_killed_run_continues_to_the_same_bits(
    self, inputs, unbroken, tmp_path, seed
  ):
    self._kill_and_continue(inputs, unbroken, str(tmp_path), seed)

  @pytest.mark.slow
  @pytest.mark.parametrize("seed", range(100, 150))
  def test_fifty_kills(self, inputs, unbroken, tmp_path, seed):
    self._kill_and_continue(inputs, unbroken, str(tmp_path), seed)

  def _kill_and_continue(self, inputs, unbroken, output_dir, seed):
    command = runs.arguments(inputs, output_dir, eval_steps=10)
    os.makedirs(output_dir, exist_ok=True)
    process = runs.start(command)
    draw = random.Random(seed)
    # Most of a run's time is its start; a third of the kills shall hit the steps.
    if seed % 3 == 0:
      while process.poll() is None and not os.path.exists(f"{output_dir}/checkpoint"):
        time.sleep(0.01)
      runs.kill_after(process, draw.uniform(0, 4))
    else:
      runs.kill_after(process, draw.uniform(0, 12))
    status, log = runs.run(command)
    assert status == 0, log
    runs.assert_same(runs.arrays(unbroken), runs.arrays(output_dir))


class TestSeed:
  def test_same_seed_same_bits(self, inputs, unbroken, tmp_path):
    status, log = runs.run(runs.arguments(inputs, str(tmp_path)))
    assert status == 0, log
    runs.assert_same(runs.arrays(unbroken), runs.arrays(str(tmp_path)))

  def test_another_seed_gives_other_weights(self, inputs, unbroken, tmp_path):
    status, log = runs.run(runs.arguments(inputs, str(tmp_path), seed=6))
    assert status == 0, log
    one, other = runs.arrays(unbroken), runs.arrays(str(tmp_path))
    assert not np.array_equal(one["output_weights"], other["output_weights"])


class TestErrors:
  """One line on the screen, a non-zero status, nothing half-written."""

  def _error(self, command, status=1):
    actual, log = runs.run(command)
    assert actual == status, log
    assert "Traceback" not in log
    lines = [line for line in log.splitlines() if line.startswith("run_classifier.py:")]
    assert len(lines) == 1, log
    assert log.splitlines()[-1] == lines[0]
    return lines[0]

  def test_undefined_flag(self):
    line = self._error(["--do_lower=False"], status=2)
    assert "Unknown command line flag 'do_lower'" in line
    assert "do_lower_case" in line

  def test_nothing_to_do(self, tmp_path):
    assert "--do_train" in self._error([f"--output_dir={tmp_path}"])

  def test_missing_file(self, inputs, tmp_path):
    line = self._error(
      runs.arguments(inputs, str(tmp_path / "out"), vocab_file=f"{inputs}/none.txt")
    )
    assert f"{inputs}/none.txt" in line
    assert not os.path.exists(tmp_path / "out")

  def test_vocabulary_larger_than_the_embedding_table(self, inputs, tmp_path):
    vocab_file = tmp_path / "large.txt"
    with open(f"{inputs}/vocab.txt") as reader:
      vocab_file.write_text(reader.read() + "more\n")
    line = self._error(
      runs.arguments(inputs, str(tmp_path / "out"), vocab_file=vocab_file)
    )
    assert "46 pieces" in line
    assert "vocab_size of 45" in line

  def test_malformed_row(self, inputs, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\nw1 w2,odd\nw3\n")
    line = self._error(runs.arguments(inputs, str(tmp_path / "out"), train_file=bad))
    assert f"{bad}, line 3: expected 2 cells" in line

  def test_unknown_label(self, inputs, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\nw1 w2,neither\n")
    line = self._error(
      runs.arguments(inputs, str(tmp_path / "out"), dev_file=bad, eval_steps=5)
    )
    assert f"{bad}, line 2" in line
    assert "'neither'" in line
    assert "'even', 'odd'" in line

  def test_truncated_checkpoint(self, inputs, unbroken, tmp_path):
    for name in os.listdir(unbroken):
      if name.startswith("model.ckpt-24."):
        with open(f"{unbroken}/{name}", "rb") as reader:
          data = reader.read()
        cut = data[: len(data) // 4] if ".data-" in name else data
        (tmp_path / name).write_bytes(cut)
    line = self._error(
      runs.arguments(
        inputs, str(tmp_path / "out"), init_checkpoint=tmp_path / "model.ckpt-24"
      )
    )
    assert "model.ckpt-24" in line
    assert "damaged" in line

  def test_config_of_another_model(self, inputs, unbroken, tmp_path):
    with open(f"{inputs}/bert_config.json") as reader:
      config = json.load(reader)
    config["intermediate_size"] = 32
    other = tmp_path / "other.json"
    other.write_text(json.dumps(config))
    line = self._error(
      runs.arguments(
        inputs,
        str(tmp_path / "out"),
        bert_config_file=other,
        init_checkpoint=f"{unbroken}/model.ckpt-24",
      )
    )
    assert "has shape [16, 32] in the model but [16, 24] in" in line

  def test_loss_that_is_not_finite(self, inputs, tmp_path):
    line = self._error(
      runs.arguments(
        inputs, str(tmp_path / "out"), learning_rate=1e38, warmup_proportion=0
      )
    )
    assert "at step" in line
    assert "training rows" in line
    assert "--learning_rate" in line
    steps = [name for name in os.listdir(tmp_path / "out") if ".index" in name]
    assert steps == ["model.ckpt-0.index"]

  def test_debug_shows_the_traceback(self, inputs, tmp_path):
    status, log = runs.run(
      runs.arguments(
        inputs, str(tmp_path / "out"), vocab_file=f"{inputs}/none.txt", debug=True
      )
    )
    assert status == 1
    assert "Traceback" in log

  def test_sequence_longer_than_the_models_positions(self, inputs, tmp_path):
    line = self._error(runs.arguments(inputs, str(tmp_path / "out"), max_seq_length=21))
    assert "--max_seq_length=21" in line
    assert "20 positions" in line

  def test_remote_tpu_with_a_local_path(self, inputs, tmp_path):
    line = self._error(
      runs.arguments(inputs, str(tmp_path / "out"), use_tpu=True, tpu_name="some-tpu")
    )
    assert "--data_dir" in line
    assert "gs://" in line


class TestImport:
  def test_names_that_other_code_imports(self):
    script = importlib.import_module("run_classifier")
    for name in (
      "InputExample",
      "PaddingInputExample",
      "InputFeatures",
      "DataProcessor",
      "XnliProcessor",
      "MnliProcessor",
      "MrpcProcessor",
      "ColaProcessor",
      "convert_single_example",
      "file_based_convert_examples_to_features",
      "file_based_input_fn_builder",
      "create_model",
      "model_fn_builder",
      "input_fn_builder",
      "convert_examples_to_features",
    ):
      assert callable(getattr(script, name)), name

  def test_help_needs_no_tensorflow(self):
    # A broken TensorFlow would stop any import of it.
    process = runs.start(["--help"], PYTHONPATH="tests/golden/no_tensorflow")
    status, log = runs.finish(process)
    assert status == 1
    assert "--task_name" in log


class TestAFailedStart:
  """It leaves a directory as it was, and costs no training."""

  def _fail(self, command):
    status, log = runs.run(command)
    assert status == 1, log
    return log.splitlines()[-1]

  def test_other_labels_leave_a_finished_model_alone(self, inputs, unbroken, tmp_path):
    data = tmp_path / "train.csv"
    data.write_text("text,label\n" + "w1 w2,yes\nw3,no\n" * 8)
    with open(f"{unbroken}/task.json") as reader:
      before = reader.read()
    line = self._fail(runs.arguments(inputs, unbroken, train_file=data))
    assert "holds a model with labels even, odd, the task has no, yes" in line
    with open(f"{unbroken}/task.json") as reader:
      assert reader.read() == before

  def test_a_wrong_dev_set_is_found_before_training(self, inputs, tmp_path):
    data = tmp_path / "dev.csv"
    data.write_text("text,label\nw1 w2,add\n")
    output_dir = tmp_path / "out"
    line = self._fail(
      runs.arguments(inputs, str(output_dir), dev_file=data, do_eval=True)
    )
    assert f"{data}, line 2" in line
    assert not output_dir.exists()

  def test_a_checkpoint_that_does_not_fit_leaves_nothing(
    self, inputs, unbroken, tmp_path
  ):
    data = tmp_path / "train.csv"
    data.write_text("text,label\n" + "w1,a\nw2,b\nw3,c\n" * 8)
    output_dir = tmp_path / "out"
    line = self._fail(
      runs.arguments(inputs, str(output_dir), train_file=data, init_checkpoint=unbroken)
    )
    assert "output_weights has shape [3, 16] in the model but [2, 16]" in line
    assert not output_dir.exists()

  def test_predicting_needs_weights(self, inputs, tmp_path):
    line = self._fail(
      runs.arguments(inputs, str(tmp_path / "out"), do_train=None, do_predict=True)
    )
    assert "there are no weights" in line

"""The script from outside: files, numbers, alignments, odd and bad input."""

import csv
import importlib
import json
import os

import numpy as np
import pytest

from tests.scripts import runs, squad_inputs

_GOLDEN = "../shared/golden"


def load(*path):
  with open(os.path.join(*path), encoding="utf-8") as reader:
    return json.load(reader)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  directory = str(tmp_path_factory.mktemp("inputs"))
  squad_inputs.write(directory)
  return directory


@pytest.fixture(scope="module")
def outputs(inputs, tmp_path_factory):
  """Output directories of several runs, and their log."""
  root = str(tmp_path_factory.mktemp("out"))

  def arguments(name, **flag_values):
    return squad_inputs.arguments(inputs, f"{root}/{name}", **flag_values)

  # What it learns by heart is what it is asked.
  learnt = {"predict_file": f"{inputs}/train.json", "do_eval": True}
  train = {"do_train": True, "train_file": f"{inputs}/train.json"}
  trained = {"vocab_file": None, "bert_config_file": None, "model_dir": f"{root}/long"}
  predict_alone = {"do_eval": False, "do_predict": True}
  options = dict.fromkeys(("max_seq_length", "doc_stride", "max_query_length"))
  version_2 = {
    "version_2_with_negative": True,
    "train_file": f"{inputs}/train_v2.json",
    "predict_file": f"{inputs}/dev_v2.json",
  }
  jobs = [
    arguments("untrained", **learnt, random_init=True),
    arguments("long", **train, **learnt, num_train_epochs=80, eval_steps=120),
    arguments("again", **trained, **options, **learnt, do_predict=True),
    arguments("alone", **trained, **options, **learnt),
    arguments("alone", **trained, **options, **learnt | predict_alone),
    arguments(
      "v2",
      do_train=True,
      **version_2,
      do_predict=True,
      do_eval=True,
      num_train_epochs=2,
    ),
  ]
  return root, runs.logs_of_many(jobs, "run_squad")


class TestTraining:
  def test_learns_to_answer(self, outputs):
    root, _ = outputs
    before, after = (
      load(root, name, "metrics.json")["eval_exact_match"]
      for name in ("untrained", "long")
    )
    assert before < 20 < 80 < after

  def test_metrics_name_the_step(self, outputs):
    """That of training in this directory: weights from elsewhere have none."""
    steps = [
      load(outputs[0], name, "metrics.json")["global_step"]
      for name in ("untrained", "long", "again")
    ]
    assert steps == [0, 240, 0]

  def test_answers_are_cut_from_the_context(self, inputs, outputs):
    predictions = load(outputs[0], "long", "predictions.json")
    paragraphs = load(inputs, "train.json")["data"][0]["paragraphs"]
    assert list(predictions) == [p["qas"][0]["id"] for p in paragraphs]
    for paragraph in paragraphs:
      assert predictions[paragraph["qas"][0]["id"]] in paragraph["context"]

  def test_a_curve_of_the_scores_is_written(self, outputs):
    with open(os.path.join(outputs[0], "long", "learning_curve.csv")) as reader:
      rows = [row for row in csv.DictReader(reader) if row["split"] == "eval"]
    assert [int(row["step"]) for row in rows] == [120, 240]
    last = load(outputs[0], "long", "metrics.json")
    assert float(rows[-1]["eval_f1"]) == pytest.approx(last["eval_f1"])
    assert float(rows[-1]["eval_character_f1"]) == pytest.approx(
      last["eval_character_f1"]
    )

  def test_the_answer_of_a_window_is_written_to_its_records(self, outputs):
    import tensorflow as tf

    path = os.path.join(outputs[0], "long", "train.tf_record")
    names = set()
    for record in tf.data.TFRecordDataset(path):
      names |= set(tf.train.Example.FromString(record.numpy()).features.feature)
    assert names == {
      "unique_ids",
      "input_ids",
      "input_mask",
      "segment_ids",
      "start_positions",
      "end_positions",
      "is_impossible",
    }


class TestTrainedModel:
  def test_needs_no_flag_but_its_directory(self, outputs):
    """Lengths and alignment were recorded beside the weights."""
    root, logs = outputs
    assert load(root, "long", "task.json")["flags"]["answer_alignment"] == "characters"
    assert "Answers are placed by characters" in logs[2]
    for name in ("predictions.json", "evaluation.json"):
      assert load(root, "long", name) == load(root, "again", name)

  def test_answers_of_their_own_leave_no_scores_of_others(self, outputs):
    root, _ = outputs
    assert os.path.exists(f"{root}/again/question_scores.tsv")
    names = os.listdir(f"{root}/alone")
    assert "predictions.json" in names and "question_scores.tsv" not in names
    # The last evaluation keeps its results.
    assert load(root, "alone", "metrics.json") == load(root, "again", "metrics.json")
    record = load(root, "alone", "flags.json")
    assert list(record) == ["do_eval", "do_predict"]
    assert record["do_eval"]["model_directory"] == f"{root}/long"
    assert list(load(root, "long", "flags.json")) == ["do_train", "do_eval"]


class TestVersion2:
  def test_writes_odds_and_scores_with_and_without_answer(self, outputs):
    root, _ = outputs
    odds = load(root, "v2", "null_odds.json")
    assert len(odds) == 32
    assert all(np.isfinite(value) for value in odds.values())
    scores = load(root, "v2", "evaluation.json")
    assert (scores["HasAns_total"], scores["NoAns_total"]) == (16, 16)

  def test_scores_are_of_the_predictions_written(self, outputs, inputs):
    root, _ = outputs
    predictions = load(root, "v2", "predictions.json")
    right = sum(
      predictions[qa["id"]] == (qa["answers"][0]["text"] if qa["answers"] else "")
      for paragraph in load(inputs, "dev_v2.json")["data"][0]["paragraphs"]
      for qa in paragraph["qas"]
    )
    scores = load(root, "v2", "evaluation.json")
    assert scores["exact"] == pytest.approx(100 * right / 32)


class TestWords:
  def test_an_answer_that_stands_twice_is_learnt_at_its_first_place(self, tmp_path):
    """Contract A-122: text without spaces is one word. Characters know the place."""
    squad_inputs.write(str(tmp_path))
    answer = {"text": "山川", "answer_start": 12}
    qas = [{"id": "q", "question": "赤", "answers": [answer]}]
    paragraph = {"context": "赤山川空林森火水木金土石山川海", "qas": qas}
    path = tmp_path / "twice.json"
    path.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    jobs = [
      squad_inputs.arguments(
        tmp_path,
        f"{tmp_path}/{alignment}",
        do_train=True,
        train_file=path,
        num_train_epochs=1,
        train_batch_size=1,
        answer_alignment=alignment,
      )
      for alignment in ("words", "characters")
    ]
    status, log = runs.run_many(jobs, "run_squad")
    assert status == 0, log
    # [CLS] 赤 [SEP] and then the context.
    assert positions(f"{tmp_path}/words/train.tf_record") == [(4, 5)]
    assert positions(f"{tmp_path}/characters/train.tf_record") == [(15, 16)]


def positions(path):
  """(start, end) of the answers in the first window of a file."""
  import tensorflow as tf

  [first, *_] = tf.data.TFRecordDataset(path)
  feature = tf.train.Example.FromString(first.numpy()).features.feature
  names = ("start_positions", "end_positions")
  return [tuple(feature[name].int64_list.value[0] for name in names)]


class TestOriginal:
  def test_files_are_those_of_the_original(self, tmp_path):
    """The stored command line, as it is."""
    if not os.path.isdir(_GOLDEN):
      pytest.skip(f"{_GOLDEN} is not there: the original's files cannot be compared")
    status, log = runs.run(
      [
        "--do_predict=true",
        f"--predict_file={_GOLDEN}/squad_v2/input.json",
        "--max_seq_length=112",
        "--doc_stride=32",
        "--max_query_length=20",
        "--version_2_with_negative=true",
        "--null_score_diff_threshold=-1.0",
        "--vocab_file=../shared/data/vocab/uncased_en_30522.txt",
        f"--bert_config_file={_GOLDEN}/cli/model/bert_config.json",
        f"--init_checkpoint={_GOLDEN}/cli/model/bert_model.ckpt",
        f"--output_dir={tmp_path}",
      ],
      "run_squad",
    )
    assert status == 0, log
    expected = f"{_GOLDEN}/cli/expected"
    with open(f"{expected}/predictions.json") as original:
      assert (tmp_path / "predictions.json").read_text() == original.read()
    assert_close(load(tmp_path, "null_odds.json"), load(expected, "null_odds.json"))
    name = "nbest_predictions.json"
    assert_close(load(tmp_path, name), load(expected, name))


def assert_close(actual, expected):
  """Equal texts, keys and their order; numbers within the tolerance of the originals."""
  if isinstance(expected, dict):
    assert list(actual) == list(expected)
    for key, value in expected.items():
      assert_close(actual[key], value)
  elif isinstance(expected, list):
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
      assert_close(one, other)
  elif isinstance(expected, float):
    assert actual == pytest.approx(expected, rel=1e-3, abs=1e-4)
  else:
    assert actual == expected


class TestOddInput:
  def test_is_answered(self, inputs, tmp_path):
    """An empty context, a very long one, a question longer than its share."""
    contexts = ["", "　", "山川" * 50_000, "赤山川"]
    paragraphs = [
      {"context": context, "qas": [{"id": f"q{index}", "question": "赤" * 40}]}
      for index, context in enumerate(contexts)
    ]
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    arguments = squad_inputs.arguments(
      inputs,
      f"{tmp_path}/out",
      predict_file=path,
      random_init=True,
      do_predict=True,
      doc_stride=13,
      predict_batch_size=512,
      version_2_with_negative=True,
    )
    status, log = runs.run(arguments, "run_squad")
    assert status == 0, log
    predictions = load(tmp_path, "out", "predictions.json")
    assert list(predictions) == ["q0", "q1", "q2", "q3"]
    assert (predictions["q0"], predictions["q1"]) == ("", "")


class TestBadInput:
  @pytest.mark.parametrize(
    ("change", "message"),
    [
      (lambda data: data["data"][0].pop("paragraphs"), r"data\[0\]"),
      (
        lambda data: data["data"][0]["paragraphs"][1]["qas"][0].update(id="q0"),
        r"data\[0\].paragraphs\[1\].qas\[0\]",
      ),
    ],
  )
  def test_is_one_line_and_writes_nothing(self, inputs, tmp_path, change, message):
    data = load(inputs, "train.json")
    change(data)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data))
    arguments = squad_inputs.arguments(
      inputs, f"{tmp_path}/out", do_train=True, train_file=path
    )
    status, log = runs.run(arguments, "run_squad")
    assert status == 1
    last = log.strip().splitlines()[-1]
    assert last.startswith("run_squad.py: ")
    assert str(path) in last
    assert message.replace("\\", "") in last
    assert "Traceback" not in log
    assert not os.path.exists(tmp_path / "out")


class TestNames:
  @pytest.mark.parametrize(
    "name",
    [
      "SquadExample",
      "InputFeatures",
      "read_squad_examples",
      "convert_examples_to_features",
      "RawResult",
      "write_predictions",
      "get_final_text",
      "FeatureWriter",
      "model_fn_builder",
      "input_fn_builder",
      "create_model",
    ],
  )
  def test_stays_importable(self, name):
    assert callable(getattr(importlib.import_module("run_squad"), name))

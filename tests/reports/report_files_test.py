"""What is read back from an output directory, and what is said where it is missing."""

import json
import os

import numpy as np
import pytest
from absl import flags

from bert_ja import (
  checkpoint,
  entity_scores,
  label_reports,
  learning_curve,
  reporting,
  text_io,
)
from bert_ja.flags import run_record
from bert_ja.reports import report_files
from bert_ja.tasks import kinds
from tests import prediction_tables

LABELS = ["海 と 山", "川"]
TRUE, PREDICTED = [0, 0, 0, 1], [0, 1, 1, 1]


def write_flags(directory, *acts, facts=None, **values):
  flag_values = flags.FlagValues()
  flags.DEFINE_bool("do_train", False, "", flag_values)
  for name, value in values.items():
    flags.DEFINE_string(name, None, "", flag_values)
    flag_values[name].value = value
  flag_values(["run"])
  run_record.write(str(directory), acts, flag_values, facts)


def write_predictions(directory):
  probabilities = np.where(np.eye(2)[PREDICTED] > 0, 0.75, 0.25)
  texts = [(f"文{n}",) for n in range(4)]
  prediction_tables.write_classes(directory, "abcd", texts, TRUE, probabilities, LABELS)


@pytest.fixture
def trained(tmp_path):
  """An output directory of a classifier."""
  directory = tmp_path / "genres"
  for name in ("eval", "test"):
    (directory / name).mkdir(parents=True)
  text_io.write_json(
    str(directory / "task.json"), {"kind": "sentence", "labels": LABELS}
  )
  text_io.write_json(str(directory / "bert_config.json"), {"hidden_size": 8})
  scores = {"eval_accuracy": 0.5, "eval_loss": 1.5, "loss": 1.25, "global_step": 30}
  text_io.write_json(str(directory / "metrics.json"), scores)
  text_io.write_json(str(directory / "test" / "metrics.json"), {"accuracy": 0.25})
  label_reports.write_classification_report(str(directory), TRUE, PREDICTED, LABELS)
  write_predictions(directory / "eval")
  write_predictions(directory)
  history = [
    {"step": 10, "epoch": 1.0, "split": "train", "loss": 0.9, "learning_rate": 1e-4},
    {"step": 10, "epoch": 1.0, "split": "eval", "eval_loss": 0.8, "eval_accuracy": 0.5},
    {"step": 20, "epoch": 2.0, "split": "train", "loss": 0.5, "learning_rate": 5e-5},
    {"step": 20, "epoch": 2.0, "split": "eval", "eval_loss": 0.7, "eval_accuracy": 0.6},
  ]
  learning_curve.write(str(directory), history)
  write_flags(directory, "do_train", "do_eval", best_metric="eval_loss")
  return directory


class TestClassifier:
  def test_scores_of_both_sets(self, trained):
    dev, test = report_files.read_run(str(trained)).splits
    assert dev.scores == {
      "accuracy": 0.5,
      "eval_loss": 1.5,
      "loss": 1.25,
      "global_step": 30,
    }
    assert (test.name, test.scores) == ("test", {"accuracy": 0.25})

  def test_labels_with_spaces_have_their_numbers(self, trained):
    dev, test = report_files.read_run(str(trained)).splits
    # Precision 1 / 1 and recall 1 / 3 of the first label.
    assert dev.labels[0] == ["海 と 山", "1.0000", "0.3333", "0.5000", "3"]
    assert [row[0] for row in dev.labels][2:] == [
      "(macro average)",
      "(weighted average)",
    ]
    assert not test.labels

  def test_the_confusion_matrix(self, trained):
    dev, test = report_files.read_run(str(trained)).splits
    assert dev.confusion == (LABELS, [[1, 2], [0, 1]])
    assert test.confusion is None

  def test_hardest_rows_of_both_sets(self, trained):
    for split in report_files.read_run(str(trained), count=2).splits:
      assert [row.id for row in split.hardest] == ["b", "c"]
      assert split.num_rows == 4

  def test_curves(self, trained):
    panels = dict(report_files.read_run(str(trained)).panels)
    assert panels == {
      "loss": [
        ("train", [10, 20], [0.9, 0.5]),
        ("dev", [10, 20], [0.8, 0.7]),
      ],
      "scores of the dev set": [("accuracy", [10, 20], [0.5, 0.6])],
      "learning rate": [("learning_rate", [10, 20], [1e-4, 5e-5])],
    }

  def test_the_score_that_chose_the_best_comes_first(self, trained):
    write_flags(trained, "do_train", best_metric="eval_matthews_correlation")
    headlines = report_files.read_run(str(trained)).headlines
    assert headlines[:2] == ["matthews_correlation", "accuracy"]

  @pytest.mark.parametrize(
    ("scores", "there"),
    [
      ({"accuracy": 0.5, "f1_micro": 0.5}, False),
      ({"subset_accuracy": 0.5, "f1_micro": 0.6}, True),
    ],
  )
  def test_micro_f1_is_shown_first_only_of_several_labels(self, trained, scores, there):
    text_io.write_json(str(trained / "test" / "metrics.json"), scores)
    headlines = report_files.read_run(str(trained)).headlines
    assert ("f1_micro" in headlines) == there

  def test_flags_of_the_same_run_are_told_once(self, trained):
    write_flags(trained, "do_predict", data_dir="other")
    first, second = report_files.read_run(str(trained)).settings
    assert first.title == "training, evaluation"
    assert (second.title, second.given["data_dir"]) == ("prediction", "other")

  def test_nothing_is_missing(self, trained):
    run = report_files.read_run(str(trained))
    assert (run.name, run.kind, run.notes) == ("genres", "one class for a text", [])
    assert run.config == {"hidden_size": 8}

  def test_parameters_are_those_of_the_model_alone(self, trained):
    assert report_files.read_run(str(trained)).parameters is None
    sizes = {"a/kernel": [3, 5], "a/kernel/adam_m": [3, 5], "global_step": []}
    arrays = {name: np.zeros(size, np.float32) for name, size in sizes.items()}
    checkpoint.save(str(trained / "model.ckpt-7"), arrays)
    assert report_files.read_run(str(trained)).parameters == 15

  def test_missing_rows_are_told_with_the_flag_that_writes_them(self, trained):
    os.remove(trained / "eval" / "predictions.tsv")
    run = report_files.read_run(str(trained))
    (note,) = run.notes
    assert "dev set are missing" in note and "flags of the evaluation" in note
    assert f"--model_dir={trained} and --do_eval, without --do_train." in note
    assert run.splits[0].scores

  @pytest.mark.parametrize("task", [{"labels": LABELS}, {"flags": {}}])
  def test_so_they_are_of_models_without_a_recorded_kind(self, trained, task):
    os.remove(trained / "eval" / "predictions.tsv")
    text_io.write_json(str(trained / "task.json"), task)
    assert len(report_files.read_run(str(trained)).notes) == 1

  def test_the_note_names_the_recorded_model(self, trained, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    text_io.write_json(str(other / "metrics.json"), {"eval_accuracy": 0.5})
    write_flags(other, "do_eval", facts={"model_directory": str(trained)})
    (note,) = report_files.read_run(str(other)).notes
    assert f"--model_dir={trained} " in note

  def test_a_damaged_checkpoint_is_told_and_the_rest_is_shown(self, trained):
    arrays = {"a/kernel": np.zeros([3, 5], np.float32)}
    checkpoint.save(str(trained / "model.ckpt-7"), arrays)
    (trained / "model.ckpt-7.index").write_bytes(b"cut off")
    run = report_files.read_run(str(trained))
    assert run.parameters is None and len(run.splits) == 2
    assert "parameters is not known: " in run.notes[0] and "ckpt-7" in run.notes[0]

  def test_a_checkpoint_that_is_removed_meanwhile_is_told(self, trained, monkeypatch):
    checkpoint.save(str(trained / "model.ckpt-7"), {"a": np.zeros(3, np.float32)})

    def find(directory):
      return os.path.join(directory, "model.ckpt-6")

    monkeypatch.setattr(checkpoint, "find_checkpoint", find)
    run = report_files.read_run(str(trained))
    assert run.parameters is None
    assert "no checkpoint at" in run.notes[0]

  def test_without_record_the_models_flags_are_shown(self, trained):
    os.remove(trained / "flags.json")
    task = {"kind": "sentence", "flags": {"max_seq_length": 32, "head": None}}
    text_io.write_json(str(trained / "task.json"), task)
    (settings,) = report_files.read_run(str(trained)).settings
    assert settings.given == {"max_seq_length": 32}

  def test_results_elsewhere_take_the_task_of_their_model(self, trained, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_predictions(other)
    write_flags(other, "do_predict", model_dir=str(trained))
    run = report_files.read_run(str(other))
    assert (run.kind, run.config) == ("one class for a text", {"hidden_size": 8})
    assert [split.name for split in run.splits] == ["test"]

  def test_rows_are_read_as_their_own_run_wrote_them(self, tmp_path):
    """No model lies there: the kind and its separator are those of flags.json."""
    columns = {
      "id": ["a"],
      "text": ["x"],
      "label": ["海|山,川"],
      "predicted": ["海"],
      "probability_海": [0.75],
      "probability_山,川": [0.25],
    }
    reporting.write_columns(str(tmp_path / "predictions.tsv"), columns)
    facts = {"kind": "multi_label", "row_options": {"label_separator": "|"}}
    write_flags(tmp_path, "do_predict", facts=facts)
    run = report_files.read_run(str(tmp_path))
    assert run.kind == kinds.get("multi_label").title
    (row,) = run.splits[0].hardest
    assert row.probabilities == [("海", 0.75, True), ("山,川", 0.25, True)]

  def test_a_kind_of_another_package_has_its_own_name(self, trained):
    write_flags(trained, "do_train", facts={"kind": "counts"})
    assert report_files.read_run(str(trained)).kind == "counts"


class TestCurves:
  def panels(self, directory, rows, best_metric="eval_loss"):
    history = [
      {"step": step, "epoch": 1.0, "split": split, **values}
      for step in (10, 20)
      for split, values in rows.items()
    ]
    learning_curve.write(str(directory), history)
    text_io.write_json(str(directory / "metrics.json"), {"loss": 1.0})
    write_flags(directory, "do_train", best_metric=best_metric)
    panels = report_files.read_run(str(directory)).panels
    return {
      title: {line.label: line.values[0] for line in lines} for title, lines in panels
    }

  @pytest.mark.parametrize("best_metric", ["loss", "masked_lm_loss"])
  def test_losses_of_pre_training_are_in_one_picture(self, tmp_path, best_metric):
    values = {"loss": 3.0, "masked_lm_loss": 2.5, "masked_lm_accuracy": 0.5}
    rows = {"train": {"loss": 4.0}, "eval": values}
    assert self.panels(tmp_path, rows, best_metric) == {
      "loss": {"train": 4.0, "dev": 3.0, "masked_lm_loss": 2.5},
      "scores of the dev set": {"masked_lm_accuracy": 0.5},
    }

  def test_the_dev_set_has_one_loss(self, tmp_path):
    values = {"eval_loss": 0.75, "loss": 0.5, "eval_accuracy": 0.25}
    rows = {"train": {"loss": 1.0}, "eval": values}
    assert self.panels(tmp_path, rows, "loss") == {
      "loss": {"train": 1.0, "dev": 0.75},
      "scores of the dev set": {"accuracy": 0.25},
    }


def test_the_first_table_of_an_entity_report(tmp_path):
  text_io.write_json(str(tmp_path / "metrics.json"), {"eval_f1": 0.5})
  token = kinds.get("token")(["O", "B-地名", "I-地名"])

  class Row:
    label, offsets, entities = ["B-地名", "O"], None, None
    words = ["京都", "へ"]

  outputs = {"tag_ids": np.array([[1, 1]])}
  token.write_reports(str(tmp_path), outputs, [Row])
  (split,) = report_files.read_run(str(tmp_path)).splits
  score = entity_scores.Score(1, 2, 1)
  numbers = [f"{x:.4f}" for x in (score.precision, score.recall, score.f1)]
  assert split.labels == [["地名", *numbers, "1"], ["(all)", *numbers, "1"]]


class TestQuestions:
  @pytest.fixture
  def directory(self, tmp_path):
    (tmp_path / "predictions.json").write_text('{"q": "朝"}')
    text_io.write_json(str(tmp_path / "metrics.json"), {"eval_exact_match": 0.0})
    (tmp_path / "question_scores.tsv").write_text(
      "id\texact\tf1\tcharacter_f1\tprediction\tright_answer\nq\t0\t0\t0\t朝\t夜\n"
    )
    qas = [
      {"id": "q", "question": "いつ", "answers": [{"text": "夜", "answer_start": 2}]}
    ]
    document = {"data": [{"paragraphs": [{"context": "朝と夜", "qas": qas}]}]}
    (tmp_path / "dev.json").write_text(json.dumps(document))
    return tmp_path

  def test_the_file_of_the_recorded_flags_is_read(self, directory):
    write_flags(directory, "do_eval", predict_file=str(directory / "dev.json"))
    run = report_files.read_run(str(directory))
    assert run.kind == "question answering"
    assert run.splits[0].hardest[0].question == "いつ"
    assert run.notes == []

  def test_that_of_the_evaluation_comes_first(self, directory):
    write_flags(directory, "do_eval", predict_file=str(directory / "dev.json"))
    write_flags(directory, "do_predict", predict_file=str(directory / "other.json"))
    run = report_files.read_run(str(directory))
    assert run.notes == []

  def test_another_file_can_be_given(self, directory):
    path = str(directory / "dev.json")
    run = report_files.read_run(str(directory), predict_file=path)
    assert run.splits[0].hardest[0].question == "いつ"

  @pytest.mark.parametrize("path", [None, "nowhere.json"])
  def test_without_it_a_note_names_the_flag(self, directory, path):
    run = report_files.read_run(str(directory), predict_file=path)
    assert "--predict_file" in run.notes[0]
    assert run.splits[0].hardest[0].predicted == "朝"

  def test_answers_without_scores_name_the_flag(self, directory):
    os.remove(directory / "question_scores.tsv")
    run = report_files.read_run(str(directory))
    assert "--do_eval" in run.notes[0]


def test_pre_training_has_scores_alone(tmp_path):
  text_io.write_json(str(tmp_path / "task.json"), {})
  reporting.write_results(
    str(tmp_path / "eval_results.txt"), {"masked_lm_accuracy": 0.5}
  )
  run = report_files.read_run(str(tmp_path))
  assert run.splits[0].scores == {"masked_lm_accuracy": 0.5}
  assert run.notes == []


class TestErrors:
  def test_no_directory(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is no directory; give the"):
      report_files.read_run(str(tmp_path / "nowhere"))

  def test_a_directory_without_results(self, tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    with pytest.raises(ValueError, match="holds no results .*metrics.json.* give the"):
      report_files.read_run(str(tmp_path))

  def test_damaged_scores(self, tmp_path):
    (tmp_path / "metrics.json").write_text("[1]")
    with pytest.raises(ValueError, match="metrics.json: expected a JSON object"):
      report_files.read_run(str(tmp_path))

  @pytest.mark.parametrize(
    "name", ["classification_report.txt", "confusion_matrix.txt"]
  )
  def test_damaged_tables(self, trained, name):
    lines = (trained / name).read_text(encoding="utf-8").splitlines()
    lines[3 if "matrix" in name else 1] = "cut off 1"
    (trained / name).write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match=f"{name}: expected a name and . numbers"):
      report_files.read_run(str(trained))

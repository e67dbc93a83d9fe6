"""Results of sentence tasks: counts by hand, and files read back."""

import json

import numpy as np
import pytest
from absl import logging

from bert_ja import figures
from bert_ja.data import context_features, pair_features, tower_features
from bert_ja.tasks import base, sentence

LABELS = ("bad", "good", "so-so")
KIND = sentence.Sentence(LABELS)
# Five rows; classes 0, 1, 1, 2, 0 are predicted, the last two wrongly.
OUTPUTS = {
  "probabilities": np.array(
    [
      [0.5, 0.25, 0.25],
      [0.125, 0.75, 0.125],
      [0.25, 0.5, 0.25],
      [0.125, 0.25, 0.625],
      [0.5, 0.375, 0.125],
    ],
    np.float32,
  ),
  "per_example_loss": np.array([1.0, 2.0, 3.0, 5.0, 8.5], np.float32),
  "label_ids": np.array([0, 1, 1, 1, 2]),
}


@pytest.fixture(autouse=True)
def plain_picture(monkeypatch):
  monkeypatch.setattr(figures, "confusion_matrix", lambda matrix, names: b"picture")


def examples(*rows):
  """InputExamples of (text_a, text_b, label), named row-1, row-2, ..."""
  return [
    base.InputExample(f"row-{number}", text_a, text_b, label)
    for number, (text_a, text_b, label) in enumerate(rows, 1)
  ]


TWO = examples(("良い", None, "good"), ("悪い", None, "bad"))
PROBABILITIES = np.array([[0.125, 0.75, 0.125], [0.25, 0.5, 0.25]], np.float32)


def cells(path):
  return [line.split("\t") for line in path.read_text("utf-8").splitlines()]


class TestFeatures:
  def test_a_context_has_rows_of_its_own(self):
    assert sentence.Sentence(LABELS).features is pair_features
    assert sentence.Sentence(LABELS, tower_features).features is tower_features
    assert sentence.Sentence(LABELS, context=True).features is context_features

  def test_a_context_that_is_read_apart_is_told(self):
    message = "--context_sentences .* --pair_model=two_tower .* leave one of them out"
    with pytest.raises(ValueError, match=message):
      sentence.Sentence(LABELS, tower_features, context=True)


class TestEvaluationMetrics:
  def test_scores_are_those_of_all_rows(self):
    """Contract A-100."""
    results = KIND.metrics(OUTPUTS, batch_size=2)
    assert results["eval_accuracy"] == pytest.approx(3 / 5)
    # F1 of the classes: 2/3, 4/5 and 0.
    assert results["eval_f1_macro"] == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)

  def test_eval_loss_is_the_mean_of_rows_and_loss_that_of_batches(self):
    results = KIND.metrics(OUTPUTS, batch_size=2)
    assert results["eval_loss"] == 3.9
    assert results["loss"] == pytest.approx((1.5 + 4.0 + 8.5) / 3)

  def test_every_metric_but_loss_is_prefixed(self):
    results = KIND.metrics(OUTPUTS, batch_size=2)
    other = [name for name in results if not name.startswith("eval_")]
    assert other == ["loss"]


class TestWriteEvaluation:
  @pytest.fixture
  def results(self):
    metrics = KIND.metrics(OUTPUTS, batch_size=2)
    return {**metrics, "global_step": 7}

  @pytest.fixture
  def written(self, results, tmp_path):
    directory = tmp_path / "out"
    paths = KIND.write_evaluation(str(directory), results, OUTPUTS, ())
    return directory, paths

  def test_eval_results_hold_the_originals_four(self, written):
    """Contract A-101."""
    directory, _ = written
    assert (directory / "eval_results.txt").read_text() == (
      "eval_accuracy = 0.6\neval_loss = 3.9\nglobal_step = 7\nloss = 4.6666665\n"
    )

  def test_what_is_not_known_is_left_out(self, tmp_path):
    KIND.write_evaluation(str(tmp_path), {"eval_loss": 0.5}, OUTPUTS, ())
    assert (tmp_path / "eval_results.txt").read_text() == "eval_loss = 0.5\n"

  def test_metrics_json_holds_all_by_name(self, written, results):
    directory, _ = written
    stored = json.loads((directory / "metrics.json").read_text())
    assert stored == results
    assert list(stored) == sorted(stored)

  def test_report_and_matrix_compare_predictions_with_labels(self, written):
    directory, _ = written
    report = (directory / "classification_report.txt").read_text()
    assert report.endswith("accuracy 0.6000 (3 of 5)\n")
    matrix = (directory / "confusion_matrix.txt").read_text()
    assert matrix.splitlines()[4].split() == ["1", "good", "0", "2", "1"]

  def test_the_paths_are_told(self, written):
    directory, paths = written
    assert len(paths) == 5
    assert sorted(paths) == sorted(str(path) for path in directory.iterdir())

  def test_a_single_predicted_class_is_a_warning(self, tmp_path, caplog):
    outputs = {**OUTPUTS, "probabilities": np.float32([[0.5, 0.25, 0.25]] * 5)}
    KIND.write_evaluation(str(tmp_path), {"loss": 1.0}, outputs, ())
    (record,) = [r for r in caplog.records if r.levelname == "WARNING"]
    assert record.getMessage().startswith("All 5 predictions are 'bad': ")

  def test_the_report_is_logged(self, tmp_path, caplog):
    before = logging.get_verbosity()
    logging.set_verbosity(logging.INFO)
    KIND.write_evaluation(str(tmp_path), {"loss": 1.0}, OUTPUTS, ())
    logging.set_verbosity(before)
    assert (tmp_path / "classification_report.txt").read_text() in [
      record.getMessage() for record in caplog.records
    ]


class TestWritePredictions:
  def write(self, directory, rows, labels_known, probabilities=PROBABILITIES):
    outputs = {"probabilities": probabilities}
    return KIND.write_predictions(str(directory), rows, outputs, labels_known)

  def test_test_results_are_probabilities_alone(self, tmp_path):
    """Contract A-102."""
    self.write(tmp_path, TWO, False)
    text = (tmp_path / "test_results.tsv").read_text()
    assert text == "0.125\t0.75\t0.125\n0.25\t0.5\t0.25\n"

  def test_dummy_labels_are_not_shown(self, tmp_path):
    self.write(tmp_path, TWO, False)
    header, *rows = cells(tmp_path / "predictions.tsv")
    assert header[:3] == ["id", "text", "predicted"]
    assert [row[:3] for row in rows] == [
      ["row-1", "良い", "good"],
      ["row-2", "悪い", "good"],
    ]

  def test_dummy_labels_are_not_scored(self, tmp_path):
    paths = self.write(tmp_path / "out", TWO, False)
    names = ["test_results.tsv", "predictions.tsv"]
    assert paths == [str(tmp_path / "out" / name) for name in names]
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(names)

  def test_true_labels_are_shown(self, tmp_path):
    self.write(tmp_path, TWO, True)
    header, *rows = cells(tmp_path / "predictions.tsv")
    assert header[:4] == ["id", "text", "label", "predicted"]
    assert [row[2:4] for row in rows] == [["good", "good"], ["bad", "good"]]

  def test_probabilities_stand_last(self, tmp_path):
    self.write(tmp_path, TWO, False)
    assert [row[3:] for row in cells(tmp_path / "predictions.tsv")] == [
      ["probability_bad", "probability_good", "probability_so-so"],
      ["0.125", "0.75", "0.125"],
      ["0.25", "0.5", "0.25"],
    ]

  def test_true_labels_are_scored_in_a_directory_of_their_own(self, tmp_path):
    paths = self.write(tmp_path, TWO, True)
    scores = json.loads((tmp_path / "test" / "metrics.json").read_text())
    assert scores["accuracy"] == 0.5
    assert paths[2:] == [
      str(tmp_path / "test" / name)
      for name in (
        "metrics.json",
        "classification_report.txt",
        "confusion_matrix.txt",
        "confusion_matrix.png",
      )
    ]
    report = (tmp_path / "test" / "classification_report.txt").read_text()
    assert report.endswith("accuracy 0.5000 (1 of 2)\n")

  def test_one_label_that_is_not_known_leaves_its_cell_empty_and_no_scores(
    self, tmp_path
  ):
    rows = examples(("良い", None, "good"), ("悪い", None, None))
    self.write(tmp_path, rows, True)
    assert [row[2] for row in cells(tmp_path / "predictions.tsv")[1:]] == ["good", ""]
    assert not (tmp_path / "test").exists()

  def test_pairs_have_two_columns(self, tmp_path):
    self.write(tmp_path, examples(("a", "b", None), ("c", "", None)), False)
    assert [row[:3] for row in cells(tmp_path / "predictions.tsv")] == [
      ["id", "text_a", "text_b"],
      ["row-1", "a", "b"],
      ["row-2", "c", ""],
    ]

  @pytest.mark.parametrize(
    "texts", [(("a", "b"), ("c", None)), (("c", None), ("a", "b"))]
  )
  def test_rows_without_a_second_text_keep_the_columns(self, tmp_path, texts):
    rows = examples(*[(*pair, None) for pair in texts])
    self.write(tmp_path, rows, False)
    table = cells(tmp_path / "predictions.tsv")
    assert [row[1:3] for row in table[1:]] == [[a, b or ""] for a, b in texts]
    assert {len(row) for row in table} == {7}

  def test_each_example_has_its_prediction(self, tmp_path):
    """Contract A-103."""
    with pytest.raises(ValueError, match="1 predictions of 2 examples"):
      self.write(tmp_path / "out", TWO, False, PROBABILITIES[:1])
    assert not (tmp_path / "out").exists()

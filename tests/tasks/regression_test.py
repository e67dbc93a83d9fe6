"""Numbers as labels: reading, the scale of the loss, files."""

import json
import math

import numpy as np
import pytest

from bert_ja.data import pair_features, tower_features
from bert_ja.tasks import kinds, registry, regression
from tests.ja import texts


def kind_of(*numbers):
  """A kind that has learned from rows with these labels."""
  kind = regression.Regression(["score"])
  kind.learn(rows_of(*numbers))
  return kind


def rows_of(*numbers):
  return [
    pair_features.InputExample(f"row-{number}", f"text {number}", None, label)
    for number, label in enumerate(numbers, 1)
  ]


class TestProcessor:
  def processor(self, folder, text, name="train.csv", **options):
    (folder / name).write_text(text, encoding="utf-8")
    return registry.get_processor("regression", **options)

  def test_numbers_are_labels_and_the_column_is_their_name(self, tmp_path):
    text = "sentence1,sentence2,score\na,b,3.8\nc,d, 0 \n"
    processor = self.processor(tmp_path, text, label_column="score")
    rows = processor.get_train_examples(str(tmp_path))
    kind = kinds.get(processor.kind)(processor.get_labels())
    assert [(row.text_a, row.text_b) for row in rows] == [("a", "b"), ("c", "d")]
    assert kind.labels.values(rows) == [3.8, 0.0]
    assert processor.get_labels() == ["score"]

  def test_a_test_set_may_lack_them(self, tmp_path):
    text = '{"text": "x", "label": 2}\n{"text": "y"}\n{"text": "z", "label": ""}\n'
    processor = self.processor(tmp_path, text, "test.jsonl")
    labels = [row.label for row in processor.get_test_examples(str(tmp_path))]
    assert labels == [2, None, None]

  def test_a_training_set_may_not(self, tmp_path):
    processor = self.processor(tmp_path, "text,label\nx,1\ny,\n")
    with pytest.raises(ValueError, match="line 3, column 'label': the label is empty"):
      processor.get_train_examples(str(tmp_path))

  def test_a_word_is_told_with_its_line(self, tmp_path):
    processor = self.processor(tmp_path, "text,label\nx,1\ny,good\n")
    rows = processor.get_train_examples(str(tmp_path))
    message = "train.csv, line 3: expected a number as label, found 'good'"
    with pytest.raises(ValueError, match=message):
      regression.Regression(["label"]).check(rows)

  def test_jsts_is_read(self):
    folder = texts.shared("data/jglue/jsts-v1.3")
    processor = registry.get_processor(
      "regression", train_file="train-v1.3.json", dev_file="valid-v1.3.json"
    )
    sizes = {}
    for rows in (
      processor.get_train_examples(str(folder)),
      processor.get_dev_examples(str(folder)),
    ):
      values = np.array(regression.Regression(["label"]).labels.values(rows))
      assert values.min() == 0 and values.max() == 5
      assert all(row.text_a and row.text_b for row in rows)
      sizes[len(rows)] = len(np.unique(values))
    assert list(sizes) == [12451, 1457]


class TestScale:
  def test_mean_and_deviation_are_learned_as_json(self):
    learned = kind_of("1", 2, 6).learned
    assert learned == {"mean": 3.0, "deviation": pytest.approx(math.sqrt(14 / 3))}
    assert json.loads(json.dumps(learned)) == learned

  def test_equal_labels_are_only_shifted(self):
    assert kind_of(*[0.1] * 7).learned == {"mean": pytest.approx(0.1), "deviation": 1.0}

  def test_the_loss_is_in_deviations(self):
    kind = kind_of(100, 300)
    logits = np.array([[0.0], [0.5], [1.0]], np.float32)
    labels = np.array([100, 300, 300], np.float32)
    loss = kind.loss(logits, {"label_ids": labels}).numpy()
    np.testing.assert_allclose(loss, [1.0, 0.25, 0.0])

  def test_predictions_are_in_the_unit_of_labels(self):
    found = kind_of(100, 300).predictions(np.array([[0.0], [-0.5]], np.float32), {})
    np.testing.assert_allclose(found["prediction"], [200, 150])

  def test_what_was_learned_can_be_given_back(self):
    other = regression.Regression(["score"])
    other.learned = kind_of(100, 300).learned
    found = other.predictions(np.ones([1, 1], np.float32), {})
    np.testing.assert_allclose(found["prediction"], [300])


class TestKind:
  def test_rows_are_held_out_from_one_group(self):
    assert len(set(kind_of(1, 2).strata(rows_of(1.5, 2.25, 3)))) == 1

  def test_two_towers_are_possible(self):
    assert regression.Regression(["s"], tower_features).features is tower_features

  def test_predictions_stand_beside_labels(self, tmp_path):
    outputs = {"prediction": np.array([1.5, 0.1], np.float32)}
    rows = rows_of("1.25", 0)
    paths = kind_of(1, 2).write_predictions(str(tmp_path), rows, outputs, True)
    assert (tmp_path / "predictions.tsv").read_text() == (
      "id\ttext\tlabel\tpredicted\nrow-1\ttext 1\t1.25\t1.5\nrow-2\ttext 2\t0.0\t0.1\n"
    )
    scores = json.loads((tmp_path / "test" / "metrics.json").read_text())
    assert scores["mean_absolute_error"] == pytest.approx((0.25 + 0.1) / 2)
    assert paths == [
      f"{tmp_path}/predictions.tsv",
      f"{tmp_path}/test/metrics.json",
    ]

  def test_unknown_labels_are_empty_cells_without_scores(self, tmp_path):
    outputs = {"prediction": np.array([1.5, 0.5], np.float32)}
    kind_of(1, 2).write_predictions(str(tmp_path), rows_of(1, None), outputs, True)
    last = (tmp_path / "predictions.tsv").read_text().splitlines()[-1]
    assert last == "row-2\ttext 2\t\t0.5"
    assert not (tmp_path / "test").exists()

"""Scores against counts done by hand and numpy re-computations."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy import stats

from bert_ja import metrics

NAMES = ("a", "b", "c")


def one_hot(predicted, num_classes):
  return np.eye(num_classes, dtype=np.float32)[np.asarray(predicted)]


def counted_scores(labels, predicted, num_classes):
  """Precision, recall, F1 [C] and rows [C] from counts."""
  labels, predicted = np.asarray(labels), np.asarray(predicted)
  scores = []
  for k in range(num_classes):
    hits = np.sum((labels == k) & (predicted == k))
    precision = hits / max(np.sum(predicted == k), 1)
    recall = hits / max(np.sum(labels == k), 1)
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    scores.append((precision, recall, f1, np.sum(labels == k)))
  return np.array(scores).T


class TestClassificationMetrics:
  def test_three_classes_equal_counts_by_hand(self):
    labels = [0, 0, 1, 1, 1, 2, 2]
    predicted = [0, 1, 1, 1, 2, 2, 0]
    results = metrics.classification_metrics(labels, one_hot(predicted, 3), NAMES)
    # precision 1/2, 2/3, 1/2; recall 1/2, 2/3, 1/2.
    assert results["accuracy"] == pytest.approx(4 / 7)
    assert results["precision_macro"] == pytest.approx(5 / 9)
    assert results["recall_macro"] == pytest.approx(5 / 9)
    assert results["f1_macro"] == pytest.approx(5 / 9)
    assert results["f1_weighted"] == pytest.approx((2 * 0.5 + 3 * 2 / 3 + 2 * 0.5) / 7)
    assert results["f1_micro"] == pytest.approx(4 / 7)

  @pytest.mark.parametrize("num_classes", [2, 3, 5])
  def test_averages_equal_a_recount(self, num_classes):
    rng = np.random.default_rng(num_classes)
    labels = rng.integers(0, num_classes, 41)
    probabilities = rng.dirichlet(np.ones(num_classes), 41).astype(np.float32)
    results = metrics.classification_metrics(
      labels, probabilities, [str(k) for k in range(num_classes)]
    )
    scores = counted_scores(labels, probabilities.argmax(1), num_classes)
    for name, row in zip(("precision", "recall", "f1"), scores[:3], strict=True):
      assert results[f"{name}_macro"] == pytest.approx(row.mean())
      assert results[f"{name}_weighted"] == pytest.approx(row @ scores[3] / 41)
      assert results[f"{name}_micro"] == pytest.approx(results["accuracy"])

  def test_a_class_absent_from_the_data_counts_zero_in_macro_averages(self):
    labels, predicted = [0, 0, 1, 1], [0, 0, 1, 1]
    results = metrics.classification_metrics(labels, one_hot(predicted, 3), NAMES)
    assert results["f1_macro"] == pytest.approx(2 / 3)
    assert results["f1_weighted"] == 1.0
    assert results["accuracy"] == 1.0

  def test_two_classes_score_the_second_as_positive(self):
    labels, predicted = [0, 0, 0, 1, 1], [0, 0, 1, 1, 0]
    results = metrics.classification_metrics(labels, one_hot(predicted, 2), NAMES[:2])
    assert results["precision"] == pytest.approx(1 / 2)
    assert results["recall"] == pytest.approx(1 / 2)
    assert results["f1"] == pytest.approx(1 / 2)
    # (tp tn - fp fn) / sqrt(...) with tp 1, tn 2, fp 1, fn 1.
    assert results["matthews_correlation"] == pytest.approx(1 / 6)

  def test_three_classes_have_no_positive_class(self):
    results = metrics.classification_metrics([0, 1, 2], one_hot([0, 1, 2], 3), NAMES)
    assert not {"precision", "recall", "f1", "auc"} & set(results)

  def test_auc_is_the_share_of_ordered_pairs(self):
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 2, 37)
    positive = np.round(rng.random(37), 1)  # with ties
    results = metrics.classification_metrics(
      labels, np.stack([1 - positive, positive], 1), NAMES[:2]
    )
    gaps = positive[labels == 1][:, None] - positive[labels == 0][None, :]
    assert results["auc"] == pytest.approx(np.mean((gaps > 0) + 0.5 * (gaps == 0)))

  def test_matthews_is_the_correlation_of_two_classes(self):
    rng = np.random.default_rng(8)
    labels, predicted = rng.integers(0, 2, 29), rng.integers(0, 2, 29)
    results = metrics.classification_metrics(labels, one_hot(predicted, 2), NAMES[:2])
    expected = np.corrcoef(labels, predicted)[0, 1]
    assert results["matthews_correlation"] == pytest.approx(expected)

  @pytest.mark.parametrize("predicted", [[0, 0, 0], [1, 1, 1], [0, 1, 0]])
  @pytest.mark.parametrize("label", [0, 1])
  def test_one_class_in_the_labels_gives_no_auc_and_no_warning(self, label, predicted):
    with warnings.catch_warnings():
      warnings.simplefilter("error")
      results = metrics.classification_metrics(
        [label] * 3, one_hot(predicted, 2), NAMES[:2]
      )
    assert "auc" not in results
    assert results["matthews_correlation"] == 0.0

  def test_the_first_of_equal_probabilities_is_predicted(self):
    results = metrics.classification_metrics([0], np.full([1, 3], 1 / 3), NAMES)
    assert results["accuracy"] == 1.0

  def test_values_are_plain_floats(self):
    results = metrics.classification_metrics([0, 1], one_hot([0, 1], 2), NAMES[:2])
    assert {type(value) for value in results.values()} == {float}

  def test_no_rows_is_an_error(self):
    with pytest.raises(ValueError, match="no examples to score"):
      metrics.classification_metrics([], np.zeros([0, 3]), NAMES)

  def test_other_number_of_columns_is_an_error(self):
    with pytest.raises(ValueError, match=r"probabilities \[R, 3\].*got \[2\] and"):
      metrics.classification_metrics([0, 1], one_hot([0, 1], 2), NAMES)

  @pytest.mark.parametrize("label", [-1, 3])
  def test_label_out_of_range_is_an_error(self, label):
    with pytest.raises(ValueError, match="expected labels from 0 to 2"):
      metrics.classification_metrics([0, label], one_hot([0, 1], 3), NAMES)

  def test_nan_probabilities_name_the_first_example(self):
    probabilities = one_hot([0, 1, 2], 3)
    probabilities[1, 0] = np.nan
    with pytest.raises(ValueError, match="1 of 3 examples are not finite.*example 1"):
      metrics.classification_metrics([0, 1, 2], probabilities, NAMES)


class TestMultiLabelMetrics:
  # Three labels; the last is never right, nor there.
  TARGETS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]])
  PROBABILITIES = np.array(
    [[0.9, 0.2, 0.1], [0.5, 0.4, 0.0], [0.1, 0.1, 0.6], [0.7, 0.8, 0.2]], np.float32
  )

  def test_scores_equal_counts_by_hand(self):
    results = metrics.multi_label_metrics(self.TARGETS, self.PROBABILITIES, NAMES)
    # Predicted: a; a; c; a and b. Right ones: a, a, b of 5 predicted and 4 true.
    assert results == pytest.approx(
      {
        "precision_micro": 3 / 5,
        "recall_micro": 3 / 4,
        "f1_micro": 2 * 3 / 9,
        "precision_macro": (2 / 3 + 1 + 0) / 3,
        "recall_macro": (1 + 1 / 2 + 0) / 3,
        "f1_macro": (4 / 5 + 2 / 3 + 0) / 3,
        "subset_accuracy": 1 / 4,
      }
    )

  def test_of_a_single_label_rows_that_have_it_count(self):
    targets = np.array([[1], [1], [0], [0], [0], [0]])
    probabilities = np.array([[0.9], [0.1], [0.8], [0.2], [0.2], [0.2]])
    results = metrics.multi_label_metrics(targets, probabilities, ["spam"])
    expected = {"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2}
    for average in ("micro", "macro"):
      for name, value in expected.items():
        assert results[f"{name}_{average}"] == pytest.approx(value)

  def test_the_threshold_itself_is_predicted(self):
    probabilities = np.array([[0.75, 0.5]])
    for threshold, expected in ((0.5, 0.0), (0.75, 1.0), (0.8, 0.0)):
      results = metrics.multi_label_metrics([[1, 0]], probabilities, "ab", threshold)
      assert results["subset_accuracy"] == expected

  def test_rows_without_labels_are_right_without_predictions(self):
    results = metrics.multi_label_metrics([[0, 0]], [[0.1, 0.2]], "ab")
    assert results["subset_accuracy"] == 1.0
    assert results["f1_micro"] == 0.0

  @pytest.mark.parametrize(
    ("targets", "probabilities", "message"),
    [
      (np.zeros([0, 3]), np.zeros([0, 3]), "no examples to score"),
      (np.zeros([2, 2]), np.zeros([2, 2]), r"\[R, 3\].*got \[2, 2\] and \[2, 2\]"),
      (np.zeros([2, 3]), np.zeros([2, 1]), r"\[R, 3\].*got \[2, 3\] and \[2, 1\]"),
      (np.full([2, 3], 0.1), np.zeros([2, 3]), "targets of 0 and 1"),
      (np.zeros([2, 3]), [[0] * 3, [0, np.nan, 0]], "1 of 2 .* not finite.*example 1"),
    ],
  )
  def test_what_is_wrong_is_told(self, targets, probabilities, message):
    with pytest.raises(ValueError, match=message):
      metrics.multi_label_metrics(targets, probabilities, NAMES)


class TestRegressionMetrics:
  def test_equal_scipys_correlations_with_ties(self):
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 6, 37) / 2
    predictions = np.round(labels + rng.normal(size=37), 1)
    results = metrics.regression_metrics(labels, predictions)
    assert results["pearson"] == pytest.approx(stats.pearsonr(labels, predictions)[0])
    assert results["spearman"] == pytest.approx(stats.spearmanr(labels, predictions)[0])

  def test_errors_are_in_the_unit_of_labels(self):
    results = metrics.regression_metrics([1, 2, 6], [1, 4, 5])
    assert results["mean_squared_error"] == pytest.approx(5 / 3)
    assert results["mean_absolute_error"] == 1.0

  @pytest.mark.parametrize(
    ("labels", "predictions"),
    [([1, 1, 1], [1, 2, 3]), ([1, 2], [0.1, 0.1]), ([1], [2])],
  )
  def test_without_any_difference_correlations_are_0(self, labels, predictions):
    with warnings.catch_warnings():
      warnings.simplefilter("error")
      results = metrics.regression_metrics(labels, predictions)
    assert (results["pearson"], results["spearman"]) == (0.0, 0.0)

  @pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
      ([], [], "no examples to score"),
      ([1, 2], [1], r"got \[2\] and \[1\]"),
      ([1, 2], [1, np.inf], "predictions of 1 of 2 examples are not finite"),
    ],
  )
  def test_what_is_wrong_is_told(self, labels, predictions, message):
    with pytest.raises(ValueError, match=message):
      metrics.regression_metrics(labels, predictions)


class TestMeanOfBatchMeans:
  def test_short_last_batch_weighs_as_much_as_a_full_one(self):
    assert metrics.mean_of_batch_means([1, 2, 3, 4, 10], 2) == (1.5 + 3.5 + 10) / 3

  def test_equal_batches_give_the_mean(self):
    assert metrics.mean_of_batch_means([1, 2, 3, 6], 2) == 3.0

  def test_one_batch_longer_than_the_values(self):
    assert metrics.mean_of_batch_means([1, 2, 6], 8) == 3.0

  def test_result_is_a_float32_number(self):
    value = metrics.mean_of_batch_means([0.1, 0.2, 0.4], 2)
    assert value == float(np.float32(value))
    assert value == pytest.approx(0.275, rel=1e-6)

  def test_no_values_is_an_error(self):
    with pytest.raises(ValueError, match="at least one value"):
      metrics.mean_of_batch_means([], 2)

  def test_batch_size_zero_is_an_error(self):
    with pytest.raises(ValueError, match="batch_size of at least 1, got 0"):
      metrics.mean_of_batch_means([1.0], 0)


class TestSingleClassNote:
  def test_names_the_class_and_the_count(self):
    note = metrics.single_class_note([1, 1, 1], ["否定", "肯定"])
    assert note.startswith("All 3 predictions are '肯定'")

  @pytest.mark.parametrize(
    ("predicted", "names"),
    [([0, 1, 1], NAMES), ([], NAMES), ([2], NAMES), ([0, 0], NAMES[:1])],
  )
  def test_none_where_there_is_nothing_to_tell(self, predicted, names):
    assert metrics.single_class_note(predicted, names) is None


def test_import_loads_neither_tensorflow_nor_scikit_learn():
  code = (
    "import sys, bert_ja.metrics; "
    "assert not {'tensorflow', 'sklearn', 'matplotlib'} & set(sys.modules)"
  )
  subprocess.run([sys.executable, "-c", code], check=True)

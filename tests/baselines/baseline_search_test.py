"""The penalty of linear learners: folds, and what is best on them."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import linear_model, pipeline, preprocessing

from bert_ja.baselines import baseline_search


class TestFolds:
  @given(st.lists(st.integers(0, 6), max_size=40))
  def test_each_has_its_share_of_each_label(self, labels):
    labels = np.array(labels, int)
    folds = baseline_search.deal(labels)
    counts = np.bincount(folds, minlength=5)
    assert len(counts) == 5 and counts.max() - counts.min() <= 1
    for label in set(labels.tolist()):
      counts = np.bincount(folds[labels == label], minlength=5)
      assert counts.max() - counts.min() <= 1

  def test_a_sorted_file_of_numbers_is_mixed(self):
    folds = baseline_search.deal(np.array([0.5, 1, 1.5, 2, 2.5, 3]))
    assert folds.tolist() == [0, 1, 2, 3, 4, 0]

  def test_what_is_not_scored_is_in_none(self):
    labels = np.array([1, 0, 2, 1, 0])
    folds = baseline_search.deal(labels, labels < 2)
    assert folds.tolist() == [2, 0, -1, 3, 1]


def rows(count, scale, seed=1):
  """(numbers [R, 4], labels [R]): the first number tells, the more the greater `scale`."""
  draw = np.random.default_rng(seed)
  numbers = draw.normal(size=[count, 4])
  odds = scale * numbers[:, 0] + draw.logistic(size=count)
  return numbers, (odds > 1).astype(int)


def scores_by_hand(numbers, labels, folds, penalties, score):
  """Mean over the folds of a score of the labels [M] and their shares [M, C]."""
  found = []
  for penalty in penalties:
    scores = []
    for fold in range(folds.max() + 1):
      learned = folds != fold
      model = linear_model.LogisticRegression(C=penalty, max_iter=1000)
      model.fit(numbers[learned], labels[learned])
      scores.append(score(labels[~learned], model.predict_proba(numbers[~learned])))
    found.append(np.mean(scores))
  return found


def log_likelihood(labels, shares):
  return np.log(shares[np.arange(len(shares)), labels]).mean()


def macro_f1(labels, shares):
  predicted = shares.argmax(axis=1)
  found = []
  for label in range(shares.shape[1]):
    both = np.sum((labels == label) & (predicted == label))
    found.append(2 * both / max(np.sum(labels == label) + sum(predicted == label), 1))
  return np.mean(found)


class TestLogisticRegression:
  PENALTIES = 0.001, 0.03, 1, 30, 1000

  @pytest.mark.parametrize("scale", [0.0, 4.0, 15.0])
  @pytest.mark.parametrize(
    ("name", "score"), [("f1_macro", macro_f1), ("neg_log_loss", log_likelihood)]
  )
  def test_takes_the_best_value(self, scale, name, score):
    numbers, labels = rows(60, scale)
    folds = baseline_search.deal(labels)
    found = baseline_search.logistic_regression(self.PENALTIES, folds, name)
    found.fit(numbers, labels)
    scores = scores_by_hand(numbers, labels, folds, self.PENALTIES, score)
    best = self.PENALTIES[int(np.argmax(scores))]
    assert baseline_search.inverse_penalty(found) == best
    expected = linear_model.LogisticRegression(C=best, max_iter=1000)
    expected.fit(numbers, labels)
    np.testing.assert_allclose(
      found.predict_proba(numbers), expected.predict_proba(numbers), rtol=1e-4
    )

  @pytest.mark.parametrize("name", ["f1_macro", "neg_log_loss"])
  def test_the_best_is_not_always_the_same(self, name):
    # If it were, a constant would pass the test above.
    found = set()
    for scale in (0.0, 4.0, 15.0):
      numbers, labels = rows(60, scale)
      folds = baseline_search.deal(labels)
      search = baseline_search.logistic_regression(self.PENALTIES, folds, name)
      found.add(baseline_search.inverse_penalty(search.fit(numbers, labels)))
    assert len(found) > 1

  def test_a_fold_may_lack_a_label(self):
    numbers, labels = rows(30, 2.0)
    labels[:2] = 7, 8  # a row each
    labels[2:4] = 9
    folds = baseline_search.deal(labels, (labels < 7) | (labels > 8))
    search = baseline_search.logistic_regression([1, 10], folds, "f1_macro")
    search.fit(numbers, labels)
    assert search.classes_.tolist() == [0, 1, 7, 8, 9]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()

  def test_one_value_needs_no_folds(self):
    learner = baseline_search.logistic_regression([7.0], np.zeros(20, int), "f1_macro")
    assert isinstance(learner, linear_model.LogisticRegression) and learner.C == 7

  def test_without_rows_to_score_the_usual_value_is_told(self, caplog):
    folds = baseline_search.deal(np.array([0, 1, 2]), np.zeros(3, bool))
    with caplog.at_level(logging.WARNING, logger="absl"):
      learner = baseline_search.logistic_regression([0.01, 0.2, 50], folds, "f1_macro")
    assert learner.C == 0.2
    assert "C = 0.2 without cross-validation" in caplog.text


class TestRidge:
  def test_takes_the_value_of_the_least_error(self):
    draw = np.random.default_rng(1)
    numbers = draw.normal(size=[24, 9])
    targets = numbers @ draw.normal(size=9) + draw.normal(scale=3, size=24)
    folds = baseline_search.deal(targets)
    penalties = 0.001, 0.1, 10
    found = baseline_search.ridge(penalties, folds).fit(numbers, targets)
    errors = []
    for penalty in penalties:
      by_fold = []
      for fold in range(5):
        learned = folds != fold
        # By the normal equations, of numbers whose means are taken away.
        x, y = numbers[learned], targets[learned]
        centered = x - x.mean(axis=0)
        square = centered.T @ centered + np.eye(9) / penalty
        weights = np.linalg.solve(square, centered.T @ (y - y.mean()))
        predicted = (numbers[~learned] - x.mean(axis=0)) @ weights + y.mean()
        by_fold.append(np.mean((predicted - targets[~learned]) ** 2))
      errors.append(np.mean(by_fold))
    best = penalties[int(np.argmin(errors))]
    assert baseline_search.inverse_penalty(found) == pytest.approx(best)
    np.testing.assert_allclose(-found.cv_results_["mean_test_score"], errors)


def test_what_has_no_penalty_tells_none():
  learner = pipeline.make_pipeline(
    preprocessing.StandardScaler(), linear_model.LinearRegression()
  )
  assert baseline_search.inverse_penalty(learner) is None


def test_the_log_has_each_value_and_the_best(caplog):
  numbers, labels = rows(40, 0.0)
  folds = baseline_search.deal(labels)
  search = baseline_search.logistic_regression([0.001, 100.0], folds, "neg_log_loss")
  whole = pipeline.make_pipeline(preprocessing.StandardScaler(), search)
  whole.fit(numbers, labels)
  with caplog.at_level(logging.INFO, logger="absl"):
    baseline_search.log_scores(whole)
  first, second, end = caplog.messages
  assert first.startswith("C = 0.001: neg_log_loss -") and first.endswith(", the best")
  assert second.startswith("C = 100: neg_log_loss -") and not second.endswith("best")
  assert "at an end of --inverse_penalties" in end

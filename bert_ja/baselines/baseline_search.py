"""Linear learners whose penalty is chosen by cross-validation on the train set.

R rows.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import logging
from sklearn import linear_model, model_selection, pipeline

_MOST_FOLDS = 5


def deal(keys: np.ndarray, are_scored: np.ndarray | None = None) -> np.ndarray:
  """Spreads rows over folds, at most five, as one deals sorted cards.

  So each fold has its share of every label, however a file is sorted, and a label of
  two rows has them in two folds: what is learned from always has it.

  Args:
    keys: [R], labels or numbers; neighbours in their order come into different folds.
    are_scored: bool [R], all by default; other rows are in no fold, and are learned
      from whichever fold is scored.

  Returns:
    int [R], the folds from 0; -1 for none.
  """
  rows = np.arange(len(keys)) if are_scored is None else np.flatnonzero(are_scored)
  folds = np.full(len(keys), -1)
  order = np.argsort(keys[rows], kind="stable")
  folds[rows[order]] = np.arange(len(rows)) % _MOST_FOLDS
  return folds


def logistic_regression(
  inverse_penalties: Sequence[float], folds: np.ndarray, score: str
) -> Any:
  """Logistic regression, not yet trained; of several values of C the best.

  Args:
    inverse_penalties: above 0.
    folds: int [R], see `deal`.
    score: scikit-learn's name of what is best.
  """
  learner = linear_model.LogisticRegression(max_iter=1000)
  return _search(learner, "C", sorted(set(inverse_penalties)), folds, score)


def ridge(inverse_penalties: Sequence[float], folds: np.ndarray) -> Any:
  """Ridge regression, not yet trained; of several values of 1 / alpha the best."""
  alphas = [1 / value for value in sorted(set(inverse_penalties))]
  learner = linear_model.Ridge()
  return _search(learner, "alpha", alphas, folds, "neg_mean_squared_error")


def _search(learner, name, values, folds, score):
  num_folds = folds.max(initial=-1) + 1
  if len(values) > 1 and num_folds < 2:
    # Nothing tells which is better: the one nearest to scikit-learn's default.
    values = [min(values, key=lambda value: abs(math.log(value)))]
    logging.warning(
      "%s without cross-validation, which needs two rows that can be scored",
      _shown(name, values[0]),
    )
  if len(values) == 1:
    return learner.set_params(**{name: values[0]})
  logging.info("Cross-validation: %d penalties, %d folds", len(values), num_folds)
  return model_selection.GridSearchCV(
    learner,
    {name: values},
    scoring=score,
    cv=model_selection.PredefinedSplit(folds),
    error_score="raise",
  )


def inverse_penalty(estimator: Any) -> float | None:
  """C or 1 / alpha of what was trained; None of what has none."""
  learner = _last_step(estimator)
  learner = getattr(learner, "best_estimator_", learner)
  if isinstance(learner, linear_model.Ridge):
    return 1 / learner.alpha
  if isinstance(learner, linear_model.LogisticRegression):
    return learner.C
  return None


def log_scores(estimator: Any) -> None:
  """Logs the mean score of each value, if cross-validation chose one."""
  search = _last_step(estimator)
  if not isinstance(search, model_selection.GridSearchCV):
    return
  results = search.cv_results_
  for setting, score in zip(results["params"], results["mean_test_score"], strict=True):
    ((name, value),) = setting.items()
    chosen = ", the best" if setting == search.best_params_ else ""
    logging.info("%s: %s %.4f%s", _shown(name, value), search.scoring, score, chosen)
  if search.best_index_ in (0, len(results["params"]) - 1):
    logging.info("The best is at an end of --inverse_penalties; try others beyond it")


def _shown(name, value):
  """A penalty as --inverse_penalties has it."""
  return f"1 / alpha = {1 / value:g}" if name == "alpha" else f"{name} = {value:g}"


def _last_step(estimator):
  return estimator[-1] if isinstance(estimator, pipeline.Pipeline) else estimator

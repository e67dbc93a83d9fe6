"""What tests of baselines share."""

import pytest

from bert_ja.baselines import baseline_search


@pytest.fixture
def searches(monkeypatch):
  """(folds, score) of each logistic regression that is made, in their order."""
  found = []
  whole = baseline_search.logistic_regression

  def spy(penalties, folds, score):
    found.append((folds, score))
    return whole(penalties, folds, score)

  monkeypatch.setattr(baseline_search, "logistic_regression", spy)
  return found

"""What baselines learn with, for each kind of task: estimators of scikit-learn.

R rows, C classes, N choices of a row, D numbers that a baseline sees.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special
from sklearn import (
  dummy,
  ensemble,
  linear_model,
  neural_network,
  pipeline,
  preprocessing,
)

from bert_ja.baselines import baseline_data, baseline_search

# Where there is no choice, as a model has it.
_NO_CHOICE = -1e9


@dataclasses.dataclass(frozen=True)
class Options:
  """How baselines are trained.

  Attributes:
    max_features: of all words the most frequent, for TF-IDF. By default 750 for
      gradient boosting, whose time grows with them, and all for the others.
    num_estimators: rounds of gradient boosting, each with a tree a class.
    seed: of gradient boosting and MLPs; the others draw nothing.
    hidden_sizes: of an MLP's layers before the last.
    inverse_penalties: of logistic regressions (C) and ridge regressions (1 / alpha),
      above 0; of several cross-validation on the train set takes the best.
    ngrams: the fewest and the most neighbouring words or characters that TF-IDF counts
      together.
  """

  max_features: int | None = None
  num_estimators: int = 200
  seed: int = 12345
  hidden_sizes: tuple[int, ...] = (256, 128)
  inverse_penalties: tuple[float, ...] = (0.01, 0.1, 1, 10, 100)
  ngrams: tuple[int, int] = (1, 1)


class Learner:
  """Base of all: a task's rows, and what to learn of them.

  Attributes:
    names: of the baselines: what one sees, and what learns from it.
    scores: those to show.
  """

  names: tuple[str, ...] = ()
  scores: tuple[str, ...] = ()

  def __init__(self, data: baseline_data.Data):
    self._data = data

  def check(self, names: Sequence[str]) -> None:
    """Checks that all of these baselines can learn from the rows.

    Raises:
      ValueError: one cannot.
    """

  def create(self, name: str, options: Options) -> Any:
    """A baseline's estimator, not yet trained."""
    raise NotImplementedError

  def without_texts(self) -> dict[str, np.ndarray]:
    """What the first baseline sees of each set, which looks at no text: [R, D]."""
    return {
      name: np.zeros([len(rows), 1]) for name, rows in self._data.examples.items()
    }

  def targets(self) -> np.ndarray:
    """What an estimator learns of the train set; by default the label ids [R]."""
    return self._data.label_ids("train")

  def predict(self, estimator: Any, name: str, features: Any) -> dict[str, np.ndarray]:
    """What the task's kind calls `predictions`, with the `per_example_loss` [R].

    Args:
      estimator: trained.
      name: of the set.
      features: what the baseline sees of it.
    """
    raise NotImplementedError

  def outputs(
    self, estimator: Any, features: Mapping[str, Any]
  ) -> dict[str, dict[str, np.ndarray]]:
    """Trains on the train set and predicts the others.

    Args:
      estimator: see `create`.
      features: what the baseline sees of each set.

    Returns:
      For each scored set what `predict` gives.
    """
    estimator.fit(features["train"], self.targets())
    return {
      name: self.predict(estimator, name, features[name]) for name in self._data.scored
    }


class Classes(Learner):
  """One of C classes for a row."""

  names = (
    "majority",
    "tfidf_logistic",
    "vectors_logistic",
    "vectors_mlp",
    "encoder_logistic",
    "tfidf_boosting",
    "vectors_boosting",
  )
  scores = ("accuracy", "f1_macro")

  def check(self, names: Sequence[str]) -> None:
    labels = {row.label for row in self._data.examples["train"]}
    if len(labels) < 2 and set(names) != {"majority"}:
      raise ValueError(
        f"all rows of the train set have the label {min(labels, default='')!r}; only "
        "--baselines=majority learns from that"
      )

  def create(self, name: str, options: Options) -> Any:
    """See `Learner`.

    TF-IDF has its own scale, and trees know none. Other vectors are brought to mean 0 and
    variance 1, without which the penalty of logistic regression and the steps of an MLP
    would depend on how long they are.
    """
    if name == "majority":
      return dummy.DummyClassifier(strategy="prior")
    source, method = name.split("_")
    if method == "boosting":
      return ensemble.GradientBoostingClassifier(
        n_estimators=options.num_estimators, random_state=options.seed
      )
    if method == "mlp":
      classifier = neural_network.MLPClassifier(
        options.hidden_sizes, random_state=options.seed
      )
    else:
      classifier = self._logistic(options)
    if source == "tfidf":
      return classifier
    # Before the folds and not in each, as the frequencies of TF-IDF are: neither looks
    # at labels.
    return pipeline.make_pipeline(preprocessing.StandardScaler(), classifier)

  def _logistic(self, options):
    labels = self._data.label_ids("train")
    # The only row of a label cannot be learned from and scored: it is learned from.
    folds = baseline_search.deal(labels, np.bincount(labels)[labels] > 1)
    # Rare labels count as others do. The log loss takes stronger penalties, with which
    # rare labels are hardly predicted; accuracy would not mind that.
    return baseline_search.logistic_regression(
      options.inverse_penalties, folds, "f1_macro"
    )

  def predict(self, estimator: Any, name: str, features: Any) -> dict[str, np.ndarray]:
    """`probabilities` [R, C]; 0 for labels that the train set lacks."""
    labels = self._data.label_ids(name)
    rows = np.zeros([len(labels), len(self._data.kind.label_list)])
    rows[:, estimator.classes_] = estimator.predict_proba(features)
    return _with_losses({"probabilities": rows}, labels)


class Choices(Learner):
  """One of a row's choices: the one that its text goes with best.

  Each choice with its text is a row of its own, right or wrong; its log odds are its
  score. `majority` looks at places alone, and how often each has the right choice.
  """

  names = ("majority", "tfidf_cosine", "tfidf_logistic")
  scores = ("accuracy",)

  def __init__(self, data: baseline_data.Data):
    super().__init__(data)
    self._there = {
      name: np.array([self._places(row) for row in rows])
      for name, rows in data.examples.items()
    }  # [R, N]

  def check(self, names: Sequence[str]) -> None:
    if self._right("train").all():
      raise ValueError(
        "no row of the train set has a wrong choice beside the right one; baselines "
        "learn from rows of several choices"
      )

  def create(self, name: str, options: Options) -> Any:
    if name == "majority":
      return _Shares()
    there = self._there["train"]
    # Rows are dealt, with all of their choices: those of one row tell of each other. A
    # single choice is always right.
    folds = baseline_search.deal(self._data.label_ids("train"), there.sum(axis=1) > 1)
    folds = np.broadcast_to(folds[:, np.newaxis], there.shape)[there]
    # The odds of a row's choices are what is compared: those of a right one may well be
    # below 1, so that right and wrong choices counted one by one would say little.
    return baseline_search.logistic_regression(
      options.inverse_penalties, folds, "neg_log_loss"
    )

  def without_texts(self) -> dict[str, np.ndarray]:
    """Which place a choice has: its most frequent one is what wins."""
    return {
      name: np.eye(there.shape[1])[np.nonzero(there)[1]]
      for name, there in self._there.items()
    }

  def targets(self) -> np.ndarray:
    """Whether each choice is the right one, bool."""
    return self._right("train")

  def predict(self, estimator: Any, name: str, features: Any) -> dict[str, np.ndarray]:
    """`scores` and `probabilities`, [R, N] each."""
    there = self._there[name]
    scores = np.full(there.shape, _NO_CHOICE)
    scores[there] = estimator.decision_function(features)
    outputs = {"scores": scores, "probabilities": special.softmax(scores, axis=1)}
    return _with_losses(outputs, self._data.label_ids(name))

  def _places(self, row):
    """Whether each of N places has a choice."""
    there = [bool(choice) for choice in row.choices]
    return there + [False] * (self._data.kind.num_choices - len(there))

  def _right(self, name):
    """Whether each choice of a set is the right one."""
    there = self._there[name]
    labels = self._data.label_ids(name)[:, np.newaxis]
    return (np.arange(there.shape[1]) == labels)[there]


class _Shares:
  """How often a choice is right by its place alone, as an estimator.

  By odds, a place that is rarely filled and mostly right would be before the most
  frequent one.
  """

  def fit(self, places: np.ndarray, is_right: np.ndarray) -> None:
    """Counts the right choices.

    Args:
      places: of each choice, [M, N], 1 where it stands.
      is_right: bool [M].
    """
    self._counts = places[is_right].sum(axis=0)  # [N]

  def decision_function(self, places: np.ndarray) -> np.ndarray:
    """[M]: their softmax are shares of the places, 1 added to each count."""
    return places @ np.log(self._counts + 1)


class Numbers(Learner):
  """A number for a row."""

  names = ("mean", "tfidf_cosine", "tfidf_ridge")
  scores = ("pearson", "spearman")

  def check(self, names: Sequence[str]) -> None:
    if "tfidf_cosine" in names and not self._data.are_pairs:
      raise ValueError(
        "--baselines: tfidf_cosine compares two texts, and rows have one; name two with "
        "--text_columns, or leave it out"
      )

  def create(self, name: str, options: Options) -> Any:
    if name == "mean":
      return dummy.DummyRegressor()
    if name == "tfidf_cosine":
      return linear_model.LinearRegression()
    folds = baseline_search.deal(self._data.label_ids("train"))
    return baseline_search.ridge(options.inverse_penalties, folds)

  def predict(self, estimator: Any, name: str, features: Any) -> dict[str, np.ndarray]:
    """`prediction` [R], in the unit of the labels."""
    data, prediction = self._data, estimator.predict(features)
    # In the unit of a model's loss.
    errors = (prediction - data.label_ids(name)) / data.kind.learned["deviation"]
    return {"prediction": prediction, "per_example_loss": errors**2}


def _with_losses(outputs, labels):
  """`outputs` with the loss of their `probabilities` [R, ...] of the labels [R]."""
  rows = outputs["probabilities"]
  # A label that the train set lacks has no probability, and the loss stays finite.
  least = np.finfo(np.float32).eps
  losses = -np.log(np.maximum(rows[np.arange(len(rows)), labels], least))
  return outputs | {"per_example_loss": losses}


# By the name of a kind of task.
LEARNERS: Mapping[str, type[Learner]] = {
  "choice": Choices,
  "regression": Numbers,
  "sentence": Classes,
}

"""A number for one or two texts: how alike they are, how many stars. B rows, R in all."""

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from bert_ja import metrics, reporting
from bert_ja.data import labels
from bert_ja.tasks import kinds, registry, table


@registry.register("regression")
class RegressionProcessor(table.TableProcessor):
  """A table whose label column holds numbers, of any range."""

  kind = "regression"

  def get_labels(self) -> list[str]:
    """One name, the column's."""
    return [self.label_column]

  def read_label(self, value: Any, place: str) -> Any:
    """A cell as it is; that it is a number is checked with all examples."""
    return None if table.is_empty(value) else value

  def label_names(self, label: Any) -> Sequence[str]:
    return ()


@kinds.register("regression")
class Regression(kinds.Kind):
  """One number for a row; logits [B, 1].

  The model's output is in deviations from the mean of the training set's labels. So
  learning rates that suit classes suit numbers of any range: a step moves a weight by
  about the learning rate whatever the unit, and labels around 50 with single steps of
  5e-5 would stay out of reach. The loss is the squared error in this unit: 1 for a model
  that predicts the mean. Scores and predictions are in the labels' own unit.
  """

  title = "a number for a text"
  labels_of = labels.Numbers
  best_metric = "eval_pearson"
  loss_options = ()
  must_learn = True

  def learn(self, examples: Sequence[Any]) -> None:
    """The mean and deviation of labels."""
    values = np.array(self.labels.values(examples))
    deviation = float(values.std()) if np.ptp(values) else 1.0
    self.learned = {"mean": float(values.mean()), "deviation": deviation}

  def strata(self, examples: Sequence[Any]) -> list[Hashable]:
    """One group: numbers seldom recur."""
    return [None] * len(examples)

  def loss(self, logits: Any, features: Mapping[str, Any], options: Any = None) -> Any:
    import tensorflow as tf

    mean, deviation = self._scale()
    return tf.square(logits[:, 0] - (features["label_ids"] - mean) / deviation)

  def predictions(self, logits: Any, features: Mapping[str, Any]) -> dict[str, Any]:
    """`prediction` [B], in the unit of the labels."""
    mean, deviation = self._scale()
    return {"prediction": logits[:, 0] * deviation + mean}

  def _scale(self):
    return self.learned.get("mean", 0.0), self.learned.get("deviation", 1.0)

  def scores(self, outputs: Mapping[str, np.ndarray]) -> dict[str, float]:
    return metrics.regression_metrics(outputs["label_ids"], outputs["prediction"])

  def write_rows(
    self,
    directory: str,
    examples: Sequence[Any],
    outputs: Mapping[str, np.ndarray],
    labels_known: bool,
  ) -> list[str]:
    """predictions.tsv: id, texts, label where it is known, and `predicted`."""
    columns = kinds.row_columns(examples)
    if labels_known:
      columns["label"] = [
        "" if example.label is None else self.labels.value(example)
        for example in examples
      ]
    return [
      reporting.write_columns(
        os.path.join(directory, "predictions.tsv"),
        columns | {"predicted": outputs["prediction"]},
      )
    ]

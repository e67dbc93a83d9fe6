"""Any of C classes for one or two texts: topics, emotions. B rows, R in all."""

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from bert_ja import label_reports, metrics, reporting
from bert_ja.data import labels
from bert_ja.tasks import kinds, registry, table


@registry.register("multi_label")
class MultiLabelProcessor(table.TableProcessor):
  """A table whose label column holds any number of names.

  An empty cell is a row without labels, in a test set too; a test set whose labels are
  not known lacks the column.

  Args:
    label_separator: what stands between names; in JSON a list needs none.
    threshold: least probability of a label that is predicted.
    **options: those of a table.
  """

  kind = "multi_label"
  unknown_label_hint = "leave the column out of a test set whose labels are not known"
  label_separator = ","
  threshold = 0.5

  def __init__(
    self,
    label_separator: str | None = None,
    threshold: float | None = None,
    **options: Any,
  ):
    super().__init__(**options)
    self.label_separator = label_separator or self.label_separator
    self.threshold = self.threshold if threshold is None else threshold
    self.kind_options = {
      "threshold": self.threshold,
      "label_separator": self.label_separator,
    }

  def get_labels(self) -> list[str]:
    names = super().get_labels()
    if not names:
      raise ValueError(
        f"no row of the training set has a label in column {self.label_column!r} "
        "(choose with --label_column), and no --labels_file is given"
      )
    return names

  def read_label(self, value: Any, place: str) -> list[str] | None:
    if value is None:
      return None
    if isinstance(value, str):
      value = value.split(self.label_separator)
    cells = value if isinstance(value, list) else [value]
    names = [
      table.label_name(cell, place) for cell in cells if not table.is_empty(cell)
    ]
    return list(dict.fromkeys(names))

  def label_names(self, label: Sequence[str]) -> Sequence[str]:
    return label


@kinds.register("multi_label")
class MultiLabel(kinds.Kind):
  """Each class for itself, there or not; logits [B, C], label ids float32 [B, C]."""

  title = "any number of labels for a text"
  labels_of = labels.ClassSets
  best_metric = "eval_f1_micro"

  def __init__(
    self,
    label_list: Sequence[str],
    features: Any = None,
    threshold: float = 0.5,
    label_separator: str = ",",
  ):
    """Of a task with these labels.

    Args:
      label_list: C names.
      features: as `kinds.Kind` has it.
      threshold: least probability of a label that is predicted.
      label_separator: what stands between names in predictions.tsv.

    Raises:
      ValueError: a name holds the separator.
    """
    super().__init__(label_list, features)
    self.row_options = {"label_separator": label_separator}
    for name in label_list:
      if label_separator in name:
        raise ValueError(
          f"label {name!r} holds {label_separator!r}, which stands between labels in "
          "predictions.tsv; choose another --label_separator"
        )
    self.threshold, self.label_separator = threshold, label_separator

  def strata(self, examples: Sequence[Any]) -> list[Hashable]:
    """Of each row its rarest label: rare ones are shared out, the others come along."""
    targets = np.array(self.labels.values(examples))  # [R, C]
    rarity = np.where(targets > 0, targets.sum(axis=0), np.inf)
    return np.where(targets.any(axis=1), rarity.argmin(axis=1), -1).tolist()

  def loss(self, logits: Any, features: Mapping[str, Any], options: Any = None) -> Any:
    from bert_ja import losses

    return losses.sigmoid_cross_entropy(logits, features["label_ids"], options)

  def predictions(self, logits: Any, features: Mapping[str, Any]) -> dict[str, Any]:
    """`probabilities` [B, C], each for itself."""
    import tensorflow as tf

    return {"probabilities": tf.sigmoid(logits)}

  def scores(self, outputs: Mapping[str, np.ndarray]) -> dict[str, float]:
    return metrics.multi_label_metrics(
      outputs["label_ids"], outputs["probabilities"], self.label_list, self.threshold
    )

  def write_rows(
    self,
    directory: str,
    examples: Sequence[Any],
    outputs: Mapping[str, np.ndarray],
    labels_known: bool,
  ) -> list[str]:
    """predictions.tsv: id, texts, label where known, predicted, and probabilities."""
    columns = kinds.row_columns(examples)
    if labels_known:
      columns["label"] = [
        self.label_separator.join(example.label or ()) for example in examples
      ]
    names = np.array(self.label_list, object)
    columns["predicted"] = [
      self.label_separator.join(names[there]) for there in self._predicted(outputs)
    ]
    columns |= kinds.probability_columns(names, outputs["probabilities"])
    return [
      reporting.write_columns(os.path.join(directory, "predictions.tsv"), columns)
    ]

  def write_reports(
    self,
    directory: str,
    outputs: Mapping[str, np.ndarray],
    examples: Sequence[Any],
  ) -> list[str]:
    """Precision, recall and F1 of each label."""
    targets = outputs["label_ids"].astype(int)
    predicted = self._predicted(outputs).astype(int)
    return label_reports.write_label_report(
      directory, targets, predicted, self.label_list
    )

  def _predicted(self, outputs):
    return outputs["probabilities"] >= self.threshold

"""One of C classes for one or two texts: what the original's classifier does. R rows."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from bert_ja import label_reports, metrics, reporting
from bert_ja.data import context_features
from bert_ja.tasks import kinds


@kinds.register("sentence")
class Sentence(kinds.Kind):
  """One class for a row; logits [B, C], label ids [B]."""

  title = "one class for a text"
  original_scores = ("accuracy",)
  has_test_results = True  # the original's

  def __init__(
    self, label_list: Sequence[str], features: Any = None, context: bool = False
  ):
    """Of a task with these labels.

    Args:
      label_list: C names.
      features: as `kinds.Kind` has it.
      context: whether first texts are what stands before the second ones, and give way
        to them.

    Raises:
      ValueError: a context and its row would be encoded apart.
    """
    if context and features is not None:
      raise ValueError(
        "--context_sentences reads a row together with what stands before it, and "
        "--pair_model=two_tower reads texts apart; leave one of them out"
      )
    super().__init__(label_list, context_features if context else features)

  def loss(self, logits: Any, features: Mapping[str, Any], options: Any = None) -> Any:
    from bert_ja import losses

    return losses.cross_entropy(logits, features["label_ids"], options)

  def predictions(self, logits: Any, features: Mapping[str, Any]) -> dict[str, Any]:
    """`probabilities` [B, C]."""
    import tensorflow as tf

    return {"probabilities": tf.nn.softmax(logits)}

  def scores(self, outputs: Mapping[str, np.ndarray]) -> dict[str, float]:
    return metrics.classification_metrics(
      outputs["label_ids"], outputs["probabilities"], self.label_list
    )

  def write_rows(
    self,
    directory: str,
    examples: Sequence[Any],
    outputs: Mapping[str, np.ndarray],
    labels_known: bool,
  ) -> list[str]:
    """predictions.tsv: id, texts, label where known, predicted, and probabilities."""
    probabilities = outputs["probabilities"]
    columns = kinds.row_columns(examples)
    if labels_known:
      columns["label"] = [example.label or "" for example in examples]
    columns["predicted"] = [self.label_list[k] for k in probabilities.argmax(axis=1)]
    columns |= kinds.probability_columns(self.label_list, probabilities)
    return [
      reporting.write_columns(os.path.join(directory, "predictions.tsv"), columns)
    ]

  def write_reports(
    self,
    directory: str,
    outputs: Mapping[str, np.ndarray],
    examples: Sequence[Any],
  ) -> list[str]:
    """A report of each class and the confusion matrix."""
    predicted = outputs["probabilities"].argmax(axis=1)
    paths = label_reports.write_classification_report(
      directory, outputs["label_ids"], predicted, self.label_list
    )
    note = metrics.single_class_note(predicted, self.label_list)
    if note:
      logging.warning("%s", note)
    return paths

"""Results of tasks with one label a row: metrics and files. R rows, C classes."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from bert_ja import metrics, reporting, text_io

# The original's metrics, which eval_results.txt holds (contract ).
_ORIGINAL = ("eval_accuracy", "eval_loss", "global_step", "loss")


def evaluation_metrics(
  outputs: Mapping[str, np.ndarray], label_list: Sequence[str], batch_size: int
) -> dict[str, float]:
  """Scores of an evaluation.

  Args:
    outputs: "probabilities" [R, C], "per_example_loss" [R], "label_ids" [R], in input
      order.
    label_list: C labels.
    batch_size: rows of a batch, for `loss`, the mean of the batches' means.

  Returns:
    `eval_accuracy`, `eval_loss`, `loss` and more, prefixed `eval_`.
  """
  losses = outputs["per_example_loss"]
  scores = metrics.classification_metrics(
    outputs["label_ids"], outputs["probabilities"], label_list
  )
  return {f"eval_{name}": value for name, value in scores.items()} | {
    "eval_loss": float(np.mean(losses, dtype=np.float64)),
    "loss": metrics.mean_of_batch_means(losses, batch_size),
  }


def write_evaluation(
  directory: str,
  results: Mapping[str, Any],
  outputs: Mapping[str, np.ndarray],
  label_list: Sequence[str],
) -> list[str]:
  """Writes results, report and confusion matrix; returns the paths."""
  text_io.makedirs(directory)
  path = os.path.join(directory, "eval_results.txt")
  reporting.write_results(
    path, {name: results[name] for name in _ORIGINAL if name in results}
  )
  return [path, *_write_scores(directory, results, outputs, label_list)]


def _write_scores(directory, results, outputs, label_list):
  predicted = outputs["probabilities"].argmax(axis=1)
  text_io.write_json(
    os.path.join(directory, "metrics.json"), dict(sorted(results.items()))
  )
  reporting.write_classification_report(
    directory, outputs["label_ids"], predicted, label_list
  )
  report = os.path.join(directory, "classification_report.txt")
  logging.info("%s", text_io.read_text(report))
  note = metrics.single_class_note(predicted, label_list)
  if note:
    logging.warning("%s", note)
  names = ("metrics.json", "classification_report.txt", "confusion_matrix.txt")
  names += ("confusion_matrix.png",)
  return [os.path.join(directory, name) for name in names]


def write_predictions(
  directory: str,
  examples: Sequence[Any],
  probabilities: np.ndarray,
  label_list: Sequence[str],
  labels_known: bool,
) -> list[str]:
  """Writes predictions, and where the labels are known their scores in `test/`.

  Args:
    directory: the output directory.
    examples: R `InputExample`s.
    probabilities: float32 [R, C].
    label_list: C labels.
    labels_known: whether the examples' labels are true ones.

  Returns:
    The paths written.

  Raises:
    ValueError: another number of predictions than of examples (A-103).
  """
  if len(examples) != len(probabilities):
    raise ValueError(f"{len(probabilities)} predictions of {len(examples)} examples")
  text_io.makedirs(directory)
  results = os.path.join(directory, "test_results.tsv")
  reporting.write_test_results(results, probabilities)
  ids = {label: index for index, label in enumerate(label_list)}
  labels = [ids.get(example.label) for example in examples] if labels_known else None
  # One row with a second text gives all of them its column.
  has_pairs = any(example.text_b is not None for example in examples)
  predictions = os.path.join(directory, "predictions.tsv")
  reporting.write_predictions(
    predictions,
    (example.guid for example in examples),
    (
      (example.text_a, example.text_b or "") if has_pairs else (example.text_a,)
      for example in examples
    ),
    labels,
    probabilities,
    label_list,
  )
  paths = [results, predictions]
  if labels_known and None not in labels:
    scored = os.path.join(directory, "test")
    text_io.makedirs(scored)
    logging.info("***** Test results *****")
    scores = metrics.classification_metrics(labels, probabilities, label_list)
    outputs = {"probabilities": probabilities, "label_ids": np.asarray(labels)}
    paths += _write_scores(scored, scores, outputs, label_list)
  return paths

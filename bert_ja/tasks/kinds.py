"""What one kind of task predicts: features, outputs, loss, scores and files.

A task's `DataProcessor.kind` names its kind. A new kind is a subclass of `Kind` under
`@kinds.register`. B rows of a batch, R rows in all.
"""

import importlib
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from bert_ja import metrics, reporting, text_io
from bert_ja.data import labels, pair_features

# Files of bert_ja/tasks that register kinds, in alphabetical order.
_MODULES = ("multi_label", "multiple_choice", "regression", "sentence", "tagging")
_KINDS: dict[str, type["Kind"]] = {}
# All that explains scores, of any kind: what a prediction without scores may not leave.
_SCORE_FILES = (
  "metrics.json",
  "classification_report.txt",
  "confusion_matrix.txt",
  "confusion_matrix.png",
  "entity_report.txt",
)


def register(name: str) -> Callable[[type], type]:
  """Class decorator: `@register("sentence")`."""

  def add(cls):
    known = _KINDS.setdefault(name, cls)
    if known is not cls:
      raise ValueError(
        f"kind {name!r} is there already: {known.__module__}.{known.__qualname__}"
      )
    return cls

  return add


def get(name: str) -> type["Kind"]:
  """The class of a kind.

  Raises:
    ValueError: there is none of this name.
  """
  for module in _MODULES:
    importlib.import_module(f"bert_ja.tasks.{module}")
  if name not in _KINDS:
    raise ValueError(f"kind {name!r} is not known (known: {', '.join(sorted(_KINDS))})")
  return _KINDS[name]


class Kind:
  """Base of all kinds; what it does itself is right for rows of one or two texts.

  Attributes:
    title: what is predicted, in words.
    head: which of `heads.HEADS` stands on the encoder.
    features: module that makes rows of examples, with the functions `check`,
      `feature_spec` and `cached_features` of `data.pair_features`.
    labels_of: makes the `labels.Labels` of a list of names.
    best_metric: what chooses the best checkpoint, unless a flag says so.
    loss_options: which of `losses.LossOptions` its loss knows.
    original_scores: those of `scores` that eval_results.txt holds beside losses and
      step, where the original wrote no others; by default all.
    has_test_results: whether predictions have `probabilities` for the original's
      test_results.tsv.
    labels: the task's.
    row_options: JSON values without which predictions.tsv cannot be read.
    learned: JSON values that `learn` took from a training set; a trained model keeps
      them.
    must_learn: whether a model's outputs mean nothing without what was `learned` before
      its training.
  """

  title = ""
  head = "sentence"
  features = pair_features
  labels_of: Callable[[Sequence[str]], labels.Labels] = labels.ClassLabels
  best_metric = "eval_accuracy"
  loss_options: tuple[str, ...] = ("class_weights", "label_smoothing", "focal_gamma")
  original_scores: Sequence[str] | None = None
  has_test_results = False
  must_learn = False

  def __init__(self, label_list: Sequence[str], features: Any = None):
    """Of a task with these labels.

    Args:
      label_list: names.
      features: another module that makes rows, for two texts encoded alone.

    Raises:
      ValueError: this kind has no two texts.
    """
    if features is not None:
      if self.features is not pair_features:
        raise ValueError(
          "--pair_model=two_tower compares two texts; this task has other rows"
        )
      self.features = features
    self.label_list = list(label_list)
    self.labels = type(self).labels_of(self.label_list)
    self.row_options: dict[str, Any] = {}
    self.learned: dict[str, Any] = {}

  @property
  def num_outputs(self) -> int:
    """Logits of a row, or of each of its words or choices."""
    return len(self.label_list)

  def prepare(self, examples: Sequence[Any], tokenizer: Any) -> Sequence[Any]:
    """Examples as a task read them -> examples as all below takes them."""
    return examples

  def check(self, examples: Sequence[Any]) -> None:
    """Checks all that can be wrong with examples.

    Raises:
      ValueError: something is; the message names the place.
    """
    self.features.check(examples, self.labels)

  def learn(self, examples: Sequence[Any]) -> None:
    """Takes from checked training examples what else must be known: `learned`."""

  def strata(self, examples: Sequence[Any]) -> list[Hashable]:
    """A group of each example; rows held out are the same part of every group."""
    return [example.label for example in examples]

  def class_counts(self, examples: Sequence[Any]) -> list[int]:
    """How many examples there are of each class."""
    values = np.asarray(self.labels.values(examples))
    if values.ndim == 1:
      return np.bincount(values, minlength=len(self.label_list)).tolist()
    return values.sum(axis=0).astype(int).tolist()

  def feature_spec(self, max_seq_length: int) -> dict[str, Any]:
    """What a record holds."""
    return self.features.feature_spec(max_seq_length, self.labels)

  def cached_features(self, examples: Sequence[Any], *args: Any, **kwargs: Any) -> bool:
    """`cached_features` of the features; arguments as there, but for the labels."""
    return self.features.cached_features(examples, self.labels, *args, **kwargs)

  def loss(self, logits: Any, features: Mapping[str, Any], options: Any = None) -> Any:
    """float32 [B], as `losses.LossOptions` want it; the plain loss without."""
    raise NotImplementedError

  def predictions(self, logits: Any, features: Mapping[str, Any]) -> dict[str, Any]:
    """What prediction gives of a row: {name: [B, ...]}."""
    raise NotImplementedError

  def outputs(self, logits: Any, features: Mapping[str, Any]) -> dict[str, Any]:
    """`predictions`, and what scores need besides: {name: [B, ...]}."""
    return self.predictions(logits, features) | {
      "per_example_loss": self.loss(logits, features),
      "label_ids": features["label_ids"],
    }

  def truth(self, examples: Sequence[Any]) -> dict[str, Any]:
    """What scores need of R examples beside or in place of `outputs`: {name: [R, ...]}."""
    return {"label_ids": np.asarray(self.labels.values(examples))}

  def scores(self, outputs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Scores of all rows, by names without `eval_`; `outputs` with `truth`."""
    raise NotImplementedError

  def metrics(
    self,
    outputs: Mapping[str, np.ndarray],
    batch_size: int,
    examples: Sequence[Any] | None = None,
  ) -> dict[str, float]:
    """Scores of an evaluation.

    Args:
      outputs: `outputs` of all rows in input order.
      batch_size: rows of a batch, for `loss`, the mean of the batches' means.
      examples: the rows; without them the truth is what `outputs` has of it.

    Returns:
      `eval_loss`, `loss`, and `scores` prefixed `eval_`.

    Raises:
      ValueError: a loss is not finite.
    """
    losses = outputs["per_example_loss"]
    metrics.check_finite("losses", losses)
    if examples is not None:
      outputs = {**outputs, **self.truth(examples)}
    return {f"eval_{name}": value for name, value in self.scores(outputs).items()} | {
      "eval_loss": float(np.mean(losses, dtype=np.float64)),
      "loss": metrics.mean_of_batch_means(losses, batch_size),
    }

  def write_evaluation(
    self,
    directory: str,
    results: Mapping[str, Any],
    outputs: Mapping[str, np.ndarray],
    examples: Sequence[Any],
  ) -> list[str]:
    """Writes results and reports; returns the paths."""
    text_io.makedirs(directory)
    path = os.path.join(directory, "eval_results.txt")
    kept = results
    if self.original_scores is not None:
      names = {f"eval_{name}" for name in self.original_scores}
      names |= {"eval_loss", "global_step", "loss"}
      kept = {name: results[name] for name in results if name in names}
    reporting.write_results(path, kept)
    return [path, *self._write_scores(directory, results, outputs, examples)]

  def write_predictions(
    self,
    directory: str,
    examples: Sequence[Any],
    outputs: Mapping[str, np.ndarray],
    labels_known: bool,
  ) -> list[str]:
    """Writes predictions, and where labels are known their scores in `test/`.

    Scores of earlier predictions are removed: they are of other rows or models.

    Args:
      directory: the output directory.
      examples: R examples.
      outputs: `predictions` of all rows, in the order of the examples.
      labels_known: whether the examples' labels are true ones.

    Returns:
      The paths written.

    Raises:
      ValueError: another number of predictions than of examples (A-103), or numbers
        that are not finite.
    """
    count = len(next(iter(outputs.values())))
    if len(examples) != count:
      raise ValueError(f"{count} predictions of {len(examples)} examples")
    for name, values in outputs.items():
      if values.dtype.kind == "f":
        metrics.check_finite(name, values)
    text_io.makedirs(directory)
    known = labels_known and all(example.label is not None for example in examples)
    scored = os.path.join(directory, "test")
    for name in _SCORE_FILES:
      text_io.remove(os.path.join(scored, name))
    paths = []
    if self.has_test_results:
      paths.append(os.path.join(directory, "test_results.tsv"))
      reporting.write_test_results(paths[0], outputs["probabilities"])
    paths += self.write_rows(directory, examples, outputs, labels_known)
    if known:
      text_io.makedirs(scored)
      logging.info("***** Test results *****")
      outputs = {**outputs, **self.truth(examples)}
      paths += self._write_scores(scored, self.scores(outputs), outputs, examples)
    return paths

  def write_rows(
    self,
    directory: str,
    examples: Sequence[Any],
    outputs: Mapping[str, np.ndarray],
    labels_known: bool,
  ) -> list[str]:
    """Writes `predictions.tsv`, texts beside predictions; returns the paths."""
    raise NotImplementedError

  def write_reports(
    self,
    directory: str,
    outputs: Mapping[str, np.ndarray],
    examples: Sequence[Any],
  ) -> list[str]:
    """Writes what explains scores, and logs it; returns the paths."""
    return []

  def _write_scores(self, directory, results, outputs, examples):
    reports = self.write_reports(directory, outputs, examples)
    # Last: where it is, all is there.
    path = os.path.join(directory, "metrics.json")
    text_io.write_json(path, dict(sorted(results.items())))
    return [path, *reports]


def row_columns(examples: Sequence[Any]) -> dict[str, list[str]]:
  """How a table of predictions starts: `id`; `text`, or `text_a` and `text_b`."""
  columns = {
    "id": [example.guid for example in examples],
    "text": [example.text_a for example in examples],
  }
  # One row with a second text gives all of them its column.
  if any(example.text_b is not None for example in examples):
    columns["text_a"] = columns.pop("text")
    columns["text_b"] = [example.text_b or "" for example in examples]
  return columns


def probability_columns(
  label_list: Sequence[str], probabilities: np.ndarray
) -> dict[str, np.ndarray]:
  """How one of classes ends: `probability_<label>` [R] each, of probabilities [R, C]."""
  names = [f"probability_{name}" for name in label_list]
  return dict(zip(names, probabilities.T, strict=True))

"""Scores of predictions against labels, on host arrays.

R rows (examples), C classes.
"""

from collections.abc import Sequence

import numpy as np


def classification_metrics(
  labels: Sequence[int], probabilities: np.ndarray, label_names: Sequence[str]
) -> dict[str, float]:
  """Accuracy, precision, recall, F1, Matthews correlation and, for two classes, AUC.

  The predicted class of a row is its most probable one, the first among equals.
  Every class of `label_names` counts in the macro averages, also one that occurs in
  neither `labels` nor the predictions: its precision, recall and F1 are 0, as with
  scikit-learn's `labels=range(C), zero_division=0`. Weighted averages weigh a class
  by its rows, so absent classes count nothing there. Micro averages equal the
  accuracy, since each row has one label and one prediction.

  Args:
    labels: int [R], each in [0, C).
    probabilities: float [R, C].
    label_names: C names in column order; with two, the second is the positive class.

  Returns:
    `accuracy`, `precision_*`, `recall_*` and `f1_*` for `macro`, `micro` and
    `weighted`, `matthews_correlation` (0 where it is undefined); for two classes also
    `precision`, `recall` and `f1` of the positive class, and `auc` (area under the
    ROC curve) if both classes occur in `labels`.

  Raises:
    ValueError: no rows, sizes that do not match, a label outside [0, C), or
      probabilities that are not finite.
  """
  from sklearn import metrics as sk

  labels, probabilities = _checked(labels, probabilities, len(label_names))
  predicted = probabilities.argmax(axis=1)  # [R]
  results = {
    "accuracy": np.mean(labels == predicted),
    "matthews_correlation": _matthews_correlation(labels, predicted),
  }
  classes = range(len(label_names))
  for average in ("macro", "micro", "weighted"):
    results.update(_f1_scores(labels, predicted, classes, average, f"_{average}"))
  if len(label_names) == 2:
    # `labels=[1], average="macro"` is the score of class 1 alone; "binary" would
    # refuse rows of a single class.
    results.update(_f1_scores(labels, predicted, [1], "macro", ""))
    if 0 < labels.sum() < len(labels):
      results["auc"] = sk.roc_auc_score(labels, probabilities[:, 1])
  return {name: float(value) for name, value in results.items()}


def _checked(labels, probabilities, num_classes):
  labels, probabilities = np.asarray(labels), np.asarray(probabilities)
  _check_any(labels)
  if labels.ndim != 1 or probabilities.shape != (len(labels), num_classes):
    raise ValueError(
      f"expected labels [R] and probabilities [R, {num_classes}] (one column for each "
      f"label name), got {list(labels.shape)} and {list(probabilities.shape)}"
    )
  if labels.min() < 0 or labels.max() >= num_classes:
    raise ValueError(
      f"expected labels from 0 to {num_classes - 1}, got {labels.min()} to "
      f"{labels.max()}; unlabelled examples can be predicted, not scored"
    )
  check_finite("probabilities", probabilities)
  return labels, probabilities


def _check_any(labels):
  if not labels.size:
    raise ValueError(
      "no examples to score: expected at least one label; is the evaluation file empty?"
    )


def check_finite(what: str, values: np.ndarray) -> None:
  """Checks what a model gave of R examples, [R, ...].

  Raises:
    ValueError: there is an example with a number that is not finite.
  """
  finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
  bad = np.flatnonzero(~finite)
  if bad.size:
    raise ValueError(
      f"{what} of {bad.size} of {len(values)} examples are not finite (first: "
      f"example {bad[0]}); training diverged: lower --learning_rate"
    )


def _f1_scores(labels, predicted, classes, average, suffix):
  from sklearn import metrics as sk

  scores = sk.precision_recall_fscore_support(
    labels, predicted, labels=list(classes), average=average, zero_division=0
  )
  names = ("precision", "recall", "f1")
  return {name + suffix: score for name, score in zip(names, scores[:3], strict=True)}


def _matthews_correlation(labels, predicted):
  from sklearn import metrics as sk

  # A single class on both sides leaves 0 / 0: scikit-learn warns and gives 0.
  if labels.min() == labels.max() or predicted.min() == predicted.max():
    return 0.0
  return sk.matthews_corrcoef(labels, predicted)


def multi_label_metrics(
  targets: np.ndarray,
  probabilities: np.ndarray,
  label_names: Sequence[str],
  threshold: float = 0.5,
) -> dict[str, float]:
  """Precision, recall and F1 of labels, and how many rows have all of them right.

  A row's predicted labels are those whose probability is the threshold or more. Micro
  averages count all labels of all rows alike, macro averages all classes of
  `label_names`, where a class without labels or predictions counts 0, as with
  scikit-learn's `zero_division=0`.

  Args:
    targets: [R, C], 1 for each label that a row has, 0 for others.
    probabilities: float [R, C].
    label_names: C names in column order.
    threshold: of probabilities.

  Returns:
    `precision_*`, `recall_*` and `f1_*` for `micro` and `macro`; `subset_accuracy`, the
    part of the rows whose predicted labels are exactly theirs.

  Raises:
    ValueError: no rows, sizes that do not match, a target other than 0 and 1, or
      probabilities that are not finite.
  """
  targets, probabilities = np.asarray(targets), np.asarray(probabilities)
  _check_any(targets)
  if targets.shape != (len(targets), len(label_names)) or (
    probabilities.shape != targets.shape
  ):
    raise ValueError(
      f"expected targets and probabilities [R, {len(label_names)}] (one column for each "
      f"label name), got {list(targets.shape)} and {list(probabilities.shape)}"
    )
  if not np.isin(targets, (0, 1)).all():
    raise ValueError("expected targets of 0 and 1 alone; was a label smoothed?")
  check_finite("probabilities", probabilities)
  targets = targets.astype(np.int64)
  predicted = (probabilities >= threshold).astype(np.int64)
  results = {"subset_accuracy": np.mean((targets == predicted).all(axis=1))}
  targets, predicted = indicators(targets), indicators(predicted)
  classes = range(len(label_names))
  for average in ("micro", "macro"):
    results |= _f1_scores(targets, predicted, classes, average, f"_{average}")
  return {name: float(value) for name, value in results.items()}


def indicators(targets: np.ndarray) -> np.ndarray:
  """Sets of labels as scikit-learn's functions take them, whatever C is.

  It takes a single column for two classes, and class 0 is then "has not the label". With
  one more column, which nobody has, class 0 is the label.

  Args:
    targets: int [R, C].

  Returns:
    [R, C + 1], the last 0.
  """
  return np.pad(targets, [(0, 0), (0, 1)])


def regression_metrics(
  labels: Sequence[float], predictions: Sequence[float]
) -> dict[str, float]:
  """Correlations and errors of predicted numbers.

  Args:
    labels: float [R].
    predictions: float [R], in the unit of the labels.

  Returns:
    `pearson`; `spearman`, the Pearson correlation of ranks, equal numbers at the mean of
    theirs; both 0 where all labels or all predictions are equal, as they are not
    defined there. `mean_squared_error`, `mean_absolute_error`.

  Raises:
    ValueError: no rows, sizes that do not match, or numbers that are not finite.
  """
  labels = np.asarray(labels, np.float64)
  predictions = np.asarray(predictions, np.float64)
  _check_any(labels)
  if labels.ndim != 1 or labels.shape != predictions.shape:
    raise ValueError(
      f"expected labels [R] and predictions [R], got {list(labels.shape)} and "
      f"{list(predictions.shape)}"
    )
  check_finite("labels", labels)
  check_finite("predictions", predictions)
  errors = predictions - labels
  results = {
    "pearson": _correlation(labels, predictions),
    "spearman": _correlation(_ranks(labels), _ranks(predictions)),
    "mean_squared_error": np.mean(errors**2),
    "mean_absolute_error": np.mean(np.abs(errors)),
  }
  return {name: float(value) for name, value in results.items()}


def _correlation(first, second):
  if np.ptp(first) == 0 or np.ptp(second) == 0:
    return 0.0
  return np.corrcoef(first, second)[0, 1]


def _ranks(values):
  """Places in rising order; equal values share the mean of theirs."""
  _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
  return (np.cumsum(counts) - (counts - 1) / 2)[places]


def smaller_is_better(name: str) -> bool:
  """Whether the best value of a metric is the smallest: of losses and errors."""
  return name.endswith(("loss", "error"))


def mean_of_batch_means(values: Sequence[float], batch_size: int) -> float:
  """Mean over consecutive batches of each batch's mean.

  As in the original: `loss` averages the losses of batches in float32, so a shorter
  last batch weighs as much as a full one; `eval_loss` is the mean over examples.

  Args:
    values: float [R], in the order of evaluation.
    batch_size: rows of a batch; the last may have fewer.

  Returns:
    A float32 number as float.

  Raises:
    ValueError: no values, or `batch_size` below 1.
  """
  values = np.asarray(values, np.float32)
  if not values.size:
    raise ValueError("expected at least one value to average, got none")
  if batch_size < 1:
    raise ValueError(f"expected a batch_size of at least 1, got {batch_size}")
  means = [
    values[start : start + batch_size].mean()
    for start in range(0, len(values), batch_size)
  ]
  # Added in order, as the original's running total is.
  total = np.float32(0)
  for mean in means:
    total += mean
  return float(total / np.float32(len(means)))


def single_class_note(
  predicted: Sequence[int], label_names: Sequence[str]
) -> str | None:
  """A sentence for the log when a classifier gives every example the same class.

  Args:
    predicted: int [R], each in [0, C).
    label_names: C names.

  Returns:
    The sentence; None if predictions differ, if there are fewer than two, or if there
    is only one class to choose.
  """
  predicted = np.asarray(predicted)
  if len(predicted) < 2 or len(label_names) < 2 or len(np.unique(predicted)) > 1:
    return None
  name = label_names[int(predicted[0])]
  return (
    f"All {len(predicted)} predictions are {name!r}: the model does not tell the "
    "examples apart. Where it was trained to, check the labels, that the weights were "
    "read, and --learning_rate (too high or too few steps have this effect)."
  )

"""The rows of a study's sets: counted by label, and checked before anything is run."""

import collections
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from bert_ja import metrics
from bert_ja.comparisons import comparison_file
from bert_ja.data import validation_split

# Of two classes and of more.
_COLUMNS = {
  True: ("accuracy", "recall", "f1", "f1_macro"),
  False: ("accuracy", "f1_macro"),
}


@dataclasses.dataclass(frozen=True)
class Counts:
  """Rows of a set.

  Attributes:
    labels: in the order of the classes; of two the second is the positive one.
    rows: for each split the number of rows of each label.
    left_out: for each split how many more there are, which were too long.
  """

  labels: tuple[str, ...]
  rows: Mapping[str, tuple[int, ...]]
  left_out: Mapping[str, int] = dataclasses.field(default_factory=dict)


def read(
  processor: Any,
  data_dir: str,
  splits: Collection[str],
  fraction: float = 0.0,
  seed: int = 0,
) -> dict[str, list[Any]]:
  """Reads a task's splits: {split: its examples}.

  Args:
    processor: the task's `DataProcessor`.
    data_dir: its data.
    splits: some of "train", "dev" and "test", train among them.
    fraction: of the train rows that serve as dev set; 0 for the task's own.
    seed: of their choice.

  Raises:
    FileNotFoundError: a split is missing.
    ValueError: rows are of another kind, or lack labels.
  """
  if processor.kind != "sentence":
    raise ValueError(
      "a study is of tasks with one label for each row; this task's kind is "
      f"{processor.kind!r}, choose another task_name"
    )
  examples = {"train": processor.get_train_examples(data_dir)}
  if fraction:
    rows = examples["train"]
    labels = [row.label for row in rows]
    examples["train"], examples["dev"] = validation_split.split_examples(
      rows, fraction, seed, labels
    )
  else:
    examples["dev"] = processor.get_dev_examples(data_dir)
  if "test" in splits:
    examples["test"] = processor.get_test_examples(data_dir)
    unknown = sum(row.label is None for row in examples["test"])
    if unknown or not processor.test_labels_are_known:
      raise ValueError(
        f"{unknown or 'all'} rows of the test set lack labels, so that it cannot be "
        "scored; write test = false, and the dev set is reported"
      )
  return examples


def count(
  labels: Sequence[str],
  examples: Mapping[str, Sequence[Any]],
  left_out: Mapping[str, int] | None = None,
) -> Counts:
  """Counts the labels of each split.

  Args:
    labels: names, in the order of the classes.
    examples: see `read`.
    left_out: the processor's.
  """
  counters = {
    split: collections.Counter(row.label for row in rows)
    for split, rows in examples.items()
  }
  return Counts(
    tuple(labels),
    {
      split: tuple(counter[name] for name in labels)
      for split, counter in counters.items()
    },
    left_out or {},
  )


class SameRows:
  """Checks that all runs on a set are trained and scored on the same rows."""

  def __init__(self):
    self._first = None

  def check(self, name: str, examples: Mapping[str, Sequence[Any]]) -> None:
    """Compares a run's rows with those of the first one; texts may differ.

    Args:
      name: of the run, for messages.
      examples: see `read`; splits that the first one has not are left out.

    Raises:
      ValueError: another number of rows, other rows or labels.
    """
    rows = {
      split: [(row.source or row.guid, row.label) for row in part]
      for split, part in examples.items()
    }
    if self._first is None:
      self._first = name, rows
    first, expected = self._first
    for split in rows:
      if split in expected and rows[split] != expected[split]:
        raise ValueError(
          f"rows differ between {first} and {name} ({split}: {len(expected[split])} "
          f"and {len(rows[split])}), so that their scores cannot be compared: "
          "drop_longer counts the pieces of each one's tokenizer up to its "
          "max_seq_length, and other flags that choose rows count too; give all runs "
          "the same, or leave them out"
        )


def check(path: str, counts: Mapping[str, Counts]) -> None:
  """Checks that each set's splits can be learned from and scored.

  Args:
    path: of the study file.
    counts: of each set by name.

  Raises:
    ValueError: a set has a single label; its train set lacks a label, one that another
      set has included; or, of two labels, dev or test lack one.
  """
  for name, one in counts.items():
    for split, rows in one.rows.items():
      if split != "train" and len(one.labels) > 2:
        continue  # rare classes of many may be missing where scores are taken
      for label, number in zip(one.labels, rows, strict=True):
        if not number:
          is_positive = len(one.labels) == 2 and label == one.labels[1]
          what = f"{label!r}, the positive one" if is_positive else repr(label)
          raise _error(path, name, f"its {split} set has no rows of label {what}")
    for other, its in counts.items():
      if set(one.labels) < set(its.labels):
        lacks = ", ".join(repr(x) for x in its.labels if x not in one.labels)
        raise _error(
          path, name, f"its train set has no rows of label {lacks}, which {other!r} has"
        )
    if len(one.labels) < 2:
      label = one.labels[0] if one.labels else ""
      raise _error(path, name, f"all rows of its train set have the label {label!r}")


def _error(path, name, message):
  return ValueError(
    f"{path}: set {name!r}: {message}; divide its rows otherwise, or leave the set out"
  )


def columns(
  path: str, chosen: Sequence[str] | None, metric: str, counts: Mapping[str, Counts]
) -> tuple[str, ...]:
  """The metrics of the tables.

  Args:
    path: of the study file.
    chosen: the file's; None for accuracy, recall and F1 of the positive class and
      macro F1, of which more than two labels leave the first and the last.
    metric: the one that chooses, which has to exist too.
    counts: of each set by name.

  Raises:
    ValueError: the scores of a set lack a metric.
  """
  if chosen is None:
    chosen = _COLUMNS[all(len(one.labels) == 2 for one in counts.values())]
  for name, one in counts.items():
    known = scores_of(len(one.labels))
    for key, values in (("columns", chosen), ("metric", [metric])):
      for value in values:
        if value not in known and (key, value) != ("metric", "loss"):
          hint = comparison_file.nearest(value, known)
          raise ValueError(
            f"{path}: {key}: there is no metric {value!r} of set {name!r}, which has "
            f"{len(one.labels)} labels; {hint}"
          )
  return tuple(chosen)


def scores_of(num_labels: int) -> list[str]:
  """The scores that a classifier of so many labels gets."""
  labels = range(num_labels)
  return list(
    metrics.classification_metrics(labels, np.eye(num_labels), list(map(str, labels)))
  )

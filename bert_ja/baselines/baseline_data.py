"""What baselines are trained and scored on: a task's rows, and vectors from outside.

R rows, D numbers of a vector.
"""

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from absl import logging

from bert_ja import text_io
from bert_ja.data import choice_features
from bert_ja.tasks import kinds

# Kinds of tasks that there are baselines for.
KINDS = ("sentence", "choice", "regression")
SCORED = ("dev", "test")


@dataclasses.dataclass(frozen=True)
class Data:
  """A task's rows.

  Attributes:
    kind_name: one of `KINDS`.
    kind: what is predicted; it has learned what there is to learn of the train set.
    examples: rows of "train", and of "dev" and "test" if they are scored.
  """

  kind_name: str
  kind: kinds.Kind
  examples: dict[str, list[Any]]

  @property
  def scored(self) -> list[str]:
    """Names of the sets that are scored."""
    return [name for name in self.examples if name != "train"]

  def label_ids(self, name: str) -> np.ndarray:
    """[R] of a set: places of classes or choices, or numbers."""
    return np.array(self.kind.labels.values(self.examples[name]))

  @property
  def are_pairs(self) -> bool:
    """Whether rows have two texts; one makes all of them pairs."""
    return any(
      second
      for rows in self.examples.values()
      for row in rows
      for _, second in _texts(row)
    )

  def columns(self) -> dict[str, list[list[str]]]:
    """Of each set the first texts, and of pairs the second.

    Of choices each one is a pair: the row's text, and the choice.
    """
    sides = (0, 1) if self.are_pairs else (0,)
    found = {}
    for name, rows in self.examples.items():
      pairs = [pair for row in rows for pair in _texts(row)]
      found[name] = [[pair[side] for pair in pairs] for side in sides]
    return found


def _texts(row):
  """(first, second) of a row's pairs; the second of a single text is empty."""
  if isinstance(row, choice_features.ChoiceExample):
    return [(row.text, choice) for choice in row.choices if choice]
  return [(row.text_a, row.text_b or "")]


def read(
  processor: Any,
  data_dir: str,
  required: Collection[str] = (),
  scored: Collection[str] = SCORED,
) -> Data:
  """Reads a task's sets: train, and those of dev and test whose labels are known.

  Args:
    processor: the task's `DataProcessor`.
    data_dir: its data.
    required: sets that must be there; others may be missing, and the log tells.
    scored: some of "dev" and "test"; others are not read.

  Raises:
    FileNotFoundError: the train set or a required one is missing.
    ValueError: there are no baselines for this kind of task, there is nothing to score,
      or a row is wrong.
  """
  if processor.kind not in KINDS:
    raise ValueError(
      f"there are baselines for tasks of the kinds {', '.join(KINDS)}; this task's is "
      f"{processor.kind!r}, choose another --task_name"
    )
  examples = {"train": processor.get_train_examples(data_dir)}
  kind = kinds.get(processor.kind)(processor.get_labels(), **processor.kind_options)
  readers = {"dev": processor.get_dev_examples, "test": processor.get_test_examples}
  for name in [name for name in SCORED if name in scored]:
    if name == "test" and not processor.test_labels_are_known:
      logging.info("The test set is not scored: the task's files lack its labels")
      continue
    try:
      rows = readers[name](data_dir)
    except (FileNotFoundError, NotImplementedError) as error:
      if name in required:
        raise
      logging.warning("The %s set is not scored: %s", name, error)
      continue
    if any(row.label is None for row in rows):
      logging.warning("The %s set is not scored: some of its rows lack labels", name)
      continue
    examples[name] = rows
  if len(examples) == 1:
    raise ValueError(
      f"--data_dir={data_dir} has no {' or '.join(scored)} set with labels; baselines "
      "need one to be scored on"
    )
  for rows in examples.values():
    kind.check(rows)
  kind.learn(examples["train"])
  return Data(processor.kind, kind, examples)


def read_vectors(paths: Sequence[str], data: Data) -> dict[str, np.ndarray]:
  """Vectors from outside, a row for each row of a set.

  Args:
    paths: .npy files, float [R, D], of train, then of the scored sets.
    data: the task's rows.

  Raises:
    FileNotFoundError: a file is missing.
    ValueError: another number of files than of sets, of rows than in a set, of columns
      than in the train set; or values that are no finite numbers.
  """
  if len(paths) != len(data.examples):
    raise ValueError(
      f"--vectors_file names {len(paths)} files; expected {len(data.examples)}, of "
      f"the sets {', '.join(data.examples)} in this order"
    )
  found = {}
  for path, (name, rows) in zip(paths, data.examples.items(), strict=True):
    values = found[name] = _read_array(path)
    if len(values) != len(rows):
      raise ValueError(
        f"--vectors_file: {path} has {len(values)} rows, the {name} set {len(rows)}; "
        "make a vector for each row, in their order"
      )
    size = found["train"].shape[1]
    if values.shape[1] != size:
      raise ValueError(
        f"--vectors_file: {path} has vectors of {values.shape[1]} numbers, those of "
        f"{paths[0]} have {size}; make them in the same way"
      )
  return found


def _read_array(path):
  """The array of a file: finite numbers, [R, D]."""
  with text_io.open_file(path, "rb") as reader:
    try:
      values = np.load(reader, allow_pickle=False)
    except (ValueError, EOFError):
      raise ValueError(
        f"--vectors_file: {path} is no whole .npy file of numbers; write one with "
        "numpy.save"
      ) from None
  is_array = isinstance(values, np.ndarray)  # Not so where the file is an .npz.
  if not is_array or values.ndim != 2 or values.dtype.kind not in "fiu":
    what = f"{values.dtype} {list(values.shape)}" if is_array else "several arrays"
    raise ValueError(
      f"--vectors_file: {path}: expected numbers [rows, size of a vector], found {what}"
    )
  bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
  if bad.size:
    raise ValueError(
      f"--vectors_file: {path}: row {bad[0]} (from 0) has numbers that are not finite"
    )
  return values

"""A user's own table: columns, labels and files are options, no code is needed."""

import difflib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bert_ja import table_files, text_io
from bert_ja.data import labels
from bert_ja.tasks import base, registry

_FILE_STEMS = {
  "train": ("train",),
  "dev": ("dev", "valid", "validation"),
  "test": ("test",),
}


@registry.register("table")
class TableProcessor(base.SetProcessor):
  """Rows of CSV, TSV or JSON-lines files, by column name.

  A subclass may set the options as class attributes, read other labels (`read_label`,
  `label_names`) and take more of a row (`complete`). Labels are taken from, in this
  order, `labels`, `labels_file`, and the training file, sorted (as numbers if all are
  whole numbers). Rows of the test set may lack the label column, or have empty cells
  in it. See `table_files.read_table` for the forms of files.

  Args:
    text_columns: one or two column names; by default the first that the file has of
      `text`, `text_a` with `text_b`, `sentence1` with `sentence2`, `sentence`.
    label_column: `label` by default.
    id_column: column that names the examples; by default they are `<set>-<row>`.
    labels: the label list.
    labels_file: text file with one label a line.
    train_file: path, or name in the data directory; by default `train` with one of the
      endings .csv, .tsv, .jsonl, .json.
    dev_file: the same; `dev`, `valid` or `validation`.
    test_file: the same; `test`.
    data_dir: where `get_labels` looks for the training file if no set was read yet.
  """

  test_labels_are_known = True
  # What to do about a label of a test set that is not in the list.
  unknown_label_hint = "leave unknown labels empty in a test set"
  endings = (".csv", ".tsv", ".jsonl", ".json")
  usual_text_columns = (
    ("text",),
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("sentence",),
  )
  text_columns = None
  label_column = "label"
  id_column = None
  labels = None
  labels_file = None
  train_file = None
  dev_file = None
  test_file = None
  data_dir = None

  def __init__(
    self,
    text_columns: Sequence[str] | None = None,
    label_column: str | None = None,
    id_column: str | None = None,
    labels: Sequence[str] | None = None,
    labels_file: str | None = None,
    train_file: str | None = None,
    dev_file: str | None = None,
    test_file: str | None = None,
    data_dir: str | None = None,
  ):
    given = {
      "text_columns": _listed(text_columns),
      "label_column": label_column,
      "id_column": id_column,
      "labels": _listed(labels),
      "labels_file": labels_file,
      "train_file": train_file,
      "dev_file": dev_file,
      "test_file": test_file,
      "data_dir": data_dir,
    }
    for name, value in given.items():
      if value:
        setattr(self, name, value)
    if self.text_columns and len(self.text_columns) > 2:
      raise ValueError(
        f"--text_columns={','.join(self.text_columns)}: expected one or two columns"
      )
    if self.labels:
      self._labels = _without_repeats([str(label) for label in self.labels], "--labels")
    elif self.labels_file:
      self._labels = _read_labels(self.labels_file)
    else:
      self._labels = None
    self._examples_of = {}

  def get_labels(self) -> list[str]:
    """The labels given, or those of the training set.

    Raises:
      FileNotFoundError: there is no training set.
      ValueError: none were given and no data directory is known.
    """
    if self._labels is None:
      other = "or give the labels with --labels_file, one a line"
      if not (self.data_dir or self.train_file):
        raise ValueError(
          f"the labels are not known: read the training set first, {other}"
        )
      try:
        self.examples(self.data_dir, "train")
      except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; labels are taken from it, {other}") from None
    return list(self._labels)

  def examples(self, data_dir: str, set_type: str) -> list[base.InputExample]:
    self.data_dir = data_dir
    path = self._path(data_dir or "", set_type)
    if path not in self._examples_of:
      examples = self._read(path, set_type)
      if self._labels is None and set_type == "train":
        self._labels = _sorted_labels(
          {name for example in examples for name in self.label_names(example.label)}
        )
      self._check_labels(examples, set_type)
      self._examples_of[path] = examples
    return list(self._examples_of[path])

  def read_label(self, value: Any, place: str) -> Any:
    """A cell as a label: here a text. None where the label is not known.

    Args:
      value: of the table; from JSON it need not be a text.
      place: file, line and column, for messages.

    Raises:
      ValueError: it can be no label.
    """
    return None if is_empty(value) else label_name(value, place)

  def label_names(self, label: Any) -> Iterable[str]:
    """Those of the label list that a label holds: here itself."""
    return (label,)

  def complete(self, example: base.InputExample, row: Mapping[str, Any]) -> Any:
    """The example with what else a task takes of its row; here as it is.

    Args:
      example: texts and label.
      row: {column: value}.
    """
    return example

  def _path(self, data_dir, set_type):
    """The file of a set, from its option or by its usual names."""
    flag, name = f"--{set_type}_file", getattr(self, f"{set_type}_file")
    if name:
      for path in (os.path.join(data_dir, name), name):
        if text_io.exists(path):
          return path
      raise FileNotFoundError(
        f"{flag}={name}: there is no such file, nor one in {data_dir or 'a --data_dir'}"
      )
    names = [stem + ending for stem in _FILE_STEMS[set_type] for ending in self.endings]
    found = [name for name in names if text_io.exists(os.path.join(data_dir, name))]
    if not found:
      raise FileNotFoundError(
        f"--data_dir={data_dir} has no {set_type} set: expected one of "
        f"{', '.join(names)}, or {flag}"
      )
    if len(found) > 1:
      raise ValueError(
        f"--data_dir={data_dir} has more than one {set_type} set: {', '.join(found)}; "
        f"choose with {flag}"
      )
    return os.path.join(data_dir, found[0])

  def _read(self, path, set_type):
    columns, rows = table_files.read_table(path)
    if not rows:
      raise ValueError(f"{path} has no rows")
    text_columns = self._find_text_columns(path, columns)
    if set_type != "test":
      _require(path, columns, self.label_column, "--label_column")
    if self.id_column:
      _require(path, columns, self.id_column, "--id_column")
    examples = []
    for number, (line, row) in enumerate(rows, 1):
      source = f"{path}, line {line}"
      place = f"{source}, column {self.label_column!r}"
      label = self.read_label(row.get(self.label_column), place)
      if label is None and set_type != "test":
        raise ValueError(f"{place}: the label is empty")
      first, *second = text_columns
      # A pair may lack its second text; then it is a single one (contract A-91).
      present = [column for column in second if row.get(column) is not None]
      example = base.InputExample(
        guid=_text(row, self.id_column, source)
        if self.id_column
        else f"{set_type}-{number}",
        text_a=_text(row, first, source),
        text_b=_text(row, present[0], source) if present else None,
        label=label,
        source=source,
      )
      examples.append(self.complete(example, row))
    return examples

  def _find_text_columns(self, path, columns):
    if self.text_columns:
      for name in self.text_columns:
        _require(path, columns, name, "--text_columns")
      return self.text_columns
    for names in self.usual_text_columns:
      if all(name in columns for name in names):
        return names
    expected = "; ".join(" and ".join(names) for names in self.usual_text_columns)
    raise ValueError(
      f"{path}: which columns hold the texts? Expected {expected}; or name one or two "
      f"with --text_columns (it has: {', '.join(columns)})"
    )

  def _check_labels(self, examples, set_type):
    labelled = [example for example in examples if example.label is not None]
    known = set(self.get_labels()) if labelled else set()
    for example in labelled:
      for name in self.label_names(example.label):
        if name in known:
          continue
        hint = f"; {self.unknown_label_hint}" if set_type == "test" else ""
        raise ValueError(
          f"{example.source}, column {self.label_column!r}: label {name!r} is "
          f"not one of {labels.name_labels(self.get_labels())}{hint}"
        )


def _listed(value):
  """A list from a list or from text with commas."""
  if isinstance(value, str):
    value = [part.strip() for part in value.split(",")]
  return list(value) if value else None


def _require(path, columns, name, flag):
  if name in columns:
    return
  near = difflib.get_close_matches(name, columns, n=1)
  hint = f"; did you mean {near[0]!r}?" if near else ""
  raise ValueError(
    f"{path}: there is no column {name!r}{hint} (it has: {', '.join(columns)}; choose "
    f"with {flag})"
  )


def _text(row, column, source):
  value = row.get(column)
  if isinstance(value, str):
    return value
  if isinstance(value, int | float) and not isinstance(value, bool):
    return str(value)
  raise ValueError(
    f"{source}, column {column!r}: expected a text, found {_described(value)}"
  )


def is_empty(value: Any) -> bool:
  """Whether a cell holds nothing."""
  return value is None or (isinstance(value, str) and not value.strip())


def label_name(value: Any, place: str) -> str:
  """The name of a class, a text or a JSON value that is written like one.

  Raises:
    ValueError: it is neither a text nor a whole number nor a truth value.
  """
  if isinstance(value, str | bool | int):
    return json.dumps(value) if isinstance(value, bool) else str(value).strip()
  raise ValueError(
    f"{place}: expected a text or a whole number as label, found {_described(value)}"
  )


def _described(value):
  return "nothing" if value is None else json.dumps(value, ensure_ascii=False)[:40]


def _sorted_labels(labels):
  """In order of numbers if all labels are whole numbers, else of texts."""
  if all(re.fullmatch("[+-]?[0-9]+", label) for label in labels):
    return sorted(labels, key=lambda label: (int(label), label))
  return sorted(labels)


def _read_labels(path):
  labels = [line.strip() for line in text_io.read_lines(path)]
  labels = [label for label in labels if label]
  if not labels:
    raise ValueError(f"--labels_file={path} is empty; expected one label a line")
  return _without_repeats(labels, f"--labels_file={path}")


def _without_repeats(labels, origin):
  for label in labels:
    if labels.count(label) > 1:
      raise ValueError(f"{origin}: label {label!r} is there twice")
  return labels

"""A user's own table: columns, labels and files are options, no code is needed."""

import difflib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from absl import logging

from bert_ja import table_files, text_io
from bert_ja.data import labels, length_limit
from bert_ja.tasks import base, registry, table_labels, table_rows

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
    texts_file: path, or name in the data directory; cells of the text columns are then
      ids, and their texts are there (`table_rows.read_texts`).
    positive_labels: rows with these labels have label `1`, others `0`.
    context_sentences: n; with 2 or more the texts of the n - 1 rows before a row are its
      first text, and its own is the second.
    document_column: only rows of the same document are context of each other; with
      `context_sentences` alone.
    drop_longer: rows that exceed it are left out, in test sets where all labels are
      known.
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
  texts_file = None
  positive_labels = None
  context_sentences = None
  document_column = None
  drop_longer = None

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
    texts_file: str | None = None,
    positive_labels: Sequence[str] | None = None,
    context_sentences: int | None = None,
    document_column: str | None = None,
    drop_longer: length_limit.LengthLimit | None = None,
  ):
    given = {
      "text_columns": table_labels.listed(text_columns),
      "label_column": label_column,
      "id_column": id_column,
      "labels": table_labels.listed(labels),
      "labels_file": labels_file,
      "train_file": train_file,
      "dev_file": dev_file,
      "test_file": test_file,
      "data_dir": data_dir,
      "texts_file": texts_file,
      "positive_labels": table_labels.listed(positive_labels),
      "context_sentences": context_sentences,
      "document_column": document_column,
      "drop_longer": drop_longer,
    }
    for name, value in given.items():
      if value:
        setattr(self, name, value)
    if self.text_columns and len(self.text_columns) > 2:
      raise ValueError(
        f"--text_columns={','.join(self.text_columns)}: expected one or two columns"
      )
    self._check_kind()
    self._labels = table_labels.given(
      self.labels, self.labels_file, self.positive_labels
    )
    if self._has_context:
      self.kind_options = {**self.kind_options, "context": True}
    self._texts = None
    self._examples_of = {}
    self.left_out = {}

  def get_labels(self) -> list[str]:
    """The labels given, or those of the training set.

    Raises:
      FileNotFoundError: there is no training set.
      ValueError: none were given and no data directory is known.
    """
    if self._labels is None:
      other = (
        "or give the labels with --labels_file, one a line, or as --model_dir a model "
        "that was trained for them"
      )
      if not (self.data_dir or self.train_file):
        raise ValueError(
          f"the labels are not known: read the training set first, {other}"
        )
      try:
        self._path(self.data_dir or "", "train")
      except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; labels are taken from it, {other}") from None
      self.examples(self.data_dir, "train")
    return list(self._labels)

  def examples(self, data_dir: str, set_type: str) -> list[base.InputExample]:
    self.data_dir = data_dir
    path = self._path(data_dir or "", set_type)
    if path not in self._examples_of:
      examples = self._read(path, set_type)
      if self.positive_labels:
        if set_type == "train":
          table_labels.check_positive(self.positive_labels, examples, path)
        examples = table_labels.yes_or_no(examples, self.positive_labels)
      if self._labels is None and set_type == "train":
        self._labels = table_labels.ordered(
          {name for example in examples for name in self.label_names(example.label)}
        )
      self._check_labels(examples, set_type)
      if self.drop_longer:
        place, count = f"{set_type} set {path}", len(examples)
        examples = self.drop_longer.fitting(examples, place, self._has_context)
        self.left_out[set_type] = count - len(examples)
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

  @property
  def _has_context(self):
    return (self.context_sentences or 1) > 1

  def _check_kind(self):
    for name, is_used, kinds in (
      ("positive_labels", self.positive_labels, ("sentence",)),
      ("context_sentences", self._has_context, ("sentence",)),
      ("document_column", self.document_column, ("sentence",)),
      (
        "texts_file",
        self.texts_file,
        ("sentence", "multi_label", "regression", "choice"),
      ),
      ("drop_longer", self.drop_longer, ("sentence", "multi_label", "regression")),
    ):
      if is_used and self.kind not in kinds:
        raise ValueError(
          f"--{name} is for tasks of kind {', '.join(kinds)}, this one's is "
          f"{self.kind}; leave it out, or choose another --task_name"
        )
    if self.document_column and self.context_sentences is None:
      raise ValueError(
        f"--document_column={self.document_column} says which rows are context of each "
        "other; give --context_sentences too, or leave it out"
      )

  def _path(self, data_dir, set_type):
    """The file of a set, from its option or by its usual names."""
    flag = f"--{set_type}_file"
    if getattr(self, flag[2:]):
      return self._given_file(data_dir, flag)
    names = [stem + ending for stem in _FILE_STEMS[set_type] for ending in self.endings]
    found = [name for name in names if text_io.exists(os.path.join(data_dir, name))]
    if not found:
      if data_dir and not text_io.isdir(data_dir):
        what = "is a file" if text_io.exists(data_dir) else "does not exist"
        raise NotADirectoryError(
          f"--data_dir={data_dir} {what}; give the directory with the sets, or {flag}"
        )
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

  def _given_file(self, data_dir, flag):
    """The file that an option names, in the data directory or elsewhere."""
    name = getattr(self, flag[2:])
    for path in (os.path.join(data_dir, name), name):
      if text_io.exists(path):
        return path
    raise FileNotFoundError(
      f"{flag}={name}: there is no such file, nor one in {data_dir or 'a --data_dir'}"
    )

  def _read(self, path, set_type):
    columns, rows = table_files.read_table(path)
    if not rows:
      raise ValueError(f"{path} has no rows")
    text_columns = self._find_text_columns(path, columns)
    if self._has_context and len(text_columns) > 1:
      raise ValueError(
        f"--context_sentences={self.context_sentences}: rows of {path} have two texts "
        f"({', '.join(text_columns)}); choose one column with --text_columns"
      )
    if set_type != "test":
      _require(path, columns, self.label_column, "--label_column")
    if self.id_column:
      _require(path, columns, self.id_column, "--id_column")
    if self._has_context and self.document_column:
      _require(path, columns, self.document_column, "--document_column")
    self._read_texts()
    contexts = table_rows.Contexts((self.context_sentences or 1) - 1)
    examples, empty = [], []
    for number, (line, row) in enumerate(rows, 1):
      source = f"{path}, line {line}"
      place = f"{source}, column {self.label_column!r}"
      label = self.read_label(row.get(self.label_column), place)
      if label is None and set_type != "test":
        raise ValueError(f"{place}: the label is empty; fill it in or remove the row")
      texts = self._row_texts(row, text_columns, source)
      if not any(map(str.strip, texts)):
        empty.append(source)
      if self._has_context:
        column = self.document_column
        document = table_rows.cell_text(row, column, source) if column else ""
        texts = [contexts.before(*texts, document), *texts]
      example = base.InputExample(
        table_rows.cell_text(row, self.id_column, source)
        if self.id_column
        else f"{set_type}-{number}",
        *texts,
        label=label,
        source=source,
      )
      examples.append(self.complete(example, row))
    if empty:
      logging.warning(
        "%s: %d of %d rows have no text, the first in %s; fill it in or remove them",
        *(path, len(empty), len(examples), empty[0]),
      )
    return examples

  def _read_texts(self):
    if self.texts_file and self._texts is None:
      path = self._given_file(self.data_dir or "", "--texts_file")
      self._texts = table_rows.read_texts(path)

  def _row_texts(self, row, columns, source):
    """The texts of a row, by their ids if there is a file of them."""
    # A pair may lack its second text; then it is a single one (contract A-91).
    columns = [
      name for name in columns if name == columns[0] or row.get(name) is not None
    ]
    texts = [table_rows.cell_text(row, name, source) for name in columns]
    if self._texts is None:
      return texts
    for column, text in zip(columns, texts, strict=True):
      if text not in self._texts:
        raise ValueError(
          f"{source}, column {column!r}: id {text!r} has no text in "
          f"--texts_file={self.texts_file}; add it there, or leave the row out"
        )
    return [self._texts[text] for text in texts]

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


def _require(path, columns, name, flag):
  if name in columns:
    return
  near = difflib.get_close_matches(name, columns, n=1)
  hint = f"; did you mean {near[0]!r}?" if near else ""
  raise ValueError(
    f"{path}: there is no column {name!r}{hint} (it has: {', '.join(columns)}; choose "
    f"with {flag})"
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
    f"{place}: expected a text or a whole number as label, found "
    f"{table_rows.described(value)}"
  )

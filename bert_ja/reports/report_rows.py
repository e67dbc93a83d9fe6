"""Predictions that scripts wrote, and which of them were hardest.

R rows with a known right answer, C classes.
"""

import itertools
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bert_ja import table_files, text_io
from bert_ja.tasks import squad, squad_scores

_PREFIXES = ("probability_", "score_")
_AROUND = 60  # characters of a context shown on each side of an answer
_RIGHT, _PREDICTED = 1, 2


class Labelled(NamedTuple):
  """A row with what it is and what it was taken for.

  Attributes:
    id: of the row.
    texts: one or more.
    right: its label, labels or number.
    predicted: the same as the model has it.
    is_right: whether they agree.
    probabilities: (name, probability, whether it is right) of the classes that explain
      the mistake.
  """

  id: str
  texts: Sequence[str]
  right: str
  predicted: str
  is_right: bool
  probabilities: Sequence[tuple[str, float, bool]]


class Tagged(NamedTuple):
  """A sentence.

  Attributes:
    id: of the sentence.
    words: (word, right tag, predicted tag, probability of the latter); None if it is
      not known.
    wrong: how many words have another tag than the right one.
  """

  id: str
  words: Sequence[tuple[str, str, str, float | None]]
  wrong: int


class Answered(NamedTuple):
  """A question with its answers.

  Attributes:
    id: of the question.
    question: "" where the file is not known.
    context: (text, mark) of the parts around both answers; None stands for what was
      left out. Marks are "right", "predicted", "both" and "".
    right: the nearest right answer; "" for none.
    predicted: the model's; "" for none.
    score: F1 over characters, from 0 to 1.
    probability: of the predicted answer among the best; None if it is not among them.
    right_probability: the same of the right answer.
  """

  id: str
  question: str
  context: Sequence[tuple[str | None, str]]
  right: str
  predicted: str
  score: float
  probability: float | None
  right_probability: float | None


def hardest(
  path: str, count: int, task: Mapping[str, Any]
) -> tuple[list[Labelled] | list[Tagged], int]:
  """The rows of a `predictions.tsv` whose right label had the smallest probability.

  Of numbers those with the largest error, of tagged sentences those with the most wrong
  tags, among equals those of whose wrong tags the model was surest.

  Args:
    path: as run_classifier.py writes it.
    count: most rows.
    task: the model's task.json, with `kind` and `row_options` as flags.json has them;
      {} where they are not known.

  Returns:
    (rows, the worst first; R). Nothing and 0 where no label is known.

  Raises:
    ValueError: the file is not of the form that the script writes.
  """
  if text_io.exists(path.removesuffix("tsv") + "jsonl"):
    return _hardest_sentences(path, count)
  header, *rows = table_files.read_tsv(path) or [[]]
  if "id" not in header or "predicted" not in header:
    raise _strange(path, 1, "columns `id` and `predicted`")
  for number, row in enumerate(rows, 2):
    if len(row) != len(header):
      raise _strange(path, number, f"{len(header)} cells")
  if "label" not in header:
    return [], 0
  place = header.index("label")
  rows = [row for row in rows if row[place] or task.get("kind") == "multi_label"]
  if not rows:
    return [], 0
  table = _Table(path, header, rows, place)
  read = _reader(header, task)
  order, create = read(table)
  chosen = np.argsort(order, kind="stable")[:count].tolist()
  return [create(index) for index in chosen], len(rows)


def _strange(path, line, expected):
  return ValueError(
    f"{path}, line {line}: expected {expected}, as run_classifier.py writes them; run it "
    "again"
  )


class _Table:
  """Cells of rows with a label."""

  def __init__(self, path, header, rows, place):
    self.path, self.rows = path, rows
    self.texts = [row[1:place] for row in rows]
    self.labels = [row[place] for row in rows]
    self.predicted = [row[place + 1] for row in rows]
    self._places = {name: index for index, name in enumerate(header)}
    prefix = next((p for p in _PREFIXES if header[-1].startswith(p)), None)
    columns = [k for k, x in enumerate(header) if prefix and x.startswith(prefix)]
    columns = [k for k in columns if k > place]
    self.names = [header[k].removeprefix(prefix) for k in columns]
    # A place without a choice has no score.
    self.numbers = np.array(
      [[self.number(row[k]) if row[k] else -np.inf for k in columns] for row in rows]
    )  # [R, C]

  def number(self, cell):
    """What a cell holds."""
    try:
      return float(cell)
    except ValueError:
      raise ValueError(
        f"{self.path}: expected a number, found {cell!r}; run run_classifier.py again"
      ) from None

  def cell(self, index, name):
    """Of a column that older files may lack; "" there."""
    return self.rows[index][self._places[name]] if name in self._places else ""

  def row(self, index, is_right, probabilities):
    return Labelled(
      self.rows[index][0],
      self.texts[index],
      self.labels[index],
      self.predicted[index],
      bool(is_right),
      [(name, float(value), bool(fits)) for name, value, fits in probabilities],
    )


def _reader(header, task):
  """Which rows a table has."""
  if task.get("kind") == "multi_label":
    places = (task.get("row_options", {}), task.get("flags", {}))
    given = [place.get("label_separator") for place in places]
    separator = next(filter(None, given), ",")
    return lambda table: _label_sets(table, separator)
  if header[-1].startswith("probability_"):
    return _classes
  return _choices if header[-1].startswith("score_") else _numbers


def _classes(table, probabilities=None):
  """(probability of each row's label [R], index -> row)."""
  probabilities = table.numbers if probabilities is None else probabilities
  places = {name: k for k, name in enumerate(table.names)}
  right = np.array([places.get(label, -1) for label in table.labels])
  # A label that the model does not know has no probability.
  all_rows = np.arange(len(right))
  order = np.where(right < 0, 0.0, probabilities[all_rows, right])

  def create(index):
    label, predicted = table.labels[index], table.predicted[index]
    shown = [(label, order[index], True)]
    if label != predicted:
      shown.append((predicted, probabilities[index].max(), False))
    return table.row(index, label == predicted, shown)

  return order, create


def _choices(table):
  """As `_classes`, of places, whose scores are logits; choices stand beside places."""
  exponents = np.exp(table.numbers - table.numbers.max(axis=1, keepdims=True))
  order, create = _classes(table, exponents / exponents.sum(axis=1, keepdims=True))

  def create_with_choices(index):
    row = create(index)
    right, predicted = (
      ": ".join(filter(None, (place, table.cell(index, name))))
      for place, name in ((row.right, "right_choice"), (row.predicted, "choice"))
    )
    return row._replace(right=right, predicted=predicted)

  return order, create_with_choices


def _label_sets(table, separator):
  """As `_classes`; the probability is that of the worst of all labels."""
  names = np.array(table.names, object)

  def sets(cells):
    there = [set(filter(None, cell.split(separator))) for cell in cells]
    return np.array([[name in row for name in names] for row in there])  # [R, C]

  right, predicted = sets(table.labels), sets(table.predicted)
  fitting = np.where(right, table.numbers, 1 - table.numbers)

  def create(index):
    shown = right[index] | predicted[index]
    shown[fitting[index].argmin()] = True
    columns = names, table.numbers[index], right[index]
    bars = zip(*(column[shown] for column in columns), strict=True)
    return table.row(index, (right[index] == predicted[index]).all(), bars)

  return fitting.min(axis=1), create


def _numbers(table):
  """(minus the error of each row [R], index -> row)."""
  values = [[*map(table.number, cells)] for cells in (table.labels, table.predicted)]
  errors = np.abs(np.subtract(*values))
  return -errors, lambda index: table.row(index, errors[index] == 0, ())


def _hardest_sentences(path, count):
  objects_path = path.removesuffix("tsv") + "jsonl"
  with text_io.open_file(objects_path) as reader:
    objects = [
      (str(row.get("id", "")), row.get("probabilities"))
      for row in map(json.loads, reader)
    ]
  sentences, words = [], []
  for number, line in enumerate(text_io.read_lines(path), 1):
    if line:
      words.append(line.split("\t"))
      if len(words[-1]) not in (2, 3):
        raise _strange(path, number, "a word and its tags")
      continue
    sentences.append(words)
    words = []
  if any(len(cells) == 2 for words in sentences for cells in words):
    return [], 0
  found = []
  for number, ((name, probabilities), words) in enumerate(
    zip(objects, sentences, strict=False), 1
  ):
    if probabilities is None:  # an older file
      probabilities = [None] * len(words)
    if len(probabilities) != len(words):
      raise _strange(objects_path, number, f"{len(words)} probabilities")
    words = [(*cells, x) for cells, x in zip(words, probabilities, strict=True)]
    wrong = [x or 0.0 for _, right, predicted, x in words if right != predicted]
    found.append((sum(wrong), Tagged(name, words, len(wrong))))
  found.sort(key=lambda pair: (-pair[1].wrong, -pair[0]))
  return [row for _, row in found[:count]], len(found)


# --- Questions ----------------------------------------------------------------------


def hardest_questions(
  directory: str, count: int, predict_file: str | None
) -> tuple[list[Answered], int]:
  """The questions whose answers have the least in common with a right one.

  Among equals those come first whose right answer had the smallest probability, then
  those of whose answer the model was surest.

  Args:
    directory: output directory of run_squad.py, with scores.
    count: most questions.
    predict_file: their file or pattern; None if it is not known.

  Returns:
    (questions, R).

  Raises:
    ValueError: a file is not of the form that the script writes.
  """
  path = os.path.join(directory, squad_scores.QUESTION_SCORES)
  header, *rows = table_files.read_tsv(path) or [[]]
  wanted = {"id", "character_f1", "prediction", "right_answer"}
  if not wanted <= set(header):
    raise ValueError(
      f"{path}: expected columns {', '.join(sorted(wanted))}; run run_squad.py again"
    )
  best = _by_id(directory, "nbest_predictions.json")
  examples = {}
  if predict_file:
    examples = {
      _spaced(example.qas_id): example
      for example in squad.read_squad_examples(predict_file)
    }
  found = []
  for row in rows:
    cells = dict(zip(header, row, strict=False))
    probabilities = {
      _spaced(answer["text"]): answer["probability"]
      for answer in reversed(best.get(cells["id"], []))
    }
    found.append((cells, *map(probabilities.get, _answers(cells))))
  found.sort(key=lambda x: (float(x[0]["character_f1"]), x[2] or 0.0, -(x[1] or 0.0)))
  return [_answered(*x, examples) for x in found[:count]], len(found)


def _answers(cells):
  return cells["prediction"], cells["right_answer"]


def _by_id(directory, name):
  path = os.path.join(directory, name)
  if not text_io.exists(path):
    return {}
  return {_spaced(key): value for key, value in text_io.read_json(path).items()}


def _spaced(text):
  """As question_scores.tsv has a text."""
  return " ".join(text.split())


def _answered(cells, probability, right_probability, examples):
  predicted, right = _answers(cells)
  example = examples.get(cells["id"])
  return Answered(
    id=cells["id"],
    question=example.question_text if example else "",
    context=_parts(example, predicted, right) if example else (),
    right=right,
    predicted=predicted,
    score=float(cells["character_f1"]),
    probability=probability,
    right_probability=right_probability,
  )


def _parts(example, predicted, right):
  """The context around both answers, as `Answered` has it."""
  context = example.context
  marks = np.zeros(len(context), np.int8)
  answer = next((x for x in example.answers if _spaced(x.text) == right), None)
  start = answer.start if answer else 0
  place = slice(start, start + len(answer.text)) if answer else None
  if answer is None or _spaced(context[place]) != right:
    # Some files count otherwise, or give answers no place.
    place = _nearest(context, right, start)
  if place is not None:
    marks[place] |= _RIGHT
    start = place.start
  place = _nearest(context, predicted, start)
  if place is not None:
    marks[place] |= _PREDICTED
  shown = np.zeros(len(context), bool)
  for index in np.flatnonzero(marks).tolist() or [0]:
    shown[max(index - _AROUND, 0) : index + _AROUND + 1] = True
  names = {0: "", _RIGHT: "right", _PREDICTED: "predicted", 3: "both"}
  parts = []
  states = zip(shown.tolist(), marks.tolist(), strict=True)
  for (is_shown, mark), group in itertools.groupby(
    enumerate(states), key=lambda pair: pair[1]
  ):
    places = [index for index, _ in group]
    text = context[places[0] : places[-1] + 1] if is_shown else None
    parts.append((text, names[mark]))
  return parts


def _nearest(context, text, start):
  """Where words stand in a context, nearest to a place; None if nowhere."""
  # The context has its own white space between them. A match may lie over another.
  pattern = r"\s+".join(map(re.escape, text.split()))
  found = re.finditer(f"(?=({pattern}))", context) if pattern else ()
  places = [slice(*match.span(1)) for match in found]
  return min(places, key=lambda place: abs(place.start - start), default=None)

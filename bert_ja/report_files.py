"""What a run left in its output directory: settings, curve, scores, hard examples."""

import dataclasses
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bert_ja import model_files, report_rows, reporting, text_io
from bert_ja.flags import run_record

# Scores that tell most, the more telling first; they head the page and have curves.
_HEADLINES = (
  "accuracy",
  "f1",
  "f1_macro",
  "f1_micro",
  "exact_match",
  "character_f1",
  "pearson",
  "spearman",
  "joint_accuracy",
  "token_accuracy",
  "subset_accuracy",
  "masked_lm_accuracy",
  "next_sentence_accuracy",
)
_ACT_NAMES = {
  "do_train": "training",
  "do_eval": "evaluation",
  "do_predict": "prediction",
}
_RESULTS = (
  "metrics.json",
  "eval_results.txt",
  "learning_curve.csv",
  "predictions.tsv",
  "predictions.json",
)
_LABEL_COLUMNS = ("label", "precision", "recall", "F1", "support")


class Settings(NamedTuple):
  """Flags of the runs that did the same with the same values.

  Attributes:
    title: what they did.
    given: names and values of flags that were given.
    default: of the others.
  """

  title: str
  given: Mapping[str, Any]
  default: Mapping[str, Any]


class Confusion(NamedTuple):
  """Counts of a confusion matrix: `counts[true][predicted]`, both in `names`' order."""

  names: Sequence[str]
  counts: Sequence[Sequence[int]]


class Line(NamedTuple):
  """One curve: a value at each of some steps."""

  label: str
  steps: Sequence[int]
  values: Sequence[float]


@dataclasses.dataclass(frozen=True)
class Split:
  """Results on one set of rows.

  Attributes:
    name: "dev" or "test".
    scores: by name, without `eval_`.
    labels: cells of `_LABEL_COLUMNS`, as texts; none without a report.
    confusion: of one class a row, else None.
    hardest: the rows that were hardest, the worst first.
    num_rows: rows with a known right answer that `hardest` were chosen from.
  """

  name: str
  scores: Mapping[str, float]
  labels: Sequence[Sequence[str]] = ()
  confusion: Confusion | None = None
  hardest: Sequence[Any] = ()
  num_rows: int = 0


@dataclasses.dataclass(frozen=True)
class Run:
  """All that a page tells.

  Attributes:
    name: of the directory.
    kind: what was predicted, in words.
    settings: flags.
    config: the encoder's; {} where it is not known.
    parameters: numbers that the model has; None without a checkpoint.
    panels: title and lines of each picture of the learning curve.
    splits: results.
    headlines: names of scores, the more telling first.
    notes: what is missing, and how to get it.
  """

  name: str
  kind: str
  settings: Sequence[Settings]
  config: Mapping[str, Any]
  parameters: int | None
  panels: Sequence[tuple[str, Sequence[Line]]]
  splits: Sequence[Split]
  headlines: Sequence[str]
  notes: Sequence[str]


def read_run(directory: str, count: int = 20, predict_file: str | None = None) -> Run:
  """Reads an output directory of a script that trains, evaluates or predicts.

  Args:
    directory: `--output_dir` of the script.
    count: most examples of a split.
    predict_file: the questions that were answered; by default those of the recorded
      flags.

  Raises:
    FileNotFoundError: no such directory, or no such file of questions.
    ValueError: there are no results in it, or a file of them is damaged.
  """
  _check_results(directory)
  record = run_record.read(directory)
  model_dir = _flag(record, "model_dir", run_record.ACTS)
  described = _first_with(directory, model_dir, model_files.TASK_NAME)
  task = _read_object(described, model_files.TASK_NAME)
  notes: list[str] = []
  # Answers are those of the last run.
  later = reversed(run_record.ACTS)
  predict_file = predict_file or _flag(record, "predict_file", later)
  if text_io.exists(os.path.join(directory, "predictions.json")):
    kind, splits = (
      "question answering",
      [_questions(directory, count, predict_file, notes)],
    )
  else:
    kind = task.get("kind", "")
    splits = _splits(directory, count, task, notes)
  best = _score_name(_flag(record, "best_metric", run_record.ACTS) or "")
  headlines = list(dict.fromkeys([best, *_HEADLINES]))
  return Run(
    name=os.path.basename(os.path.abspath(directory)),
    kind=_KIND_NAMES.get(kind, kind),
    settings=_settings(record, task),
    config=_read_config(directory, model_dir),
    parameters=count_parameters(directory),
    panels=_panels(reporting.read_learning_curve(directory), headlines),
    splits=[split for split in splits if split.scores or split.num_rows],
    headlines=headlines,
    notes=notes,
  )


_KIND_NAMES = {
  "sentence": "one class for a text",
  "multi_label": "any number of labels for a text",
  "regression": "a number for a text",
  "choice": "one of several choices",
  "token": "a tag for each word",
}


def _check_results(directory):
  if not text_io.isdir(directory):
    raise FileNotFoundError(
      f"{directory} is no directory; give the --output_dir of a run"
    )
  if not set(_RESULTS) & set(text_io.listdir(directory)):
    raise ValueError(
      f"{directory} holds no results (looked for {', '.join(_RESULTS)}); give the "
      "--output_dir of a run of run_classifier.py, run_squad.py or run_pretraining.py"
    )


def _score_name(name):
  """A score without `eval_`; `loss` and `eval_loss` are two numbers."""
  return name if name == "eval_loss" else name.removeprefix("eval_")


# --- Settings -----------------------------------------------------------------------


def _settings(record, task):
  if not record:
    found = {k: v for k, v in task.get("flags", {}).items() if v is not None}
    return [Settings("recorded with the model", found, {})] if found else []
  acts = [act for act in run_record.ACTS if act in record]
  return [
    Settings(", ".join(_ACT_NAMES[act] for act in same), *values)
    for values, same in _grouped(
      (act, (record[act]["given"], record[act]["default"])) for act in acts
    )
  ]


def _flag(record, name, acts):
  """Its value in the first of the acts that has one."""
  for act in acts:
    entry = record.get(act, {"given": {}, "default": {}})
    value = {**entry["default"], **entry["given"]}.get(name)
    if value:
      return value
  return None


def _grouped(pairs):
  """[(act, values)] -> [(values, acts that follow each other with the same values)]."""
  for values, group in itertools.groupby(pairs, key=lambda pair: pair[1]):
    yield values, [act for act, _ in group]


def _first_with(directory, other, *names):
  """The first of two directories that holds one of the names; the first by default."""
  for path in (directory, other):
    if path and any(text_io.exists(os.path.join(path, name)) for name in names):
      return path
  return directory


def _read_object(directory, name):
  path = os.path.join(directory, name)
  if not text_io.exists(path):
    return {}
  value = text_io.read_json(path)
  if not isinstance(value, dict):
    raise ValueError(
      f"{path}: expected a JSON object, found {type(value).__name__}; run the script again"
    )
  return value


def _read_config(directory, model_dir):
  found = _first_with(directory, model_dir, *model_files.CONFIG_NAMES)
  for name in model_files.CONFIG_NAMES:
    config = _read_object(found, name)
    if config:
      return config
  return {}


def count_parameters(directory: str) -> int | None:
  """Numbers that the newest model in a directory has; None without one.

  Raises:
    ValueError: the checkpoint is damaged.
  """
  if not any(re.search(r"\.index$", name) for name in text_io.listdir(directory)):
    return None  # Spares TensorFlow's start.
  from bert_ja import checkpoint

  path = checkpoint.find_checkpoint(directory)
  if path is None:
    return None
  shapes = checkpoint.open_checkpoint(path).shapes
  sizes = (
    _product(shape)
    for name, shape in shapes.items()
    if not checkpoint.is_optimizer_state(name)
  )
  return sum(sizes)


def _product(shape):
  size = 1
  for length in shape:
    size *= length
  return size


# --- Curves -------------------------------------------------------------------------


def _panels(history, headlines):
  names = [name for name in headlines if name != "eval_loss"]
  scores = [f"{prefix}{name}" for name in names for prefix in ("eval_", "")]
  wanted = (
    ("loss", (("train", "loss"), ("eval", "eval_loss"))),
    ("scores of the dev set", tuple(("eval", name) for name in scores)),
    ("learning rate", (("train", "learning_rate"),)),
  )
  panels = []
  for title, names in wanted:
    lines = [line for split, name in names if (line := _line(history, split, name))]
    if lines:
      panels.append((title, lines))
  return panels


def _line(history, split, name):
  rows = [row for row in history if row.get("split") == split and name in row]
  if not rows:
    return None
  label = {"loss": "train", "eval_loss": "dev"}.get(name, name.removeprefix("eval_"))
  return Line(label, [row["step"] for row in rows], [row[name] for row in rows])


# --- Results ------------------------------------------------------------------------


def _splits(directory, count, task, notes):
  """Dev and test set of run_classifier.py."""
  found = []
  for name, scored, predicted in (("dev", "", "eval"), ("test", "test", "")):
    scores = _scores(os.path.join(directory, scored))
    path = os.path.join(directory, predicted, "predictions.tsv")
    hardest, num_rows = [], 0
    if text_io.exists(path):
      hardest, num_rows = report_rows.hardest(path, count, task)
      if not num_rows:
        notes.append(f"The rows of the {name} set have no labels, and so no scores.")
    elif scores and task.get("kind"):
      act = "--do_eval" if name == "dev" else "--do_predict"
      notes.append(
        f"Examples of the {name} set are missing: run run_classifier.py with "
        f"--model_dir={directory}, the same --data_dir and --output_dir, and {act}."
      )
    labels, confusion = _tables(os.path.join(directory, scored))
    found.append(Split(name, scores, labels, confusion, hardest, num_rows))
  return found


def _questions(directory, count, predict_file, notes):
  scores = _scores(directory)
  path = os.path.join(directory, "question_scores.tsv")
  if not text_io.exists(path):
    notes.append("Answers have no scores: run run_squad.py with --do_eval.")
    return Split("dev", scores)
  if not predict_file or not text_io.named_by(predict_file):
    missing = f"{predict_file} is not there" if predict_file else "it is not recorded"
    notes.append(
      f"Questions and contexts are not shown, since {missing}: give their file with "
      "--predict_file."
    )
    predict_file = None
  hardest, num_rows = report_rows.hardest_questions(directory, count, predict_file)
  return Split("dev", scores, hardest=hardest, num_rows=num_rows)


def _scores(directory):
  """{name without `eval_`: number}, {} where there is no evaluation."""
  values = _read_object(directory, "metrics.json")
  path = os.path.join(directory, "eval_results.txt")
  if not values and text_io.exists(path):
    lines = (line.partition(" = ") for line in text_io.read_lines(path))
    values = {name: float(value) for name, _, value in lines}
  return {
    _score_name(name): value
    for name, value in values.items()
    if isinstance(value, int | float)
  }


def _tables(directory):
  """(cells of each label, confusion matrix or None), from the reports of a split."""
  labels, confusion = (), None
  for name in ("classification_report.txt", "entity_report.txt"):
    path = os.path.join(directory, name)
    if text_io.exists(path):
      lines = text_io.read_lines(path)
      # A blank line ends the table: sums, or the table of strict scores, follow.
      rows = itertools.takewhile(str.strip, lines[1:])
      labels = [_cells(line, len(_LABEL_COLUMNS), path) for line in rows]
  path = os.path.join(directory, "confusion_matrix.txt")
  if text_io.exists(path):
    rows = text_io.read_lines(path)[3:]  # what it is, a blank line, names
    cells = [_cells(line, len(rows) + 1, path) for line in rows]
    names = [name.partition(" ")[2] for name, *_ in cells]
    confusion = Confusion(names, [[*map(int, counts)] for _, *counts in cells])
  return labels, confusion


def _cells(line, count, path):
  """A name, which may hold spaces, and the numbers behind it."""
  cells = line.rsplit(None, count - 1)
  if len(cells) == count - 1:
    cells = ["", *cells]  # a name of no letters
  if len(cells) != count or not all(
    re.fullmatch(r"[\d.]+|nan", cell) for cell in cells[1:]
  ):
    raise ValueError(
      f"{path}: expected a name and {count - 1} numbers, found {line!r}; run the script "
      "again"
    )
  return cells

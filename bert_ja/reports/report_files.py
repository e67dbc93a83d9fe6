"""What a run left in its output directory: settings, curve, scores, hard examples."""

import dataclasses
import itertools
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bert_ja import label_reports, learning_curve, model_files, reporting, text_io
from bert_ja.flags import run_record
from bert_ja.reports import report_rows
from bert_ja.tasks import kinds, squad_scores

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
# What flags.json has of how predictions are read.
_ROW_FACTS = ("kind", "row_options")
_RESULTS = (
  "metrics.json",
  "eval_results.txt",
  "learning_curve.csv",
  "predictions.tsv",
  "predictions.json",
)


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
    labels: cells of `label_reports.LABEL_COLUMNS`, as texts; none without a report.
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
  notes: list[str] = []
  if text_io.exists(os.path.join(directory, "predictions.json")):
    kind = "question answering"
    # Scores are those of the last evaluation.
    predict_file = predict_file or _flag(record, "predict_file", "do_eval")
    splits = [_questions(directory, count, predict_file, notes)]
  else:
    kind = _title(_task(directory, record, "do_train").get("kind", ""))
    splits = _splits(directory, count, record, notes)
  best = _score_name(_flag(record, "best_metric") or "")
  headlines = list(dict.fromkeys([best, *_HEADLINES]))
  # With one label a row it is the accuracy once more.
  if best != "f1_micro" and not any("subset_accuracy" in s.scores for s in splits):
    headlines.remove("f1_micro")
  return Run(
    name=os.path.basename(os.path.abspath(directory)),
    kind=kind,
    settings=_settings(directory, record),
    config=_read_config(directory, record),
    parameters=_parameters(directory, notes),
    panels=_panels(learning_curve.read(directory), headlines),
    splits=[split for split in splits if split.scores or split.num_rows],
    headlines=headlines,
    notes=notes,
  )


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


def _settings(directory, record):
  if not record:
    flags = _task(directory, record).get("flags", {})
    found = {k: v for k, v in flags.items() if v is not None}
    return [Settings("recorded with the model", found, {})] if found else []
  acts = [act for act in run_record.ACTS if act in record]
  return [
    Settings(", ".join(_ACT_NAMES[act] for act in same), *values)
    for values, same in _grouped(
      (act, (record[act]["given"], record[act]["default"])) for act in acts
    )
  ]


def _entries(record, act=None):
  """What is recorded of an act, then of the others."""
  acts = dict.fromkeys([act, *run_record.ACTS])
  return [record[name] for name in acts if name in record]


def _flag(record, name, act=None):
  """Its value where the act was done, or else another."""
  for entry in _entries(record, act):
    value = {**entry["default"], **entry["given"]}.get(name)
    if value:
      return value
  return None


def _model_directory(directory, record, names, act=None):
  """Where an act's model is described by files of some names."""
  found = [entry.get("model_directory") for entry in _entries(record, act)]
  places = [directory, *filter(None, found), _flag(record, "model_dir", act)]
  for path in filter(None, places):
    if any(text_io.exists(os.path.join(path, name)) for name in names):
      return path
  return directory


def _task(directory, record, act=None):
  """The model's task.json, with what is recorded of an act's predictions."""
  names = (model_files.TASK_NAME,)
  task = _read_object(_model_directory(directory, record, names, act), *names)
  entry = next((e for e in _entries(record, act) if "kind" in e), {})
  return task | {name: entry[name] for name in _ROW_FACTS if name in entry}


def _title(kind):
  try:
    return kinds.get(kind).title or kind
  except ValueError:  # one that another package registers
    return kind


def _grouped(pairs):
  """[(act, values)] -> [(values, acts that follow each other with the same values)]."""
  for values, group in itertools.groupby(pairs, key=lambda pair: pair[1]):
    yield values, [act for act, _ in group]


def _read_object(directory, name):
  path = os.path.join(directory, name)
  return model_files.read_object(path if text_io.exists(path) else None)


def _read_config(directory, record):
  found = _model_directory(directory, record, model_files.CONFIG_NAMES)
  for name in model_files.CONFIG_NAMES:
    config = _read_object(found, name)
    if config:
      return config
  return {}


def has_checkpoint(directory: str) -> bool:
  """Whether a directory holds one, which TensorFlow reads."""
  return text_io.isdir(directory) and any(
    name.endswith(".index") for name in text_io.listdir(directory)
  )


def _parameters(directory, notes):
  if not has_checkpoint(directory):
    return None  # Spares TensorFlow's start.
  try:
    return count_parameters(directory)
  except (ValueError, OSError, ImportError) as error:
    notes.append(f"The number of parameters is not known: {error}.")
    return None


def count_parameters(directory: str) -> int | None:
  """Numbers that the newest model in a directory has; None without one.

  Raises:
    ValueError: the checkpoint is damaged.
    OSError: it was removed meanwhile.
  """
  from bert_ja import checkpoint

  path = checkpoint.find_checkpoint(directory)
  if path is None:
    return None
  shapes = checkpoint.open_checkpoint(path).shapes
  names = [name for name in shapes if not checkpoint.is_optimizer_state(name)]
  return sum(math.prod(shapes[name]) for name in names)


# --- Curves -------------------------------------------------------------------------


def _panels(history, headlines):
  evaluations = {name for row in history if row["split"] == "eval" for name in row}
  dev_loss = "eval_loss" if "eval_loss" in evaluations else "loss"
  # Such as those of the parts of pre-training.
  losses = sorted(name for name in evaluations if name.endswith("loss"))
  losses = [name for name in losses if name not in ("eval_loss", "loss")]
  scores = [f"{prefix}{name}" for name in headlines for prefix in ("eval_", "")]
  wanted = (
    ("loss", [("train", "loss", "train"), ("eval", dev_loss, "dev"), *_of_dev(losses)]),
    (
      "scores of the dev set",
      _of_dev(name for name in scores if not name.endswith("loss")),
    ),
    ("learning rate", [("train", "learning_rate", "learning_rate")]),
  )
  panels = []
  for title, found in wanted:
    lines = [line for cells in found if (line := _line(history, *cells))]
    if lines:
      panels.append((title, lines))
  return panels


def _of_dev(names):
  return [("eval", name, name.removeprefix("eval_")) for name in names]


def _line(history, split, name, label):
  rows = [row for row in history if row.get("split") == split and name in row]
  if not rows:
    return None
  return Line(label, [row["step"] for row in rows], [row[name] for row in rows])


# --- Results ------------------------------------------------------------------------


def _splits(directory, count, record, notes):
  """Dev and test set of run_classifier.py."""
  found = []
  for name, scored, predicted, act in (
    ("dev", "", "eval", "do_eval"),
    ("test", "test", "", "do_predict"),
  ):
    scores = _scores(os.path.join(directory, scored))
    path = os.path.join(directory, predicted, "predictions.tsv")
    task = _task(directory, record, act)
    hardest, num_rows = [], 0
    if text_io.exists(path):
      hardest, num_rows = report_rows.hardest(path, count, task)
      if not num_rows:
        notes.append(f"The rows of the {name} set have no labels, and so no scores.")
    elif scores and task:  # Pre-training has an empty one.
      model = _model_directory(directory, record, (model_files.TASK_NAME,), act)
      notes.append(
        f"Examples of the {name} set are missing: run run_classifier.py with the flags "
        f"of the {_ACT_NAMES[act]}, --model_dir={model} and --{act}, without --do_train."
      )
    labels, confusion = _tables(os.path.join(directory, scored))
    found.append(Split(name, scores, labels, confusion, hardest, num_rows))
  return found


def _questions(directory, count, predict_file, notes):
  scores = _scores(directory)
  path = os.path.join(directory, squad_scores.QUESTION_SCORES)
  if not text_io.exists(path):
    notes.append("The last answers have no scores: run run_squad.py with --do_eval.")
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
    values = reporting.read_results(path)
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
      labels = label_reports.read_label_report(path)
  path = os.path.join(directory, "confusion_matrix.txt")
  if text_io.exists(path):
    confusion = Confusion(*label_reports.read_confusion_matrix(path))
  return labels, confusion

"""Compares models: trains every combination of a grid, tests the best, writes tables."""

import collections
import csv
import dataclasses
import math
import os
from collections.abc import Sequence

import numpy as np
from absl import logging

from bert_ja import figures, reporting, run_queue, run_state, text_io
from bert_ja.comparison_plan import Plan, Trial
from bert_ja.metrics import smaller_is_better

_TITLES = {
  "exact_match": "EM",
  "f1": "F1",
  "character_f1": "character F1",
  "f1_macro": "macro F1",
}
_SOURCE = "source.json"


@dataclasses.dataclass(frozen=True)
class _Best:
  """A model's best combination so far: one trial a seed; none if none is finished."""

  trials: tuple[Trial, ...]
  finished: int
  total: int

  @property
  def is_final(self):
    return self.finished == self.total


class Comparison:
  """The runs of a plan and what they come to.

  Files, below the output directory: `runs/MODEL/VALUES/` for each run, `summary.md`,
  `summary.csv`, `summary.png` and `all_runs.csv`.
  """

  def __init__(self, plan: Plan, output_dir: str, program: Sequence[str]):
    """Prepares; nothing is run yet.

    Args:
      plan: its data are files that exist, see `convert_data`.
      output_dir: of the comparison.
      program: how the plan's script is started.
    """
    self._plan, self._output_dir = plan, output_dir
    self.trials = plan.trials(output_dir, program)
    self._failed: dict[run_state.Run, str] = {}
    self._read: dict[str, dict[str, float]] = {}

  # --- Runs ---------------------------------------------------------------------------

  def run(self, options: run_queue.Options) -> bool:
    """Trains, tests and writes the tables; returns whether all is done.

    It is not where jobs of a scheduler are not waited for.

    Raises:
      ValueError: runs failed; those that did not are finished and in the tables.
    """
    training = self._run_stage("train", [trial.run for trial in self.trials], options)
    tests = self._run_stage("test", self.test_runs(), options)
    outcome = run_queue.Outcome(
      training.finished + tests.finished,
      training.failed | tests.failed,
      training.under_way + tests.under_way,
    )
    outcome.check()
    return not outcome.under_way

  def commands(self, forget_jobs: bool = False) -> list[str]:
    """Command lines of what can be run now: trainings, and tests of what is trained."""
    runs = [*(trial.run for trial in self.trials), *self.test_runs()]
    return list(run_queue.commands_of(runs, forget_jobs))

  def test_runs(self) -> list[run_state.Run]:
    """Tests of the best trials of the models that are trained."""
    if not self._plan.test:
      return []
    best = [self._best(model) for model in self._plan.models]
    return [
      self._plan.test_run(trial) for one in best if one.is_final for trial in one.trials
    ]

  def _run_stage(self, name, runs, options):
    finished = [run_state.state_of(run) for run in runs].count(run_state.FINISHED)
    if finished:
      logging.info("%s: %d of %d runs were finished before", name, finished, len(runs))
    with reporting.Progress(
      len(runs), "run", name, initial=finished, interval=0
    ) as progress:

      def on_end(run, failure):
        if failure:
          self._failed[run] = failure
          logging.warning("%s failed: %s", run.name, failure)
        score = "failed" if failure else self._score_text(run)
        progress.update(1, run=run.name, **{self._plan.metric: score})
        self.write_tables()

      outcome = run_queue.run_all(runs, options, on_end)
    self.write_summary()
    return outcome

  def _score_text(self, run):
    """The metric that chooses, of a run that has ended, for a line of progress."""
    for trial in self.trials:
      if trial.run == run:
        return f"{self._score(trial):.4g}"
      if run.directory.startswith(os.path.join(trial.run.directory, "")):
        return f"{self._test_metrics(trial).get(self._plan.metric, math.nan):.4g}"
    raise ValueError(f"{run.name} is no run of this comparison")

  # --- Scores -------------------------------------------------------------------------

  def _metrics(self, path):
    """{name without `eval_`: number} of a metrics file; {} where there is none."""
    if path not in self._read:
      if not os.path.exists(path):
        return {}
      self._read[path] = {
        name.removeprefix("eval_"): float(value)
        for name, value in text_io.read_json(path).items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
      }
    return self._read[path]

  def _dev_metrics(self, trial):
    return self._metrics(trial.run.result_file)

  def _test_metrics(self, trial):
    run = self._plan.test_run(trial)
    if run_state.state_of(run) != run_state.FINISHED:
      return {}
    return self._metrics(os.path.join(run.directory, self._plan.script.test_metrics))

  def _score(self, trial):
    """The value that chooses."""
    metrics, name = self._dev_metrics(trial), self._plan.metric
    if name not in metrics:
      raise ValueError(
        f"{self._plan.path}: metric: {trial.run.result_file} has no {name}; choose one "
        f"of {', '.join(sorted(metrics))}"
      )
    return metrics[name]

  def _best(self, model):
    combinations, finished, total = collections.defaultdict(list), 0, 0
    for trial in self.trials:
      if trial.model == model:
        total += 1
        if run_state.state_of(trial.run) == run_state.FINISHED:
          finished += 1
          combinations[trial.settings].append(trial)
    complete = [
      trials for trials in combinations.values() if len(trials) == len(self._plan.seeds)
    ]
    if not complete:
      return _Best((), finished, total)

    def value(trials):
      mean = float(np.mean([self._score(trial) for trial in trials]))
      return -math.inf if math.isnan(mean) else _sign(self._plan.metric) * mean

    return _Best(tuple(max(complete, key=value)), finished, total)  # ties: the first

  # --- Tables -------------------------------------------------------------------------

  def _columns(self):
    """(title, set, metric) of each column of numbers."""
    sets = ("Dev", "Test") if self._plan.test else ("Dev",)
    return [
      (f"{name} {_TITLES.get(metric, metric.replace('_', ' '))}", name, metric)
      for group in self._plan.columns
      for name in sets
      for metric in group
    ]

  def _table(self):
    """(best of each model, values [models, columns] with NaN where there is none)."""
    best = [self._best(model) for model in self._plan.models]
    values = np.full([len(best), len(self._columns())], np.nan)
    for row, one in enumerate(best):
      scores = {
        "Dev": [self._dev_metrics(trial) for trial in one.trials],
        "Test": [self._test_metrics(trial) for trial in one.trials],
      }
      for column, (_, name, metric) in enumerate(self._columns()):
        if one.trials:
          values[row, column] = np.mean([s.get(metric, np.nan) for s in scores[name]])
    return best, values

  def write_tables(self) -> tuple[list[_Best], np.ndarray]:
    """Writes `summary.md`, `summary.csv` and `all_runs.csv` of what is finished."""
    text_io.makedirs(self._output_dir)
    best, values = self._table()
    is_best = _best_of_columns(values, [metric for _, _, metric in self._columns()])
    self._write_markdown(best, values, is_best)
    self._write_csv(best, values, is_best)
    self._write_all_runs()
    return best, values

  def write_summary(self) -> None:
    """Writes the tables and the chart, and logs the summary."""
    _, values = self.write_tables()
    chart = figures.bar_chart(
      values,
      [model.name for model in self._plan.models],
      [title for title, _, _ in self._columns()],
      self._plan.script.digits,
    )
    if chart is not None:
      with text_io.written_whole(self.path("summary.png"), "wb") as writer:
        writer.write(chart)
    logging.info("%s", text_io.read_text(self.path("summary.md")))

  def path(self, name: str) -> str:
    """Path of a file of the comparison."""
    return os.path.join(self._output_dir, name)

  def _write_markdown(self, best, values, is_best):
    digits = self._plan.script.digits

    def cell(value, is_bold):
      text = "" if np.isnan(value) else f"{value:.{digits}f}"
      return f"**{text}**" if is_bold else text

    rows = [
      [model.name.replace("|", "\\|"), *map(cell, *numbers), self._run_name(one)]
      for model, one, *numbers in zip(
        self._plan.models, best, values, is_best, strict=True
      )
    ]
    headers = ["Model", *(title for title, _, _ in self._columns()), "run"]
    table = reporting.format_table(rows, headers, markdown=True)
    lines = "".join(f"\n{line}\n" for line in self._notes(best))
    text_io.write_text(self.path("summary.md"), table + lines)

  def _notes(self, best):
    plan = self._plan
    of_seeds = ""
    if len(plan.seeds) > 1:
      of_seeds = f"; means over the seeds {', '.join(map(str, plan.seeds))}"
    metric = _TITLES.get(plan.metric, plan.metric)
    yield f"Each model's best run by {metric} on dev{of_seeds}. {plan.script.note}".strip()
    for model, one in zip(plan.models, best, strict=True):
      if not one.is_final:
        yield f"{model.name}: {one.finished} of {one.total} runs are finished."
    for run, why in self._failed.items():
      yield f"{run.name} failed: {why}"

  def _run_name(self, best):
    """Directory of the best trial; with seeds, what their directories have in common."""
    if not best.trials:
      return ""
    names = [os.path.basename(trial.run.name) for trial in best.trials]
    if best.trials[0].seed is not None:
      names = [name.rpartition("seed=")[0].rstrip(",") for name in names]
    return names[0]

  def _write_csv(self, best, values, is_best):
    titles = [title for title, _, _ in self._columns()]
    rows = [["Model", *titles, "run", "best of"]]
    for model, one, numbers, marks in zip(
      self._plan.models, best, values, is_best, strict=True
    ):
      best_of = [title for title, mark in zip(titles, marks, strict=True) if mark]
      cells = ["" if np.isnan(value) else float(value) for value in numbers]
      rows.append([model.name, *cells, self._run_name(one), "; ".join(best_of)])
    _write_rows(self.path("summary.csv"), rows)

  def _write_all_runs(self):
    metrics = {trial.run: {} for trial in self.trials}
    states = {}
    for trial in self.trials:
      states[trial.run] = run_state.state_of(trial.run)
      if states[trial.run] == run_state.FINISHED:
        metrics[trial.run] = self._dev_metrics(trial)
      elif trial.run in self._failed:
        states[trial.run] = "failed"
    names = list(dict.fromkeys(name for row in metrics.values() for name in row))
    rows = [["model", *self._plan.grid, "seed", "state", *names]]
    for trial in self.trials:
      settings = [value for _, value in trial.settings]
      seed = "" if trial.seed is None else trial.seed
      scores = [metrics[trial.run].get(name, "") for name in names]
      rows.append([trial.model.name, *settings, seed, states[trial.run], *scores])
    _write_rows(self.path("all_runs.csv"), rows)


def _sign(metric):
  """-1 for a metric that is the better the smaller it is."""
  return -1 if smaller_is_better(metric) else 1


def _best_of_columns(values, metrics):
  """Where the best of each column stand: bool [rows, columns], all equal ones."""
  signed = np.where(np.isnan(values), -np.inf, values * [_sign(m) for m in metrics])
  return (signed == signed.max(axis=0)) & ~np.isnan(values)


def _write_rows(path, rows):
  with text_io.written_whole(path) as writer:
    csv.writer(writer, lineterminator="\n").writerows(rows)


# --- Data that are converted ----------------------------------------------------------


def convert_data(plan: Plan, output_dir: str) -> Plan:
  """Makes the files of a plan that names an `rcqa_file`; others stay as they are.

  Files that an earlier start has made from the same file serve again.

  Returns:
    The plan with the files that were made, in `output_dir/data`.

  Raises:
    ValueError: the files there are from other data; or see `tasks.rcqa`.
    FileNotFoundError, ImportError: an analyser or a model is not there.
  """
  if plan.rcqa_file is None:
    return plan
  from bert_ja.tasks import rcqa

  directory = os.path.join(os.path.abspath(output_dir), "data")
  record_file = os.path.join(directory, _SOURCE)
  source = [plan.rcqa_file, text_io.size(plan.rcqa_file)]
  record = {"source": source, "suffixes": []}
  if os.path.exists(record_file):
    record = text_io.read_json(record_file)
  if record["source"] != source:
    raise ValueError(
      f"{directory} was made from {record['source'][0]}, {record['source'][1]} bytes; "
      f"now it is {source[0]}, {source[1]} bytes: choose another --output_dir"
    )
  pieces = _sentence_piece_models(plan.models)
  missing = {
    suffix: rcqa.create_form(suffix, model_file)
    for suffix, model_file in pieces.items()
    if suffix not in record["suffixes"]
  }
  questions = rcqa.read_questions(plan.rcqa_file)[0] if missing else []
  for suffix, form in missing.items():
    with reporting.Progress(len(questions), "question", f"make {suffix}") as progress:
      rcqa.convert(questions, form, directory, lambda *_, bar=progress: bar.update())
    record["suffixes"].append(suffix)
    text_io.write_json(record_file, record)
  models = tuple(
    dataclasses.replace(model, data=rcqa.output_files(directory, model.suffix))
    for model in plan.models
  )
  return dataclasses.replace(plan, models=models, rcqa_file=None)


def _sentence_piece_models(models):
  """{suffix: its SentencePiece model, or None}: that of the model that names it."""
  from bert_ja import model_files
  from bert_ja.tasks import rcqa

  found = {}
  for model in models:
    path = None
    if model.suffix in rcqa.SENTENCE_PIECE_SUFFIXES:
      path = model.flags.get("model_file")
      if not path and "model_dir" in model.flags:
        path = model_files.find(model.flags["model_dir"], weights=False).model_file
    first = found.setdefault(model.suffix, path)
    if path and first and _content(first) != _content(path):
      raise ValueError(
        f"model {model.name!r}: suffix {model.suffix!r} has two SentencePiece models, "
        f"{first} and {path}; compare the models in two comparisons"
      )
  return found


def _content(path):
  with text_io.open_file(path, "rb") as reader:
    return reader.read()

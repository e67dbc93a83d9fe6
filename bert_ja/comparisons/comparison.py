"""Compares models: the tables of the best runs, and data that are converted first."""

import dataclasses
import os

import numpy as np
from absl import logging

from bert_ja import figures, reporting, run_state, text_io
from bert_ja.comparisons import comparison_runs, comparison_tables
from bert_ja.comparisons.comparison_plan import Plan

_SOURCE = "source.json"


class Comparison(comparison_runs.Runs):
  """The runs of a plan and a table of each model's best.

  Files, below the output directory: `runs/MODEL/VALUES/` for each run, `summary.md`,
  `summary.csv`, `summary.png` and `all_runs.csv`. A plan's data are files that exist,
  see `convert_data`.
  """

  def _columns(self):
    """(title, set, metric) of each column of numbers."""
    sets = ("Dev", "Test") if self._plan.test else ("Dev",)
    return [
      (f"{name} {comparison_tables.title(metric)}", name, metric)
      for group in self._plan.columns
      for name in sets
      for metric in group
    ]

  def _table(self):
    """(best of each model, values [models, columns] with NaN where there is none)."""
    best = [self.best(model) for model in self._plan.models]
    values = np.full([len(best), len(self._columns())], np.nan)
    for row, one in enumerate(best):
      scores = {
        "Dev": [self.dev_metrics(trial) for trial in one.trials],
        "Test": [self.test_metrics(trial) for trial in one.trials],
      }
      for column, (_, name, metric) in enumerate(self._columns()):
        if one.trials:
          values[row, column] = np.mean([s.get(metric, np.nan) for s in scores[name]])
    return best, values

  def write_tables(self) -> None:
    """Writes `summary.md`, `summary.csv` and `all_runs.csv` of what is finished."""
    text_io.makedirs(self._output_dir)
    best, values = self._table()
    is_best = comparison_tables.best_of_columns(
      values, [metric for _, _, metric in self._columns()]
    )
    self._write_markdown(best, values, is_best)
    self._write_csv(best, values, is_best)
    self._write_all_runs()

  def write_summary(self) -> None:
    """Writes the tables and the chart, and logs the summary."""
    self.write_tables()
    chart = figures.bar_chart(
      self._table()[1],
      [model.name for model in self._plan.models],
      [title for title, _, _ in self._columns()],
      self._plan.script.digits,
    )
    if chart is not None:
      text_io.write_bytes(self.path("summary.png"), chart)
    logging.info("%s", text_io.read_text(self.path("summary.md")))

  def _write_markdown(self, best, values, is_best):
    digits = self._plan.script.digits

    def cell(value, is_bold):
      text = "" if np.isnan(value) else f"{value:.{digits}f}"
      return comparison_tables.cell(text, is_bold)

    rows = [
      [comparison_tables.escaped(model.name), *map(cell, *numbers), self._run_name(one)]
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
    metric = comparison_tables.title(plan.metric)
    yield f"Each model's best run by {metric} on dev{of_seeds}. {plan.script.note}".strip()
    for model, one in zip(plan.models, best, strict=True):
      if not one.is_final:
        yield f"{model.name}: {one.finished} of {one.total} runs are finished."
    for run, why in self.failed.items():
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
    comparison_tables.write_csv(self.path("summary.csv"), rows)

  def _write_all_runs(self):
    states = [self.state(trial) for trial in self.trials]
    metrics = [
      self.dev_metrics(trial) if state == run_state.FINISHED else {}
      for trial, state in zip(self.trials, states, strict=True)
    ]
    names = list(dict.fromkeys(name for row in metrics for name in row))
    rows = [["model", *self._plan.grid, "seed", "state", *names]]
    for trial, state, scores in zip(self.trials, states, metrics, strict=True):
      settings = [value for _, value in trial.settings]
      seed = "" if trial.seed is None else trial.seed
      cells = [scores.get(name, "") for name in names]
      rows.append([trial.model.name, *settings, seed, state, *cells])
    comparison_tables.write_csv(self.path("all_runs.csv"), rows)


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

"""A study's report: its runs as a CSV file, its tables as Markdown.

S sets, K seeds.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bert_ja import reporting, run_state, text_io
from bert_ja.comparisons import comparison_tables
from bert_ja.studies.study_data import Counts

BASELINE = "baseline"  # in the place of a mode
CURVES, CHART = "learning_curves.png", "scores.png"
_OF_POSITIVE = ("precision", "recall", "f1")
_MARK = "†"


@dataclasses.dataclass(frozen=True)
class Row:
  """One run and its scores.

  Attributes:
    set_name, model, mode: what was trained on what.
    settings: values of the grid's flags.
    seed: None where the file names no seeds, and of baselines.
    state: such as `finished`.
    is_chosen: whether the tables show it: the best of the grid, all seeds finished.
    dev, test: scores by metric, as far as there are any.
    is_of_one_class: whether all predictions of the split that is shown are the same.
  """

  set_name: str
  model: str
  mode: str
  settings: tuple[tuple[str, Any], ...] = ()
  seed: int | None = None
  state: str = run_state.FINISHED
  is_chosen: bool = True
  dev: Mapping[str, float] = dataclasses.field(default_factory=dict)
  test: Mapping[str, float] = dataclasses.field(default_factory=dict)
  is_of_one_class: bool = False

  @property
  def label(self) -> str:
    """How notes call it."""
    seed = "" if self.seed is None else f", seed {self.seed}"
    return f"{self.model}, {self.mode} on {self.set_name}{seed}"


@dataclasses.dataclass(frozen=True)
class Report:
  """All that a report tells.

  Attributes:
    name: of the study.
    counts: rows of each set by name, in the order of the columns.
    entries: (model, mode) in the order of the rows, baselines behind the others.
    columns: metrics, a table each.
    metric: the one that chooses on dev.
    split: "test" or "dev", whose scores the tables show.
    rows: all runs.
    progress: {stage: (programs that have finished, all)}; one program runs all
      baselines of a set.
    failed: (run, why).
  """

  name: str
  counts: Mapping[str, Counts]
  entries: Sequence[tuple[str, str]]
  columns: Sequence[str]
  metric: str
  split: str
  rows: Sequence[Row]
  progress: Mapping[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
  failed: Sequence[tuple[str, str]] = ()

  def shown(self, entry: tuple[str, str], set_name: str) -> list[Row]:
    """The runs behind a cell, one a seed."""
    return [
      row
      for row in self.rows
      if row.is_chosen and (row.model, row.mode, row.set_name) == (*entry, set_name)
    ]

  def values(self, entry: tuple[str, str], metric: str) -> np.ndarray:
    """Scores of an entry, float [S, K], NaN where there is none."""
    cells = [
      [
        (row.test if self.split == "test" else row.dev).get(metric, np.nan)
        for row in self.shown(entry, name)
      ]
      for name in self.counts
    ]
    most = max([1, *map(len, cells)])
    return np.array([cell + [np.nan] * (most - len(cell)) for cell in cells])

  def means(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Means over the seeds and their standard deviations, both [entries, S + 1].

    The last column is of the mean over the sets, of which each seed has one; it is
    left out where there is one set. One seed has no deviation: NaN.
    """
    means, deviations = [], []
    for entry in self.entries:
      values = self.values(entry, metric)
      if len(values) > 1:
        values = np.vstack([values, values.mean(axis=0)])
      means.append(values.mean(axis=1))
      several = values.shape[1] > 1
      deviations.append(
        values.std(axis=1, ddof=1) if several else np.full(len(values), np.nan)
      )
    return np.array(means), np.array(deviations)

  @property
  def titles(self) -> list[str]:
    """Of the columns of `means`."""
    return [*self.counts, *(["mean"] if len(self.counts) > 1 else [])]


def write_csv(path: str, report: Report) -> None:
  """Writes a line for each run, with all digits of all scores."""
  settings = list(
    dict.fromkeys(name for row in report.rows for name, _ in row.settings)
  )
  scores = list(
    dict.fromkeys(
      (split, name)
      for split in ("dev", "test")
      for row in report.rows
      for name in getattr(row, split)
    )
  )
  header = ["set", "model", "mode", *settings, "seed", "state", "shown", "one class"]
  lines = [[*header, *(f"{split} {name}" for split, name in scores)]]
  for row in report.rows:
    values = dict(row.settings)
    lines.append(
      [
        *(row.set_name, row.model, row.mode),
        *(values.get(name, "") for name in settings),
        *("" if row.seed is None else row.seed, row.state),
        *("yes" if mark else "" for mark in (row.is_chosen, row.is_of_one_class)),
        *(getattr(row, split).get(name, "") for split, name in scores),
      ]
    )
  comparison_tables.write_csv(path, lines)


def write_markdown(directory: str, report: Report) -> str:
  """Writes `report.md`; pictures that lie beside it are shown in it.

  Returns:
    Its path.
  """
  parts = [f"# {report.name}\n", *(f"{line}\n" for line in _introduction(report))]
  parts += ["## Rows\n", counts_table(report.counts)]
  for metric in report.columns:
    parts += [f"## {_heading(metric)}\n", scores_table(report, metric)]
  parts += [f"{line}\n" for line in _notes(report)]
  for title, name in (("Scores", CHART), ("Learning curves", CURVES)):
    if os.path.exists(os.path.join(directory, name)):
      parts += [f"## {title}\n", f"![{title}]({name})\n"]
  path = os.path.join(directory, "report.md")
  text_io.write_text(path, "\n".join(parts))
  return path


def counts_table(counts: Mapping[str, Counts]) -> str:
  """Label x split of each set, with the sums and how many rows were too long."""
  splits = list(dict.fromkeys(split for one in counts.values() for split in one.rows))
  lines = []
  for name, one in counts.items():
    of_label = zip(*(one.rows[split] for split in splits), strict=True)
    cells = [
      *zip(map(comparison_tables.escaped, one.labels), of_label, strict=True),
      ("all", [sum(one.rows[split]) for split in splits]),
    ]
    if one.left_out:
      cells.append(("left out", [one.left_out.get(split, 0) for split in splits]))
    names = [comparison_tables.escaped(name), *[""] * (len(cells) - 1)]
    lines += [
      [name, label, *numbers]
      for name, (label, numbers) in zip(names, cells, strict=True)
    ]
  return reporting.format_table(lines, ["Set", "Label", *splits], markdown=True)


def scores_table(report: Report, metric: str) -> str:
  """Entry x set, and the mean over the sets."""
  means, deviations = report.means(metric)
  is_best = comparison_tables.best_of_columns(means, [metric] * means.shape[1])
  lines = []
  for entry, *numbers in zip(report.entries, means, deviations, is_best, strict=True):
    marks = [
      any(row.is_of_one_class for row in report.shown(entry, name))
      for name in report.counts
    ]
    marks += [False] * (means.shape[1] - len(marks))
    cells = [
      comparison_tables.cell(_score(mean, deviation), best) + (_MARK if mark else "")
      for mean, deviation, best, mark in zip(*numbers, marks, strict=True)
    ]
    lines.append([*map(comparison_tables.escaped, entry), *cells])
  titles = map(comparison_tables.escaped, report.titles)
  return reporting.format_table(lines, ["Model", "Mode", *titles], markdown=True)


def _score(mean, deviation):
  if np.isnan(mean):
    return ""
  return f"{mean:.3f}" + ("" if np.isnan(deviation) else f" ± {deviation:.3f}")


def _heading(metric):
  title = comparison_tables.title(metric)
  title = title[0].upper() + title[1:]
  return f"{title} of the positive class" if metric in _OF_POSITIVE else title


def _introduction(report: Report) -> Iterator[str]:
  seeds = list(dict.fromkeys(row.seed for row in report.rows if row.seed is not None))
  over = ""
  if len(seeds) > 1:
    over = f", mean ± standard deviation over the seeds {', '.join(map(str, seeds))}"
  text = f"Scores on the {report.split} set{over}; the best of each column is bold."
  if any(row.settings for row in report.rows):
    metric = comparison_tables.title(report.metric)
    text += f" Of the settings tried, those with the best {metric} on dev."
  positive = {one.labels[1] for one in report.counts.values() if len(one.labels) == 2}
  if len(positive) == 1 and set(report.columns) & set(_OF_POSITIVE):
    text += f" The positive class is `{positive.pop()}`."
  yield text
  for stage, (finished, total) in report.progress.items():
    if finished < total:
      yield f"{stage}: {finished} of {total} runs are finished."


def _notes(report: Report) -> Iterator[str]:
  marked = [row.label for row in report.rows if row.is_chosen and row.is_of_one_class]
  if marked:
    yield f"{_MARK} All predictions are of one class: {'; '.join(marked)}."
  for run, why in report.failed:
    yield f"{run} failed: {why}"

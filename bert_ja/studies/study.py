"""A study: sets of data x models x modes of transfer x seeds, and baselines."""

import os
from collections.abc import Mapping, Sequence

from absl import logging

from bert_ja import figures, label_reports, learning_curve, run_state, text_io
from bert_ja.comparisons import comparison_runs
from bert_ja.studies import study_figures, study_report
from bert_ja.studies.study_data import Counts
from bert_ja.studies.study_file import StudyPlan
from bert_ja.studies.study_report import BASELINE, Report, Row


class Study(comparison_runs.Runs):
  """The runs of a study and their report.

  Files, below the output directory: `runs/SET/MODEL/MODE/VALUES/` for each run,
  `baselines/SET/BASELINE/`, `report.md`, `report.csv`, `scores.png` and
  `learning_curves.png`.
  """

  def __init__(
    self,
    study: StudyPlan,
    counts: Mapping[str, Counts],
    columns: Sequence[str],
    output_dir: str,
    program: Sequence[str],
    baseline_runs: Sequence[run_state.Run],
  ):
    """Prepares; nothing is run yet.

    Args:
      study: what is run.
      counts: rows of each set by name.
      columns: metrics, a table each.
      output_dir: of the study.
      program: how the models' script is started.
      baseline_runs: those of `study`, one a set or none.
    """
    super().__init__(study.runs, output_dir, program, baseline_runs)
    self._study, self._counts, self._columns = study, counts, tuple(columns)

  # --- What there is ------------------------------------------------------------------

  def report(self) -> Report:
    """What is to be told of the runs that are finished."""
    path = self._plan.path
    return Report(
      name=os.path.splitext(os.path.basename(path))[0],
      counts=self._counts,
      entries=[
        *self._study.entries,
        *((name, BASELINE) for name in self._study.baselines),
      ],
      columns=self._columns,
      metric=self._plan.metric,
      split="test" if self._plan.test else "dev",
      rows=[*self._model_rows(), *self._baseline_rows()],
      progress=self.progress(),
      failed=[(run.name, why) for run, why in self.failed.items()],
    )

  def _model_rows(self):
    for number, one in enumerate(self._study.sets):
      for model, entry in zip(
        self._study.models_of(number), self._study.entries, strict=True
      ):
        chosen = self.best(model).trials
        for trial in self.trials:
          if trial.model == model:
            yield self._model_row(one, entry, trial, trial in chosen)

  def _model_row(self, one, entry, trial, is_chosen):
    state = self.state(trial)
    test = os.path.join(
      self._plan.test_run(trial).directory, self._plan.script.test_metrics
    )
    is_finished = state == run_state.FINISHED
    dev, tested = trial.run.directory, os.path.dirname(test)
    return Row(
      one.name,
      *entry,
      trial.settings,
      trial.seed,
      state,
      is_chosen,
      self.dev_metrics(trial) if is_finished else {},
      self.test_metrics(trial) if is_finished else {},
      is_finished and self._is_of_one_class(one, dev, tested),
    )

  def _baseline_rows(self):
    for one, run in zip(self._study.sets, self._others, strict=False):
      state = run_state.state_of(run)
      for name in self._study.baselines:
        directory = os.path.join(run.directory, name)
        tested = os.path.join(directory, "test")
        if state == run_state.FINISHED:
          yield Row(
            *(one.name, name, BASELINE),
            dev=self.metrics(os.path.join(directory, "metrics.json")),
            test=self.metrics(os.path.join(tested, "metrics.json")),
            is_of_one_class=self._is_of_one_class(one, directory, tested),
          )
        else:
          state = "failed" if run in self.failed else state
          yield Row(one.name, name, BASELINE, state=state, is_chosen=False)

  def _is_of_one_class(self, one, dev, test):
    """Whether a model predicts one class alone for the split that is shown."""
    directory = test if self._plan.test else dev
    path = os.path.join(directory, "confusion_matrix.txt")
    return predicts_one_class(path)

  # --- Files --------------------------------------------------------------------------

  def write_tables(self) -> None:
    """Writes `report.md` and `report.csv` of what is finished."""
    self._write(self.report())

  def _write(self, report):
    text_io.makedirs(self._output_dir)
    study_report.write_csv(self.path("report.csv"), report)
    return study_report.write_markdown(self._output_dir, report)

  def write_summary(self) -> None:
    """Writes the pictures and the report, and logs it."""
    report = self.report()
    text_io.makedirs(self._output_dir)
    pictures = {
      study_report.CHART: self._chart(report),
      study_report.CURVES: self._learning_curves(),
    }
    for name, picture in pictures.items():
      if picture is not None:
        text_io.write_bytes(self.path(name), picture)
    logging.info("%s", text_io.read_text(self._write(report)))

  def _chart(self, report):
    means, _ = report.means(self._columns[0])
    names = [", ".join(entry) for entry in report.entries]
    return figures.bar_chart(means, names, report.titles, digits=3)

  def _learning_curves(self):
    curves = []
    for number, one in enumerate(self._study.sets):
      names = dict(
        zip(
          (model.name for model in self._study.models_of(number)),
          map(", ".join, self._study.entries),
          strict=True,
        )
      )
      curves += [
        (one.name, names[trial.model.name], rows)
        for trial in self.trials
        if trial.model.name in names
        and (rows := learning_curve.read(trial.run.directory))
      ]
    metric = self._columns[0]
    return study_figures.learning_curves(
      curves,
      {
        "training loss": ("train", "loss"),
        f"{metric.replace('_', ' ')} (dev)": ("eval", f"eval_{metric}"),
      },
    )


def predicts_one_class(path: str) -> bool:
  """Whether all predictions of a confusion matrix are of one class.

  Args:
    path: of `confusion_matrix.txt`, see `label_reports.write_classification_report`;
      False where there is none.

  Raises:
    ValueError: the file is damaged.
  """
  if not os.path.exists(path):
    return False
  _, counts = label_reports.read_confusion_matrix(path)
  return sum(map(any, zip(*counts, strict=True))) == 1

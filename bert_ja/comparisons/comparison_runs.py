"""The runs of a plan: trains every combination of a grid, chooses, tests the best."""

import collections
import dataclasses
import math
import os
from collections.abc import Sequence

import numpy as np
from absl import logging

from bert_ja import reporting, run_queue, run_state, text_io
from bert_ja.comparisons import comparison_tables
from bert_ja.comparisons.comparison_plan import Model, Plan, Trial


@dataclasses.dataclass(frozen=True)
class Best:
  """A model's best combination so far.

  Attributes:
    trials: one a seed; none if no combination has finished with all seeds.
    finished, total: numbers of the model's trials.
  """

  trials: tuple[Trial, ...]
  finished: int
  total: int

  @property
  def is_final(self) -> bool:
    """Whether no trial is left that could be better."""
    return self.finished == self.total


class Runs:
  """Base: what a plan's runs come to; a subclass writes it down.

  Attributes:
    trials: all trainings.
    failed: why runs of this call have failed.
  """

  def __init__(
    self,
    plan: Plan,
    output_dir: str,
    program: Sequence[str],
    others: Sequence[run_state.Run] = (),
  ):
    """Prepares; nothing is run yet.

    Args:
      plan: its data are files that exist.
      output_dir: of tables; runs lie below it, in `runs/MODEL/VALUES/`.
      program: how the plan's script is started.
      others: further runs, which go first: nothing is chosen or tested of them.
    """
    self._plan, self._output_dir = plan, output_dir
    self._others = tuple(others)
    self.trials = plan.trials(output_dir, program)
    self.failed: dict[run_state.Run, str] = {}
    self._read: dict[str, dict[str, float]] = {}

  def write_tables(self) -> None:
    """Writes tables of what is finished; called whenever a run ends."""
    raise NotImplementedError

  def write_summary(self) -> None:
    """Writes all there is to show, and logs the summary; called after each stage."""
    raise NotImplementedError

  def path(self, name: str) -> str:
    """Path of a file in the output directory."""
    return os.path.join(self._output_dir, name)

  # --- Runs ---------------------------------------------------------------------------

  def run(self, options: run_queue.Options) -> bool:
    """Trains, tests and writes the tables; returns whether all is done.

    It is not where jobs of a scheduler are not waited for.

    Raises:
      ValueError: runs failed; those that did not are finished and in the tables.
    """
    training = self._run_stage("train", self._first_runs(), options)
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
    runs = [*self._first_runs(), *self.test_runs()]
    return list(run_queue.commands_of(runs, forget_jobs))

  def test_runs(self) -> list[run_state.Run]:
    """Tests of the best trials of the models that are trained."""
    if not self._plan.test:
      return []
    best = [self.best(model) for model in self._plan.models]
    return [
      self._plan.test_run(trial) for one in best if one.is_final for trial in one.trials
    ]

  def _first_runs(self):
    return [*self._others, *(trial.run for trial in self.trials)]

  def progress(self) -> dict[str, tuple[int, int]]:
    """{stage: (programs that have finished, all that there are now)}."""
    stages = {"train": self._first_runs(), "test": self.test_runs()}
    return {name: (_count_finished(runs), len(runs)) for name, runs in stages.items()}

  def _run_stage(self, name, runs, options):
    finished = _count_finished(runs)
    if finished:
      logging.info("%s: %d of %d runs were finished before", name, finished, len(runs))
    with reporting.Progress(
      len(runs), "run", name, initial=finished, interval=0
    ) as progress:

      def on_end(run, failure):
        if failure:
          self.failed[run] = failure
          logging.warning("%s failed: %s", run.name, failure)
        score = "failed" if failure else self._score_text(run)
        progress.update(1, run=run.name, **{self._plan.metric: score})
        self.write_tables()

      outcome = run_queue.run_all(runs, options, on_end)
    self.write_summary()
    return outcome

  def _score_text(self, run):
    """The metric that chooses, of a run that has ended, for a line of progress."""
    if run in self._others:
      return "in its own table"
    for trial in self.trials:
      if trial.run == run:
        return f"{self._score(trial):.4g}"
      if run.directory.startswith(os.path.join(trial.run.directory, "")):
        return f"{self.test_metrics(trial).get(self._plan.metric, math.nan):.4g}"
    raise ValueError(f"{run.name} is no run of this comparison")

  def state(self, trial: Trial) -> str:
    """The state of a training, such as `finished` or `failed`."""
    state = run_state.state_of(trial.run)
    is_failed = state != run_state.FINISHED and trial.run in self.failed
    return "failed" if is_failed else state

  # --- Scores -------------------------------------------------------------------------

  def metrics(self, path: str) -> dict[str, float]:
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

  def dev_metrics(self, trial: Trial) -> dict[str, float]:
    """Scores of a training that is finished, on dev."""
    return self.metrics(trial.run.result_file)

  def test_metrics(self, trial: Trial) -> dict[str, float]:
    """Scores on the test set; {} before there are any."""
    run = self._plan.test_run(trial)
    if run_state.state_of(run) != run_state.FINISHED:
      return {}
    return self.metrics(os.path.join(run.directory, self._plan.script.test_metrics))

  def _score(self, trial):
    """The value that chooses."""
    metrics, name = self.dev_metrics(trial), self._plan.metric
    if name not in metrics:
      raise ValueError(
        f"{self._plan.path}: metric: {trial.run.result_file} has no {name}; choose one "
        f"of {', '.join(sorted(metrics))}"
      )
    return metrics[name]

  def best(self, model: Model) -> Best:
    """The combination with the best mean over the seeds; of equal ones the first."""
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
      return Best((), finished, total)

    def value(trials):
      mean = np.mean([self._score(trial) for trial in trials])
      return comparison_tables.signed(self._plan.metric, mean)

    return Best(tuple(max(complete, key=value)), finished, total)


def _count_finished(runs):
  return [run_state.state_of(run) for run in runs].count(run_state.FINISHED)

"""Train models in several ways on several sets of data, write the tables of a paper."""

import sys
from collections.abc import Sequence

from absl import flags

from bert_ja.commands import baselines, compare
from bert_ja.flags import command_line, task_flags

FLAGS = flags.FLAGS


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command: those of `compare`, with another file."""
  flags.DEFINE_string(
    "study_file",
    None,
    "TOML file with sets of data, models, modes, baselines and seeds; see "
    "docs/studies.md.",
    flag_values,
  )
  shared = flags.FlagValues()
  compare.define_flags(shared)
  delattr(shared, "comparison_file")
  flag_values.append_flag_values(shared)


def main(argv: Sequence[str]) -> None:
  """Runs what is not finished, or prints it."""
  del argv
  from bert_ja.studies import study, study_file

  compare.check_shared_flags("study_file")
  plan = study_file.read(FLAGS.study_file)
  script = compare.script_path(plan.runs.script.name)
  program = (sys.executable, script)
  compare.check_flags(plan.runs, script)
  baseline_runs = create_baseline_runs(plan)
  counts, columns = check_data(plan, script, baseline_runs)
  compare.run_or_print(
    study.Study(plan, counts, columns, FLAGS.output_dir, program, baseline_runs)
  )


def create_baseline_runs(plan) -> list:
  """The runs of baselines, their flags checked.

  Args:
    plan: `study_file.StudyPlan`.

  Raises:
    ValueError: `bert-ja baselines` has no such flag, or the flag no such value.
  """
  shared = flags.FlagValues()
  task_flags.define(shared)
  # By its path it starts anywhere, as the models' script does.
  program = (sys.executable, compare.program_path(), "baselines")
  runs = plan.baseline_runs(FLAGS.output_dir, program, {*shared, "max_seq_length"})
  for run in runs:
    compare.parse(baselines.__file__, run.arguments, f"{plan.runs.path}: {run.name}")
  return runs


def check_data(plan, script: str, baseline_runs) -> tuple[dict, tuple[str, ...]]:
  """Reads all sets: ({set: its `study_data.Counts`}, metrics of the tables).

  Args:
    plan: `study_file.StudyPlan`.
    script: path of its script.
    baseline_runs: of `plan`, one a set or none.

  Raises:
    ValueError, FileNotFoundError: a set has no split or label that it needs, two runs
      on it differ in their rows, or its baselines lack something.
  """
  from bert_ja.studies import study_data

  # Other seeds have the same rows, but for those that are held out.
  trials = [
    trial
    for trial in plan.runs.trials(FLAGS.output_dir, ())
    if trial.seed == plan.runs.seeds[0]
  ]
  counts = {}
  for number, one in enumerate(plan.sets):
    rows = _RowsOfSet(f"{plan.runs.path}: set {one.name!r}", plan.runs.test)
    for entry, model in zip(plan.entries, plan.models_of(number), strict=True):
      for trial in trials:
        if trial.model == model:
          settings = [f"{name}={value}" for name, value in trial.settings]
          rows.add_run(repr(", ".join([*entry, *settings])), script, trial.run)
    for run in baseline_runs[number : number + 1]:
      rows.add_baselines(run)
    counts[one.name] = rows.counts
  study_data.check(plan.runs.path, counts)
  columns = study_data.columns(plan.runs.path, plan.columns, plan.runs.metric, counts)
  return counts, columns


class _RowsOfSet:
  """Reads a set as its runs will, once for all that choose its rows alike.

  Attributes:
    counts: `study_data.Counts` of the first run's rows.
  """

  def __init__(self, where, has_test):
    """Prepares.

    Args:
      where: what messages start with.
      has_test: whether the test set is read.
    """
    from bert_ja.studies import study_data

    self._where = where
    self._splits = ("train", "dev", "test") if has_test else ("train", "dev")
    self._same = study_data.SameRows()
    self._processors, self._seen, self._fraction = {}, set(), 0.0
    self.counts = None

  def add_run(self, name, script, run):
    """Checks the rows of a model's run."""
    from bert_ja.studies import study_data

    values = self._parse(script, run, "")
    fraction = values.validation_fraction
    choice = (task_flags.choosing_rows(values), fraction, fraction and values.seed)
    if choice in self._seen:
      return
    self._seen.add(choice)
    with compare.told_of(self._where):
      if fraction and values.dev_file:
        raise ValueError(
          "its dev_file and the flag validation_fraction exclude each other; leave one "
          "out"
        )
      processor = self._processor(values)
      rows = study_data.read(
        processor, values.data_dir, self._splits, fraction, values.seed
      )
      self._same.check(name, rows)
      if self.counts is None:
        self.counts = study_data.count(processor.get_labels(), rows, processor.left_out)
        self._fraction = fraction

  def add_baselines(self, run):
    """Checks what baselines read."""
    hint = "; baselines get it from there or from the set, not from models or modes"
    values = self._parse(baselines.__file__, run, hint)
    with compare.told_of(f"{self._where}: baselines, [baseline_flags]"):
      data = baselines.read(self._processor(values), values)
      baselines.read_vectors(baselines.choose(data, values), data, values)
      # They learn from the rows that models have held out, too.
      splits = ["test"] if self._fraction else list(data.examples)
      rows = {name: data.examples[name] for name in splits if name in data.examples}
      self._same.check("baselines", rows)

  def _parse(self, script, run, hint):
    values = compare.parse(script, run.arguments, self._where)
    if values.task_name is None:
      raise ValueError(f'{self._where}: [flags] lacks task_name, such as "table"{hint}')
    return values

  def _processor(self, values):
    choice = task_flags.choosing_rows(values)
    if choice not in self._processors:
      self._processors[choice] = task_flags.get_processor(None, values)
    return self._processors[choice]


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

"""Train models in several ways on several sets of data, write the tables of a paper."""

import contextlib
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
  from bert_ja import study, study_file

  compare.check_shared_flags("study_file")
  plan = study_file.read(FLAGS.study_file)
  script = compare.script_path(plan.runs.script.name)
  program = (sys.executable, script)
  compare.check_flags(plan.runs, script)
  counts, columns = check_data(plan, script)
  baseline_runs = create_baseline_runs(plan)
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
  program = (sys.executable, "-m", "bert_ja", "baselines")
  runs = plan.baseline_runs(FLAGS.output_dir, program, {*shared, "max_seq_length"})
  for run in runs:
    where = f"{plan.runs.path}: {run.name}"
    values = compare.parse(baselines.__file__, run.arguments, where)
    with _told_of(where):
      task_flags.get_processor(None, values)
  return runs


def check_data(plan, script: str) -> tuple[dict, tuple[str, ...]]:
  """Reads all sets: ({set: its `study_data.Counts`}, metrics of the tables).

  Args:
    plan: `study_file.StudyPlan`.
    script: path of its script.

  Raises:
    ValueError, FileNotFoundError: a set has no split or label that it needs.
  """
  from bert_ja import study_data

  splits = ("train", "dev", "test") if plan.runs.test else ("train", "dev")
  trials, counts = plan.runs.trials(FLAGS.output_dir, ()), {}
  for number, one in enumerate(plan.sets):
    where = f"{plan.runs.path}: set {one.name!r}"
    # What is read depends on the set; its first run stands for all.
    model = plan.models_of(number)[0]
    arguments = next(trial.run.arguments for trial in trials if trial.model == model)
    values = compare.parse(script, arguments, where)
    if values.task_name is None:
      raise ValueError(f'{where}: [flags] lacks task_name, such as "table"')
    with _told_of(where):
      counts[one.name] = study_data.count(
        task_flags.get_processor(None, values),
        values.data_dir,
        splits,
        values.validation_fraction,
        values.seed,
      )
  study_data.check(plan.runs.path, counts)
  columns = study_data.columns(plan.runs.path, plan.columns, plan.runs.metric, counts)
  return counts, columns


@contextlib.contextmanager
def _told_of(where):
  """An error in data names the place in the study file."""
  try:
    yield
  except (ValueError, FileNotFoundError, NotImplementedError) as error:
    raise type(error)(f"{where}: {error}") from None


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

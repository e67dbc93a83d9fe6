"""Train models over a grid of settings, test the best of each, write a table."""

import contextlib
import dataclasses
import functools
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from absl import flags, logging

from bert_ja.flags import command_line, task_flags

FLAGS = flags.FLAGS
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  flags.DEFINE_string(
    "comparison_file",
    None,
    "TOML file with script, models, grid and data; see docs/compare.md.",
    flag_values,
  )
  flags.DEFINE_string(
    "output_dir", None, "Where runs and tables go; created if missing.", flag_values
  )
  flags.DEFINE_integer(
    "jobs", 1, "Runs at a time, on this machine.", 1, flag_values=flag_values
  )
  flags.DEFINE_bool(
    "print_commands",
    False,
    "Print the command lines that are to be run now, for other means to run them, and "
    "run nothing. Started again afterwards, the command goes on with what they left.",
    flag_values,
  )
  flags.DEFINE_string(
    "submit",
    None,
    "Command that puts a script into the queue of a scheduler, such as 'qsub -q gpu': "
    "each run becomes a job.",
    flag_values,
  )
  flags.DEFINE_bool(
    "wait",
    True,
    "With --submit: return when all jobs have ended. With --nowait, start the command "
    "again then.",
    flag_values,
  )
  flags.DEFINE_float(
    "poll_seconds",
    10.0,
    "With --submit: seconds between two looks for ended jobs.",
    0.1,
    flag_values=flag_values,
  )
  flags.DEFINE_bool(
    "forget_jobs",
    False,
    "Run again what was submitted and has left no status: jobs that the scheduler has "
    "killed.",
    flag_values,
  )


def main(argv: Sequence[str]) -> None:
  """Runs what is not finished, or prints it."""
  del argv
  from bert_ja.comparisons import comparison, comparison_file

  check_shared_flags("comparison_file")
  plan = comparison_file.read(FLAGS.comparison_file)
  script = script_path(plan.script.name)
  check_flags(plan, script)
  plan = with_known_answers(plan, script)
  plan = comparison.convert_data(plan, FLAGS.output_dir)
  run_or_print(comparison.Comparison(plan, FLAGS.output_dir, (sys.executable, script)))


def check_shared_flags(file_flag: str) -> None:
  """Checks the flags of a command that runs what a file asks for.

  Args:
    file_flag: name of the flag that names the file.

  Raises:
    ValueError: one is missing, or two exclude each other.
  """
  from bert_ja import text_io

  command_line.require(FLAGS, file_flag, "output_dir")
  if text_io.is_remote(FLAGS.output_dir):
    raise ValueError(f"--output_dir={FLAGS.output_dir}: expected a local directory")
  if FLAGS.submit is not None and FLAGS.print_commands:
    raise ValueError("--submit and --print_commands exclude each other")


def run_or_print(runs: Any) -> None:
  """Runs what is not finished, or prints it, as the flags say.

  Args:
    runs: `comparison_runs.Runs`.
  """
  from bert_ja import run_queue

  if FLAGS.print_commands:
    for line in runs.commands(FLAGS.forget_jobs):
      print(line)
    runs.write_summary()
    return
  options = run_queue.Options(
    jobs=FLAGS.jobs,
    submit=FLAGS.submit,
    wait=FLAGS.wait,
    poll_seconds=FLAGS.poll_seconds,
    forget_jobs=FLAGS.forget_jobs,
  )
  if not runs.run(options):
    logging.info("Jobs are with the scheduler; the same command goes on afterwards.")


def script_path(name: str) -> str:
  """Where a script lies: beside the package, in a checkout and where it is installed.

  Raises:
    FileNotFoundError: it does not.
  """
  path = os.path.join(os.path.dirname(_PACKAGE), name)
  if not os.path.exists(path):
    raise FileNotFoundError(f"{path} does not exist; install bert_ja again")
  return path


def program_path() -> str:
  """Where the program lies that has all commands."""
  return os.path.join(_PACKAGE, "__main__.py")


def check_flags(plan, script: str) -> None:
  """Checks all runs' flags against those of the script, before any is started.

  Args:
    plan: `comparison_plan.Plan`.
    script: path of its script.

  Raises:
    ValueError: the script has no such flag, or the flag no such value.
  """
  for trial in plan.trials(FLAGS.output_dir, ()):
    parse(script, trial.run.arguments, f"{plan.path}: run {trial.run.name}")


def with_known_answers(plan, script: str) -> Any:
  """The plan, each model told whether the answers of its test set are known.

  Those of run_squad.py always are.

  Args:
    plan: `comparison_plan.Plan`.
    script: path of its script.

  Raises:
    ValueError, FileNotFoundError: a test set cannot be read.
  """
  if not plan.test or plan.script.test_metrics == plan.script.test_result:
    return plan
  firsts = {t.model.name: t for t in reversed(plan.trials(FLAGS.output_dir, ()))}
  known, models = {}, []
  for model in plan.models:
    where = f"{plan.path}: model {model.name!r}"
    values = parse(script, firsts[model.name].run.arguments, where)
    values.drop_longer = False  # Rows are left out where all answers are known.
    choice = task_flags.choosing_rows(values)
    if choice not in known:
      with told_of(where):
        known[choice] = _are_answers_known(values)
    models.append(dataclasses.replace(model, test_is_scored=known[choice]))
  return dataclasses.replace(plan, models=tuple(models))


def _are_answers_known(flag_values):
  command_line.require(flag_values, "task_name", "data_dir")
  processor = task_flags.get_processor(None, flag_values)
  if not processor.test_labels_are_known:
    return False
  rows = processor.get_test_examples(flag_values.data_dir)
  return all(row.label is not None for row in rows)


@contextlib.contextmanager
def told_of(where: str) -> Iterator[None]:
  """An error in data names the place in the file that asks for it."""
  try:
    yield
  except (ValueError, FileNotFoundError, NotImplementedError) as error:
    raise type(error)(f"{where}: {error}") from None


def parse(script: str, arguments: Sequence[str], where: str) -> flags.FlagValues:
  """Parses arguments as a script will.

  Args:
    script: its path.
    arguments: flags.
    where: what messages start with.

  Raises:
    ValueError: the script has no such flag, or the flag no such value.
  """
  flag_values = flags.FlagValues()
  _module(script).define_flags(flag_values)
  try:
    flag_values([script, *arguments])
  except flags.Error as error:
    raise ValueError(f"{where}: {error}") from None
  return flag_values


@functools.cache
def _module(script):
  """A script as a module, not run."""
  name = f"{os.path.basename(script)}_flags"
  spec = importlib.util.spec_from_file_location(name, script)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

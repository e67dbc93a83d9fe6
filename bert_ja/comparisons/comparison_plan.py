"""What is compared: models, a grid of flags and data, and the runs that they make."""

import csv
import dataclasses
import io
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bert_ja import run_state

# That of the RCQA study, whose table the defaults repeat.
DEFAULT_GRID = {
  "train_batch_size": (16, 32),
  "learning_rate": (5e-5, 3e-5, 2e-5),
  "num_train_epochs": (2, 3, 4),
}
# Where a run starts from and what it is to do: not for the test of what it trained.
_OF_TRAINING = ("init_checkpoint", "random_init", "use_best")


@dataclasses.dataclass(frozen=True)
class Script:
  """What a comparison has to know of a script.

  Attributes:
    name: its file.
    train_flags, test_flags: what they do, besides the flags that are compared.
    train_data, test_data: {flag: key of the comparison file's [data]}.
    required: keys that [data] must have.
    data_paths: keys whose values are paths relative to the comparison file.
    test_result: the last file of a test whose right answers are not known, in its
      directory.
    test_metrics: the file with its scores, the last where they are known.
    columns: metrics of the summary, in groups: a group's values of dev and test stand
      together.
    digits: decimals of a score.
    note: what to know about the columns.
  """

  name: str
  train_flags: Mapping[str, Any]
  test_flags: Mapping[str, Any]
  train_data: Mapping[str, str]
  test_data: Mapping[str, str]
  required: tuple[str, ...]
  data_paths: tuple[str, ...]
  test_result: str
  test_metrics: str
  columns: tuple[tuple[str, ...], ...]
  digits: int
  note: str = ""


_TABLE_FILES = {name: name for name in ("train_file", "dev_file", "test_file")}
SCRIPTS = {
  script.name: script
  for script in (
    Script(
      name="run_squad.py",
      train_flags={"do_train": True, "do_eval": True},
      test_flags={"do_eval": True},
      train_data={"train_file": "train", "predict_file": "dev"},
      test_data={"predict_file": "test"},
      required=("train", "dev"),
      data_paths=("train", "dev", "test"),
      test_result="metrics.json",
      test_metrics="metrics.json",
      columns=(("exact_match", "f1"), ("character_f1",)),
      digits=2,
      note="EM and F1 are the official ones, F1 over tokens between white space; "
      "character F1 is over characters.",
    ),
    Script(
      name="run_classifier.py",
      train_flags={"do_train": True, "do_eval": True},
      test_flags={"do_predict": True},
      train_data={"data_dir": "data_dir", **_TABLE_FILES},
      test_data={"data_dir": "data_dir", **_TABLE_FILES},
      required=("data_dir",),
      data_paths=("data_dir",),
      test_result="predictions.tsv",
      test_metrics=os.path.join("test", "metrics.json"),
      columns=(("accuracy", "f1_macro"),),
      digits=4,
    ),
  )
}


@dataclasses.dataclass(frozen=True)
class Model:
  """One model to compare.

  Attributes:
    name: in tables.
    directory: of its runs.
    flags: those it starts with, besides the common ones.
    data: its part of [data], the common one included.
    suffix: form of its texts, where the data are converted.
    test_is_scored: whether the right answers of its test set are known.
  """

  name: str
  directory: str
  flags: Mapping[str, Any]
  data: Mapping[str, Any]
  suffix: str
  test_is_scored: bool = True


@dataclasses.dataclass(frozen=True)
class Trial:
  """One training and its evaluation on dev.

  Attributes:
    model: what is trained.
    settings: values of the grid's flags.
    seed: None where the file names no seeds.
    flags: all flags that are compared or common.
    run: what is run.
  """

  model: Model
  settings: tuple[tuple[str, Any], ...]
  seed: int | None
  flags: tuple[tuple[str, Any], ...]
  run: run_state.Run


@dataclasses.dataclass(frozen=True)
class Plan:
  """A comparison file's content, checked.

  Attributes:
    path: of the file.
    script: what is run.
    metric: its value on dev chooses; without the prefix `eval_`.
    columns: groups of metrics to show, without the prefix.
    seeds: of each combination; (None,) leaves the script's.
    flags: common to all runs.
    grid: {flag: values}.
    models: in the order of the table.
    test: whether the best are tested.
    rcqa_file: data to convert for each model's suffix; None where [data] names files.
  """

  path: str
  script: Script
  metric: str
  columns: tuple[tuple[str, ...], ...]
  seeds: tuple[int | None, ...]
  flags: Mapping[str, Any]
  grid: Mapping[str, tuple[Any, ...]]
  models: tuple[Model, ...]
  test: bool
  rcqa_file: str | None

  def trials(self, output_dir: str, program: Sequence[str]) -> list[Trial]:
    """All trainings: for each model each combination with each seed.

    Args:
      output_dir: of the comparison; a model's data are complete by now.
      program: how the script is started.
    """
    return [
      self._trial(output_dir, program, model, values, seed)
      for model in self.models
      for values in itertools.product(*self.grid.values())
      for seed in self.seeds
    ]

  def _trial(self, output_dir, program, model, values, seed):
    settings = tuple(zip(self.grid, values, strict=True))
    output_dir = os.path.abspath(output_dir)
    # A model's runs have the same rows: they are made into numbers once.
    flags = {"cache_dir": os.path.join(output_dir, "cache"), **self.flags}
    flags |= {**model.flags, **dict(settings)}
    named = dict(settings)
    if seed is not None:
      named["seed"] = flags["seed"] = seed
    name = os.path.join(model.directory, _directory_name(named))
    directory = os.path.join(output_dir, "runs", name)
    arguments = {
      **self.script.train_flags,
      **flags,
      **_data_flags(self.script.train_data, model),
      "output_dir": directory,
    }
    run = run_state.Run(
      name,
      tuple(program),
      command_arguments(arguments),
      directory,
      os.path.join(directory, "metrics.json"),
    )
    return Trial(model, settings, seed, tuple(flags.items()), run)

  def test_run(self, trial: Trial) -> run_state.Run:
    """The test of what a trial has trained."""
    flags = dict(trial.flags)
    trained = trial.run.directory
    if flags.get("use_best"):
      trained = os.path.join(trained, "best")
    directory = os.path.join(trial.run.directory, "test")
    script = self.script
    # What is written before it does not show that the test has ended.
    is_scored = trial.model.test_is_scored
    result = script.test_metrics if is_scored else script.test_result
    arguments = {
      **self.script.test_flags,
      **{name: value for name, value in flags.items() if name not in _OF_TRAINING},
      **_data_flags(self.script.test_data, trial.model),
      "model_dir": trained,
      "output_dir": directory,
    }
    return run_state.Run(
      os.path.join(trial.run.name, "test"),
      trial.run.program,
      command_arguments(arguments),
      directory,
      os.path.join(directory, result),
    )


def _data_flags(flags, model):
  return {flag: model.data[key] for flag, key in flags.items() if key in model.data}


def command_arguments(flags: Mapping[str, Any]) -> tuple[str, ...]:
  """Flags as arguments of a command line."""
  return tuple(f"--{name}={_text(value)}" for name, value in flags.items())


def _text(value):
  if isinstance(value, bool):
    return str(value).lower()
  if isinstance(value, tuple):
    # Lists of flags are read as a line of CSV: what has a comma in it needs quotes.
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(map(_text, value))
    return line.getvalue()
  return str(value)


def _directory_name(values):
  if not values:
    return "run"
  return ",".join(f"{name}={safe_name(value)}" for name, value in values.items())


def safe_name(value: Any) -> str:
  """A flag's value or a name as part of a path that needs no quotes in a shell."""
  return re.sub(r"[^\w.+-]", "_", _text(value))

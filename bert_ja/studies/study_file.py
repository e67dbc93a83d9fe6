"""Reads a study file: TOML, as `docs/studies.md` describes it."""

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bert_ja import run_state
from bert_ja.comparisons import comparison_file
from bert_ja.comparisons.comparison_plan import SCRIPTS, Model, Plan, command_arguments

_KEYS = (
  "metric",
  "columns",
  "seeds",
  "test",
  "flags",
  "grid",
  "baselines",
  "baseline_flags",
  "sets",
  "models",
  "modes",
)
_MODES = ({"name": "fine-tuning"},)


@dataclasses.dataclass(frozen=True)
class DataSet:
  """One set of data, such as a genre.

  Attributes:
    name: in tables.
    directory: of its runs.
    flags: those of its task, besides the common ones.
    data: its `data_dir`, and names of files in it.
    baseline_flags: of `bert-ja baselines`, common and its own.
  """

  name: str
  directory: str
  flags: Mapping[str, Any]
  data: Mapping[str, str]
  baseline_flags: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class StudyPlan:
  """A study file's content, checked.

  Attributes:
    runs: each combination of set, model and mode as a model, the sets outermost.
    sets: in the order of the tables' columns.
    entries: (model, mode), in the order of the tables' rows.
    columns: metrics to show; None for those that fit the data.
    baselines: names of those to run on each set.
  """

  runs: Plan
  sets: tuple[DataSet, ...]
  entries: tuple[tuple[str, str], ...]
  columns: tuple[str, ...] | None
  baselines: tuple[str, ...]

  def models_of(self, number: int) -> tuple[Model, ...]:
    """What is trained on a set: a model for each entry."""
    count = len(self.entries)
    return self.runs.models[number * count : (number + 1) * count]

  def baseline_runs(
    self, output_dir: str, program: Sequence[str], shared: Collection[str]
  ) -> list[run_state.Run]:
    """One program a set, which runs all baselines; none if none are named.

    Args:
      output_dir: of the study.
      program: how `bert-ja baselines` is started.
      shared: flags that it shares with the models' script.
    """
    if not self.baselines:
      return []
    return [self._baseline_run(one, output_dir, program, shared) for one in self.sets]

  def _baseline_run(self, one, output_dir, program, shared):
    flags = {**self.runs.flags, **one.flags}
    name = os.path.join("baselines", one.directory)
    directory = os.path.join(os.path.abspath(output_dir), name)
    arguments = {
      **{name: value for name, value in flags.items() if name in shared},
      **one.data,
      "baselines": self.baselines,
      **({} if self.runs.test else {"score_sets": ("dev",)}),
      **one.baseline_flags,
      "output_dir": directory,
    }
    return run_state.Run(
      name,
      tuple(program),
      command_arguments(arguments),
      directory,
      os.path.join(directory, "summary.csv"),
    )


def read(path: str) -> StudyPlan:
  """Reads a study file.

  Raises:
    FileNotFoundError: it does not exist, or a file or directory that it names.
    ValueError: it is no TOML, or has a key or value that has no meaning here.
  """
  return _StudyReader(path).study()


class _StudyReader(comparison_file.Reader):
  script = SCRIPTS["run_classifier.py"]
  own_flags = (
    "the study gives this flag itself; what it takes are the sets' data_dir and files, "
    "seeds and the models' model_dir"
  )

  def study(self):
    self.check_keys(self.values, _KEYS, "")
    flags, columns = self.flags(self.values, ""), self.column_names()
    sets = tuple(self._sets())
    models = [model for _, _, model in self.models()]
    modes = list(self._modes())
    entries = [(model, mode) for model in models for mode in modes]
    plan = Plan(
      path=self.path,
      script=self.script,
      metric=self.metric("accuracy"),
      columns=(columns or ("accuracy",),),
      seeds=self.seeds(),
      flags=flags,
      grid=self.grid(flags, {}),
      models=tuple(_combined(one, *entry) for one in sets for entry in entries),
      test=self.get(self.values, "test", bool, True),
      rcqa_file=None,
    )
    for model in plan.models:
      self.check_model(plan, model)
    names = tuple((model.name, mode.name) for model, mode in entries)
    return StudyPlan(plan, sets, names, columns, self._baselines())

  def _sets(self):
    keys = sorted({*self.script.train_data.values(), *self.script.test_data.values()})
    common = self._baseline_flags(self.values, "")
    for place, table, name, directory in self.named(
      "sets", ("name", *keys, "flags", "baseline_flags")
    ):
      data = self.data({key: table[key] for key in keys if key in table}, place)
      self.get(data, "data_dir", str, place=f"{place}data_dir")
      own = self._baseline_flags(table, place)
      flags = self.flags(table, place)
      yield DataSet(name, directory, flags, data, {**common, **own})

  def _modes(self):
    """Each mode as a model that has its flags alone."""
    self.values.setdefault("modes", list(_MODES))
    for place, table, name, directory in self.named("modes", ("name", "flags")):
      yield Model(name, directory, self.flags(table, place), {}, "text")

  def _baselines(self):
    names = self.get(self.values, "baselines", list, [])
    if not names:
      return ()
    from bert_ja.baselines import baseline_learners  # it loads scikit-learn

    known = baseline_learners.LEARNERS["sentence"].names
    for number, name in enumerate(names):
      if name in names[:number]:
        raise self.error("baselines", f"{name!r} is named twice")
      if name not in known:
        hint = comparison_file.nearest(str(name), known)
        raise self.error("baselines", f"there is no baseline {name!r}; {hint}")
    return tuple(names)

  def _baseline_flags(self, table, place):
    place = f"{place}baseline_flags"
    flags = self.get(table, "baseline_flags", dict, {}, place)
    if flags and not self.values.get("baselines"):
      raise self.error(place, "the file names no baselines; name some, or leave it out")
    for name in ("baselines", "score_sets", "output_dir", *self.script.train_data):
      if name in flags:
        raise self.error(f"{place}.{name}", "the study gives this flag itself")
    return {
      name: self.flag(f"{place}.{name}", name, value) for name, value in flags.items()
    }


def _combined(one, model, mode):
  """What is trained on a set: a model in a mode, whose flags count most."""
  names = [model.name, mode.name, one.name]
  directories = [one.directory, model.directory, mode.directory]
  flags = {**one.flags, **model.flags, **mode.flags}
  return Model(", ".join(names), os.path.join(*directories), flags, one.data, "text")

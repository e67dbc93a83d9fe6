"""Reads a comparison file: TOML, as `docs/compare.md` describes it."""

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from bert_ja import shipped_models, text_io
from bert_ja.comparisons.comparison_plan import (
  DEFAULT_GRID,
  SCRIPTS,
  Model,
  Plan,
  Script,
  safe_name,
)
from bert_ja.tasks import kinds, registry

_KEYS = (
  "script",
  "metric",
  "columns",
  "seeds",
  "test",
  "flags",
  "grid",
  "data",
  "models",
)
_MODEL_KEYS = ("name", "model_dir", "tokenizer", "flags")
# Flags whose values are paths, which are relative to the file.
_IS_PATH = re.compile(
  r".*(_dir|_checkpoint|_module|(vocab|model|config|labels|vectors)_file)"
)
# Those that may as well be a name in data_dir.
_IS_PATH_OR_NAME = ("texts_file",)


def read(path: str) -> Plan:
  """Reads a comparison file.

  Raises:
    FileNotFoundError: it does not exist, or a file or directory that it names.
    ValueError: it is no TOML, or has a key or value that has no meaning here.
  """
  return _ComparisonReader(path).plan()


class Reader:
  """Checks the values of a file about runs, and says where the wrong one stands.

  Attributes:
    path: of the file.
    values: its content.
    script: what its runs run; the reader of a kind of file sets it.
    own_flags: what is to be said of a flag that the runs get by themselves.
  """

  script: Script
  own_flags: str

  def __init__(self, path: str):
    """Reads the file.

    Raises:
      FileNotFoundError: it does not exist.
      ValueError: it is no TOML.
    """
    self.path = path
    try:
      self.values = tomllib.loads(text_io.read_text(path))
    except tomllib.TOMLDecodeError as error:
      raise ValueError(f"{path}: not TOML: {error}") from None
    self._base = os.path.dirname(os.path.abspath(path))

  # --- Parts of a plan ----------------------------------------------------------------

  def column_names(self) -> tuple[str, ...] | None:
    """The metrics to show, without the prefix `eval_`; None leaves the default."""
    columns = self.get(self.values, "columns", list, None)
    if columns is None:
      return None
    if not columns or not all(isinstance(name, str) for name in columns):
      raise self.error("columns", f"expected names of metrics, found {columns}")
    return tuple(name.removeprefix("eval_") for name in columns)

  def metric(self, default: str) -> str:
    """The metric that chooses, without the prefix."""
    return self.get(self.values, "metric", str, default).removeprefix("eval_")

  def seeds(self) -> tuple[int | None, ...]:
    """The seeds, each once; (None,) without any."""
    seeds = self.get(self.values, "seeds", list, [None])
    if not seeds or (
      seeds != [None] and not all(type(seed) is int and seed >= 0 for seed in seeds)
    ):
      raise self.error("seeds", f"expected whole numbers from 0 on, found {seeds}")
    return tuple(dict.fromkeys(seeds))

  def flags(self, table: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The script's flags in a table, paths resolved."""
    flags = self.get(table, "flags", dict, {}, f"{place}flags")
    return {
      name: self._script_flag(f"{place}flags.{name}", name, value)
      for name, value in flags.items()
    }

  def _script_flag(self, place, name, value):
    script = self.script
    own = {*script.train_flags, *script.test_flags, *script.train_data}
    own |= {*script.test_data, "output_dir", "model_dir"}
    if "seeds" in self.values:
      own.add("seed")
    if name in own:
      raise self.error(place, self.own_flags)
    return self.flag(place, name, value)

  def flag(self, place: str, name: str, value: Any) -> Any:
    """Any flag's value, hashable, paths resolved."""
    if not _is_flag_value(value):
      raise self.error(
        place, f"expected a text, number, truth value or a list, found {value!r}"
      )
    is_list = isinstance(value, list)
    if name in _IS_PATH_OR_NAME and isinstance(value, str):
      path = self.resolve(place, value, must_exist=False)
      return path if os.path.exists(path) else value
    if _IS_PATH.fullmatch(name):
      value = [
        self.resolve(place, part, must_exist=name != "cache_dir")
        if isinstance(part, str)
        else part
        for part in (value if is_list else [value])
      ]
      return tuple(value) if is_list else value[0]
    return tuple(value) if is_list else value

  def grid(
    self, flags: Mapping[str, Any], default: Mapping[str, Sequence[Any]]
  ) -> dict[str, tuple[Any, ...]]:
    """The flags to vary; of the default those that `flags` does not fix."""
    grid = self.get(self.values, "grid", dict, None)
    if grid is None:
      return {name: values for name, values in default.items() if name not in flags}
    return {name: self._choices(name, values, flags) for name, values in grid.items()}

  def _choices(self, name, values, flags):
    place = f"grid.{name}"
    if not isinstance(values, list) or not values:
      raise self.error(place, f"expected a list of values, found {values!r}")
    if name in flags:
      raise self.error(place, "this flag is in [flags] too; leave one out")
    choices = tuple(self._script_flag(place, name, value) for value in values)
    if len(set(map(safe_name, choices))) < len(choices):
      raise self.error(place, f"two values give one directory name: {values}")
    return choices

  def data(self, values: Mapping[str, Any], place: str) -> dict[str, str]:
    """Data of the script, paths resolved."""
    found = {}
    for key in values:
      value = self.get(values, key, str, place=f"{place}{key}")
      is_path = key in (*self.script.data_paths, "rcqa_file")
      found[key] = self.resolve(f"{place}{key}", value) if is_path else value
    return found

  def models(self, more_keys: Sequence[str] = ()) -> Iterator[tuple[str, dict, Model]]:
    """(place, table, Model without data) of each of [[models]]."""
    for place, table, name, directory in self.named(
      "models", (*_MODEL_KEYS, *more_keys)
    ):
      flags = self.flags(table, place)
      if "model_dir" in table:
        model_dir = self.get(table, "model_dir", str, place=f"{place}model_dir")
        flags = {"model_dir": self.resolve(f"{place}model_dir", model_dir), **flags}
      if "tokenizer" in table:
        tokenizer = self.get(table, "tokenizer", str, place=f"{place}tokenizer")
        flags["tokenizer"] = tokenizer
      yield place, table, Model(name, directory, flags, {}, "text")

  def named(
    self, key: str, known: Sequence[str]
  ) -> Iterator[tuple[str, dict[str, Any], str, str]]:
    """(place, table, name, directory) of each [[key]]; their directories differ."""
    tables = self.get(self.values, key, list)
    if not tables or not all(isinstance(table, dict) for table in tables):
      raise self.error(key, f"expected one or more [[{key}]]")
    places = {}
    for number, table in enumerate(tables, 1):
      place = f"{key}[{number}]."
      self.check_keys(table, known, place)
      name = self.get(table, "name", str, place=f"{place}name")
      directory = safe_name(name)
      if not directory.strip("._"):
        raise self.error(f"{place}name", f"{name!r} cannot name a directory")
      if directory in places:
        raise self.error(
          f"{place}name", f"{name!r} is too near to that of {places[directory]}"
        )
      places[directory] = place[:-1]
      yield place, table, name, directory

  def check_model(self, plan: Plan, model: Model) -> None:
    """Checks what needs the common part and the model's own."""
    place = f"model {model.name!r}"
    if not {"model_dir", "bert_config_file"} & {*plan.flags, *model.flags}:
      raise self.error(place, "give its model_dir")
    both = sorted(set(plan.grid) & set(model.flags))
    if both:
      raise self.error(place, f"its flag {both[0]} is in the grid too; leave one out")

  # --- Values -------------------------------------------------------------------------

  def resolve(self, place: str, value: str, must_exist: bool = True) -> str:
    """A path, relative to the file, as an absolute one."""
    if text_io.is_remote(value):
      return value
    path = os.path.normpath(os.path.join(self._base, value))
    if value in shipped_models.names() and not os.path.exists(path):
      return shipped_models.resolve(value)
    # A TF1 checkpoint is named by the prefix of its files.
    if must_exist and not (os.path.exists(path) or os.path.exists(f"{path}.index")):
      raise FileNotFoundError(f"{self.path}: {place}: {path} does not exist")
    return path

  def get(
    self,
    table: Mapping[str, Any],
    key: str,
    kind: type,
    default: Any = ...,
    place: str | None = None,
  ) -> Any:
    """A value of a kind; an error where it is missing, unless there is a default."""
    value = table.get(key, default)
    if value is ...:
      raise self.error(place or key, f"is missing; give {_KINDS[kind]}")
    if value is default or (type(value) is kind):
      return value
    raise self.error(place or key, f"expected {_KINDS[kind]}, found {value!r}")

  def check_keys(
    self, table: Mapping[str, Any], known: Sequence[str], place: str
  ) -> None:
    """Checks that all keys of a table have a meaning."""
    for key in table:
      if key not in known:
        raise self.error(
          f"{place}{key}", f"there is no such key; {nearest(key, known)}"
        )

  def error(self, place: str, message: str) -> ValueError:
    """What is to be raised about a place."""
    return ValueError(f"{self.path}: {place}: {message}")


class _ComparisonReader(Reader):
  own_flags = (
    "the comparison gives this flag itself; what it takes are [data], seeds and the "
    "models' model_dir"
  )

  def plan(self):
    self.check_keys(self.values, _KEYS, "")
    self.script = self._read_script()
    flags = self.flags(self.values, "")
    data, rcqa_file = self._data(self.values, "")
    names = self.column_names()
    columns = self._usual_columns(flags) if names is None else (names,)
    plan = Plan(
      path=self.path,
      script=self.script,
      metric=self.metric(columns[0][0]),
      columns=columns,
      seeds=self.seeds(),
      flags=flags,
      grid=self.grid(flags, DEFAULT_GRID),
      models=tuple(self._models_with(data)),
      test=self.get(self.values, "test", bool, True),
      rcqa_file=rcqa_file,
    )
    for model in plan.models:
      self.check_model(plan, model)
      self._check_data(plan, model)
    return plan

  def _usual_columns(self, flags):
    """Those of the script; of a task with other scores the one that chooses."""
    kind = registry.kind_of(str(flags.get("task_name", "")))
    if kind in (None, "sentence"):
      return self.script.columns
    return ((kinds.get(kind).best_metric.removeprefix("eval_"),),)

  def _read_script(self):
    name = self.get(self.values, "script", str)
    if name not in SCRIPTS:
      raise self.error(
        "script", f"expected {' or '.join(map(repr, SCRIPTS))}, found {name!r}"
      )
    return SCRIPTS[name]

  def _data(self, table, place):
    """([data] with its paths resolved, rcqa_file)."""
    place, script = f"{place}data", self.script
    values = self.get(table, "data", dict, {}, place)
    known = {*script.train_data.values(), *script.test_data.values()}
    if "train" in known and place == "data":
      known.add("rcqa_file")
    self.check_keys(values, sorted(known), f"{place}.")
    data = self.data(values, f"{place}.")
    rcqa_file = data.pop("rcqa_file", None)
    if rcqa_file and data:
      raise self.error(
        f"{place}.{next(iter(data))}", "rcqa_file gives all sets; leave one out"
      )
    return data, rcqa_file

  def _models_with(self, common_data):
    for place, table, model in self.models(("suffix", "data")):
      data = {**common_data, **self._data(table, place)[0]}
      suffix = self.get(table, "suffix", str, model.suffix, f"{place}suffix")
      yield Model(model.name, model.directory, model.flags, data, suffix)

  def _check_data(self, plan, model):
    place = f"model {model.name!r}"
    if plan.rcqa_file:
      if model.data:
        raise self.error(place, "rcqa_file gives all sets; leave its data out")
      return
    required = [*plan.script.required]
    if plan.test and "test" in plan.script.data_paths:
      required.append("test")
    for key in required:
      if key not in model.data:
        hint = ", or write test = false" if key == "test" else ""
        raise self.error(place, f"[data] lacks {key}{hint}")
    if model.suffix != "text":
      raise self.error(place, "suffix is for data that rcqa_file gives")


def nearest(name: str, known: Collection[str]) -> str:
  """A hint for a misspelt name: the nearest that is known, or all."""
  near = difflib.get_close_matches(name, known, n=1)
  return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


_KINDS = {
  str: "a text",
  bool: "true or false",
  list: "a list",
  dict: "a table",
}


def _is_flag_value(value):
  if isinstance(value, list):
    return all(isinstance(part, (str, int, float)) for part in value)
  return isinstance(value, (str, int, float))

"""Reads a comparison file: TOML, as `docs/compare.md` describes it."""

import difflib
import os
import re
import tomllib

from bert_ja import shipped_models, text_io
from bert_ja.comparison_plan import DEFAULT_GRID, SCRIPTS, Model, Plan, safe_name

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
_MODEL_KEYS = ("name", "model_dir", "tokenizer", "suffix", "flags", "data")
# Flags whose values are paths, which are relative to the comparison file.
_IS_PATH = re.compile(r".*(_dir|_checkpoint|_module|(vocab|model|config|labels)_file)")


def read(path: str) -> Plan:
  """Reads a comparison file.

  Raises:
    FileNotFoundError: it does not exist, or a file or directory that it names.
    ValueError: it is no TOML, or has a key or value that has no meaning here.
  """
  try:
    values = tomllib.loads(text_io.read_text(path))
  except tomllib.TOMLDecodeError as error:
    raise ValueError(f"{path}: not TOML: {error}") from None
  return _Reader(path, values).plan()


class _Reader:
  """Checks values, and says where the wrong one stands."""

  def __init__(self, path, values):
    self._path, self._values = path, values
    self._base = os.path.dirname(os.path.abspath(path))

  def plan(self):
    values = self._values
    self._check_keys(values, _KEYS, "")
    self._script = script = self._read_script()
    flags = self._flags(values, "")
    data, rcqa_file = self._data(values, "")
    columns = self._columns()
    metric = self._get(values, "metric", str, f"eval_{columns[0][0]}")
    test = self._get(values, "test", bool, True)
    plan = Plan(
      path=self._path,
      script=script,
      metric=metric.removeprefix("eval_"),
      columns=columns,
      seeds=self._seeds(),
      flags=flags,
      grid=self._grid(flags),
      models=self._models(data),
      test=test,
      rcqa_file=rcqa_file,
    )
    for model in plan.models:
      self._check_model(plan, model)
    return plan

  def _read_script(self):
    name = self._get(self._values, "script", str)
    if name not in SCRIPTS:
      raise self._error(
        "script", f"expected {' or '.join(map(repr, SCRIPTS))}, found {name!r}"
      )
    return SCRIPTS[name]

  def _columns(self):
    columns = self._get(self._values, "columns", list, None)
    if columns is None:
      return self._script.columns
    if not columns or not all(isinstance(name, str) for name in columns):
      raise self._error("columns", f"expected names of metrics, found {columns}")
    return (tuple(name.removeprefix("eval_") for name in columns),)

  def _seeds(self):
    seeds = self._get(self._values, "seeds", list, [None])
    if not seeds or (
      seeds != [None] and not all(type(seed) is int and seed >= 0 for seed in seeds)
    ):
      raise self._error("seeds", f"expected whole numbers from 0 on, found {seeds}")
    return tuple(dict.fromkeys(seeds))

  def _flags(self, table, place):
    """A [flags] table with its paths resolved."""
    place = f"{place}flags"
    flags = self._get(table, "flags", dict, {}, place)
    return {
      name: self._flag(f"{place}.{name}", name, value) for name, value in flags.items()
    }

  def _flag(self, place, name, value):
    """A flag's value, hashable, paths resolved."""
    script = self._script
    own = {*script.train_flags, *script.test_flags, *script.train_data}
    own |= {*script.test_data, "output_dir", "model_dir"}
    if "seeds" in self._values:
      own.add("seed")
    if name in own:
      raise self._error(
        place,
        "the comparison gives this flag itself; what it takes are [data], seeds and "
        "the models' model_dir",
      )
    if not _is_flag_value(value):
      raise self._error(
        place, f"expected a text, number, truth value or a list, found {value!r}"
      )
    if isinstance(value, str) and _IS_PATH.fullmatch(name):
      return self._resolve(place, value, must_exist=name != "cache_dir")
    return tuple(value) if isinstance(value, list) else value

  def _grid(self, flags):
    grid = self._get(self._values, "grid", dict, None)
    if grid is None:
      # A common flag fixes what the grid would vary.
      return {name: v for name, v in DEFAULT_GRID.items() if name not in flags}
    return {name: self._choices(name, values, flags) for name, values in grid.items()}

  def _choices(self, name, values, flags):
    place = f"grid.{name}"
    if not isinstance(values, list) or not values:
      raise self._error(place, f"expected a list of values, found {values!r}")
    if name in flags:
      raise self._error(place, "this flag is in [flags] too; leave one out")
    choices = tuple(self._flag(place, name, value) for value in values)
    if len(set(map(safe_name, choices))) < len(choices):
      raise self._error(place, f"two values give one directory name: {values}")
    return choices

  def _data(self, table, place):
    """([data] with its paths resolved, rcqa_file)."""
    place, script = f"{place}data", self._script
    data = dict(self._get(table, "data", dict, {}, place))
    known = {*script.train_data.values(), *script.test_data.values()}
    if "train" in known and place == "data":
      known.add("rcqa_file")
    self._check_keys(data, sorted(known), f"{place}.")
    for key in data:
      value = self._get(data, key, str, place=f"{place}.{key}")
      if key in (*script.data_paths, "rcqa_file"):
        data[key] = self._resolve(f"{place}.{key}", value)
    rcqa_file = data.pop("rcqa_file", None)
    if rcqa_file and data:
      raise self._error(
        f"{place}.{next(iter(data))}", "rcqa_file gives all sets; leave one out"
      )
    return data, rcqa_file

  def _models(self, common_data):
    tables = self._get(self._values, "models", list)
    if not tables or not all(isinstance(table, dict) for table in tables):
      raise self._error("models", "expected one or more [[models]]")
    models, names = [], {}
    for number, table in enumerate(tables, 1):
      place = f"models[{number}]."
      self._check_keys(table, _MODEL_KEYS, place)
      name = self._get(table, "name", str, place=f"{place}name")
      directory = safe_name(name)
      if not directory.strip("._"):
        raise self._error(f"{place}name", f"{name!r} cannot name a directory")
      if directory in names:
        raise self._error(
          f"{place}name", f"{name!r} is too near to that of {names[directory]}"
        )
      names[directory] = place[:-1]
      flags = self._flags(table, place)
      if "model_dir" in table:
        model_dir = self._get(table, "model_dir", str, place=f"{place}model_dir")
        flags = {"model_dir": self._resolve(f"{place}model_dir", model_dir), **flags}
      if "tokenizer" in table:
        flags["tokenizer"] = self._get(
          table, "tokenizer", str, place=f"{place}tokenizer"
        )
      data, _ = self._data(table, place)
      suffix = self._get(table, "suffix", str, "text", f"{place}suffix")
      models.append(Model(name, directory, flags, {**common_data, **data}, suffix))
    return tuple(models)

  def _check_model(self, plan, model):
    """Checks what needs the common part and the model's own."""
    place = f"model {model.name!r}"
    flags = {**plan.flags, **model.flags}
    if not {"model_dir", "bert_config_file"} & set(flags):
      raise self._error(place, "give its model_dir")
    both = sorted(set(plan.grid) & set(model.flags))
    if both:
      raise self._error(place, f"its flag {both[0]} is in the grid too; leave one out")
    if plan.rcqa_file:
      if model.data:
        raise self._error(place, "rcqa_file gives all sets; leave its data out")
      return
    required = [*plan.script.required]
    if plan.test and "test" in plan.script.data_paths:
      required.append("test")
    for key in required:
      if key not in model.data:
        hint = ", or write test = false" if key == "test" else ""
        raise self._error(place, f"[data] lacks {key}{hint}")
    if model.suffix != "text":
      raise self._error(place, "suffix is for data that rcqa_file gives")

  def _resolve(self, place, value, must_exist=True):
    if text_io.is_remote(value):
      return value
    path = os.path.normpath(os.path.join(self._base, value))
    if value in shipped_models.names() and not os.path.exists(path):
      return shipped_models.resolve(value)
    # A TF1 checkpoint is named by the prefix of its files.
    if must_exist and not (os.path.exists(path) or os.path.exists(f"{path}.index")):
      raise FileNotFoundError(f"{self._path}: {place}: {path} does not exist")
    return path

  def _get(self, table, key, kind, default=..., place=None):
    value = table.get(key, default)
    if value is ...:
      raise self._error(place or key, f"is missing; give {_KINDS[kind]}")
    if value is default or (type(value) is kind):
      return value
    raise self._error(place or key, f"expected {_KINDS[kind]}, found {value!r}")

  def _check_keys(self, table, known, place):
    for key in table:
      if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        raise self._error(f"{place}{key}", f"there is no such key; {hint}")

  def _error(self, place, message):
    return ValueError(f"{self._path}: {place}: {message}")


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

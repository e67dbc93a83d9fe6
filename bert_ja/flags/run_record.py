"""The flags of the runs that wrote into a directory, by what these runs did."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from bert_ja import text_io

NAME = "flags.json"
ACTS = ("do_train", "do_eval", "do_predict")


def write(
  directory: str,
  acts: Sequence[str],
  flag_values: flags.FlagValues = flags.FLAGS,
  facts: Mapping[str, Any] | None = None,
) -> str:
  """Writes `flags.json`: an entry for each act.

  Entries of other acts stay: a directory is often trained by one run and predicted with
  by another. An entry has `program`, and as objects of names and values `given`, the
  flags that were given or taken from a model's record, and `default`, the others.

  Args:
    directory: an existing one.
    acts: some of `ACTS`, done or begun.
    flag_values: parsed flags.
    facts: what else an entry has.

  Returns:
    The path.

  Raises:
    ValueError: the directory's file is damaged.
  """
  program = os.path.basename(sys.argv[0])
  entry = {"program": program, **(facts or {}), "given": {}, "default": {}}
  for flag in _own_flags(flag_values):
    if flag.value is not None:
      is_given = flag.present or flag.value != flag.default
      entry["given" if is_given else "default"][flag.name] = flag.value
  path = os.path.join(directory, NAME)
  text_io.write_json(path, {**read(directory), **dict.fromkeys(acts, entry)})
  return path


def _own_flags(flag_values):
  """Those of this project and of the script, by name; other packages have theirs."""
  # The script's own name depends on how it was started.
  scripts = {flag_values.find_module_defining_flag(act) for act in ACTS}
  own = {
    flag.name: flag
    for module, found in flag_values.flags_by_module_dict().items()
    if module in scripts or module.partition(".")[0] == "bert_ja"
    for flag in found
  }
  return [own[name] for name in sorted(own)]


def read(directory: str) -> dict[str, Mapping[str, Any]]:
  """What `write` wrote; {} where nothing was recorded.

  Raises:
    ValueError: the file is damaged.
  """
  path = os.path.join(directory, NAME)
  if not text_io.exists(path):
    return {}
  record = text_io.read_json(path)
  if not isinstance(record, dict) or not all(map(_is_entry, record.values())):
    raise ValueError(
      f"{path}: expected an object with `given` and `default` for each of "
      f"{', '.join(ACTS)}, found something else; remove the file"
    )
  return record


def _is_entry(value):
  return isinstance(value, dict) and all(
    isinstance(value.get(name), dict) for name in ("given", "default")
  )

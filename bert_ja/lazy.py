"""Names of a module that are imported when first used (PEP 562)."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def names(module: str, sources: Mapping[str, str]) -> Callable[[str], Any]:
  """A module's `__getattr__`: public name -> the module that defines it.

  Keeps `--help` and worker processes free of TensorFlow's import.
  """

  def get(name):
    if name not in sources:
      raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return getattr(importlib.import_module(sources[name]), name)

  return get

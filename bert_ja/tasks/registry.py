"""Task name -> DataProcessor class. A task's file registers itself when imported."""

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

# Files of bert_ja/tasks, in alphabetical order.
_MODULES = (
  "glue",
  "livedoor",
  "multi_label",
  "multiple_choice",
  "regression",
  "table",
  "tagging",
  "xnli",
)
_PROCESSORS = {}


def register(name: str) -> Callable[[type], type]:
  """Class decorator: `@register("mrpc")`. Names do not depend on case (A-17)."""

  def add(cls):
    known = _PROCESSORS.setdefault(name.lower(), cls)
    if known is not cls:
      raise ValueError(
        f"task {name!r} is there already: {known.__module__}.{known.__qualname__}"
      )
    return cls

  return add


def task_names() -> list[str]:
  """The names of all tasks, sorted."""
  for module in _MODULES:
    importlib.import_module(f"bert_ja.tasks.{module}")
  return sorted(_PROCESSORS)


def kind_of(name: str) -> str | None:
  """The kind of a task, in any case; None where there is no such task."""
  task_names()
  return getattr(_PROCESSORS.get(name.lower()), "kind", None)


def get_processor(name: str, **options: Any) -> Any:
  """Builds the processor of a task.

  Args:
    name: the task, in any case.
    **options: what the script knows (languages, columns, files); the constructor gets
      those that it names and that are not None.

  Raises:
    ValueError: no such task; the message has a near match and the list.
  """
  names = task_names()
  cls = _PROCESSORS.get(name.lower())
  if cls is None:
    near = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(
      f"task {name!r} is not known{hint} (known: {', '.join(names)}; one of your own "
      "needs --task_module)"
    )
  declared = _declared_options(cls)
  return cls(
    **{
      option: value
      for option, value in options.items()
      if value is not None and option in declared
    }
  )


def _declared_options(cls):
  """The constructor's keyword arguments, those of its bases behind `**kwargs` too."""
  found = set()
  for base in cls.__mro__:
    if "__init__" not in vars(base) or base is object:
      continue
    parameters = inspect.signature(base.__init__).parameters
    found.update(parameters)
    if all(p.kind is not p.VAR_KEYWORD for p in parameters.values()):
      break
  return found - {"self"}


def load_task_module(path: str) -> list[str]:
  """Imports a user's Python file that registers tasks (`--task_module=my_task.py`).

  Args:
    path: the file. Loading it a second time changes nothing.

  Returns:
    The names of its tasks.

  Raises:
    FileNotFoundError: no such file.
    ValueError: it is no Python file, or registers no task.
  """
  if not os.path.isfile(path):
    raise FileNotFoundError(f"--task_module={path}: there is no such file")
  if not path.endswith(".py"):
    raise ValueError(f"--task_module={path}: expected a Python file, ending in .py")
  task_names()  # The built-in tasks first, so that a name used twice is the file's fault.
  path = os.path.realpath(path)
  module_name = f"bert_ja_task_module:{path}"
  if module_name not in sys.modules:
    spec = importlib.util.spec_from_file_location(module_name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
      spec.loader.exec_module(module)
    except BaseException:
      del sys.modules[module_name]
      raise
  tasks = [n for n, cls in _PROCESSORS.items() if cls.__module__ == module_name]
  if not tasks:
    raise ValueError(
      f"--task_module={path} registers no task; write "
      '@registry.register("name") above its DataProcessor class'
    )
  return sorted(tasks)

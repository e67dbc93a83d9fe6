"""Models that come with the package; `--model_dir` takes their names."""

import os

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")


def names() -> list[str]:
  """Names of the models, sorted."""
  return sorted(os.listdir(_FOLDER)) if os.path.isdir(_FOLDER) else []


def resolve(path: str) -> str:
  """The directory of a model that is named; any other path as it is.

  What exists under that name in the working directory comes first.
  """
  if path in names() and not os.path.exists(path):
    return os.path.join(_FOLDER, path)
  return path

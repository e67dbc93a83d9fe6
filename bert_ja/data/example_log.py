"""The first examples in a log, so that a user sees what a model is given."""

from collections.abc import Iterable
from typing import Any

from absl import logging


def log_example(lines: Iterable[tuple[str, Any]]) -> None:
  """Logs an example as the original does.

  Args:
    lines: (name, value) of each line; a value of several parts, such as a list, is
      shown with spaces between them.
  """
  logging.info("*** Example ***")
  for name, value in lines:
    if isinstance(value, Iterable) and not isinstance(value, str):
      value = " ".join(map(str, value))
    logging.info("%s: %s", name, value)

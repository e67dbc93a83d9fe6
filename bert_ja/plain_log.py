"""How logs look: on the screen, and of processes that help."""

import logging as python_logging

from absl import logging


def start(verbosity: int = logging.INFO) -> None:
  """Lets logs of this process be lines without time and place.

  Args:
    verbosity: of absl's logging.
  """
  logging.set_verbosity(verbosity)
  logging.use_absl_handler()
  logging.get_absl_handler().setFormatter(python_logging.Formatter("%(message)s"))

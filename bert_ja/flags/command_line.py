"""Runs a script: parses flags, prepares logging, turns errors into one line."""

import os
import sys
from collections.abc import Callable, Sequence

from absl import app, flags, logging

# What a caller can mend. Anything else is a fault of this program and keeps its traceback.
_EXPECTED_ERRORS = (ValueError, OSError, ImportError, NotImplementedError)


class Stopped(Exception):
  """The run was asked to stop and has saved its state.

  Attributes:
    signal_number: the signal that asked.
  """

  def __init__(self, message: str, signal_number: int):
    super().__init__(message)
    self.signal_number = signal_number


def define_debug(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  flags.DEFINE_bool(
    "debug", False, "Show the traceback of an error.", flag_values=flag_values
  )


def run(main: Callable, argv: Sequence[str] | None = None) -> None:
  """Parses `argv` into the defined flags, calls `main`, exits with its status.

  An error is one line on standard error and status 1 (2 for a wrong flag); with
  `--debug` the traceback stands before it.
  """
  quiet_tensorflow()
  argv = list(sys.argv if argv is None else argv)
  define_debug()
  app.define_help_flags()
  try:
    arguments = flags.FLAGS(argv)
  except flags.Error as error:
    _complain(error)
    sys.exit(2)
  logging.set_verbosity(logging.INFO)
  logging.get_absl_handler().setFormatter(logging.PythonFormatter("%(message)s"))
  logging.use_absl_handler()
  try:
    sys.exit(main(arguments))
  except Stopped as stopped:
    _complain(stopped)
    sys.exit(128 + stopped.signal_number)
  except KeyboardInterrupt:
    _complain("interrupted")
    sys.exit(130)
  except Exception as error:
    if flags.FLAGS.debug or not _is_expected(error):
      raise
    _complain(error)
    sys.exit(1)


def quiet_tensorflow() -> None:
  """Keeps TensorFlow's start-up notes off the screen; call before its import."""
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
  os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def _is_expected(error):
  if isinstance(error, _EXPECTED_ERRORS):
    return True
  tensorflow = sys.modules.get("tensorflow")
  return tensorflow is not None and isinstance(error, tensorflow.errors.OpError)


def _complain(error):
  program = os.path.basename(sys.argv[0])
  message = " ".join(str(error).split()) or type(error).__name__
  print(f"{program}: {message}", file=sys.stderr)

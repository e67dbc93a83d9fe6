"""Runs a script: parses flags, prepares logging, turns errors into one line."""

import logging as python_logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from absl import app, flags

from bert_ja import plain_log, text_io

# What a caller can mend. Anything else is a fault of this program and keeps its traceback.
_EXPECTED_ERRORS = (ValueError, OSError, ImportError, NotImplementedError)


def define_debug(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  flags.DEFINE_bool(
    "debug", False, "Show the traceback of an error.", flag_values=flag_values
  )


def run(
  main: Callable, argv: Sequence[str] | None = None, takes_arguments: bool = False
) -> None:
  """Parses `argv` into the defined flags, calls `main`, exits with its status.

  Unless `takes_arguments`, a word that is no flag is an error.

  An error is one line on standard error and status 1 (2 for a wrong flag); with
  `--debug` the traceback stands before it.
  """
  argv = list(sys.argv if argv is None else argv)
  define_debug()
  app.define_help_flags()
  try:
    arguments = flags.FLAGS(argv)
  except flags.Error as error:
    _complain(error)
    sys.exit(2)
  if len(arguments) > 1 and not takes_arguments:
    _complain(f"{arguments[1]!r} is no flag; write --name=value")
    sys.exit(2)
  plain_log.start()
  try:
    sys.exit(_cleared(main, arguments))
  except KeyboardInterrupt as interrupt:
    _complain(interrupt if interrupt.args else "interrupted")
    sys.exit(130)
  except Exception as error:
    if flags.FLAGS.debug or not _is_expected(error):
      raise
    _complain(error)
    sys.exit(1)


def _cleared(main, arguments):
  """`main(arguments)`; an error leaves no generator that waits with work under way.

  What the frames of the error hold would live on, worker processes with it.
  """
  try:
    return main(arguments)
  except BaseException as error:
    traceback.clear_frames(error.__traceback__)
    raise


def import_tensorflow() -> None:
  """Imports TensorFlow without its start-up notes, which no setting switches off."""
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
  os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
  sys.stderr.flush()
  screen = os.dup(2)
  try:
    with open(os.devnull, "wb") as nowhere:
      os.dup2(nowhere.fileno(), 2)
    import tensorflow  # noqa: F401
  finally:
    os.dup2(screen, 2)
    os.close(screen)
  python_logging.getLogger("tensorflow").setLevel(python_logging.ERROR)


def require(flag_values: flags.FlagValues, *names: str) -> None:
  """Checks that flags have values.

  Raises:
    ValueError: one has none.
  """
  for name in names:
    if flag_values[name].value is None:
      raise ValueError(f"--{name} is required: {flag_values[name].help}")


def _is_expected(error):
  if isinstance(error, _EXPECTED_ERRORS):
    return True
  tensorflow = sys.modules.get("tensorflow")
  return tensorflow is not None and isinstance(error, tensorflow.errors.OpError)


def _complain(error):
  program = os.path.basename(sys.argv[0])
  message = " ".join(_described(error).split()) or type(error).__name__
  print(f"{program}: {message}", file=sys.stderr)


def _described(error):
  """The message of an error; where only the system spoke, also what to do."""
  path = error.filename if isinstance(error, OSError) else None
  if path is not None and error.errno in text_io.FULL_DISK:
    return text_io.describe_full_disk(path, error.strerror)
  if path is not None and isinstance(error, FileNotFoundError):
    for name, value in flags.FLAGS.flag_values_dict().items():
      if path in (value if isinstance(value, list) else [value]):
        return f"--{name}: {path} does not exist; give a path that does"
  return str(error)

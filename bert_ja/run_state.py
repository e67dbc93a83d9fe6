"""A program to run, and how far it is: the files that say so in the run's directory.

`log.txt` is what the program printed in all its starts, and is locked while it runs;
`run.json` has the run's arguments and state; `job.sh` is what a scheduler runs, and
`status.txt` the status that it writes when the program has ended.
"""

import dataclasses
import fcntl
import os
import shlex
from typing import IO

from absl import logging

from bert_ja import text_io

LOG, SCRIPT, STATUS = "log.txt", "job.sh", "status.txt"
_RECORD = "run.json"

# States of a run: those in run.json, and OPEN for one that is to be started.
OPEN = "open"
STARTED = "started"  # as a process; without an end it was interrupted, or failed
SUBMITTED = "submitted"  # a scheduler has it
PRINTED = "printed"  # its command was handed out
FINISHED = "finished"


@dataclasses.dataclass(frozen=True)
class Run:
  """A program to run to its end.

  Attributes:
    name: what messages call it; no two runs have the same.
    program: what is started, such as an interpreter and a script.
    arguments: of the program. A run whose arguments were others is another run; the
      program may move.
    directory: its own; created where missing.
    result_file: what the program leaves when all went well.
  """

  name: str
  program: tuple[str, ...]
  arguments: tuple[str, ...]
  directory: str
  result_file: str

  @property
  def command(self) -> str:
    """The command line, quoted for a shell."""
    return shlex.join([*self.program, *self.arguments])


def state_of(run: Run) -> str:
  """OPEN, SUBMITTED (and not ended) or FINISHED, after a look at its files."""
  return settle(run)[0]


def settle(run: Run) -> tuple[str, str | None]:
  """(state, why its job has failed or None); records the end of what has ended."""
  record = _record(run)
  if record.get("arguments") != list(run.arguments):
    return OPEN, None
  state, has_result = record["state"], os.path.exists(run.result_file)
  if state == SUBMITTED:
    status = job_status(run)
    if status is None:
      return SUBMITTED, None
    failure = finish(run, status)
    return (OPEN, failure) if failure else (FINISHED, None)
  if state == PRINTED and has_result:
    finish(run, 0)
  is_finished = state in (PRINTED, FINISHED) and has_result
  return (FINISHED if is_finished else OPEN), None


def _record(run):
  path = os.path.join(run.directory, _RECORD)
  return text_io.read_json(path) if os.path.exists(path) else {}


def write_record(run: Run, state: str, answer: str | None = None) -> None:
  """Writes the state, and what a scheduler has answered."""
  record = {"name": run.name, "state": state, "arguments": list(run.arguments)}
  if answer is not None:
    record["scheduler"] = answer
  text_io.write_json(os.path.join(run.directory, _RECORD), record)


def claim(run: Run) -> IO | None:
  """The run's log, locked for its next process; None while another one runs."""
  os.makedirs(run.directory, exist_ok=True)
  log = open(os.path.join(run.directory, LOG), "ab")  # noqa: SIM115 (the caller closes)
  try:
    fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    log.close()
    return None
  except OSError:
    pass  # a file system without locks
  return log


def prepare(run: Run, state: str, log: IO) -> IO:
  """Makes the directory ready for a start.

  Args:
    run: what is started.
    state: its state from now on.
    log: of `claim`.

  Returns:
    The log, another one if the directory was of another run and is set aside.

  Raises:
    ValueError: another process took the directory meanwhile.
  """
  if _holds_another(run):
    log.close()
    _set_aside(run.directory)
    log = claim(run)
    if log is None:
      raise ValueError(f"{run.name} was started by another command at the same time")
  # What an earlier start left would pass for the result of this one.
  for path in (run.result_file, os.path.join(run.directory, STATUS)):
    text_io.remove(path)
  write_record(run, state)
  return log


def _holds_another(run):
  arguments = _record(run).get("arguments")
  if arguments is None:
    return bool(set(os.listdir(run.directory)) - {LOG})
  return arguments != list(run.arguments)


def _set_aside(directory):
  number = 1
  while os.path.exists(target := f"{directory}.old-{number}"):
    number += 1
  os.rename(directory, target)
  logging.info("%s is from other arguments; it is %s now", directory, target)


def job_status(run: Run) -> int | None:
  """The status that job.sh has written; None before."""
  path = os.path.join(run.directory, STATUS)
  return int(text_io.read_text(path)) if os.path.exists(path) else None


def finish(run: Run, status: int) -> str | None:
  """Records an end; returns why it is a failure, or None."""
  if status < 0:
    failure = f"ended by signal {-status}"
  elif status:
    failure = f"status {status}"
  elif not os.path.exists(run.result_file):
    failure = f"left no {run.result_file}"
  else:
    write_record(run, FINISHED)
    return None
  line = _last_line(os.path.join(run.directory, LOG))
  return f"{failure} ({line})" if line else failure


def _last_line(path, most=300):
  """The end of the last line with text in a log; "" if there is none."""
  if not os.path.exists(path):
    return ""
  with open(path, "rb") as reader:
    reader.seek(max(0, os.path.getsize(path) - 8192))
    lines = reader.read().decode("utf-8", "replace").splitlines()
  return next((line.strip()[-most:] for line in reversed(lines) if line.strip()), "")

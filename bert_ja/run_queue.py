"""Runs many programs: some at a time, or as jobs of a scheduler, each of them once.

Starting the same runs again passes over the finished ones and starts the others once
more: a program that can go on from where it was finds its own files. A run that has got
other arguments starts afresh; its earlier directory is set aside.
"""

import collections
import contextlib
import dataclasses
import math
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

from absl import logging

from bert_ja import run_state, stopping, text_io
from bert_ja.run_state import Run

_LOOK_SECONDS = 0.2  # between two looks at processes, or for a request to stop


@dataclasses.dataclass(frozen=True)
class Options:
  """How runs are run.

  Attributes:
    jobs: processes at a time.
    submit: command that takes the path of a script behind its own arguments and puts
      it into the queue of a scheduler; None to run the programs here.
    wait: with `submit`, return when all jobs have ended, not when all are submitted.
    poll_seconds: with `submit`, between two looks for ended jobs.
    forget_jobs: run again what was submitted and left no status: jobs that the
      scheduler has lost or killed.
    grace_seconds: what processes get to end by themselves when asked to stop.
  """

  jobs: int = 1
  submit: str | None = None
  wait: bool = True
  poll_seconds: float = 10.0
  forget_jobs: bool = False
  grace_seconds: float = 60.0


@dataclasses.dataclass
class Outcome:
  """Runs by how they ended: `failed` says why; `under_way` have not ended."""

  finished: list[Run]
  failed: dict[Run, str]
  under_way: list[Run]

  def check(self) -> None:
    """Checks that none failed.

    Raises:
      ValueError: names each that did, with the last line of its log.
    """
    if self.failed:
      reasons = "; ".join(f"{run.name}: {why}" for run, why in self.failed.items())
      total = len(self.finished) + len(self.failed) + len(self.under_way)
      raise ValueError(
        f"{len(self.failed)} of {total} runs failed: {reasons}. Each has a "
        f"{run_state.LOG} in its directory; the same command starts them again"
      )


def run_all(
  runs: Sequence[Run],
  options: Options = Options(),
  on_end: Callable[[Run, str | None], None] = lambda run, failure: None,
) -> Outcome:
  """Runs what is not finished; one that fails does not stop the others.

  SIGINT and SIGTERM are handed to the processes started here, as SIGTERM; jobs of a
  scheduler go on.

  Args:
    runs: in the order in which they are started.
    options: how.
    on_end: called with each run that ends in this call, and why it failed or None. An
      exception in it ends all processes.

  Returns:
    How they ended, those that were finished before included.

  Raises:
    ValueError: two runs share a name or directory; the scheduler's command fails; or
      jobs are with a scheduler while the runs shall be run here.
    KeyboardInterrupt, SystemExit: asked to stop.
  """
  _check_distinct(runs)
  queue = _Queue(options, on_end)
  for run in runs:
    queue.add(run)
  with stopping.StopRequest() as stop:
    try:
      queue.work(stop)
    finally:
      queue.end_processes()
    if stop.requested:
      stop.leave(
        f"Stopped; {len(queue.open)} of {len(runs)} runs have not ended. The same "
        "command continues."
      )
  queue.outcome.under_way = queue.open
  return queue.outcome


def commands_of(runs: Sequence[Run], forget_jobs: bool = False) -> Iterator[str]:
  """Command lines of the runs that are not finished, to be run by other means.

  From here on, each of them counts as finished as soon as its result file is there.

  Args:
    runs: all runs.
    forget_jobs: see `Options`.

  Raises:
    ValueError: a run is under way.
  """
  _check_distinct(runs)
  for run in runs:
    state = run_state.state_of(run)
    if state == run_state.FINISHED:
      continue
    if state == run_state.SUBMITTED and not forget_jobs:
      raise ValueError(
        f"{run.name} is with a scheduler: wait for it, or give --forget_jobs"
      )
    log = run_state.claim(run)
    if log is None:
      raise ValueError(f"{run.name} is running: wait for it, or end it")
    run_state.prepare(run, run_state.PRINTED, log).close()
    yield run.command


def _check_distinct(runs):
  for what in ("name", "directory"):
    counts = collections.Counter(getattr(run, what) for run in runs)
    twice = [value for value, count in counts.items() if count > 1]
    if twice:
      raise ValueError(f"two runs have the same {what}: {twice[0]}")


# --- The queue -----------------------------------------------------------------------


class _Queue:
  """Runs that wait, those that have a job, and what has come of the others."""

  def __init__(self, options, on_end):
    submits = options.submit is not None
    self._submits, self._forget_jobs = submits, options.forget_jobs
    self._waits = options.wait or not submits
    self._on_end = on_end
    self._place = _Scheduler(options) if submits else _Processes(options)
    self._waiting, self._jobs = collections.deque(), {}
    self._told = set()
    self.outcome = Outcome([], {}, [])

  @property
  def open(self):
    return [*self._jobs, *self._waiting]

  def add(self, run):
    state, failure = run_state.settle(run)
    if failure:
      logging.warning("%s failed and is started again: %s", run.name, failure)
    if state == run_state.FINISHED:
      self.outcome.finished.append(run)
    elif state != run_state.SUBMITTED or self._forget_jobs:
      self._waiting.append(run)
    elif self._submits:
      self._jobs[run] = None
    else:
      raise ValueError(
        f"{run.name} is with a scheduler: give --submit to wait for it, or "
        "--forget_jobs to run it here"
      )

  def work(self, stop):
    while self.open and not stop.requested:
      self._start_some()
      if not self._waits:
        return
      self._collect()
      if self.open:
        _sleep(self._place.look_seconds, stop)

  def end_processes(self):
    self._place.stop(list(self._jobs.values()))

  def _start_some(self):
    for _ in range(len(self._waiting)):
      if len(self._jobs) >= self._place.most_at_a_time:
        return
      run = self._waiting.popleft()
      log = run_state.claim(run)
      if log is None:
        self._look_again_later(run)
        continue
      if run_state.state_of(run) == run_state.FINISHED:  # another process has done it
        log.close()
        self._end(run, None)
      else:
        self._jobs[run] = self._place.start(run, log)

  def _look_again_later(self, run):
    if run not in self._told:
      logging.info("%s is running in another process: waiting for that", run.name)
    self._told.add(run)
    self._waiting.append(run)

  def _collect(self):
    for run, job in list(self._jobs.items()):
      status = self._place.status(run, job)
      if status is not None:
        failure = run_state.finish(run, status)
        self._place.release(self._jobs.pop(run))
        self._end(run, failure)

  def _end(self, run, failure):
    if failure:
      self.outcome.failed[run] = failure
    else:
      self.outcome.finished.append(run)
    self._on_end(run, failure)


def _sleep(seconds, stop):
  """Python goes on sleeping after a signal, so sleep in short pieces."""
  end = time.monotonic() + seconds
  while not stop.requested and (left := end - time.monotonic()) > 0:
    time.sleep(min(_LOOK_SECONDS, left))


class _Processes:
  """Runs programs as children of this process, each in a process group of its own."""

  look_seconds = _LOOK_SECONDS

  def __init__(self, options):
    self.most_at_a_time = options.jobs
    self._grace_seconds = options.grace_seconds

  def start(self, run, log):
    log = run_state.prepare(run, run_state.STARTED, log)
    # The child inherits the log's lock, and holds it as long as it lives, even when
    # this process is killed. This one holds it until the end is recorded.
    process = subprocess.Popen(
      [*run.program, *run.arguments],
      stdin=subprocess.DEVNULL,
      stdout=log,
      stderr=subprocess.STDOUT,
      start_new_session=True,
    )
    return process, log

  def status(self, run, job):
    del run
    return job[0].poll()

  def release(self, job):
    job[1].close()

  def stop(self, jobs):
    running = [process for process, _ in jobs if process.poll() is None]
    for process in running:
      _send(process, signal.SIGTERM)
    end = time.monotonic() + self._grace_seconds
    try:
      for process in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
          process.wait(max(0, end - time.monotonic()))
    finally:  # also when a second SIGINT ends the waiting
      for process in running:
        if process.poll() is None:
          _send(process, signal.SIGKILL)
          process.wait()
      for job in jobs:
        self.release(job)


def _send(process, number):
  with contextlib.suppress(ProcessLookupError):
    os.killpg(process.pid, number)


class _Scheduler:
  """Hands one script a run to a scheduler; the scripts' status files tell the rest."""

  most_at_a_time = math.inf

  def __init__(self, options):
    self.look_seconds = options.poll_seconds
    self._command = shlex.split(options.submit)
    if not self._command:
      raise ValueError("--submit is empty; write a command such as 'qsub -q gpu'")

  def start(self, run, log):
    log = run_state.prepare(run, run_state.SUBMITTED, log)
    log.close()
    script = os.path.join(run.directory, run_state.SCRIPT)
    text_io.write_text(script, _job_script(run))
    os.chmod(script, 0o755)
    answer = self._submit(run, script)
    run_state.write_record(run, run_state.SUBMITTED, answer)
    logging.info("%s: %s", run.name, answer or "submitted")

  def _submit(self, run, script):
    """What the scheduler answers; the run is open again if it refuses."""
    command = [*self._command, script]
    # A file, not a pipe: a pipe would be open until the last process that inherited it
    # has ended, which may be the job itself.
    with tempfile.TemporaryFile() as output:
      try:
        status = subprocess.run(
          command,
          stdin=subprocess.DEVNULL,
          stdout=output,
          stderr=subprocess.STDOUT,
          cwd=run.directory,
          check=False,
        ).returncode
      except OSError as error:
        run_state.write_record(run, run_state.OPEN)
        raise ValueError(f"--submit: {command[0]}: {error.strerror}") from None
      output.seek(0)
      answer = " ".join(output.read().decode("utf-8", "replace").split())
    if status:
      run_state.write_record(run, run_state.OPEN)
      raise ValueError(
        f"--submit: {shlex.join(command)} ended with status {status}: {answer}"
      )
    return answer

  def status(self, run, job):
    del job
    return run_state.job_status(run)

  def release(self, job):
    """The log was closed when the job was submitted."""

  def stop(self, jobs):
    """The scheduler's jobs go on."""


def _job_script(run):
  log, status = (
    shlex.quote(os.path.join(run.directory, name))
    for name in (run_state.LOG, run_state.STATUS)
  )
  return (
    "#!/bin/sh\n"
    "# A scheduler's signal is for the program; its status is written all the same.\n"
    "trap : INT TERM USR1 USR2 XCPU\n"
    f"{run.command} >> {log} 2>&1\n"
    "status=$?\n"
    f"echo $status > {status}.tmp && mv {status}.tmp {status}\n"
    "exit $status\n"
  )

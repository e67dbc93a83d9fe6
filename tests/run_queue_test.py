"""Programs of a few lines are run; what they leave on disk tells how often and when."""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from bert_ja import run_queue
from bert_ja.run_queue import Options
from bert_ja.run_state import FINISHED, OPEN, SUBMITTED, Run, state_of

_ROOT = pathlib.Path(__file__).parents[1]
_PYTHON = (sys.executable, "-S", "-c")  # -S: these programs need no packages


class Runs:
  """Makes runs below one directory and reads what they left."""

  def __init__(self, directory):
    self.directory = directory

  def make(self, name="a", code="", arguments=(), program=None):
    """A run that counts its starts, does `code`, and leaves its result."""
    folder = self.directory / name
    lines = f"""
    import os, sys, time, signal
    folder = {str(folder)!r}
    open({str(self.directory / "starts.txt")!r}, "a").write({name!r} + "\\n")
    {textwrap.indent(textwrap.dedent(code), "    ").strip()}
    open(folder + "/result", "w").write("done")
    """
    program = program or (*_PYTHON, textwrap.dedent(lines))
    return Run(name, program, tuple(arguments), str(folder), str(folder / "result"))

  def starts(self):
    path = self.directory / "starts.txt"
    return path.read_text().split() if path.exists() else []

  def log(self, name):
    return (self.directory / name / "log.txt").read_text()


@pytest.fixture
def runs(tmp_path):
  return Runs(tmp_path)


def wait_for(condition, seconds=30):
  """Waits until a condition holds, and says whether it does."""
  end = time.monotonic() + seconds
  while not condition() and time.monotonic() < end:
    time.sleep(0.02)
  return condition()


def is_alive(pid):
  """Whether a process runs; an ended one whose parent is gone does not count."""
  try:
    state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
  except (FileNotFoundError, ProcessLookupError):
    return False
  return state != "Z"


class TestRunAll:
  def test_each_runs_in_order_with_its_arguments_and_log(self, runs):
    both = [
      runs.make(
        name, "print(sys.argv[1:], file=sys.stderr)", ["--x=1 2", f"--n={name}"]
      )
      for name in "ab"
    ]
    outcome = run_queue.run_all(both)
    assert (outcome.finished, outcome.failed, outcome.under_way) == (both, {}, [])
    assert runs.starts() == ["a", "b"]
    assert runs.log("b") == "['--x=1 2', '--n=b']\n"

  def test_finished_ones_are_not_run_again(self, runs):
    run_queue.run_all([runs.make("a")])
    ended = []
    both = [runs.make("a"), runs.make("b")]
    outcome = run_queue.run_all(both, on_end=lambda *end: ended.append(end))
    assert runs.starts() == ["a", "b"]
    assert outcome.finished == both
    assert ended == [(both[1], None)]

  def test_a_finished_one_whose_result_is_gone_is_run_again(self, runs):
    run_queue.run_all([runs.make("a")])
    (runs.directory / "a" / "result").unlink()
    run_queue.run_all([runs.make("a")])
    assert runs.starts() == ["a", "a"]

  def test_a_failed_one_does_not_stop_the_others(self, runs):
    bad = runs.make("bad", "print('one'); print('no room  '); print(); sys.exit(3)")
    good = runs.make("good")
    ended = []
    outcome = run_queue.run_all([bad, good], on_end=lambda *end: ended.append(end))
    assert outcome.finished == [good]
    assert outcome.failed == {bad: "status 3 (no room)"}
    assert ended == [(bad, "status 3 (no room)"), (good, None)]
    with pytest.raises(
      ValueError, match=r"1 of 2 runs failed: bad: status 3 \(no room"
    ):
      outcome.check()

  def test_only_the_failed_are_run_again(self, runs):
    code = "\nif not os.path.exists(folder + '/mended'): sys.exit(1)\n"
    both = [runs.make("a", code), runs.make("b")]
    run_queue.run_all(both)
    (runs.directory / "a" / "mended").touch()
    outcome = run_queue.run_all(both)
    assert runs.starts() == ["a", "b", "a"]
    assert set(outcome.finished) == set(both)
    outcome.check()

  def test_status_0_without_a_result_is_a_failure(self, runs):
    run = runs.make("a", "sys.exit(0)")
    outcome = run_queue.run_all([run])
    assert outcome.failed == {run: f"left no {run.result_file}"}
    assert state_of(run) == OPEN

  def test_a_result_before_a_failure_does_not_count(self, runs):
    code = "open(folder + '/result', 'w'); sys.exit(1)"
    run = runs.make("a", code)
    assert list(run_queue.run_all([run]).failed) == [run]
    assert state_of(run) == OPEN

  def test_the_result_of_an_earlier_start_does_not_count(self, runs):
    run = runs.make("a", "sys.exit(os.path.exists(folder + '/result'))", ["1"])
    run_queue.run_all([runs.make("a", "", ["1"]), runs.make("b")])
    record = json.loads((runs.directory / "a" / "run.json").read_text())
    (runs.directory / "a" / "run.json").write_text(
      json.dumps(record | {"state": "started"})
    )
    outcome = run_queue.run_all([run])
    assert outcome.failed == {run: f"left no {run.result_file}"}

  def test_one_that_is_killed_names_the_signal(self, runs):
    run = runs.make("a", "os.kill(os.getpid(), signal.SIGKILL)")
    assert run_queue.run_all([run]).failed == {run: "ended by signal 9"}

  def test_two_at_a_time_meet(self, runs):
    code = """
    open(folder + "/here", "w")
    other = folder[:-1] + ("b" if folder[-1] == "a" else "a") + "/here"
    end = time.monotonic() + 20
    while not os.path.exists(other):
      time.sleep(0.01)
      if time.monotonic() > end: sys.exit("alone")
    """
    run_queue.run_all([runs.make("a", code), runs.make("b", code)], Options(2)).check()

  def test_one_at_a_time_does_not(self, runs):
    code = """
    busy = os.path.dirname(folder) + "/busy"
    open(busy, "x").close()
    time.sleep(0.05)
    os.remove(busy)
    """
    run_queue.run_all([runs.make(name, code) for name in "abc"], Options(1)).check()

  def test_a_failing_callback_ends_the_processes(self, runs):
    code = "open(folder + '/pid', 'w').write(str(os.getpid())); time.sleep(60)"
    slow, quick = runs.make("slow", code), runs.make("quick", "time.sleep(0.5)")

    def on_end(run, failure):
      raise ValueError("no such metric")

    with pytest.raises(ValueError, match="no such metric"):
      run_queue.run_all([slow, quick], Options(jobs=2), on_end)
    assert not is_alive(int((runs.directory / "slow" / "pid").read_text()))

  def test_one_that_does_not_stop_is_killed(self, runs):
    code = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(folder + "/pid", "w").write(str(os.getpid()))
    time.sleep(60)
    """
    pid_file = runs.directory / "deaf" / "pid"
    quick = "\nwhile not os.path.exists(os.path.dirname(folder) + '/deaf/pid'):\n  "
    both = [runs.make("deaf", code), runs.make("quick", quick + "time.sleep(0.01)\n")]

    def on_end(run, failure):
      raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
      run_queue.run_all(both, Options(jobs=2, grace_seconds=0.3), on_end)
    assert not is_alive(int(pid_file.read_text()))

  @pytest.mark.parametrize("what", ["name", "directory"])
  def test_two_of_one_name_or_directory_are_refused(self, runs, what):
    one = runs.make("a")
    other = {"name": one.name, "directory": one.directory}[what]
    two = Run(
      *(("a", (), (), "d", "r") if what == "name" else ("b", (), (), other, "r"))
    )
    with pytest.raises(ValueError, match=f"two runs have the same {what}: {other}"):
      run_queue.run_all([one, two])


class TestOtherArguments:
  def test_the_run_starts_afresh_and_its_files_are_set_aside(self, runs):
    run_queue.run_all([runs.make("a", "", ["--size=1"])])
    run_queue.run_all([runs.make("a", "print(os.listdir(folder))", ["--size=2"])])
    assert runs.starts() == ["a", "a"]
    assert "result" not in runs.log("a")
    assert (runs.directory / "a.old-1" / "result").read_text() == "done"
    run_queue.run_all([runs.make("a", "", ["--size=3"])])
    assert sorted(p.name for p in runs.directory.glob("a*")) == [
      "a",
      "a.old-1",
      "a.old-2",
    ]

  def test_files_of_unknown_origin_are_set_aside(self, runs):
    (runs.directory / "a").mkdir()
    (runs.directory / "a" / "model.ckpt-5").touch()
    run_queue.run_all([runs.make("a")]).check()
    assert (runs.directory / "a.old-1" / "model.ckpt-5").exists()

  def test_a_program_that_has_moved_is_the_same_run(self, runs):
    run_queue.run_all([runs.make("a", "", ["--size=1"])])
    moved = runs.make("a", "", ["--size=1"], program=("/nowhere/python",))
    assert run_queue.run_all([moved]).finished == [moved]

  def test_an_interrupted_one_keeps_its_files(self, runs):
    code = "open(folder + '/steps', 'a').write('x'); sys.exit(1)"
    for _ in range(2):
      run_queue.run_all([runs.make("a", code)])
    assert (runs.directory / "a" / "steps").read_text() == "xx"


# Runs of a queue in a process of its own: the second one waits for a file `go`.
_QUEUE = """
import sys
from absl import logging
from bert_ja import run_queue
from tests.run_queue_test import Runs
import pathlib
logging.set_verbosity(logging.INFO)
runs = Runs(pathlib.Path(sys.argv[1]))
code = {code!r}
all_runs = [runs.make("a"), runs.make("b", code), runs.make("c")]
run_queue.run_all(all_runs, run_queue.Options(jobs=1)).check()
print("all done")
"""
_WAIT_FOR_GO = """
import subprocess
child = subprocess.Popen(["sleep", "60"])
open(folder + "/pids", "w").write(f"{os.getpid()} {child.pid}")
if os.path.exists(folder + "/alone"): sys.exit("two at once")
open(folder + "/alone", "w")
end = time.monotonic() + 60
while not os.path.exists(os.path.dirname(folder) + "/go"):
  if time.monotonic() > end: sys.exit("nobody came")
  time.sleep(0.02)
os.remove(folder + "/alone")
child.kill()
"""


class Queue:
  """A queue in its own process."""

  def __init__(self, directory, code=_WAIT_FOR_GO):
    self.directory = directory
    self._log = open(directory / f"queue-{time.monotonic_ns()}.txt", "w+")  # noqa: SIM115
    self.process = subprocess.Popen(
      [sys.executable, "-c", _QUEUE.format(code=code), str(directory)],
      cwd=_ROOT,
      stdout=self._log,
      stderr=subprocess.STDOUT,
    )

  def pids(self):
    """Those of the second run and its child, once they are there."""
    path = self.directory / "b" / "pids"
    assert wait_for(lambda: path.exists() and len(path.read_text().split()) == 2)
    return [int(pid) for pid in path.read_text().split()]

  def end(self):
    status = self.process.wait(60)
    self._log.seek(0)
    return status, self._log.read()


class TestInterruption:
  @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
  def test_a_signal_ends_the_processes_and_a_second_start_goes_on(self, runs, number):
    queue = Queue(runs.directory)
    pids = queue.pids()
    queue.process.send_signal(number)
    status, log = queue.end()
    assert status != 0
    assert "2 of 3 runs have not ended. The same command continues." in log
    assert wait_for(lambda: not any(map(is_alive, pids)))
    assert runs.starts() == ["a", "b"]
    (runs.directory / "b" / "alone").unlink()
    (runs.directory / "go").touch()
    status, log = Queue(runs.directory).end()
    assert (status, log) == (0, "all done\n")
    assert runs.starts() == ["a", "b", "b", "c"]

  def test_what_a_killed_queue_left_running_is_waited_for(self, runs):
    first = Queue(runs.directory)
    left, _ = first.pids()
    first.process.kill()
    first.end()
    assert is_alive(left)
    second = Queue(runs.directory)
    # The third is free, so the second queue has looked at the second run by then.
    assert wait_for(lambda: runs.starts() == ["a", "b", "c"])
    assert is_alive(left)
    (runs.directory / "go").touch()
    status, log = second.end()
    assert status == 0
    assert "b is running in another process: waiting for that\n" in log
    assert runs.starts() == ["a", "b", "c", "b"]

  def test_two_queues_share_the_work(self, runs):
    code = _WAIT_FOR_GO.replace("/go", "/c/result")
    queues = [Queue(runs.directory, code), Queue(runs.directory, code)]
    assert [queue.end()[0] for queue in queues] == [0, 0]
    assert sorted(runs.starts()) == ["a", "b", "c"]


class TestCommandsOf:
  def test_they_are_quoted_and_nothing_is_run(self, runs):
    run = runs.make("a", "", ["--text=it's $HOME", "--n=1"])
    (line,) = run_queue.commands_of([run])
    assert runs.starts() == []
    assert shlex.split(line) == [*run.program, *run.arguments]

  def test_what_they_leave_counts(self, runs):
    both = [runs.make("a", "", ["--x= "]), runs.make("b")]
    first, _ = run_queue.commands_of(both)
    subprocess.run(["sh", "-c", first], check=True)
    assert [state_of(run) for run in both] == [FINISHED, OPEN]
    assert list(run_queue.commands_of(both)) == [both[1].command]
    run_queue.run_all(both).check()
    assert runs.starts() == ["a", "b"]

  def test_the_result_of_a_failed_start_does_not_count(self, runs):
    run = runs.make("a", "open(folder + '/result', 'w'); sys.exit(1)")
    run_queue.run_all([run])
    assert len(list(run_queue.commands_of([run]))) == 1
    assert state_of(run) == OPEN

  def test_one_with_a_scheduler_is_told(self, runs, qsub):
    run = runs.make("a")
    qsub.hold()
    run_queue.run_all([run], Options(submit=qsub.command, wait=False))
    with pytest.raises(ValueError, match="a is with a scheduler: wait for it, or give"):
      list(run_queue.commands_of([run]))
    assert list(run_queue.commands_of([run], forget_jobs=True)) == [run.command]


class Qsub:
  """A scheduler of a few lines: starts the script in the background."""

  def __init__(self, directory):
    self._directory = directory
    self.script = directory / "qsub"
    self.calls = directory / "calls.txt"
    self._write('"$script" &')

  @property
  def command(self):
    return f"{shlex.quote(str(self.script))} -q 'big gpu'"

  def hold(self):
    """From here on jobs stay in the queue."""
    self._write(":")

  def refuse(self):
    self._write("echo no such queue; exit 4")

  def submitted(self):
    """The arguments of each call."""
    if not self.calls.exists():
      return []
    return [line.split("|") for line in self.calls.read_text().splitlines()]

  def _write(self, action):
    calls = shlex.quote(str(self.calls))
    self.script.write_text(
      "#!/bin/sh\n"
      "for script; do :; done\n"
      f'(IFS="|"; echo "$*") >> {calls}\n'
      f"{action}\n"
      f'echo "Your job $(wc -l < {calls})"\necho "is submitted"\n'
    )
    self.script.chmod(0o755)


@pytest.fixture
def qsub(tmp_path):
  folder = tmp_path / "scheduler's"
  folder.mkdir()
  return Qsub(folder)


class TestScheduler:
  def options(self, qsub, **values):
    return Options(submit=qsub.command, poll_seconds=0.05, **values)

  def test_each_run_becomes_a_job_and_all_are_waited_for(self, runs, qsub, info_lines):
    both = [
      runs.make(name, "time.sleep(0.2); print('it is', sys.argv[1])", ["$HOME 'x'"])
      for name in ("a", "b's $x")
    ]
    outcome = run_queue.run_all(both, self.options(qsub))
    assert set(outcome.finished) == set(both)
    scripts = [os.path.join(run.directory, "job.sh") for run in both]
    assert qsub.submitted() == [["-q", "big gpu", script] for script in scripts]
    assert runs.log("b's $x") == "it is $HOME 'x'\n"
    assert "a: Your job 1 is submitted" in info_lines()

  def test_those_that_failed_are_named(self, runs, qsub):
    bad = runs.make("bad", "sys.exit('no such file')")
    good = runs.make("good")
    outcome = run_queue.run_all([bad, good], self.options(qsub))
    assert outcome.failed == {bad: "status 1 (no such file)"}
    assert outcome.finished == [good]

  def test_a_later_start_submits_those_that_failed_again(self, runs, qsub, info_lines):
    both = [runs.make("bad", "sys.exit(1)"), runs.make("good")]
    run_queue.run_all(both, self.options(qsub))
    run_queue.run_all(both, self.options(qsub))
    assert sorted(runs.starts()) == ["bad", "bad", "good"]

  def test_without_waiting_it_returns_and_a_later_start_takes_up(self, runs, qsub):
    code = "\nwhile not os.path.exists(folder + '/../go'): time.sleep(0.02)\n"
    run = runs.make("a", code)
    options = self.options(qsub, wait=False)
    assert run_queue.run_all([run], options).under_way == [run]
    assert state_of(run) == SUBMITTED
    assert run_queue.run_all([run], options).under_way == [run]
    (runs.directory / "go").touch()
    assert run_queue.run_all([run], self.options(qsub)).finished == [run]
    assert len(qsub.submitted()) == 1
    assert runs.starts() == ["a"]

  def test_a_job_that_failed_meanwhile_is_told_and_submitted_again(
    self, runs, qsub, info_lines
  ):
    run = runs.make("a", "sys.exit('no memory')")
    options = self.options(qsub, wait=False)
    run_queue.run_all([run], options)
    status = runs.directory / "a" / "status.txt"
    assert wait_for(status.exists)
    run_queue.run_all([run], options)
    assert len(qsub.submitted()) == 2
    line = "a failed and is started again: status 1 (no memory)"
    assert line in info_lines()
    assert wait_for(status.exists)

  def test_a_refusal_ends_the_command_and_leaves_the_run_open(self, runs, qsub):
    qsub.refuse()
    run = runs.make("a")
    with pytest.raises(ValueError, match="ended with status 4: no such queue"):
      run_queue.run_all([run], self.options(qsub))
    assert state_of(run) == OPEN

  def test_a_command_that_is_not_there_is_told(self, runs):
    run = runs.make("a")
    with pytest.raises(ValueError, match="--submit: /none/qsub: No such file"):
      run_queue.run_all([run], Options(submit="/none/qsub -x"))
    assert state_of(run) == OPEN

  def test_an_empty_command_is_told(self, runs):
    with pytest.raises(ValueError, match="--submit is empty; write a command such as"):
      run_queue.run_all([runs.make("a")], Options(submit=" "))

  def test_a_lost_job_is_submitted_again_when_told(self, runs, qsub):
    run = runs.make("a")
    qsub.hold()
    for forget_jobs in (False, False, True):
      options = self.options(qsub, wait=False, forget_jobs=forget_jobs)
      run_queue.run_all([run], options)
    assert len(qsub.submitted()) == 2

  def test_runs_with_a_scheduler_are_not_run_here_besides(self, runs, qsub):
    run = runs.make("a")
    qsub.hold()
    run_queue.run_all([run], self.options(qsub, wait=False))
    with pytest.raises(ValueError, match="a is with a scheduler: give --submit to"):
      run_queue.run_all([run])
    assert runs.starts() == []
    assert run_queue.run_all([run], Options(forget_jobs=True)).finished == [run]

  def test_what_is_finished_here_is_not_submitted(self, runs, qsub):
    run = runs.make("a")
    run_queue.run_all([run])
    run_queue.run_all([run], self.options(qsub))
    assert qsub.submitted() == []

  def test_a_signal_to_a_job_leaves_a_status(self, runs, qsub):
    run = runs.make("a", "open(folder + '/here', 'w'); time.sleep(60)")
    qsub.hold()
    run_queue.run_all([run], self.options(qsub, wait=False))
    job = subprocess.Popen([f"{run.directory}/job.sh"], start_new_session=True)
    assert wait_for((runs.directory / "a" / "here").exists)
    os.killpg(job.pid, signal.SIGTERM)
    job.wait(30)
    assert (runs.directory / "a" / "status.txt").read_text() == "143\n"

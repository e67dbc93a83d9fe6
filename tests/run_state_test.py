"""Files of a run's directory: the end of a log, and who may write it."""

import os
import subprocess
import sys

import pytest

from bert_ja import run_state
from bert_ja.run_state import Run


@pytest.fixture
def run(tmp_path):
  folder = tmp_path / "a"
  folder.mkdir()
  return Run("a", ("p",), ("--x=1",), str(folder), str(folder / "result"))


def log_of(run, data):
  with open(os.path.join(run.directory, "log.txt"), "wb") as writer:
    writer.write(data)


class TestFinish:
  @pytest.mark.parametrize(
    ("log", "failure"),
    [
      (b"one\ntwo \n\n \n", "status 2 (two)"),
      (b"one\r two%\r\r\n", "status 2 (two%)"),
      (b"x" * 20_000, f"status 2 ({'x' * 300})"),
      ("誤り\n".encode() * 5000, "status 2 (誤り)"),
      (b"", "status 2"),
      (b"\xff\xfe", "status 2 (\ufffd\ufffd)"),
    ],
  )
  def test_a_failure_tells_the_end_of_the_log(self, run, log, failure):
    log_of(run, log)
    assert run_state.finish(run, 2) == failure

  def test_a_failure_may_have_no_log(self, run):
    assert run_state.finish(run, -15) == "ended by signal 15"

  def test_success_needs_the_result(self, run):
    assert run_state.finish(run, 0) == f"left no {run.result_file}"
    assert run_state.state_of(run) == run_state.OPEN
    open(run.result_file, "w").close()
    assert run_state.finish(run, 0) is None
    assert run_state.state_of(run) == run_state.FINISHED


class TestClaim:
  def test_one_process_has_a_run_in_hand(self, run):
    log = run_state.claim(run)
    assert run_state.claim(run) is None
    log.close()
    run_state.claim(run).close()

  def test_a_child_that_writes_the_log_holds_it(self, run):
    with run_state.claim(run) as log:
      child = subprocess.Popen(
        [sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, stdout=log
      )
    assert run_state.claim(run) is None
    child.communicate(b"\n", timeout=60)
    run_state.claim(run).close()


class TestRun:
  def test_the_command_is_quoted(self):
    run = Run("a", ("my python",), ("--x=$HOME",), "d", "r")
    assert run.command == "'my python' '--x=$HOME'"

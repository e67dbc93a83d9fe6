"""Ordered work by several processes."""

import contextlib
import itertools
import operator
import os
import signal
import subprocess
import sys
import textwrap
import time
import types

import pytest

from bert_ja.data import parallel

needs_proc = pytest.mark.skipif(
  not os.path.exists("/proc/self"), reason="asks /proc for process ids"
)


@pytest.fixture
def each_item_takes_a_second(monkeypatch):
  ticks = itertools.count()
  clock = types.SimpleNamespace(monotonic=lambda: next(ticks))
  monkeypatch.setattr(parallel, "time", clock)


def process_ids(count, patience):
  """The processes that do the items."""
  items = ["/proc/self"] * count
  found = parallel.ordered_map(operator.call, os.readlink, items, 2, patience)
  return [int(pid) for pid in found]


class TestOrderedMap:
  @pytest.mark.parametrize("workers", [1, 2])
  def test_results_come_in_the_order_of_the_items(self, workers):
    items = list(range(1000, 400, -1))
    found = parallel.ordered_map(operator.add, 5, items, workers=workers, patience=0)
    assert list(found) == [item + 5 for item in items]

  @needs_proc
  def test_without_patience_all_work_is_done_by_others(self):
    assert os.getpid() not in process_ids(8, patience=0)

  @needs_proc
  def test_long_work_is_handed_over_where_it_stands(self, each_item_takes_a_second):
    # Two seconds are over, six are to come.
    here = [pid == os.getpid() for pid in process_ids(8, patience=2)]
    assert here == [True] * 2 + [False] * 6

  @needs_proc
  def test_a_short_rest_is_done_here(self, each_item_takes_a_second):
    assert process_ids(5, patience=2) == [os.getpid()] * 5

  def test_no_items_start_no_workers(self):
    assert list(parallel.ordered_map(operator.add, 5, [], workers=2, patience=0)) == []

  def test_an_error_of_the_function_is_raised_here(self):
    with pytest.raises(ZeroDivisionError):
      list(parallel.ordered_map(operator.truediv, 1, [1, 0], workers=2, patience=0))

  def test_results_come_as_chunks_of_the_size_asked_for_are_done(self):
    """A chunk fails as a whole."""
    items, common = [1, 0] * 8, {"workers": 2, "patience": 0}
    by_one = parallel.ordered_map(operator.truediv, 1, items, chunk_size=1, **common)
    assert next(by_one) == 1
    by_two = parallel.ordered_map(operator.truediv, 1, items, chunk_size=2, **common)
    for results in (by_one, by_two):
      with pytest.raises(ZeroDivisionError):
        next(results)

  def test_what_cannot_be_pickled_is_done_here(self):
    found = parallel.ordered_map(lambda a, b: a * b, 3, [1, 2], workers=2, patience=0)
    assert list(found) == [3, 6]

  def test_a_worker_that_was_ended_is_an_error(self):
    with pytest.raises(ChildProcessError, match="ended from outside; was memory short"):
      list(parallel.ordered_map(operator.call, os._exit, [3, 3], workers=2, patience=0))

  def test_a_script_without_a_main_guard_is_not_run_again(self, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
      textwrap.dedent("""
        import operator
        from bert_ja.data import parallel
        print("started")
        print(sum(parallel.ordered_map(operator.mul, 2, [1, 2, 3], workers=2, patience=0)))
        class Mine:
          def __add__(self, other):
            return 7
        print(list(parallel.ordered_map(operator.add, Mine(), [1, 2], workers=2, patience=0)))
      """)
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
      [sys.executable, str(script)],
      env=environment,
      capture_output=True,
      text=True,
      timeout=60,
      check=False,
    )
    assert done.stdout.split("\n") == ["started", "12", "[7, 7]", ""], done.stderr


SLOW = """
import operator, signal, sys, time
# A job in the background of a shell is started with interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from bert_ja.data import parallel
from bert_ja.flags import command_line
def main(_):
  print("started", flush=True)
  seconds = [0, *[100] * 6]
  slow = parallel.ordered_map(operator.call, time.sleep, seconds, 2, 0, chunk_size=1)
  for done in slow:
    print("first", flush=True)
    if "--fail" in sys.argv:
      raise ValueError("the disk is full")
command_line.run(main, ["script"])
"""


class TestEnds:
  """Of a program whose workers have minutes to go."""

  def start(self, *arguments):
    return subprocess.Popen(
      [sys.executable, "-c", SLOW, *arguments],
      env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
      start_new_session=True,
    )

  def finish(self, process):
    """(status, standard error) when all processes of the program have ended."""
    try:
      _, errors = process.communicate(timeout=30)
      until = time.monotonic() + 30
      while time.monotonic() < until:
        os.killpg(process.pid, 0)
        time.sleep(0.1)
      raise AssertionError("processes are left")
    except ProcessLookupError:
      return process.returncode, errors
    finally:
      with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)

  @pytest.mark.parametrize(
    ("line", "seconds"),
    [("started", 0.02), ("started", 0.1), ("started", 0.3), ("first", 0.1)],
  )
  def test_an_interrupt_of_all_ends_all_with_one_line(self, line, seconds):
    process = self.start()
    while process.stdout.readline() != f"{line}\n":
      assert process.poll() is None
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    assert self.finish(process) == (130, "-c: interrupted\n")

  def test_an_error_here_ends_the_others(self):
    assert self.finish(self.start("--fail")) == (1, "-c: the disk is full\n")

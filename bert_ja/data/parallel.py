"""Work on many small items by all cores, results in order."""

import collections
import concurrent.futures
import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

_LARGEST_CHUNK = 256

# The (function, shared) of a worker process; each is started for one pair.
_work = None


def usable_cores() -> int:
  """Cores that this process may run on."""
  if hasattr(os, "sched_getaffinity"):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def ordered_map(
  function: Callable[[Any, Any], Any],
  shared: Any,
  items: Sequence[Any],
  workers: int | None = None,
  patience: float = 1.0,
  chunk_size: int | None = None,
) -> Iterator[Any]:
  """Yields `function(shared, item)` for each item, in the order of the items.

  This process begins. After `patience` seconds it hands the rest to others, if at this
  speed the rest would take more than twice as long again: processes take about a
  second to start and to fill their caches, in which a fast function does much.

  Where the iterator is closed before its end, as by an error or an interrupt of this
  process, the others end at once, in the middle of their items.

  Args:
    function: defined at the top of a module.
    shared: sent to each worker once, for example a tokenizer and its settings.
    items: what each call gets besides.
    workers: processes; all usable cores by default. One worker is this process, and
      so it is where function and shared cannot be sent: not picklable, or defined in
      the running script or notebook.
    patience: seconds.
    chunk_size: items that a worker takes at a time; by default so many that it comes
      back a few times. Give 1 for items that take long.

  Raises:
    ChildProcessError: a worker was ended from outside.
    Exception: what the function raised.
  """
  workers = usable_cores() if workers is None else workers
  spent = done = 0
  while done < len(items):
    if workers > 1 and spent >= patience:
      if spent / max(done, 1) * (len(items) - done) >= 2 * patience:
        work = _pickled((function, shared))
        if work is not None:
          yield from _by_workers(work, items[done:], workers, chunk_size)
          return
      workers = 1
    start = time.monotonic()
    result = function(shared, items[done])
    spent, done = spent + time.monotonic() - start, done + 1
    yield result


def _by_workers(work, items, workers, chunk_size):
  size = chunk_size or max(1, min(_LARGEST_CHUNK, len(items) // (workers * 4)))
  # Not fork: TensorFlow's threads do not survive it.
  context = multiprocessing.get_context("spawn")
  # Workers end when this process closes its end, or is no more.
  end, line = context.Pipe(duplex=False)
  executor = concurrent.futures.ProcessPoolExecutor(
    workers, context, _start_worker, (work, end)
  )
  try:
    with _main_module_hidden(), _interrupts_held_back():
      chunks = collections.deque(
        executor.submit(_run_chunk, items[start : start + size])
        for start in range(0, len(items), size)
      )
    while chunks:
      yield from chunks.popleft().result()
  except BaseException as error:
    line.close()
    if isinstance(error, BrokenProcessPool):
      raise ChildProcessError(
        "a worker process was ended from outside; was memory short?"
      ) from None
    raise
  finally:
    executor.shutdown(cancel_futures=True)
    line.close()
    end.close()


def _pickled(work):
  """Bytes for the workers, or None if they could not read them."""
  try:
    data = pickle.dumps(work)
  except (pickle.PicklingError, AttributeError, TypeError):
    return None
  return None if b"__main__" in data else data


@contextlib.contextmanager
def _main_module_hidden():
  """Keeps new processes from running the main script again.

  They need nothing of it, it may import TensorFlow (seconds for each worker), and one
  without `if __name__ == "__main__"` would start over.
  """
  main = sys.modules["__main__"]
  sys.modules["__main__"] = types.ModuleType("__main__")
  try:
    yield
  finally:
    sys.modules["__main__"] = main


@contextlib.contextmanager
def _interrupts_held_back():
  """Lets processes start that no interrupt reaches; this one gets it afterwards.

  An interrupt goes to the whole group of processes, and this one alone answers it. A
  worker that ignored it would be too late: its imports take a moment.
  """
  if not hasattr(signal, "pthread_sigmask"):
    yield
    return
  before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
  try:
    yield
  finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(work, end):
  global _work
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  threading.Thread(target=_end_with, args=(end,), daemon=True).start()
  _work = pickle.loads(work)


def _end_with(end):
  with contextlib.suppress(EOFError):
    end.recv()
  os._exit(1)


def _run_chunk(items):
  function, shared = _work
  return [function(shared, item) for item in items]

"""A request to stop that waits for a good moment."""

import signal
import threading

from absl import logging


class StopRequest:
  """Holds back SIGINT and SIGTERM while a block runs; a second SIGINT interrupts.

  with StopRequest() as stop:
    while work and not stop.requested:
      ...
    stop.leave_if_requested("saved at step 12")
  """

  def __init__(self):
    self._signal = None
    self._previous = {}

  def __enter__(self) -> "StopRequest":
    # Python delivers signals to the main thread alone, and only it may ask for them.
    if threading.current_thread() is threading.main_thread():
      for number in (signal.SIGINT, signal.SIGTERM):
        self._previous[number] = signal.signal(number, self._receive)
    return self

  def __exit__(self, *unused) -> None:
    for number, handler in self._previous.items():
      signal.signal(number, handler)

  @property
  def requested(self) -> bool:
    return self._signal is not None

  def leave_if_requested(self, message: str) -> None:
    """Ends the program as the signal would have, with `message` in the log.

    Raises:
      KeyboardInterrupt: after SIGINT, so that a notebook keeps its process.
      SystemExit: after SIGTERM, with status 143.
    """
    if self._signal is None:
      return
    logging.info("%s", message)
    if self._signal == signal.SIGINT:
      raise KeyboardInterrupt(message)
    raise SystemExit(128 + self._signal)

  def _receive(self, number, frame):
    if self._signal is not None:
      signal.signal(signal.SIGINT, self._previous[signal.SIGINT])
      raise KeyboardInterrupt
    self._signal = number
    logging.info("Stopping after this step (signal %d); again to stop at once.", number)

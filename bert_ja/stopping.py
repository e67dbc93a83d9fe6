"""A request to stop that waits for a good moment."""

import signal
import threading

from absl import logging


class StopRequest:
  """Holds back SIGINT and SIGTERM while a block runs; a second SIGINT interrupts.

  with StopRequest() as stop:
    while work and not stop.requested:
      ...
    if stop.requested:
      stop.leave("saved at step 12")
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

  def leave(self, message: str) -> None:
    """Ends the program as the signal would have, and tells `message`.

    Raises:
      KeyboardInterrupt: after SIGINT, so that a notebook keeps its process.
      SystemExit: else, with status 143 (SIGTERM), also where another worker got it.
    """
    if self._signal == signal.SIGINT:
      raise KeyboardInterrupt(message)
    logging.info("%s", message)
    raise SystemExit(128 + signal.SIGTERM)

  def _receive(self, number, frame):
    if self._signal is not None:
      signal.signal(signal.SIGINT, self._previous[signal.SIGINT])
      raise KeyboardInterrupt
    self._signal = number
    logging.info("Stopping after this step (signal %d); again to stop at once.", number)

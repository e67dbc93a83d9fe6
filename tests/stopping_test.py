"""Signals that wait: held back, reported, and given back."""

import signal
import threading

import pytest

from bert_ja import stopping


@pytest.fixture
def handlers():
  """Signals that nothing held back: a list; the old handlers come back afterwards."""
  arrived = []
  previous = {
    number: signal.signal(number, lambda number, frame: arrived.append(number))
    for number in (signal.SIGINT, signal.SIGTERM)
  }
  yield arrived
  for number, handler in previous.items():
    signal.signal(number, handler)


both = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.mark.usefixtures("handlers")
class TestStopRequest:
  def test_nothing_is_requested_at_first(self):
    with stopping.StopRequest() as stop:
      assert not stop.requested

  @both
  def test_a_signal_is_held_back_and_reported(self, handlers, number):
    with stopping.StopRequest() as stop:
      signal.raise_signal(number)
      assert stop.requested
    assert stop.requested
    assert handlers == []

  @pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
  def test_a_second_sigint_interrupts(self, first):
    with stopping.StopRequest() as stop, pytest.raises(KeyboardInterrupt):
      signal.raise_signal(first)
      signal.raise_signal(signal.SIGINT)
    assert stop.requested

  def test_a_third_sigint_comes_to_the_old_handler(self, handlers):
    with stopping.StopRequest():
      signal.raise_signal(signal.SIGINT)
      with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
      signal.raise_signal(signal.SIGINT)
    assert handlers == [signal.SIGINT]

  @both
  def test_the_old_handlers_come_back(self, handlers, number):
    before = signal.getsignal(number)
    with stopping.StopRequest():
      assert signal.getsignal(number) != before
    assert signal.getsignal(number) is before
    signal.raise_signal(number)
    assert handlers == [number]

  @both
  def test_the_old_handlers_come_back_after_an_error(self, number):
    before = signal.getsignal(number)
    with pytest.raises(ZeroDivisionError), stopping.StopRequest():
      raise ZeroDivisionError
    assert signal.getsignal(number) is before

  def test_leaving_after_sigint_interrupts_with_the_message(self):
    with stopping.StopRequest() as stop:
      signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="saved at step 12"):
      stop.leave("saved at step 12")

  def test_leaving_after_sigterm_exits_with_its_status(self):
    with stopping.StopRequest() as stop:
      signal.raise_signal(signal.SIGTERM)
    with pytest.raises(SystemExit) as error:
      stop.leave("saved at step 12")
    assert error.value.code == 143

  def test_leaving_because_another_worker_was_asked_exits_as_after_sigterm(self):
    with stopping.StopRequest() as stop:
      pass
    with pytest.raises(SystemExit) as error:
      stop.leave("saved at step 12")
    assert error.value.code == 143

  def test_off_the_main_thread_no_signal_is_touched(self):
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work():
      with stopping.StopRequest() as stop:
        seen.append((stop.requested, signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, True)]

"""When the loop stops between updates."""

import fractions

import pytest

from bert_ja import training_loop


def steps_until(last, period, start=0):
  found = [start]
  while found[-1] < last:
    found.append(training_loop.next_due(found[-1], period))
  return found[1:]


class TestNextDue:
  @pytest.mark.parametrize(
    ("period", "steps"),
    [
      (1, [1, 2, 3, 4, 5]),
      (3, [3, 6, 9]),
      (4.5, [4, 9, 14, 18]),
      (7 / 3, [2, 5, 7, 9, 12]),
      (1.0001, [1, 2, 3]),
    ],
  )
  def test_steps(self, period, steps):
    assert steps_until(steps[-1], period) == steps

  def test_a_hundred_epochs_are_a_hundred_evaluations(self):
    # 3,668 rows in batches of 32.
    period = fractions.Fraction(3668, 32)
    steps = steps_until(11462, 3668 / 32)
    assert len(steps) == 100
    assert all(abs(step - k * period) <= 0.5 for k, step in enumerate(steps, 1))

  @pytest.mark.parametrize("period", [1.2, 2.5, 4.5, 40 / 7])
  def test_they_do_not_depend_on_where_a_run_began(self, period):
    steps = steps_until(200, period)
    for start in range(200):
      later = [step for step in steps if step > start]
      assert steps_until(steps[-1], period, start) == later

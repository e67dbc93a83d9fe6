"""Measurements of a run: rows, what is best, and what an earlier part left."""

import glob
import math

import numpy as np
import pytest
import tensorflow as tf
from absl import logging

from bert_ja import figures, history, learning_curve
from bert_ja.run_config import RunConfig

EPOCH = 40  # steps


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
  monkeypatch.setattr(figures, "learning_curve", lambda history, metrics: None)


@pytest.fixture
def make(tmp_path):
  """Function: settings -> History in the test's directory."""

  def make(step=0, is_chief=True, **settings):
    config = RunConfig(model_dir=str(tmp_path / "out"), **settings)
    return history.History(config, is_chief, step, EPOCH)

  return make


def train(run, start, *blocks):
  """Adds blocks of (updates, seconds); update n has loss n and rate n / 1000."""
  for count, seconds in blocks:
    numbers = np.arange(start + 1, start + count + 1, dtype=np.float32)
    run.add_training(start, {"loss": numbers, "rate": numbers / 1000}, seconds)
    start += count


def evaluate(run, *values, start=0, metric="eval_accuracy"):
  """Adds an evaluation every 10 steps; for each, whether it is the best so far."""
  return [
    run.add_evaluation(start + 10 * number, {metric: value}, 0.5, 6)
    for number, value in enumerate(values, 1)
  ]


def read_events(directory):
  """{(tag, step): value} of a directory's event file."""
  (path,) = glob.glob(f"{directory}/events.out.tfevents.*")
  return {
    (value.tag, event.step): float(tf.make_ndarray(value.tensor))
    for event in tf.compat.v1.train.summary_iterator(path)
    for value in event.summary.value
  }


class TestPhases:
  def test_only_evaluations_of_the_same_phase_are_compared(self, make):
    first = make(curve_values={"max_seq_length": 16}, early_stopping_patience=2)
    assert evaluate(first, 0.8, 0.5, 0.6) == [True, False, False]
    assert first.stops_early()
    first.close()
    second = make(
      step=30, curve_values={"max_seq_length": 24}, early_stopping_patience=2
    )
    assert not second.stops_early()
    assert evaluate(second, 0.3, 0.4, 0.2, start=30) == [True, True, False]
    assert [row["max_seq_length"] for row in second.rows] == [16] * 3 + [24] * 3


class TestTrainingRows:
  def test_a_row_is_the_mean_of_a_hundred_updates(self, make):
    run = make()
    train(run, 0, (70, 1.0), (70, 1.0), (70, 1.0))
    assert [(row["step"], row["split"]) for row in run.rows] == [
      (100, "train"),
      (200, "train"),
    ]
    assert [row["loss"] for row in run.rows] == [50.5, 150.5]
    assert [row["epoch"] for row in run.rows] == [2.5, 5.0]

  def test_its_rate_is_that_of_its_last_update(self, make):
    run = make()
    train(run, 0, (130, 1.0))
    assert run.rows[0]["learning_rate"] == pytest.approx(0.1)

  def test_its_speed_is_that_of_its_updates(self, make):
    run = make()
    train(run, 0, (70, 7.0), (60, 12.0))
    # 70 updates of 0.1 s and 30 of 0.2 s.
    assert run.rows[0]["steps_per_second"] == pytest.approx(100 / (7.0 + 6.0))

  def test_the_end_leaves_a_shorter_row(self, make):
    run = make()
    train(run, 0, (104, 1.0))
    run.close()
    assert [row["step"] for row in run.rows] == [100, 104]
    assert run.rows[1]["loss"] == 102.5
    assert run.rows[1]["learning_rate"] == pytest.approx(0.104)

  def test_the_end_at_a_full_row_leaves_no_other(self, make):
    run = make()
    train(run, 0, (100, 1.0))
    run.close()
    assert [row["step"] for row in run.rows] == [100]

  def test_a_continued_part_begins_its_row_where_it_starts(self, make):
    run = make(step=150)
    train(run, 150, (50, 1.0))
    assert [(row["step"], row["loss"]) for row in run.rows] == [(200, 175.5)]


class TestEvaluations:
  def test_a_row_holds_metrics_and_speed(self, make):
    run = make(best_metric="eval_f1")
    run.add_evaluation(20, {"eval_f1": 0.25, "global_step": 20}, 0.5, 6)
    (row,) = run.rows
    assert row.pop("peak_memory_gb") > 0.01
    assert row == {
      "step": 20,
      "epoch": 0.5,
      "split": "eval",
      "eval_f1": 0.25,
      "seconds": 0.5,
      "examples_per_second": 12.0,
    }

  def test_the_best_is_better_than_all_before(self, make):
    best = evaluate(make(), 0.5, 0.7, 0.7, 0.6, 0.8)
    assert best == [True, True, False, False, True]

  @pytest.mark.parametrize("metric", ["eval_loss", "eval_mean_squared_error"])
  def test_a_loss_or_error_is_better_when_smaller(self, make, metric):
    run = make(best_metric=metric)
    best = evaluate(run, 0.5, 0.7, 0.4, 0.4, 0.3, metric=metric)
    assert best == [True, False, True, False, True]

  def test_a_metric_without_a_value_is_not_the_best(self, make):
    assert evaluate(make(), 0.5, math.nan, 0.6) == [True, False, True]

  def test_a_metric_that_got_a_value_is_the_best(self, make):
    assert evaluate(make(), math.nan, 0.1)[1]

  def test_training_rows_do_not_compete(self, make):
    run = make(best_metric="loss")
    train(run, 0, (100, 1.0))
    assert evaluate(run, 90.0, start=100, metric="loss") == [True]

  def test_an_unknown_metric_is_told_with_those_there_are(self, make):
    run = make(best_metric="eval_f2")
    message = "--best_metric=eval_f2 is not among the metrics: eval_f1, eval_loss"
    with pytest.raises(ValueError, match=message):
      run.add_evaluation(10, {"eval_loss": 1.0, "eval_f1": 0.5}, 1.0, 6)

  def test_it_is_logged(self, make, caplog):
    before = logging.get_verbosity()
    logging.set_verbosity(logging.INFO)
    evaluate(make(), 0.75, 0.5)
    logging.set_verbosity(before)
    assert [record.getMessage() for record in caplog.records] == [
      "Step 10, epoch 0.25: eval_accuracy = 0.7500, the best so far",
      "Step 20, epoch 0.50: eval_accuracy = 0.5000",
    ]


class TestStopsEarly:
  def test_after_as_many_evaluations_without_a_better_one(self, make):
    run = make(early_stopping_patience=2)
    stops = []
    for step, value in enumerate([0.5, 0.4, 0.6, 0.6, 0.5], 1):
      run.add_evaluation(step, {"eval_accuracy": value}, 1.0, 6)
      stops.append(run.stops_early())
    assert stops == [False, False, False, False, True]

  def test_never_without_patience(self, make):
    run = make(early_stopping_patience=0)
    evaluate(run, 0.5, 0.4, 0.3, 0.2)
    assert not run.stops_early()

  def test_not_before_the_first_evaluation(self, make):
    assert not make(early_stopping_patience=1).stops_early()


class TestContinuedRun:
  def test_rows_come_back_exactly(self, make):
    first = make()
    train(first, 0, (130, 0.7))
    evaluate(first, 1 / 3, np.float32(0.1), start=130)
    first.close()
    assert make(step=150).rows == first.rows

  def test_rows_after_the_restored_step_are_dropped(self, make):
    first = make()
    evaluate(first, 0.5, 0.6, 0.7)
    first.close()
    assert [row["step"] for row in make(step=20).rows] == [10, 20]

  def test_what_was_best_stays_to_be_beaten(self, make):
    first = make()
    evaluate(first, 0.5, 0.7)
    first.close()
    assert evaluate(make(step=20), 0.6, 0.8, start=20) == [False, True]

  def test_what_was_best_after_the_restored_step_is_forgotten(self, make):
    first = make()
    evaluate(first, 0.5, 0.7)
    first.close()
    assert evaluate(make(step=10), 0.6, start=10) == [True]

  def test_patience_goes_on(self, make):
    first = make()
    evaluate(first, 0.5, 0.4)
    first.close()
    second = make(step=20, early_stopping_patience=2)
    assert not second.stops_early()
    evaluate(second, 0.3, start=20)
    assert second.stops_early()

  def test_dropped_rows_leave_the_file(self, make, tmp_path):
    first = make()
    evaluate(first, 0.5, 0.6, 0.7)
    first.close()
    second = make(step=10)
    evaluate(second, 0.9, start=10)
    second.close()
    rows = learning_curve.read(str(tmp_path / "out"))
    assert [(row["step"], row["eval_accuracy"]) for row in rows] == [
      (10, 0.5),
      (20, 0.9),
    ]


class TestFiles:
  def test_writing_in_between_leaves_updates_for_the_next_row(self, make, tmp_path):
    run = make()
    train(run, 0, (60, 1.0))
    run.write()
    assert learning_curve.read(str(tmp_path / "out")) == []
    train(run, 60, (40, 1.0))
    run.write()
    (row,) = learning_curve.read(str(tmp_path / "out"))
    assert (row["step"], row["loss"]) == (100, 50.5)

  def test_event_files_hold_the_rows(self, make, tmp_path):
    """Contract A-174."""
    run = make()
    train(run, 0, (100, 8.0))
    evaluate(run, 0.75, 0.5, start=100)
    run.close()
    events = read_events(tmp_path / "out")
    assert events == pytest.approx(
      {
        ("loss", 100): 50.5,
        ("learning_rate", 100): 0.1,
        ("steps_per_second", 100): 12.5,
      }
    )
    events = read_events(tmp_path / "out" / "eval")
    assert events["eval_accuracy", 110] == 0.75
    assert events["eval_accuracy", 120] == 0.5
    assert events["examples_per_second", 110] == 12.0

  def test_events_can_be_read_while_the_run_goes_on(self, make, tmp_path):
    run = make()
    evaluate(run, 0.75)
    run.write()
    assert read_events(tmp_path / "out" / "eval")["eval_accuracy", 10] == 0.75

  def test_other_processes_than_the_chief_write_nothing(self, make, tmp_path):
    run = make(is_chief=False)
    train(run, 0, (100, 1.0))
    assert evaluate(run, 0.5, 0.4, start=100) == [True, False]
    run.close()
    assert [row["step"] for row in run.rows] == [100, 110, 120]
    assert list((tmp_path / "out").iterdir()) == []

"""Updates of a model, and what happens between them."""

import os
import time

import numpy as np
from absl import logging

from bert_ja import checkpoint, distribution, reporting, train_step
from bert_ja.history import History
from bert_ja.run_config import ModeKeys

# How long one call of the device may take where nothing else sets its length: short
# enough for progress and for a request to stop.
_SECONDS_PER_CALL = 1.0
_STEPS_PER_CALL_OF_WORKERS = 10


class TrainingLoop:
  """From the model's step to `max_steps`; see `Estimator.train`."""

  def __init__(self, estimator, model, input_fn, max_steps, eval_input_fn):
    self._estimator, self._model = estimator, model
    self._config, self._strategy = estimator.config, estimator.strategy
    self._input_fn, self._max_steps = input_fn, max_steps
    self._eval_input_fn = eval_input_fn if self._config.eval_steps else None
    self._batch_size = estimator.batch_sizes[ModeKeys.TRAIN]
    self._history = History(
      self._config, estimator.is_chief, model.step, input_fn.num_rows / self._batch_size
    )
    self._train_step = train_step.TrainStep(
      model.spec.loss_fn,
      model.spec.optimizer,
      model.trained,
      self._strategy,
      train_step.StepOptions(
        self._config.seed,
        self._config.gradient_accumulation_steps,
        self._config.jit_compile,
      ),
    )

  def run(self, stop):
    """Trains until done, stopped early, or asked to stop (a `StopRequest`)."""
    step = self._model.step
    iterator = iter(self._rows_from(step))
    steps_per_call = self._first_steps_per_call()
    with reporting.Progress(
      total=self._max_steps,
      description="train",
      initial=step,
      examples_per_unit=self._batch_size,
      first_is_slow=True,  # it compiles the step
    ) as progress:
      while step < self._max_steps and not self._history.stops_early():
        count = min(steps_per_call, self._steps_to_event(step))
        started = time.monotonic()
        values = self._train_step.run(iterator, count)
        seconds = time.monotonic() - started
        self._check_finite(step, values)
        self._history.add_training(step, values, seconds)
        step += count
        self._model.step = step
        progress.update(
          count, loss=values["loss"][-1], learning_rate=values["rate"][-1]
        )
        self._after_call(step)
        if step < self._max_steps and self._stop_agreed(stop):
          self._history.write()
          self._estimator.save(self._model)
          stop.leave(
            f"Stopped at step {step} of {self._max_steps}; the same command continues."
          )
        steps_per_call = self._next_steps_per_call(steps_per_call, count, seconds)
    if self._history.stops_early():
      logging.info(
        "Stopped early at step %d: no better %s in %d evaluations.",
        step,
        self._config.best_metric,
        self._config.early_stopping_patience,
      )
    self._history.close()
    if stop.requested:
      stop.leave("Training is done; stopped before what follows.")

  def _after_call(self, step):
    last = step == self._max_steps
    if self._eval_input_fn and (last or _is_due(step, self._config.eval_steps)):
      started = time.monotonic()
      metrics, outputs = self._estimator.evaluate_model(
        self._model, self._eval_input_fn
      )
      seconds = time.monotonic() - started
      rows = len(next(iter(outputs.values())))
      if self._history.add_evaluation(step, metrics, seconds, rows):
        self._save_best(step)
    save = last or _is_due(step, self._config.save_checkpoints_steps)
    if save or self._history.stops_early():
      # The history first: a run continued from this checkpoint needs its rows.
      self._history.write()
      self._estimator.save(self._model)

  def _save_best(self, step):
    if self._estimator.is_chief:
      counter = {"global_step": self._model.spec.optimizer.global_step}
      checkpoint.save_step(
        best_dir(self._config.model_dir),
        step,
        {**self._model.variables, **counter},
        keep=1,
      )

  def _rows_from(self, step):
    return self._estimator.dataset(
      self._input_fn, ModeKeys.TRAIN, start_step=step, max_steps=self._max_steps
    )

  def _steps_to_event(self, step):
    periods = [self._config.save_checkpoints_steps]
    if self._eval_input_fn:
      periods.append(self._config.eval_steps)
    return min(self._max_steps, *(next_due(step, period) for period in periods)) - step

  def _first_steps_per_call(self):
    if distribution.is_tpu(self._strategy):
      return self._config.iterations_per_loop
    if distribution.num_workers() > 1:
      # All workers have to make the same calls, whatever their clocks say.
      return min(self._config.iterations_per_loop, _STEPS_PER_CALL_OF_WORKERS)
    return 1

  def _next_steps_per_call(self, current, count, seconds):
    if distribution.is_tpu(self._strategy) or distribution.num_workers() > 1:
      return current
    fitting = max(1, int(count * _SECONDS_PER_CALL / max(seconds, 1e-6)))
    return min(self._config.iterations_per_loop, fitting, 2 * current)

  def _stop_agreed(self, stop):
    if distribution.num_workers() > 1:
      return self._estimator.sum_over_workers(float(stop.requested)) > 0
    return stop.requested

  def _check_finite(self, step, values):
    scaled = self._model.spec.optimizer.loss_scale is not None
    finite = np.isfinite(values["loss"])
    if not scaled:
      # With a loss scale a gradient may overflow: the step is skipped, the scale halved.
      finite &= np.isfinite(values["norm"])
    if finite.all():
      return
    bad = int(np.argmin(finite))
    dataset = self._rows_from(step + bad)
    rows = self._strategy.experimental_local_results(next(iter(dataset))["row_ids"])
    rows = np.concatenate([row.numpy() for row in rows])
    what = "loss" if not np.isfinite(values["loss"][bad]) else "gradient norm"
    raise ValueError(
      f"the {what} is {values['loss' if what == 'loss' else 'norm'][bad]} at step "
      f"{step + bad + 1}, in the batch of training rows "
      f"{', '.join(map(str, rows[:32]))} (counted from 0); lower --learning_rate, and "
      "check that the vocabulary fits the checkpoint"
    )


def next_due(step: int, period: float) -> int:
  """The first step behind `step` that is a multiple of `period`, rounded.

  A period need not be whole: an epoch may have 4.5 steps, and ends at 4, 9, 14, 18. A
  continued run comes to the same steps as an unbroken one, since they hang on no other.

  Args:
    step: updates made.
    period: steps, 1 or more.
  """
  number = int(step / period)
  while round(number * period) <= step:
    number += 1
  return round(number * period)


def _is_due(step, period):
  return next_due(step - 1, period) == step


def best_dir(model_dir: str) -> str:
  """Where the best checkpoint of a run lies."""
  return os.path.join(model_dir, "best")

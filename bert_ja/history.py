"""Measurements of a training run: rows of its curve, event files, what is best."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from bert_ja import learning_curve, reporting, text_io
from bert_ja.metrics import smaller_is_better
from bert_ja.run_config import RunConfig

_ROW_STEPS = 100


class History:
  """Measurements of a run, of its earlier parts too, and what follows from them."""

  def __init__(
    self, config: RunConfig, is_chief: bool, step: int, steps_per_epoch: float
  ):
    """Reads what an earlier part wrote up to `step`.

    Args:
      config: of the run.
      is_chief: whether this process writes files.
      step: updates made.
      steps_per_epoch: training rows / batch size.
    """
    self._config, self._steps_per_epoch = config, steps_per_epoch
    self._is_chief = is_chief
    text_io.makedirs(config.model_dir)
    self.rows = [
      row for row in learning_curve.read(config.model_dir) if row["step"] <= step
    ]
    self._waiting = []
    self._writers = {}

  def add_training(
    self, step: int, values: Mapping[str, np.ndarray], seconds: float
  ) -> None:
    """Takes the values of the updates after `step`; a row every 100 steps."""
    count = len(values["loss"])
    for index in range(count):
      self._waiting.append((values["loss"][index], seconds / count))
      here = step + index + 1
      if here % _ROW_STEPS == 0:
        self._add_training_row(here, values["rate"][index])
    self._last = step + count, values["rate"][-1]

  def _add_training_row(self, step, rate):
    losses, seconds = zip(*self._waiting, strict=True)
    self._waiting = []
    self._add(
      step,
      "train",
      {
        "loss": float(np.mean(losses)),
        "learning_rate": float(rate),
        "steps_per_second": len(losses) / max(sum(seconds), 1e-9),
      },
    )

  def add_evaluation(
    self, step: int, metrics: Mapping[str, Any], seconds: float, num_rows: int
  ) -> bool:
    """Takes an evaluation; whether it is the best so far."""
    name = self._config.best_metric
    if name not in metrics:
      raise ValueError(
        f"--best_metric={name} is not among the metrics: {', '.join(sorted(metrics))}"
      )
    metrics = {key: value for key, value in metrics.items() if key != "global_step"}
    metrics |= {
      "seconds": seconds,
      "examples_per_second": num_rows / seconds,
      "peak_memory_gb": reporting.peak_memory_bytes() / 1e9,
    }
    if self._waiting:
      # Beside each evaluation a training loss, so that the curves can be compared.
      self._add_training_row(*self._last)
    self._add(step, "eval", metrics)
    best = self._evaluations_since_best() == 0
    logging.info(
      "Step %d, epoch %.2f: %s = %.4f%s",
      step,
      step / self._steps_per_epoch,
      name,
      metrics[name],
      ", the best so far" if best else "",
    )
    return best

  def stops_early(self) -> bool:
    patience = self._config.early_stopping_patience
    return bool(patience) and self._evaluations_since_best() >= patience

  def _evaluations_since_best(self):
    name = self._config.best_metric
    same = self._config.curve_values.items()
    values = [
      row[name]
      for row in self.rows
      if row["split"] == "eval" and name in row and same <= row.items()
    ]
    if not values:
      return 0
    if smaller_is_better(name):
      values = [-value for value in values]
    # A metric that is no number is never the best; argmax would take it.
    values = np.where(np.isnan(values), -np.inf, values)
    return len(values) - 1 - int(np.argmax(values))

  def _add(self, step, split, metrics):
    epoch = step / self._steps_per_epoch
    place = {"step": step, "epoch": epoch, "split": split}
    self.rows.append({**place, **self._config.curve_values, **metrics})
    if not self._is_chief:
      return
    if split not in self._writers:
      folder = "eval" if split == "eval" else ""
      self._writers[split] = tf.summary.create_file_writer(
        os.path.join(self._config.model_dir, folder)
      )
    with self._writers[split].as_default(step=step):
      for name, value in metrics.items():
        tf.summary.scalar(name, value)

  def write(self) -> None:
    """Writes the curve's rows and flushes the event files."""
    if not self._is_chief:
      return
    for writer in self._writers.values():
      writer.flush()
    learning_curve.write(self._config.model_dir, self.rows)

  def close(self) -> None:
    """Adds the last, shorter row and writes."""
    if self._waiting:
      self._add_training_row(*self._last)
    self.write()
    for writer in self._writers.values():
      writer.close()

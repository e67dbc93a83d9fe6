"""Flags that change the loss that is trained on; evaluations report the plain one."""

import math
from collections.abc import Sequence
from typing import Any

from absl import flags


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group."""
  flags.DEFINE_list(
    "class_weights",
    None,
    "What a row of each class counts in training: a number for each label, in their "
    "order; or `balanced`, the mean number of rows of a class over the class's own.",
    flag_values,
  )
  flags.DEFINE_float(
    "label_smoothing",
    0.0,
    "Part of each label that is spread over all classes, from 0 to less than 1.",
    0,
    None,
    flag_values,
  )
  flags.DEFINE_float(
    "focal_gamma",
    0.0,
    "Power of focal loss: rows that are known well count less. 0 for none.",
    0,
    None,
    flag_values,
  )


def read(
  kind: Any, train_examples: Sequence[Any], flag_values: flags.FlagValues = flags.FLAGS
) -> Any:
  """The flags as `losses.LossOptions`.

  Args:
    kind: `tasks.kinds.Kind`, which counts classes.
    train_examples: rows that `balanced` weights are of; none without training.
    flag_values: parsed flags.

  Raises:
    ValueError: weights are no numbers, or not as many as labels; or the loss knows no
      such option.
  """
  from bert_ja import losses

  for name in ("class_weights", "label_smoothing", "focal_gamma"):
    if flag_values[name].present and name not in kind.loss_options:
      raise ValueError(f"--{name} means nothing for this task's loss; leave it out")
  given, weights = flag_values.class_weights, None
  if given == ["balanced"]:
    weights = _balanced(kind.class_counts(train_examples)) if train_examples else None
  elif given is not None:
    weights = _numbers(given, kind.label_list)
  return losses.LossOptions(
    weights, flag_values.label_smoothing, flag_values.focal_gamma
  )


def _balanced(counts):
  present = [count for count in counts if count]
  if not present:
    raise ValueError(
      "--class_weights=balanced: no training row has a label; leave it out"
    )
  mean = sum(present) / len(present)
  return tuple(mean / count if count else 0.0 for count in counts)


def _numbers(given, label_list):
  try:
    weights = tuple(map(float, given))
  except ValueError:
    weights = ()
  valid = all(0 <= weight < math.inf for weight in weights)  # NaN is not.
  if not (weights and valid) or len(weights) != len(label_list):
    raise ValueError(
      f"--class_weights={','.join(given)}: expected `balanced`, or {len(label_list)} "
      f"numbers from 0 on, for the labels {', '.join(label_list)}"
    )
  return weights

"""Rows held out of a training set for validation."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np


def held_out_rows(labels: Sequence[Hashable], fraction: float, seed: int) -> np.ndarray:
  """Places of rows to hold out, as many of each label as of all rows.

  Args:
    labels: of R rows.
    fraction: of each label's rows, rounded; at least one row of a label stays.
    seed: of the choice, which nothing else changes.

  Returns:
    int64 places, rising.
  """
  places_of = {}
  for place, label in enumerate(labels):
    places_of.setdefault(label, []).append(place)
  held_out = []
  for index, places in enumerate(places_of.values()):
    count = min(int(len(places) * fraction + 0.5), len(places) - 1)
    order = np.random.default_rng([seed, index]).permutation(len(places))
    held_out.extend(places[place] for place in order[:count])
  return np.sort(np.array(held_out, np.int64))


def split_examples(
  examples: Sequence[Any],
  fraction: float,
  seed: int,
  strata: Sequence[Hashable] | None = None,
) -> tuple[list[Any], list[Any]]:
  """Divides examples by `held_out_rows`.

  Args:
    examples: R rows.
    fraction: of each group's rows.
    seed: of the choice.
    strata: the rows' groups; by default their labels.

  Returns:
    (examples to train on, examples to validate with), both in their order.

  Raises:
    ValueError: there are too few examples to hold one out.
  """
  if strata is None:
    strata = [example.label for example in examples]
  held_out = set(held_out_rows(strata, fraction, seed).tolist())
  if not held_out:
    raise ValueError(
      f"--validation_fraction={fraction:g} of {len(examples)} training examples holds "
      "none out; raise it, or give a dev set"
    )
  parts = [], []
  for place, example in enumerate(examples):
    parts[place in held_out].append(example)
  return parts

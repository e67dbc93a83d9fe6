"""What a row's label is to a model: one class, some of several classes, or a number.

A `Labels` says how the label of an example becomes numbers. C classes, R rows.
"""

import math
from collections.abc import Sequence
from typing import Any

from bert_ja.data import records

_NAMED_LABELS = 20


class Labels:
  """How labels become numbers.

  Attributes:
    names: the C classes; of a number, its one name.
    feature: what a record holds of a label.
    filler: the value where no label is known.
  """

  feature = records.Feature(())
  filler: Any = 0

  def __init__(self, names: Sequence[str]):
    self.names = list(names)
    self._ids = {name: index for index, name in enumerate(self.names)}

  @property
  def key(self) -> Any:
    """Part of a cache's key: all that values depend on."""
    return [type(self).__name__, *self.names]

  def value(self, example: Any) -> Any:
    """The value of an example's label, the filler if it has none.

    Raises:
      ValueError: there is no such label; the message names the example's place.
    """
    label = getattr(example, "label", None)
    return self.filler if label is None else self._value(label, example)

  def values(self, examples: Sequence[Any]) -> list[Any]:
    """`value` of each example."""
    return [self.value(example) for example in examples]

  def _value(self, label, example):
    raise NotImplementedError


class ClassLabels(Labels):
  """One of C classes: its place in the list (contract A-93)."""

  @property
  def key(self) -> list[str]:
    return self.names

  def _value(self, label, example):
    if label not in self._ids:
      raise ValueError(
        f"{place(example)}: label {label!r} is not one of {name_labels(self.names)}"
      )
    return self._ids[label]


class ClassSets(Labels):
  """Any of C classes, a list of names: C numbers, 1.0 for each that is there."""

  def __init__(self, names: Sequence[str]):
    super().__init__(names)
    self.feature = records.Feature((len(self.names),), "float32", "labels_file")
    self.filler = [0.0] * len(self.names)

  def _value(self, label, example):
    value = list(self.filler)
    for name in label:
      if name not in self._ids:
        raise ValueError(
          f"{place(example)}: label {name!r} is not one of {name_labels(self.names)}"
        )
      value[self._ids[name]] = 1.0
    return value


class Numbers(Labels):
  """A number, in any unit."""

  feature = records.Feature((), "float32")
  filler = 0.0

  def _value(self, label, example):
    try:
      number = math.nan if isinstance(label, bool) else float(label)
    except (TypeError, ValueError):
      number = math.nan
    if not math.isfinite(number):
      raise ValueError(f"{place(example)}: expected a number as label, found {label!r}")
    return number


def of(labels: Labels | Sequence[str]) -> Labels:
  """Labels as they are; a list of names is one of classes."""
  return labels if isinstance(labels, Labels) else ClassLabels(labels)


def place(example: Any) -> str:
  """Where an example comes from, for messages."""
  return getattr(example, "source", None) or f"example {example.guid}"


def name_labels(names: Sequence[str]) -> str:
  """The names for a message; of a long list, the first ones and the number."""
  named = ", ".join(map(repr, list(names)[:_NAMED_LABELS]))
  return named if len(names) <= _NAMED_LABELS else f"{named}, ... ({len(names)})"

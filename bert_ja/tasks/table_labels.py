"""The labels of a table: as options name them, or as its rows have them."""

import dataclasses
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from bert_ja import text_io
from bert_ja.data import labels

# Class 1 is the one that `precision`, `recall` and `f1` are of.
NO, YES = "0", "1"


def listed(value: str | Sequence[str] | None) -> list[str] | None:
  """A list from a list or from text with commas; None of nothing."""
  if isinstance(value, str):
    value = [part.strip() for part in value.split(",")]
  return list(value) if value else None


def given(
  names: Sequence[Any] | None, path: str | None, positive: Sequence[str] | None
) -> list[str] | None:
  """The labels in their order, as far as options tell them; None if rows must.

  Args:
    names: of --labels, or of a trained model.
    path: of --labels_file; counts where there are no names.
    positive: those of --positive_labels.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file is empty, a label is there twice, or there are others than
      positive labels make.
  """
  names = [str(name) for name in names or ()]
  if positive:
    others = ", ".join(names) or path
    if others and names != [NO, YES]:
      raise ValueError(
        f"--positive_labels makes the labels {NO} and {YES}, but others are given: "
        f"{others}; leave one of the two out"
      )
    return [NO, YES]
  if names:
    return _without_repeats(names, "--labels")
  return _read(path) if path else None


def ordered(names: Iterable[str]) -> list[str]:
  """In order of numbers if all labels are whole numbers, else of texts."""
  names = list(names)
  if all(re.fullmatch("[+-]?[0-9]+", name) for name in names):
    return sorted(names, key=lambda name: (int(name), name))
  return sorted(names)


def check_positive(positive: Sequence[str], examples: Sequence[Any], path: str) -> None:
  """Checks that each positive label occurs.

  Args:
    positive: names, of --positive_labels.
    examples: the training set, with its own labels.
    path: of the training set, for the message.

  Raises:
    ValueError: one does not occur; the message has the nearest that does.
  """
  known = ordered({example.label for example in examples})
  for name in positive:
    if name not in known:
      near = difflib.get_close_matches(name, known, n=1)
      hint = f"; did you mean {near[0]!r}?" if near else ""
      raise ValueError(
        f"--positive_labels={','.join(positive)}: no row of {path} has label {name!r}"
        f"{hint} (it has: {labels.name_labels(known)}); choose among these, or other rows"
      )


def yes_or_no(examples: Sequence[Any], positive: Sequence[str]) -> list[Any]:
  """The examples with label 1 where theirs is positive, 0 for others that are known."""
  label_of = {None: None} | dict.fromkeys(positive, YES)
  return [
    dataclasses.replace(example, label=label_of.get(example.label, NO))
    for example in examples
  ]


def _read(path):
  names = [line.strip() for line in text_io.read_lines(path)]
  names = [name for name in names if name]
  if not names:
    raise ValueError(f"--labels_file={path} is empty; expected one label a line")
  return _without_repeats(names, f"--labels_file={path}")


def _without_repeats(names, origin):
  for name in names:
    if names.count(name) > 1:
      raise ValueError(f"{origin}: label {name!r} is there twice")
  return names

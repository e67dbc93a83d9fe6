"""Entities in tags B-<type>, I-<type> and O, and their precision, recall and F1.

The numbers are those of the package seqeval. Its default takes an I- that continues
nothing as the start of an entity, as conlleval does; its strict mode (scheme IOB2) takes
no entity that does not start with B-.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# What a tag other than O looks like.
TAG = re.compile("([BI])-(.+)", re.DOTALL)


class Entity(NamedTuple):
  """Words `start` to `end`, exclusive, of one sentence."""

  start: int
  end: int
  type: str


class Score(NamedTuple):
  """Of the entities of one type, or of all; what has no denominator is 0.

  Attributes:
    right: entities that are there and predicted, with the same words and type.
    predicted: those predicted.
    support: those that are there.
  """

  right: int
  predicted: int
  support: int

  @property
  def precision(self) -> float:
    """Part of the predicted ones that is right."""
    return self.right / self.predicted if self.predicted else 0.0

  @property
  def recall(self) -> float:
    """Part of those that are there that was predicted."""
    return self.right / self.support if self.support else 0.0

  @property
  def f1(self) -> float:
    """Harmonic mean of precision and recall."""
    both = self.predicted + self.support
    return 2 * self.right / both if both else 0.0


def _parts(tag):
  """(B, I or O; its type, None of O)."""
  match = None if tag == "O" else TAG.fullmatch(tag)
  return match.groups() if match else ("O", None)


def type_of(tag: str) -> str | None:
  """Type of B-<type> and I-<type>; None of any other tag, which counts as O."""
  return _parts(tag)[1]


def entities(tags: Iterable[str], strict: bool = False) -> list[Entity]:
  """The entities of one sentence, in its order.

  Args:
    tags: of its words; one that is not B-<type> or I-<type> counts as O.
    strict: whether an entity must start with B-.
  """
  found = []
  start, open_type = 0, None
  position = -1
  for position, tag in enumerate(tags):
    prefix, name = _parts(tag)
    if prefix == "I" and name == open_type:
      continue
    if open_type is not None:
      found.append(Entity(start, position, open_type))
    start, open_type = position, None if strict and prefix == "I" else name
  if open_type is not None:
    found.append(Entity(start, position + 1, open_type))
  return found


def score(
  true: Sequence[Iterable[Entity]], predicted: Sequence[Iterable[Entity]]
) -> tuple[Score, dict[str, Score]]:
  """Compares the entities of sentences.

  Args:
    true: entities of each sentence, in words or in characters.
    predicted: entities of the same sentences, counted alike.

  Returns:
    (the score of all entities, {type: score}, sorted, of each type on either side).

  Raises:
    ValueError: not as many sentences.
  """
  if len(true) != len(predicted):
    raise ValueError(f"{len(predicted)} predictions of {len(true)} sentences")
  counts: dict[str, list[int]] = {}
  for rows in zip(true, predicted, strict=True):
    there, guessed = map(set, rows)
    for column, group in enumerate((there & guessed, guessed, there)):
      for entity in group:
        counts.setdefault(entity.type, [0, 0, 0])[column] += 1
  by_type = {name: Score(*counts[name]) for name in sorted(counts)}
  sums = zip((0, 0, 0), *by_type.values(), strict=True)
  return Score(*map(sum, sums)), by_type


def accuracies(
  true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> dict[str, float]:
  """Scores of words and of whole sentences, by their tags.

  Args:
    true: tags of each sentence.
    predicted: as many.

  Returns:
    `token_accuracy`, and `joint_accuracy`, the part of sentences without a wrong tag.
  """
  right = [
    [tag == guess for tag, guess in zip(tags, guesses, strict=True)]
    for tags, guesses in zip(true, predicted, strict=True)
  ]
  return {
    "token_accuracy": sum(map(sum, right)) / max(sum(map(len, right)), 1),
    "joint_accuracy": sum(map(all, right)) / max(len(right), 1),
  }

"""Masks drawn at training time, anew in each epoch (contract A-148 to A-151).

B rows, S positions, P predictions a row. A row's masks depend on (seed, epoch, row)
alone: on no batch, device or place where a run began.
"""

import dataclasses

import numpy as np

_MASKED, _KEPT_OF_REST = 0.8, 0.5  # shares: 80% masked, 10% kept, 10% random
_DRAWS_PER_PREDICTION = 3


@dataclasses.dataclass(frozen=True)
class Masking:
  """How masks are drawn.

  Attributes:
    mask_id: of [MASK].
    vocab_size: random pieces are below it.
    max_predictions: P.
    masked_lm_prob: share of the pieces of a row that are masked.
    whole_words: whether all pieces of a word are masked or none; the share of masked,
      kept and random ones is of pieces also then.
    seed: of the draws.
  """

  mask_id: int
  vocab_size: int
  max_predictions: int
  masked_lm_prob: float = 0.15
  whole_words: bool = False
  seed: int = 0

  def draw(
    self,
    input_ids: np.ndarray,
    input_mask: np.ndarray,
    word_starts: np.ndarray | None,
    row_ids: np.ndarray,
    epochs: np.ndarray,
  ) -> dict[str, np.ndarray]:
    """Masks of a batch.

    Args:
      input_ids: int32 [B, S], without masks; the first piece of a row is [CLS], its
        last one [SEP].
      input_mask: int32 [B, S].
      word_starts: int32 [B, S], 1 for a piece that starts a word; needed for whole
        words.
      row_ids: int64 [B].
      epochs: int64 [B].

    Returns:
      `input_ids` with masks, `masked_lm_positions` and `masked_lm_ids` int32 [B, P],
      `masked_lm_weights` float32 [B, P].
    """
    length, most = input_ids.shape[1], self.max_predictions
    draws = uniform_draws(
      self.seed, row_ids, epochs, length + _DRAWS_PER_PREDICTION * most
    )
    sizes = input_mask.sum(axis=1)
    candidates = _candidates(input_ids, input_mask, sizes)
    starts = candidates
    if self.whole_words:
      # What goes on with a word whose start was cut off is a word, too.
      follows = np.pad(candidates, [(0, 0), (1, 0)])[:, :-1]
      starts = candidates & ((word_starts > 0) | ~follows)
    budget = np.clip(np.rint(sizes * self.masked_lm_prob), 1, most)
    chosen = _choose(candidates, starts, draws[:, :length], budget)
    return self._masked(input_ids, chosen, draws[:, length:])

  def _masked(self, input_ids, chosen, draws):
    most = self.max_predictions
    # Chosen positions first, each group in ascending order.
    positions = np.argsort(~chosen, axis=1, kind="stable")[:, :most]
    positions = np.pad(positions, [(0, 0), (0, most - positions.shape[1])])
    is_real = np.arange(most) < chosen.sum(axis=1)[:, np.newaxis]
    positions = np.where(is_real, positions, 0)
    labels = np.where(is_real, np.take_along_axis(input_ids, positions, axis=1), 0)
    masked, kept, piece = np.split(draws, _DRAWS_PER_PREDICTION, axis=1)
    others = np.where(kept < _KEPT_OF_REST, labels, piece * self.vocab_size)
    pieces = np.where(masked < _MASKED, self.mask_id, others)
    input_ids = input_ids.copy()
    rows, places = np.nonzero(is_real)
    input_ids[rows, positions[rows, places]] = pieces[rows, places]
    return {
      "input_ids": input_ids,
      "masked_lm_positions": positions.astype(np.int32),
      "masked_lm_ids": labels.astype(np.int32),
      "masked_lm_weights": is_real.astype(np.float32),
    }


def unmasked(
  input_ids: np.ndarray, positions: np.ndarray, ids: np.ndarray, weights: np.ndarray
) -> np.ndarray:
  """Rows as they were before masks were drawn: int32 [B, S] of features of records."""
  input_ids = input_ids.copy()
  rows, places = np.nonzero(weights > 0)
  input_ids[rows, positions[rows, places]] = ids[rows, places]
  return input_ids


def _candidates(input_ids, input_mask, sizes):
  """All but [CLS], [SEP] and padding: bool [B, S]. Each row says which ids those are."""
  last = np.maximum(sizes - 1, 0)[:, np.newaxis]
  separators = np.take_along_axis(input_ids, last, axis=1)
  is_special = (input_ids == input_ids[:, :1]) | (input_ids == separators)
  return (input_mask > 0) & ~is_special


def _choose(candidates, starts, keys, budget):
  """Candidates of words in the order of their keys, until the budget is spent.

  As in the original: a word that is longer than what is left is passed over.
  """
  rows, length = candidates.shape
  number = np.where(candidates, np.cumsum(starts, axis=1) - 1, length)
  places = number + np.arange(rows)[:, np.newaxis] * (length + 1)
  sizes = np.bincount(places.ravel(), minlength=rows * (length + 1))
  sizes = sizes.reshape(rows, length + 1)[:, :length]  # pieces of each word
  order = np.argsort(np.where(sizes > 0, keys, np.inf), axis=1, kind="stable")
  ordered = np.take_along_axis(sizes, order, axis=1)
  taken = np.zeros([rows, length + 1], bool)
  left = budget.copy()
  for rank in range(length):
    fits = (ordered[:, rank] > 0) & (ordered[:, rank] <= left)
    taken[np.arange(rows), order[:, rank]] = fits
    left -= np.where(fits, ordered[:, rank], 0)
    if not left.any():
      break
  return candidates & np.take_along_axis(taken, number, axis=1)


def uniform_draws(
  seed: int, row_ids: np.ndarray, epochs: np.ndarray, count: int
) -> np.ndarray:
  """Numbers in [0, 1) that depend on (seed, row, epoch, place): float64 [B, count].

  A generator for each row would take most of the time; this is SplitMix64 (Steele, Lea
  and Flood 2014) with its state set from the three.
  """
  state = _mixed(np.array([seed], np.uint64))
  state = _mixed(state + epochs.astype(np.uint64))
  state = _mixed(state + row_ids.astype(np.uint64))
  steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
  return (_mixed(state[:, np.newaxis] + steps) >> np.uint64(11)) * 2.0**-53


def _mixed(x):
  x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
  x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
  return x ^ (x >> np.uint64(31))

"""Documents to pairs of texts with masked pieces (contract A-141 to A-151).

The original's functions by their names, with the same draws in the same order. What
is new is that instances are places in the documents until they are written, so that
most of the work is arrays: T pieces, I instances, B of them in a batch, S positions,
P predictions.
"""

import array
import itertools
import random
from collections.abc import Callable, MutableSequence, Sequence
from typing import NamedTuple

import numpy as np

from bert_ja import tokenization
from bert_ja.data import pair_features, pretraining_documents, pretraining_draws
from bert_ja.data.pretraining_draws import KEEP, MASK, Recipe

_SPECIALS = ("[CLS]", "[SEP]")

# Called with (instances made, how many it may be in all).
Progress = Callable[[int, int], None]


class TrainingInstance:
  """A pair of texts with masked pieces.

  Attributes:
    tokens: pieces, special ones included, without padding.
    segment_ids: 0 for the first text, 1 for the second.
    is_random_next: whether the second text does not follow the first.
    masked_lm_positions: ascending places in `tokens`; empty if masks are drawn later.
    masked_lm_labels: the pieces that stood there.
    word_starts: whether each piece starts a word, for masks that are drawn later; None
      where they are drawn already.
  """

  def __init__(
    self,
    tokens: list[str],
    segment_ids: list[int],
    masked_lm_positions: list[int],
    masked_lm_labels: list[str],
    is_random_next: bool,
    word_starts: list[bool] | None = None,
  ):
    self.tokens = tokens
    self.segment_ids = segment_ids
    self.is_random_next = is_random_next
    self.masked_lm_positions = masked_lm_positions
    self.masked_lm_labels = masked_lm_labels
    self.word_starts = word_starts

  def __str__(self):
    return (
      f"tokens: {' '.join(self.tokens)}\n"
      f"segment_ids: {' '.join(map(str, self.segment_ids))}\n"
      f"is_random_next: {self.is_random_next}\n"
      f"masked_lm_positions: {' '.join(map(str, self.masked_lm_positions))}\n"
      f"masked_lm_labels: {' '.join(self.masked_lm_labels)}\n"
    )


class MaskedLmInstance(NamedTuple):
  """A masked place and the piece that stood there."""

  index: int
  label: str


def create_training_instances(
  input_files: Sequence[str],
  tokenizer: tokenization.Tokenizer,
  max_seq_length: int,
  dupe_factor: int,
  short_seq_prob: float,
  masked_lm_prob: float,
  max_predictions_per_seq: int,
  rng: random.Random,
  do_whole_word_mask: bool = False,
) -> "Instances":
  """Instances of all documents in text files, shuffled (A-141).

  Args:
    input_files: see `pretraining_documents.read_documents`, as for errors.
    tokenizer: makes the pieces.
    max_seq_length: as all numbers that follow, see `Recipe`.
    dupe_factor: see there.
    short_seq_prob: see there.
    masked_lm_prob: see there.
    max_predictions_per_seq: see there.
    rng: draws everything.
    do_whole_word_mask: see `Recipe`.

  Returns:
    A sequence of `TrainingInstance`.
  """
  recipe = Recipe(
    max_seq_length,
    max_predictions_per_seq,
    masked_lm_prob,
    short_seq_prob,
    dupe_factor,
    do_whole_word_mask,
  )
  documents = pretraining_documents.read_documents(input_files, tokenizer, recipe.words)
  return draw_instances(documents, tokenizer, recipe, rng)


def draw_instances(
  documents: pretraining_documents.Documents,
  tokenizer: tokenization.Tokenizer,
  recipe: Recipe,
  rng: random.Random,
  progress: Progress | None = None,
) -> "Instances":
  """Instances of documents, shuffled; arguments as in `create_training_instances`.

  Raises:
    ValueError: the vocabulary lacks [MASK].
  """
  if recipe.static_masking:
    needed = (*_SPECIALS, "[MASK]")
    tokenization.check_special_tokens(tokenizer.vocab, needed, "--vocab_file")
  sentences = documents.sentences.tolist()
  bounds = list(itertools.pairwise(documents.documents.tolist()))
  pretraining_draws.shuffle(bounds, rng)
  masker = _Masker(documents, tokenizer, recipe, rng)
  made, done = array.array("q"), 0
  for _ in range(recipe.dupe_factor):
    for index, (first, last) in enumerate(bounds):
      for pair in pretraining_draws.pairs(sentences, bounds, index, recipe, rng):
        made.extend(pair)
        if recipe.static_masking:
          masker.draw(*pair[:4])
      if progress is not None:
        done += last - first
        count = len(made) // 5
        progress(count, count * (len(sentences) - 1) * recipe.dupe_factor // done)
  order = array.array("I", range(len(made) // 5))
  pretraining_draws.shuffle(order, rng)
  return Instances(documents, tokenizer, recipe, made, masker, order)


def create_instances_from_document(
  all_documents: Sequence[Sequence[Sequence[str]]],
  document_index: int,
  max_seq_length: int,
  short_seq_prob: float,
  masked_lm_prob: float,
  max_predictions_per_seq: int,
  vocab_words: Sequence[str],
  rng: random.Random,
  do_whole_word_mask: bool = False,
) -> list[TrainingInstance]:
  """Instances of one document (A-142 to A-149).

  Args:
    all_documents: tokens of each sentence of each document.
    document_index: which one.
    max_seq_length: as the numbers that follow, see `Recipe`.
    short_seq_prob: see there.
    masked_lm_prob: see there.
    max_predictions_per_seq: see there.
    vocab_words: what pieces are replaced by.
    rng: draws everything.
    do_whole_word_mask: see `Recipe`; pieces that go on with a word start with ##.
  """
  recipe = Recipe(max_seq_length, short_seq_prob=short_seq_prob)
  flat = list(itertools.chain.from_iterable(all_documents))
  sentences = list(itertools.accumulate(map(len, flat), initial=0))
  tokens = list(itertools.chain.from_iterable(flat))
  ends = itertools.accumulate(map(len, all_documents), initial=0)
  bounds = list(itertools.pairwise(ends))
  instances = []
  for pair in pretraining_draws.pairs(sentences, bounds, document_index, recipe, rng):
    first_a, end_a, first_b, end_b, is_random_next = pair
    packed, segment_ids = pair_features.pack_pair(
      tokens[first_a:end_a], tokens[first_b:end_b]
    )
    masked = create_masked_lm_predictions(
      packed,
      masked_lm_prob,
      max_predictions_per_seq,
      vocab_words,
      rng,
      do_whole_word_mask,
    )
    instances.append(
      TrainingInstance(masked[0], segment_ids, *masked[1:], is_random_next)
    )
  return instances


def create_masked_lm_predictions(
  tokens: Sequence[str],
  masked_lm_prob: float,
  max_predictions_per_seq: int,
  vocab_words: Sequence[str],
  rng: random.Random,
  do_whole_word_mask: bool = False,
) -> tuple[list[str], list[int], list[str]]:
  """Masks some tokens; arguments as in `create_instances_from_document`.

  Returns:
    (tokens after masking, ascending places of the masked ones, what stood there).
  """
  recipe = Recipe(
    masked_lm_prob=masked_lm_prob, max_predictions_per_seq=max_predictions_per_seq
  )
  positions = [i for i, token in enumerate(tokens) if token not in _SPECIALS]
  continues = None
  if do_whole_word_mask:
    continues = [tokens[position].startswith("##") for position in positions]
  budget = recipe.num_to_predict(len(tokens))
  chosen = pretraining_draws.choose(positions, continues, budget, rng)
  output = list(tokens)
  for position, drawn in zip(
    chosen,
    pretraining_draws.replacements(len(chosen), len(vocab_words), rng),
    strict=True,
  ):
    if drawn == MASK:
      output[position] = "[MASK]"
    elif drawn != KEEP:
      output[position] = vocab_words[drawn]
  masked = [MaskedLmInstance(index, tokens[index]) for index in sorted(chosen)]
  return output, [mask.index for mask in masked], [mask.label for mask in masked]


def truncate_seq_pair(
  tokens_a: MutableSequence,
  tokens_b: MutableSequence,
  max_num_tokens: int,
  rng: random.Random,
) -> None:
  """Takes tokens off the longer list (tie: B), at one end or the other (A-146)."""
  first_a, end_a, first_b, end_b = pretraining_draws.cut(
    (0, len(tokens_a), 0, len(tokens_b)), max_num_tokens, rng
  )
  tokens_a[:] = tokens_a[first_a:end_a]
  tokens_b[:] = tokens_b[first_b:end_b]


class _Masker:
  """Draws the masks of pairs and keeps them, in few bytes since they are so many.

  Attributes:
    positions: uint16, places in the packed pair in the order of their draws.
    replacements: int32, an index of the vocabulary, `MASK` or `KEEP` for each.
    counts: uint16, how many each pair has.
  """

  def __init__(self, documents, tokenizer, recipe, rng):
    self.positions, self.counts = array.array("H"), array.array("H")
    self.replacements = array.array("i")
    self._recipe, self._rng = recipe, rng
    self._vocab_size = len(tokenizer.vocab)
    # bytes: slices of them are small and quick to go through.
    by_words = recipe.do_whole_word_mask and recipe.static_masking
    self._continues = documents.continues.tobytes() if by_words else None
    special = np.isin(documents.ids, tokenizer.convert_tokens_to_ids(_SPECIALS))
    # Only text that is given in pieces can hold them.
    self._usual = (~special).tobytes() if special.any() else None

  def draw(self, first_a, end_a, first_b, end_b):
    """Draws the masks of a pair."""
    start_b = end_a - first_a + 2
    num_tokens = start_b + end_b - first_b + 1
    positions = [*range(1, start_b - 1), *range(start_b, num_tokens - 1)]
    continues = None
    if self._continues is not None:
      continues = self._continues[first_a:end_a] + self._continues[first_b:end_b]
    if self._usual is not None:
      usual = self._usual[first_a:end_a] + self._usual[first_b:end_b]
      positions = list(itertools.compress(positions, usual))
      continues = continues and bytes(itertools.compress(continues, usual))
    budget = self._recipe.num_to_predict(num_tokens)
    chosen = pretraining_draws.choose(positions, continues, budget, self._rng)
    self.counts.append(len(chosen))
    self.positions.extend(chosen)
    self.replacements.extend(
      pretraining_draws.replacements(len(chosen), self._vocab_size, self._rng)
    )


class Instances(Sequence[TrainingInstance]):
  """Instances as places in documents; their rows are made when they are asked for.

  Attributes:
    tokenizer: of the documents.
    recipe: how they were made.
    num_without_masks: instances in which no word was short enough to be masked.
  """

  def __init__(self, documents, tokenizer, recipe, pairs, masker, order):
    """Takes what `draw_instances` made.

    Args:
      documents: `pretraining_documents.Documents`.
      tokenizer: as the attribute.
      recipe: as the attribute.
      pairs: int64 [I * 5], what `pretraining_draws.pairs` gave.
      masker: has drawn the masks of all pairs, or of none.
      order: uint32 [I].
    """
    self.tokenizer, self.recipe = tokenizer, recipe
    self._documents = documents
    self._pairs = np.frombuffer(pairs, np.int64).reshape(-1, 5)
    self._order = np.frombuffer(order, np.uint32)
    self._counts = np.frombuffer(masker.counts, np.uint16)
    self._ends = np.cumsum(self._counts, dtype=np.int64)
    self._positions = np.frombuffer(masker.positions, np.uint16)
    self._replacements = np.frombuffer(masker.replacements, np.int32)
    self.num_without_masks = int(np.sum(self._counts == 0))
    # Indices, then what KEEP and MASK count from the end.
    mask_id = tokenizer.vocab.get("[MASK]", 0)
    self._replacing_ids = np.array([*tokenizer.vocab.values(), 0, mask_id])

  def __len__(self) -> int:
    return len(self._order)

  def __getitem__(self, index):
    if isinstance(index, slice):
      return [self[place] for place in range(*index.indices(len(self)))]
    row = {name: value[0] for name, value in self.columns([index]).items()}
    size = int(row["input_mask"].sum())
    text = self.tokenizer.convert_ids_to_tokens
    masks = int(row["masked_lm_weights"].sum()) if "masked_lm_weights" in row else 0
    return TrainingInstance(
      text(row["input_ids"][:size].tolist()),
      row["segment_ids"][:size].tolist(),
      row["masked_lm_positions"][:masks].tolist() if masks else [],
      text(row["masked_lm_ids"][:masks].tolist()) if masks else [],
      bool(row["next_sentence_labels"]),
      row["word_starts"][:size].tolist() if "word_starts" in row else None,
    )

  def columns(self, indices: Sequence[int] | slice) -> dict[str, np.ndarray]:
    """Features of some instances.

    Returns:
      {name: [B, ...]} in the order of the original's records, as `feature_spec` of
      `pretraining_records`.
    """
    rows = self._order[indices]
    length = self.recipe.max_seq_length
    first_a, end_a, first_b, end_b, label = self._pairs[rows].T[:, :, None]  # [B, 1]
    start_b = end_a - first_a + 2
    size = start_b + end_b - first_b + 1
    place = np.arange(length)
    in_a = (place > 0) & (place < start_b - 1)
    in_b = (place >= start_b) & (place < size - 1)
    source = np.where(in_a, first_a + place - 1, first_b + place - start_b)
    source[~(in_a | in_b)] = 0
    ids = self._documents.ids[source]  # [B, S]
    cls_id, sep_id = self.tokenizer.convert_tokens_to_ids(_SPECIALS)
    ids[place >= size] = self.tokenizer.pad_id
    ids[:, 0] = cls_id
    for end in (start_b - 1, size - 1):
      np.put_along_axis(ids, end, sep_id, 1)
    columns = {
      "input_ids": ids,
      "input_mask": place < size,
      "segment_ids": (place >= start_b) & (place < size),
    }
    if self.recipe.static_masking:
      columns |= self._masks(rows, ids)
    columns["next_sentence_labels"] = label[:, 0]
    if not self.recipe.static_masking:
      starts = (in_a | in_b) & ~self._documents.continues[source]
      # What is left of a word whose start was cut off is a word here.
      starts[:, 1] = True
      np.put_along_axis(starts, start_b, True, 1)
      columns["word_starts"] = starts
    return columns

  def _masks(self, rows, ids):
    """The masks of rows; changes `ids` [B, S] where they are."""
    slot = np.arange(self.recipe.max_predictions_per_seq)
    is_real = slot < self._counts[rows][:, None]  # [B, P]
    places = (self._ends - self._counts)[rows][:, None] + slot
    positions = np.full(is_real.shape, np.iinfo(np.int64).max)
    positions[is_real] = self._positions[places[is_real]]
    drawn = np.zeros(is_real.shape, np.int64)
    drawn[is_real] = self._replacements[places[is_real]]
    order = np.argsort(positions, axis=1)
    drawn = np.take_along_axis(drawn, order, 1)
    positions = np.where(is_real, np.take_along_axis(positions, order, 1), 0)
    labels = np.where(is_real, np.take_along_axis(ids, positions, 1), 0)
    replaced = np.where(drawn == KEEP, labels, self._replacing_ids[drawn])
    row, _ = np.nonzero(is_real)
    ids[row, positions[is_real]] = replaced[is_real]
    return {
      "masked_lm_positions": positions,
      "masked_lm_ids": labels,
      "masked_lm_weights": is_real.astype(np.float32),
    }

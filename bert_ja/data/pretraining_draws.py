"""Every draw that pre-training data is made of, as functions of numbers (A-142 to A-149).

They know places of pieces and no pieces. The draws are the original's, in its order.
"""

import bisect
import dataclasses
import random
from collections.abc import Iterable, Iterator, MutableSequence, Sequence

# What a piece becomes, where it is not an index of the vocabulary.
MASK, KEEP = -1, -2

# (start of A, its end, start of B, its end) among the pieces of all documents.
Span = tuple[int, int, int, int]

_NUM_SPECIALS = 3
_TOP_BIT_IS_0 = bytes([1] * 128 + [0] * 128)
_MAX_DOCUMENT_DRAWS = 10


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How instances are made of documents; the names of the flags.

  Attributes:
    max_seq_length: S.
    max_predictions_per_seq: P.
    masked_lm_prob: share of masked pieces.
    short_seq_prob: how often a shorter length is aimed at.
    dupe_factor: passes over all documents.
    do_whole_word_mask: mask all pieces of a word or none.
    static_masking: draw masks; without, records keep word starts in their place.
    word_boundaries: "auto" or "spaces", see `read_documents`.
  """

  max_seq_length: int = 128
  max_predictions_per_seq: int = 20
  masked_lm_prob: float = 0.15
  short_seq_prob: float = 0.1
  dupe_factor: int = 10
  do_whole_word_mask: bool = False
  static_masking: bool = True
  word_boundaries: str = "auto"

  @property
  def capacity(self) -> int:
    """Pieces of both texts."""
    return self.max_seq_length - _NUM_SPECIALS

  @property
  def words(self) -> str | None:
    """What `read_documents` needs to know of words."""
    needed = self.do_whole_word_mask or not self.static_masking
    return self.word_boundaries if needed else None

  def num_to_predict(self, num_tokens: int) -> int:
    """Masked pieces of an instance (A-148); halves are rounded to the even number."""
    wanted = max(1, int(round(num_tokens * self.masked_lm_prob)))
    return min(self.max_predictions_per_seq, wanted)


def pairs(
  sentences: Sequence[int],
  bounds: Sequence[tuple[int, int]],
  index: int,
  recipe: Recipe,
  rng: random.Random,
) -> Iterator[tuple[int, int, int, int, bool]]:
  """Pairs of texts from a document, made as they are asked for.

  Args:
    sentences: where each sentence starts, and the end of the last one.
    bounds: (first sentence, end) of each document.
    index: the document.
    recipe: length and `short_seq_prob`.
    rng: draws; the caller draws what else an instance needs before it goes on.

  Yields:
    (start of A, end, start of B, end, whether B is random).
  """
  target = capacity = recipe.capacity
  if rng.random() < recipe.short_seq_prob:
    target = rng.randint(2, capacity)
  begin, stop = bounds[index]
  while begin < stop:
    end = _reach(sentences, begin, stop, target)
    end_a = begin + 1
    if end - begin > 1:
      end_a += _below(end - begin - 1, rng)
    is_random = end - begin == 1 or rng.random() < 0.5
    if is_random:
      for _ in range(_MAX_DOCUMENT_DRAWS):
        other = _below(len(bounds), rng)
        if other != index:
          break
      first_b, last = bounds[other]
      first_b += _below(last - first_b, rng)
      missing = target - (sentences[end_a] - sentences[begin])
      end_b = _reach(sentences, first_b, last, missing)
      following = end_a  # What A leaves of the chunk is used again.
    else:
      first_b, end_b, following = end_a, end, end
    span = sentences[begin], sentences[end_a], sentences[first_b], sentences[end_b]
    yield *cut(span, capacity, rng), is_random
    begin = following


def _reach(sentences, begin, stop, length):
  """End of the fewest sentences, one at least, that have `length` pieces, or `stop`."""
  end = bisect.bisect_left(sentences, sentences[begin] + length, begin + 1, stop)
  return min(end, stop)


def cut(span: Span, capacity: int, rng: random.Random) -> Span:
  """Takes pieces off the longer text (tie: B), at one end or the other (A-146)."""
  first_a, end_a, first_b, end_b = span
  lead = end_a - first_a - (end_b - first_b)
  surplus = end_a - first_a + end_b - first_b - capacity
  if surplus <= 0:
    return span
  # `rng.random()` takes two words; it is less than 0.5 if the first one's top bit is 0.
  words = rng.getrandbits(64 * surplus).to_bytes(8 * surplus, "little")
  fronts = words[3::8].translate(_TOP_BIT_IS_0)
  # Until both are of one length, the longer one; then they take turns, B first.
  first, turns = fronts[: abs(lead)], fronts[abs(lead) :]
  of_a, of_b = turns[1::2], turns[::2]
  if lead > 0:
    of_a += first
  else:
    of_b += first
  front_a, front_b = of_a.count(1), of_b.count(1)
  first_a, end_a = first_a + front_a, end_a - (len(of_a) - front_a)
  return first_a, end_a, first_b + front_b, end_b - (len(of_b) - front_b)


def choose(
  positions: list[int],
  continues: Iterable[bool] | None,
  budget: int,
  rng: random.Random,
) -> list[int]:
  """Places to mask, in the order of their draws.

  Args:
    positions: those that may be masked, ascending; their order changes.
    continues: whether each goes on with the word before it; None to mask pieces.
    budget: how many at most.
    rng: draws.
  """
  if continues is None:
    shuffle(positions, rng)
    return positions[:budget]
  words = []
  for position, goes_on in zip(positions, continues, strict=True):
    # As in the original: what is left of a word whose start was cut off belongs to the
    # word before it, at the start of B to the last one of A.
    if goes_on and words:
      words[-1].append(position)
    else:
      words.append([position])
  shuffle(words, rng)
  chosen = []
  for word in words:
    if len(chosen) >= budget:
      break
    if len(chosen) + len(word) <= budget:
      chosen += word
  return chosen


def replacements(count: int, vocab_size: int, rng: random.Random) -> list[int]:
  """What each masked piece becomes: `MASK`, `KEEP` or an index of the vocabulary."""
  draw = rng.random
  return [
    MASK if draw() < 0.8 else KEEP if draw() < 0.5 else _below(vocab_size, rng)
    for _ in range(count)
  ]


def _below(count, rng):
  """`rng.randrange(count)`, draw for draw, in half its time."""
  bits = count.bit_length()
  drawn = rng.getrandbits(bits)
  while drawn >= count:
    drawn = rng.getrandbits(bits)
  return drawn


def shuffle(values: MutableSequence, rng: random.Random) -> None:
  """`rng.shuffle(values)`, draw for draw, in half its time."""
  draw, place = rng.getrandbits, len(values) - 1
  while place > 0:
    # All places for which the same number of bits is drawn.
    bits = (place + 1).bit_length()
    lowest = (1 << (bits - 1)) - 1
    while place >= lowest:
      other = draw(bits)
      while other > place:
        other = draw(bits)
      values[place], values[other] = values[other], values[place]
      place -= 1

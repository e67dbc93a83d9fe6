"""Masks drawn at training time: shares, words, seeds."""

import numpy as np
import pytest

from bert_ja.data import masking

CLS, SEP, MASK, VOCAB = 2, 3, 4, 1000
LENGTH = 40


def rows(count, seed=1, length=LENGTH):
  """Two-part rows of several lengths, words of one to three pieces."""
  draw = np.random.default_rng(seed)
  input_ids = np.zeros([count, length], np.int32)
  starts = np.zeros([count, length], np.int32)
  sizes = draw.integers(length // 2, length + 1, [count])
  for row, size in enumerate(sizes):
    input_ids[row, :size] = draw.integers(5, VOCAB, [size])
    starts[row, 1:size] = draw.random(size - 1) < 0.5
    for place, piece in ((0, CLS), (size // 3, SEP), (size - 1, SEP)):
      input_ids[row, place], starts[row, place] = piece, 0
  input_mask = (np.arange(length) < sizes[:, None]).astype(np.int32)
  return input_ids, input_mask, starts


def draw(batch, epochs=0, row_ids=None, **options):
  input_ids, input_mask, starts = batch
  settings = {"mask_id": MASK, "vocab_size": VOCAB, "max_predictions": 8, **options}
  count = len(input_ids)
  row_ids = np.arange(count) if row_ids is None else row_ids
  return masking.Masking(**settings).draw(
    input_ids, input_mask, starts, row_ids, np.full([count], epochs)
  )


def chosen_of(drawn, length=LENGTH):
  """[B, S] of what is to be predicted."""
  chosen = np.zeros([len(drawn["input_ids"]), length], bool)
  for row, (places, weights) in enumerate(
    zip(drawn["masked_lm_positions"], drawn["masked_lm_weights"], strict=True)
  ):
    chosen[row, places[weights > 0]] = True
  return chosen


@pytest.fixture(scope="module")
def batch():
  return rows(400)


class TestPieces:
  def test_numbers_are_the_originals(self, batch):
    """min(P, max(1, round(len * 0.15))), half to even, special pieces counted."""
    drawn = draw(batch, max_predictions=5)
    sizes = batch[1].sum(axis=1)
    expected = [min(5, max(1, round(size * 0.15))) for size in sizes.tolist()]
    assert drawn["masked_lm_weights"].sum(axis=1).tolist() == expected

  def test_positions_ascend_and_are_padded_with_zeros(self, batch):
    drawn = draw(batch)
    for places, ids, weights in zip(
      *(drawn[f"masked_lm_{name}"] for name in ("positions", "ids", "weights")),
      strict=True,
    ):
      count = int(weights.sum())
      assert (np.diff(places[:count]) > 0).all()
      assert weights.tolist() == [1] * count + [0] * (8 - count)
      assert not places[count:].any()
      assert not ids[count:].any()

  def test_special_pieces_and_padding_are_never_chosen(self, batch):
    input_ids, input_mask, _ = batch
    chosen = chosen_of(draw(batch))
    assert not (chosen & ((input_ids < 5) | (input_mask == 0))).any()

  def test_labels_are_what_stood_there_and_the_rest_is_untouched(self, batch):
    input_ids = batch[0]
    drawn = draw(batch)
    chosen = chosen_of(drawn)
    np.testing.assert_array_equal(drawn["input_ids"][~chosen], input_ids[~chosen])
    labels = drawn["masked_lm_ids"][drawn["masked_lm_weights"] > 0]
    np.testing.assert_array_equal(labels, input_ids[chosen])

  def test_eight_in_ten_are_masked_one_kept_one_random(self):
    batch = rows(4000)
    drawn = draw(batch)
    chosen = chosen_of(drawn)
    new, old = drawn["input_ids"][chosen], batch[0][chosen]
    assert len(new) > 15_000
    assert (new == MASK).mean() == pytest.approx(0.8, abs=0.02)
    assert (new == old).mean() == pytest.approx(0.1, abs=0.015)
    random = new[(new != MASK) & (new != old)]
    assert random.min() < 5  # special ones too, as in the original
    assert np.histogram(random, 4, [0, VOCAB])[0] / len(random) == pytest.approx(
      0.25, abs=0.05
    )

  def test_every_place_is_equally_likely(self):
    batch = [np.repeat(x[:1], 6000, axis=0) for x in rows(1)]
    chosen = chosen_of(draw(batch))
    candidates = (batch[0][0] >= 5) & (batch[1][0] > 0)
    shares = chosen.mean(axis=0)[candidates]
    assert shares == pytest.approx(shares.mean(), rel=0.15)

  def test_a_row_of_special_pieces_has_none(self):
    input_ids = np.int32([[CLS, SEP, SEP, 0]])
    input_mask = np.int32([[1, 1, 1, 0]])
    drawn = draw((input_ids, input_mask, input_mask * 0))
    assert not drawn["masked_lm_weights"].any()
    np.testing.assert_array_equal(drawn["input_ids"], input_ids)


class TestWholeWords:
  def words_of(self, batch, row):
    """Lists of positions, by the definition of a word."""
    input_ids, input_mask, starts = (x[row] for x in batch)
    words, open_word = [], None
    for place in range(int(input_mask.sum())):
      if input_ids[place] < 5:
        open_word = None
      elif starts[place] or open_word is None:
        open_word = [place]
        words.append(open_word)
      else:
        open_word.append(place)
    return words

  def test_all_pieces_of_a_word_or_none(self, batch):
    chosen = chosen_of(draw(batch, whole_words=True))
    for row in range(len(chosen)):
      for word in self.words_of(batch, row):
        assert len(set(chosen[row, word])) == 1

  def test_words_are_taken_until_no_other_fits(self, batch):
    chosen = chosen_of(draw(batch, whole_words=True))
    sizes = batch[1].sum(axis=1).tolist()
    for row, size in enumerate(sizes):
      left = min(8, max(1, round(size * 0.15))) - int(chosen[row].sum())
      others = [w for w in self.words_of(batch, row) if not chosen[row, w[0]]]
      assert left >= 0
      assert all(len(word) > left for word in others)

  def test_pieces_are_chosen_one_by_one_without(self, batch):
    chosen = chosen_of(draw(batch))
    parted = [
      len(set(chosen[row, word])) == 2
      for row in range(50)
      for word in self.words_of(batch, row)
    ]
    assert any(parted)


class TestSeeds:
  def test_epochs_seeds_and_rows_have_masks_of_their_own(self, batch):
    first = chosen_of(draw(batch))
    for others in (
      draw(batch, epochs=1),
      draw(batch, seed=1),
      draw(batch, row_ids=np.arange(400) + 400),
    ):
      same = (first & chosen_of(others)).sum() / first.sum()
      assert same < 0.25  # by chance 0.15

  def test_a_rows_masks_are_the_same_in_any_batch(self, batch):
    whole = draw(batch, epochs=3)
    order = np.random.default_rng(2).permutation(400)[:90]
    part = draw([x[order] for x in batch], epochs=3, row_ids=order)
    for name, values in part.items():
      np.testing.assert_array_equal(values, whole[name][order])

  def test_draws_are_even_and_independent(self):
    rows_and_epochs = np.arange(2000), np.arange(2000) % 3
    draws = masking.uniform_draws(5, *rows_and_epochs, 50)
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = np.histogram(draws, 10, [0, 1])[0] / draws.size
    assert counts == pytest.approx(0.1, abs=0.005)
    for one, other in (
      (draws[:, :-1], draws[:, 1:]),
      (draws[:-1], draws[1:]),
    ):
      assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


class TestUnmasked:
  def test_takes_masks_back(self, batch):
    drawn = draw(batch)
    restored = masking.unmasked(
      drawn["input_ids"],
      *(drawn[f"masked_lm_{name}"] for name in ("positions", "ids", "weights")),
    )
    np.testing.assert_array_equal(restored, batch[0])

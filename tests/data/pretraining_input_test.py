"""Which features are read, and what becomes of masks."""

import numpy as np
import pytest
import tensorflow as tf

from bert_ja.data import masking, pretraining_input, record_index
from tests.scripts import pretraining_inputs

MASK, P = pretraining_inputs.MASK, pretraining_inputs.PREDICTIONS


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  directory = str(tmp_path_factory.mktemp("inputs"))
  pretraining_inputs.write(directory)
  return directory


def masker(**options):
  settings = {"mask_id": MASK, "vocab_size": 35, "max_predictions": P, **options}
  return masking.Masking(**settings)


def spec_of(path, is_training=True, masker=None, length=16, predictions=P, **options):
  return pretraining_input.record_spec(
    [path], length, predictions, is_training, masker=masker, **options
  )


def batches(path, is_training, masker=None, steps=2, size=10, vocab_size=35, **params):
  """Arrays of each batch of a file."""
  files = record_index.index_files([path])
  predictions = masker.max_predictions if masker else P
  spec = spec_of(path, is_training, masker, predictions=predictions)
  input_fn = pretraining_input.input_fn_builder(
    files, spec, vocab_size, is_training, num_batches=steps, masker=masker
  )
  values = {"batch_size": size, "seed": 3, "max_steps": steps, **params}
  return [{k: v.numpy() for k, v in batch.items()} for batch in input_fn(values)]


def joined(parts, name):
  return np.concatenate([part[name] for part in parts])


class TestRecordSpec:
  def test_reads_what_records_with_masks_have(self, inputs):
    spec = spec_of(f"{inputs}/dev.tfrecord")
    assert {name: feature.length for name, feature in spec.items()} == {
      "input_ids": 16,
      "input_mask": 16,
      "segment_ids": 16,
      "masked_lm_positions": 3,
      "masked_lm_ids": 3,
      "masked_lm_weights": 3,
      "next_sentence_labels": 1,
    }

  def test_leaves_out_what_is_not_used(self, inputs):
    assert "next_sentence_labels" not in spec_of(
      f"{inputs}/dev.tfrecord", next_sentence=False
    )
    whole = f"{inputs}/whole.tfrecord"
    assert "word_starts" not in spec_of(whole, masker=masker())
    assert "word_starts" in spec_of(whole, masker=masker(whole_words=True))

  def test_masks_to_be_drawn_may_be_more_than_those_stored(self, inputs):
    options = {"masker": masker(max_predictions=9), "predictions": 9}
    spec = spec_of(f"{inputs}/dev.tfrecord", **options)
    assert spec["masked_lm_ids"].length == 3
    with pytest.raises(ValueError, match="masked_lm_positions has 3 values"):
      spec_of(f"{inputs}/dev.tfrecord", is_training=False, **options)

  def test_records_without_masks_need_the_flag(self, inputs):
    with pytest.raises(ValueError, match="have no masks; give --dynamic_masking"):
      spec_of(f"{inputs}/whole.tfrecord")

  def test_whole_words_need_their_starts(self, inputs):
    with pytest.raises(ValueError, match="do not say where words start"):
      spec_of(f"{inputs}/dev.tfrecord", masker=masker(whole_words=True))


class TestInputFn:
  def test_stored_masks_stay_without_a_masker(self, inputs):
    (batch,) = batches(f"{inputs}/dev.tfrecord", False, steps=1, size=30)
    places = np.stack(np.nonzero(batch["input_ids"] == MASK), axis=1)
    counts = batch["masked_lm_weights"].sum(axis=1)
    np.testing.assert_array_equal(np.bincount(places[:, 0], minlength=30), counts)
    assert batch["masked_lm_scale"] == pytest.approx(30 / counts.sum(), rel=1e-4)

  @pytest.mark.parametrize("name", ["dev", "whole"])
  def test_masks_are_drawn_anew_in_each_epoch(self, inputs, name):
    path = f"{inputs}/{name}.tfrecord"
    count = sum(1 for _ in tf.data.TFRecordDataset(path))
    epochs = batches(path, True, masker(), steps=2, size=count)
    masks = []
    for batch in epochs:
      order = np.argsort(batch["row_ids"])
      masks.append(
        masking.unmasked(
          *(
            batch[key][order]
            for key in (
              "input_ids",
              "masked_lm_positions",
              "masked_lm_ids",
              "masked_lm_weights",
            )
          )
        )
      )
      assert batch["masked_lm_weights"].sum() > count
    np.testing.assert_array_equal(*masks)  # The texts are the same,
    assert not (masks[0] == MASK).any()
    first, second = (
      batch["masked_lm_positions"][np.argsort(batch["row_ids"])] for batch in epochs
    )
    assert (first != second).any(axis=1).mean() > 0.5  # their masks are not.

  def test_masks_do_not_depend_on_where_a_run_began_or_devices(self, inputs):
    path = f"{inputs}/whole.tfrecord"
    whole = batches(path, True, masker(), steps=9)
    rest = batches(path, True, masker(), steps=9, start_step=7)
    context = tf.distribute.InputContext(2, 1, 2)
    share = batches(path, True, masker(), steps=9, size=5, input_context=context)
    for name in ("input_ids", "masked_lm_positions", "row_ids", "masked_lm_scale"):
      expected = joined(whole, name)
      np.testing.assert_array_equal(joined(rest, name), expected[70:])
      halves = expected.reshape(9, 2, 5, *expected.shape[1:])[:, 1]
      np.testing.assert_array_equal(
        joined(share, name), halves.reshape(-1, *expected.shape[1:])
      )

  def test_an_evaluation_keeps_stored_masks(self, inputs):
    path = f"{inputs}/dev.tfrecord"
    stored, kept = (
      joined(batches(path, False, m), "input_ids") for m in (None, masker())
    )
    np.testing.assert_array_equal(stored, kept)

  def test_an_evaluation_draws_the_same_masks_again_and_again(self, inputs):
    path = f"{inputs}/whole.tfrecord"
    ids = joined(batches(path, False, masker(), steps=8), "input_ids")
    np.testing.assert_array_equal(ids[:40], ids[40:])
    assert (ids == MASK).any()

  def test_whole_words_are_masked(self, inputs):
    drawn = masker(whole_words=True, max_predictions=4, masked_lm_prob=0.3)
    (batch,) = batches(f"{inputs}/whole.tfrecord", True, drawn, steps=1, size=40)
    # Words start at odd places; only one that [SEP] cuts has a single piece.
    for places, weights in zip(
      batch["masked_lm_positions"], batch["masked_lm_weights"], strict=True
    ):
      chosen = places[weights > 0]
      alone = [p for p in chosen if (p - 1 if p % 2 == 0 else p + 1) not in chosen]
      assert len(alone) <= 2

  def test_shapes_are_fixed(self, inputs):
    path = f"{inputs}/whole.tfrecord"
    input_fn = pretraining_input.input_fn_builder(
      record_index.index_files([path]),
      spec_of(path, masker=masker()),
      35,
      True,
      masker=masker(),
    )
    dataset = input_fn({"batch_size": 4, "seed": 3, "max_steps": 2})
    assert all(spec.shape.is_fully_defined() for spec in dataset.element_spec.values())


class TestKnownPieces:
  @pytest.mark.parametrize("name", ["dev", "whole"])
  def test_one_that_the_model_lacks_ends_the_run(self, inputs, name):
    drawn = masker() if name == "whole" else None
    path = f"{inputs}/{name}.tfrecord"
    assert len(batches(path, False, drawn)) == 2
    with pytest.raises(
      tf.errors.InvalidArgumentError, match="a vocab_size of 20 lacks"
    ):
      batches(path, False, drawn, vocab_size=20)


class TestMaskTokenId:
  def test_is_the_last_line_of_the_vocabulary(self, vocab_file, tmp_path):
    """Contract A-69."""
    assert pretraining_input.mask_token_id(vocab_file("a")) == 4
    assert pretraining_input.mask_token_id(vocab_file("a", " [MASK] ")) == 6
    scored = tmp_path / "scored.vocab"
    scored.write_text("<unk>\t0\n[PAD]\t0\n[MASK]\t-1.5\n▁の\t-2\n", encoding="utf-8")
    assert pretraining_input.mask_token_id(str(scored)) == 2

  def test_without_one_it_is_asked_for(self, vocab_file):
    with pytest.raises(ValueError, match=r"the id of \[MASK\]; give --mask_token_id"):
      pretraining_input.mask_token_id(None)
    path = vocab_file("a", specials=("[PAD]",))
    with pytest.raises(ValueError, match=r"which .*vocab.txt lacks; give"):
      pretraining_input.mask_token_id(path)

"""Rows held out for validation: how many, which, and of which labels."""

import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_ja.data import pair_features, validation_split


def examples_of(labels):
  return [
    pair_features.InputExample(f"train-{index}", f"text {index}", label=label)
    for index, label in enumerate(labels)
  ]


class TestHeldOutRows:
  def test_each_label_gives_its_share(self):
    labels = ["a"] * 100 + ["b"] * 50 + ["c"] * 5
    np.random.default_rng(2).shuffle(labels)
    rows = validation_split.held_out_rows(labels, 0.2, seed=3)
    counts = collections.Counter(labels[row] for row in rows)
    assert counts == {"a": 20, "b": 10, "c": 1}

  @given(
    st.lists(st.sampled_from("abc"), max_size=60),
    st.floats(0, 1),
    st.integers(0, 2**32),
  )
  def test_rows_rise_and_each_label_stays(self, labels, fraction, seed):
    rows = validation_split.held_out_rows(labels, fraction, seed)
    assert rows.tolist() == sorted(set(rows.tolist()))
    kept = {label for row, label in enumerate(labels) if row not in set(rows.tolist())}
    assert kept == set(labels)

  def test_the_seed_decides(self):
    labels = ["a", "b"] * 50
    first, same, other = (
      validation_split.held_out_rows(labels, 0.3, seed).tolist() for seed in (1, 1, 2)
    )
    assert first == same
    assert first != other

  def test_labels_are_drawn_independently(self):
    rows = validation_split.held_out_rows(["a"] * 40 + ["b"] * 40, 0.5, seed=1)
    first = {row for row in rows.tolist() if row < 40}
    second = {row - 40 for row in rows.tolist() if row >= 40}
    assert first != second


class TestSplitExamples:
  def test_parts_are_all_examples_in_their_order(self):
    examples = examples_of(["yes", "no", "no"] * 10)
    train, dev = validation_split.split_examples(examples, 0.2, seed=5)
    assert (len(train), len(dev)) == (24, 6)
    for part in (train, dev):
      places = [examples.index(example) for example in part]
      assert places == sorted(places)
    assert {e.guid for e in train} | {e.guid for e in dev} == {e.guid for e in examples}

  def test_groups_can_stand_in_for_labels(self):
    groups = ["all"] * 10
    examples = examples_of(range(10))
    train, dev = validation_split.split_examples(examples, 0.3, 5, groups)
    assert (len(train), len(dev)) == (7, 3)

  @pytest.mark.parametrize("labels", [[], ["a"], ["a", "b", "c"], ["a", "a"]])
  def test_too_few_examples_are_an_error(self, labels):
    message = (
      rf"--validation_fraction=0.2 of {len(labels)} training examples holds none out"
    )
    with pytest.raises(ValueError, match=message):
      validation_split.split_examples(examples_of(labels), 0.2, seed=5)

"""The table of kinds, and what all kinds do alike."""

import numpy as np
import pytest

from bert_ja.data import pair_features, tower_features
from bert_ja.tasks import kinds, sentence


class TestTable:
  def test_a_kind_is_found_by_name(self):
    assert kinds.get("sentence") is sentence.Sentence

  def test_an_unknown_one_is_told(self):
    with pytest.raises(ValueError, match="kind 'x' is not known \\(known: .*sentence"):
      kinds.get("x")

  def test_a_name_is_taken_once(self):
    with pytest.raises(ValueError, match="'sentence' is there already: bert_ja.tasks"):
      kinds.register("sentence")(kinds.Kind)


class TestKind:
  def test_features_of_two_texts_replace_those_of_one_sequence(self):
    assert sentence.Sentence(["a"]).features is pair_features
    assert sentence.Sentence(["a"], tower_features).features is tower_features

  def test_a_kind_with_other_rows_has_no_two_texts(self):
    class Words(kinds.Kind):
      features = np

    with pytest.raises(ValueError, match="--pair_model=two_tower compares two texts"):
      Words(["a"], tower_features)

  def test_class_counts_are_in_the_order_of_labels(self):
    rows = [pair_features.InputExample("g", "t", None, label) for label in "bbcb"]
    assert sentence.Sentence("abc").class_counts(rows) == [0, 3, 1]

"""Rows that repeat are encoded once."""

import numpy as np

from bert_ja import frozen_encoder


def features(ids):
  ids = np.array(ids)
  return {"input_ids": ids, "input_mask": np.ones_like(ids), "segment_ids": ids * 0}


class TestDifferent:
  def test_rows_in_the_order_of_first_occurrence(self):
    texts, places = frozen_encoder._different(features([[5, 1], [4, 2], [5, 1]]))
    assert texts["input_ids"].tolist() == [[5, 1], [4, 2]]
    assert places.tolist() == [0, 1, 0]

  def test_two_texts_a_row(self):
    rows = features([[[5, 1], [3, 3]], [[3, 3], [4, 2]]])
    texts, places = frozen_encoder._different(rows)
    assert {name: array.shape for name, array in texts.items()} == {
      "input_ids": (3, 2),
      "input_mask": (3, 2),
      "segment_ids": (3, 2),
    }
    np.testing.assert_array_equal(texts["input_ids"][places], rows["input_ids"])

  def test_the_same_pieces_in_other_segments_are_another_row(self):
    rows = features([[5, 1], [5, 1]])
    rows["segment_ids"][1] = [0, 1]
    texts, places = frozen_encoder._different(rows)
    assert texts["segment_ids"].tolist() == [[0, 0], [0, 1]]
    assert places.tolist() == [0, 1]

"""Two texts a row to two rows of ids."""

import pytest

from bert_ja import tokenization
from bert_ja.data import records, tower_features
from bert_ja.data.pair_features import InputExample

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c"]
LABELS = ["no", "yes"]
PAIR = InputExample("train-1", "a b a b", "c", "yes")


@pytest.fixture
def tokenizer(tmp_path):
  path = tmp_path / "vocab.txt"
  path.write_text("\n".join(VOCABULARY) + "\n")
  return tokenization.FullTokenizer(str(path))


def stored(path, length):
  rows = records.read_records(path, tower_features.feature_spec(length))
  return {name: rows[name].tolist() for name in rows}


class TestCachedFeatures:
  def test_each_text_has_a_row_of_its_own_and_is_cut_alone(self, tokenizer, tmp_path):
    path = str(tmp_path / "train.tf_record")
    assert tower_features.cached_features([PAIR], LABELS, 5, tokenizer, path)
    assert stored(path, 5) == {
      "input_ids": [[[2, 4, 5, 4, 3], [2, 6, 3, 0, 0]]],
      "input_mask": [[[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]],
      "segment_ids": [[[0] * 5, [0] * 5]],
      "label_ids": [1],
      "is_real_example": [1],
    }

  def test_an_empty_text_has_its_special_pieces(self, tokenizer, tmp_path):
    path = str(tmp_path / "train.tf_record")
    rows = [InputExample("1", "a", "", "no"), PAIR]
    tower_features.cached_features(rows, LABELS, 4, tokenizer, path)
    assert stored(path, 4)["input_ids"] == [
      [[2, 4, 3, 0], [2, 3, 0, 0]],
      [[2, 4, 5, 3], [2, 6, 3, 0]],
    ]

  def test_it_is_done_once_for_the_same_pairs(self, tokenizer, tmp_path):
    def convert(*examples, length=5):
      return tower_features.cached_features(
        examples, LABELS, length, tokenizer, str(tmp_path / "x.tf_record")
      )

    assert convert(PAIR)
    assert not convert(PAIR)
    assert convert(InputExample("train-1", PAIR.text_a, "b", "yes"))
    assert convert(PAIR)
    assert convert(PAIR, length=6)


class TestCheck:
  def test_an_empty_second_text_is_one(self):
    tower_features.check([PAIR, InputExample("2", "a", "", "no")], LABELS)

  def test_a_row_of_one_text_is_named(self):
    rows = [PAIR, InputExample("2", "a", None, "no", "train.csv, line 3")]
    with pytest.raises(ValueError, match="^train.csv, line 3: .*compares two texts"):
      tower_features.check(rows, LABELS)

  def test_an_unknown_label_is_named(self):
    rows = [InputExample("2", "a", "b", "x", "train.csv, line 3")]
    with pytest.raises(ValueError, match="train.csv, line 3: label 'x'"):
      tower_features.check(rows, LABELS)

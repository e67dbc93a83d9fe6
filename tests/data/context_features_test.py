"""A text and what stands before it: the front of the context goes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_ja import tokenization
from bert_ja.data import context_features, records
from bert_ja.data.pair_features import InputExample

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdexyz"]
LABELS = ["no", "yes"]
ROW = InputExample("train-1", "a b c d e", "x y", "yes")


@pytest.fixture
def tokenizer(tmp_path):
  path = tmp_path / "vocab.txt"
  path.write_text("\n".join(VOCABULARY) + "\n")
  return tokenization.FullTokenizer(str(path))


@pytest.fixture
def stored(tokenizer, tmp_path):
  """Function: examples and a length -> what the file holds, pieces as texts."""

  def stored(examples, length):
    path = str(tmp_path / "x.tf_record")
    context_features.cached_features(examples, LABELS, length, tokenizer, path)
    rows = records.read_records(path, context_features.feature_spec(length))
    found = {name: rows[name].tolist() for name in rows}
    found["pieces"] = [
      "".join(tokenizer.convert_ids_to_tokens(ids)) for ids in found.pop("input_ids")
    ]
    return found

  return stored


class TestTruncateContext:
  @given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 12))
  def test_equals_taking_one_token_at_a_time(self, length_a, length_b, max_length):
    context, text = list(range(length_a)), list(range(length_b))
    expected, expected_text = list(context), list(text)
    while len(expected) + len(expected_text) > max_length:
      if expected:
        del expected[0]
      else:
        del expected_text[-1]
    found = context_features.truncate_context(context, text, max_length)
    assert found == (expected, expected_text)


class TestCachedFeatures:
  def test_the_front_of_the_context_makes_room(self, stored):
    assert stored([ROW], 8) == {
      "pieces": ["[CLS]cde[SEP]xy[SEP]"],
      "input_mask": [[1] * 8],
      "segment_ids": [[0] * 5 + [1] * 3],
      "label_ids": [1],
      "is_real_example": [1],
    }

  @pytest.mark.parametrize(
    ("length", "pieces", "segment_ids"),
    [
      (11, "[CLS]abcde[SEP]xy[SEP][PAD]", [0] * 7 + [1] * 3 + [0]),
      (5, "[CLS][SEP]xy[SEP]", [0, 0, 1, 1, 1]),
      (4, "[CLS][SEP]x[SEP]", [0, 0, 1, 1]),
    ],
  )
  def test_the_row_itself_is_cut_last(self, stored, length, pieces, segment_ids):
    found = stored([ROW], length)
    assert (found["pieces"], found["segment_ids"]) == ([pieces], [segment_ids])

  def test_a_first_row_has_no_context_and_stays_the_second_text(self, stored):
    found = stored([InputExample("1", "", "x y", "no"), ROW], 6)
    assert found["pieces"] == ["[CLS][SEP]xy[SEP][PAD]", "[CLS]e[SEP]xy[SEP]"]
    assert found["segment_ids"][0] == [0, 0, 1, 1, 1, 0]

  def test_it_is_done_once_for_the_same_rows(self, tokenizer, tmp_path):
    def convert(*examples, length=6):
      return context_features.cached_features(
        examples, LABELS, length, tokenizer, str(tmp_path / "x.tf_record")
      )

    assert convert(ROW)
    assert not convert(ROW)
    assert convert(InputExample("train-1", "a b c d", "x y", "yes"))
    assert convert(ROW)
    assert convert(ROW, length=7)

  def test_progress_is_told_row_by_row(self, tokenizer, tmp_path):
    told = []
    path = str(tmp_path / "x.tf_record")
    context_features.cached_features(
      [ROW, ROW],
      LABELS,
      8,
      tokenizer,
      path,
      progress=lambda *counts: told.append(counts),
    )
    assert told == [(1, 2), (2, 2)]

  def test_no_room_is_told(self, stored):
    with pytest.raises(ValueError, match="--max_seq_length=2 leaves no room"):
      stored([ROW], 2)

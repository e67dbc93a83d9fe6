"""Which rows a model reads whole: pieces counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_ja.data import pair_features
from bert_ja.data.length_limit import LengthLimit


class Letters:
  """A tokenizer: each letter is a piece."""

  def encode(self, text):
    return list(text)

  tokenize = encode


def examples(*texts, label="x"):
  return [
    pair_features.InputExample(f"{number}", *pair, label=label)
    for number, pair in enumerate(texts)
  ]


def kept(limit, *texts, **options):
  found = limit.fitting(examples(*texts), "train set t.csv", **options)
  return [row.guid for row in found]


class TestFitting:
  def test_special_pieces_count(self):
    limit = LengthLimit(Letters(), 6)
    assert kept(limit, ("abcd", None), ("abcde", None), ("abcd", "")) == ["0", "2"]
    assert kept(limit, ("ab", "c"), ("ab", "cd"), ("", "abc"), ("", "abcd")) == [
      "0",
      "2",
    ]

  @given(st.text("ab", max_size=9), st.text("ab", max_size=9))
  def test_a_row_is_dropped_if_it_would_be_cut(self, text_a, text_b):
    whole, _ = pair_features.tokenize_pair(text_a, text_b, 99, Letters())
    cut, _ = pair_features.tokenize_pair(text_a, text_b, 9, Letters())
    fits = kept(LengthLimit(Letters(), 9), (text_a, text_b), ("a", None))
    assert ("0" in fits) == (whole == cut)

  def test_texts_that_are_read_apart_are_measured_apart(self):
    limit = LengthLimit(Letters(), 6, apart=True)
    pairs = ("abcd", "abcd"), ("abcde", "a"), ("a", "abcde")
    assert kept(limit, *pairs) == ["0"]

  def test_a_context_does_not_count(self):
    limit = LengthLimit(Letters(), 6)
    pairs = ("abcdefgh", "abc"), ("", "abcd")
    assert kept(limit, *pairs, has_context=True) == ["0"]

  def test_the_log_says_how_many_of_how_many(self, caplog):
    caplog.set_level("INFO", logger="absl")
    kept(LengthLimit(Letters(), 4), ("ab", None), ("abc", None), ("a", None))
    assert [record.getMessage() for record in caplog.records] == [
      "train set t.csv: 1 of 3 rows have more than 4 pieces and are left out "
      "(--drop_longer)"
    ]

  def test_all_stay_where_one_has_no_label(self, caplog):
    caplog.set_level("INFO", logger="absl")
    rows = [*examples(("abc", None)), *examples(("a", None), label=None)]
    assert LengthLimit(Letters(), 4).fitting(rows, "test set") == rows
    assert "1 of 2 rows have more than 4 pieces; all stay" in caplog.text

  def test_no_row_left_is_told(self):
    message = "^train set t.csv: --drop_longer leaves no row, .* --max_seq_length=4 pie"
    with pytest.raises(ValueError, match=message):
      kept(LengthLimit(Letters(), 4), ("abc", None))

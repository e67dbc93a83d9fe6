"""Labels that options or rows give; `table_test.py` has those of whole tables."""

import pytest

from bert_ja.tasks import base, table_labels


def examples(*labels):
  return [base.InputExample("1", "x", None, label) for label in labels]


class TestGiven:
  def test_positive_labels_make_two(self):
    assert table_labels.given(None, None, ["a", "b"]) == ["0", "1"]
    assert table_labels.given(["0", "1"], None, ["a"]) == ["0", "1"]

  @pytest.mark.parametrize(
    ("names", "path", "told"),
    [(["no", "yes"], None, "no, yes"), (["1", "0"], None, "1, 0"), (None, "f", "f")],
  )
  def test_others_beside_positive_ones_are_told(self, names, path, told):
    message = f"makes the labels 0 and 1, but others are given: {told}; leave one of"
    with pytest.raises(ValueError, match=message):
      table_labels.given(names, path, ["a"])


class TestCheckPositive:
  ROWS = examples("sports", "movies", "smartphones")

  def test_labels_that_occur_pass(self):
    table_labels.check_positive(["movies", "sports"], self.ROWS, "train.csv")

  def test_one_that_does_not_is_told_with_the_nearest(self):
    message = (
      "^--positive_labels=movies,sport: no row of train.csv has label 'sport'; did you "
      r"mean 'sports'\? \(it has: 'movies', 'smartphones', 'sports'\); choose "
      "among these, or other rows$"
    )
    with pytest.raises(ValueError, match=message):
      table_labels.check_positive(["movies", "sport"], self.ROWS, "train.csv")

  def test_one_like_none_has_no_hint(self):
    with pytest.raises(ValueError, match=r"has label 'x' \(it has: 'movies', "):
      table_labels.check_positive(["x"], self.ROWS, "train.csv")


class TestYesOrNo:
  def test_the_rest_is_no_and_unknown_labels_stay_unknown(self):
    found = table_labels.yes_or_no(examples("a", "b", None, "c"), ["c", "a"])
    assert [row.label for row in found] == ["1", "0", None, "1"]

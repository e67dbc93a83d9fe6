"""Labels to numbers: each form, and what is no label."""

import pytest

from bert_ja.data import labels
from bert_ja.data.pair_features import InputExample

NAMES = ("no", "yes", "so-so")


def example(label, source="dev.tsv, line 7"):
  return InputExample("dev-6", "text", None, label, source)


class TestClassLabels:
  def test_a_label_is_its_place(self):
    found = labels.of(NAMES).values([example("so-so"), example("no")])
    assert found == [2, 0]

  def test_no_label_is_class_0(self):
    assert labels.of(NAMES).value(example(None)) == 0

  def test_the_key_is_the_names(self):
    assert labels.of(NAMES).key == list(NAMES)

  def test_another_label_is_told_with_its_place(self):
    message = "^dev.tsv, line 7: label 'maybe' is not one of 'no', 'yes', 'so-so'$"
    with pytest.raises(ValueError, match=message):
      labels.of(NAMES).value(example("maybe"))


class TestClassSets:
  def test_a_set_has_a_number_for_each_class(self):
    several = labels.ClassSets(NAMES)
    assert several.value(example(["so-so", "no"])) == [1.0, 0.0, 1.0]
    assert several.value(example([])) == [0.0, 0.0, 0.0]
    assert several.value(example(None)) == [0.0, 0.0, 0.0]
    assert several.feature.shape == (3,)

  def test_another_label_is_told_with_its_place(self):
    with pytest.raises(ValueError, match="^dev.tsv, line 7: label 'x' is not one"):
      labels.ClassSets(NAMES).value(example(["no", "x"]))

  def test_its_key_is_not_that_of_classes(self):
    assert labels.ClassSets(NAMES).key != labels.of(NAMES).key


class TestNumbers:
  @pytest.mark.parametrize(
    ("label", "number"), [("2.5", 2.5), (3, 3.0), ("-1e1", -10.0)]
  )
  def test_text_and_numbers_are_taken(self, label, number):
    assert labels.Numbers(["score"]).value(example(label)) == number

  @pytest.mark.parametrize("label", ["good", "", "nan", "inf", [1.0], True])
  def test_others_are_told_with_their_place(self, label):
    with pytest.raises(ValueError, match="dev.tsv, line 7: expected a number as label"):
      labels.Numbers(["score"]).value(example(label))


class TestMessages:
  def test_an_example_without_source_is_named_by_its_guid(self):
    assert labels.place(example("no", None)) == "example dev-6"

  def test_a_long_list_is_cut(self):
    named = labels.name_labels([str(i) for i in range(150)])
    assert named.startswith("'0', '1', ") and named.endswith("'19', ... (150)")

"""Flags of the loss: what they come to, and what is wrong."""

import pytest
from absl import flags

from bert_ja.data.pair_features import InputExample
from bert_ja.flags import loss_flags
from bert_ja.tasks import multi_label, sentence

KIND = sentence.Sentence(["a", "b", "c"])
ROWS = [InputExample("g", "t", None, label) for label in "aaaabb"]


def read(*arguments, kind=KIND, rows=ROWS):
  values = flags.FlagValues()
  loss_flags.define(values)
  values(["program", *arguments])
  return loss_flags.read(kind, rows, values)


def test_none_are_the_plain_loss():
  options = read()
  assert (options.class_weights, options.label_smoothing) == (None, 0.0)
  assert options.focal_gamma == 0.0


def test_numbers_are_weights_in_the_order_of_labels():
  assert read("--class_weights=1,2,0.5").class_weights == (1.0, 2.0, 0.5)


def test_balanced_weights_make_classes_count_alike():
  # Four rows, two rows, none: the mean of those that are there is three.
  assert read("--class_weights=balanced").class_weights == (0.75, 1.5, 0.0)


def test_without_training_balanced_weights_need_no_rows():
  assert read("--class_weights=balanced", rows=()).class_weights is None


def test_balanced_weights_need_a_label():
  rows = [InputExample("g", "t", None, [])]
  with pytest.raises(ValueError, match="balanced: no training row has a label"):
    read("--class_weights=balanced", kind=multi_label.MultiLabel("abc"), rows=rows)


@pytest.mark.parametrize(
  "given", ["1,2", "1,x,2", "1,-1,2", "1,nan,2", "1,inf,2", "1,2,3,4"]
)
def test_other_weights_are_told_with_the_labels(given):
  message = f"--class_weights={given}: .* 3 numbers from 0 on, for the labels a, b, c"
  with pytest.raises(ValueError, match=message):
    read(f"--class_weights={given}")


def test_an_option_that_the_loss_does_not_know_is_told():
  class Plain(sentence.Sentence):
    loss_options = ("class_weights",)

  with pytest.raises(ValueError, match="--focal_gamma means nothing for this task"):
    read("--focal_gamma=2", kind=Plain(["a"]))

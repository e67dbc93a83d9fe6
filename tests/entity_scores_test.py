"""Entities by hand, and scores against the package seqeval."""

import warnings

import hypothesis
import pytest
from hypothesis import strategies

from bert_ja import entity_scores
from bert_ja.entity_scores import Entity, Score

_TAGS = ["O", "B-x", "I-x", "B-y-z", "I-y-z", "B-人名", "I-人名"]
# Pairs of tags, so that both sides have as many.
_SENTENCES = strategies.lists(
  strategies.lists(
    strategies.tuples(strategies.sampled_from(_TAGS), strategies.sampled_from(_TAGS)),
    max_size=9,
  ),
  min_size=1,
  max_size=5,
)


@pytest.mark.parametrize(
  ("tag", "expected"), [("B-x", "x"), ("I-y-z", "y-z"), ("O", None), ("x", None)]
)
def test_type_of_a_tag(tag, expected):
  assert entity_scores.type_of(tag) == expected


class TestEntities:
  @pytest.mark.parametrize(
    ("tags", "expected"),
    [
      ("", []),
      ("O O", []),
      ("B-x I-x O", [Entity(0, 2, "x")]),
      ("O B-x B-x", [Entity(1, 2, "x"), Entity(2, 3, "x")]),
      ("B-x I-y", [Entity(0, 1, "x"), Entity(1, 2, "y")]),
      ("O I-x I-x", [Entity(1, 3, "x")]),
      ("B-a-b I-a-b", [Entity(0, 2, "a-b")]),
    ],
  )
  def test_an_i_that_continues_nothing_starts_one(self, tags, expected):
    assert entity_scores.entities(tags.split()) == expected

  @pytest.mark.parametrize(
    ("tags", "expected"),
    [
      ("B-x I-x O", [Entity(0, 2, "x")]),
      ("I-x I-x B-x", [Entity(2, 3, "x")]),
      ("B-x I-y I-y", [Entity(0, 1, "x")]),
      ("B-x I-y I-x", [Entity(0, 1, "x")]),
    ],
  )
  def test_strictly_it_belongs_to_none(self, tags, expected):
    assert entity_scores.entities(tags.split(), strict=True) == expected


def score(true, predicted, strict=False):
  """Of tags."""
  sides = (true, predicted)
  return entity_scores.score(
    *([entity_scores.entities(tags, strict) for tags in side] for side in sides)
  )


class TestScore:
  def test_by_hand(self):
    true = [["B-x", "I-x", "O", "B-y"], ["B-y", "O"]]
    predicted = [["B-x", "I-x", "B-y", "O"], ["B-y", "B-x"]]
    total, by_type = score(true, predicted)
    assert by_type == {"x": Score(1, 2, 1), "y": Score(1, 2, 2)}
    assert total == Score(2, 4, 3)
    assert (total.precision, total.recall, total.f1) == (1 / 2, 2 / 3, 4 / 7)

  def test_without_entities_all_is_0(self):
    total, by_type = score([["O"]], [["O"]])
    assert (total.precision, total.recall, total.f1, by_type) == (0, 0, 0, {})

  def test_other_numbers_of_sentences_are_an_error(self):
    with pytest.raises(ValueError, match="1 predictions of 2 sentences"):
      score([["O"], ["O"]], [["O"]])

  @pytest.mark.parametrize("strict", [False, True])
  @hypothesis.settings(deadline=None, max_examples=200)
  @hypothesis.given(sentences=_SENTENCES)
  def test_numbers_are_seqevals(self, strict, sentences):
    sequence_labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    scheme = pytest.importorskip("seqeval.scheme")
    true = [[tag for tag, _ in sentence] for sentence in sentences]
    predicted = [[tag for _, tag in sentence] for sentence in sentences]
    options = {"mode": "strict", "scheme": scheme.IOB2} if strict else {}
    total, by_type = score(true, predicted, strict)
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # of scores without a denominator
      report = sequence_labeling.classification_report(
        true, predicted, output_dict=True, zero_division=0, **options
      )
    expected = {
      name: tuple(row[key] for key in ("precision", "recall", "f1-score", "support"))
      for name, row in report.items()
    }
    for average in ("macro avg", "weighted avg"):
      del expected[average]
    actual = {**by_type, "micro avg": total}
    assert actual.keys() == expected.keys()
    for name, row in actual.items():
      assert (row.precision, row.recall, row.f1, row.support) == pytest.approx(
        expected[name]
      )

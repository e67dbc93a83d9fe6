"""What baselines see: TF-IDF of words, pairs, likeness."""

import numpy as np
import pytest
from scipy import sparse

from bert_ja.baselines import baseline_data, baseline_features
from bert_ja.tasks import base, sentence


def test_a_pair_is_two_texts_their_difference_and_product():
  first, second = np.array([[1.0, 2], [3, -1]]), np.array([[2.0, 2], [-1, 5]])
  expected = [[1, 2, 2, 2, 1, 0, 2, 4], [3, -1, -1, 5, 4, 6, -3, -5]]
  np.testing.assert_array_equal(baseline_features.combine(first, second), expected)
  sides = sparse.csr_matrix(first), sparse.csr_matrix(second)
  found = baseline_features.combine(*sides)
  assert sparse.issparse(found)
  np.testing.assert_array_equal(found.toarray(), expected)


def test_scored_rows_tell_nothing_of_frequencies():
  words = {"train": [[["a", "b"], ["a"]]], "dev": [[["b", "c"], []]]}
  found = baseline_features.tfidf(words)
  # c is not in the train set, b alone is left.
  np.testing.assert_allclose(found["dev"].toarray(), [[0, 1], [0, 0]])


def test_neighbours_are_counted_together():
  words = {"train": [["aba", "ab"]], "dev": [["ba"]]}  # a text is characters here
  found = baseline_features.tfidf(words, ngrams=(1, 2))
  # a, "a b", b, "b a"; all but the last are in both texts.
  weights = np.array([1, 1, 1, np.log(3 / 2) + 1])
  for name, counts in (
    ("train", [[2, 1, 1, 1], [1, 1, 1, 0]]),
    ("dev", [[1, 0, 1, 1]]),
  ):
    expected = np.array(counts) * weights
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found[name].toarray(), expected)


def test_likeness_is_the_cosine():
  first = [["a", "b"], ["a", "c"], ["b"], []]
  second = [["b", "a"], ["b"], ["b", "c", "c"], ["a"]]
  words = {"train": [first, second]}
  found = baseline_features.tfidf(words, compare=baseline_features.cosine)["train"]
  # By hand: idf = ln((1 + texts) / (1 + texts with the word)) + 1 of eight texts.
  idf = {"a": np.log(9 / 5) + 1, "b": np.log(9 / 6) + 1, "c": np.log(9 / 3) + 1}
  expected = idf["b"] / np.hypot(idf["b"], 2 * idf["c"])
  np.testing.assert_allclose(found, [[1], [0], [expected], [0]], rtol=1e-12, atol=1e-12)


def test_a_text_that_recurs_is_split_once():
  texts = ["a b", "c", "a b"]
  rows = [base.InputExample(str(n), text, None, "x") for n, text in enumerate(texts)]
  data = baseline_data.Data("sentence", sentence.Sentence(["x"]), {"train": rows})
  seen = []

  def words(text):
    seen.append(text)
    return text.split()

  found = baseline_features.split_words(data, words)
  assert seen == ["a b", "c"]
  assert found == {"train": [[["a", "b"], ["c"], ["a", "b"]]]}


def test_no_words():
  with pytest.raises(ValueError, match="train set have no words; look at its column"):
    baseline_features.tfidf({"train": [[[], []]]})

"""What baselines see of a task's texts: TF-IDF of their words, an encoder's vectors.

R rows or pairs, D numbers of a text.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import feature_extraction

from bert_ja import reporting
from bert_ja.baselines import baseline_data


def combine(first: Any, second: Any = None) -> Any:
  """Numbers of a pair out of those of its texts: u, v, |u - v| and u * v, [R, 4 D].

  With u and v alone a linear model could not tell whether they are alike.

  Args:
    first: u, [R, D], dense or sparse.
    second: v; None for single texts, which stay as they are.
  """
  if second is None:
    return first
  if sparse.issparse(first):
    parts = first, second, abs(first - second), first.multiply(second)
    return sparse.hstack(parts, format="csr")
  return np.hstack([first, second, np.abs(first - second), first * second])


def cosine(first: sparse.csr_matrix, second: sparse.csr_matrix) -> np.ndarray:
  """How alike the texts of a pair are, [R, 1]; of two [R, D] of rows of length 1."""
  return np.asarray(first.multiply(second).sum(axis=1)).reshape(-1, 1)


def tfidf(
  words: Mapping[str, Sequence[Sequence[Sequence[str]]]],
  max_features: int | None = None,
  compare: Callable[..., Any] = combine,
  ngrams: tuple[int, int] = (1, 1),
) -> dict[str, Any]:
  """TF-IDF of words or characters, with what the train set says of their frequencies.

  Args:
    words: for each set a list of first texts and, of pairs, one of second texts; a
      text is a list of words, or one text of characters.
    max_features: the most frequent ones of the train set that count; None for all.
    compare: what makes one array of those of first and second texts.
    ngrams: the fewest and the most neighbours that count together.

  Returns:
    What `compare` gives for each set.

  Raises:
    ValueError: the train set has no words.
  """
  train = [text for texts in words["train"] for text in texts]
  if not any(train):
    raise ValueError("the texts of the train set have no words; look at its column")
  vectorizer = feature_extraction.text.TfidfVectorizer(
    preprocessor=lambda text: text,
    tokenizer=lambda text: text,
    token_pattern=None,
    ngram_range=ngrams,
    max_features=max_features,
  )
  vectorizer.fit(train)
  return {
    name: compare(*map(vectorizer.transform, texts)) for name, texts in words.items()
  }


def encoded(
  data: baseline_data.Data, encode: Callable[[Sequence[str]], np.ndarray]
) -> dict[str, np.ndarray]:
  """An encoder's vectors [R, D] of each set, of pairs as `combine` makes them."""
  return {name: combine(*map(encode, texts)) for name, texts in data.columns().items()}


def split_words(
  data: baseline_data.Data, words: Callable[[str], Sequence[str]]
) -> dict[str, list[list[Sequence[str]]]]:
  """The columns of each set, each text as its words."""
  columns = data.columns()
  # A question recurs with each of its choices.
  texts = dict.fromkeys(t for parts in columns.values() for part in parts for t in part)
  with reporting.Progress(len(texts), "text", "words") as progress:
    for text in texts:
      texts[text] = words(text)
      progress.update()
  return {
    name: [[texts[text] for text in part] for part in parts]
    for name, parts in columns.items()
  }

"""Simple classifiers that a model has to beat, trained and scored on its task's files.

R rows, C classes, D numbers of a row or text.
"""

import csv
import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging
from scipy import sparse
from sklearn import (
  dummy,
  ensemble,
  feature_extraction,
  linear_model,
  neural_network,
  pipeline,
  preprocessing,
)

from bert_ja import baseline_data, reporting, text_io
from bert_ja.tasks import sentence

# What a baseline sees, and the classifier that learns from it. The slowest last.
NAMES = (
  "majority",
  "tfidf_logistic",
  "vectors_logistic",
  "vectors_mlp",
  "encoder_logistic",
  "tfidf_boosting",
  "vectors_boosting",
)

# Of the published baseline for livedoor (contract B-36).
_BOOSTING_WORDS = 750
_SCORES = {"accuracy": "accuracy", "f1_macro": "macro F1"}


@dataclasses.dataclass(frozen=True)
class Inputs:
  """Where the numbers come from that baselines see.

  Attributes:
    words: text -> its words, for the baselines of TF-IDF.
    encode: texts -> float32 [R, D], for `encoder_logistic`.
    vectors: float [R, D] of each set, for the baselines of vectors.
  """

  words: Callable[[str], list[str]] | None = None
  encode: Callable[[Sequence[str]], np.ndarray] | None = None
  vectors: Mapping[str, np.ndarray] | None = None


@dataclasses.dataclass(frozen=True)
class Options:
  """How baselines are trained.

  Attributes:
    max_features: of all words the most frequent, for TF-IDF. By default 750 for
      gradient boosting, whose time grows with them, and all for logistic regression.
    num_estimators: rounds of gradient boosting, each with a tree a class.
    seed: of gradient boosting and MLPs; the others draw nothing.
    hidden_sizes: of an MLP's layers before the last.
  """

  max_features: int | None = None
  num_estimators: int = 200
  seed: int = 12345
  hidden_sizes: tuple[int, ...] = (256, 128)


@dataclasses.dataclass(frozen=True)
class Result:
  """Of one baseline.

  Attributes:
    name: one of `NAMES`.
    scores: for each scored set its `accuracy` and `f1_macro`.
    seconds: words or vectors, training and predictions; words count for each baseline
      that needs them, although they are made once.
  """

  name: str
  scores: dict[str, dict[str, float]]
  seconds: float


def run(
  names: Sequence[str],
  data: baseline_data.Data,
  inputs: Inputs,
  options: Options,
  output_dir: str,
) -> list[Result]:
  """Trains baselines on the train set and scores them on the others.

  Writes `<name>/` for each, with the files that `run_classifier.py` writes, and
  `summary.md` and `summary.csv` beside them. Nothing is chosen by scores.

  Args:
    names: some of `NAMES`, whose inputs are there.
    data: see `baseline_data.read`.
    inputs: see there.
    options: see there.
    output_dir: created if missing.

  Raises:
    ValueError: the train set has no two labels, or no words.
  """
  _check_two_labels(names, data)
  text_io.makedirs(output_dir)
  words, words_seconds = None, 0.0
  if any(name.startswith("tfidf") for name in names):
    start = time.perf_counter()
    words = _split(data, inputs.words)
    words_seconds = time.perf_counter() - start
  makers = {
    "majority": lambda: _nothing(data),
    "tfidf_logistic": lambda: tfidf(words, options.max_features),
    "tfidf_boosting": lambda: tfidf(words, options.max_features or _BOOSTING_WORDS),
    "encoder_logistic": lambda: encoded(data, inputs.encode),
  }
  makers |= {
    name: lambda: inputs.vectors for name in NAMES if name.startswith("vectors")
  }
  results = []
  for name in names:
    logging.info("***** Baseline %s *****", name)
    start = time.perf_counter()
    classifier = create_classifier(name, options)
    probabilities = _probabilities(classifier, makers[name](), data)
    seconds = time.perf_counter() - start
    if name.startswith("tfidf"):
      seconds += words_seconds
    scores = _write(os.path.join(output_dir, name), data, probabilities)
    results.append(Result(name, scores, seconds))
  write_summary(output_dir, results)
  return results


def create_classifier(name: str, options: Options) -> Any:
  """A baseline's classifier of scikit-learn, not yet trained.

  TF-IDF has its own scale, and trees know none. Other vectors are brought to mean 0 and
  variance 1, without which the penalty of logistic regression and the steps of an MLP
  would depend on how long they are.
  """
  if name == "majority":
    return dummy.DummyClassifier(strategy="prior")
  source, kind = name.split("_")
  if kind == "boosting":
    return ensemble.GradientBoostingClassifier(
      n_estimators=options.num_estimators, random_state=options.seed
    )
  if kind == "mlp":
    classifier = neural_network.MLPClassifier(
      options.hidden_sizes, random_state=options.seed
    )
  else:
    classifier = linear_model.LogisticRegression(max_iter=1000)
  if source == "tfidf":
    return classifier
  return pipeline.make_pipeline(preprocessing.StandardScaler(), classifier)


def tfidf(
  words: Mapping[str, Sequence[Sequence[list[str]]]], max_features: int | None = None
) -> dict[str, sparse.csr_matrix]:
  """TF-IDF of words, with what the train set says of their frequencies.

  Args:
    words: for each set a list of first texts and, of pairs, one of second texts; a
      text is a list of words.
    max_features: the most frequent words of the train set that count; None for all.

  Returns:
    [R, D] of each set, of pairs as `combine` makes them.

  Raises:
    ValueError: the train set has no words.
  """
  train = [text for texts in words["train"] for text in texts]
  if not any(train):
    raise ValueError("the texts of the train set have no words; look at its column")
  vectorizer = feature_extraction.text.TfidfVectorizer(
    analyzer=lambda text: text, max_features=max_features
  )
  vectorizer.fit(train)
  return {
    name: combine(*map(vectorizer.transform, texts)) for name, texts in words.items()
  }


def encoded(
  data: baseline_data.Data, encode: Callable[[Sequence[str]], np.ndarray]
) -> dict[str, np.ndarray]:
  """An encoder's vectors [R, D] of each set, of pairs as `combine` makes them."""
  return {name: combine(*map(encode, texts)) for name, texts in data.columns().items()}


def combine(first: Any, second: Any = None) -> Any:
  """Numbers of a pair out of those of its texts: u, v, |u - v| and u * v, [R, 4 D].

  With u and v alone a linear classifier could not tell whether they are alike.

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


def _split(data, words):
  """The columns of each set, each text as a list of words."""
  columns = data.columns()
  total = sum(len(texts) for parts in columns.values() for texts in parts)
  with reporting.Progress(total, "text", "words") as progress:

    def split(text):
      found = words(text)
      progress.update()
      return found

    return {
      name: [list(map(split, texts)) for texts in parts]
      for name, parts in columns.items()
    }


def _nothing(data):
  return {name: np.zeros([len(rows), 1]) for name, rows in data.examples.items()}


def _check_two_labels(names, data):
  labels = {row.label for row in data.examples["train"]}
  if len(labels) < 2 and set(names) != {"majority"}:
    raise ValueError(
      f"all rows of the train set have the label {min(labels, default='')!r}; only "
      "--baselines=majority learns from that"
    )


def _probabilities(classifier, features, data):
  """Float [R, C] for each scored set; 0 for labels that the train set lacks."""
  classifier.fit(features["train"], data.label_ids("train"))
  found = {}
  for name in data.scored:
    found[name] = np.zeros([len(data.examples[name]), len(data.label_list)])
    found[name][:, classifier.classes_] = classifier.predict_proba(features[name])
  return found


def _write(directory, data, probabilities):
  """Writes a baseline's results; returns its scores of each set."""
  text_io.makedirs(directory)
  scores = {}
  for name, rows in probabilities.items():
    labels = data.label_ids(name)
    # A label that the train set lacks has no probability, and the loss stays finite.
    least = np.finfo(np.float32).eps
    losses = -np.log(np.maximum(rows[np.arange(len(rows)), labels], least))
    outputs = {"probabilities": rows, "label_ids": labels, "per_example_loss": losses}
    kind, examples = sentence.Sentence(data.label_list), data.examples[name]
    results = kind.metrics(outputs, len(rows))
    if name == "dev":
      kind.write_evaluation(directory, results, outputs, examples)
    else:
      kind.write_predictions(directory, examples, {"probabilities": rows}, True)
    scores[name] = {score: results[f"eval_{score}"] for score in _SCORES}
  return scores


def write_summary(directory: str, results: Sequence[Result]) -> None:
  """Writes all baselines' scores, `summary.md` for people and `summary.csv`."""
  text = summary_table(results, markdown=True)
  text_io.write_text(os.path.join(directory, "summary.md"), text)
  columns = _score_columns(results)
  with text_io.written_whole(os.path.join(directory, "summary.csv")) as writer:
    table = csv.writer(writer, lineterminator="\n")
    names = [f"{split}_{score}" for split, score in columns]
    table.writerow(["baseline", *names, "seconds"])
    for result in results:
      scores = [repr(result.scores[split][score]) for split, score in columns]
      table.writerow([result.name, *scores, f"{result.seconds:.3f}"])


def summary_table(results: Sequence[Result], markdown: bool = False) -> str:
  """A line a baseline: its scores and seconds."""
  columns = _score_columns(results)
  headers = [f"{split} {_SCORES[score]}" for split, score in columns]
  rows = [
    (
      result.name,
      *(result.scores[split][score] for split, score in columns),
      f"{result.seconds:.1f}",
    )
    for result in results
  ]
  headers = ["baseline", *headers, "seconds"]
  return reporting.format_table(rows, headers, markdown=markdown)


def _score_columns(results):
  return [(split, score) for split in results[0].scores for score in _SCORES]

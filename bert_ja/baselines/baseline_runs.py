"""Simple learners that a model has to beat, trained and scored on its task's files.

R rows, D numbers of a row or text.
"""

import csv
import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from absl import logging

from bert_ja import reporting, text_io
from bert_ja.baselines import baseline_data, baseline_features, baseline_search
from bert_ja.baselines.baseline_learners import LEARNERS, Options

# Of the published baseline for livedoor (contract B-36).
_BOOSTING_WORDS = 750
_TITLES = {
  "accuracy": "accuracy",
  "f1_macro": "macro F1",
  "pearson": "Pearson",
  "spearman": "Spearman",
}


@dataclasses.dataclass(frozen=True)
class Inputs:
  """Where the numbers come from that baselines see.

  Attributes:
    words: text -> its words, or one text of its characters, for the baselines of
      TF-IDF.
    encode: texts -> float32 [R, D], for `encoder_logistic`.
    vectors: float [R, D] of each set, for the baselines of vectors.
  """

  words: Callable[[str], Sequence[str]] | None = None
  encode: Callable[[Sequence[str]], np.ndarray] | None = None
  vectors: Mapping[str, np.ndarray] | None = None


@dataclasses.dataclass(frozen=True)
class Result:
  """Of one baseline.

  Attributes:
    name: one of those of the task's kind.
    scores: for each scored set the scores to show.
    seconds: words or vectors, training and predictions; words count for each baseline
      that needs them, although they are made once.
    inverse_penalty: that the baseline was trained with; None if it has none.
  """

  name: str
  scores: dict[str, dict[str, float]]
  seconds: float
  inverse_penalty: float | None = None


def run(
  names: Sequence[str],
  data: baseline_data.Data,
  inputs: Inputs,
  options: Options,
  output_dir: str,
) -> list[Result]:
  """Trains baselines on the train set and scores them on the others.

  Writes `<name>/` for each, with the files that `run_classifier.py` writes, and
  `summary.md` and `summary.csv` beside them. Nothing is chosen by the scores of other
  sets than the train set.

  Args:
    names: some of those of the task's kind, whose inputs are there.
    data: see `baseline_data.read`.
    inputs: see there.
    options: see there.
    output_dir: created if missing.

  Raises:
    ValueError: the train set has nothing to learn from, or no words.
  """
  learner = LEARNERS[data.kind_name](data)
  learner.check(names)
  text_io.makedirs(output_dir)
  words, words_seconds = None, 0.0
  if any(name.startswith("tfidf") for name in names):
    start = time.perf_counter()
    words = baseline_features.split_words(data, inputs.words)
    words_seconds = time.perf_counter() - start
  results = []
  for name in names:
    logging.info("***** Baseline %s *****", name)
    start = time.perf_counter()
    if name.startswith("tfidf"):
      features = _tfidf(name, words, options)
    elif name.startswith("encoder"):
      features = baseline_features.encoded(data, inputs.encode)
    elif name.startswith("vectors"):
      features = inputs.vectors
    else:
      features = learner.without_texts()
    estimator = learner.create(name, options)
    outputs = learner.outputs(estimator, features)
    seconds = time.perf_counter() - start
    baseline_search.log_scores(estimator)
    if name.startswith("tfidf"):
      seconds += words_seconds
    scores = _write(os.path.join(output_dir, name), data, outputs, learner.scores)
    penalty = baseline_search.inverse_penalty(estimator)
    results.append(Result(name, scores, seconds, penalty))
  write_summary(output_dir, results)
  return results


def _tfidf(name, words, options):
  most = _BOOSTING_WORDS if name == "tfidf_boosting" else None
  is_cosine = name == "tfidf_cosine"
  return baseline_features.tfidf(
    words,
    options.max_features or most,
    baseline_features.cosine if is_cosine else baseline_features.combine,
    options.ngrams,
  )


def _write(directory, data, outputs, shown):
  """Writes a baseline's results; returns its scores of each set."""
  text_io.makedirs(directory)
  scores = {}
  for name, rows in outputs.items():
    kind, examples = data.kind, data.examples[name]
    rows = rows | kind.truth(examples)
    results = kind.metrics(rows, len(examples))
    if name == "dev":
      kind.write_evaluation(directory, results, rows, examples)
    else:
      kind.write_predictions(directory, examples, rows, True)
    scores[name] = {score: results[f"eval_{score}"] for score in shown}
  return scores


def write_summary(directory: str, results: Sequence[Result]) -> None:
  """Writes all baselines' scores, `summary.md` for people and `summary.csv`."""
  text = summary_table(results, markdown=True)
  text_io.write_text(os.path.join(directory, "summary.md"), text)
  columns = _score_columns(results)
  with text_io.written_whole(os.path.join(directory, "summary.csv")) as writer:
    table = csv.writer(writer, lineterminator="\n")
    names = [f"{split}_{score}" for split, score in columns]
    table.writerow(["baseline", *names, "inverse_penalty", "seconds"])
    for result in results:
      scores = [repr(result.scores[split][score]) for split, score in columns]
      seconds = f"{result.seconds:.3f}"
      table.writerow([result.name, *scores, _penalty_text(result), seconds])


def summary_table(results: Sequence[Result], markdown: bool = False) -> str:
  """A line a baseline: its scores, its inverse penalty if it has one, seconds."""
  columns = _score_columns(results)
  headers = [f"{split} {_TITLES[score]}" for split, score in columns]
  rows = [
    (
      result.name,
      *(result.scores[split][score] for split, score in columns),
      _penalty_text(result),
      f"{result.seconds:.1f}",
    )
    for result in results
  ]
  headers = ["baseline", *headers, "inverse penalty", "seconds"]
  return reporting.format_table(rows, headers, markdown=markdown)


def _penalty_text(result):
  penalty = result.inverse_penalty
  return "" if penalty is None else f"{penalty:g}"


def _score_columns(results):
  return [
    (split, score) for split, scores in results[0].scores.items() for score in scores
  ]

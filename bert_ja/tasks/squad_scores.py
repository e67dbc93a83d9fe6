"""Exact match and F1 of the official SQuAD evaluators, and F1 over characters.

The v1.1 and v2.0 evaluators differ: in 2.0 right answers that are nothing after the
normalization do not count, two answers without words are equal, and a question whose
no-answer odds are above a threshold counts as answered with nothing. R questions.
"""

import collections
import csv
import dataclasses
import os
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from bert_ja import figures, reporting, text_io
from bert_ja.data.span_features import SquadExample

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)
QUESTION_SCORES = "question_scores.tsv"
_SCORES = ("exact", "f1", "character_f1")

# --- One answer ---------------------------------------------------------------------


def normalize_answer(text: str) -> str:
  """The text in lower case, without ASCII punctuation and English articles.

  White space becomes single spaces. As in the official evaluators: punctuation of
  other scripts stays (`「」、。`), and so do full-width letters.
  """
  text = text.lower().translate(_WITHOUT_PUNCTUATION)
  return " ".join(_ARTICLES.sub(" ", text).split())


def overlap_f1(predicted: Sequence[str], right: Sequence[str]) -> float:
  """F1 of two bags of items: what both have, against what each has.

  Returns:
    0 to 1; where one has no items 1 if both have none, as in the v2.0 evaluator.
  """
  if not predicted or not right:
    return float(len(predicted) == len(right))
  shared = collections.Counter(predicted) & collections.Counter(right)
  same = sum(shared.values())
  if same == 0:
    return 0.0
  precision, recall = same / len(predicted), same / len(right)
  return (2 * precision * recall) / (precision + recall)


def character_f1(predicted: str, right: str) -> float:
  """F1 over characters of the normalized texts, white space left out.

  Papers of Japanese and Chinese data sets report F1 over characters, since white space
  does not part words there (JSQuAD: Kurihara et al. 2022; JaQuAD: So et al. 2022), but
  not one normalization. Here it is `normalize_answer` for all of them, so that EM and
  both F1 judge the same text. CMRC 2018's own evaluator is another one: it keeps Latin
  words whole and takes the longest common substring in place of the bag.

  Args:
    predicted: a predicted answer.
    right: a right answer.

  Returns:
    0 to 1.
  """
  return overlap_f1(*map(_characters, map(normalize_answer, (predicted, right))))


def _characters(normalized):
  return normalized.replace(" ", "")


# --- All answers --------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class QuestionScores:
  """How well each question was answered, the no-answer threshold left aside.

  Attributes:
    ids: [R].
    predictions: [R] texts; empty for none.
    right_answers: [R] the right answer that is nearest to the prediction.
    has_answer: bool [R].
    exact: float64 [R], 0 or 1.
    f1: float64 [R], over words.
    character_f1: float64 [R].
    threshold: a question with higher odds counts as answered with nothing.
    version_2: whether the rules are those of the v2.0 evaluator.
    null_odds: float64 [R], how likely it is that there is no answer, on any scale;
      None if not known, and in version 1.1.
    best: what the v2.0 evaluator says of the best thresholds; empty without odds.
  """

  ids: list[str]
  predictions: list[str]
  right_answers: list[str]
  has_answer: np.ndarray
  exact: np.ndarray
  f1: np.ndarray
  character_f1: np.ndarray
  threshold: float
  version_2: bool
  null_odds: np.ndarray | None = None
  best: Mapping[str, float] = dataclasses.field(default_factory=dict)

  def at_threshold(self, name: str) -> np.ndarray:
    """Scores that count.

    Args:
      name: "exact", "f1" or "character_f1".

    Returns:
      float64 [R].
    """
    return np.where(self.unanswered(), ~self.has_answer, getattr(self, name))

  def unanswered(self) -> np.ndarray:
    """Which questions count as answered with nothing by their odds: bool [R]."""
    if self.null_odds is None:
      return np.zeros(len(self.ids), bool)
    return self.null_odds > self.threshold


def score_questions(
  examples: Iterable[SquadExample],
  predictions: Mapping[str, str],
  null_odds: Mapping[str, float] | None = None,
  version_2: bool = False,
  threshold: float = 1.0,
) -> QuestionScores:
  """Compares each prediction with its right answers; the best of them counts.

  As in the official evaluators, a question without a prediction counts 0 in version
  1.1 and is left out in 2.0; a warning gives their number.

  Args:
    examples: all questions, read for prediction.
    predictions: {id: text}.
    null_odds: {id: odds of there being no answer}; only for version 2.
    version_2: whether to follow the v2.0 evaluator.
    threshold: questions with higher odds count as answered with nothing; without odds
      none does.

  Returns:
    The scores, in the order of the examples.

  Raises:
    ValueError: right answers are not known, no question has a prediction, or one that
      has lacks odds.
  """
  examples = list(examples)
  check_answers(examples, version_2)
  missing = [e.qas_id for e in examples if e.qas_id not in predictions]
  if len(missing) == len(examples):
    raise ValueError(
      f"none of the {len(examples)} questions has a prediction (first: {missing[0]!r}); "
      "are the predictions those of this file?"
    )
  if missing:
    logging.warning(
      "%d of %d questions have no prediction (first: %s); they %s, as in the official "
      "evaluator",
      len(missing),
      len(examples),
      missing[0],
      "are left out" if version_2 else "count 0",
    )
  kept = examples
  if version_2 and missing:
    kept = [example for example in examples if example.qas_id in predictions]
  rows = [_row(example, predictions.get(example.qas_id), version_2) for example in kept]
  right_answers, *columns = zip(*rows, strict=True)
  scores = QuestionScores(
    ids=[example.qas_id for example in kept],
    predictions=[predictions.get(example.qas_id, "") for example in kept],
    right_answers=list(right_answers),
    has_answer=np.asarray([bool(example.answers) for example in kept]),
    **dict(zip(_SCORES, np.asarray(columns, np.float64), strict=True)),
    threshold=threshold,
    version_2=version_2,
  )
  if not version_2 or null_odds is None:
    return scores
  # As in the original: a question that lacks a prediction counts among these.
  unanswerable = sum(not example.answers for example in examples)
  scores = dataclasses.replace(scores, null_odds=_odds(scores.ids, null_odds))
  best = _best_thresholds(scores, null_odds, unanswerable)
  return dataclasses.replace(scores, best=best)


def check_answers(examples: Sequence[SquadExample], version_2: bool) -> None:
  """Checks that right answers are known, before long work whose results need them.

  Raises:
    ValueError: a question has none in version 1.1, or all have none and none is known
      to be unanswerable.
  """
  if version_2:
    if not any(example.answers or example.is_impossible for example in examples):
      raise ValueError(
        f"none of {len(examples)} questions has an answer or is_impossible; scores "
        "need a file with the right answers"
      )
    return
  for example in examples:
    if not example.answers:
      raise ValueError(
        f"{example.source or example.qas_id} has no right answer; scores need a file "
        "with answers, and --version_2_with_negative where questions may have none"
      )


def _row(example, prediction, version_2):
  """(nearest right answer, exact, F1, character F1)."""
  right = {answer.text: normalize_answer(answer.text) for answer in example.answers}
  if version_2:
    right = {text: normal for text, normal in right.items() if normal} or {"": ""}
  if prediction is None:
    return next(iter(right)), 0.0, 0.0, 0.0
  predicted = normalize_answer(prediction)
  words, characters = predicted.split(), _characters(predicted)
  scored = []
  for text, normal in right.items():
    if normal == predicted:
      # Nothing is nearer. As in the v1.1 evaluator: no words in common is no F1.
      return text, 1.0, float(bool(words) or version_2), 1.0
    f1 = overlap_f1(words, normal.split())
    scored.append((f1, overlap_f1(characters, _characters(normal)), text))
  f1, of_characters = (max(column) for column in list(zip(*scored, strict=True))[:2])
  nearest = max(scored, key=lambda row: row[:2])[2]
  return nearest, 0.0, f1, of_characters


def _odds(ids, null_odds):
  missing = [name for name in ids if name not in null_odds]
  if missing:
    raise ValueError(
      f"{len(missing)} of {len(ids)} questions have no no-answer odds (first: "
      f"{missing[0]!r}); predictions and odds must come from the same run"
    )
  odds = np.asarray([null_odds[name] for name in ids], np.float64)
  bad = np.flatnonzero(~np.isfinite(odds))
  if bad.size:
    raise ValueError(
      f"no-answer odds of {bad.size} of {len(ids)} questions are not finite (first: "
      f"{ids[bad[0]]!r}); expected numbers"
    )
  return odds


def _best_thresholds(scores, null_odds, unanswerable):
  """Best scores and their thresholds as the v2.0 evaluator finds them.

  Args:
    scores: with odds.
    null_odds: {id: odds}, whose order decides among equal odds.
    unanswerable: how many questions have no answer.
  """
  row_of = {name: row for row, name in enumerate(scores.ids)}
  rows = np.asarray([row_of[name] for name in null_odds if name in row_of])
  rows = rows[np.argsort(scores.null_odds[rows], kind="stable")]
  has_text = np.asarray([bool(text) for text in scores.predictions])
  best = {}
  for name in ("exact", "f1"):
    # What giving the prediction adds to giving no answer. As in the original: a text
    # that is nothing after the normalization is lost all the same.
    gains = np.where(scores.has_answer, getattr(scores, name), -1.0 * has_text)
    totals = unanswerable + np.cumsum(gains[rows])  # [R]
    first = int(np.argmax(totals))
    # As in the original: giving no answer at all is named as threshold 0.
    score, threshold = float(unanswerable), 0.0
    if totals[first] > unanswerable:
      score, threshold = float(totals[first]), float(scores.null_odds[rows[first]])
    best[f"best_{name}"] = 100.0 * score / len(rows)
    best[f"best_{name}_thresh"] = threshold
  return best


# --- Results ------------------------------------------------------------------------


def evaluate(
  examples: Iterable[SquadExample],
  predictions: Mapping[str, str],
  null_odds: Mapping[str, float] | None = None,
  version_2: bool = False,
  threshold: float = 1.0,
) -> dict[str, float]:
  """Scores and summarizes; see `score_questions` and `summarize`."""
  return summarize(
    score_questions(examples, predictions, null_odds, version_2, threshold)
  )


def summarize(scores: QuestionScores) -> dict[str, float]:
  """What the official evaluator prints, and F1 over characters; all in percent.

  Returns:
    v1.1: `exact_match`, `f1`. v2.0: `exact`, `f1`, `total`, the same for questions with
    (`HasAns_`) and without answers (`NoAns_`) where there are any, and with no-answer
    odds `best_exact`, `best_exact_thresh`, `best_f1`, `best_f1_thresh`. Both:
    `character_f1`.
  """
  columns = {name: scores.at_threshold(name) for name in _SCORES}
  everything = np.ones(len(scores.ids), bool)
  if not scores.version_2:
    exact, f1, of_characters = _means(columns, everything).values()
    return {"exact_match": exact, "f1": f1, "character_f1": of_characters}
  result = {}
  for prefix, chosen in (
    ("", everything),
    ("HasAns_", scores.has_answer),
    ("NoAns_", ~scores.has_answer),
  ):
    if chosen.any():
      means = _means(columns, chosen) | {"total": int(chosen.sum())}
      result.update({prefix + name: value for name, value in means.items()})
  return result | dict(scores.best)


def _means(columns, chosen):
  """Percent of the chosen rows, by name."""
  return {
    name: 100.0 * float(column[chosen].sum()) / int(chosen.sum())
    for name, column in columns.items()
  }


def flat_metrics(result: Mapping[str, float]) -> dict[str, float]:
  """The results by names that are the same in both versions, with `eval_` before them.

  Returns:
    `eval_exact_match`, `eval_f1`, `eval_character_f1` and the others.
  """
  return {
    "eval_exact_match" if name == "exact" else f"eval_{name}": value
    for name, value in result.items()
  }


def no_answer_curve(scores: QuestionScores) -> dict[str, np.ndarray]:
  """Scores by the no-answer threshold, from answering nothing to answering all.

  A question whose prediction is empty has no answer at any threshold. At most R + 1
  thresholds: one below all odds, and each of the odds.

  Args:
    scores: with `null_odds`.

  Returns:
    "threshold", ascending, "exact", "f1" and "character_f1" in percent: float64 [T].
  """
  odds, last = np.unique(scores.null_odds, return_counts=True)
  ends = np.concatenate([[0], np.cumsum(last)])  # questions answered, [T]
  order = np.argsort(scores.null_odds, kind="stable")
  unanswered = (~scores.has_answer).astype(np.float64)
  curve = {"threshold": np.concatenate([[np.nextafter(odds[0], -np.inf)], odds])}
  for name in _SCORES:
    gains = (getattr(scores, name) - unanswered)[order]
    totals = unanswered.sum() + np.concatenate([[0.0], np.cumsum(gains)])
    curve[name] = 100.0 * totals[ends] / len(scores.ids)
  return curve


# --- Files --------------------------------------------------------------------------


def write_scores(
  directory: str, scores: QuestionScores, extra: Mapping[str, Any] | None = None
) -> list[str]:
  """Writes the results, and logs a table of them.

  `evaluation.json` has the official evaluator's names, `metrics.json` those of
  `flat_metrics`, `QUESTION_SCORES` a row a question, and with no-answer odds
  `no_answer_curve.csv` and `.png` the scores by threshold.

  Args:
    directory: created if missing.
    scores: of `score_questions`.
    extra: more numbers for `metrics.json`, for example `global_step`.

  Returns:
    The paths.
  """
  text_io.makedirs(directory)
  names = ["evaluation.json", "metrics.json", QUESTION_SCORES]
  if scores.null_odds is not None:
    names += ["no_answer_curve.csv", "no_answer_curve.png"]
  paths = [os.path.join(directory, name) for name in names]
  result = summarize(scores)
  text_io.write_json(paths[0], result)
  metrics = flat_metrics(result) | dict(extra or {})
  text_io.write_json(paths[1], dict(sorted(metrics.items())))
  _write_questions(paths[2], scores)
  if scores.null_odds is not None:
    _write_curve(*paths[3:], scores)
  for line in format_result(result, len(scores.ids)).splitlines():
    logging.info("%s", line)
  return paths


def _write_questions(path, scores):
  header = ["id", *_SCORES, "prediction", "right_answer"]
  columns = [scores.ids]
  columns += [scores.at_threshold(name).tolist() for name in _SCORES]
  given = zip(scores.predictions, scores.unanswered(), strict=True)
  columns.append(["" if unanswered else text for text, unanswered in given])
  columns.append(scores.right_answers)
  if scores.null_odds is not None:
    header.append("null_odds")
    columns.append(scores.null_odds.tolist())
  with text_io.written_whole(path) as writer:
    for row in (header, *zip(*columns, strict=True)):
      writer.write("\t".join(map(_cell, row)) + "\n")


def _cell(value):
  if not isinstance(value, str):
    return f"{value:.9g}"
  # White space within a cell could be a tab; half a character is no UTF-8.
  return " ".join(value.split()).encode("utf-8", "replace").decode("utf-8")


def _write_curve(table_path, picture_path, scores):
  curve = no_answer_curve(scores)
  with text_io.written_whole(table_path) as writer:
    table = csv.writer(writer, lineterminator="\n")
    table.writerow(curve)
    table.writerows(zip(*(column.tolist() for column in curve.values()), strict=True))
  thresholds = curve.pop("threshold")
  marks = {
    "best exact": scores.best["best_exact_thresh"],
    "best f1": scores.best["best_f1_thresh"],
    "used": scores.threshold,
  }
  text_io.write_bytes(picture_path, figures.threshold_curve(thresholds, curve, marks))


def format_result(result: Mapping[str, float], total: int) -> str:
  """A table of a result of `summarize`, a row a kind of question.

  Args:
    result: the result.
    total: the number of questions.

  Returns:
    Lines, each ended by a newline.
  """
  rows = []
  for prefix, name in (
    ("", "all"),
    ("HasAns_", "with an answer"),
    ("NoAns_", "without an answer"),
  ):
    if f"{prefix}f1" in result:
      exact = result.get(f"{prefix}exact", result.get("exact_match"))
      others = [result[f"{prefix}{column}"] for column in ("f1", "character_f1")]
      rows.append((name, result.get(f"{prefix}total", total), exact, *others))
  headers = ("questions", "number", "exact match", "F1", "character F1")
  lines = reporting.format_table(rows, headers, digits=2)
  for name, title in (("exact", "exact match"), ("f1", "F1")):
    if f"best_{name}" in result:
      lines += (
        f"best {title} {result[f'best_{name}']:.2f}, at the no-answer threshold "
        f"{result[f'best_{name}_thresh']:.6g}\n"
      )
  return lines

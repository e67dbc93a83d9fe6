"""Scores of positions to answers: the n best texts of a question (contract A-125..136).

W is the number of windows, S' that of the positions scored in each (at most S, the
length of a row), B the windows of a block, N the best starts and ends of a window that
are paired, K the candidates: the pairs that can be an answer.
"""

import dataclasses
import functools
import itertools
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from bert_ja import text_io, tokenization
from bert_ja.data import span_features, span_pieces

# Cells of the arrays of a block; bounds the memory and fits a processor's cache.
_BLOCK_CELLS = 1 << 20
# A null_odds entry that is above any threshold (contract A-136).
_NO_OTHER_ANSWER = 1e6


@dataclasses.dataclass(frozen=True)
class AnswerOptions:
  """How answers are chosen.

  Attributes:
    n_best_size: starts and ends of a window that are paired, and most texts of a list.
    max_answer_length: most pieces of an answer.
    version_2_with_negative: whether "" can be the answer.
    null_score_diff_threshold: "" is the answer where it leads by more than this.
    do_lower_case: how the answer's words are compared with the context ("words").
    verbose_logging: whether to log answers that were not found in the context.
  """

  n_best_size: int = 20
  max_answer_length: int = 30
  version_2_with_negative: bool = False
  null_score_diff_threshold: float = 0.0
  do_lower_case: bool = True
  verbose_logging: bool = False

  def __post_init__(self):
    for name in ("n_best_size", "max_answer_length"):
      if getattr(self, name) < 1:
        raise ValueError(
          f"--{name}={getattr(self, name)}: expected 1 or more; the default is "
          f"{getattr(AnswerOptions, name)}"
        )


@dataclasses.dataclass(frozen=True)
class Answers:
  """The answers of all examples by question id, in their order.

  Attributes:
    predictions: {id: text}.
    nbest: {id: list of {"text", "probability", "start_logit", "end_logit"}}, best
      first, at least one.
    null_odds: {id: score of "" minus that of the best other text}; empty unless "" can
      be an answer.
    spans: {id: [start, end]}, the answer's characters in the context, None for one that
      is not in it; None if answers were placed by words.
  """

  predictions: dict[str, str]
  nbest: dict[str, list[dict[str, Any]]]
  null_odds: dict[str, float]
  spans: dict[str, list[int] | None] | None

  def best_texts(self) -> dict[str, str]:
    """{id: the best text that is not ""}: what a scorer needs to try thresholds."""
    if not self.null_odds:
      return self.predictions
    return {
      qas_id: next((entry["text"] for entry in entries if entry["text"]), "")
      for qas_id, entries in self.nbest.items()
    }


class RawResult(NamedTuple):
  """The scores of one window; S' numbers each."""

  unique_id: int
  start_logits: Sequence[float]
  end_logits: Sequence[float]


class _Entry(NamedTuple):
  """A line of an n-best list."""

  text: str
  span: list[int] | None
  start_logit: float
  end_logit: float

  @property
  def score(self):
    return self.start_logit + self.end_logit


class _Candidates(NamedTuple):
  """Arrays [K]; `first` and `last` are pieces, as places in `Windows.piece_ids`."""

  example: np.ndarray
  first: np.ndarray
  last: np.ndarray
  start_logit: np.ndarray
  end_logit: np.ndarray


# Called with (context, first piece, last piece) -> (text, span), or None for no text.
_Cut = Callable[[str, int, int], tuple[str, list[int] | None] | None]


def predict_answers(
  examples: Sequence[span_features.SquadExample],
  windows: span_features.Windows,
  start_logits: np.ndarray,
  end_logits: np.ndarray,
  tokenizer: Any,
  options: AnswerOptions | None = None,
  progress: span_features.Progress | None = None,
) -> Answers:
  """Chooses the answers of all examples.

  "words": exactly the original's texts, from words of the context by `get_final_text`.
  "characters": a text is the context from the first to the last character of its
  pieces; one without a character, or of white space only, is no candidate. Both ways a
  list has each text once, at the place in the context with the best score.

  Scores that are not finite are never chosen. Where no pair is possible, the answer is
  "" if `version_2_with_negative` is set, else "empty", as in the original.

  Args:
    examples: E examples.
    windows: the windows of the examples, in their order.
    start_logits: float [W, S']: how well each position starts the answer. S' may be
      less than S where the rest is padding.
    end_logits: float [W, S'].
    tokenizer: the one that made the windows; has `convert_ids_to_tokens`.
    options: the defaults of `AnswerOptions` if None.
    progress: called with (examples done, E).

  Returns:
    The answers.

  Raises:
    ValueError: the logits do not fit the windows, or the windows the examples.
  """
  options = options or AnswerOptions()
  start_logits, end_logits = np.asarray(start_logits), np.asarray(end_logits)
  _check_logits(start_logits, end_logits, windows)
  _check_order(windows, len(examples))
  characters = windows.answer_alignment == "characters"
  cut = (_character_cut if characters else _word_cut)(windows, tokenizer, options)
  answers = Answers({}, {}, {}, {} if characters else None)
  max_context = windows.max_context()
  # Example e has the windows first_window[e] to before first_window[e + 1].
  first_window = np.searchsorted(windows.example_index, np.arange(len(examples) + 1))
  paired = min(options.n_best_size, start_logits.shape[1])
  most_windows = max(1, _BLOCK_CELLS // (start_logits.shape[1] + paired**2))
  for begin, end in _blocks(first_window, most_windows):
    block = slice(first_window[begin], first_window[end])
    # In float64, as the sums of the original's Python numbers.
    starts, ends = (x[block].astype(np.float64) for x in (start_logits, end_logits))
    candidates = _find_candidates(windows, max_context, block, starts, ends, options)
    edges = np.searchsorted(candidates.example, np.arange(begin, end + 1))
    for index in range(begin, end):
      example, edge = examples[index], index - begin
      own = _Candidates(*(x[edges[edge] : edges[edge + 1]] for x in candidates))
      rows = slice(*(first_window[index : index + 2] - block.start))
      entries = itertools.islice(
        _distinct_entries(example.context, own, cut), options.n_best_size
      )
      null = _null_entry(starts[rows, 0], ends[rows, 0])
      _add_answer(answers, example.qas_id, list(entries), null, options)
    if progress is not None:
      progress(end, len(examples))
  return answers


def write_answers(directory: str, answers: Answers) -> list[str]:
  """Writes the original's files (contract A-132..134).

  Args:
    directory: where to write; it is made if needed.
    answers: of `predict_answers`.

  Returns:
    Paths of predictions.json, nbest_predictions.json and, where "" can be an answer,
    null_odds.json.
  """
  text_io.makedirs(directory)
  files = ("predictions.json", "nbest_predictions.json", "null_odds.json")
  return _write(answers, *(os.path.join(directory, name) for name in files))


def write_predictions(
  all_examples: Sequence[span_features.SquadExample],
  all_windows: span_features.Windows,
  all_results: Sequence[RawResult],
  n_best_size: int,
  max_answer_length: int,
  do_lower_case: bool,
  output_prediction_file: str,
  output_nbest_file: str,
  output_null_log_odds_file: str,
  *,
  tokenizer: Any,
  version_2_with_negative: bool = False,
  null_score_diff_threshold: float = 0.0,
  verbose_logging: bool = False,
) -> Answers:
  """Chooses answers and writes them, called as the original's function of this name.

  Windows and their tokenizer take the place of the original's features, arguments that
  of the flags it read.

  Args:
    all_examples: the examples.
    all_windows: their W windows; window w has the unique id 1000000000 + w.
    all_results: a result for each window, in any order.
    n_best_size: see `AnswerOptions`, also for the others.
    max_answer_length: most pieces of an answer.
    do_lower_case: how words are compared.
    output_prediction_file: path for {id: text}.
    output_nbest_file: path for the n best texts.
    output_null_log_odds_file: path for {id: score}, written in version 2.
    tokenizer: the one that made the windows.
    version_2_with_negative: whether "" can be the answer.
    null_score_diff_threshold: see `AnswerOptions`.
    verbose_logging: see `AnswerOptions`.

  Returns:
    The answers that were written.

  Raises:
    ValueError: a window has no result, or as `predict_answers`.
  """
  options = AnswerOptions(
    n_best_size=n_best_size,
    max_answer_length=max_answer_length,
    version_2_with_negative=version_2_with_negative,
    null_score_diff_threshold=null_score_diff_threshold,
    do_lower_case=do_lower_case,
    verbose_logging=verbose_logging,
  )
  by_id = {int(result.unique_id): result for result in all_results}
  ids = range(
    span_features.FIRST_UNIQUE_ID,
    span_features.FIRST_UNIQUE_ID + len(all_windows.example_index),
  )
  missing = [unique_id for unique_id in ids if unique_id not in by_id]
  if missing:
    raise ValueError(
      f"all_results: expected one for each of {len(ids)} windows, found none for "
      f"{len(missing)} of them, the first with unique_id {missing[0]}; predict all windows"
    )
  results = [by_id[unique_id] for unique_id in ids]
  answers = predict_answers(
    all_examples,
    all_windows,
    _rows([result.start_logits for result in results]),
    _rows([result.end_logits for result in results]),
    tokenizer,
    options,
  )
  _write(answers, output_prediction_file, output_nbest_file, output_null_log_odds_file)
  return answers


def get_final_text(
  pred_text: str, orig_text: str, do_lower_case: bool, verbose_logging: bool = False
) -> str:
  """The part of the context that a predicted text stands for (contract A-130).

  As in the original: the first place that fits is taken (A-131), and where none does,
  the whole `orig_text`.

  Args:
    pred_text: joined pieces, which have lost case, accents and spacing.
    orig_text: the words of the context that the pieces are from.
    do_lower_case: whether the pieces were lower-cased.
    verbose_logging: whether to log why the whole text was taken.

  Returns:
    Text of `orig_text`.
  """
  return _final_text(
    pred_text, orig_text, _basic_tokenizer(do_lower_case), verbose_logging
  )


def _final_text(pred_text, orig_text, basic_tokenizer, verbose_logging):
  text = _comparable(orig_text, basic_tokenizer)
  start = text.find(pred_text)
  end = start + len(pred_text) - 1
  if start < 0:
    problem = f"{pred_text!r} is not in {text!r}"
  elif len(text) - text.count(" ") != len(orig_text) - orig_text.count(" "):
    problem = f"{orig_text!r} and {text!r} have different numbers of characters"
  elif end < start or " " in (text[start], text[end]):
    problem = f"{pred_text!r} starts or ends with no character"
  else:
    first = _place(orig_text, start - text.count(" ", 0, start))
    last = _place(orig_text, end - text.count(" ", 0, end))
    return orig_text[first : last + 1]
  if verbose_logging:
    logging.info("The answer is a whole range of words: %s", problem)
  return orig_text


# A context without spaces is one word, which all its answers are looked up in.
@functools.lru_cache(maxsize=64)
def _comparable(text, basic_tokenizer):
  """`text` in the form of joined pieces."""
  return " ".join(basic_tokenizer.tokenize(text))


@functools.cache
def _basic_tokenizer(do_lower_case):
  return tokenization.BasicTokenizer(do_lower_case=do_lower_case)


def _place(text, number):
  """Where the character with this number stands if spaces are not counted."""
  place, last = number, -1
  # Each space up to the place moves it by one, perhaps over other spaces.
  while place > last:
    place, last = number + text.count(" ", 0, place + 1), place
  return place


# --- Candidates -----------------------------------------------------------------------


def _check_logits(start_logits, end_logits, windows):
  shapes = start_logits.shape, end_logits.shape
  count, length = len(windows.example_index), windows.max_seq_length
  if (
    shapes[0] != shapes[1]
    or len(shapes[0]) != 2
    or shapes[0][0] != count
    or not 1 <= shapes[0][1] <= length
  ):
    raise ValueError(
      f"start_logits and end_logits: expected [{count}, up to {length}], a row for each "
      f"window, got {list(shapes[0])} and {list(shapes[1])}; give the scores of the "
      "windows in their order"
    )


def _check_order(windows, num_examples):
  index = windows.example_index
  if index.size and (np.any(index[1:] < index[:-1]) or index[-1] >= num_examples):
    raise ValueError(
      f"windows.example_index: expected 0 to {num_examples - 1}, ascending, found "
      f"{index.min()} to {index.max()}, in another order or of more examples; give the "
      "examples that the windows were made of"
    )


def _blocks(first_window: np.ndarray, most_windows: int) -> Iterator[tuple[int, int]]:
  """Ranges of examples with at most so many windows, or of one example."""
  begin, count = 0, len(first_window) - 1
  while begin < count:
    edge = first_window[begin] + most_windows
    end = int(np.searchsorted(first_window, edge, side="right")) - 1
    yield begin, max(begin + 1, end)
    begin = max(begin + 1, end)


def _find_candidates(windows, max_context, block, starts, ends, options):
  """The pairs of a block that can be answers (contract A-125, A-127).

  Args:
    windows: all windows.
    max_context: bool [W, most context pieces of a window].
    block: slice of B windows.
    starts: float64 [B, S'].
    ends: float64 [B, S'].
    options: `AnswerOptions`.

  Returns:
    `_Candidates` by example, best score first; of equal scores first the one that the
    original's loops meet first: by window, then rank of start, then rank of end.
  """
  offset, length = windows.offset[block, None], windows.length[block, None]
  start, start_logit, may_start = _best(starts, offset, length, options.n_best_size)
  end, end_logit, may_end = _best(ends, offset, length, options.n_best_size)
  row, rank = np.nonzero(may_start)
  may_start[row, rank] = max_context[block][row, start[row, rank]]
  distance = end[:, None, :] - start[:, :, None]  # [B, N, N]
  valid = (distance >= 0) & (distance < options.max_answer_length)
  valid &= may_start[:, :, None] & may_end[:, None, :]
  row, start_rank, end_rank = np.nonzero(valid)  # [K] each, in the order of the loops
  example = windows.example_index[block]
  piece = (windows.first_piece[example] + windows.doc_start[block])[row]
  candidates = _Candidates(
    example=example[row],
    first=piece + start[row, start_rank],
    last=piece + end[row, end_rank],
    start_logit=start_logit[row, start_rank],
    end_logit=end_logit[row, end_rank],
  )
  score = candidates.start_logit + candidates.end_logit
  order = np.lexsort((-score, candidates.example))  # Stable.
  return _Candidates(*(values[order] for values in candidates))


def _best(logits, offset, length, n_best_size):
  """The best positions of each window.

  As in the original: positions outside the context take part and are dropped then, so
  that less than N can be left.

  Args:
    logits: float64 [B, S'].
    offset: int [B, 1], where the context starts.
    length: int [B, 1], pieces of the context.
    n_best_size: N, unless S' is less.

  Returns:
    (context pieces [B, N], counted from the window's first, best first, of equal ones
    the left first; their logits [B, N]; whether they are in the context [B, N]).
  """
  order = np.argsort(-logits, axis=1, kind="stable")[:, :n_best_size]
  best = np.take_along_axis(logits, order, axis=1)
  piece = order - offset
  return piece, best, (piece >= 0) & (piece < length) & np.isfinite(best)


# --- Texts ----------------------------------------------------------------------------


def _distinct_entries(context: str, candidates: _Candidates, cut: _Cut):
  """Yields an `_Entry` for each text of the candidates, in their order.

  Texts are cut when they are asked for: most candidates never are.
  """
  seen = set()
  for first, last, start_logit, end_logit in zip(*candidates[1:], strict=True):
    found = cut(context, first, last)
    if found is not None and found[0] not in seen:
      seen.add(found[0])
      yield _Entry(*found, float(start_logit), float(end_logit))


def _word_cut(windows, tokenizer, options) -> _Cut:
  """How the original cuts: words of the context, narrowed by `get_final_text`."""
  words_of = functools.lru_cache(maxsize=1)(span_pieces.WORD.findall)
  basic_tokenizer = _basic_tokenizer(options.do_lower_case)
  own = getattr(tokenizer, "basic_tokenizer", basic_tokenizer)
  if own.do_lower_case == options.do_lower_case:
    basic_tokenizer = own  # It may have other switches too, which the pieces show.

  def cut(context, first, last):
    pieces = tokenizer.convert_ids_to_tokens(
      windows.piece_ids[first : last + 1].tolist()
    )
    predicted = " ".join(pieces).replace(" ##", "").replace("##", "")
    first_word, last_word = windows.places[first, 0], windows.places[last, 1]
    text = _final_text(
      " ".join(predicted.split()),
      " ".join(words_of(context)[first_word : last_word + 1]),
      basic_tokenizer,
      options.verbose_logging,
    )
    return text, None

  return cut


def _character_cut(windows, tokenizer, options) -> _Cut:
  """Cuts the context at the places of the pieces."""
  del tokenizer, options

  places = windows.places

  def cut(context, first, last):
    # A piece can stand for no character, such as a ▁ of its own at an edge.
    while first <= last and places[first, 0] == places[first, 1]:
      first += 1
    while first <= last and places[last, 0] == places[last, 1]:
      last -= 1
    if first > last:
      return None
    start, end = int(places[first, 0]), int(places[last, 1])
    text = context[start:end]
    return (text, [start, end]) if text.strip() else None

  return cut


# --- Lists ----------------------------------------------------------------------------


def _null_entry(starts: np.ndarray, ends: np.ndarray) -> _Entry:
  """The answer "", from the window where it has the lowest score (contract A-126).

  Args:
    starts: float64 [windows of the example], logits of position 0.
    ends: the same of ends.

  Returns:
    The entry; its logits are 0, as in the original, if no window has a finite score.
  """
  (finite,) = np.nonzero(np.isfinite(starts) & np.isfinite(ends))
  if not finite.size:
    return _Entry("", None, 0.0, 0.0)
  window = finite[np.argmin(starts[finite] + ends[finite])]
  return _Entry("", None, float(starts[window]), float(ends[window]))


def _add_answer(answers, qas_id, entries, null, options):
  """Puts the answer of one example into `answers` (contract A-127..129, A-134..136).

  Args:
    answers: `Answers`.
    qas_id: the question.
    entries: up to `n_best_size` entries of different texts, best first, without "".
    null: the entry of "".
    options: `AnswerOptions`.
  """
  if options.version_2_with_negative:
    chosen, difference = null, _NO_OTHER_ANSWER
    if entries:
      difference = null.score - entries[0].start_logit - entries[0].end_logit
      if not difference > options.null_score_diff_threshold:
        chosen = entries[0]
    answers.null_odds[qas_id] = difference
    # "" has its place by its score, after equal ones. A list that is full before it
    # comes to that place has "" as one entry more.
    place = sum(entry.score >= null.score for entry in entries)
    entries = [*entries[:place], null, *entries[place:]]
    entries = entries[: max(options.n_best_size, place + 1)]
  else:
    entries = entries or [_Entry("empty", None, 0.0, 0.0)]
    chosen = entries[0]
  answers.predictions[qas_id] = chosen.text
  if answers.spans is not None:
    answers.spans[qas_id] = chosen.span
  probabilities = _softmax([entry.score for entry in entries])
  answers.nbest[qas_id] = [
    {
      "text": entry.text,
      "probability": probability,
      "start_logit": entry.start_logit,
      "end_logit": entry.end_logit,
    }
    for entry, probability in zip(entries, probabilities, strict=True)
  ]


def _softmax(scores: Sequence[float]) -> list[float]:
  highest = max(scores)
  powers = [math.exp(score - highest) for score in scores]
  total = sum(powers)
  return [power / total for power in powers]


# --- Files ----------------------------------------------------------------------------


def _rows(logits: Sequence[Sequence[float]]) -> np.ndarray:
  """float64 [W, S'] of lists that may differ in length; what is absent is -inf."""
  rows = np.full((len(logits), max(map(len, logits), default=1)), -np.inf)
  for row, values in zip(rows, logits, strict=True):
    row[: len(values)] = values
  return rows


def _write(answers, prediction_file, nbest_file, null_odds_file):
  """Writes two files, or three where "" can be an answer; returns the paths."""
  contents = {
    prediction_file: json.dumps(answers.predictions, indent=4),
    nbest_file: _nbest_json(answers.nbest),
  }
  if answers.null_odds:
    contents[null_odds_file] = json.dumps(answers.null_odds, indent=4)
  for path, content in contents.items():
    text_io.write_text(path, content + "\n")
  return list(contents)


def _nbest_json(nbest):
  """As `json.dumps(nbest, indent=4)`, whose way is several times slower."""
  outer, inner = "\n" + " " * 8, "\n" + " " * 12
  encode = json.JSONEncoder(separators=("," + inner, ": ")).encode
  lists = []
  for qas_id, entries in nbest.items():
    # Strings have no line breaks: this can only be between two entries.
    text = encode(entries).replace(
      "}," + inner + "{", outer + "}," + outer + "{" + inner
    )
    text = (
      outer + "{" + inner + text.removeprefix("[{").removesuffix("}]") + outer + "}"
    )
    lists.append(f"\n    {encode(qas_id)}: [{text}\n    ]")
  return "{" + ",".join(lists) + "\n}" if lists else "{}"

"""Answers from scores: the original's outputs, a plain search, and texts by hand."""

import json
import math
import re

import numpy as np
import pytest
from absl import logging
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_ja import tokenization
from bert_ja.data import span_features
from bert_ja.tasks import span_answers
from tests.ja.texts import shared

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!ーがかのはです東京都駅大阪"


@pytest.fixture(scope="module")
def letters_tokenizer(tmp_path_factory):
  """Each letter is a piece; ß and what else is missing is [UNK]."""
  path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
  pieces = [*SPECIALS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
  path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
  return tokenization.FullTokenizer(str(path))


def words_of(text):
  """Contract A-108."""
  return [word for word in re.split("[ \t\r\n\u202f]", text) if word]


def make_windows(contexts, queries, size, stride, alignment):
  """Windows as A-115 and A-116 lay them out.

  Args:
    contexts: for each example, [(piece id, place, place)].
    queries: pieces of each question.
    size: S.
    stride: pieces from window to window.
    alignment: what the places are.
  """
  rows = []
  for index, (pieces, query) in enumerate(zip(contexts, queries, strict=True)):
    start = 0
    while start < len(pieces):
      length = min(len(pieces) - start, size - query - 3)
      rows.append((index, start, length, query + 2))
      if start + length == len(pieces):
        break
      start += min(length, stride)
  columns = np.array(rows, np.int32).reshape(-1, 4).T
  flat = [piece for pieces in contexts for piece in pieces]
  table = np.array(flat, np.int32).reshape(-1, 3)
  return span_features.Windows(
    *columns,
    first_piece=np.cumsum([0, *map(len, contexts)]),
    piece_ids=table[:, 0],
    places=table[:, 1:],
    max_seq_length=size,
    answer_alignment=alignment,
  )


def word_pieces(context, tokenizer):
  """[(piece id, word, word)]."""
  return [
    (piece, number, number)
    for number, word in enumerate(words_of(context))
    for piece in tokenizer.encode(word)
  ]


def character_pieces(context, tokenizer):
  """[(piece id, start, end)]."""
  tokens, spans = tokenizer.tokenize_with_offsets(context)
  ids = tokenizer.convert_tokens_to_ids(tokens)
  return [(piece, *span) for piece, span in zip(ids, spans, strict=True)]


def example(context, qas_id="q1"):
  return span_features.SquadExample(qas_id, "?", context)


def one_window(pieces, alignment, query=1):
  """All pieces in one window, with the scores -8 everywhere: (windows, starts, ends)."""
  size = len(pieces) + query + 3
  windows = make_windows([pieces], [query], size, size, alignment)
  return windows, np.full([1, size], -8.0), np.full([1, size], -8.0)


def scored(context, tokenizer, alignment, *spans, query=1):
  """A window of a context where the i-th of `spans` of pieces scores best but i."""
  places = {"words": word_pieces, "characters": character_pieces}[alignment]
  windows, starts, ends = one_window(places(context, tokenizer), alignment, query)
  for rank, (first, last) in enumerate(spans):
    starts[0, query + 2 + first] = 4.0 - rank
    ends[0, query + 2 + last] = 4.0 - rank
  return windows, starts, ends


def predict(context, tokenizer, alignment, *spans, **options):
  return span_answers.predict_answers(
    [example(context)],
    *scored(context, tokenizer, alignment, *spans),
    tokenizer,
    span_answers.AnswerOptions(**options),
  )


def texts(answers, qas_id="q1"):
  return [entry["text"] for entry in answers.nbest[qas_id]]


# --- The plain search, written from the contract --------------------------------------


def plain_final_text(predicted, original, do_lower_case):
  """Contract A-130, one character at a time."""
  basic = tokenization.BasicTokenizer(do_lower_case=do_lower_case)
  tokenized = " ".join(basic.tokenize(original))
  start = tokenized.find(predicted)
  if start == -1:
    return original
  places = {False: [], True: []}  # Where characters that are no spaces stand.
  numbers = {}  # Which of them a character of `tokenized` is.
  for which, text in ((False, original), (True, tokenized)):
    for place, character in enumerate(text):
      if character != " ":
        if which:
          numbers[place] = len(places[which])
        places[which].append(place)
  if len(places[False]) != len(places[True]):
    return original
  first, last = numbers.get(start), numbers.get(start + len(predicted) - 1)
  if first is None or last is None:
    return original
  return original[places[False][first] : places[False][last] + 1]


def plain_maximum(windows, window, piece):
  """Whether no other window shows a piece in more context (contract A-117)."""
  scores = []
  for other in range(len(windows.length)):
    if windows.example_index[other] == windows.example_index[window]:
      left = piece - windows.doc_start[other]
      right = windows.doc_start[other] + windows.length[other] - 1 - piece
      if left >= 0 and right >= 0:
        scores.append((min(left, right) + 0.01 * windows.length[other], -other))
  return max(scores)[1] == -window


def plain_text(text, tokenizer, windows, index, first, last, options):
  """The text of some pieces of an example, and its place."""
  pieces = slice(windows.first_piece[index] + first, windows.first_piece[index] + last)
  places = [tuple(place) for place in windows.places[pieces].tolist()]
  if windows.answer_alignment == "characters":
    places = [place for place in places if place[0] != place[1]]
    if not places:
      return None, None
    start, end = places[0][0], places[-1][1]
    return text[start:end], [start, end]
  original = " ".join(words_of(text)[places[0][0] : places[-1][0] + 1])
  tokens = [
    tokenizer.inv_vocab[number] for number in windows.piece_ids[pieces].tolist()
  ]
  predicted = " ".join(" ".join(tokens).replace(" ##", "").replace("##", "").split())
  return plain_final_text(predicted, original, options.do_lower_case), None


def plain_pairs(windows, window, starts, ends, options):
  """Pairs of positions of a window, in the order in which they are met (A-125)."""

  def best(logits):
    ranked = sorted(range(len(logits)), key=lambda place: -logits[place])
    return ranked[: options.n_best_size]

  low = windows.offset[window]
  high = low + windows.length[window]
  for start in best(starts):
    for end in best(ends):
      if not (low <= start < high and low <= end < high):
        continue
      if math.inf in (abs(starts[start]), abs(ends[end])):
        continue
      if not plain_maximum(windows, window, windows.doc_start[window] + start - low):
        continue
      if 1 <= end - start + 1 <= options.max_answer_length:
        yield start, end


def plain_answer(index, text, windows, starts, ends, tokenizer, options):
  """(answer, its place, [(text, start logit, end logit)], difference or None)."""
  found, null = [], None
  for window in np.flatnonzero(windows.example_index == index):
    start_logits, end_logits = map(float, starts[window]), map(float, ends[window])
    start_logits, end_logits = list(start_logits), list(end_logits)
    if null is None or start_logits[0] + end_logits[0] < sum(null):
      null = start_logits[0], end_logits[0]
    shift = windows.doc_start[window] - windows.offset[window]
    for start, end in plain_pairs(windows, window, start_logits, end_logits, options):
      pair = start_logits[start], end_logits[end]
      found.append((*pair, start + shift, end + shift))
  null = null or (0.0, 0.0)
  if options.version_2_with_negative:
    found.append((*null, None, None))
  found.sort(key=lambda entry: -(entry[0] + entry[1]))
  entries, places = [], {"": None}
  for start_logit, end_logit, first, last in found:
    answer, place = "", None
    if first is not None:
      answer, place = plain_text(
        text, tokenizer, windows, index, first, last + 1, options
      )
      if answer is None or not answer.strip() or answer in places:
        continue
      places[answer] = place
    entries.append((answer, start_logit, end_logit))
  others = [entry for entry in entries if entry[0]]
  entries = entries[: options.n_best_size]
  if not options.version_2_with_negative:
    entries = entries or [("empty", 0.0, 0.0)]
    return entries[0][0], places.get(entries[0][0]), entries, None
  if "" not in [entry[0] for entry in entries]:
    entries.append(("", *null))
  if not others:
    return "", None, entries, None
  answer, *logits = others[0]
  difference = sum(null) - logits[0] - logits[1]
  if difference > options.null_score_diff_threshold:
    answer = ""
  return answer, places[answer], entries, difference


def check_against_plain(contexts, windows, starts, ends, tokenizer, options):
  examples = [example(text, f"q{index}") for index, text in enumerate(contexts)]
  answers = span_answers.predict_answers(
    examples, windows, starts, ends, tokenizer, options
  )
  assert list(answers.predictions) == [f"q{index}" for index in range(len(contexts))]
  for index, text in enumerate(contexts):
    qas_id = f"q{index}"
    answer, place, entries, difference = plain_answer(
      index, text, windows, starts, ends, tokenizer, options
    )
    assert answers.predictions[qas_id] == answer
    assert [
      (entry["text"], entry["start_logit"], entry["end_logit"])
      for entry in answers.nbest[qas_id]
    ] == entries
    if answers.spans is not None:
      assert answers.spans[qas_id] == place
    if not options.version_2_with_negative:
      assert not answers.null_odds
    elif difference is not None:
      assert answers.null_odds[qas_id] == difference
    else:
      assert 1e5 < answers.null_odds[qas_id] < math.inf


OPTIONS = st.builds(
  span_answers.AnswerOptions,
  n_best_size=st.integers(1, 7),
  max_answer_length=st.integers(1, 7),
  version_2_with_negative=st.booleans(),
  null_score_diff_threshold=st.sampled_from([-2.0, 0.0, 1.5]),
  do_lower_case=st.booleans(),
)
SPACED = st.lists(
  st.text("aAb東京が,ß\u3000", min_size=1, max_size=4).filter(
    lambda word: word.strip()
  ),
  min_size=1,
  max_size=9,
)


@st.composite
def logits(draw, windows):
  """Few different scores, so that many are equal; some windows end before S."""
  size = windows.max_seq_length
  width = draw(st.sampled_from([size, size, draw(st.integers(1, size))]))
  shape = len(windows.length), width
  seed = draw(st.integers(0, 2**32 - 1))
  values = np.random.default_rng(seed).integers(-4, 5, (2, *shape)) / 2
  if draw(st.integers(0, 3)) == 0:
    values[:, :, 1 + width // 2 :] = -np.inf
  return values.astype(np.float32)


@st.composite
def character_contexts(draw):
  """(text, pieces): ascending places, some empty, some of several pieces."""
  text = draw(st.text("aab 東京東\u3000", max_size=10))
  pieces, start = [], 0
  for _ in range(draw(st.integers(0, 12))):
    start = draw(st.integers(start, min(start + 1, len(text))))
    end = draw(st.integers(start, min(start + 2, len(text))))
    pieces.append((1, start, end))
    start = draw(st.sampled_from([start, end]))
  return text, pieces


class TestPlainSearch:
  @settings(max_examples=150, deadline=None)
  @given(st.data())
  def test_words(self, letters_tokenizer, data):
    contexts = [" ".join(words) for words in data.draw(st.lists(SPACED, max_size=3))]
    windows = make_windows(
      [word_pieces(text, letters_tokenizer) for text in contexts],
      data.draw(st.lists(st.integers(0, 3), min_size=3))[: len(contexts)],
      size=data.draw(st.integers(8, 14)),
      stride=data.draw(st.integers(1, 6)),
      alignment="words",
    )
    starts, ends = data.draw(logits(windows))
    options = data.draw(OPTIONS)
    check_against_plain(contexts, windows, starts, ends, letters_tokenizer, options)

  @settings(max_examples=150, deadline=None)
  @given(st.data())
  def test_characters(self, letters_tokenizer, data):
    drawn = data.draw(st.lists(character_contexts(), max_size=3))
    windows = make_windows(
      [pieces for _, pieces in drawn],
      data.draw(st.lists(st.integers(0, 3), min_size=3))[: len(drawn)],
      size=data.draw(st.integers(8, 14)),
      stride=data.draw(st.integers(1, 6)),
      alignment="characters",
    )
    starts, ends = data.draw(logits(windows))
    options = data.draw(OPTIONS)
    contexts = [text for text, _ in drawn]
    check_against_plain(contexts, windows, starts, ends, letters_tokenizer, options)


# --- The original's outputs -----------------------------------------------------------


class GoldenSquad:
  """A folder of stored outputs."""

  def __init__(self, folder, tokenizer):
    self.folder, self.tokenizer = folder, tokenizer
    self.settings = self.json("settings")
    arrays = np.load(folder / "logits.npz")
    self.start_logits, self.end_logits = arrays["start_logits"], arrays["end_logits"]
    self.unique_ids = arrays["unique_ids"].tolist()
    self.examples = [
      example(paragraph["context"], question["id"])
      for entry in self.json("input")["data"]
      for paragraph in entry["paragraphs"]
      for question in paragraph["qas"]
    ]
    self.windows = self._windows(self.json("features"))

  def json(self, name):
    return json.loads((self.folder / f"{name}.json").read_text("utf-8"))

  def _windows(self, stored):
    contexts = [{} for _ in self.examples]  # {number of a piece: (id, word, word)}
    rows, start, length = [], 0, 0
    for feature in stored["predict"]:
      start += min(length, stored["doc_stride"])
      if feature["doc_span_index"] == 0:
        start = 0
      words = {int(key): word for key, word in feature["token_to_orig_map"].items()}
      offset, length = min(words), len(words)
      rows.append((feature["example_index"], start, length, offset))
      for position, word in words.items():
        piece = self.tokenizer.vocab[feature["tokens"][position]], word, word
        number = start + position - offset
        assert contexts[feature["example_index"]].setdefault(number, piece) == piece
    pieces = [piece for found in contexts for _, piece in sorted(found.items())]
    table = np.array(pieces, np.int32)
    return span_features.Windows(
      *np.array(rows, np.int32).T,
      first_piece=np.cumsum([0, *map(len, contexts)]),
      piece_ids=table[:, 0],
      places=table[:, 1:],
      max_seq_length=stored["max_seq_length"],
      answer_alignment="words",
    )


@pytest.fixture(scope="module", params=["squad_v1", "squad_v2"])
def golden(request, shared_golden):
  vocab = shared("data/vocab/uncased_en_30522.txt")
  tokenizer = tokenization.FullTokenizer(str(vocab))
  return GoldenSquad(shared_golden / request.param, tokenizer)


def check_golden_numbers(found, stored):
  assert list(found) == list(stored)
  for qas_id, entries in stored.items():
    for mine, entry in zip(found[qas_id], entries, strict=True):
      assert list(mine) == list(entry)
      assert mine["text"] == entry["text"]
      for name in ("probability", "start_logit", "end_logit"):
        assert mine[name] == pytest.approx(entry[name], rel=1e-4, abs=1e-5)


class TestGolden:
  def test_texts_order_and_numbers(self, golden):
    answers = span_answers.predict_answers(
      golden.examples,
      golden.windows,
      golden.start_logits,
      golden.end_logits,
      golden.tokenizer,
      span_answers.AnswerOptions(**golden.settings),
    )
    stored = golden.json("predictions")
    assert list(answers.predictions.items()) == list(stored.items())
    check_golden_numbers(answers.nbest, golden.json("nbest_predictions"))
    assert answers.spans is None
    if golden.settings["version_2_with_negative"]:
      odds = golden.json("null_odds")
      assert list(answers.null_odds) == list(odds)
      assert answers.null_odds == pytest.approx(odds, rel=1e-4, abs=1e-5)
    else:
      assert answers.null_odds == {}

  def test_the_originals_function(self, golden, tmp_path):
    results = [
      span_answers.RawResult(*row)
      for row in zip(
        golden.unique_ids,
        golden.start_logits.tolist(),
        golden.end_logits.tolist(),
        strict=True,
      )
    ]
    names = ("predictions", "nbest_predictions", "null_odds")
    files = [tmp_path / f"{name}.json" for name in names]
    chosen = dict(golden.settings)
    sizes = [chosen.pop(name) for name in ("n_best_size", "max_answer_length")]
    span_answers.write_predictions(
      golden.examples,
      golden.windows,
      results[::-1],
      *sizes,
      chosen.pop("do_lower_case"),
      *map(str, files),
      tokenizer=golden.tokenizer,
      **chosen,
    )
    stored = (golden.folder / "predictions.json").read_bytes()
    assert files[0].read_bytes() == stored
    found = json.loads(files[1].read_text("ascii"))
    check_golden_numbers(found, golden.json("nbest_predictions"))
    assert files[2].exists() == golden.settings["version_2_with_negative"]


# --- By hand --------------------------------------------------------------------------


class TestCharacters:
  def test_the_text_is_the_context_at_the_pieces(self, letters_tokenizer):
    # The third and fourth piece; the original would lose which of the two places.
    answers = predict("東京の東京 都", letters_tokenizer, "characters", (3, 5))
    assert answers.predictions == {"q1": "東京 都"}
    assert answers.spans == {"q1": [3, 7]}

  def test_a_text_is_listed_once_with_its_best_place(self, letters_tokenizer):
    answers = predict("駅a駅", letters_tokenizer, "characters", (2, 2), (0, 0))
    assert texts(answers).count("駅") == 1
    assert answers.nbest["q1"][0]["start_logit"] == 4.0
    assert answers.spans == {"q1": [2, 3]}

  def test_pieces_without_characters_do_not_widen_it(self, letters_tokenizer):
    pieces = [(1, 0, 1), (1, 1, 1), (1, 2, 3), (1, 4, 4), (1, 4, 5)]
    windows, starts, ends = one_window(pieces, "characters")
    starts[0, 4], ends[0, 6] = 3, 3
    answers = span_answers.predict_answers(
      [example("か 大 駅")], windows, starts, ends, letters_tokenizer
    )
    assert answers.predictions == {"q1": "大"}
    assert answers.spans == {"q1": [2, 3]}

  def test_pieces_without_characters_alone_are_no_answer(self, letters_tokenizer):
    pieces = [(1, 0, 1), (1, 1, 1), (1, 2, 2), (1, 2, 3)]
    windows, starts, ends = one_window(pieces, "characters")
    starts[0, 4], ends[0, 5] = 3, 3
    answers = span_answers.predict_answers(
      [example("か 大")], windows, starts, ends, letters_tokenizer
    )
    assert texts(answers) == ["大", "か", "か 大"]

  def test_white_space_alone_is_no_answer(self, letters_tokenizer):
    pieces = [(1, 0, 1), (1, 1, 1), (1, 1, 2)]
    windows, starts, ends = one_window(pieces, "characters")
    starts[0, 3], ends[0, 4] = 5, 5
    answers = span_answers.predict_answers(
      [example("\u3000東")], windows, starts, ends, letters_tokenizer
    )
    # The best pair that has a character.
    assert texts(answers)[0] == "\u3000東"
    assert "\u3000" not in texts(answers)


class TestWords:
  def test_case_and_accents_come_from_the_context(self, letters_tokenizer):
    answers = predict("Abc Déf, gh.", letters_tokenizer, "words", (3, 5))
    assert answers.predictions == {"q1": "Déf"}
    assert answers.spans is None

  def test_in_text_without_spaces_the_first_place_is_taken(self, letters_tokenizer):
    """Contract A-131; "characters" takes the place of the pieces."""
    answers = predict("東京はAb.ab", letters_tokenizer, "words", (6, 7))
    assert answers.predictions == {"q1": "Ab"}
    answers = predict("東京はAb.ab", letters_tokenizer, "characters", (6, 7))
    assert answers.predictions == {"q1": "ab"}

  def test_an_unknown_piece_gives_the_whole_words(self, letters_tokenizer):
    answers = predict("ab ßß, cd", letters_tokenizer, "words", (1, 3))
    assert answers.predictions == {"q1": "ab ßß,"}

  def test_only_the_originals_white_space_separates_words(self, letters_tokenizer):
    context = "a\tb\n\u202fß c\u3000d\xa0e"
    pieces = word_pieces(context, letters_tokenizer)
    assert [word for _, word, _ in pieces] == [0, 1, 2, 3, 3, 3]
    answers = predict(context, letters_tokenizer, "words", (2, 3))
    assert answers.predictions == {"q1": "ß c\u3000d\xa0e"}


class TestVersion2:
  def options(self, **values):
    return span_answers.AnswerOptions(version_2_with_negative=True, **values)

  def null(self, scores, **options):
    """Answers where "b" scores 8 and "" scores as given in each of two windows."""
    tokenizer = Pieces()
    windows = make_windows([[(i, i, i) for i in range(4)]], [0], 5, 2, "words")
    starts, ends = np.full([2, 5], -9.0), np.full([2, 5], -9.0)
    starts[0, 3], ends[0, 3] = 4, 4
    starts[:, 0] = scores
    ends[:, 0] = 0.5
    return span_answers.predict_answers(
      [example("a b c d")], windows, starts, ends, tokenizer, self.options(**options)
    )

  def test_the_lowest_score_of_the_windows_counts(self):
    answers = self.null([9, 3])
    assert answers.null_odds == {"q1": 3.5 - 8}
    assert answers.predictions == {"q1": "b"}
    entry = answers.nbest["q1"][1]
    assert (entry["text"], entry["start_logit"], entry["end_logit"]) == ("", 3.0, 0.5)

  @pytest.mark.parametrize(("threshold", "text"), [(0.5, "b"), (0.4375, "")])
  def test_no_answer_must_lead_by_more_than_the_threshold(self, threshold, text):
    answers = self.null([8, 8], null_score_diff_threshold=threshold)
    assert answers.null_odds == {"q1": 0.5}
    assert answers.predictions == {"q1": text}

  def test_it_comes_after_texts_of_the_same_score(self):
    answers = self.null([7.5, 7.5], n_best_size=2)
    assert texts(answers)[:2] == ["b", ""]

  def test_a_full_list_gets_no_answer_as_one_more(self):
    answers = self.null([-20, -20], n_best_size=1)
    assert texts(answers) == ["b", ""]

  def test_no_candidate_is_no_answer_by_far(self):
    # The best start is that of padding (contract A-136).
    windows = make_windows([[(0, 0, 0)]], [0], 5, 2, "words")
    scores = np.zeros([1, 5])
    scores[0, 4] = 1
    answers = span_answers.predict_answers(
      [example("a")], windows, scores, scores, Pieces(), self.options(n_best_size=1)
    )
    assert answers.predictions == {"q1": ""}
    assert 1e5 < answers.null_odds["q1"] < math.inf
    assert texts(answers) == [""]


class Pieces:
  """In the place of a tokenizer: piece 0 is a, 1 is b."""

  def convert_ids_to_tokens(self, ids):
    return ["abcd"[number] for number in ids]


class TestProbabilities:
  def test_they_are_those_of_the_list(self, letters_tokenizer):
    """Contract A-129, also where e to the score is too large a number."""
    windows, starts, ends = scored("a", letters_tokenizer, "words", (0, 0))
    starts[:], ends[:] = 1000.0, 1000.0
    ends[0, 0] = 1001.0
    options = span_answers.AnswerOptions(version_2_with_negative=True)
    answers = span_answers.predict_answers(
      [example("a")], windows, starts, ends, letters_tokenizer, options
    )
    found = {entry["text"]: entry["probability"] for entry in answers.nbest["q1"]}
    assert found == pytest.approx({"": 1 / (1 + math.exp(-1)), "a": 1 / (1 + math.e)})


class TestFewScores:
  def test_an_empty_list_says_so(self, letters_tokenizer):
    windows, starts, ends = scored("東京", letters_tokenizer, "words")
    starts[:] = -np.inf
    answers = span_answers.predict_answers(
      [example("東京")], windows, starts, ends, letters_tokenizer
    )
    assert answers.predictions == {"q1": "empty"}
    assert answers.nbest["q1"] == [
      {"text": "empty", "probability": 1.0, "start_logit": 0.0, "end_logit": 0.0}
    ]

  @pytest.mark.parametrize("version_2", [False, True])
  @pytest.mark.parametrize("alignment", ["words", "characters"])
  def test_an_example_without_context_pieces(
    self, letters_tokenizer, alignment, version_2
  ):
    windows = span_features.Windows(
      *np.array([[1], [0], [0], [3]], np.int32),
      first_piece=np.zeros(3, np.int64),
      piece_ids=np.zeros(0, np.int32),
      places=np.zeros([0, 2], np.int32),
      max_seq_length=5,
      answer_alignment=alignment,
    )
    answers = span_answers.predict_answers(
      [example("", "none"), example(" ", "window")],
      windows,
      np.ones([1, 5], np.float32),
      np.ones([1, 5], np.float32),
      letters_tokenizer,
      span_answers.AnswerOptions(version_2_with_negative=version_2),
    )
    expected = "" if version_2 else "empty"
    assert answers.predictions == {"none": expected, "window": expected}

  @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
  def test_scores_that_are_no_numbers_are_left_out(self, letters_tokenizer, bad):
    windows, starts, ends = scored("abc", letters_tokenizer, "characters", (1, 1))
    starts[0, [0, 3]] = bad
    ends[0, [0, 5]] = bad
    answers = span_answers.predict_answers(
      [example("abc")],
      windows,
      starts,
      ends,
      letters_tokenizer,
      span_answers.AnswerOptions(version_2_with_negative=True),
    )
    assert answers.predictions == {"q1": "b"}
    assert texts(answers) == ["b", ""]
    assert sum(entry["probability"] for entry in answers.nbest["q1"]) == pytest.approx(
      1
    )

  @pytest.mark.filterwarnings("error")
  def test_scores_of_opposite_infinities_are_none(self, letters_tokenizer):
    windows, starts, ends = scored("abc", letters_tokenizer, "characters", (1, 1))
    starts[0, :], ends[0, :] = np.inf, -np.inf
    options = span_answers.AnswerOptions(version_2_with_negative=True)
    answers = span_answers.predict_answers(
      [example("abc")], windows, starts, ends, letters_tokenizer, options
    )
    assert answers.predictions == {"q1": ""}

  def test_absent_positions_are_never_chosen(self, letters_tokenizer):
    windows, starts, ends = scored("東京駅 大阪", letters_tokenizer, "words", (0, 2))
    cut = [values[:, :6] for values in (starts, ends)]
    for values in (starts, ends):
      values[:, 6:] = -np.inf
    found = [
      span_answers.predict_answers(
        [example("東京駅 大阪")], windows, *values, letters_tokenizer
      )
      for values in (cut, (starts, ends))
    ]
    assert found[0] == found[1]
    assert "東京駅" in texts(found[0])

  def test_results_of_different_lengths(self, letters_tokenizer, tmp_path):
    windows = make_windows([[(4, 0, 0)], [(5, 0, 0)]], [0, 0], 6, 2, "words")
    files = [str(tmp_path / name) for name in "123"]
    answers = span_answers.write_predictions(
      [example("a", "1"), example("b", "2")],
      windows,
      [
        span_answers.RawResult(1000000001, [0.0] * 6, [0.0] * 6),
        span_answers.RawResult(1000000000, [0.0] * 3, [0.0] * 3),
      ],
      *(20, 30, True, *files),
      tokenizer=letters_tokenizer,
    )
    assert answers.predictions == {"1": "a", "2": "b"}


class TestBlocks:
  @pytest.mark.parametrize("cells", [1, 1 << 12])
  @pytest.mark.parametrize("alignment", ["words", "characters"])
  def test_the_size_of_a_block_changes_nothing(
    self, letters_tokenizer, monkeypatch, cells, alignment
  ):
    contexts = ["東京 の駅" * (3 * (index % 4)) for index in range(20)]
    places = {"words": word_pieces, "characters": character_pieces}[alignment]
    pieces = [places(text, letters_tokenizer) if text else [] for text in contexts]
    windows = make_windows(pieces, [2] * 20, 16, 5, alignment)
    scores = np.random.default_rng(5).normal(size=(2, len(windows.length), 16))
    examples = [example(text, str(index)) for index, text in enumerate(contexts)]
    done = []
    arguments = examples, windows, *scores, letters_tokenizer
    whole = span_answers.predict_answers(*arguments)
    monkeypatch.setattr(span_answers, "_BLOCK_CELLS", cells)
    assert whole == span_answers.predict_answers(
      *arguments, progress=lambda *counts: done.append(counts)
    )
    assert len(done) > 1
    assert done == sorted(set(done))
    assert done[-1] == (20, 20)


class TestSwitchesOfTheTokenizer:
  @pytest.mark.parametrize(
    ("switches", "context"),
    [
      ({"strip_accents": False}, "a (がす) b"),
      ({"tokenize_chinese_chars": False}, "a (東京) b"),
    ],
  )
  def test_decide_what_the_pieces_are_of(self, tmp_path, switches, context):
    """An answer is no wider than its pieces: (が) is not か in brackets."""
    answer = context[3:5]
    path = tmp_path / "vocab.txt"
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    path.write_text("\n".join([*specials, "a", "b", "(", ")", answer, *answer]))
    tokenizer = tokenization.FullTokenizer(str(path), **switches)
    example = span_features.SquadExample("q", "a", context)
    windows = span_features.cached_windows(
      [example],
      tokenizer,
      span_features.WindowOptions(16, 8, 2, "words"),
      False,
      str(tmp_path / "eval.tf_record"),
    )
    pieces = tokenizer.convert_ids_to_tokens(windows.piece_ids.tolist())
    first, last = pieces.index("(") + 1, pieces.index(")") - 1
    logits = np.zeros([2, 1, 16], np.float32)
    logits[0, 0, windows.offset[0] + first] = 9
    logits[1, 0, windows.offset[0] + last] = 9
    answers = span_answers.predict_answers([example], windows, *logits, tokenizer)
    assert answers.predictions == {"q": answer}


class TestBestTexts:
  def test_are_the_best_that_are_not_empty(self):
    nbest = {
      "a": [{"text": ""}, {"text": "x"}, {"text": "y"}],
      "b": [{"text": "z"}],
      "c": [{"text": ""}],
    }
    odds = {"a": 1.0, "b": -1.0, "c": 1e6}
    answers = span_answers.Answers({}, nbest, odds, None)
    assert answers.best_texts() == {"a": "x", "b": "z", "c": ""}

  def test_are_the_predictions_where_each_question_has_an_answer(self):
    answers = span_answers.Answers({"a": "x"}, {"a": [{"text": "x"}]}, {}, None)
    assert answers.best_texts() == {"a": "x"}


class TestGetFinalText:
  @pytest.mark.parametrize(
    ("predicted", "original", "expected"),
    [
      ("tanaka", "Tanaka's house", "Tanaka"),
      ("tanaka ' s", "the Tanaka's house", "Tanaka's"),
      ("東 京", "は東京です", "東京"),
      ("cafe", "(Café)", "Café"),
      ("1 , 000", "of 1,000.", "1,000"),
      ("b c", "A  B   C D", "B   C"),
      ("か", "がか", "が"),  # The first place, with accents removed.
    ],
  )
  def test_it_is_cut_from_the_context(self, predicted, original, expected):
    assert span_answers.get_final_text(predicted, original, True) == expected

  @pytest.mark.parametrize(
    ("predicted", "original"),
    [
      ("b", "A C"),  # Not there.
      ("b", "각 b"),  # Its parts are counted one by one.
      ("b", "a\u200b b"),  # One character is dropped.
      ("", "a b"),
      (" b", "a b"),
      ("a ", "a b"),
    ],
  )
  def test_else_it_is_all_of_the_words(self, predicted, original):
    assert span_answers.get_final_text(predicted, original, True) == original

  def test_cased_text_keeps_its_case(self):
    assert span_answers.get_final_text("b", "B b", False) == "b"
    assert span_answers.get_final_text("b", "B b", True) == "B"

  @pytest.mark.parametrize("verbose", [False, True])
  def test_what_is_not_found_is_logged_if_asked_for(self, monkeypatch, verbose):
    lines = []
    monkeypatch.setattr(logging, "info", lambda *values: lines.append(values))
    span_answers.get_final_text("x", "Some words", True, verbose)
    assert ["some words" in str(line) for line in lines] == [True] * verbose


class TestFiles:
  ENTRY = {"probability": 0.25, "start_logit": -1.5e-07, "end_logit": 12.0}
  NBEST = {
    "b": [{"text": "駅\ud800"} | ENTRY, {"text": '"},\n            {"'} | ENTRY],
    '"a\n': [{"text": ""} | ENTRY],
  }
  ANSWERS = span_answers.Answers(
    {"b": "駅", "a": ""}, NBEST, {"b": -1.5, "a": 2.25}, None
  )

  def test_their_form(self, tmp_path):
    folder = tmp_path / "new" / "folder"
    paths = span_answers.write_answers(str(folder), self.ANSWERS)
    names = ("predictions.json", "nbest_predictions.json", "null_odds.json")
    assert paths == [str(folder / name) for name in names]
    contents = [(folder / name).read_text("ascii") for name in names]
    assert contents[0] == '{\n    "b": "\\u99c5",\n    "a": ""\n}\n'
    assert contents[1] == json.dumps(self.NBEST, indent=4) + "\n"
    assert contents[2] == '{\n    "b": -1.5,\n    "a": 2.25\n}\n'

  def test_version_1_has_no_null_odds(self, tmp_path):
    answers = span_answers.Answers({"q": "駅"}, {"q": [self.ENTRY]}, {}, None)
    assert len(span_answers.write_answers(str(tmp_path), answers)) == 2
    assert not (tmp_path / "null_odds.json").exists()


class TestErrors:
  @pytest.mark.parametrize("name", ["n_best_size", "max_answer_length"])
  def test_sizes_below_one(self, name):
    with pytest.raises(ValueError, match=f"--{name}=0: expected 1 or more"):
      span_answers.AnswerOptions(**{name: 0})

  @pytest.mark.parametrize(
    "shapes",
    [
      ([1, 7], [1, 6]),
      ([2, 7], [2, 7]),
      ([7], [7]),
      ([1, 0], [1, 0]),
      ([1, 8], [1, 8]),
    ],
  )
  def test_scores_of_other_windows(self, letters_tokenizer, shapes):
    windows, _, _ = scored("東京駅", letters_tokenizer, "words")
    with pytest.raises(ValueError, match=r"expected \[1, up to 7\].* got \["):
      span_answers.predict_answers(
        [example("東京駅")], windows, *map(np.zeros, shapes), letters_tokenizer
      )

  @pytest.mark.parametrize("index", [[1, 0], [0, 2]])
  def test_windows_of_other_examples(self, letters_tokenizer, index):
    windows = span_features.Windows(
      np.array(index, np.int32),
      *np.array([[0, 0], [1, 1], [2, 2]], np.int32),
      first_piece=np.array([0, 1, 2]),
      piece_ids=np.array([4, 5], np.int32),
      places=np.zeros([2, 2], np.int32),
      max_seq_length=6,
      answer_alignment="words",
    )
    scores = np.zeros([2, 6])
    with pytest.raises(ValueError, match="example_index: expected 0 to 1, ascending"):
      span_answers.predict_answers(
        [example("a", "1"), example("b", "2")],
        windows,
        scores,
        scores,
        letters_tokenizer,
      )

  def test_a_window_without_a_result(self, letters_tokenizer):
    windows, _, _ = scored("東京駅", letters_tokenizer, "words")
    with pytest.raises(
      ValueError, match="1 of them, the first with unique_id 1000000000"
    ):
      span_answers.write_predictions(
        [example("東京駅")],
        windows,
        [span_answers.RawResult(1000000001, [0.0], [0.0])],
        20,
        30,
        True,
        "1.json",
        "2.json",
        "3.json",
        tokenizer=letters_tokenizer,
      )

"""Windows: the original's stored ones, a plain algorithm, order, cache, odd texts."""

import dataclasses
import functools
import itertools
import json
import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import span_benchmark
from bert_ja import front_ends, text_io, tokenization
from bert_ja.data import records, span_features
from bert_ja.data.span_features import Answer, SquadExample, WindowOptions
from tests.ja.texts import shared

# "a" and "b" continue words, "c" does not; ideographs are words; "d" is unknown.
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abc東京大.か", "##a", "##b", "##か")
ALIGNMENTS = ("words", "characters")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
  path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
  path.write_text("\n".join(VOCABULARY), encoding="utf-8")
  return tokenization.FullTokenizer(str(path))


@pytest.fixture
def logged(caplog):
  """Lines logged through absl."""
  caplog.set_level("INFO", logger="absl")
  return lambda: [record.getMessage() for record in caplog.records]


def example(context, text=None, start=0, question="a", name="q1", **fields):
  answers = () if text is None else (Answer(text, start),)
  return SquadExample(name, question, context, answers, **fields)


def features(
  examples, tokenizer, length=12, stride=3, query=4, training=True, alignment="words"
):
  found = []
  span_features.convert_examples_to_features(
    examples, tokenizer, length, stride, query, training, found.append, alignment
  )
  return found


def tokens_of_answer(feature):
  return feature.tokens[feature.start_position : feature.end_position + 1]


class TestStoredOutputs:
  """What the original made."""

  @pytest.fixture(params=["squad_v1", "squad_v2"])
  def golden(self, request, shared_golden):
    folder = shared_golden / request.param
    stored = json.loads((folder / "features.json").read_text(encoding="utf-8"))
    data = json.loads((folder / "input.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in data for paragraph in article["paragraphs"]]
    examples = [
      SquadExample(
        qa["id"],
        qa["question"],
        paragraph["context"],
        tuple(Answer(a["text"], a["answer_start"]) for a in qa["answers"]),
        qa.get("is_impossible", False),
      )
      for paragraph in paragraphs
      for qa in paragraph["qas"]
    ]
    tokenizer = tokenization.FullTokenizer(
      str(shared("data/vocab/uncased_en_30522.txt")), stored["do_lower_case"]
    )
    options = WindowOptions(
      stored["max_seq_length"], stored["doc_stride"], stored["max_query_length"]
    )
    return stored, examples, tokenizer, options

  @pytest.mark.parametrize("part", ["train", "predict"])
  def test_each_field_of_each_window(self, golden, part):
    stored, examples, tokenizer, options = golden
    arguments = dataclasses.astuple(options)[:3]
    found = features(examples, tokenizer, *arguments, training=part == "train")
    assert len(found) == len(stored[part]) > 0
    for feature, expected in zip(found, stored[part], strict=True):
      # JSON has texts for keys.
      assert json.loads(json.dumps(dataclasses.asdict(feature))) == expected

  @pytest.mark.parametrize("part", ["train", "predict"])
  def test_the_records(self, golden, part, tmp_path):
    stored, examples, tokenizer, options = golden
    training = part == "train"
    path = str(tmp_path / "records")
    windows = span_features.cached_windows(examples, tokenizer, options, training, path)
    spec = span_features.feature_spec(options.max_seq_length, training)
    found = records.read_records(path, spec)
    order = list(range(len(examples)))
    if training:
      random.Random(12345).shuffle(order)
    expected = sorted(stored[part], key=lambda row: order.index(row["example_index"]))
    ids = np.arange(len(expected)) + 1_000_000_000
    np.testing.assert_array_equal(found.pop("unique_ids"), ids)
    for name, values in found.items():
      name = name.replace("_positions", "_position")
      np.testing.assert_array_equal(values, [row[name] for row in expected])
    assert windows.misaligned == ()

  def test_maximum_context_of_all_windows_at_once(self, golden, tmp_path):
    stored, examples, tokenizer, options = golden
    path = str(tmp_path / "records")
    windows = span_features.cached_windows(examples, tokenizer, options, False, path)
    seen = windows.max_context()
    for row, length, expected in zip(
      seen, windows.length, stored["predict"], strict=True
    ):
      assert row[:length].tolist() == list(expected["token_is_max_context"].values())
      assert not row[length:].any()


TEXT = st.text(
  st.sampled_from("ab c東京大、. \t\n\u3000\u202fがd\x00\u0301"), max_size=60
)


@st.composite
def questions(draw):
  context = draw(TEXT)
  start = draw(st.integers(-1, len(context)))
  text = context[max(start, 0) : max(start, 0) + draw(st.integers(0, 12))]
  if draw(st.integers(0, 4)) == 0:
    text = draw(TEXT)
  return example(
    context,
    text,
    start,
    question=draw(TEXT),
    is_impossible=draw(st.integers(0, 4)) == 0,
  )


@st.composite
def layouts(draw):
  query = draw(st.integers(0, 6))
  length = draw(st.integers(query + 4, 30))
  return WindowOptions(
    length, draw(st.integers(1, 20)), query, draw(st.sampled_from(ALIGNMENTS))
  )


class TestPlainAlgorithm:
  """The rules followed one character and one piece at a time."""

  @settings(max_examples=150, deadline=None)
  @given(st.lists(questions(), max_size=3), layouts(), st.booleans())
  def test_the_same_windows(self, tokenizer, examples, options, training):
    length, stride, query, alignment = dataclasses.astuple(options)
    found = features(examples, tokenizer, length, stride, query, training, alignment)
    expected = list(
      span_benchmark.plain_windows(examples, tokenizer, options, training)
    )
    assert len(found) == len(expected)
    for feature, window in zip(found, expected, strict=True):
      if not training:
        window.update(start_position=None, end_position=None)
      fields = dataclasses.asdict(feature)
      assert {name: fields[name] for name in window} == window


@pytest.fixture(params=ALIGNMENTS)
def alignment(request):
  return request.param


@pytest.fixture
def make(tokenizer, tmp_path):
  """Function: examples and options -> windows of cached_windows."""

  def make(examples, training=True, length=12, stride=3, query=4, **options):
    alignment = options.pop("alignment", "words")
    return span_features.cached_windows(
      examples,
      options.pop("tokenizer", tokenizer),
      WindowOptions(length, stride, query, alignment),
      training,
      options.pop("output_file", str(tmp_path / "train.tf_record")),
      **options,
    )

  return make


def many(count=30):
  generator = random.Random(3)
  for number in range(count):
    context = "a" + "".join(
      generator.choices("ab c東京大. ", k=generator.randrange(60))
    )
    start = generator.choice([i for i, c in enumerate(context) if c != " "])
    yield example(context, context[start : start + 3], start, name=f"q{number}")


class TestWindows:
  def test_every_piece_is_in_a_window_and_in_one_with_most_context(
    self, make, alignment
  ):
    windows = make(list(many()), training=False, alignment=alignment)
    inside = np.zeros(len(windows.piece_ids), int)
    best = np.zeros(len(windows.piece_ids), int)
    seen = windows.max_context()
    assert seen.shape == (len(windows.length), max(windows.length))
    for w, index in enumerate(windows.example_index):
      first = windows.first_piece[index] + windows.doc_start[w]
      assert first + windows.length[w] <= windows.first_piece[index + 1]
      inside[first : first + windows.length[w]] += 1
      best[first : first + windows.length[w]] += seen[w, : windows.length[w]]
      assert not seen[w, windows.length[w] :].any()
    assert inside.min() >= 1 and inside.max() > 1
    assert best.min() == best.max() == 1

  def test_on_a_tie_the_earlier_window_has_most_context(self):
    # Piece 4 has 3 pieces around it in both windows.
    windows = layout(starts=[0, 1], lengths=[8, 8], pieces=9)
    assert windows.max_context().astype(int).tolist() == [
      [1, 1, 1, 1, 1, 0, 0, 0],
      [0, 0, 0, 0, 1, 1, 1, 1],
    ]

  def test_a_long_window_wins_over_a_little_more_context(self):
    # Piece 119 has none after it in the first window: 1.2 to the second one's 1 + 0.1.
    seen = layout(starts=[0, 118], lengths=[120, 10], pieces=128).max_context()
    assert seen[0].all()
    assert seen[1, :10].tolist() == [False, False, *[True] * 8]

  def test_no_pieces_at_all(self):
    assert layout([0], [0], 0).max_context().shape == (1, 0)

  @pytest.mark.parametrize("place", ["local", "behind TensorFlow"])
  def test_saved_and_loaded(self, make, tmp_path, alignment, place):
    root = str(tmp_path) if place == "local" else f"ram:/{tmp_path}"
    text_io.makedirs(root)
    for training in (False, True):
      windows = make([*many(), example("c", "b")], training, alignment=alignment)
      path = f"{root}/w.npz"
      windows.save(path)
      loaded = span_features.Windows.load(path)
      for field in dataclasses.fields(windows):
        before, after = (getattr(w, field.name) for w in (windows, loaded))
        assert type(before) is type(after), field.name
        if isinstance(before, np.ndarray):
          assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
    assert loaded.misaligned == (30,)

  def test_nothing_that_runs_code_is_loaded(self, tmp_path):
    path = str(tmp_path / "w.npz")
    np.savez(path, example_index=np.array([print], object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
      span_features.Windows.load(path)


def layout(starts, lengths, pieces):
  """Windows of one example."""

  def integers(*values):
    return np.array(values, np.int32)

  return span_features.Windows(
    integers(*[0] * len(starts)),
    integers(*starts),
    integers(*lengths),
    integers(*[3] * len(starts)),
    np.array([0, pieces]),
    np.zeros(pieces, np.int32),
    np.zeros((pieces, 2), np.int32),
    20,
    "words",
  )


class TestAnswers:
  def test_a_repeated_text_is_found_where_it_stands(self, tokenizer):
    context = "東京大東京大東京"
    row = example(context, "東京", start=6)
    [words] = features([row], tokenizer, length=20)
    [characters] = features([row], tokenizer, length=20, alignment="characters")
    assert (words.start_position, words.end_position) == (3, 4)
    assert (characters.start_position, characters.end_position) == (9, 10)
    assert characters.token_to_orig_map[9] == (6, 7)

  def test_in_words_the_first_equal_pieces_within_them(self, tokenizer):
    [found] = features([example("a ab. c", "ab", start=2)], tokenizer)
    assert tokens_of_answer(found) == ["a", "##b"]

  def test_in_words_all_their_pieces_where_none_are_equal(self, make, tokenizer):
    row = example("c aba", "b", start=3)
    [found] = features([row], tokenizer)
    assert tokens_of_answer(found) == ["a", "##b", "##a"]
    assert make([row]).inexact == (0,)

  def test_in_words_white_space_after_an_answer_is_no_word(self, tokenizer):
    [found] = features([example("c cba c", "a ", start=4)], tokenizer)
    assert tokens_of_answer(found) == ["c", "##b", "##a"]

  def test_in_words_an_answer_without_pieces_has_those_of_its_word(self, tokenizer):
    [found] = features([example("c a\x00b", "\x00", start=3)], tokenizer)
    assert tokens_of_answer(found) == ["a", "##b"]

  def test_in_characters_a_piece_of_no_character_starts_no_answer(self):
    class Tokenizer(tokenization.Tokenizer):
      """As a SentencePiece model: a space before a word is a piece."""

      def tokenize(self, text):
        return self.tokenize_with_offsets(text)[0]

      def tokenize_with_offsets(self, text):
        found = [("▁", (0, 0))]
        for match in re.finditer(r"\w+|\s(?=(\w))", text):
          start = match.start(1) if match[1] else match.start()
          found.append(("▁" if match[1] else match[0], (start, match.end())))
        return tuple(map(list, zip(*found, strict=True)))

    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁", "a", "b")
    tokenizer = Tokenizer({name: i for i, name in enumerate(names)})
    row = example("a b", " b", start=1)
    [found] = features([row], tokenizer, alignment="characters")
    assert found.tokens[3:] == ["[SEP]", "▁", "a", "▁", "b", "[SEP]"]
    assert tokens_of_answer(found) == ["b"]

  def test_in_characters_all_pieces_of_the_answer(self, make, tokenizer):
    # が is か and a mark, which is removed.
    rows = [
      example("c aがb", "がb", start=3),
      example("c 大京 c", "大京", start=2),
      example("c dd", "d", start=3),
      example("c 大京 c", " 大", start=1),
    ]
    found = [
      features([row], tokenizer, alignment="characters", length=20)[0] for row in rows
    ]
    assert list(map(tokens_of_answer, found)) == [
      ["##か", "##b"],
      ["大", "京"],
      ["[UNK]"],
      ["大"],
    ]
    assert make(rows, alignment="characters").inexact == (2, 3)

  @given(st.data())
  @settings(deadline=None)
  def test_cut_from_the_context_they_are_the_text(self, tokenizer, data):
    context = data.draw(st.text(st.sampled_from("ab c東京大 \n、."), min_size=1))
    tokens, spans = tokenizer.tokenize_with_offsets(context)
    if not tokens:
      return
    first = data.draw(st.integers(0, len(tokens) - 1))
    last = data.draw(st.integers(first, len(tokens) - 1))
    text = context[spans[first][0] : spans[last][1]]
    row = example(context, text, spans[first][0])
    ids = tokenizer.convert_tokens_to_ids(tokens[first : last + 1])
    for feature in features([row], tokenizer, alignment="characters"):
      start, end = feature.start_position, feature.end_position
      if start:
        assert feature.input_ids[start : end + 1] == ids
        places = feature.token_to_orig_map
        assert context[places[start][0] : places[end][1]] == text

  def test_a_window_without_the_whole_answer_points_at_its_start(self, tokenizer):
    row = example("a b c a b c a b c", "c a", start=10)
    found = features([row], tokenizer, length=8, stride=2)
    positions = [(f.start_position, f.end_position) for f in found]
    assert positions == [(0, 0), (0, 0), (4, 5), (0, 0)]
    assert not any(f.is_impossible for f in found)

  def test_an_impossible_question_points_at_the_start(self, tokenizer):
    row = example("a b", "b", 2, is_impossible=True)
    [found] = features([row], tokenizer)
    assert (found.start_position, found.end_position) == (0, 0)
    assert found.is_impossible

  def test_prediction_knows_no_answers(self, tokenizer):
    rows = [
      example("a b", is_impossible=True),
      dataclasses.replace(example("a b", "b", 2), answers=(Answer("?", 9),) * 3),
    ]
    for found in features(rows, tokenizer, training=False):
      assert (found.start_position, found.is_impossible) == (None, False)

  @pytest.mark.parametrize(
    ("context", "text", "start"),
    [
      ("a b", "c", 0),
      ("a b", "b", 3),
      ("a b", "b", -1),
      ("a b", "b", 30),
      ("a b", "", 0),
      ("dd", "", 1),
      ("a \x00 b", "\x00", 2),
      ("a b", "a b c", 0),
      ("", "a", 0),
      (" \n", " ", 0),
    ],
    ids=[
      "other text",
      "at the end",
      "no place",
      "beyond",
      "empty",
      "empty within a word",
      "no piece",
      "longer",
      "empty context",
      "white space",
    ],
  )
  def test_misaligned_ones_are_left_out_and_named(
    self, make, logged, alignment, context, text, start
  ):
    bad = example(context, text, start, name="bad")
    windows = make([example("a b", "b", 2), bad], alignment=alignment)
    assert windows.misaligned == (1,)
    assert windows.example_index.tolist() == [0]
    [warning] = [line for line in logged() if "left out" in line]
    assert warning == (
      "1 of 2 questions are left out of training, since the context does not have "
      "their answer at its place: bad"
    )

  def test_of_many_misaligned_ones_some_are_named(self, make, logged):
    rows = [example("a", "b", name=f"n{i}") for i in range(9)]
    assert make([*rows, example("a", "a")]).misaligned == tuple(range(9))
    assert any(line.endswith("n0, n1, n2, n3, n4, ...") for line in logged())

  @pytest.mark.parametrize("count", [0, 2])
  def test_training_needs_one_answer(self, make, count):
    row = SquadExample("q7", "a", "a b", (Answer("a", 0),) * count)
    message = f"question q7: expected exactly one answer .* training, found {count}; "
    with pytest.raises(ValueError, match=message):
      make([row])
    message = "^f.json, data.3.: expected exactly one"
    with pytest.raises(ValueError, match=message):
      make([dataclasses.replace(row, source="f.json, data[3]")])
    assert len(make([row], training=False).length) == 1


class TestOddTexts:
  @pytest.mark.parametrize("context", ["", " \n\t", "\x00"])
  def test_a_context_without_pieces_has_one_window(
    self, make, tokenizer, alignment, context
  ):
    [found] = features(
      [example(context)], tokenizer, training=False, alignment=alignment
    )
    assert found.tokens == ["[CLS]", "a", "[SEP]", "[SEP]"]
    assert found.segment_ids[:5] == [0, 0, 0, 1, 0]
    windows = make([example(context)], training=False, alignment=alignment)
    assert windows.length.tolist() == [0]

  def test_a_long_question_is_cut(self, tokenizer):
    row = example("a b", "b", 2, question="c " * 50)
    [found] = features([row], tokenizer, length=10, query=3)
    assert found.tokens == ["[CLS]", "c", "c", "c", "[SEP]", "a", "b", "[SEP]"]

  def test_a_question_may_have_no_pieces(self, tokenizer):
    [found] = features([example("a b", "b", 2, question=" ")], tokenizer)
    assert found.tokens[:3] == ["[CLS]", "[SEP]", "a"]

  def test_100000_characters_without_spaces(self, make, alignment):
    context = "東京" * 50_000 + "大京"
    answer = context[40_001:]
    rows = [
      example(context, answer, 40_001, name="long"),
      example(context, "大京", 100_000),
      example(context, "東", 90_000),
    ]
    windows = make(rows, length=384, stride=128, alignment=alignment)
    assert windows.misaligned == windows.inexact == ()
    last = 0 if alignment == "words" else 90_000
    expected = [[40_001, 100_001], [100_000, 100_001], [last, last]]
    assert windows.answer_pieces.tolist() == expected
    assert windows.max_context().sum() == 3 * 100_002

  def test_texts_that_look_like_special_tokens_are_none(self):
    class Tokenizer(tokenization.Tokenizer):
      """As a SentencePiece model that knows no brackets."""

      def tokenize(self, text):
        return text.split()

      def tokenize_with_offsets(self, text):
        return text.split(), [match.span() for match in re.finditer("[^ ]+", text)]

      def encode(self, text):
        return [1 for _ in text.split()]

    tokenizer = Tokenizer({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "x": 4})
    for alignment in ALIGNMENTS:
      row = example("x [SEP] x", question="[CLS]")
      [found] = features([row], tokenizer, training=False, alignment=alignment)
      assert found.input_ids.count(2) == 1 and found.input_ids.count(3) == 2
      assert found.tokens[1] == "[CLS]"

  def test_rows_are_filled_with_the_padding_of_the_vocabulary(self, vocab_file):
    path = vocab_file("a", specials=("[UNK]", "[CLS]", "[SEP]", "[PAD]"))
    [found] = features([example("a", "a")], tokenization.FullTokenizer(path))
    assert found.input_ids == [1, 4, 2, 4, 2, *[3] * 7]
    assert found.input_mask == [1] * 5 + [0] * 7


class TestOptions:
  @pytest.mark.parametrize(
    ("options", "message"),
    [
      ({"length": 7}, "--max_seq_length=7 leaves no room .* --max_query_length=4 and"),
      ({"stride": 0}, "--doc_stride=0: expected at least 1"),
      ({"alignment": "tokens"}, "--answer_alignment=tokens is not one of words, char"),
    ],
  )
  def test_bad_ones_are_told(self, make, tokenizer, options, message):
    with pytest.raises(ValueError, match=message):
      make([example("a", "a")], **options)
    with pytest.raises(ValueError, match=message):
      features([example("a", "a")], tokenizer, **options)

  def test_the_smallest_row_has_room_for_a_piece(self, tokenizer):
    row = example("a b c", "c", 4, question="a a a a a")
    found = features([row], tokenizer, length=8)
    assert [f.start_position for f in found] == [0, 0, 6]


class TestDefaultAlignment:
  @pytest.mark.parametrize(
    ("front_end", "contexts", "expected"),
    [
      ("google", ["Two words here."], "words"),
      ("multilingual-cased", ["Two words here."], "words"),
      ("tohoku", ["Two words here."], "characters"),
      ("google", ["空白のない文をここに長く書いておく。もう一つの文。"], "characters"),
      ("google", ["空白 の ある 文 を ここ に 書いて おく 。"], "words"),
      ("google", ["Two words here."] * 9 + ["空白のない文。" * 20] * 2, "characters"),
      ("google", ["今日は雨です"], "characters"),
      ("google", ["会社：東京\n人数：三人"], "characters"),
      ("google", ["雨\u3000雪\u3000風\u3000雲"], "characters"),
      ("google", [""], "words"),
    ],
  )
  def test_words_where_the_original_meets_spaces(self, front_end, contexts, expected):
    found = span_features.default_alignment(front_end, list(map(example, contexts)))
    assert found == expected

  def test_all_front_ends_have_one(self):
    for name in front_ends.FRONT_ENDS:
      assert span_features.default_alignment(name, [example("a b")]) in ALIGNMENTS


class TestTrainingOrder:
  def test_those_that_are_left_are_shuffled_as_the_original_does(self):
    rows = [example("a", "b" if i % 3 == 0 else "a") for i in range(20)]
    expected = [i for i in range(20) if i % 3]
    random.Random(12345).shuffle(expected)
    assert span_features.training_order(rows) == expected

  def test_no_answer_is_looked_for_from_the_end(self, alignment):
    rows = [example("a b", "b", -1), example("a b", "b", 2)]
    assert span_features.training_order(rows, alignment) == [1]

  def test_records_and_windows_are_in_it(self, make, tmp_path):
    rows = list(many())
    windows = make(rows)
    order = span_features.training_order(rows)
    assert list(dict.fromkeys(windows.example_index.tolist())) == order
    spec = span_features.feature_spec(12, is_training=True)
    found = records.read_records(str(tmp_path / "train.tf_record"), spec)
    for name, column in zip(
      ("start_positions", "end_positions"), windows.answer_positions().T, strict=True
    ):
      np.testing.assert_array_equal(found[name], column)
    assert found["start_positions"].any()

  def test_prediction_keeps_the_order(self, make):
    assert (np.diff(make(list(many()), training=False).example_index) >= 0).all()


class TestFeatureWriter:
  def test_it_writes_what_the_fast_way_writes(self, make, tokenizer, tmp_path):
    rows = [*many(), example("a", is_impossible=True)]
    for training, alignment in itertools.product([False, True], ALIGNMENTS):
      make(rows, training, alignment=alignment)
      order = range(len(rows))
      if training:
        order = span_features.training_order(rows, alignment)
      path = str(tmp_path / "other")
      with span_features.FeatureWriter(path, training) as writer:
        for feature in features(
          [rows[i] for i in order], tokenizer, training=training, alignment=alignment
        ):
          writer.process_feature(feature)
      spec = span_features.feature_spec(12, training)
      one = records.read_records(path, spec)
      other = records.read_records(str(tmp_path / "train.tf_record"), spec)
      assert len(one["unique_ids"]) == writer.num_features > 0
      for name in spec:
        np.testing.assert_array_equal(one[name], other[name])

  @pytest.mark.parametrize("training", [False, True])
  def test_the_features_of_a_record(self, tokenizer, tmp_path, training):
    import tensorflow as tf

    path = str(tmp_path / "records")
    writer = span_features.FeatureWriter(path, training)
    for feature in features([example("a b", "b", 2)], tokenizer, training=training):
      writer.process_feature(feature)
    assert not (tmp_path / "records").exists()
    writer.close()
    [serialized] = [record.numpy() for record in tf.data.TFRecordDataset(path)]
    found = tf.train.Example.FromString(serialized).features.feature
    lengths = {name: len(found[name].int64_list.value) for name in found}
    expected = {"unique_ids": 1, "input_ids": 12, "input_mask": 12, "segment_ids": 12}
    if training:
      expected.update(start_positions=1, end_positions=1, is_impossible=1)
    assert lengths == expected

  def test_an_error_leaves_no_file(self, tmp_path):
    with (
      pytest.raises(KeyboardInterrupt),
      span_features.FeatureWriter(str(tmp_path / "records"), True),
    ):
      raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


class TestLog:
  def test_the_windows_of_the_first_20_examples(self, make, tokenizer, logged):
    rows = [example("a b", "b", 2, name=f"q{i}") for i in range(23)]
    features(rows, tokenizer)
    lines = logged()
    assert lines.count("*** Example ***") == 20
    assert lines[:13] == [
      "*** Example ***",
      "unique_id: 1000000000",
      "example_index: 0",
      "doc_span_index: 0",
      "tokens: [CLS] a [SEP] a b [SEP]",
      "token_to_orig_map: 3:0 4:1",
      "token_is_max_context: 3:True 4:True",
      "input_ids: 2 4 3 4 5 3 0 0 0 0 0 0",
      "input_mask: 1 1 1 1 1 1 0 0 0 0 0 0",
      "segment_ids: 0 0 0 1 1 1 0 0 0 0 0 0",
      "start_position: 4",
      "end_position: 4",
      "answer: b",
    ]
    make(rows)
    assert logged()[len(lines) :].count("*** Example ***") == 20

  def test_an_impossible_one_is_said_to_be(self, tokenizer, logged):
    features([example("a", is_impossible=True)], tokenizer)
    assert logged()[-1] == "impossible example"


class TestCachedWindows:
  def test_workers_give_the_same(self, make, monkeypatch, alignment, tmp_path):
    rows = list(many(50))
    here = make(rows, alignment=alignment)
    by_workers = functools.partial(
      span_features.parallel.ordered_map, workers=2, patience=0
    )
    monkeypatch.setattr(span_features.parallel, "ordered_map", by_workers)
    there = make(rows, alignment=alignment, output_file=str(tmp_path / "there"))
    for field in dataclasses.fields(here):
      np.testing.assert_array_equal(
        getattr(here, field.name), getattr(there, field.name)
      )

  def test_a_second_equal_run_converts_nothing(self, make, tmp_path, logged):
    calls = []
    rows = [*many(), example("a", "b", name="bad")]
    first = make(rows)
    before = (tmp_path / "train.tf_record").read_bytes()
    second = make(rows, progress=lambda *done: calls.append(done))
    assert calls == []
    assert (tmp_path / "train.tf_record").read_bytes() == before
    for field in dataclasses.fields(first):
      np.testing.assert_array_equal(
        getattr(first, field.name), getattr(second, field.name)
      )
    assert f"31 questions were converted before: {tmp_path}/train.tf_record" in logged()
    assert sum("left out" in line and line.endswith("bad") for line in logged()) == 2

  @pytest.mark.parametrize(
    ("change", "when"),
    [
      ({"context": "a b c"}, {True, False}),
      ({"question_text": "b"}, {True, False}),
      ({"answers": (Answer("a", 0),)}, {True}),
      ({"is_impossible": True}, {True}),
      ({"qas_id": "other"}, set()),
    ],
    ids=["context", "question", "answer", "impossible", "name"],
  )
  @pytest.mark.parametrize("training", [True, False])
  def test_texts_that_count_convert_again(self, make, change, when, training):
    row, calls = example("a b", "b", 2), []
    make([row], training)
    row = dataclasses.replace(row, **change)
    make([row], training, progress=lambda *done: calls.append(done))
    assert bool(calls) == (training in when)

  @pytest.mark.parametrize(
    "change",
    [
      {"length": 13},
      {"stride": 4},
      {"query": 3},
      {"alignment": "characters"},
      {"training": False},
    ],
    ids=lambda change: next(iter(change)),
  )
  def test_options_convert_again(self, make, change):
    rows, calls = list(many(3)), []
    make(rows)
    make(rows, progress=lambda *done: calls.append(done), **change)
    assert calls

  def test_another_vocabulary_converts_again(self, make, vocab_file):
    calls = []
    make(list(many(3)))
    tokenizer = tokenization.FullTokenizer(vocab_file("a", "b", "c"))
    make(
      list(many(3)),
      tokenizer=tokenizer,
      progress=lambda *done: calls.append(done),
    )
    assert calls

  def test_a_cache_directory_serves_other_output_files(self, make, tmp_path):
    rows, calls = list(many(3)), []
    cache = str(tmp_path / "cache")
    make(rows, cache_dir=cache)
    windows = make(
      rows,
      cache_dir=cache,
      output_file=str(tmp_path / "other.tf_record"),
      progress=lambda *done: calls.append(done),
    )
    assert calls == []
    assert (tmp_path / "other.tf_record").read_bytes() == (
      tmp_path / "train.tf_record"
    ).read_bytes()
    assert len(windows.length) > 0

  def test_progress_counts_to_the_number_of_questions(self, make):
    calls = []
    rows = list(many(6))
    make(rows, training=False, progress=lambda *done: calls.append(done))
    assert calls[-1] == (6, 6)
    assert calls == sorted(set(calls))

  def test_a_context_is_split_once_for_all_its_questions(self, make, tokenizer):
    class Counting(tokenization.FullTokenizer):
      texts = []

      def tokenize_with_offsets(self, text):
        self.texts.append(text)
        return super().tokenize_with_offsets(text)

    counting = Counting.__new__(Counting)
    counting.__setstate__(tokenizer.__getstate__())
    rows = [example(f"a b{i % 2}", name=f"q{i}") for i in range(60)]
    make(rows, training=False, alignment="characters", tokenizer=counting)
    # The first 20 are split for the log too.
    assert len(counting.texts) == 20 + 2


class TestBenchmark:
  def test_both_sides_make_the_same_records(self, tmp_path):
    examples = span_benchmark.generated_examples(20)
    contexts = [row.context for row in examples]
    path = tmp_path / "vocab.txt"
    path.write_text(
      "\n".join(
        span_benchmark.tokenizer_benchmark.derived_vocabulary(contexts, {}, size=50)
      )
    )
    for alignment in ALIGNMENTS:
      row, shares = span_benchmark.measure(
        examples,
        lambda: tokenization.FullTokenizer(str(path)),
        WindowOptions(64, 16, 16, alignment),
      )
      assert (row["questions"], row["different_windows"]) == (20, 0)
      assert row["windows"] > 20
      assert shares["trained"] >= shares["aligned"] > 0
      assert shares["equal"] >= shares["in_place"] > 0
    assert shares["equal"] == shares["in_place"] == 100

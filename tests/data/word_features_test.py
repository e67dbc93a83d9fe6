"""Words and tags to rows of ids, texts to words: by hand."""

import hypothesis
import pytest
from hypothesis import strategies

from bert_ja import tokenization
from bert_ja.data import records, word_features
from bert_ja.data.word_features import WordExample
from bert_ja.entity_scores import Entity

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "##b", "東", "京", "に"]
TAGS = word_features.Tags(["O", "B-x", "I-x"])
BELL = "\a"  # a control character, of which a tokenizer makes no piece


@pytest.fixture
def tokenizer(tmp_path):
  path = tmp_path / "vocab.txt"
  path.write_text("\n".join(VOCABULARY) + "\n", "utf-8")
  return tokenization.FullTokenizer(str(path))


class Pieces:
  """A tokenizer that gives what it is told, as SentencePiece's would be."""

  def __init__(self, *pieces_and_spans):
    self.pieces, self.spans = zip(*pieces_and_spans, strict=True)

  def tokenize_with_offsets(self, text):
    return list(self.pieces), list(self.spans)

  def encode(self, text):
    return list(range(10, 10 + len(self.pieces)))


def converted(tokenizer, tmp_path, *examples, length=7):
  path = str(tmp_path / "x.tf_record")
  assert word_features.cached_features(examples, TAGS, length, tokenizer, path)
  rows = records.read_records(path, word_features.feature_spec(length, TAGS))
  return {name: rows[name].tolist() for name in rows}


class TestCachedFeatures:
  def test_tags_are_at_the_first_pieces(self, tokenizer, tmp_path):
    row = WordExample("1", ["ab", "b", "a"], ["B-x", "I-x", "O"])
    assert converted(tokenizer, tmp_path, row, length=8) == {
      "input_ids": [[2, 4, 6, 5, 4, 3, 0, 0]],
      "input_mask": [[1, 1, 1, 1, 1, 1, 0, 0]],
      "segment_ids": [[0] * 8],
      "first_pieces": [[1, 3, 4, 0, 0, 0]],
      "label_ids": [[1, 2, 0, 0, 0, 0]],
      "is_real_example": [1],
    }

  def test_a_word_that_is_cut_off_has_no_piece(self, tokenizer, tmp_path):
    row = WordExample("1", ["ab", "ab", "ab", "a"], ["B-x"] * 4)
    features = converted(tokenizer, tmp_path, row, length=5)
    assert features["input_ids"] == [[2, 4, 6, 4, 3]]
    assert features["first_pieces"] == [[1, 3, 0]]
    assert features["label_ids"] == [[1, 1, 0]]

  def test_nor_has_a_control_character(self, tokenizer, tmp_path):
    row = WordExample("1", ["a", BELL, "b"], ["B-x", "I-x", "I-x"])
    features = converted(tokenizer, tmp_path, row, length=6)
    assert features["first_pieces"] == [[1, 0, 2, 0]]
    assert features["label_ids"] == [[1, 0, 2, 0]]

  def test_words_without_a_piece_are_counted_in_the_log(
    self, tokenizer, tmp_path, caplog
  ):
    rows = [
      WordExample(str(n), words, ["O"] * len(words))
      for n, words in enumerate((["a"], [BELL, "b"], ["a"] * 9))
    ]
    converted(tokenizer, tmp_path, *rows, length=5)
    (record,) = [r for r in caplog.records if r.levelname == "WARNING"]
    assert record.getMessage().startswith(
      "7 words of 2 sentences have no piece within --max_seq_length=5: "
    )

  def test_sentences_without_tags_have_zeros(self, tokenizer, tmp_path):
    features = converted(tokenizer, tmp_path, WordExample("1", ["b", "a"]), length=5)
    assert features["first_pieces"] == [[1, 2, 0]]
    assert features["label_ids"] == [[0, 0, 0]]

  def test_pieces_of_a_text_are_taken_as_they_are(self, tokenizer, tmp_path):
    row = WordExample("1", ["東京", "a"], ["B-x", "O"], pieces=[[7, 9], [5]])
    assert converted(tokenizer, tmp_path, row, length=6)["input_ids"] == [
      [2, 7, 9, 5, 3, 0]
    ]

  def test_it_is_done_once_for_the_same_words_and_tags(self, tokenizer, tmp_path):
    def convert(*arguments, length=5):
      rows = [WordExample("1", *arguments)]
      path = str(tmp_path / "x.tf_record")
      return word_features.cached_features(rows, TAGS, length, tokenizer, path)

    assert convert(["a"], ["O"])
    assert not convert(["a"], ["O"])
    assert convert(["a"], ["B-x"])
    assert convert(["b"], ["B-x"])
    assert convert(["b"], ["B-x"], length=6)

  def test_a_length_without_room_is_an_error(self, tokenizer, tmp_path):
    with pytest.raises(ValueError, match="--max_seq_length=2 leaves no room"):
      converted(tokenizer, tmp_path, WordExample("1", ["a"], ["O"]), length=2)


class TestCheck:
  def test_an_unknown_tag_is_named(self):
    rows = [WordExample("1", ["a"], ["O"]), WordExample("2", ["a"], ["B-y"], "dev:3")]
    message = "^dev:3: tag 'B-y' is not one of 'O', 'B-x', 'I-x'$"
    with pytest.raises(ValueError, match=message):
      word_features.check(rows, TAGS)


class TestSplitTexts:
  def split(self, text, entities, tokenizer):
    (row,) = word_features.split_texts(
      [WordExample("1", text=text, label=entities)], tokenizer
    )
    return row

  def test_words_have_offsets_pieces_and_tags(self, tokenizer):
    row = self.split("ab 東京に", [Entity(3, 5, "x")], tokenizer)
    assert row.words == ["ab", "東", "京", "に"]
    assert row.offsets == [(0, 2), (3, 4), (4, 5), (5, 6)]
    assert row.pieces == [[4, 6], [7], [8], [9]]
    assert row.label == ["O", "B-x", "I-x", "O"]
    assert row.entities == [Entity(3, 5, "x")]

  def test_words_that_were_given_stay(self, tokenizer):
    row = WordExample("1", ["ab"], ["O"])
    assert word_features.split_texts([row], tokenizer) == [row]

  def test_without_entities_there_are_no_tags(self, tokenizer):
    assert self.split("ab", None, tokenizer).label is None
    assert self.split("ab", [], tokenizer).label == ["O"]

  def test_a_piece_of_no_character_belongs_to_the_next(self):
    tokenizer = Pieces(("▁", (0, 0)), ("東京", (0, 2)), ("▁", (2, 3)), ("に", (3, 4)))
    row = self.split("東京\u3000に", [Entity(0, 2, "x")], tokenizer)
    assert row.offsets == [(0, 2), (3, 4)]
    assert row.pieces == [[10, 11], [12, 13]]
    assert row.label == ["B-x", "O"]

  def test_the_space_in_a_piece_is_no_part_of_the_word(self):
    tokenizer = Pieces(("▁a", (0, 1)), ("▁b", (1, 3)))
    row = self.split("a b", [Entity(2, 3, "x")], tokenizer)
    assert row.words == ["a", "b"]
    assert word_features.spans_of(row.label, row.offsets) == [Entity(2, 3, "x")]

  def test_spans_that_are_not_words_are_counted_in_the_log(self, tokenizer, caplog):
    self.split("ab 東京", [Entity(1, 2, "x"), Entity(3, 5, "x")], tokenizer)
    (record,) = [r for r in caplog.records if r.levelname == "WARNING"]
    assert record.getMessage().startswith("1 of 2 spans do not begin and end with")


class TestTagsOf:
  @pytest.mark.parametrize(
    ("entities", "expected"),
    [
      ([], "O O O"),
      ([(0, 3, "x")], "B-x O O"),
      ([(3, 8, "x")], "O B-x I-x"),
      ([(3, 5, "x"), (5, 8, "x")], "O B-x B-x"),
      ([(4, 5, "y")], "O B-y O"),
      # A word has the entity of most of its characters.
      ([(1, 2, "x"), (2, 4, "y")], "B-x B-y O"),
      ([(0, 4, "x"), (4, 8, "y")], "B-x I-x B-y"),
      ([(3, 6, "x"), (6, 8, "y")], "O B-x B-y"),
      ([(5, 6, "x"), (6, 8, "y")], "O O B-y"),
    ],
  )
  def test_by_overlap(self, entities, expected):
    offsets = [(0, 3), (3, 5), (5, 8)]
    tags = word_features.tags_of([Entity(*entity) for entity in entities], offsets)
    assert " ".join(tags) == expected

  @hypothesis.given(data=strategies.data())
  def test_entities_of_whole_words_come_back(self, data):
    sizes = data.draw(strategies.lists(strategies.integers(1, 4), min_size=1))
    edges = [sum(sizes[:n]) for n in range(len(sizes) + 1)]
    offsets = list(zip(edges, edges[1:], strict=False))
    cuts = sorted(data.draw(strategies.sets(strategies.sampled_from(edges))))
    entities = [
      Entity(start, end, data.draw(strategies.sampled_from("xy")))
      for start, end in zip(cuts, cuts[1:], strict=False)
      if data.draw(strategies.booleans())
    ]
    tags = word_features.tags_of(entities, offsets)
    assert word_features.spans_of(tags, offsets) == entities

"""Files of tagged sentences, in each form, and what can be wrong with them."""

import json
import math

import pytest

from bert_ja.data import tagged_files
from bert_ja.data.word_features import WordExample
from bert_ja.entity_scores import Entity


def write(path, text):
  path.write_text(text, "utf-8")
  return str(path)


def json_lines(path, *rows):
  return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def sequences(directory, words, tags=None):
  directory.mkdir()
  write(directory / "seq.in", words)
  if tags is not None:
    write(directory / "seq.out", tags)
  return str(directory)


def read(path, set_type="train"):
  return tagged_files.read_sentences(path, set_type)


class TestReadSentences:
  def test_json_lines_of_tokens(self, tmp_path):
    rows = (
      {"tokens": ["a", "b"], "tags": ["O", "B-x"], "id": 7},
      {"tokens": ["c"], "tags": ["O"]},
    )
    path = json_lines(tmp_path / "x.jsonl", *rows)
    assert read(path) == [
      WordExample("7", ["a", "b"], ["O", "B-x"], f"{path}, line 1"),
      WordExample("train-2", ["c"], ["O"], f"{path}, line 2"),
    ]

  def test_a_json_list(self, tmp_path):
    path = write(tmp_path / "x.json", '[\n{"tokens": ["a"]},\n{"tokens": ["b"]}]\n')
    assert read(path, "test") == [
      WordExample("test-1", ["a"], None, f"{path}, line 2"),
      WordExample("test-2", ["b"], None, f"{path}, line 3"),
    ]

  def test_texts_and_spans(self, tmp_path):
    spans = [{"start": 3, "end": 5, "type": "x"}, {"start": 0, "end": 1, "type": "y"}]
    path = json_lines(tmp_path / "x.jsonl", {"text": "東京 に行", "spans": spans})
    entities = [Entity(0, 1, "y"), Entity(3, 5, "x")]
    assert read(path) == [
      WordExample("train-1", (), entities, f"{path}, line 1", "東京 に行")
    ]

  @pytest.mark.parametrize("separator", ["\t", " ", "  "])
  def test_conll(self, tmp_path, separator):
    lines = ["a O", "b B-x", "", "", "c O", ""]
    text = "\n".join(lines).replace(" ", separator) + "\n"
    path = write(tmp_path / "x.conll", text)
    assert read(path) == [
      WordExample("train-1", ["a", "b"], ["O", "B-x"], f"{path}, line 1"),
      WordExample("train-2", ["c"], ["O"], f"{path}, line 5"),
    ]

  def test_conll_without_a_last_line_end_and_with_spaces_as_words(self, tmp_path):
    path = write(tmp_path / "x.tsv", "\u3000\tO\na b\tB-x")
    (row,) = read(path)
    assert (row.words, row.label) == (["\u3000", "a b"], ["O", "B-x"])

  def test_lines_of_white_space_part_sentences(self, tmp_path):
    rows = read(write(tmp_path / "x.txt", "a O\n \t\nb O\n\t\nc  O\n  \n"))
    assert [row.words for row in rows] == [["a"], ["b"], ["c"]]

  def test_conll_2003(self, tmp_path):
    text = "-DOCSTART- -X- O O\n\nJapan NNP B-NP B-LOC\nwins VB B-VP O\n"
    (row,) = read(write(tmp_path / "x.txt", text))
    assert (row.words, row.label) == (["Japan", "wins"], ["B-LOC", "O"])

  @pytest.mark.parametrize("after", ["\n", "\n\n"])
  @pytest.mark.parametrize("start", ["-DOCSTART- -X- O O", "-DOCSTART-"])
  def test_a_new_document_ends_a_sentence(self, tmp_path, start, after):
    text = f"{start}{after}a N x O\n{start}{after}b N x B-y\n"
    rows = read(write(tmp_path / "x.txt", text))
    assert [(row.words, row.label) for row in rows] == [
      (["a"], ["O"]),
      (["b"], ["B-y"]),
    ]

  def test_spaces_around_tags_behind_tabs(self, tmp_path):
    (row,) = read(write(tmp_path / "x.txt", "a\tO \nb\t B-x\n"))
    assert row.label == ["O", "B-x"]

  def test_conll_of_words_alone(self, tmp_path):
    rows = read(write(tmp_path / "x.txt", "a\nb\n\nc\n"), "test")
    assert [(row.words, row.label) for row in rows] == [
      (["a", "b"], None),
      (["c"], None),
    ]

  def test_sequences(self, tmp_path):
    path = sequences(tmp_path / "train", "a  b \nc\n", "O B-x \nO\n")
    assert read(path) == [
      WordExample("train-1", ["a", "b"], ["O", "B-x"], f"{path}/seq.in, line 1"),
      WordExample("train-2", ["c"], ["O"], f"{path}/seq.in, line 2"),
    ]

  def test_sequences_without_tags(self, tmp_path):
    (row,) = read(sequences(tmp_path / "test", "a b\n"), "test")
    assert (row.words, row.label) == (["a", "b"], None)


class TestErrors:
  @pytest.mark.parametrize(
    ("row", "message"),
    [
      (
        {"tokens": ["a", "b"], "tags": ["O"]},
        "line 2: expected one tag for each word, found 1 tags and 2 words",
      ),
      (
        {"tokens": ["a"], "tags": ["S-x"]},
        "line 2: expected tags O, B-<type> and I-<type>, found 'S-x'; "
        "write S- and U- of other schemes as B-, and E-, L- and M- as I-",
      ),
      ({"tokens": ["a"], "tags": ["B-"]}, "line 2: .* found 'B-'"),
      ({"tokens": [], "tags": []}, "line 2: the sentence is empty"),
      (
        {"tokens": ["a"], "labels": ["O"]},
        "line 2: expected tags or spans, found none; JSON has tags .choose with "
        "--label_column. beside tokens, or spans beside text",
      ),
      ({"text": "a"}, "line 2: expected tags or spans, found none"),
      ({"tokens": "a", "tags": ["O"]}, "line 2, column 'tokens': expected a list of"),
      ({"tokens": ["a"], "tags": [1]}, "line 2, column 'tags': expected a list of"),
      ({"text": " ", "spans": []}, "line 2: expected tokens, a list of texts, or text"),
      ({"words": ["a"]}, "line 2: expected tokens, a list of texts, or text"),
      ({"text": "ab", "spans": {}}, "line 2, column 'spans': expected a list of"),
    ],
  )
  def test_of_a_json_row(self, tmp_path, row, message):
    good = {"tokens": ["a"], "tags": ["O"]}
    with pytest.raises(ValueError, match=message):
      read(json_lines(tmp_path / "x.jsonl", good, row))

  @pytest.mark.parametrize(
    "span",
    [
      {"start": 1, "end": 1, "type": "x"},
      {"start": -1, "end": 1, "type": "x"},
      {"start": 0, "end": 3, "type": "x"},
      {"start": 0, "end": 1.0, "type": "x"},
      {"start": 0, "end": True, "type": "x"},
      {"start": 0, "end": 1, "type": ""},
      {"start": 0, "end": 1},
      [0, 1, "x"],
    ],
  )
  def test_of_a_span(self, tmp_path, span):
    path = json_lines(tmp_path / "x.jsonl", {"text": "ab", "spans": [span]})
    message = "line 1: expected spans with a type and 0 <= start < end <= 2, the"
    with pytest.raises(ValueError, match=message):
      read(path)

  def test_of_spans_that_overlap(self, tmp_path):
    spans = [{"start": a, "end": b, "type": "x"} for a, b in ((2, 4), (0, 3))]
    path = json_lines(tmp_path / "x.jsonl", {"text": "abcd", "spans": spans})
    with pytest.raises(ValueError, match="line 1: spans 0 to 3 and 2 to 4 overlap"):
      read(path)

  def test_of_a_conll_line(self, tmp_path):
    path = write(tmp_path / "x.txt", "a O\nb\n")
    message = "x.txt, line 2: expected 2 columns as in the first line, found 1"
    with pytest.raises(ValueError, match=message):
      read(path)

  def test_of_conll_without_tags_in_training(self, tmp_path):
    path = write(tmp_path / "x.txt", "\na\n")
    with pytest.raises(ValueError, match="x.txt, line 2: expected tags or spans"):
      read(path)

  def test_of_a_file_without_sentences(self, tmp_path):
    with pytest.raises(ValueError, match="x.txt has no sentences"):
      read(write(tmp_path / "x.txt", "\n\n"))

  @pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
      ("a b\nc\n", "O\nO\n", "seq.in, line 1: expected one tag for each word, found 1"),
      ("a\nb\n", "O\n", "seq.out: expected 2 lines as in seq.in, found 1"),
      ("a\n\nb\n", "O\n\nO\n", "seq.in, line 2: the sentence is empty"),
    ],
  )
  def test_of_sequences(self, tmp_path, words, tags, message):
    with pytest.raises(ValueError, match=message):
      read(sequences(tmp_path / "train", words, tags))

  def test_of_a_directory_without_sequences(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="has no seq.in"):
      read(str(tmp_path))


class TestWritePredictions:
  WORDS = WordExample("1", ["a", "b", "c"], ["O", "O", "B-x"])
  TEXT = WordExample(
    "2", ["東", "京"], ["B-x", "O"], text="東 京", offsets=[(0, 1), (2, 3)]
  )
  TAGS = (["O", "B-x", "I-x"], ["B-x", "I-x"])
  PROBABILITIES = ((0.25, 0.99996, 0.5, 0.0), (math.nan,))

  def written(self, tmp_path, rows, predicted, with_labels):
    probabilities = self.PROBABILITIES[: len(rows)]
    paths = tagged_files.write_predictions(
      str(tmp_path), rows, predicted, probabilities, with_labels
    )
    assert paths == [f"{tmp_path}/predictions.{end}" for end in ("jsonl", "tsv")]
    objects, lines = ((tmp_path / path).read_text("utf-8") for path in paths)
    return [json.loads(line) for line in objects.splitlines()], lines

  def test_objects_have_tags_probabilities_and_spans(self, tmp_path):
    rows, _ = self.written(tmp_path, (self.WORDS, self.TEXT), self.TAGS, False)
    assert rows == [
      {
        "id": "1",
        "words": ["a", "b", "c"],
        "tags": ["O", "B-x", "I-x"],
        "probabilities": [0.25, 1.0, 0.5],
        "spans": [{"start": 1, "end": 3, "type": "x", "text": "b c"}],
      },
      {
        "id": "2",
        "text": "東 京",
        "words": ["東", "京"],
        "tags": ["B-x", "I-x"],
        "probabilities": [None, None],
        "spans": [{"start": 0, "end": 3, "type": "x", "text": "東 京"}],
      },
    ]

  def test_the_table_is_conll(self, tmp_path):
    _, lines = self.written(tmp_path, (self.WORDS, self.TEXT), self.TAGS, False)
    assert lines == "a\tO\nb\tB-x\nc\tI-x\n\n東\tB-x\n京\tI-x\n\n"

  def test_true_tags_stand_before_the_predicted(self, tmp_path):
    _, lines = self.written(tmp_path, (self.WORDS,), self.TAGS[:1], True)
    assert lines == "a\tO\tO\nb\tO\tB-x\nc\tB-x\tI-x\n\n"

  def test_a_word_stays_one_cell(self, tmp_path):
    row = WordExample("1", ["a\tb\nc"])
    _, lines = self.written(tmp_path, (row,), [["O"]], False)
    assert lines == "a b c\tO\n\n"

  def test_what_was_written_can_be_read(self, tmp_path):
    words = WordExample("1", ["a", "\u3000", "c"])
    self.written(tmp_path, (words,), self.TAGS[:1], False)
    (row,) = read(str(tmp_path / "predictions.tsv"))
    assert (row.words, row.label) == (words.words, self.TAGS[0])

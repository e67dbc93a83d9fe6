"""The hardest rows of each kind's predictions, as its own code writes them."""

import json
import math

import numpy as np
import pytest

from bert_ja import reporting
from bert_ja.data import tagged_files, word_features
from bert_ja.reports import report_rows
from tests import prediction_tables

NAMES = ["海", "山", "川"]
PROBABILITIES = np.array(
  [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.2, 0.3, 0.5]]
)


@pytest.fixture
def path(tmp_path):
  return str(tmp_path / "predictions.tsv")


def write_classes(directory, labels):
  texts = [(f"本文{n}",) for n in range(4)]
  prediction_tables.write_classes(
    directory, "abcd", texts, labels, PROBABILITIES, NAMES
  )


class TestClasses:
  def test_the_right_label_with_the_smallest_probability_comes_first(
    self, tmp_path, path
  ):
    write_classes(tmp_path, [0, 2, 1, 2])
    rows, count = report_rows.hardest(path, 3, {})
    assert count == 4
    # Their probabilities: 0.7, 0.3, 0.2, 0.5.
    assert [row.id for row in rows] == ["c", "b", "d"]
    assert rows[0] == report_rows.Labelled(
      "c",
      ["本文2"],
      "山",
      "海",
      False,
      [("山", pytest.approx(0.2), True), ("海", pytest.approx(0.5), False)],
    )

  def test_a_right_answer_has_one_probability(self, tmp_path, path):
    write_classes(tmp_path, [0, 1, 0, 2])
    rows, _ = report_rows.hardest(path, 1, {})
    assert rows[0].is_right
    assert len(rows[0].probabilities) == 1

  def test_rows_without_a_label_do_not_count(self, tmp_path, path):
    write_classes(tmp_path, [None, 2, None, 2])
    rows, count = report_rows.hardest(path, 9, {})
    assert ([row.id for row in rows], count) == (["b", "d"], 2)

  @pytest.mark.parametrize("labels", [None, [None] * 4])
  def test_without_labels_there_are_none(self, tmp_path, path, labels):
    write_classes(tmp_path, labels)
    assert report_rows.hardest(path, 9, {}) == ([], 0)

  def test_both_texts_of_pairs_are_kept(self, tmp_path, path):
    prediction_tables.write_classes(
      tmp_path, ["x"], [("前", "後")], [1], PROBABILITIES[:1], NAMES
    )
    rows, _ = report_rows.hardest(path, 9, {})
    assert rows[0].texts == ["前", "後"]

  def test_quotes_stay(self, tmp_path, path):
    prediction_tables.write_classes(
      tmp_path, ["x"], [('"引用"',)], [1], PROBABILITIES[:1], NAMES
    )
    rows, _ = report_rows.hardest(path, 9, {})
    assert rows[0].texts == ['"引用"']


@pytest.mark.parametrize(
  "task",
  [
    {"row_options": {"label_separator": "|"}, "flags": {"label_separator": ";"}},
    {"flags": {"label_separator": "|"}},
  ],
)
def test_sets_are_ordered_by_the_worst_of_all_labels(path, task):
  task = {"kind": "multi_label", **task}
  columns = {
    "id": ["a", "b", "c"],
    "text": ["x", "y", "z"],
    "label": ["海|川", "", "山"],
    "predicted": ["海", "山", "山"],
    "probability_海": [0.9, 0.1, 0.2],
    "probability_山": [0.2, 0.8, 0.6],
    "probability_川": [0.4, 0.1, 0.1],
  }
  reporting.write_columns(path, columns)
  rows, count = report_rows.hardest(path, 9, task)
  assert ([row.id for row in rows], count) == (["b", "a", "c"], 3)
  assert rows[0].probabilities == [("山", 0.8, False)]
  assert rows[1].probabilities == [("海", 0.9, True), ("川", 0.4, True)]
  assert [row.is_right for row in rows] == [False, False, True]


def test_choices_have_the_softmax_of_their_scores(path):
  columns = {
    "id": ["a", "b"],
    "text": ["x", "y"],
    "label": [1, 0],
    "predicted": [1, 1],
    "choice": ["p", "q"],
    "score_0": [0.0, 0.0],
    "score_1": [0.0, np.log(3.0)],
    "score_2": ["", ""],
  }
  reporting.write_columns(path, columns)
  rows, _ = report_rows.hardest(path, 9, {})
  assert [row.id for row in rows] == ["b", "a"]
  shown = [("0", pytest.approx(0.25), True), ("1", pytest.approx(0.75), False)]
  assert rows[0].probabilities == shown
  assert rows[1].probabilities == [("1", pytest.approx(0.5), True)]


@pytest.mark.parametrize("with_right", [True, False])
def test_choices_stand_beside_their_places(path, with_right):
  """Those of older files lack the right one."""
  columns = {
    "id": ["a"],
    "text": ["x"],
    "label": [1],
    "predicted": [0],
    "choice": ["赤"],
    "right_choice": ["青"],
    "score_0": [1.0],
    "score_1": [0.0],
  }
  if not with_right:
    del columns["right_choice"]
  reporting.write_columns(path, columns)
  (row,), _ = report_rows.hardest(path, 9, {})
  assert (row.right, row.predicted) == ("1: 青" if with_right else "1", "0: 赤")
  assert not row.is_right


def test_numbers_are_ordered_by_their_error(path):
  columns = {
    "id": ["a", "b", "c"],
    "text": ["x", "y", "z"],
    "label": [1.0, -2.0, 3.0],
    "predicted": [1.5, 1.0, 3.0],
  }
  reporting.write_columns(path, columns)
  rows, _ = report_rows.hardest(path, 9, {})
  assert [row.id for row in rows] == ["b", "a", "c"]
  assert [row.is_right for row in rows] == [False, False, True]


class TestTags:
  def write(self, directory, with_labels=True):
    examples = [
      word_features.WordExample(guid=name, words=words, label=tags)
      for name, words, tags in (
        ("a", ["京都", "へ"], ["B-x", "O"]),
        ("b", ["", "と", "那覇"], ["O", "O", "B-x"]),
        ("c", ["朝"], ["O"]),
        ("d", ["夜", "の"], ["O", "O"]),
      )
    ]
    predicted = [["B-x", "O"], ["B-x", "O", "O"], ["B-x"], ["B-x", "O"]]
    probabilities = [[0.5, 0.5], [0.25, 0.5, math.nan], [0.5], [0.75, 0.125]]
    tagged_files.write_predictions(
      directory, examples, predicted, probabilities, with_labels
    )

  def test_the_most_wrong_tags_come_first(self, tmp_path, path):
    self.write(str(tmp_path))
    rows, count = report_rows.hardest(path, 2, {})
    assert count == 4
    assert [(row.id, row.wrong) for row in rows] == [("b", 2), ("d", 1)]
    assert rows[0].words[0] == ("", "O", "B-x", 0.25)
    assert rows[0].words[2] == ("那覇", "B-x", "O", None)

  def test_among_as_many_those_that_the_model_was_sure_of(self, tmp_path, path):
    self.write(str(tmp_path))
    rows, _ = report_rows.hardest(path, 9, {})
    assert [row.id for row in rows] == ["b", "d", "c", "a"]

  def change(self, directory, change):
    """Changes the objects of predictions.jsonl."""
    self.write(str(directory))
    objects = directory / "predictions.jsonl"
    rows = [json.loads(line) for line in objects.read_text().splitlines()]
    for row in rows:
      change(row)
    objects.write_text("".join(json.dumps(row) + "\n" for row in rows))

  def test_older_files_have_no_probabilities(self, tmp_path, path):
    self.change(tmp_path, lambda row: row.pop("probabilities"))
    rows, _ = report_rows.hardest(path, 9, {})
    assert [row.id for row in rows] == ["b", "c", "d", "a"]
    assert rows[1].words == [("朝", "O", "B-x", None)]

  def test_other_words_than_probabilities(self, tmp_path, path):
    self.change(tmp_path, lambda row: row["probabilities"].append(0.5))
    message = "predictions.jsonl, line 1: expected 2 probabilities"
    with pytest.raises(ValueError, match=message):
      report_rows.hardest(path, 9, {})

  def test_without_true_tags_there_are_none(self, tmp_path, path):
    self.write(str(tmp_path), with_labels=False)
    assert report_rows.hardest(path, 2, {}) == ([], 0)


class TestErrors:
  @pytest.mark.parametrize(
    ("text", "message"),
    [
      ("", "line 1: expected columns `id` and `predicted`"),
      ("a\tb\n", "line 1: expected columns `id` and `predicted`"),
      ("id\tlabel\tpredicted\nx\t1\n", "line 2: expected 3 cells"),
      ("id\tlabel\tpredicted\nx\t1\t二\n", "expected a number, found '二'"),
    ],
  )
  def test_a_strange_file(self, path, text, message):
    with open(path, "w", encoding="utf-8") as writer:
      writer.write(text)
    with pytest.raises(ValueError, match=f"predictions.tsv.*{message}.*again"):
      report_rows.hardest(path, 9, {})


class TestQuestions:
  CONTEXT = "青い山に白い鳥がいる。" + "そして遠い" * 40 + "赤い山に黒い鳥がいる。"

  def write(self, directory):
    def question(name, *answers):
      found = [{"text": text, "answer_start": start} for text, start in answers]
      return {"id": name, "question": f"{name}は何か", "answers": found}

    far = self.CONTEXT.index("黒い鳥")
    qas = [
      question("right", ("白い鳥", 4)),
      question("far", ("黒い鳥", far)),
      question("unsure", ("青い山", 0)),
      question("none"),
    ]
    document = {"data": [{"paragraphs": [{"context": self.CONTEXT, "qas": qas}]}]}
    best = {
      "right": [{"text": "白い鳥", "probability": 0.9}],
      "far": [
        {"text": "鳥", "probability": 0.6},
        {"text": "黒い鳥", "probability": 0.3},
      ],
      "unsure": [{"text": "鳥", "probability": 0.2}],
      "none": [{"text": "遠い", "probability": 0.7}],
    }
    rows = [
      ("right", 1, 1, 1, "白い鳥", "白い鳥"),
      ("far", 0, 0, 0, "鳥", "黒い鳥"),
      ("unsure", 0, 0, 0, "鳥", "青い山"),
      ("none", 0, 0, 0, "遠い", ""),
    ]
    header = ("id", "exact", "f1", "character_f1", "prediction", "right_answer")
    lines = ["\t".join(map(str, row)) for row in (header, *rows)]
    (directory / "dev.json").write_text(json.dumps(document))
    (directory / "nbest_predictions.json").write_text(json.dumps(best))
    (directory / "question_scores.tsv").write_text("\n".join(lines) + "\n")
    return str(directory), str(directory / "dev.json")

  def read(self, directory, with_questions=True):
    output_dir, questions = self.write(directory)
    return report_rows.hardest_questions(
      output_dir, 9, questions if with_questions else None
    )

  def test_wrong_ones_that_the_model_is_sure_of_come_first(self, tmp_path):
    rows, count = self.read(tmp_path)
    assert count == 4
    assert [row.id for row in rows] == ["none", "unsure", "far", "right"]
    far = rows[2]
    assert (far.probability, far.right_probability) == (0.6, 0.3)
    assert rows[1].right_probability is None

  def test_answers_are_marked_where_they_stand(self, tmp_path):
    rows, _ = self.read(tmp_path)
    parts = {row.id: row.context for row in rows}
    assert ("白い鳥", "both") in parts["right"]
    marked = [part for part in parts["far"] if part[1]]
    # The predicted 鳥 is the one that is nearest to the right answer.
    assert marked == [("黒い", "right"), ("鳥", "both")]
    assert [part for part in parts["unsure"] if part[1]] == [
      ("青い山", "right"),
      ("鳥", "predicted"),
    ]

  @pytest.mark.parametrize(
    ("context", "answer", "start", "prediction", "marked"),
    [
      # White space is the context's own; that of the scores is single spaces.
      (
        "朝　の\n海と夜",
        "朝　の\n海",
        0,
        "夜",
        [("朝　の\n海", "right"), ("夜", "predicted")],
      ),
      (
        "朝と夜  の　海",
        "朝",
        0,
        "夜 の 海",
        [("朝", "right"), ("夜  の　海", "predicted")],
      ),
      # The place decides, not the text.
      ("海と海", "海", 2, "海", [("海", "both")]),
      # Files may count otherwise, or know no place.
      ("朝と海", "海", 1, "朝", [("朝", "predicted"), ("海", "right")]),
      ("朝と海", "海", -1, "朝", [("朝", "predicted"), ("海", "right")]),
      ("朝と海", "山", -1, "a.b(", []),
    ],
  )
  def test_answers_are_found_as_the_context_has_them(
    self, tmp_path, context, answer, start, prediction, marked
  ):
    answers = [{"text": answer, "answer_start": start}]
    qas = [{"id": "q", "question": "何か", "answers": answers}]
    document = {"data": [{"paragraphs": [{"context": context, "qas": qas}]}]}
    (tmp_path / "dev.json").write_text(json.dumps(document))
    right = " ".join(answer.split())
    (tmp_path / "question_scores.tsv").write_text(
      f"id\tcharacter_f1\tprediction\tright_answer\nq\t0\t{prediction}\t{right}\n"
    )
    (row,), _ = report_rows.hardest_questions(
      str(tmp_path), 9, str(tmp_path / "dev.json")
    )
    assert [part for part in row.context if part[1]] == marked
    assert "".join(text for text, _ in row.context) == context
    if marked == [("海", "both")]:
      assert row.context[0] == ("海と", "")

  def test_what_is_far_from_both_is_left_out(self, tmp_path):
    rows, _ = self.read(tmp_path)
    (far,) = [row for row in rows if row.id == "far"]
    assert far.context[0][0] is None
    shown = "".join(text for text, _ in far.context if text)
    assert self.CONTEXT.endswith(shown)
    assert len(shown) < 100

  def test_without_their_file_questions_are_scored_alone(self, tmp_path):
    rows, count = self.read(tmp_path, with_questions=False)
    assert count == 4
    assert {(row.question, row.context) for row in rows} == {("", ())}

  def test_a_strange_file(self, tmp_path):
    (tmp_path / "question_scores.tsv").write_text("a\tb\n")
    with pytest.raises(ValueError, match="question_scores.tsv: expected columns .*id"):
      report_rows.hardest_questions(str(tmp_path), 9, None)

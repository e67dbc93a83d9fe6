"""Questions with paragraphs: both forms, samples, and messages that name the place."""

import dataclasses
import json

import hypothesis
import pytest
from hypothesis import strategies

from bert_ja.data.span_features import Answer
from bert_ja.tasks import reading_data, squad
from bert_ja.tasks.reading_data import Question, ReadingSet

PARAGRAPHS = ["山は高い。", "海は深い。", "空は青い。", "海は深い。"]


@pytest.fixture
def put(tmp_path):
  """Writes a JSON value into a file and gives its path."""

  def put(name, value):
    (tmp_path / name).write_text(json.dumps(value, ensure_ascii=False), "utf-8")
    return str(tmp_path / name)

  return put


def squad_file(*documents):
  """SQuAD's JSON of documents, lists of (context, [(id, question, answer)])."""
  return {
    "data": [
      {"paragraphs": [{"context": context, "qas": [_qa(context, *qa) for qa in qas]}
                      for context, qas in document]}
      for document in documents
    ]
  }  # fmt: skip


def _qa(context, name, text, answer=None):
  qa = {"id": name, "question": text}
  if answer is not None:
    qa["answers"] = [{"text": answer, "answer_start": context.index(answer)}]
  return qa


def row(**changes):
  values = {
    "id": "q1",
    "question": "海は",
    "paragraphs": [2, 1, 3],
    "relevant": 1,
    "answers": [{"text": "深い", "start": 2}],
  }
  return {name: value for name, value in (values | changes).items() if value != ...}


class TestReadSquad:
  def test_a_question_has_the_paragraphs_of_its_document(self, put):
    first = [("山は高い。", [("a", "山は", "高い")]), ("海は深い。", [])]
    second = [("空は青い。", [("b", "空は", "青い"), ("c", "色は")])]
    path = put("x.json", squad_file(first, second))
    found = reading_data.read(path)
    assert found.pool == ["山は高い。", "海は深い。", "空は青い。"]
    assert [(q.qas_id, q.paragraphs, q.relevant) for q in found.questions] == [
      ("a", [0, 1], 0),
      ("b", [2], 2),
      ("c", [2], 2),
    ]
    assert found.questions[0].answers == (Answer("高い", 2),)
    assert [q.is_answered for q in found.questions] == [True, True, False]
    assert not found.is_answered

  def test_paragraphs_of_several_files_are_told_apart(self, put, tmp_path):
    put("d-1.json", squad_file([("山は高い。", [("a", "山は")])]))
    put("d-2.json", squad_file([("海は深い。", []), ("山は高い。", [("b", "海は")])]))
    found = reading_data.read(str(tmp_path / "d-*.json"))
    assert found.pool == ["山は高い。", "海は深い。"]
    assert [(q.paragraphs, q.relevant) for q in found.questions] == [
      ([0], 0),
      ([1, 0], 0),
    ]

  def test_the_pool_can_belong_to_each_question(self, put):
    documents = [[("山は高い。", [("a", "山は")])], [("海は深い。", [("b", "海は")])]]
    found = reading_data.read(put("x.json", squad_file(*documents)), whole_pool=True)
    assert [list(q.paragraphs) for q in found.questions] == [[0, 1], [0, 1]]
    assert [q.relevant for q in found.questions] == [0, 1]

  def test_an_unanswerable_question_has_no_answer(self, put):
    document = squad_file([("山は高い。", [("a", "山は", "高い")])])
    (question,) = document["data"][0]["paragraphs"][0]["qas"]
    question |= {"is_impossible": True, "answers": [{"text": "", "answer_start": 0}]}
    found = reading_data.read(put("x.json", document))
    assert found.questions[0].answers == () and not found.is_answered

  def test_an_empty_paragraph_is_named(self, put):
    path = put("x.json", squad_file([("山は高い。", [("a", "山は")]), (" ", [])]))
    message = r"x.json, data\[0\].paragraphs\[1\]: the paragraph is empty"
    with pytest.raises(ValueError, match=message):
      reading_data.read(path)

  def test_a_context_file_is_not_for_it(self, put):
    path = put("x.json", squad_file([("山は高い。", [("a", "山は")])]))
    with pytest.raises(ValueError, match="--context_file is for a list of questions"):
      reading_data.read(path, "context.json")


class TestReadList:
  def read(self, put, *rows, **options):
    path = put("questions.json", list(rows))
    return reading_data.read(path, put("context.json", PARAGRAPHS), **options)

  def test_paragraphs_are_places_in_the_context_file(self, put):
    found = self.read(put, row())
    # The last paragraph is the second one again.
    assert found.pool == PARAGRAPHS[:3]
    (question,) = found.questions
    assert (question.paragraphs, question.relevant) == ([2, 1], 1)
    assert question.answers == (Answer("深い", 2),)
    assert question.source.endswith("questions.json, [0]")

  def test_one_answer_may_stand_alone(self, put):
    found = self.read(put, row(answers=..., answer={"text": "海", "start": 0}))
    assert found.questions[0].answers == (Answer("海", 0),)

  @pytest.mark.parametrize("answers", [None, []])
  def test_answers_that_are_null_or_none_are_not_known(self, put, answers):
    alone = {"text": "海", "start": 0}
    rows = row(answers=answers), row(id=2, answers=answers, answer=alone)
    found = self.read(put, *rows)
    assert [q.answers for q in found.questions] == [(), (Answer("海", 0),)]

  def test_a_test_set_lacks_answers(self, put):
    found = self.read(put, row(relevant=..., answers=..., id=7))
    (question,) = found.questions
    assert (question.qas_id, question.relevant, question.answers) == ("7", None, ())

  def test_the_pool_is_the_context_file(self, put):
    rows = row(paragraphs=[2]), row(id="q2", paragraphs=...)
    found = self.read(put, *rows, whole_pool=True)
    assert [list(q.paragraphs) for q in found.questions] == [[0, 1, 2]] * 2

  def test_the_relevant_paragraph_counts_by_its_text(self, put):
    (question,) = self.read(put, row(paragraphs=[2, 3])).questions
    assert (question.paragraphs, question.relevant) == ([2, 1], 1)

  @pytest.mark.parametrize(
    ("changes", "message"),
    [
      ({"question": 3}, r"\[1\].question: expected one, found 3"),
      ({"id": ...}, r"\[1\].id: expected one, found None"),
      ({"paragraphs": []}, r"\[1\].paragraphs: there are none"),
      ({"paragraphs": [1, 4]}, r"\[1\]: expected places .* 0 to 3, found 4"),
      ({"relevant": -1}, r"\[1\]: expected places .* found -1"),
      ({"relevant": 0}, r"\[1\].relevant: 0 is none of its paragraphs"),
      ({"answers": ["深い"]}, r"\[1\]: expected an answer with text and start"),
      ({"answers": [{"text": "い", "start": 5}]}, "starts at 5, .* 5 characters"),
      ({"answers": 3}, r"\[1\].answers: expected a list, found 3"),
      ({"answers": [{"text": "深い", "start": 1}]}, r"\[1\]: .*'深い' .* 1 .*'は深'"),
      ({"answers": [{"text": "", "start": 1}]}, r"\[1\]: the answer '' is not at 1"),
      ({"id": "q1"}, r"\[1\].id: 'q1' is also the id at .*\[0\]"),
    ],
  )
  def test_bad_rows_are_named(self, put, changes, message):
    with pytest.raises(ValueError, match=message):
      self.read(put, row(), row(**({"id": "q2"} | changes)))

  def test_other_things_than_objects_are_named(self, put):
    with pytest.raises(ValueError, match=r"\[0\]: expected an object, found 3"):
      self.read(put, 3)

  def test_no_question_is_told(self, put):
    with pytest.raises(ValueError, match="expected at least one question, found none"):
      self.read(put)

  def test_it_needs_the_context_file(self, put):
    with pytest.raises(ValueError, match="name it with --context_file"):
      reading_data.read(put("questions.json", [row()]))

  def test_paragraphs_are_a_list_of_texts(self, put):
    with pytest.raises(ValueError, match="context.json: expected a JSON list of texts"):
      reading_data.read(put("q.json", [row()]), put("context.json", {"a": "b"}))


def test_a_missing_file_is_told(tmp_path):
  with pytest.raises(FileNotFoundError, match="none.json does not exist"):
    reading_data.read(str(tmp_path / "none.json"))


def question(paragraphs, relevant, name="q"):
  return Question(name, "問", paragraphs, relevant, (Answer("答", 0),), "")


PLACES = strategies.lists(strategies.integers(0, 50), min_size=1, unique=True)


class TestSample:
  @hypothesis.given(PLACES, strategies.data(), strategies.integers(2, 8))
  @hypothesis.settings(deadline=None)
  def test_the_right_one_and_others_once_each(self, places, data, count):
    right = data.draw(strategies.sampled_from(places))
    found = reading_data.sample(question(places, right), count, [1])
    assert right in found
    assert len(found) == len(set(found)) == min(count, len(places))
    assert set(found) <= set(places)

  def test_it_hangs_on_the_seed_alone(self):
    draw = [
      reading_data.sample(question(range(100), 7), 4, seed) for seed in ([1], [1], [2])
    ]
    assert draw[0] == draw[1] != draw[2]

  def test_the_right_one_stands_anywhere(self):
    counts = [0] * 4
    for seed in range(200):
      counts[reading_data.sample(question(range(9), 5), 4, [seed]).index(5)] += 1
    assert min(counts) > 25


class TestRows:
  READING = ReadingSet(
    ["p0", "p1", "p2", "p3", "p4"],
    [question([0, 1, 2, 3, 4], 2, "x"), question([3], 3, "y")],
  )

  def test_labels_are_the_places_of_the_right_paragraphs(self):
    first, second = reading_data.sampled_rows(self.READING, 3, 1)
    assert len(first["choices"]) == 3
    assert first["choices"][first["label"]] == "p2"
    assert second == {"id": "y", "question": "問", "choices": ["p3"], "label": 0}

  def test_questions_have_samples_of_their_own(self):
    reading = ReadingSet([str(n) for n in range(99)], [question(range(99), 0)] * 2)
    first, second = reading_data.sampled_rows(reading, 4, 1)
    assert first["choices"] != second["choices"]

  def test_all_candidates_are_parted_into_rows(self):
    candidates = reading_data.candidates(self.READING, 0, 1)
    rows = list(reading_data.parted_rows(self.READING, candidates, 2))
    assert [(r["id"], r["choices"]) for r in rows] == [
      ("x", ["p0", "p1"]),
      ("x", ["p2", "p3"]),
      ("x", ["p4"]),
      ("y", ["p3"]),
    ]
    assert all("label" not in r for r in rows)

  def test_a_limit_keeps_the_right_one(self):
    first, second = reading_data.candidates(self.READING, 2, 1)
    assert len(set(first)) == 2
    assert 2 in first
    assert second == [3]

  def test_without_a_right_one_there_is_no_limit(self):
    reading = ReadingSet(["p0", "p1", "p2"], [question([0, 1, 2], None)])
    assert reading_data.candidates(reading, 2, 1) == [[0, 1, 2]]

  def test_the_best_is_found_over_all_rows_of_a_question(self):
    candidates = [[0, 1, 2, 3, 4], [3]]
    scores = [[0.5, -1.0], [0.25, 0.75], [0.5], [-3.0]]
    assert reading_data.best(candidates, scores) == [3, 3]

  def test_scores_of_other_rows_are_told(self):
    with pytest.raises(ValueError, match="scores of 6 paragraphs, found 2"):
      reading_data.best([[0, 1, 2, 3, 4], [3]], [[0.5, -1.0]])


class TestSquadForm:
  READING = ReadingSet(
    ["山は高い。", "海は深い。"],
    [
      Question("a", "海は", [0, 1], 1, (Answer("深い", 2), Answer("海", 0)), "s"),
      Question("b", "山は", [0, 1], 0, (Answer("高い", 2),), "t"),
    ],
  )

  def read(self, put, *arguments, is_training=False, **options):
    path = put("x.json", reading_data.squad_form(self.READING, *arguments, **options))
    return {
      e.qas_id: (e.context, e.answers)
      for e in squad.read_squad_examples(path, is_training)
    }

  def test_the_right_paragraph_and_all_answers(self, put):
    assert self.read(put) == {
      "a": ("海は深い。", (Answer("深い", 2), Answer("海", 0))),
      "b": ("山は高い。", (Answer("高い", 2),)),
    }

  def test_one_answer_to_learn(self, put):
    found = self.read(put, most_answers=1, is_training=True)
    assert found["a"] == ("海は深い。", (Answer("深い", 2),))

  def test_a_chosen_paragraph_without_answers(self, put):
    assert self.read(put, [0, 0]) == {"a": ("山は高い。", ()), "b": ("山は高い。", ())}

  def test_examples_are_of_the_right_paragraph(self):
    first, _ = reading_data.examples(self.READING)
    assert (first.context, first.answers[0].text) == ("海は深い。", "深い")


def test_a_digest_tells_data_apart():
  one = TestSquadForm.READING
  other = ReadingSet(one.pool, one.questions[:1])
  moved = [dataclasses.replace(q, source="./q.json, [0]") for q in one.questions]
  same = ReadingSet(one.pool, moved)
  found = [one.digest(1), same.digest(1), one.digest(2), other.digest(1)]
  assert found[0] == found[1]
  assert len(set(found)) == 3

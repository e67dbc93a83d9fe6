"""Reading SQuAD-form files: every field, every published file, every bad element.

The oracle for whole files is the plain walk through the JSON in `walk`.
"""

import json

import pytest

from bert_ja.data.span_features import Answer
from bert_ja.tasks import squad
from tests.ja.texts import shared

CONTEXT = "青い鳥は朝に鳴き、赤い鳥は夜に鳴く。"
NIGHT = {"text": "夜", "answer_start": 13}
MORNING = {"text": "朝", "answer_start": 4}


def qa(number=1, *answers, **others):
  return {
    "id": f"q{number}",
    "question": "いつ鳴くか。",
    "answers": [*answers],
    **others,
  }


def document(*questions, context=CONTEXT):
  paragraph = {"context": context, "qas": list(questions)}
  return {"data": [{"title": "鳥", "paragraphs": [paragraph]}]}


@pytest.fixture
def write(tmp_path):
  """Function: a JSON value -> path of a file that holds it."""

  def write(value, name="questions.json"):
    path = tmp_path / name
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return str(path)

  return write


def walk(path):
  """(id, question, context, [(text, start)], is_impossible) of each question."""
  for article in json.loads(path.read_text(encoding="utf-8-sig"))["data"]:
    for paragraph in article["paragraphs"]:
      for question in paragraph["qas"]:
        yield (
          question["id"],
          question["question"],
          paragraph["context"],
          [(answer["text"], answer["answer_start"]) for answer in question["answers"]],
          question.get("is_impossible", False),
        )


def fields(example):
  answers = [tuple(answer) for answer in example.answers]
  return (
    example.qas_id,
    example.question_text,
    example.context,
    answers,
    example.is_impossible,
  )


class TestForm:
  def test_fields_of_a_question(self, write):
    path = write(document(qa(1, NIGHT), qa(2, MORNING)))
    second = squad.read_squad_examples(path, is_training=True)[1]
    assert second.qas_id == "q2"
    assert second.question_text == "いつ鳴くか。"
    assert second.context == CONTEXT
    assert second.answers == (Answer("朝", 4),)
    assert not second.is_impossible
    assert second.source == f"{path}, data[0].paragraphs[0].qas[1]"

  def test_prediction_keeps_all_answers(self, write):
    path = write(document(qa(1, NIGHT, MORNING, NIGHT)))
    (example,) = squad.read_squad_examples(path)
    assert [answer.text for answer in example.answers] == ["夜", "朝", "夜"]

  def test_prediction_keeps_what_is_impossible(self, write):
    path = write(document(qa(1, NIGHT), qa(2, is_impossible=True)))
    examples = squad.read_squad_examples(path)
    assert [example.is_impossible for example in examples] == [False, True]

  def test_a_test_file_may_lack_answers(self, write):
    path = write(document({"id": "q1", "question": "何か。"}))
    assert squad.read_squad_examples(path)[0].answers == ()

  @pytest.mark.parametrize(("number", "text"), [(7, "7"), (1.5, "1.5"), ("07", "07")])
  def test_ids_become_texts(self, write, number, text):
    path = write(document(qa(1, NIGHT) | {"id": number}))
    assert squad.read_squad_examples(path)[0].qas_id == text

  def test_an_answer_that_stands_elsewhere_is_left_to_the_features(self, write):
    path = write(document(qa(1, {"text": "夜", "answer_start": 0})))
    assert squad.read_squad_examples(path, is_training=True)[0].answers[0].start == 0

  @pytest.mark.parametrize(
    ("text", "start"), [("晩", -1), ("", -1), ("", len(CONTEXT)), ("。", 17)]
  )
  def test_edges_of_the_context(self, write, text, start):
    path = write(document(qa(1, {"text": text, "answer_start": start})))
    assert squad.read_squad_examples(path)[0].answers == (Answer(text, start),)

  def test_a_byte_order_mark_is_no_text(self, write, tmp_path):
    path = tmp_path / "marked.json"
    path.write_text(json.dumps(document(qa(1, NIGHT))), encoding="utf-8-sig")
    assert len(squad.read_squad_examples(str(path))) == 1

  def test_a_pattern_names_several_files_in_order(self, write, tmp_path):
    write(document(qa(2, NIGHT)), "b.json")
    write(document(qa(1, NIGHT)), "a.json")
    examples = squad.read_squad_examples(str(tmp_path / "*.json"))
    assert [example.qas_id for example in examples] == ["q1", "q2"]

  def test_a_file_named_like_a_pattern_is_that_file(self, write, tmp_path):
    write(document(qa(1, NIGHT)), "dev[1].json")
    write(document(qa(2, NIGHT)), "dev1.json")
    (example,) = squad.read_squad_examples(str(tmp_path / "dev[1].json"))
    assert example.qas_id == "q1"


class TestTraining:
  @pytest.mark.parametrize(
    ("answers", "impossible", "hint"),
    [
      ([NIGHT, MORNING], False, "found 2; keep one of them"),
      ([NIGHT, NIGHT], False, "found 2; keep one of them"),
      ([], False, "found 0; give it one"),
      ([], True, "found 0; train on unanswerable questions with --version_2"),
    ],
  )
  def test_needs_one_answer(self, write, answers, impossible, hint):
    questions = qa(1, NIGHT), qa(2, *answers, is_impossible=impossible)
    with pytest.raises(ValueError, match=rf"qas\[1\].answers: .* {hint}") as error:
      squad.read_squad_examples(write(document(*questions)), is_training=True)
    assert "\n" not in str(error.value)

  @pytest.mark.parametrize("answers", [[], [NIGHT], [NIGHT, MORNING]])
  def test_an_impossible_question_teaches_no_answer(self, write, answers):
    path = write(document(qa(1, *answers, is_impossible=True)))
    (example,) = squad.read_squad_examples(path, True, version_2_with_negative=True)
    assert (example.is_impossible, example.answers) == (True, ())

  def test_version_2_still_needs_one_answer_elsewhere(self, write):
    with pytest.raises(ValueError, match="found 0; give it one"):
      squad.read_squad_examples(write(document(qa(1))), True, True)

  def test_without_the_flag_is_impossible_is_not_looked_at(self, write):
    path = write(document(qa(1, NIGHT, is_impossible=True)))
    (example,) = squad.read_squad_examples(path, is_training=True)
    assert (example.is_impossible, example.answers) == (False, (Answer("夜", 13),))


def without(value, key):
  return {name: item for name, item in value.items() if name != key}


QUESTION = "data[0].paragraphs[0].qas[0]"


class TestErrors:
  @pytest.mark.parametrize(
    ("value", "message"),
    [
      ([], "json: expected an object, found a list"),
      ({}, "json, data: expected a list, found nothing"),
      ({"data": {}}, "json, data: expected a list, found an object"),
      ({"data": ["a"]}, "json, data[0]: expected an object, found a text"),
      ({"data": [{}]}, "json, data[0].paragraphs: expected a list, found nothing"),
      (document(context=None), "paragraphs[0].context: expected a text, found null"),
      (document("q"), f"{QUESTION}: expected an object, found a text"),
      (document(without(qa(), "id")), f"{QUESTION}.id: expected a text, found nothing"),
      (document(qa(id=True)), f"{QUESTION}.id: expected a text, found true or false"),
      (document(without(qa(), "question")), f"{QUESTION}.question: expected a text"),
      (
        document(qa(answers="夜")),
        f"{QUESTION}.answers: expected a list, found a text",
      ),
      (document(qa(1, "夜")), f"{QUESTION}.answers[0]: expected an object"),
      (document(qa(1, NIGHT, {"text": "夜"})), f"{QUESTION}.answers[1].answer_start: "),
      (
        document(qa(1, NIGHT | {"answer_start": "13"})),
        f"{QUESTION}.answers[0].answer_start: expected an integer, found a text",
      ),
      (document(qa(1, NIGHT | {"answer_start": True})), "found true or false"),
      (
        document(qa(1, NIGHT | {"text": 3})),
        f"{QUESTION}.answers[0].text: expected a text, found an integer",
      ),
      (
        document(qa(is_impossible="false")),
        f"{QUESTION}.is_impossible: expected true or false, found a text",
      ),
    ],
  )
  def test_the_bad_element_is_named(self, write, value, message):
    with pytest.raises(ValueError) as error:
      squad.read_squad_examples(write(value))
    assert message in str(error.value)
    assert "the form of SQuAD" in str(error.value)
    assert "\n" not in str(error.value)

  @pytest.mark.parametrize(
    ("text", "start"), [("夜", -2), ("夜", 18), ("", 19), ("夜", 10**6)]
  )
  def test_an_answer_outside_of_its_context(self, write, text, start):
    path = write(document(qa(1, NIGHT, {"text": text, "answer_start": start})))
    place = rf"qas\[0\]\.answers\[1\]\.answer_start: .* 18 characters, found {start};"
    with pytest.raises(ValueError, match=place):
      squad.read_squad_examples(path)

  def test_an_answer_in_an_empty_context(self, write):
    value = document(qa(1, {"text": "夜", "answer_start": 0}), context="")
    with pytest.raises(ValueError, match="context of 0 characters, found 0"):
      squad.read_squad_examples(write(value))

  def test_both_places_of_an_id_are_named(self, write, tmp_path):
    write(document(qa(1, NIGHT), qa(2, NIGHT)), "a.json")
    write(document(qa(2, NIGHT)), "b.json")
    with pytest.raises(ValueError) as error:
      squad.read_squad_examples(str(tmp_path / "*.json"))
    assert f"b.json, {QUESTION}.id: 'q2' is also the id at" in str(error.value)
    assert f"a.json, {QUESTION.replace('qas[0]', 'qas[1]')};" in str(error.value)

  def test_a_number_and_its_text_are_one_id(self, write):
    path = write(document(qa(id=7), qa(id="7")))
    with pytest.raises(ValueError, match="'7' is also the id"):
      squad.read_squad_examples(path)

  @pytest.mark.parametrize("value", [{"data": []}, document()])
  def test_no_question(self, write, value):
    with pytest.raises(ValueError, match="expected at least one question"):
      squad.read_squad_examples(write(value))

  def test_not_json(self, tmp_path):
    path = tmp_path / "lines.json"
    path.write_text('{"qid": 1}\n{"qid": 2}\n')
    with pytest.raises(ValueError, match="lines.json, line 2, column 1: not JSON"):
      squad.read_squad_examples(str(path))

  @pytest.mark.parametrize("name", ["none.json", "none*.json"])
  def test_no_file(self, tmp_path, name):
    with pytest.raises(FileNotFoundError, match=r"none.*json does not exist"):
      squad.read_squad_examples(str(tmp_path / name))


class TestPublishedFiles:
  @pytest.mark.parametrize(
    ("name", "count"),
    [
      ("data/jaquad/dev/jaquad_dev_0000.json", 1029),
      ("data/jglue/jsquad-v1.3/valid-v1.3.json", 4442),
      ("data/chinese_qa/cmrc2018_dev.json", 3219),
      ("data/chinese_qa/DRCD_dev.json", 3524),
      ("golden/squad_evaluation/input.json", 626),
      ("golden/squad_v1/input.json", 12),
      ("golden/squad_v2/input.json", 16),
    ],
  )
  def test_every_question_is_read(self, name, count):
    path = shared(name)
    examples = squad.read_squad_examples(str(path))
    assert len(examples) == count
    assert list(map(fields, examples)) == list(walk(path))

  @pytest.mark.parametrize("name", ["squad_v1", "squad_v2"])
  def test_the_original_trains_on_these(self, shared_golden, name):
    path = str(shared_golden / name / "input.json")
    examples = squad.read_squad_examples(path, True, name == "squad_v2")
    counts = {len(example.answers) - example.is_impossible for example in examples}
    assert counts == ({1} if name == "squad_v1" else {1, -1})

  def test_jaquad_is_ready_for_training(self):
    path = shared("data/jaquad/train")
    examples = squad.read_squad_examples(str(path / "*.json"), is_training=True)
    assert len(examples) == 31748
    assert {len(example.answers) for example in examples} == {1}

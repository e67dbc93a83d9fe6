"""The halves of a file of questions that benchmarks train and score on."""

import json

from benchmarks import halve_questions


def article(number):
  answers = [{"text": text, "answer_start": 0} for text in ("駅", "駅前")]
  question = {"id": str(number), "question": "どこ？", "answers": answers}
  return {"paragraphs": [{"context": "駅前の店", "qas": [question]}]}


def test_halves_share_no_article_and_training_has_one_answer_each(tmp_path):
  path = tmp_path / "questions.json"
  path.write_text(json.dumps({"data": [article(n) for n in range(5)]}))
  halve_questions.halve(str(path), str(tmp_path / "out"))
  halves = {
    name: [
      question
      for one in json.loads((tmp_path / "out" / f"{name}.json").read_text())["data"]
      for question in one["paragraphs"][0]["qas"]
    ]
    for name in ("train", "dev")
  }
  ids = {name: [question["id"] for question in half] for name, half in halves.items()}
  assert ids == {"dev": ["0", "2", "4"], "train": ["1", "3"]}
  assert {len(question["answers"]) for question in halves["train"]} == {1}
  assert {len(question["answers"]) for question in halves["dev"]} == {2}

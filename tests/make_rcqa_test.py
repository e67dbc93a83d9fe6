"""The made file: of the data's form, the same for the same seed, and said to be made."""

import json

import pytest

from benchmarks import make_rcqa
from bert_ja.tasks import rcqa


@pytest.fixture
def input_file(tmp_path):
  """A SQuAD file of 5 articles with 2 contexts of 6 questions each."""
  articles = [
    {
      "title": f"article {number}",
      "paragraphs": [
        {
          "context": f"第{number}章の第{part}節。\n答えは{number}{part}番。",
          "qas": [
            {
              "id": f"{number}-{part}-{row}",
              "question": f"{number}-{part}の{row}つ目は？",
              "answers": [{"text": f"{number}{part}番", "answer_start": 12}],
            }
            for row in range(6)
          ],
        }
        for part in range(2)
      ],
    }
    for number in range(5)
  ]
  path = tmp_path / "squad_0.json"
  path.write_text(json.dumps({"data": articles}), encoding="utf-8")
  return str(path)


def rows(input_file, num_questions, seed):
  sources = make_rcqa.read_sources([input_file])
  return list(make_rcqa.made_rows(sources, num_questions, seed))


def test_scores_tell_right_documents_from_wrong_ones(input_file):
  for row in rows(input_file, 60, seed=3):
    right = [d for d in row["documents"] if row["answer"] in d["text"]]
    assert len(right) <= 1
    for document in row["documents"]:
      expected = range(2, 6) if document in right else range(2)
      assert document["score"] in expected


def test_all_cases_are_there(input_file):
  made = rows(input_file, 60, seed=3)
  assert {row["timestamp"][:4] for row in made} == set(map(str, range(2007, 2012)))
  assert {d["score"] for row in made for d in row["documents"]} == set(range(6))
  assert {len(row["documents"]) for row in made} == set(range(6))
  assert all(row["qid"].startswith("made-") for row in made)


def test_a_seed_chooses_everything(input_file):
  assert rows(input_file, 20, seed=3) == rows(input_file, 20, seed=3)
  assert rows(input_file, 20, seed=3) != rows(input_file, 20, seed=4)


@pytest.mark.parametrize("name", ["all.json", "all.json.gz"])
def test_the_file_is_read_as_the_data(tmp_path, input_file, name, parse_flags):
  def make(path):
    pattern = f"--input_file={tmp_path}/squad_*.json"
    parse_flags(make_rcqa, pattern, f"--output_file={path}", "--num_questions=60")
    make_rcqa.main([])
    return path.read_bytes()

  data = make(tmp_path / name)
  assert make(tmp_path / "again" / name) == data
  questions, without = rcqa.read_questions(str(tmp_path / name))
  made = rows(input_file, 60, seed=1)
  assert [q.qid for q in questions] == [r["qid"] for r in made if r["documents"]]
  assert without == 60 - len(questions) > 0
  counts = rcqa.convert(questions, rcqa.create_form("text"), str(tmp_path / "out"))
  assert all(c.answerable and not c.not_found for c in counts.values())


@pytest.mark.parametrize(("num_questions", "kept"), [(61, 60), (5, 12)])
def test_too_little_text_is_told(input_file, num_questions, kept):
  sources = make_rcqa.read_sources([input_file])[:kept]
  with pytest.raises(ValueError, match=f"--num_questions={num_questions}: expected as"):
    list(make_rcqa.made_rows(sources, num_questions, seed=1))

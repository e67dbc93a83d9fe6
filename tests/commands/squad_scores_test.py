"""`bert-ja squad-scores`: what it prints and writes, and what it says of wrong files."""

import json

import pytest

from bert_ja.commands import squad_scores


def document(*questions):
  """A file of {id: [right answers]}; None for unanswerable."""
  qas = [
    {
      "id": name,
      "question": "いつか。",
      "answers": [{"text": text, "answer_start": 0} for text in right or ()],
      **({"is_impossible": right is None} if questions[-1][1] is None else {}),
    }
    for name, right in questions
  ]
  return {"data": [{"paragraphs": [{"context": "朝と夜", "qas": qas}]}]}


ANSWERABLE = document(("a", ["朝"]), ("b", ["夜", "夜半"]))
UNANSWERABLE = document(("a", ["朝"]), ("b", None))


@pytest.fixture
def run(parse_flags, capsys, tmp_path):
  """Function: data set, predictions and odds as values, flags -> what was printed."""

  def run(dataset, predictions, null_odds=None, **others):
    options = dict(others)
    for name, value in (
      ("dataset_file", dataset),
      ("prediction_file", predictions),
      ("null_odds_file", null_odds),
    ):
      if value is not None:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(value), encoding="utf-8")
        options[name] = path
    parse_flags(squad_scores, *(f"--{name}={v}" for name, v in options.items()))
    squad_scores.main([])
    return capsys.readouterr().out

  return run


def test_answerable_questions_get_the_first_evaluators_names(run):
  printed = json.loads(run(ANSWERABLE, {"a": "夜", "b": "夜半"}))
  assert printed == {"exact_match": 50, "f1": 50, "character_f1": 50}


def test_is_impossible_asks_for_the_second_evaluator(run):
  printed = json.loads(run(UNANSWERABLE, {"a": "夜", "b": ""}))
  assert printed["NoAns_exact"] == 100
  assert (printed["exact"], printed["total"]) == (50, 2)


@pytest.mark.parametrize(
  ("version_2", "name"), [(True, "exact"), (False, "exact_match")]
)
def test_a_flag_chooses_the_evaluator(run, version_2, name):
  printed = run(ANSWERABLE, {"a": "朝", "b": "夜"}, version_2_with_negative=version_2)
  assert json.loads(printed)[name] == 100


def test_odds_above_the_threshold_take_the_answer_away(run):
  arguments = (UNANSWERABLE, {"a": "朝", "b": "夜"}, {"a": 0.25, "b": 0.75})
  assert json.loads(run(*arguments))["exact"] == 50
  printed = json.loads(run(*arguments, no_answer_threshold=0.5))
  assert printed["exact"] == 100
  assert (printed["best_exact"], printed["best_exact_thresh"]) == (100, 0.25)


def test_a_directory_gets_the_files(run, tmp_path):
  directory = tmp_path / "scores"
  odds = {"a": 0.25, "b": 0.75}
  printed = run(UNANSWERABLE, {"a": "朝", "b": ""}, odds, output_dir=directory)
  assert json.loads((directory / "evaluation.json").read_text()) == json.loads(printed)
  assert {path.name for path in directory.iterdir()} == {
    "evaluation.json",
    "metrics.json",
    "question_scores.tsv",
    "no_answer_curve.csv",
    "no_answer_curve.png",
  }


@pytest.mark.parametrize(
  ("predictions", "message"),
  [
    (["朝"], "prediction_file.json: expected an object of question ids, found list"),
    (
      {"a": "朝", "b": [{"text": "夜"}]},
      "'b': expected a text, found list; .* predictions",
    ),
    ({"a": None}, "'a': expected a text, found NoneType"),
    ({"c": "朝"}, "none of the 2 questions has a prediction .* 'a'"),
    ({}, "none of the 2 questions has a prediction"),
  ],
)
def test_wrong_predictions(run, predictions, message):
  with pytest.raises(ValueError, match=message):
    run(ANSWERABLE, predictions)


@pytest.mark.parametrize(
  ("odds", "message"),
  [
    ({"a": "0.5", "b": 1}, "null_odds_file.json, 'a': expected a number, found str"),
    ({"a": True, "b": 1}, "'a': expected a number, found bool"),
    ([1, 2], "expected an object of question ids, found list"),
    ({"a": 1}, "1 of 2 questions have no no-answer odds .* 'b'"),
    ({"a": float("nan"), "b": 1}, "1 of 2 questions are not finite .* 'a'"),
  ],
)
def test_wrong_odds(run, odds, message):
  with pytest.raises(ValueError, match=message):
    run(UNANSWERABLE, {"a": "朝", "b": ""}, odds)


def test_odds_of_answerable_questions_are_a_mistake(run):
  with pytest.raises(ValueError, match="--null_odds_file is for files with unanswer"):
    run(ANSWERABLE, {"a": "朝"}, {"a": 1})


@pytest.mark.parametrize("missing", ["dataset_file", "prediction_file"])
def test_both_files_are_required(run, missing):
  values = {"dataset_file": ANSWERABLE, "prediction_file": {"a": "朝"}, missing: None}
  with pytest.raises(ValueError, match=f"--{missing} is required"):
    run(*values.values())

"""Scores of answers: the official evaluators' own results, and plain rules.

`plain_result` scores one threshold at a time by the rules of the v2.0 evaluator, word
by word; the functions under test sort and add up.
"""

import json
import math

import numpy as np
import pytest
from absl import logging
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_ja import figures, table_files
from bert_ja.data.span_features import Answer, SquadExample
from bert_ja.tasks import squad, squad_scores

PNG = b"\x89PNG\r\n\x1a\n"


def example(number, *answers, impossible=False):
  """A question; a right answer stands where the context has it."""
  answers = tuple(Answer(text, 0) for text in answers)
  place = f"file, {number}"
  return SquadExample(str(number), "問い", "文脈", answers, impossible, place)


@pytest.fixture
def golden(shared_golden):
  """Function: folder, version 2? -> (examples, predictions, odds, official result)."""

  def read(name, version_2):
    folder = shared_golden / name
    stored = {
      part: json.loads((folder / f"{part}.json").read_text("utf-8"))
      for part in ("predictions", "evaluation", *(["null_odds"] if version_2 else []))
    }
    examples = squad.read_squad_examples(str(folder / "input.json"))
    odds = stored.get("null_odds")
    return examples, stored["predictions"], odds, stored["evaluation"]

  return read


# --- Plain rules --------------------------------------------------------------------


def plain_f1(predicted, right):
  """F1 of two lists by crossing out."""
  left = list(right)
  same = 0
  for item in predicted:
    if item in left:
      left.remove(item)
      same += 1
  if not predicted or not right:
    return float(list(predicted) == list(right))
  return 2 * same / (len(predicted) + len(right))


def plain_normal(text):
  kept = "".join(c for c in text.lower() if not (c.isascii() and is_mark(c)))
  return [word for word in kept.split() if word not in ("a", "an", "the")]


def is_mark(character):
  return not (character.isalnum() or character.isspace() or not character.isprintable())


def plain_scores(example, prediction):
  """(exact, F1, character F1) of one question in version 2.0, times any threshold."""
  right = [plain_normal(answer.text) for answer in example.answers]
  right = [words for words in right if words] or [[]]
  words = plain_normal(prediction)
  return (
    max(float(words == other) for other in right),
    max(plain_f1(words, other) for other in right),
    max(plain_f1("".join(words), "".join(other)) for other in right),
  )


def plain_result(examples, predictions, odds, threshold):
  """Percent of exact, F1, character F1 at a threshold."""
  rows = [
    plain_scores(e, predictions[e.qas_id])
    if odds[e.qas_id] <= threshold
    else (float(not e.answers),) * 3
    for e in examples
  ]
  return [100 * math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]


WORDS = (
  "東",
  "京",
  "東京",
  "the",
  "An",
  "u.s.",
  "US",
  "!",
  "。",
  "　",
  "-",
  "７",
  "tower",
)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
QUESTIONS = st.lists(
  st.tuples(
    TEXTS,
    st.lists(TEXTS, max_size=3),
    st.floats(-20, 20, allow_subnormal=False),
  ),
  min_size=1,
  max_size=12,
  unique_by=lambda row: row[2],
)


def corpus(questions):
  """(examples, predictions, odds) of drawn questions."""
  examples = [
    example(number, *right, impossible=not right)
    for number, (_, right, _) in enumerate(questions)
  ]
  names = [e.qas_id for e in examples]
  predictions = dict(zip(names, (row[0] for row in questions), strict=True))
  return examples, predictions, dict(zip(names, (q[2] for q in questions), strict=True))


# --- Tests --------------------------------------------------------------------------


class TestOneAnswer:
  @pytest.mark.parametrize(
    ("text", "normal"),
    [
      ("The  U.S. Navy!", "us navy"),
      ("an apple, a day", "apple day"),
      ("theatre and anthem", "theatre and anthem"),
      ("a-b", "ab"),
      ("東京　 タワー", "東京 タワー"),
      ("「東京」、です。", "「東京」、です。"),
      ("Ａ型", "ａ型"),
      ("a型", "a型"),
      ("the", ""),
      ("$!?", ""),
    ],
  )
  def test_normalization(self, text, normal):
    assert squad_scores.normalize_answer(text) == normal

  @given(TEXTS, TEXTS)
  def test_f1_by_crossing_out(self, predicted, right):
    predicted, right = predicted.split(), right.split()
    f1 = squad_scores.overlap_f1(predicted, right)
    assert f1 == pytest.approx(plain_f1(predicted, right), abs=1e-12)

  @pytest.mark.parametrize(
    ("predicted", "right", "f1"),
    [
      ("東京都", "東京", 2 * 2 / 5),
      ("京東", "東京", 1.0),
      ("東 京", "東京", 1.0),
      ("大阪", "東京", 0.0),
      ("ABC", "abc", 1.0),
      ("東京。", "東京", 2 * 2 / 5),
      ("", "東京", 0.0),
      ("!", "?", 1.0),
      ("ああ", "あ", 2 * 1 / 3),
    ],
  )
  def test_characters(self, predicted, right, f1):
    assert squad_scores.character_f1(predicted, right) == pytest.approx(f1, abs=1e-12)


class TestOfficialResults:
  def test_version_1(self, golden):
    examples, predictions, _, official = golden("squad_v1", version_2=False)
    result = squad_scores.evaluate(examples, predictions)
    assert result.pop("character_f1") > 0
    assert result == pytest.approx(official, rel=1e-12)

  @pytest.mark.parametrize(
    ("name", "threshold"), [("squad_v2", -1.5), ("squad_evaluation", 0.5)]
  )
  def test_version_2(self, golden, name, threshold):
    examples, predictions, odds, official = golden(name, version_2=True)
    result = squad_scores.evaluate(examples, predictions, odds, True, threshold)
    ours = {key: value for key, value in result.items() if "character" not in key}
    assert ours == pytest.approx(official, rel=1e-12)
    assert list(ours) == list(official)


class TestVersion1:
  def test_the_best_of_several_answers_counts(self):
    result = squad_scores.evaluate([example(1, "大阪", "東京 都")], {"1": "東京"})
    assert result == {
      "exact_match": 0.0,
      "f1": pytest.approx(200 / 3),
      "character_f1": pytest.approx(80),
    }

  def test_each_score_takes_its_own_best_answer(self):
    # By words the first is nearer (1 of 2 and 1), by characters the second.
    right = example(1, "bc d", "bcabc")
    result = squad_scores.evaluate([right], {"1": "bc abc"})
    assert result["f1"] == pytest.approx(50)
    assert result["character_f1"] == 100

  @pytest.mark.parametrize(
    ("predicted", "nearest"),
    [("東京", "東京 都"), ("大阪", "大阪"), ("西京都", "東京 都"), ("無", "大阪")],
  )
  def test_the_nearest_answer_is_named(self, predicted, nearest):
    examples = [example(1, "大阪", "東京 都")]
    scores = squad_scores.score_questions(examples, {"1": predicted})
    assert scores.right_answers == [nearest]

  def test_a_missing_prediction_counts_nothing(self, caplog):
    examples = [example(1, "朝"), example(2, "夜"), example(3, "昼")]
    result = squad_scores.evaluate(examples, {"1": "朝", "4": "夜"})
    assert result["exact_match"] == pytest.approx(100 / 3)
    (record,) = caplog.records
    assert "2 of 3 questions have no prediction (first: 2)" in record.getMessage()
    assert "count 0" in record.getMessage()

  def test_answers_without_words_are_equal_but_share_none(self):
    result = squad_scores.evaluate([example(1, "!")], {"1": "?"})
    assert (result["exact_match"], result["f1"]) == (100, 0)

  def test_odds_are_not_looked_at(self):
    result = squad_scores.evaluate([example(1, "朝")], {"1": "朝"}, {"1": 9.0})
    assert result == {"exact_match": 100, "f1": 100, "character_f1": 100}

  def test_every_question_needs_an_answer(self):
    examples = [example(1, "朝"), example(2, impossible=True)]
    with pytest.raises(ValueError, match="file, 2 has no right answer; .*--version_2"):
      squad_scores.evaluate(examples, {"1": "朝"})


class TestVersion2:
  @given(QUESTIONS, st.floats(-21, 21))
  @settings(deadline=None)
  def test_results_at_a_threshold(self, questions, threshold):
    examples, predictions, odds = corpus(questions)
    result = squad_scores.evaluate(examples, predictions, odds, True, threshold)
    plain = plain_result(examples, predictions, odds, threshold)
    ours = [result["exact"], result["f1"], result["character_f1"]]
    assert ours == pytest.approx(plain, abs=1e-9)
    for prefix, wanted in (("HasAns_", True), ("NoAns_", False)):
      part = [e for e in examples if bool(e.answers) == wanted]
      if not part:
        assert f"{prefix}total" not in result
        continue
      exact, f1, of_characters = plain_result(part, predictions, odds, threshold)
      assert result[f"{prefix}exact"] == pytest.approx(exact, abs=1e-9)
      assert result[f"{prefix}f1"] == pytest.approx(f1, abs=1e-9)
      assert result[f"{prefix}character_f1"] == pytest.approx(of_characters, abs=1e-9)
      assert result[f"{prefix}total"] == len(part)

  @given(QUESTIONS)
  @settings(deadline=None)
  def test_best_thresholds_are_the_best_of_all(self, questions):
    examples, predictions, odds = corpus(questions)
    # The official search calls any text an answer; elsewhere "!" is none.
    predictions = {
      k: text if plain_normal(text) else "" for k, text in predictions.items()
    }
    examples.append(example("last", impossible=True))
    predictions["last"], odds["last"] = "", 30.0
    result = squad_scores.evaluate(examples, predictions, odds, True)
    # No threshold but the odds themselves changes a score; -40 answers nothing.
    plain = [
      plain_result(examples, predictions, odds, t) for t in (-40, *odds.values())
    ]
    for column, name in enumerate(("exact", "f1")):
      best = max(row[column] for row in plain)
      assert result[f"best_{name}"] == pytest.approx(best, abs=1e-9)
      if best > plain[0][column] + 1e-9:
        named = plain_result(examples, predictions, odds, result[f"best_{name}_thresh"])
        assert named[column] == pytest.approx(best, abs=1e-9)
      else:
        assert result[f"best_{name}_thresh"] == 0

  def test_among_equal_odds_their_order_decides(self):
    examples = [example(1, impossible=True), example(2, "朝")]
    predictions, odds = {"1": "夜", "2": "朝"}, {"1": 3.0, "2": 3.0}
    wrong_first = squad_scores.evaluate(examples, predictions, odds, True)
    odds = dict(reversed(odds.items()))
    right_first = squad_scores.evaluate(examples, predictions, odds, True)
    assert (wrong_first["best_exact"], wrong_first["best_exact_thresh"]) == (50, 0)
    assert (right_first["best_exact"], right_first["best_exact_thresh"]) == (100, 3)

  def test_a_missing_prediction_is_left_out(self, caplog):
    examples = [example(1, "朝"), example(2, "夜"), example(3, impossible=True)]
    result = squad_scores.evaluate(examples, {"1": "朝", "3": "昼"}, None, True)
    assert (result["exact"], result["total"]) == (50, 2)
    assert (result["HasAns_exact"], result["HasAns_total"]) == (100, 1)
    (record,) = caplog.records
    assert "1 of 3 questions have no prediction (first: 2)" in record.getMessage()
    assert "left out" in record.getMessage()

  def test_without_odds_no_question_counts_as_unanswered(self):
    result = squad_scores.evaluate([example(1, "朝")], {"1": "朝"}, None, True, -9.0)
    assert result["exact"] == 100
    assert "best_exact" not in result

  def test_right_answers_of_marks_only_are_no_answers(self):
    result = squad_scores.evaluate([example(1, "!", "朝")], {"1": ""}, None, True)
    assert result["exact"] == 0
    result = squad_scores.evaluate([example(1, "!")], {"1": ""}, None, True)
    assert (result["HasAns_exact"], result["f1"]) == (100, 100)

  def test_a_file_without_answers_cannot_be_scored(self):
    with pytest.raises(ValueError, match="none of 2 questions has an answer"):
      squad_scores.evaluate([example(1), example(2)], {"1": ""}, None, True)

  def test_predictions_of_another_file(self):
    with pytest.raises(ValueError, match="none of the 1 questions .* 'a'"):
      squad_scores.evaluate([example("a", "朝")], {"1": "朝"}, None, True)

  def test_odds_of_another_run(self):
    examples = [example(1, "朝"), example(2, "夜")]
    predictions = {"1": "朝", "2": "夜"}
    with pytest.raises(ValueError, match="1 of 2 questions .* '2'"):
      squad_scores.evaluate(examples, predictions, {"1": 0.0}, True)

  def test_odds_must_be_finite(self):
    with pytest.raises(ValueError, match="1 of 1 questions are not finite .* '1'"):
      squad_scores.evaluate([example(1, "朝")], {"1": "朝"}, {"1": math.inf}, True)


class TestFlatMetrics:
  def test_both_versions_have_the_same_first_three(self):
    first = squad_scores.evaluate([example(1, "朝")], {"1": "朝"})
    second = squad_scores.evaluate([example(1, "朝")], {"1": "朝"}, {"1": 0.5}, True)
    names = {"eval_exact_match", "eval_f1", "eval_character_f1"}
    assert set(squad_scores.flat_metrics(first)) == names
    flat = squad_scores.flat_metrics(second)
    assert names < set(flat)
    assert flat["eval_best_exact_thresh"] == 0.5
    assert flat["eval_HasAns_total"] == 1


class TestNoAnswerCurve:
  @given(QUESTIONS)
  @settings(deadline=None)
  def test_each_point_is_the_result_at_its_threshold(self, questions):
    examples, predictions, odds = corpus(questions)
    examples.append(example("twin", "朝"))
    predictions["twin"], odds["twin"] = "朝 夜", odds["0"]
    scores = squad_scores.score_questions(examples, predictions, odds, True)
    curve = squad_scores.no_answer_curve(scores)
    thresholds = curve["threshold"].tolist()
    assert thresholds[1:] == sorted(set(odds.values()))
    assert thresholds[0] < thresholds[1]
    for row, threshold in enumerate(thresholds):
      plain = plain_result(examples, predictions, odds, threshold)
      ours = [curve[name][row] for name in ("exact", "f1", "character_f1")]
      assert ours == pytest.approx(plain, abs=1e-9)


class TestWriteScores:
  EXAMPLES = (
    example("a", "朝 の光", "夜"),
    example("b", impossible=True),
    example("c", "東京"),
  )
  PREDICTIONS = {"a": "朝\tの光", "b": "", "c": "東京\n都\ud800"}
  ODDS = {"a": -2.5, "b": 4.0, "c": 2.0}

  @pytest.fixture
  def written(self, tmp_path):
    scores = squad_scores.score_questions(
      self.EXAMPLES, self.PREDICTIONS, self.ODDS, True, threshold=3.0
    )
    directory = tmp_path / "new" / "out"
    paths = squad_scores.write_scores(str(directory), scores, {"global_step": 7})
    return directory, paths, squad_scores.summarize(scores)

  def test_paths_are_told(self, written):
    directory, paths, _ = written
    assert sorted(paths) == sorted(map(str, directory.iterdir()))
    assert len(paths) == 5

  def test_results_read_back(self, written):
    directory, _, result = written
    assert json.loads((directory / "evaluation.json").read_text()) == result
    metrics = json.loads((directory / "metrics.json").read_text())
    assert metrics.pop("global_step") == 7
    assert metrics == squad_scores.flat_metrics(result)
    assert list(metrics) == sorted(metrics)

  def test_a_row_a_question(self, written):
    directory, _, _ = written
    header, *rows = table_files.read_tsv(str(directory / "question_scores.tsv"))
    named = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["id"] for row in named] == ["a", "b", "c"]
    assert named[0] == {
      "id": "a",
      "exact": "1",
      "f1": "1",
      "character_f1": "1",
      "prediction": "朝 の光",
      "right_answer": "朝 の光",
      "null_odds": "-2.5",
    }
    assert named[1]["exact"] == "1"
    assert named[2]["prediction"] == "東京 都?"
    assert float(named[2]["character_f1"]) == pytest.approx(2 * 2 / 6)

  def test_what_the_threshold_takes_away_is_not_shown(self, tmp_path):
    scores = squad_scores.score_questions(
      self.EXAMPLES, self.PREDICTIONS, self.ODDS, True, threshold=1.0
    )
    squad_scores.write_scores(str(tmp_path), scores)
    row = table_files.read_tsv(str(tmp_path / "question_scores.tsv"))[3]
    assert row == ["c", "0", "0", "0", "", "東京", "2"]

  def test_the_curve_reads_back(self, written):
    directory, _, _ = written
    columns, rows = table_files.read_table(str(directory / "no_answer_curve.csv"))
    assert columns == ["threshold", "exact", "f1", "character_f1"]
    assert [float(row["threshold"]) for _, row in rows][1:] == [-2.5, 2.0, 4.0]
    exact = [float(row["exact"]) for _, row in rows]
    assert exact == pytest.approx([100 / 3, 200 / 3, 200 / 3, 200 / 3])
    assert (directory / "no_answer_curve.png").read_bytes().startswith(PNG)

  def test_a_table_is_logged(self, tmp_path, caplog):
    before = logging.get_verbosity()
    logging.set_verbosity(logging.INFO)
    scores = squad_scores.score_questions([example(1, "朝")], {"1": "朝"})
    squad_scores.write_scores(str(tmp_path), scores)
    logging.set_verbosity(before)
    messages = [record.getMessage() for record in caplog.records]
    result = squad_scores.summarize(scores)
    assert messages == squad_scores.format_result(result, 1).splitlines()

  def test_version_1_has_no_curve(self, tmp_path):
    scores = squad_scores.score_questions([example(1, "朝")], {"1": "朝"})
    squad_scores.write_scores(str(tmp_path), scores)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"evaluation.json", "metrics.json", "question_scores.tsv"}
    header = table_files.read_tsv(str(tmp_path / "question_scores.tsv"))[0]
    assert "null_odds" not in header


class TestFormatResult:
  def test_version_1(self):
    result = squad_scores.evaluate(
      [example(1, "東京 都"), example(2, "夜")], {"1": "東京", "2": "夜"}
    )
    assert squad_scores.format_result(result, 2).splitlines() == [
      "questions  number  exact match     F1  character F1",
      "all             2        50.00  83.33         90.00",
    ]

  def test_version_2(self):
    result = squad_scores.evaluate(
      [example(1, "東京"), example(2, impossible=True)],
      {"1": "東京", "2": "夜"},
      {"1": -1.25, "2": 3.0},
      version_2=True,
      threshold=5.0,
    )
    lines = squad_scores.format_result(result, 2).splitlines()
    assert [line.split()[-4:] for line in lines[1:4]] == [
      ["2", "50.00", "50.00", "50.00"],
      ["1", "100.00", "100.00", "100.00"],
      ["1", "0.00", "0.00", "0.00"],
    ]
    assert lines[4:] == [
      "best exact match 100.00, at the no-answer threshold -1.25",
      "best F1 100.00, at the no-answer threshold -1.25",
    ]


class TestThresholdCurve:
  """The picture of the no-answer curve, `figures.threshold_curve`."""

  def draw(self, thresholds, marks):
    thresholds = np.asarray(thresholds, np.float64)
    values = np.linspace(20, 80, len(thresholds))
    return figures.threshold_curve(thresholds, {"exact": values}, marks)

  @pytest.mark.parametrize("thresholds", [[1.0], [1.0, 1.5], range(5000)])
  def test_any_number_of_thresholds(self, thresholds):
    assert self.draw(thresholds, {"used": 1.0}).startswith(PNG)

  def test_odds_far_from_all_others_do_not_squeeze_the_picture(self):
    near, far = ([*range(1000), end] for end in (1e7, 1e9))
    assert self.draw(near, {}) == self.draw(far, {})

  def test_a_mark_outside_of_the_picture_is_left_out(self):
    plain = self.draw(range(1000), {})
    assert self.draw(range(1000), {"used": 1e6}) == plain
    assert self.draw(range(1000), {"used": 500.0}) != plain

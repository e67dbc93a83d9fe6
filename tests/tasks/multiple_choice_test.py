"""Rows of choices in their usual forms; scores and files by hand."""

import json

import numpy as np
import pytest

from bert_ja.data.choice_features import ChoiceExample
from bert_ja.tasks import kinds, multiple_choice, registry

ROWS = [
  ChoiceExample("r1", "色は", ["赤", "", "青"], 2),
  ChoiceExample("r2", "音は", ["高い"], 0),
  ChoiceExample("r3", "形は", ["丸い", "四角い"], 0),
]
# The last row is wrong; -1e9 stands where there is no choice.
SCORES = np.array([[0.5, -1e9, 1.5], [-2.0, -1e9, -1e9], [0.25, 0.5, -1e9]], np.float32)


@pytest.fixture
def put(tmp_path):
  """Writes rows of JSON, or a text, into a file and gives the directory."""

  def put(name, rows):
    if not isinstance(rows, str):
      rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / name).write_text(rows, encoding="utf-8")
    return str(tmp_path)

  return put


def read(directory, set_type="train", **options):
  processor = registry.get_processor("multiple_choice", **options)
  return processor.examples(directory, set_type)


class TestRows:
  @pytest.mark.parametrize("name", ["question", "text", "context"])
  def test_a_text_and_a_list(self, put, name):
    folder = put(
      "train.jsonl", [{name: "春の次は", "choices": ["夏", "冬"], "label": 0}]
    )
    assert read(folder) == [
      ChoiceExample(
        "train-1", "春の次は", ["夏", "冬"], 0, f"{folder}/train.jsonl, line 1"
      )
    ]

  def test_the_form_of_jcommonsenseqa(self, put):
    row = {"q_id": 7, "question": "水が凍ると"}
    row |= {f"choice{place}": text for place, text in enumerate("氷雪雨霧霜")}
    (found,) = read(put("dev.json", [row | {"label": 0}]), "dev", id_column="q_id")
    assert (found.guid, found.choices) == ("7", ["氷", "雪", "雨", "霧", "霜"])

  def test_the_form_of_swag(self, put):
    header = "startphrase,ending0,ending1,ending2,ending3,label\n"
    (found,) = read(put("train.csv", f"{header}A dog,runs,sits,reads,flies,1\n"))
    assert (found.text, found.label) == ("A dog", 1)
    assert found.choices == ["runs", "sits", "reads", "flies"]

  def test_numbers_of_columns_count_not_their_texts(self, put):
    row = {"text": "x", "label": 10} | {f"choice{n}": str(n) for n in range(10, -1, -1)}
    (found,) = read(put("train.jsonl", [row]))
    assert found.choices == [str(n) for n in range(11)]

  def test_numbers_of_columns_are_places_where_some_lack(self, put):
    row = {"text": "x", "choice0": "a", "choice2": "c", "label": 2}
    (found,) = read(put("train.jsonl", [row]))
    assert found.choices == ["a", "", "c"]

  def test_a_chosen_column_can_hold_lists(self, put):
    row = {"text": "x", "choices": 3, "options": ["a", "b"], "label": 1}
    (found,) = read(put("train.jsonl", [row]), choice_columns=["options"])
    assert found.choices == ["a", "b"]

  def test_a_subclass_can_choose_columns(self, put):
    class Processor(multiple_choice.MultipleChoiceProcessor):
      choice_columns = ("yes", "no")

    folder = put("train.csv", "text,yes,no,label\n犬,鳴く,飛ぶ,0\n")
    (found,) = Processor().examples(folder, "train")
    assert found.choices == ["鳴く", "飛ぶ"]

  def test_columns_can_be_chosen_and_two_texts_are_joined(self, put):
    folder = put("train.tsv", "p\tq\tyes\tno\tright\n犬が\t鳴く\tはい\tいいえ\t1\n")
    (found,) = read(
      folder,
      text_columns=["p", "q"],
      choice_columns=["yes", "no"],
      label_column="right",
    )
    assert (found.text, found.choices, found.label) == (
      "犬が 鳴く",
      ["はい", "いいえ"],
      1,
    )

  def test_empty_cells_are_places_without_a_choice(self, put):
    rows = [{"text": "x", "choices": [None, " ", 3], "label": "2"}]
    (found,) = read(put("train.jsonl", rows))
    assert (found.choices, found.label) == (["", "", "3"], 2)

  def test_a_test_set_may_lack_labels(self, put):
    folder = put("test.jsonl", [{"text": "x", "choices": ["a"]}])
    assert read(folder, "test")[0].label is None

  @pytest.mark.parametrize(
    ("row", "message"),
    [
      ({"label": 0}, "there is no column 'choices'; name .* --choice_columns"),
      ({"choices": "a b", "label": 0}, "choices: expected a list of texts"),
      ({"choice1": "a", "ending1": "b", "label": 1}, "columns 'choice1' and 'ending1'"),
      ({"choices": [["a"]], "label": 0}, r"expected texts as choices, found \['a'\]"),
      ({"choices": ["a"], "label": "a"}, "column 'label': expected the place .* 'a'"),
      ({"choices": ["a"], "label": 0.5}, "column 'label': expected a text or a whole"),
      ({"choices": ["a"]}, "column 'label': the label is empty"),
    ],
  )
  def test_bad_rows_are_named(self, put, row, message):
    rows = [{"text": "x", "choices": ["a"], "label": 0}, {"text": "x", **row}]
    with pytest.raises(ValueError, match=f"train.jsonl, line 2[:,] {message}"):
      read(put("train.jsonl", rows))

  def test_a_chosen_column_that_is_not_there_is_named(self, put):
    folder = put("train.csv", "text,a,label\nx,y,0\n")
    with pytest.raises(
      ValueError, match="line 2: there is no column 'b'; .*text, a, la"
    ):
      read(folder, choice_columns=["a", "b"])


class TestNumChoices:
  def kind(self, **options):
    return kinds.get("choice")([], **options)

  def test_the_set_checked_first_tells_it_and_the_model_keeps_it(self):
    kind = self.kind()
    kind.check(ROWS)
    kind.learn(ROWS)
    assert kind.learned == {"num_choices": 3}
    assert kind.feature_spec(8)["input_ids"].shape == (3, 8)
    with pytest.raises(
      ValueError, match="4 choices, more than the 3 .*--num_choices=4"
    ):
      kind.check([ChoiceExample("x", "y", "abcd", 0)])

  def test_a_trained_model_knows_it_and_the_flag_comes_first(self):
    trained, given = self.kind(), self.kind(num_choices=4)
    for kind in (trained, given):
      kind.learned = {"num_choices": 5}
      kind.check(ROWS)
    assert (trained.num_choices, given.num_choices) == (5, 4)


class TestChoice:
  def test_accuracy_counts_the_highest_score(self):
    kind = multiple_choice.Choice([])
    outputs = {"scores": SCORES, "per_example_loss": np.zeros(3, np.float32)}
    found = kind.metrics(outputs, batch_size=2, examples=ROWS)
    assert found["eval_accuracy"] == pytest.approx(2 / 3)

  def test_scores_that_are_no_numbers_are_told(self):
    outputs = {"scores": np.array([[1.0, np.nan]]), "label_ids": np.array([1])}
    with pytest.raises(ValueError, match="scores of 1 of 1 examples .* diverged"):
      multiple_choice.Choice([]).scores(outputs)

  def test_loss_and_probabilities_are_of_the_choices_that_are_there(self):
    kind = multiple_choice.Choice([])
    loss = kind.loss(SCORES, {"label_ids": np.array([2, 0, 0])}).numpy()
    total = np.exp(0.5) + np.exp(1.5)
    other = 1 / (1 + np.exp(0.25))
    np.testing.assert_allclose(
      loss, [-np.log(np.exp(1.5) / total), 0, -np.log(other)], rtol=1e-5, atol=1e-6
    )
    probabilities = kind.predictions(SCORES, {})["probabilities"].numpy()
    expected = [[np.exp(0.5) / total, 0, np.exp(1.5) / total], [1, 0, 0]]
    np.testing.assert_allclose(probabilities[:2], expected, rtol=1e-5)

  def test_predictions_have_places_choices_and_scores(self, tmp_path):
    outputs = {"scores": SCORES, "probabilities": np.eye(3)}
    paths = multiple_choice.Choice([]).write_predictions(
      str(tmp_path), ROWS, outputs, True
    )
    names = ["test_results.tsv", "predictions.tsv", "test/metrics.json"]
    assert paths == [str(tmp_path / name) for name in names]
    table = (tmp_path / "predictions.tsv").read_text("utf-8")
    names_of_scores = ["score_0", "score_1", "score_2"]
    assert [line.split("\t") for line in table.splitlines()] == [
      ["id", "text", "label", "predicted", "choice", "right_choice", *names_of_scores],
      ["r1", "色は", "2", "2", "青", "青", "0.5", "", "1.5"],
      ["r2", "音は", "0", "0", "高い", "高い", "-2.0", "", ""],
      ["r3", "形は", "0", "1", "四角い", ROWS[2].choices[0], "0.25", "0.5", ""],
    ]
    scores = json.loads((tmp_path / "test" / "metrics.json").read_text())
    assert scores == {"accuracy": pytest.approx(2 / 3)}

  def test_without_labels_there_is_no_right_choice(self, tmp_path):
    outputs = {"scores": SCORES, "probabilities": np.eye(3)}
    multiple_choice.Choice([]).write_predictions(str(tmp_path), ROWS, outputs, False)
    header = (tmp_path / "predictions.tsv").read_text("utf-8").split("\n")[0]
    assert "choice" in header.split("\t") and "right_choice" not in header

  def test_smoothing_and_weights_are_no_options(self):
    assert multiple_choice.Choice.loss_options == ("focal_gamma",)

"""The table of kinds, and what all kinds do alike."""

import numpy as np
import pytest

from bert_ja.data import pair_features, tower_features
from bert_ja.tasks import kinds, sentence


class TestTable:
  def test_a_kind_is_found_by_name(self):
    assert kinds.get("sentence") is sentence.Sentence

  def test_an_unknown_one_is_told(self):
    with pytest.raises(ValueError, match="kind 'x' is not known \\(known: .*sentence"):
      kinds.get("x")

  def test_a_name_is_taken_once(self):
    with pytest.raises(ValueError, match="'sentence' is there already: bert_ja.tasks"):
      kinds.register("sentence")(kinds.Kind)


class TestKind:
  def test_features_of_two_texts_replace_those_of_one_sequence(self):
    assert sentence.Sentence(["a"]).features is pair_features
    assert sentence.Sentence(["a"], tower_features).features is tower_features

  def test_a_kind_with_other_rows_has_no_two_texts(self):
    class Words(kinds.Kind):
      features = np

    with pytest.raises(ValueError, match="--pair_model=two_tower compares two texts"):
      Words(["a"], tower_features)

  def test_class_counts_are_in_the_order_of_labels(self):
    rows = [pair_features.InputExample("g", "t", None, label) for label in "bbcb"]
    assert sentence.Sentence("abc").class_counts(rows) == [0, 3, 1]

  def test_rows_are_held_out_by_label_and_nothing_is_learned(self):
    rows = [pair_features.InputExample("g", "t", None, label) for label in "bbcb"]
    kind = sentence.Sentence("abc")
    kind.learn(rows)
    assert kind.strata(rows) == list("bbcb")
    assert kind.learned == {}

  def test_each_says_what_it_predicts(self):
    names = ("choice", "multi_label", "regression", "sentence", "token")
    titles = [kinds.get(name).title for name in names]
    assert all(titles) and len(set(titles)) == len(names)


class TestMetrics:
  def test_losses_that_are_not_finite_are_told(self):
    class Plain(kinds.Kind):
      def scores(self, outputs):
        return {}

    losses = np.array([1.0, np.nan, np.inf], np.float32)
    with pytest.raises(ValueError, match="losses of 2 of 3 examples .* diverged"):
      Plain(["a"]).metrics({"per_example_loss": losses}, batch_size=2)


class TestPredictions:
  @pytest.mark.parametrize(
    ("name", "outputs"),
    [
      ("choice", {"scores": np.full([2, 3], np.nan)}),
      ("multi_label", {"probabilities": np.array([[0.5], [np.nan]])}),
      ("regression", {"prediction": np.array([np.inf, 1])}),
      ("sentence", {"probabilities": np.array([[np.nan], [1]], np.float32)}),
    ],
  )
  def test_those_of_a_diverged_model_are_told_and_not_written(
    self, tmp_path, name, outputs
  ):
    rows = [pair_features.InputExample(str(n), "x") for n in range(2)]
    message = f"{next(iter(outputs))} of [12] of 2 examples are not .* --learning_rate"
    with pytest.raises(ValueError, match=message):
      kinds.get(name)(["a"]).write_predictions(str(tmp_path), rows, outputs, False)
    assert not list(tmp_path.iterdir())

  def test_scores_of_earlier_ones_do_not_stay(self, tmp_path):
    rows = [pair_features.InputExample(str(n), "x", label="ab"[n]) for n in range(2)]
    kind, outputs = sentence.Sentence("ab"), {"probabilities": np.eye(2)}
    kind.write_predictions(str(tmp_path), rows, outputs, True)
    own = tmp_path / "test" / "notes.txt"
    own.write_text("mine")
    assert (tmp_path / "test" / "metrics.json").exists()
    kind.write_predictions(str(tmp_path), rows, outputs, False)
    # Only what a prediction wrote is removed.
    assert list((tmp_path / "test").iterdir()) == [own]

  def test_rows_alone_are_one_file(self, tmp_path):
    rows = [pair_features.InputExample("1", "x", label="a")]
    outputs = {"probabilities": np.eye(2)[:1]}
    paths = sentence.Sentence("ab").write_rows(str(tmp_path), rows, outputs, True)
    assert paths == [str(path) for path in tmp_path.iterdir()]
    assert paths == [str(tmp_path / "predictions.tsv")]


class TestRowColumns:
  def test_single_texts(self):
    rows = [
      pair_features.InputExample("dev-1", "x"),
      pair_features.InputExample("2", "y"),
    ]
    assert kinds.row_columns(rows) == {"id": ["dev-1", "2"], "text": ["x", "y"]}

  def test_one_second_text_gives_all_its_column(self):
    rows = [
      pair_features.InputExample("1", "x"),
      pair_features.InputExample("2", "y", "z"),
    ]
    columns = kinds.row_columns(rows)
    assert list(columns) == ["id", "text_a", "text_b"]
    assert columns["text_b"] == ["", "z"]

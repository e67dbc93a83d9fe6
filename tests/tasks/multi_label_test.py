"""Any number of labels a row: reading, held-out rows, threshold, files."""

import json

import numpy as np
import pytest
from absl import flags

from bert_ja.data import pair_features, validation_split
from bert_ja.flags import task_flags
from bert_ja.tasks import kinds, multi_label, registry

NAMES = ["food", "price", "staff"]


def rows_of(*labels):
  return [
    pair_features.InputExample(f"row-{number}", f"text {number}", None, label)
    for number, label in enumerate(labels, 1)
  ]


class TestProcessor:
  def read(self, folder, text, name="train.csv", **options):
    (folder / name).write_text(text, encoding="utf-8")
    processor = registry.get_processor("multi_label", **options)
    split = name.split(".")[0]
    return processor, getattr(processor, f"get_{split}_examples")(str(folder))

  def test_cells_hold_names_with_commas(self, tmp_path):
    text = 'text,label\nx,"price, food"\ny,\nz,staff\nw,"food,food"\n'
    processor, rows = self.read(tmp_path, text)
    labels = [row.label for row in rows]
    assert labels == [["price", "food"], [], ["staff"], ["food"]]
    assert processor.get_labels() == NAMES

  def test_another_separator_leaves_commas_in_names(self, tmp_path):
    text = "text\tlabel\nx\tgood, cheap|staff\n"
    processor, rows = self.read(tmp_path, text, "train.tsv", label_separator="|")
    assert rows[0].label == ["good, cheap", "staff"]
    assert processor.kind_options["label_separator"] == "|"

  def test_json_lists_are_taken_as_they_are(self, tmp_path):
    text = '{"text": "x", "label": ["b", 2]}\n{"text": "y", "label": []}\n'
    _, rows = self.read(tmp_path, text, "train.jsonl")
    assert [row.label for row in rows] == [["b", "2"], []]

  def test_in_a_test_set_labels_may_be_unknown(self, tmp_path):
    text = '{"text": "x", "label": ""}\n{"text": "y"}\n'
    _, rows = self.read(tmp_path, text, "test.jsonl", labels=NAMES)
    assert [row.label for row in rows] == [[], None]

  def test_labels_can_come_from_a_file(self, tmp_path):
    (tmp_path / "labels.txt").write_text("staff\nfood\n")
    text, path = "text,label\nx,food\n", str(tmp_path / "labels.txt")
    processor, _ = self.read(tmp_path, text, labels_file=path)
    assert processor.get_labels() == ["staff", "food"]

  def test_another_label_is_told_with_its_line(self, tmp_path):
    message = "train.csv, line 3, column 'label': label 'stuff' is not one of 'food', "
    with pytest.raises(ValueError, match=message):
      self.read(
        tmp_path, 'text,label\nx,food\ny,"food,stuff"\n', labels=["food", "staff"]
      )

  def test_another_label_of_a_test_set_has_a_hint(self, tmp_path):
    (tmp_path / "test.csv").write_text("text,label\nx,stuff\n")
    processor = registry.get_processor("multi_label", labels=["food"])
    with pytest.raises(
      ValueError, match="'stuff' .* 'food'; leave the column out of a"
    ):
      processor.examples(str(tmp_path), "test")

  def test_a_number_with_a_fraction_is_no_label(self, tmp_path):
    text = '{"text": "x", "label": ["a", 2.5]}\n'
    message = "train.jsonl, line 1, column 'label': expected a text or a whole number"
    with pytest.raises(ValueError, match=message):
      self.read(tmp_path, text, "train.jsonl")

  def test_a_training_set_without_any_label_is_told(self, tmp_path):
    with pytest.raises(ValueError, match="no row of the training set has a label"):
      self.read(tmp_path, "text,label\nx,\n")

  def test_the_kind_gets_threshold_and_separator(self):
    processor = registry.get_processor("multi_label", labels=NAMES, threshold=0.25)
    kind = kinds.get(processor.kind)(NAMES, **processor.kind_options)
    assert (kind.threshold, kind.label_separator) == (0.25, ",")

  def test_a_subclass_brings_its_own_unless_flags_are_given(self):
    class Own(multi_label.MultiLabelProcessor):
      label_separator = "|"
      threshold = 0.25

    values = flags.FlagValues()
    task_flags.define(values)
    values(["program"])
    names = ("label_separator", "threshold")
    given = {name: values[name].value for name in names}
    assert Own(**given).kind_options == {"label_separator": "|", "threshold": 0.25}
    given = {"label_separator": ";", "threshold": 0.0}
    assert Own(**given).kind_options == given


class TestHeldOutRows:
  def test_each_label_gives_its_share(self):
    rows = rows_of(*[["food"]] * 40, *[["food", "staff"]] * 10, *[[]] * 20)
    kind = multi_label.MultiLabel(NAMES)
    _, dev = validation_split.split_examples(rows, 0.2, 3, kind.strata(rows))
    found = [row.label for row in dev]
    assert [found.count(x) for x in (["food"], ["food", "staff"], [])] == [8, 2, 4]

  def test_a_row_belongs_to_its_rarest_label(self):
    kind = multi_label.MultiLabel(NAMES)
    rows = rows_of(["food", "price"], ["price"], ["staff", "price"], ["staff"], [])
    assert kind.strata(rows) == [0, 1, 2, 2, -1]


class TestKind:
  # Both labels of the first row are found, and one too many of the second.
  OUTPUTS = {
    "probabilities": np.array([[0.9, 0.1, 0.5], [0.75, 0.25, 0.0]], np.float32)
  }
  ROWS = rows_of(["staff", "food"], [])

  def test_probabilities_stand_for_themselves(self):
    found = multi_label.MultiLabel(NAMES).predictions(np.zeros([2, 3], np.float32), {})
    np.testing.assert_array_equal(found["probabilities"], np.full([2, 3], 0.5))

  def test_a_name_that_holds_the_separator_is_told(self):
    with pytest.raises(ValueError, match="'a,b' holds ',', .* another --label_sep"):
      multi_label.MultiLabel(["c", "a,b"])
    kind = multi_label.MultiLabel(["c", "a,b"], label_separator="|")
    # What reads its predictions is told which it is.
    assert kind.row_options == {"label_separator": "|"}

  def test_class_counts_count_every_label(self):
    kind = multi_label.MultiLabel(NAMES)
    assert kind.class_counts(self.ROWS + rows_of(["food"])) == [2, 0, 1]

  def test_predicted_labels_stand_beside_true_ones(self, tmp_path):
    kind = multi_label.MultiLabel(NAMES, label_separator="|")
    kind.write_predictions(str(tmp_path), self.ROWS, self.OUTPUTS, True)
    assert (tmp_path / "predictions.tsv").read_text().splitlines() == [
      "id\ttext\tlabel\tpredicted\t"
      "probability_food\tprobability_price\tprobability_staff",
      "row-1\ttext 1\tstaff|food\tfood|staff\t0.9\t0.1\t0.5",
      "row-2\ttext 2\t\tfood\t0.75\t0.25\t0.0",
    ]

  @pytest.mark.parametrize(
    ("threshold", "expected", "micro"),
    # Two of three predicted and of two true; one of one and of two.
    [(0.5, ["food,staff", "food"], 4 / 5), (0.8, ["food", ""], 2 / 3)],
  )
  def test_the_threshold_decides_in_files_and_scores(
    self, tmp_path, threshold, expected, micro
  ):
    kind = multi_label.MultiLabel(NAMES, threshold=threshold)
    kind.write_predictions(str(tmp_path), self.ROWS, self.OUTPUTS, True)
    rows = (tmp_path / "predictions.tsv").read_text().splitlines()[1:]
    assert [row.split("\t")[3] for row in rows] == expected
    scores = json.loads((tmp_path / "test" / "metrics.json").read_text())
    assert scores["f1_micro"] == pytest.approx(micro)
    report = (tmp_path / "test" / "classification_report.txt").read_text()
    assert report.endswith("all labels of a row right 0.5000 (1 of 2)\n")

"""Reports of made scores: what the tables show, and what stands below them."""

import csv

import numpy as np
import pytest

from bert_ja.studies import study_report
from bert_ja.studies.study_data import Counts
from bert_ja.studies.study_report import Report, Row

COUNTS = {
  "room": Counts(("0", "1"), {"train": (20, 10), "test": (4, 3)}),
  "food": Counts(("0", "1"), {"train": (7, 105), "test": (2, 1)}),
}


def row(set_name, mode, seed, accuracy, **values):
  defaults = {"test": {"accuracy": accuracy}, "dev": {"accuracy": 0.125}}
  return Row(set_name, "small", mode, seed=seed, **(defaults | values))


ROWS = (
  row("room", "head", 1, 0.5),
  row("room", "head", 2, 0.7),
  row("food", "head", 1, 0.25, is_of_one_class=True),
  row("food", "head", 2, 0.75),
  row("room", "all", 1, 0.875),
  row("room", "all", 2, 0.875),
  row("food", "all", 1, 0.125, state="failed", is_chosen=False, test={}, dev={}),
  row("food", "all", 2, 0.5, is_chosen=False),
  Row("room", "majority", "baseline", test={"accuracy": 0.625}, is_of_one_class=True),
  Row("food", "majority", "baseline", test={"accuracy": 1.0}),
)


def report(**values):
  defaults = {
    "name": "genres",
    "counts": COUNTS,
    "entries": [("small", "head"), ("small", "all"), ("majority", "baseline")],
    "columns": ("accuracy",),
    "metric": "accuracy",
    "split": "test",
    "rows": ROWS,
  }
  return Report(**(defaults | values))


class TestMeans:
  def test_of_a_set_over_its_seeds_and_of_the_sets_within_each_seed(self):
    means, deviations = report().means("accuracy")
    nan = np.nan
    np.testing.assert_allclose(
      means, [[0.6, 0.5, 0.55], [0.875, nan, nan], [0.625, 1.0, 0.8125]]
    )
    # Of two values the deviation is their distance over the root of 2.
    distances = [[0.2, 0.5, 0.725 - 0.375], [0, nan, nan], [nan] * 3]
    np.testing.assert_allclose(deviations, np.array(distances) / np.sqrt(2))

  def test_one_set_has_no_mean_over_sets(self):
    one = report(counts={"room": COUNTS["room"]})
    assert one.means("accuracy")[0].shape == (3, 1)
    assert one.titles == ["room"]

  def test_dev_scores_where_there_is_no_test(self):
    means, _ = report(split="dev").means("accuracy")
    np.testing.assert_array_equal(means[0], [0.125] * 3)


class TestScoresTable:
  def test_it_reads_like_a_paper(self):
    assert study_report.scores_table(report(), "accuracy").splitlines() == [
      "| Model    | Mode     | room              | food           | mean          |",
      "| -------- | -------- | ----------------- | -------------- | ------------- |",
      "| small    | head     | 0.600 ± 0.141     | 0.500 ± 0.354† | 0.550 ± 0.247 |",
      "| small    | all      | **0.875 ± 0.000** |                |               |",
      "| majority | baseline | 0.625†            | **1.000**      | **0.812**     |",
    ]

  def test_the_smallest_loss_is_the_best(self):
    rows = [
      row("room", m, 1, 0, test={"loss": x}) for m, x in (("head", 1), ("all", 2))
    ]
    table = study_report.scores_table(
      report(rows=rows, counts={"room": COUNTS["room"]}), "loss"
    )
    assert "| **1.000** |" in table and "| 2.000     |" in table

  def test_a_bar_in_a_name_does_not_end_a_cell(self):
    table = study_report.scores_table(report(entries=[("a|b", "c|d")]), "accuracy")
    assert "| a\\|b  | c\\|d |" in table


class TestCountsTable:
  def test_label_by_split_with_sums(self):
    assert study_report.counts_table(COUNTS).splitlines() == [
      "| Set  | Label | train | test |",
      "| ---- | ----- | ----: | ---: |",
      "| room | 0     |    20 |    4 |",
      "|      | 1     |    10 |    3 |",
      "|      | all   |    30 |    7 |",
      "| food | 0     |     7 |    2 |",
      "|      | 1     |   105 |    1 |",
      "|      | all   |   112 |    3 |",
    ]

  def test_rows_that_were_too_long_are_counted(self):
    counts = {
      "bath": Counts(("0", "1"), {"train": (2, 1), "test": (1, 1)}, {"train": 4})
    }
    assert study_report.counts_table(counts).splitlines()[-2:] == [
      "|      | all      |     3 |    2 |",
      "|      | left out |     4 |    0 |",
    ]


class TestMarkdown:
  @pytest.fixture
  def lines(self, tmp_path):
    def lines(**values):
      path = study_report.write_markdown(str(tmp_path), report(**values))
      with open(path, encoding="utf-8") as reader:
        return reader.read().splitlines()

    return lines

  def test_it_says_what_is_shown(self, lines):
    progress = {"train": (6, 8), "test": (2, 2)}
    found = lines(columns=("accuracy", "recall"), progress=progress)
    assert found[0] == "# genres"
    assert found[2] == (
      "Scores on the test set, mean ± standard deviation over the seeds 1, 2; the best "
      "of each column is bold. The positive class is `1`."
    )
    assert found[4] == "train: 6 of 8 runs are finished."
    assert [line for line in found if line.startswith("## ")] == [
      "## Rows",
      "## Accuracy",
      "## Recall of the positive class",
    ]

  def test_what_is_whole_is_not_called_half_done(self, lines):
    progress = {"train": (8, 8), "test": (6, 6)}
    assert not any("are finished" in line for line in lines(progress=progress))

  def test_settings_that_were_tried_are_told(self, lines):
    rows = [row("room", "head", 1, 0.5, settings=(("x", 1),))]
    assert (
      "those with the best macro F1 on dev." in lines(rows=rows, metric="f1_macro")[2]
    )

  def test_runs_of_one_class_and_failed_ones_stand_below(self, lines):
    found = lines(failed=[("food/small/all/seed=1", "status 1 (no memory)")])
    assert found[-3:] == [
      "† All predictions are of one class: small, head on food, seed 1; majority, "
      "baseline on room.",
      "",
      "food/small/all/seed=1 failed: status 1 (no memory)",
    ]

  def test_pictures_that_are_there_are_shown(self, lines, tmp_path):
    (tmp_path / "learning_curves.png").touch()
    assert lines()[-3:] == [
      "## Learning curves",
      "",
      "![Learning curves](learning_curves.png)",
    ]


class TestCsv:
  def test_a_line_for_each_run_with_all_digits(self, tmp_path):
    rows = [
      row("room", "head", 1, 1 / 3, settings=(("x", 1),), is_of_one_class=True),
      row("room", "head", 2, 0.5, settings=(("x", 1),), test={}, is_chosen=False),
      ROWS[-1],
    ]
    study_report.write_csv(str(tmp_path / "report.csv"), report(rows=rows))
    with open(tmp_path / "report.csv", encoding="utf-8", newline="") as reader:
      assert list(csv.reader(reader)) == [
        ["set", "model", "mode", "x", "seed", "state", "shown", "one class"]
        + ["dev accuracy", "test accuracy"],
        [
          "room",
          "small",
          "head",
          "1",
          "1",
          "finished",
          "yes",
          "yes",
          "0.125",
          repr(1 / 3),
        ],
        ["room", "small", "head", "1", "2", "finished", "", "", "0.125", ""],
        ["food", "majority", "baseline", "", "", "finished", "yes", "", "", "1.0"],
      ]

"""Parts of tables of scores."""

import numpy as np
import pytest

from bert_ja.comparisons import comparison_tables


class TestBestOfColumns:
  def test_the_largest_score_the_smallest_loss_and_all_equal_ones(self):
    nan = np.nan
    values = np.array(
      [[0.5, 0.5, 1.0, nan], [0.7, 0.7, 1.0, nan], [nan, 0.6, 0.5, nan]]
    )
    metrics = ["f1", "loss", "mean_absolute_error", "f1"]
    expected = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]
    found = comparison_tables.best_of_columns(values, metrics)
    np.testing.assert_array_equal(found, np.array(expected, bool))
    found = comparison_tables.best_of_columns(values, ["f1"] * 4)
    np.testing.assert_array_equal(found[:, 2], [True, True, False])


class TestSigned:
  def test_what_is_no_number_is_worse_than_any(self):
    assert comparison_tables.signed("f1", np.nan) < comparison_tables.signed("f1", -9.0)
    assert comparison_tables.signed("loss", 2.0) < comparison_tables.signed("loss", 1.0)


@pytest.mark.parametrize(
  ("metric", "title"), [("exact_match", "EM"), ("joint_accuracy", "joint accuracy")]
)
def test_titles(metric, title):
  assert comparison_tables.title(metric) == title


def test_rows_of_a_csv_file_are_quoted_where_they_must(tmp_path):
  path = tmp_path / "table.csv"
  comparison_tables.write_csv(str(path), [["a", "b"], ["1,2", 0.5]])
  assert path.read_text() == 'a,b\n"1,2",0.5\n'

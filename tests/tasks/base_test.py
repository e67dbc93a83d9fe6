"""Rows of TSV files and the names that tasks share."""

import re
import subprocess
import sys

import pytest

from bert_ja.data import pair_features
from bert_ja.tasks import base


class TestDataProcessor:
  def test_a_set_that_a_task_lacks_is_named(self):
    processor = base.DataProcessor()
    assert processor.kind == "sentence"
    for call, message in (
      (lambda: processor.get_train_examples("."), "DataProcessor has no training set"),
      (lambda: processor.get_dev_examples("."), "has no development set"),
      (lambda: processor.get_test_examples("."), "has no test set"),
      (processor.get_labels, "has no labels"),
    ):
      with pytest.raises(NotImplementedError, match=message):
        call()

  def test_the_originals_reader_keeps_quotes_and_drops_a_byte_order_mark(
    self, tmp_path
  ):
    path = tmp_path / "a.tsv"
    path.write_text('\ufeff"a\tb"\n\nc\n', encoding="utf-8")
    rows = base.DataProcessor._read_tsv(str(path))
    assert rows == [['"a', 'b"'], [], ["c"]]

  def test_the_originals_reader_takes_no_quote_character(self):
    with pytest.raises(ValueError, match="quotechar='x': quotes are ordinary"):
      base.DataProcessor._read_tsv("a.tsv", quotechar="x")

  def test_the_classes_of_features_are_found_here(self):
    assert base.InputExample is pair_features.InputExample
    assert base.InputFeatures is pair_features.InputFeatures
    assert base.PaddingInputExample is pair_features.PaddingInputExample

  def test_import_does_not_load_tensorflow(self):
    code = (
      "import sys; from bert_ja.tasks import registry; registry.task_names();"
      "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestReadRows:
  def test_row_numbers_count_the_header_and_sources_count_from_one(self, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("x\ty\n1\t2\n3\t4\t5\n")
    assert list(base.read_rows(str(path), 2)) == [
      (1, ["1", "2"], f"{path}, line 2"),
      (2, ["3", "4", "5"], f"{path}, line 3"),
    ]
    rows = list(base.read_rows(str(path), 2, header=False))
    assert rows[0] == (0, ["x", "y"], f"{path}, line 1")

  def test_a_short_row_is_named(self, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("x\ty\n1\t2\n\n")
    message = re.escape(
      f"{path}, line 3: expected at least 2 tab-separated cells, found 0"
    )
    with pytest.raises(ValueError, match=message):
      list(base.read_rows(str(path), 2))

"""Reports are compared with texts laid out by hand, or read back."""

import logging as python_logging
import subprocess
import sys
import warnings

import numpy as np
import pytest

from bert_ja import label_reports


class TestWriteClassificationReport:
  LABELS, PREDICTED = [0, 0, 0, 1, 1], [0, 0, 1, 1, 1]

  def test_report_has_each_class_and_the_averages(self, tmp_path):
    label_reports.write_classification_report(
      str(tmp_path), self.LABELS, self.PREDICTED, ["否定", "positive"]
    )
    # Class 0: precision 1, recall 2/3; class 1: precision 2/3, recall 1.
    assert (tmp_path / "classification_report.txt").read_text() == (
      "label               precision  recall      F1  support\n"
      "否定                   1.0000  0.6667  0.8000        3\n"
      "positive               0.6667  1.0000  0.8000        2\n"
      "(macro average)        0.8333  0.8333  0.8000        5\n"
      "(weighted average)     0.8667  0.8000  0.8000        5\n"
      "\n"
      "accuracy 0.8000 (4 of 5)\n"
    )

  def test_matrix_rows_are_true_labels(self, tmp_path):
    label_reports.write_classification_report(
      str(tmp_path), self.LABELS, self.PREDICTED, ["否定", "positive"]
    )
    assert (tmp_path / "confusion_matrix.txt").read_text() == (
      "Rows are true labels, columns are predicted labels.\n"
      "\n"
      "true \\ predicted  0 否定  1 positive\n"
      "0 否定                 2           1\n"
      "1 positive             0           2\n"
    )

  def test_many_long_names_leave_numbers_above_the_columns(self, tmp_path):
    names = [f"カテゴリー{k}番" for k in range(9)]
    label_reports.write_classification_report(str(tmp_path), range(9), range(9), names)
    lines = (tmp_path / "confusion_matrix.txt").read_text().splitlines()
    assert lines[2].split() == ["true", "\\", "predicted", *"012345678"]
    assert lines[3].split() == ["0", names[0], "1", *"00000000"]

  @pytest.mark.parametrize(
    "names", [["no", "yes"], ["否定", "肯定"], list("abcdefgh") * 3]
  )
  def test_picture_is_drawn_without_warnings(self, tmp_path, names, caplog):
    with warnings.catch_warnings():
      warnings.simplefilter("error")
      label_reports.write_classification_report(
        str(tmp_path), self.LABELS, self.PREDICTED, names
      )
    data = (tmp_path / "confusion_matrix.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n")
    assert not [r for r in caplog.records if r.levelno >= python_logging.WARNING]

  def test_pyplot_stays_unloaded(self, tmp_path):
    code = (
      "import sys; from bert_ja import label_reports; "
      f"label_reports.write_classification_report({str(tmp_path)!r}, [0], [1], 'ab'); "
      "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

  @pytest.mark.parametrize("predicted", [[], [0, 1]])
  def test_other_number_of_predictions_is_an_error(self, tmp_path, predicted):
    with pytest.raises(ValueError, match="as many predictions as labels"):
      label_reports.write_classification_report(
        str(tmp_path), predicted[:1], predicted, ["a", "b"]
      )


class TestReadReports:
  # Names with spaces, numbers, nothing, and what other files end lines with.
  NAMES = ["海 と 山", "3 年 5", "", "上\u2028下\nと\t横"]
  READ = ["海 と 山", "3 年 5", "", "上 下 と 横"]

  @pytest.fixture
  def directory(self, tmp_path):
    label_reports.write_classification_report(
      str(tmp_path), [0, 0, 1, 3, 3], [0, 1, 1, 3, 0], self.NAMES
    )
    return tmp_path

  def test_a_matrix_reads_back(self, directory):
    names, counts = label_reports.read_confusion_matrix(
      str(directory / "confusion_matrix.txt")
    )
    assert names == self.READ
    assert counts == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]

  def test_a_report_reads_back(self, directory):
    path = str(directory / "classification_report.txt")
    rows = label_reports.read_label_report(path)
    averages = ["(macro average)", "(weighted average)"]
    assert [row[0] for row in rows] == [*self.READ, *averages]
    # Of the second label: precision 1 / 2, recall 1 / 1.
    assert rows[1][1:] == ["0.5000", "1.0000", "0.6667", "1"]

  @pytest.mark.parametrize("line", ["cut off 1", "海 1 x 2 3 4", ""])
  def test_a_damaged_matrix(self, directory, line):
    path = directory / "confusion_matrix.txt"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[3] = line
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match="matrix.txt: expected a name and 4 numbers"):
      label_reports.read_confusion_matrix(str(path))


class TestWriteLabelReport:
  def test_each_label_and_the_averages(self, tmp_path):
    targets = np.array([[1, 0], [1, 1], [0, 0]])
    predicted = np.array([[1, 0], [1, 0], [1, 0]])
    (path,) = label_reports.write_label_report(
      str(tmp_path), targets, predicted, ["a", "b"]
    )
    with open(path) as reader:
      rows = [line.split() for line in reader]
    assert rows[1] == ["a", "0.6667", "1.0000", "0.8000", "2"]
    assert rows[2] == ["b", "0.0000", "0.0000", "0.0000", "1"]
    assert rows[3] == ["(micro", "average)", "0.6667", "0.6667", "0.6667", "3"]
    assert " ".join(rows[-1]) == "all labels of a row right 0.3333 (1 of 3)"

  def test_of_a_single_label_rows_that_have_it_count(self, tmp_path):
    targets, predicted = np.array([[1], [1], [0]]), np.array([[1], [0], [0]])
    (path,) = label_reports.write_label_report(
      str(tmp_path), targets, predicted, ["spam"]
    )
    with open(path) as reader:
      rows = [line.split() for line in reader]
    assert rows[1] == ["spam", "1.0000", "0.5000", "0.6667", "2"]
    assert rows[2] == ["(micro", "average)", "1.0000", "0.5000", "0.6667", "2"]


class TestWriteTypeMatrix:
  TAGS = ("I-海", "O", "B-海", "other", "B-b-c")

  def matrix(self, directory, true, predicted):
    path, _ = label_reports.write_type_matrix(
      str(directory), true, predicted, self.TAGS
    )
    return label_reports.read_confusion_matrix(path)

  def test_words_by_their_types(self, tmp_path):
    true = [["B-海", "I-海"], ["O", "B-b-c", "O"]]
    predicted = [["I-海", "O"], ["other", "B-海", "B-b-c"]]
    counts = [[1, 1, 0], [0, 0, 1], [1, 0, 1]]
    assert self.matrix(tmp_path, true, predicted) == (["O", "b-c", "海"], counts)

  def test_no_words_are_all_zeros(self, tmp_path):
    assert self.matrix(tmp_path, [[]], [[]]) == (["O", "b-c", "海"], [[0] * 3] * 3)

"""Written files are compared with texts laid out by hand, or read back."""

import io
import logging as python_logging
import math
import re
import subprocess
import sys

import numpy as np
import pytest
from absl import logging
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_ja import reporting


class Terminal(io.StringIO):
  def isatty(self):
    return True


class Clock:
  """Stands still until told."""

  def __init__(self):
    self.now = 1000.0

  def __call__(self):
    return self.now


class TestNumberText:
  @pytest.mark.parametrize(
    ("value", "text"),
    [
      (np.float32(0.6838235), "0.6838235"),
      (0.6838235294117647, "0.6838235"),
      (np.float64(1 / 3), "0.33333334"),
      (1.0, "1.0"),
      (2e-5, "2e-05"),
      (343, "343"),
      (np.int64(343), "343"),
      (np.array(0.5, np.float32), "0.5"),
      (True, "True"),
      ("f1", "f1"),
    ],
  )
  def test_prints_as_the_original(self, value, text):
    assert reporting.number_text(value) == text

  @given(st.floats(width=32, allow_nan=False))
  @settings(deadline=None)
  def test_text_reads_back_as_the_same_float32(self, value):
    assert np.float32(reporting.number_text(value)) == np.float32(value)

  def test_an_array_is_an_error(self):
    with pytest.raises(ValueError, match=r"one number, got an array of shape \[2\]"):
      reporting.number_text([1.0, 2.0])


class TestDurationText:
  @pytest.mark.parametrize(
    ("seconds", "text"),
    [
      (0, "0.0 s"),
      (4.24, "4.2 s"),
      (9.97, "10 s"),
      (59.4, "59 s"),
      (59.6, "1 min 0 s"),
      (130, "2 min 10 s"),
      (3599.7, "1 h 0 min"),
      (3780, "1 h 3 min"),
      (86399, "1 d 0 h"),
      (190000, "2 d 5 h"),
    ],
  )
  def test_two_units(self, seconds, text):
    assert reporting.duration_text(seconds) == text

  @pytest.mark.parametrize("seconds", [-1, math.inf, math.nan])
  def test_impossible_durations_are_errors(self, seconds):
    with pytest.raises(ValueError, match="seconds from 0 on"):
      reporting.duration_text(seconds)


def test_peak_memory_holds_an_array_just_filled():
  array = np.ones(4_000_000, np.float64)
  assert reporting.peak_memory_bytes() > array.nbytes


class TestFormatTable:
  def test_numbers_right_texts_left(self):
    table = reporting.format_table([("a", 5, 0.25), ("bcd", 10, None)], "xyz")
    assert table == "x     y       z\na     5  0.2500\nbcd  10\n"

  def test_wide_characters_take_two_columns(self):
    table = reporting.format_table([("肯定", 1), ("ﾃｽﾄ", 2)], ("label", "n"))
    assert table == "label  n\n肯定   1\nﾃｽﾄ    2\n"

  def test_combining_marks_take_no_column(self):
    assert reporting.display_width("か\u3099a\u0301") == 3

  def test_texts_of_numbers_count_as_numbers(self):
    table = reporting.format_table([("1.2e-05",), ("93%",), ("1,024",)], ("value",))
    assert table == "  value\n1.2e-05\n    93%\n  1,024\n"

  def test_markdown(self):
    table = reporting.format_table([("a", 12.5)], ("x", "y"), digits=1, markdown=True)
    assert table == "| x   |    y |\n| --- | ---: |\n| a   | 12.5 |\n"

  def test_no_rows_leave_the_header(self):
    assert reporting.format_table([], ("a", "b")) == "a  b\n"

  def test_short_row_is_an_error(self):
    with pytest.raises(ValueError, match="expected 2 cells"):
      reporting.format_table([("a",)], ("x", "y"))


class TestWriteResults:
  RESULTS = {"loss": 0.5, "eval_accuracy": np.float32(0.6838235), "global_step": 343}

  def test_lines_sorted_by_key(self, tmp_path):
    path = tmp_path / "eval_results.txt"
    reporting.write_results(str(path), self.RESULTS)
    assert path.read_text() == (
      "eval_accuracy = 0.6838235\nglobal_step = 343\nloss = 0.5\n"
    )

  def test_logs_the_lines_under_the_heading(self, tmp_path, info_lines):
    reporting.write_results(str(tmp_path / "r.txt"), self.RESULTS, "***** Test *****")
    assert info_lines() == [
      "***** Test *****",
      "  eval_accuracy = 0.6838235",
      "  global_step = 343",
      "  loss = 0.5",
    ]

  def test_a_bad_value_leaves_the_old_file(self, tmp_path):
    path = tmp_path / "eval_results.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="one number"):
      reporting.write_results(str(path), {"loss": [1.0, 2.0]})
    assert path.read_text() == "old"


class TestProgressInALog:
  def test_line_names_count_values_speed_and_time_left(self, info_lines):
    clock = Clock()
    with reporting.Progress(
      343, description="train", examples_per_unit=32, clock=clock
    ) as progress:
      progress.update(20)  # the first update is not timed: it includes tracing
      clock.now += 50
      progress.update(100, loss=0.61234, learning_rate=1.2e-5)
    # 100 steps in 50 s: 64 examples/s, 223 steps left in 111.5 s.
    assert info_lines()[0] == (
      "train: step 120/343 (34%), loss 0.6123, learning rate 1.2e-05, 64.0 examples/s, "
      "1 min 52 s left"
    )

  def test_a_slow_first_update_tells_nothing_of_the_time_left(self, info_lines):
    clock = Clock()
    with reporting.Progress(9, clock=clock, first_is_slow=True) as progress:
      for _ in range(2):
        clock.now += 20
        progress.update()
    assert "left" not in info_lines()[0]
    assert info_lines()[1].endswith("2 min 20 s left")

  def test_at_most_one_line_an_interval(self, info_lines):
    clock = Clock()
    with reporting.Progress(1000, interval=10, clock=clock) as progress:
      for _ in range(35):
        clock.now += 1
        progress.update()
    steps = [re.match(r"step (\d+)/1000", line)[1] for line in info_lines()]
    assert steps == ["10", "20", "30", "35"]

  def test_takes_the_number_of_units_done(self, info_lines):
    clock = Clock()
    with reporting.Progress(interval=1, clock=clock) as progress:
      for done in (4, 9):
        clock.now += 2
        progress.update_to(done, 10)
    assert [line.split(",")[0] for line in info_lines()] == [
      "step 4/10 (40%)",
      "step 9/10 (90%)",
      "step 9/10 (90%)",
    ]

  def test_last_line_comes_once_and_tells_the_time(self, info_lines):
    clock = Clock()
    with reporting.Progress(4, unit="file", clock=clock) as progress:
      for _ in range(4):
        clock.now += 20
        progress.update()
    assert [line.split(",")[0] for line in info_lines()] == [
      "file 1/4 (25%)",
      "file 2/4 (50%)",
      "file 3/4 (75%)",
      "file 4/4 (100%)",
    ]
    assert info_lines()[-1] == "file 4/4 (100%), 0.05 files/s, took 1 min 20 s"

  def test_speed_is_that_since_the_line_before(self, info_lines):
    clock = Clock()
    with reporting.Progress(100, clock=clock) as progress:
      for seconds in (1, 10, 20):
        clock.now += seconds
        progress.update(10)
    speeds = [re.search(r"[\d.]+ steps/s", line)[0] for line in info_lines()[:2]]
    assert speeds == ["1.00 steps/s", "0.50 steps/s"]

  def test_a_resumed_run_counts_on_and_times_only_itself(self, info_lines):
    clock = Clock()
    with reporting.Progress(300, initial=200, clock=clock) as progress:
      clock.now += 10
      progress.update(20)
    assert info_lines()[0] == "step 220/300 (73%), 2.00 steps/s, 40 s left"

  def test_unknown_total_has_no_share_and_no_time_left(self, info_lines):
    clock = Clock()
    with reporting.Progress(description="read", unit="line", clock=clock) as progress:
      clock.now += 10
      progress.update(5000)
    assert info_lines()[0] == "read: line 5000, 500 lines/s"

  def test_an_exception_passes_and_is_told(self, info_lines):
    clock = Clock()
    with (
      pytest.raises(KeyError),
      reporting.Progress(10, clock=clock) as progress,
    ):
      clock.now += 3
      progress.update(3)
      raise KeyError("x")
    assert info_lines() == ["step 3/10 (30%), 1.00 steps/s, stopped after 3.0 s"]

  def test_nothing_done_is_not_told(self, info_lines):
    with reporting.Progress(0, clock=Clock()):
      pass
    assert info_lines() == []

  def test_values_are_read_only_when_shown(self, info_lines):
    class OnDevice:
      reads = 0

      def __float__(self):
        OnDevice.reads += 1
        return 0.5

    with reporting.Progress(100, clock=Clock()) as progress:
      for _ in range(50):
        progress.update(loss=OnDevice())
    assert OnDevice.reads == 1
    assert "loss 0.5" in info_lines()[-1]


class TestProgressOnATerminal:
  def test_bar_shows_count_and_values_and_logs_nothing(self, info_lines):
    stream, clock = Terminal(), Clock()
    with reporting.Progress(
      8, description="train", initial=2, clock=clock, stream=stream
    ) as progress:
      for _ in range(6):
        clock.now += 1
        progress.update(loss=0.25)
    last = stream.getvalue().split("\r")[-1]
    assert "train: 100%" in last
    assert "8/8" in last
    assert "loss 0.25" in last
    assert info_lines() == []

  def test_a_log_line_starts_on_a_wiped_line(self):
    stream = Terminal()
    handler = python_logging.StreamHandler(stream)
    root = python_logging.getLogger()
    root.addHandler(handler)
    try:
      with reporting.Progress(5, stream=stream) as progress:
        progress.update()
        python_logging.warning("checkpoint saved")
    finally:
      root.removeHandler(handler)
    before = stream.getvalue().split("checkpoint saved")[0]
    assert re.search(r"\r *\r$", before)

  def test_handlers_are_left_as_they_were(self):
    handler = python_logging.StreamHandler(Terminal())
    root = python_logging.getLogger()
    root.addHandler(handler)
    try:
      with reporting.Progress(5, stream=Terminal()):
        assert handler.filters
      assert not handler.filters
    finally:
      root.removeHandler(handler)

  def test_the_handler_of_absl_wipes_too(self):
    # absl's handler forwards records to another one; its own filters must still count.
    handler = logging.get_absl_handler()
    stream, seen = Terminal(), []
    root = python_logging.getLogger()
    root.addHandler(handler)
    forward = handler.python_handler.emit
    handler.python_handler.emit = lambda record: seen.append(stream.getvalue())
    try:
      with reporting.Progress(5, stream=stream):
        python_logging.warning("saved")
    finally:
      handler.python_handler.emit = forward
      root.removeHandler(handler)
    assert re.search(r"\r *\r$", seen[0])


class TestReadResults:
  def test_numbers_read_back(self, tmp_path):
    path = str(tmp_path / "eval_results.txt")
    reporting.write_results(path, {"eval_loss": np.float32(0.1), "global_step": 343})
    results = reporting.read_results(path)
    assert results == {"eval_loss": 0.1, "global_step": 343}
    assert isinstance(results["global_step"], int)

  @pytest.mark.parametrize("line", ["loss: 0.5", "loss = high", ""])
  def test_another_line_is_named(self, tmp_path, line):
    path = tmp_path / "eval_results.txt"
    path.write_text(f"eval_loss = 1.0\n{line}\n")
    with pytest.raises(ValueError, match=r"results\.txt, line 2: expected `name = "):
      reporting.read_results(str(path))


class TestWriteColumns:
  def test_numbers_are_as_short_as_float32_lets_them(self, tmp_path):
    path = tmp_path / "table.tsv"
    columns = {"id": ["a", "b"], "score": np.array([0.1, 2.5], np.float32)}
    reporting.write_columns(str(path), columns)
    assert path.read_text() == "id\tscore\na\t0.1\nb\t2.5\n"

  def test_breaks_in_a_cell_become_spaces(self, tmp_path):
    path = tmp_path / "table.tsv"
    cells = ["a\tb\r\nc\x0bd\u2028e", "f\n"]
    reporting.write_columns(str(path), {"text": cells})
    assert path.read_bytes().decode() == "text\na b c d e\nf \n"

  def test_columns_of_different_lengths_are_an_error(self, tmp_path):
    path = tmp_path / "table.tsv"
    with pytest.raises(ValueError, match=r"columns of one length, got .*'b': 1"):
      reporting.write_columns(str(path), {"a": [1, 2], "b": [1]})
    assert not path.exists()


class TestWriteTestResults:
  def test_shortest_float32_texts_between_tabs(self, tmp_path):
    path = tmp_path / "test_results.tsv"
    rows = iter(np.array([[0.1, 0.9, 1e-7], [1, 0, 1 / 3]], np.float32))
    assert reporting.write_test_results(str(path), rows) == 2
    assert path.read_text() == "0.1\t0.9\t1e-07\n1.0\t0.0\t0.33333334\n"

  def test_float64_is_rounded_to_float32(self, tmp_path):
    path = tmp_path / "test_results.tsv"
    reporting.write_test_results(str(path), [[0.6838235294117647, 0.5]])
    assert path.read_text() == "0.6838235\t0.5\n"


def test_import_loads_no_heavy_package():
  code = (
    "import sys, bert_ja.label_reports, bert_ja.learning_curve, bert_ja.reporting; "
    "assert not {'tensorflow', 'sklearn', 'matplotlib', 'tqdm'} & set(sys.modules)"
  )
  subprocess.run([sys.executable, "-c", code], check=True)

"""What is written is compared with texts laid out by hand, or read back."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_ja import learning_curve

HISTORY = [
  {
    "step": 10,
    "epoch": 0.1,
    "split": "train",
    "loss": 0.1 + 0.2,
    "learning_rate": 1e-5,
  },
  {"step": 20, "epoch": 0.2, "split": "train", "loss": 0.25, "learning_rate": 0.0},
  {"step": 20, "epoch": 0.2, "split": "eval", "loss": math.inf, "eval_accuracy": 0.75},
  {"step": 30, "epoch": 0.3, "split": "eval", "loss": 0.125, "eval_accuracy": 1.0},
]


class TestCurve:
  def test_csv_has_stable_columns_and_exact_numbers(self, tmp_path):
    learning_curve.write(str(tmp_path), HISTORY)
    lines = (tmp_path / "learning_curve.csv").read_text().splitlines()
    assert lines[0] == "step,epoch,split,loss,eval_accuracy,learning_rate"
    assert lines[1] == "10,0.1,train,0.30000000000000004,,1e-05"
    assert lines[3] == "20,0.2,eval,inf,0.75,"

  def test_reading_gives_back_the_history(self, tmp_path):
    learning_curve.write(str(tmp_path), HISTORY)
    assert learning_curve.read(str(tmp_path)) == HISTORY

  @given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=4))
  @settings(max_examples=20, deadline=None)
  def test_any_float_comes_back(self, tmp_path_factory, values):
    directory = str(tmp_path_factory.mktemp("curve"))
    history = [
      {"step": k, "epoch": 1, "split": "train", "learning_rate": value}
      for k, value in enumerate(values)
    ]
    learning_curve.write(directory, history)
    assert learning_curve.read(directory) == history

  def test_numpy_numbers_come_back_as_equal_python_numbers(self, tmp_path):
    entry = {"step": np.int64(3), "epoch": 1.0, "split": "eval", "f1": np.float32(0.1)}
    learning_curve.write(str(tmp_path), [entry])
    (back,) = learning_curve.read(str(tmp_path))
    assert back == entry
    assert (type(back["step"]), type(back["f1"])) == (int, float)

  def test_no_file_is_an_empty_history(self, tmp_path):
    assert learning_curve.read(str(tmp_path)) == []

  @pytest.mark.parametrize("points", [1, 4])
  def test_picture_is_drawn_without_warnings(self, tmp_path, points):
    with warnings.catch_warnings():
      warnings.simplefilter("error")
      learning_curve.write(str(tmp_path), HISTORY[:points])
    assert (tmp_path / "learning_curve.png").read_bytes().startswith(b"\x89PNG\r\n")

  @pytest.mark.parametrize(
    "history", [[], [{"step": 1, "epoch": 0.1, "split": "train", "loss": math.nan}]]
  )
  def test_nothing_to_draw_gives_no_picture(self, tmp_path, history):
    learning_curve.write(str(tmp_path), history)
    assert [path.name for path in tmp_path.iterdir()] == ["learning_curve.csv"]

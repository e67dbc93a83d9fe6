"""Learning curves of many runs: what is drawn is read from the figure's own objects."""

import pytest

from bert_ja import figures
from bert_ja.studies import study_figures

METRICS = {"training loss": ("train", "loss"), "accuracy": ("eval", "eval_accuracy")}


def history(losses, accuracies=(), epochs=1.0):
  return [
    *(
      {"step": n, "epoch": n * epochs, "split": "train", "loss": value}
      for n, value in enumerate(losses, 1)
    ),
    *(
      {"step": n, "epoch": n * epochs, "split": "eval", "eval_accuracy": value}
      for n, value in enumerate(accuracies, 1)
    ),
  ]


@pytest.fixture
def draw(monkeypatch):
  """Function: curves -> the figure's panels, and its legend's texts."""
  found = []
  png = figures.png
  monkeypatch.setattr(
    figures, "png", lambda figure: found.append(figure) or png(figure)
  )

  def draw(curves):
    assert study_figures.learning_curves(curves, METRICS).startswith(b"\x89PNG")
    (figure,) = found
    (legend,) = figure.legends
    return figure.axes, [text.get_text() for text in legend.get_texts()]

  return draw


def lines_of(axes):
  return [list(map(tuple, line.get_xydata())) for line in axes.get_lines()]


class TestLearningCurves:
  CURVES = (
    ("room", "head", history([3.0, 2.0], [0.5, 0.75])),
    ("room", "head", history([4.0], [0.25])),
    ("room", "all", history([1.0], [0.5])),
    ("food", "all", history([5.0], [float("nan")])),
  )

  def test_a_panel_for_each_set_and_metric_and_a_line_for_each_run(self, draw):
    (room_loss, food_loss, room, food), names = draw(self.CURVES)
    assert [axes.get_title() for axes in (room_loss, food_loss)] == ["room", "food"]
    assert (room_loss.get_ylabel(), room.get_ylabel()) == ("training loss", "accuracy")
    assert lines_of(room_loss) == [[(1, 3), (2, 2)], [(1, 4)], [(1, 1)]]
    assert lines_of(room) == [[(1, 0.5), (2, 0.75)], [(1, 0.25)], [(1, 0.5)]]
    assert lines_of(food_loss) == [[(1, 5)]]
    assert lines_of(food) == [[]]  # what is no number is not drawn
    assert names == ["head", "all"]

  def test_runs_of_one_name_have_one_colour_in_all_panels(self, draw):
    (room_loss, food_loss, *_), _ = draw(self.CURVES)
    head, same, other = (line.get_color() for line in room_loss.get_lines())
    assert head == same != other
    assert food_loss.get_lines()[0].get_color() == other

  def test_more_names_than_colours_differ_in_their_lines(self, draw):
    names = [f"mode {number}" for number in range(23)]
    axes, shown = draw([("room", name, history([1.0, 2.0])) for name in names])
    looks = {(line.get_color(), line.get_linestyle()) for line in axes[0].get_lines()}
    assert len(looks) == 23
    assert shown == names

  def test_without_evaluations_there_are_losses_alone(self, draw):
    (axes,), _ = draw([("room", "head", history([3.0]))])
    assert axes.get_ylabel() == "training loss"
    assert axes.get_xscale() == "linear"

  def test_trainings_of_unlike_lengths_share_a_logarithmic_axis(self, draw):
    long = history([1.0, 0.5], epochs=10.0)
    axes, _ = draw([("room", "head", long), ("room", "all", history([3.0]))])
    assert axes[0].get_xscale() == "log"

  def test_names_without_a_font_are_numbered(self, draw, monkeypatch):
    monkeypatch.setattr(figures, "font_for", lambda text: None)
    axes, names = draw([("部屋", "全部", history([3.0]))])
    assert (axes[0].get_title(), names) == ("set 1", ["row 1"])

  def test_nothing_to_draw(self):
    assert study_figures.learning_curves([], METRICS) is None
    assert study_figures.learning_curves([("a", "b", [])], METRICS) is None

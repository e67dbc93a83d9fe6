"""Pictures: what is drawn is read from the figure's own objects."""

import io

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from bert_ja import figures


@pytest.fixture
def drawn(monkeypatch):
  """The figures that were written, as objects."""
  found = []
  png = figures.png

  def keep(figure):
    found.append(figure)
    return png(figure)

  monkeypatch.setattr(figures, "png", keep)
  return found


class TestBarChart:
  VALUES = np.array([[50.126, 61.0], [np.nan, 60.0], [1.0, 2.0]])

  def test_it_is_a_picture_that_can_be_read(self):
    from matplotlib import image

    data = figures.bar_chart(self.VALUES, ["a", "b", "c"], ["EM", "F1"])
    assert image.imread(io.BytesIO(data)).ndim == 3

  def test_bars_have_the_heights_and_texts_of_the_values(self, drawn):
    figures.bar_chart(self.VALUES, ["a", "b", "c"], ["EM", "F1"], digits=1)
    (axes,) = drawn[0].axes
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    np.testing.assert_array_equal(np.transpose(heights), self.VALUES)
    assert [text.get_text() for text in axes.texts] == [
      *("50.1", "", "1.0"),
      *("61.0", "60.0", "2.0"),
    ]

  def test_groups_do_not_touch(self, drawn):
    figures.bar_chart(np.ones([3, 4]), ["a", "b", "c"], ["w", "x", "y", "z"])
    (axes,) = drawn[0].axes
    bars = sorted(
      (bar.get_x(), bar.get_x() + bar.get_width(), group)
      for bars in axes.containers
      for group, bar in enumerate(bars)
    )
    assert [group for *_, group in bars] == sorted(list(range(3)) * 4)
    for (_, end, group), (start, _, after) in zip(bars, bars[1:], strict=False):
      assert start - end == pytest.approx(0.0 if group == after else 0.2)

  def test_names_and_series_are_written(self, drawn):
    figures.bar_chart(self.VALUES, ["a", "b", "c"], ["EM", "F1"])
    (axes,) = drawn[0].axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["EM", "F1"]

  @pytest.mark.parametrize(
    ("names", "series"),
    [
      (["a model of quite a long name, for once", "b"], ["EM", "F1"]),
      (["a", "b"], [f"Dev of a long metric, {number}" for number in range(6)]),
    ],
  )
  def test_nothing_is_cut_off_or_crowds_out_the_bars(self, drawn, names, series):
    figures.bar_chart(np.ones([2, len(series)]), names, series)
    (figure,) = drawn
    (axes,) = figure.axes
    figure.draw_without_rendering()  # at the resolution that boxes are counted in
    whole = figure.bbox
    for part in (*axes.get_xticklabels(), *figure.legends[0].get_texts()):
      box = part.get_window_extent()
      assert whole.x0 <= box.x0 and box.x1 <= whole.x1
      assert whole.y0 <= box.y0 and box.y1 <= whole.y1
    assert axes.get_window_extent().height > 1.5 * figure.dpi

  def test_names_that_no_font_draws_become_row_numbers(self, drawn, monkeypatch):
    monkeypatch.setattr(figures, "font_for", lambda text: None)
    figures.bar_chart(self.VALUES, ["東北", "京都", "c"], ["EM", "F1"])
    (axes,) = drawn[0].axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3"]
    assert axes.get_xlabel() == "rows of the table"

  def test_series_have_a_font_that_can_draw_them(self, drawn, monkeypatch):
    families = {True: "DejaVu Sans Mono", False: "DejaVu Serif"}
    monkeypatch.setattr(
      figures,
      "font_for",
      lambda text: font_manager.FontProperties(family=families[text.isascii()]),
    )
    figures.bar_chart(self.VALUES, ["a", "b", "c"], ["Küche", "EM"])
    (axes,), (legend,) = drawn[0].axes, drawn[0].legends
    assert {text.get_fontname() for text in legend.get_texts()} == {"DejaVu Serif"}
    labels = axes.get_xticklabels()
    assert {label.get_fontname() for label in labels} == {"DejaVu Sans Mono"}

  def test_series_that_no_font_draws_become_numbers(self, drawn, monkeypatch):
    monkeypatch.setattr(
      figures,
      "font_for",
      lambda text: font_manager.FontProperties() if text.isascii() else None,
    )
    figures.bar_chart(self.VALUES, ["a", "b", "c"], ["部屋", "食事"])
    (axes,), (legend,) = drawn[0].axes, drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["1", "2"]
    assert legend.get_title().get_text() == "columns of the table"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]

  @pytest.mark.parametrize("value", [np.nan, np.inf])
  def test_without_a_number_there_is_no_picture(self, value):
    assert figures.bar_chart(np.full([2, 1], value), ["a", "b"], ["EM"]) is None

  def test_an_infinite_value_is_left_out(self, drawn):
    values = np.array([[np.inf], [3.0]])
    figures.bar_chart(values, ["a", "b"], ["EM"])
    assert isinstance(drawn[0], Figure)
    (axes,) = drawn[0].axes
    assert np.isnan(axes.containers[0][0].get_height())

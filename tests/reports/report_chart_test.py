"""Line charts: round ticks, points where they belong, what is left out."""

import math
from xml.etree import ElementTree

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from bert_ja.reports import report_chart, report_files


def parse(*lines):
  return ElementTree.fromstring(report_chart.line_chart(lines))


def points(line):
  """[N, 2] of a `<g>` with a polyline."""
  cells = [pair.split(",") for pair in line.find("polyline").get("points").split()]
  return np.array(cells, float)


def line(values, label="dev"):
  return report_files.Line(label, [10 * n for n in range(len(values))], values)


@hypothesis.given(
  strategies.floats(-1e6, 1e6),
  strategies.floats(1e-9, 1e6),
)
def test_ticks_are_few_even_and_around_the_values(low, span):
  high = low + span
  hypothesis.assume(high - low > 1e-9 * max(abs(low), abs(high), 1e-9))
  ticks = report_chart.ticks(low, high)
  assert 2 <= len(ticks) <= 7
  width = ticks[1] - ticks[0]
  np.testing.assert_allclose(np.diff(ticks), width, rtol=1e-3)
  assert ticks[0] <= low + 1e-6 * width and high - 1e-6 * width <= ticks[-1]


@pytest.mark.parametrize(
  ("low", "high", "expected"),
  [(0, 100, [0, 20, 40, 60, 80, 100]), (0.31, 0.72, [0.3, 0.4, 0.5, 0.6, 0.7, 0.8])],
)
def test_ticks_are_round(low, high, expected):
  np.testing.assert_allclose(report_chart.ticks(low, high), expected)


@pytest.mark.parametrize(
  ("low", "high", "expected"),
  [
    (0, 1e5, ["0", "20,000", "40,000", "60,000", "80,000", "100,000"]),
    (0.31, 0.72, ["0.3", "0.4", "0.5", "0.6", "0.7", "0.8"]),
    (0.9512, 0.9521, ["0.9512", "0.9514", "0.9516", "0.9518", "0.9520", "0.9522"]),
    (0, 5e-5, ["0.00000", "0.00001", "0.00002", "0.00003", "0.00004", "0.00005"]),
    (0, 2e-6, ["0.0e+00", "5.0e-07", "1.0e-06", "1.5e-06", "2.0e-06"]),
    (0, 4e7, ["0e+00", "1e+07", "2e+07", "3e+07", "4e+07"]),
    (-1, 1, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
  ],
)
def test_ticks_have_the_digits_that_tell_them_apart(low, high, expected):
  assert report_chart.tick_texts(report_chart.ticks(low, high)) == expected


def texts_below(svg):
  return [t for t in svg.iter("text") if not t.get("dy")]


@pytest.mark.parametrize("last", [3, 343, 20_000, 1_000_000, 123_456_789])
def test_steps_are_whole_numbers_that_do_not_touch(last):
  steps = np.linspace(1, last, 3).astype(int).tolist()
  svg = parse(report_files.Line("dev", steps, [1.0, 3.0, 2.0]))
  found = texts_below(svg)
  assert len(found) > 1
  numbers = [int(text.text.replace(",", "")) for text in found]
  assert f"{numbers[-1]:,}" == found[-1].text
  assert numbers[0] <= 1 and numbers[-1] >= last
  assert len(set(np.diff(numbers))) == 1
  places = [float(text.get("x")) for text in found]
  # A digit is about 7 units wide.
  assert min(np.diff(places)) > 7 * max(len(text.text) for text in found)
  assert places[-1] + 7 * len(found[-1].text) / 2 < float(svg.get("viewBox").split()[2])


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_one_value_has_ticks_too(value):
  ticks = report_chart.ticks(value, value)
  assert ticks[0] <= value <= ticks[-1] and len(ticks) > 1


def test_higher_values_are_higher_up_and_later_steps_to_the_right():
  found = points(parse(line([0.2, 0.9, 0.4])).find("g"))
  assert np.argsort(-found[:, 1]).tolist() == [0, 2, 1]
  np.testing.assert_allclose(np.diff(found[:, 0]), np.diff(found[:, 0])[0], atol=0.2)


def test_values_stand_between_the_labels_of_the_axis():
  svg = parse(line([0.25, 0.5]))
  places = {float(t.text): float(t.get("y")) for t in svg.iter("text") if t.get("dy")}
  (_, low), (_, high) = points(svg.find("g"))
  expected = np.interp([0.25, 0.5], sorted(places), [places[v] for v in sorted(places)])
  np.testing.assert_allclose([low, high], expected, atol=0.2)


def test_what_is_not_finite_is_left_out():
  found = points(parse(line([1.0, math.nan, 2.0, math.inf])).find("g"))
  assert len(found) == 2


@pytest.mark.parametrize("values", [[], [1.0], [math.nan, math.nan, 1.0]])
def test_less_than_two_points_are_no_curve(values):
  assert report_chart.line_chart([line(values)]) == ""


def test_thousands_of_points_become_hundreds_from_the_first_to_the_last():
  found = points(parse(line(np.arange(5000.0).tolist())).find("g"))
  assert 100 < len(found) < 1000
  first, last = found[0], found[-1]
  assert first[0] == found[:, 0].min() and last[0] == found[:, 0].max()


def test_names_are_escaped():
  svg = parse(line([1.0, 2.0], '<b>"&'))
  assert svg.get("aria-label").startswith('<b>"&')

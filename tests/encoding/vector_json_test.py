"""Vectors as JSON: the bytes that json.dumps writes of Python's rounded numbers."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bert_ja.encoding import vector_json

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=6)


def plain(values, separator=", "):
  return [
    json.dumps([round(float(x), 6) for x in vector], separators=(separator, ": "))[
      1:-1
    ].encode()
    for vector in values
  ]


class TestTexts:
  @given(arrays.arrays(np.float32, SHAPES, elements=st.floats(width=32)))
  def test_any_number(self, values):
    assert vector_json.texts(values) == plain(values)

  @given(
    arrays.arrays(np.float32, SHAPES, elements=st.floats(-(2**-10), 2**-10, width=32)),
    st.sampled_from([", ", ",", "\t"]),
  )
  def test_small_numbers_and_other_separators(self, values, separator):
    found = vector_json.texts(values, separator.encode())
    assert found == plain(values, separator)

  @pytest.mark.parametrize("scale", [1e-5, 1e-2, 1.0, 30.0, 400.0])
  def test_many_numbers(self, scale):
    draw = np.random.default_rng(3)
    values = draw.normal(0, scale, [70, 300]).astype(np.float32)
    values[0, :6] = 0, -0.0, 1, -1, 0.5, 1e-6
    assert vector_json.texts(values) == plain(values)

  def test_every_tiny_number(self):
    values = (np.arange(-120, 120, dtype=np.float32) / 1e6)[:, np.newaxis]
    assert vector_json.texts(values) == plain(values)

  @pytest.mark.parametrize("value", [999.99994, 1000.0, 1e9, 3e38, np.nan, -np.inf])
  def test_large_numbers_and_what_is_none(self, value):
    values = np.array([[0.25, value]], np.float32)
    assert vector_json.texts(values) == plain(values)

  def test_halves_go_to_the_even_side(self):
    # These are halves of a millionth exactly.
    values = np.array([[x / 2**7 for x in range(-300, 300)]], np.float32)
    assert vector_json.texts(values) == plain(values)

  def test_no_vector(self):
    assert vector_json.texts(np.zeros([0, 4], np.float32)) == []
    assert vector_json.texts(np.zeros([2, 0], np.float32)) == [b"", b""]


class TestLines:
  def test_of_pieces(self):
    vectors = vector_json.texts(np.arange(8, dtype=np.float32).reshape(4, 2))
    line = vector_json.line_of_pieces(7, ["[CLS]", '店"'], [-1, 0], vectors)
    expected = {
      "linex_index": 7,
      "features": [
        {
          "token": "[CLS]",
          "layers": [
            {"index": -1, "values": [0.0, 1.0]},
            {"index": 0, "values": [2.0, 3.0]},
          ],
        },
        {
          "token": '店"',
          "layers": [
            {"index": -1, "values": [4.0, 5.0]},
            {"index": 0, "values": [6.0, 7.0]},
          ],
        },
      ],
    }
    assert line == (json.dumps(expected) + "\n").encode()

  def test_of_a_text(self):
    [vector] = vector_json.texts(np.array([[0.5, -2]], np.float32))
    expected = {"linex_index": 3, "values": [0.5, -2.0]}
    assert vector_json.line_of_text(3, vector) == (json.dumps(expected) + "\n").encode()

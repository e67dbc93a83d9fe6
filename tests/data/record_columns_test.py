"""Records from arrays: the bytes of the same records made one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_ja.data import record_columns, records

LIMITS = [1, 2, 127, 128, 129, 16383, 16384, 1 << 21, (1 << 31) - 1, 1 << 40]


def encode(columns):
  return list(record_columns.encode_columns(columns))


class TestEncodeColumns:
  @given(
    st.integers(0, 5),
    st.dictionaries(
      st.text(max_size=5),
      st.tuples(st.sampled_from(LIMITS), st.sampled_from([0, 1, 3, 130])),
      max_size=4,
    ),
    st.integers(0, 1 << 32),
  )
  @settings(deadline=None)
  def test_the_bytes_of_records_made_one_by_one(self, count, kinds, seed):
    draw = np.random.default_rng(seed)  # in one call: Hypothesis takes one a number
    columns = {}
    for name, (limit, width) in kinds.items():
      numbers = draw.integers(0, limit, [count, width], endpoint=True)
      edges = draw.choice([0, limit], [count, width])
      columns[name] = np.where(draw.random([count, width]) < 0.5, numbers, edges)
    if columns:
      expected = [
        records.encode_example({name: c[i] for name, c in columns.items()})
        for i in range(count)
      ]
      assert encode(columns) == expected

  def test_tensorflow_reads_them(self):
    import tensorflow as tf

    [row] = encode({"a": np.array([[5, 300]]), "b": np.array([True])})
    features = tf.train.Example.FromString(row).features.feature
    found = {name: list(features[name].int64_list.value) for name in features}
    assert found == {"a": [5, 300], "b": [1]}

  @pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8, np.uint32, bool])
  def test_all_kinds_of_integers(self, kind):
    largest = 1 if kind is bool else np.iinfo(kind).max
    values = np.array([[0, 1, largest]]).astype(kind)
    assert encode({"a": values}) == [records.encode_example({"a": values[0]})]

  def test_one_number_a_record(self):
    found = encode({"a": np.array([7, 1_000_000_001])})
    assert found == [records.encode_example({"a": [n]}) for n in (7, 1_000_000_001)]

  @pytest.mark.parametrize("values", [np.array([[-1]]), np.array([0.5])])
  def test_other_numbers_are_named(self, values):
    message = "feature 'a': expected integers from 0 on"
    with pytest.raises(ValueError, match=message):
      encode({"a": values})

"""Records: the encoder against protobuf's own, files written whole, errors by name."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_ja.data import records

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
FLOAT32 = st.floats(width=32, allow_nan=False)
SPEC = {
  "input_ids": records.Feature((4,), flag="max_seq_length"),
  "weights": records.Feature((2, 3), "float32"),
  "label": records.Feature(()),
}


def row(number, length=4):
  return {
    "input_ids": [number + i for i in range(length)],
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3) / 2 + number,
    "label": [-number],
  }


def parse(serialized):
  """{name: list of numbers} as protobuf reads it."""
  features = tf.train.Example.FromString(serialized).features.feature
  return {
    name: list(getattr(feature, feature.WhichOneof("kind")).value)
    for name, feature in features.items()
  }


def write(folder, rows, name="a.tf_record"):
  path = str(folder / name)
  records.write_records(path, map(records.encode_example, rows))
  return path


class TestEncodeExample:
  @settings(max_examples=100, deadline=None)
  @given(st.dictionaries(st.text(), st.lists(INT64) | st.lists(FLOAT32, min_size=1)))
  def test_protobuf_reads_what_was_encoded(self, values):
    assert parse(records.encode_example(values)) == values

  @settings(max_examples=50, deadline=None)
  @given(st.lists(INT64), st.lists(FLOAT32, min_size=1))
  def test_protobuf_itself_writes_the_same_feature_bytes(self, ints, floats):
    for name, values in (("ints", ints), ("floats", floats)):
      example = tf.train.Example()
      if name == "ints":
        example.features.feature[name].int64_list.value.extend(values)
        # An untouched list has no field at all: touch it, as the original's writer does.
        example.features.feature[name].int64_list.SetInParent()
      else:
        example.features.feature[name].float_list.value.extend(values)
      if values:
        assert records.encode_example({name: values}) == example.SerializeToString()

  @pytest.mark.parametrize("dtype", [np.int32, np.int64, np.bool_, np.uint8])
  def test_integer_arrays_are_int64_lists(self, dtype):
    values = np.array([[1, 0], [1, 1]], dtype)
    assert parse(records.encode_example({"a": values})) == {"a": [1, 0, 1, 1]}

  @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
  def test_float_arrays_and_scalars_are_float_lists(self, dtype):
    values = np.array([0.5, -2], dtype)
    assert parse(records.encode_example({"a": values})) == {"a": [0.5, -2.0]}
    assert parse(records.encode_example({"a": [1, values[0]]})) == {"a": [1.0, 0.5]}

  def test_booleans_are_integers(self):
    serialized = records.encode_example({"a": [True, False], "b": [np.bool_(True)]})
    assert parse(serialized) == {"a": [1, 0], "b": [1]}

  def test_text_is_no_number(self):
    with pytest.raises(ValueError, match="'a': expected integers or floats, found str"):
      records.encode_example({"a": ["1"]})

  def test_an_integer_beyond_64_bits_is_an_error(self):
    with pytest.raises(ValueError, match="9223372036854775808 does not fit in 64 bits"):
      records.encode_example({"a": [1 << 63]})

  def test_encoding_does_not_load_tensorflow(self):
    code = (
      "import sys; from bert_ja.data import records;"
      "records.encode_example({'a': [1]}); sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestFeature:
  def test_length_is_the_product_of_the_shape(self):
    assert [records.Feature(shape).length for shape in ((), (5,), (2, 3))] == [1, 5, 6]

  def test_another_dtype_is_an_error(self):
    with pytest.raises(ValueError, match="must be 'int64' or 'float32', found 'int8'"):
      records.Feature((1,), "int8")


class TestWriteRecords:
  def test_returns_the_number_of_records(self, tmp_path):
    assert records.write_records(str(tmp_path / "a"), [b"x", b"yz"]) == 2
    found = [r.numpy() for r in tf.data.TFRecordDataset(str(tmp_path / "a"))]
    assert found == [b"x", b"yz"]

  def test_the_file_is_tensorflows_of_records_of_any_length(self, tmp_path):
    rows = [bytes(range(size % 256)) for size in range(600)]
    with tf.io.TFRecordWriter(str(tmp_path / "a")) as writer:
      for data in rows:
        writer.write(data)
    assert records.write_records(str(tmp_path / "b"), iter(rows)) == 600
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()

  def test_a_failure_leaves_the_old_file_and_nothing_else(self, tmp_path):
    path = write(tmp_path, [row(1)])
    before = (tmp_path / "a.tf_record").read_bytes()

    def failing():
      yield b"x"
      raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
      records.write_records(path, failing())
    assert (tmp_path / "a.tf_record").read_bytes() == before
    assert os.listdir(tmp_path) == ["a.tf_record"]


class TestReadRecords:
  def test_rows_come_back_in_order_and_shape(self, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "_READ_BATCH", 2)
    rows = [row(number) for number in range(5)]
    found = records.read_records(write(tmp_path, rows), SPEC)
    assert found["input_ids"].dtype == np.int32
    assert found["weights"].dtype == np.float32
    np.testing.assert_array_equal(found["input_ids"], [r["input_ids"] for r in rows])
    np.testing.assert_array_equal(found["weights"], [r["weights"] for r in rows])
    np.testing.assert_array_equal(found["label"], [0, -1, -2, -3, -4])

  def test_features_outside_the_spec_are_left_alone(self, tmp_path):
    path = write(tmp_path, [{**row(1), "more": [1, 2]}])
    assert list(records.read_records(path, SPEC)) == list(SPEC)

  def test_a_file_without_records_gives_empty_arrays(self, tmp_path):
    found = records.read_records(write(tmp_path, []), SPEC)
    shapes = {name: values.shape for name, values in found.items()}
    assert shapes == {"input_ids": (0, 4), "weights": (0, 2, 3), "label": (0,)}

  def test_a_missing_file_is_not_found(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="none.tf_record does not exist"):
      records.read_records(str(tmp_path / "none.tf_record"), SPEC)

  def test_a_missing_feature_is_named(self, tmp_path):
    bad = row(2)
    del bad["label"]
    path = write(tmp_path, [row(1), bad])
    message = (
      r"a.tf_record, record 2: feature 'label' is missing "
      r"\(the record holds: input_ids, weights\)"
    )
    with pytest.raises(ValueError, match=message):
      records.read_records(path, SPEC)

  def test_another_length_is_named_with_the_features_flag(self, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "_READ_BATCH", 2)
    path = write(tmp_path, [row(1), row(2), row(3), row(4, length=7)])
    message = (
      r"a.tf_record, record 4: feature 'input_ids' has 7 values, expected 4; "
      r".*another --max_seq_length\?"
    )
    with pytest.raises(ValueError, match=message):
      records.read_records(path, SPEC)

  def test_a_length_that_no_flag_says_blames_none(self, tmp_path):
    path = write(tmp_path, [{**row(1), "weights": [0.5]}])
    told = "record 1: feature 'weights' has 1 values, expected 6$"
    with pytest.raises(ValueError, match=told):
      records.read_records(path, SPEC)

  def test_another_type_is_named(self, tmp_path):
    path = write(tmp_path, [{**row(1), "label": [0.5]}])
    message = "record 1: feature 'label' holds float32, expected int64"
    with pytest.raises(ValueError, match=message):
      records.read_records(path, SPEC)

  def test_a_record_that_is_no_example_is_named(self, tmp_path):
    path = str(tmp_path / "a.tf_record")
    records.write_records(path, [b"\xff\xff"])
    with pytest.raises(ValueError, match="record 1: expected a tf.train.Example"):
      records.read_records(path, SPEC)

  @pytest.mark.parametrize("kept", [5, 60, -1, "head of the second"])
  def test_a_truncated_file_is_an_error(self, tmp_path, kept):
    path = write(tmp_path, [row(1), row(2)])
    data = (tmp_path / "a.tf_record").read_bytes()
    kept = len(data) // 2 + 5 if isinstance(kept, str) else kept
    (tmp_path / "a.tf_record").write_bytes(data[:kept])
    with pytest.raises(ValueError, match="a.tf_record is damaged or cut short"):
      records.read_records(path, SPEC)

  def test_a_text_file_is_an_error(self, tmp_path):
    (tmp_path / "a.txt").write_text("not a record file\n" * 3)
    with pytest.raises(ValueError, match="a.txt is damaged or cut short"):
      records.read_records(str(tmp_path / "a.txt"), SPEC)

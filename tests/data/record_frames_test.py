"""TFRecord's container: against TensorFlow's own writer and published checksums."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_ja.data import record_frames


def by_tensorflow(path, records):
  import tensorflow as tf

  with tf.io.TFRecordWriter(str(path)) as writer:
    for record in records:
      writer.write(record)
  return path.read_bytes()


class TestChecksums:
  @pytest.mark.parametrize(
    "data, expected",
    [
      (b"123456789", 0xE3069283),
      (b"", 0),
      (b"a", 0xC1D04330),
      (b"\0" * 32, 0x8A9136AA),
      (b"\xff" * 32, 0x62A8AB43),
      (bytes(range(32)), 0x46DD794E),
    ],
  )
  def test_published_values(self, data, expected):
    assert record_frames.checksums([data]).tolist() == [expected]

  @given(st.lists(st.binary(max_size=40), min_size=1, max_size=9))
  def test_a_batch_is_its_records(self, records):
    found = record_frames.checksums(records).tolist()
    assert found == [record_frames.checksums([r]).tolist()[0] for r in records]


class TestFrame:
  def test_equals_tensorflows_writer(self, tmp_path):
    draw = random.Random(1)
    # Around the length that is looked up at once, its multiples, and a varied batch.
    lengths = [
      0,
      1,
      2,
      3,
      4,
      5,
      4092,
      4095,
      4096,
      4097,
      4099,
      4100,
      8191,
      8192,
      8193,
      20_000,
    ]
    for sizes in ([length] for length in lengths):
      records = [draw.randbytes(size) for size in sizes]
      assert record_frames.frame(records) == by_tensorflow(tmp_path / "a", records)
    records = [draw.randbytes(draw.choice([0, 2, 7, 300, 5000])) for _ in range(50)]
    assert record_frames.frame(records) == by_tensorflow(tmp_path / "a", records)

  def test_nothing(self):
    assert record_frames.frame([]) == b""

"""Streams of records: order, places, shares of devices."""

import gzip
import shutil

import numpy as np
import pytest
import tensorflow as tf

from bert_ja.data import record_index, record_stream, records
from tests.data.numbered_records import SPEC, write


@pytest.fixture(autouse=True)
def small(monkeypatch):
  """Stretches of 4 records, windows of 32 (or 30, of 3 lanes)."""
  monkeypatch.setattr(record_index, "_STRETCH", 4)
  monkeypatch.setattr(record_stream, "_WINDOW", 32)


def numbers_of(serialized):
  parsed = tf.io.parse_example(serialized, records.parse_spec(SPEC))
  return parsed["number"].numpy()[:, 0].tolist()


class TestRecordReader:
  @pytest.fixture(params=[(), (0, 2)], ids=["plain", "gzip"])
  def files(self, request, tmp_path):
    paths = write(tmp_path, [37, 2, 61, 0, 21], compressed=request.param)
    return record_index.index_files(paths)

  def test_an_epoch_has_each_record_once(self, files):
    serialized, row_ids, epochs = record_stream.RecordReader(files, 5).read(0, 121)
    assert sorted(row_ids) == list(range(121))
    assert numbers_of(serialized) == row_ids.tolist()
    assert not epochs.any()

  def test_epochs_differ_and_seeds_differ(self, files):
    _, row_ids, epochs = record_stream.RecordReader(files, 5).read(0, 363)
    _, others, _ = record_stream.RecordReader(files, 6).read(0, 121)
    assert epochs.tolist() == [0] * 121 + [1] * 121 + [2] * 121
    first, second, third = row_ids.reshape(3, 121)
    assert sorted(second) == sorted(third) == list(range(121))
    assert (first != second).mean() > 0.8
    assert (second != third).mean() > 0.8
    assert (first != others).mean() > 0.8

  def test_any_place_is_a_part_of_the_whole(self, files):
    _, whole, _ = record_stream.RecordReader(files, 5).read(0, 363)
    for start in range(0, 340, 7):
      reader = record_stream.RecordReader(files, 5)
      serialized, row_ids, _ = reader.read(start, 13)
      np.testing.assert_array_equal(row_ids, whole[start : start + 13])
      assert numbers_of(serialized) == row_ids.tolist()

  def test_one_reader_may_go_back(self, files):
    reader = record_stream.RecordReader(files, 5)
    first = reader.read(0, 100)[0]
    assert reader.read(0, 100)[0] == first

  def test_records_of_all_files_are_mixed(self, files):
    """A window takes some of each lane: no file comes at one go."""
    _, row_ids, _ = record_stream.RecordReader(files, 5).read(0, 121)
    places = np.flatnonzero((row_ids >= 39) & (row_ids < 100))  # of the third file
    assert places[0] < 24
    assert places[-1] > 96

  def test_neighbours_are_parted(self, tmp_path):
    files = record_index.index_files(write(tmp_path, [2000]))
    _, row_ids, _ = record_stream.RecordReader(files, 5).read(0, 2000)
    assert (np.abs(np.diff(row_ids)) == 1).mean() < 0.1
    # What comes first is from everywhere, not from the file's beginning.
    assert np.histogram(row_ids[:200], 5, [0, 2000])[0].min() > 10

  def test_without_seed_the_order_is_that_of_the_files(self, files):
    _, row_ids, _ = record_stream.RecordReader(files).read(0, 250)
    np.testing.assert_array_equal(row_ids, np.arange(250) % 121)

  def test_order_does_not_depend_on_the_pieces_read(self, files):
    _, whole, _ = record_stream.RecordReader(files, 5).read(0, 130)
    reader = record_stream.RecordReader(files, 5)
    parts = [reader.read(start, 10)[1] for start in range(0, 130, 10)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)

  def test_gzip_is_read_once_when_lanes_go_on(self, tmp_path, monkeypatch):
    files = record_index.index_files(write(tmp_path, [300], compressed=[0]))
    opened = []
    opener = record_index.open_records
    monkeypatch.setattr(
      record_index, "open_records", lambda path: opened.append(path) or opener(path)
    )
    reader = record_stream.RecordReader(files, 5)
    for start in range(0, 300, 20):
      reader.read(start, 20)
    assert len(opened) == 1

  def test_gzip_and_plain_files_of_one_stretch_have_one_order(self, tmp_path):
    """The container is no part of the order where both are read from the start."""
    paths = write(tmp_path, [4] * 9)
    orders = [record_stream.RecordReader(record_index.index_files(paths), 1)]
    for path in paths:
      with open(path, "rb") as plain, gzip.open(f"{path}.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    packed = [f"{path}.gz" for path in paths]
    orders.append(record_stream.RecordReader(record_index.index_files(packed), 1))
    np.testing.assert_array_equal(*(reader.read(0, 36)[1] for reader in orders))


class TestStreamInputFn:
  def batches(self, files, context=None, **params):
    input_fn = record_stream.stream_input_fn_builder(files, SPEC, True)
    values = {"seed": 3, "max_steps": 30, **params}
    dataset = input_fn({**values, "input_context": context})
    return [{k: v.numpy() for k, v in batch.items()} for batch in dataset]

  @pytest.fixture
  def files(self, tmp_path):
    return record_index.index_files(write(tmp_path, [37, 61, 21]))

  def test_batches_have_features_row_ids_and_fixed_shapes(self, files):
    input_fn = record_stream.stream_input_fn_builder(files, SPEC, True)
    assert input_fn.num_rows == 119
    dataset = input_fn({"batch_size": 8, "seed": 3, "max_steps": 4})
    spec = {k: (v.shape.as_list(), v.dtype) for k, v in dataset.element_spec.items()}
    assert spec == {
      "number": ([8, 1], tf.int32),
      "weights": ([8, 2], tf.float32),
      "row_ids": ([8], tf.int64),
    }
    batches = list(dataset)
    assert len(batches) == 4
    for batch in batches:
      np.testing.assert_array_equal(batch["number"][:, 0], batch["row_ids"])
      np.testing.assert_array_equal(batch["weights"][:, 0], batch["row_ids"] / 2)

  def test_a_later_start_continues_the_same_batches(self, files):
    whole = self.batches(files, batch_size=8)
    rest = self.batches(files, batch_size=8, start_step=19)
    assert len(whole) == 30
    assert len(rest) == 11
    for batch, again in zip(whole[19:], rest, strict=True):
      np.testing.assert_array_equal(batch["row_ids"], again["row_ids"])

  @pytest.mark.parametrize(("workers", "replicas"), [(1, 2), (2, 2), (2, 4)])
  def test_shares_of_workers_make_up_the_batch_of_one(self, files, workers, replicas):
    whole = self.batches(files, batch_size=8)
    parts = [
      self.batches(
        files,
        tf.distribute.InputContext(workers, worker, replicas),
        batch_size=8 // replicas,
      )
      for worker in range(workers)
    ]
    local = replicas // workers
    for step, batch in enumerate(whole):
      shares = [
        share["row_ids"]
        for part in parts
        for share in part[step * local : (step + 1) * local]
      ]
      np.testing.assert_array_equal(np.concatenate(shares), batch["row_ids"])

  def test_transform_sees_the_whole_batch_with_rows_and_epochs(self, files):
    seen = []

    def transform(features, row_ids, epochs):
      total = tf.repeat(tf.reduce_sum(features["number"]), tf.shape(row_ids))
      return {"total": total, "epochs": epochs}

    input_fn = record_stream.stream_input_fn_builder(
      files, SPEC, True, transform=transform
    )
    context = tf.distribute.InputContext(2, 1, 2)
    params = {"batch_size": 60, "seed": 3, "max_steps": 2, "input_context": context}
    seen = [{k: v.numpy() for k, v in batch.items()} for batch in input_fn(params)]
    whole = self.batches(files, batch_size=120, max_steps=2)
    for share, batch in zip(seen, whole, strict=True):
      assert set(share["total"]) == {batch["number"].sum()}
      np.testing.assert_array_equal(share["row_ids"], batch["row_ids"][60:])
    assert seen[0]["epochs"].tolist() == [0] * 59 + [1]

  def test_evaluation_goes_through_the_files_again_and_again(self, files):
    """Exactly as many batches as were asked for; ids count what was evaluated."""
    input_fn = record_stream.stream_input_fn_builder(files, SPEC, False, num_batches=17)
    batches = list(input_fn({"batch_size": 10, "seed": 3}))
    numbers = np.concatenate([batch["number"][:, 0] for batch in batches])
    ids = np.concatenate([batch["row_ids"] for batch in batches])
    np.testing.assert_array_equal(numbers, np.arange(170) % 119)
    np.testing.assert_array_equal(ids, np.arange(170))

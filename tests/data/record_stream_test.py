"""Streams of records: order, places, shares, files that are not as they should be."""

import gzip
import itertools
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from bert_ja.data import record_stream, records

SPEC = {"number": records.Feature((1,)), "weights": records.Feature((2,), "float32")}


@pytest.fixture(autouse=True)
def small(monkeypatch):
  """Stretches of 4 records, windows of 32 (or 30, of 3 lanes)."""
  monkeypatch.setattr(record_stream, "_STRETCH", 4)
  monkeypatch.setattr(record_stream, "_WINDOW", 32)


def example(number):
  # Records of several lengths, so that no offset is right by chance.
  values = {"number": [number], "weights": [number / 2, 1.5], "unused": [7] * number}
  return records.encode_example(values)


def write(directory, counts, compressed=()):
  """Files of these many records, numbered through."""
  numbers, paths = itertools.count(), []
  for index, count in enumerate(counts):
    path = os.path.join(directory, f"part-{index}")
    options = "GZIP" if index in compressed else None
    with tf.io.TFRecordWriter(path, options) as writer:
      for _ in range(count):
        writer.write(example(next(numbers)))
    paths.append(path)
  return paths


def numbers_of(serialized):
  parsed = tf.io.parse_example(serialized, records.parse_spec(SPEC))
  return parsed["number"].numpy()[:, 0].tolist()


class TestIndexFiles:
  def test_counts_records_and_finds_every_fourth(self, tmp_path):
    (path,) = write(tmp_path, [10])
    (file,) = record_stream.index_files([path])
    sizes = [len(example(number)) + 16 for number in range(10)]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    assert file.count == 10
    assert file.offsets.tolist() == starts[[0, 4, 8, 10]].tolist()
    assert file.stretches == [4, 4, 2]

  def test_a_batch_need_not_end_with_a_stretch(self, tmp_path, monkeypatch):
    (path,) = write(tmp_path, [23])
    (whole,) = record_stream.index_files([path])
    monkeypatch.setattr(record_stream, "_INDEX_BATCH", 5)
    (parts,) = record_stream.index_files([path])
    np.testing.assert_array_equal(parts.offsets, whole.offsets)

  def test_is_kept_and_made_anew_for_another_file(self, tmp_path, monkeypatch):
    (path,) = write(tmp_path, [10])
    index_dir = str(tmp_path / "index")
    (first,) = record_stream.index_files([path], index_dir)
    made = []
    make = record_stream._index
    monkeypatch.setattr(
      record_stream, "_index", lambda path: made.append(path) or make(path)
    )
    (again,) = record_stream.index_files([path], index_dir)
    assert not made
    assert (again.count, again.offsets.tolist()) == (10, first.offsets.tolist())
    write(tmp_path, [11])
    (changed,) = record_stream.index_files([path], index_dir)
    assert made == [path]
    assert changed.count == 11

  def test_tells_progress(self, tmp_path):
    told = []
    record_stream.index_files(
      write(tmp_path, [1, 2]), progress=lambda *numbers: told.append(numbers)
    )
    assert told == [(1, 2), (2, 2)]

  @pytest.mark.parametrize("cut", [1, 30, -7])
  def test_a_cut_file_raises(self, tmp_path, cut):
    (path,) = write(tmp_path, [10])
    os.truncate(path, cut if cut > 0 else os.path.getsize(path) + cut)
    with pytest.raises(ValueError, match=r"part-0 is damaged or cut short"):
      record_stream.index_files([path])

  def test_a_cut_gzip_file_raises(self, tmp_path):
    (path,) = write(tmp_path, [100], compressed=[0])
    os.truncate(path, os.path.getsize(path) // 2)
    with pytest.raises(ValueError, match=r"part-0 is damaged or cut short"):
      record_stream.index_files([path])

  def test_a_changed_byte_raises(self, tmp_path):
    (path,) = write(tmp_path, [10])
    with open(path, "r+b") as file:
      file.seek(-20, os.SEEK_END)
      file.write(b"\xff")
    with pytest.raises(ValueError, match=r"part-0 is damaged"):
      record_stream.index_files([path])

  def test_no_file_and_no_record_raise(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
      record_stream.index_files([str(tmp_path / "nothing")])
    with pytest.raises(ValueError, match="there is no record in .*part-0"):
      record_stream.index_files(write(tmp_path, [0, 0]))


class TestCheckRecords:
  def check(self, paths, **features):
    record_stream.check_records(paths, {**SPEC, **features})

  def test_takes_what_fits_and_files_without_records(self, tmp_path):
    self.check(write(tmp_path, [0, 3, 2], compressed=[2]))

  def test_another_length_names_file_and_flags(self, tmp_path):
    paths = write(tmp_path, [3])
    with pytest.raises(
      ValueError, match=r"part-0: weights has 2 values in its records"
    ) as error:
      self.check(paths, weights=records.Feature((5,), "float32"))
    assert "--max_seq_length and --max_predictions_per_seq" in str(error.value)

  def test_a_missing_feature_is_named(self, tmp_path):
    paths = write(tmp_path, [3])
    with pytest.raises(ValueError, match=r"lack 'more' \(they have: number, unused, w"):
      self.check(paths, more=records.Feature((1,)))

  def test_a_damaged_file_is_left_to_its_index(self, tmp_path):
    paths = write(tmp_path, [100, 100, 0], compressed=[0])
    for path in paths[:2]:
      os.truncate(path, 25)
    with open(paths[2], "wb") as file:
      file.write(b"a text, not records")
    self.check(paths[:1] + paths[2:])
    for path in paths:
      with pytest.raises(ValueError, match="is damaged or cut short"):
        record_stream.index_files([path])

  def test_a_missing_file_raises(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
      self.check([str(tmp_path / "nothing")])

  def test_other_bytes_are_no_examples(self, tmp_path):
    path = str(tmp_path / "other")
    with tf.io.TFRecordWriter(path) as writer:
      writer.write(b"\xff\xff\xff")
    with pytest.raises(ValueError, match="holds no tf.train.Example"):
      self.check([path])


class TestRecordReader:
  @pytest.fixture(params=[(), (0, 2)], ids=["plain", "gzip"])
  def files(self, request, tmp_path):
    paths = write(tmp_path, [37, 2, 61, 0, 21], compressed=request.param)
    return record_stream.index_files(paths)

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
    files = record_stream.index_files(write(tmp_path, [2000]))
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
    files = record_stream.index_files(write(tmp_path, [300], compressed=[0]))
    opened = []
    opener = record_stream._open
    monkeypatch.setattr(
      record_stream, "_open", lambda path: opened.append(path) or opener(path)
    )
    reader = record_stream.RecordReader(files, 5)
    for start in range(0, 300, 20):
      reader.read(start, 20)
    assert len(opened) == 1

  def test_gzip_and_plain_files_of_one_stretch_have_one_order(self, tmp_path):
    """The container is no part of the order where both are read from the start."""
    paths = write(tmp_path, [4] * 9)
    orders = [record_stream.RecordReader(record_stream.index_files(paths), 1)]
    for path in paths:
      with open(path, "rb") as plain, gzip.open(f"{path}.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    packed = [f"{path}.gz" for path in paths]
    orders.append(record_stream.RecordReader(record_stream.index_files(packed), 1))
    np.testing.assert_array_equal(*(reader.read(0, 36)[1] for reader in orders))


class TestStreamInputFn:
  def batches(self, files, context=None, **params):
    input_fn = record_stream.stream_input_fn_builder(files, SPEC, True)
    values = {"seed": 3, "max_steps": 30, **params}
    dataset = input_fn({**values, "input_context": context})
    return [{k: v.numpy() for k, v in batch.items()} for batch in dataset]

  @pytest.fixture
  def files(self, tmp_path):
    return record_stream.index_files(write(tmp_path, [37, 61, 21]))

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

"""Places of records in files, and files that are not as they should be."""

import gzip
import os

import numpy as np
import pytest
import tensorflow as tf

from bert_ja.data import record_index, records
from tests.data.numbered_records import SPEC, example, write


@pytest.fixture(autouse=True)
def small(monkeypatch):
  """Stretches of 4 records."""
  monkeypatch.setattr(record_index, "_STRETCH", 4)


class TestIndexFiles:
  def test_counts_records_and_finds_every_fourth(self, tmp_path):
    (path,) = write(tmp_path, [10])
    (file,) = record_index.index_files([path])
    sizes = [len(example(number)) + 16 for number in range(10)]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    assert file.count == 10
    assert file.offsets.tolist() == starts[[0, 4, 8, 10]].tolist()
    assert file.stretches == [4, 4, 2]

  def test_a_batch_need_not_end_with_a_stretch(self, tmp_path, monkeypatch):
    (path,) = write(tmp_path, [23])
    (whole,) = record_index.index_files([path])
    monkeypatch.setattr(record_index, "_BATCH", 5)
    (parts,) = record_index.index_files([path])
    np.testing.assert_array_equal(parts.offsets, whole.offsets)

  def test_is_kept_and_made_anew_for_another_file(self, tmp_path, monkeypatch):
    (path,) = write(tmp_path, [10])
    index_dir = str(tmp_path / "index")
    (first,) = record_index.index_files([path], index_dir)
    made = []
    make = record_index._index
    monkeypatch.setattr(
      record_index, "_index", lambda path: made.append(path) or make(path)
    )
    (again,) = record_index.index_files([path], index_dir)
    assert not made
    assert (again.count, again.offsets.tolist()) == (10, first.offsets.tolist())
    write(tmp_path, [11])
    (changed,) = record_index.index_files([path], index_dir)
    assert made == [path]
    assert changed.count == 11

  def test_tells_progress(self, tmp_path):
    told = []
    record_index.index_files(
      write(tmp_path, [1, 2]), progress=lambda *numbers: told.append(numbers)
    )
    assert told == [(1, 2), (2, 2)]

  @pytest.mark.parametrize("cut", [1, 30, -7])
  def test_a_cut_file_raises(self, tmp_path, cut):
    (path,) = write(tmp_path, [10])
    os.truncate(path, cut if cut > 0 else os.path.getsize(path) + cut)
    with pytest.raises(ValueError, match=r"part-0 is damaged or cut short"):
      record_index.index_files([path])

  def test_a_cut_gzip_file_raises(self, tmp_path):
    (path,) = write(tmp_path, [100], compressed=[0])
    os.truncate(path, os.path.getsize(path) // 2)
    with pytest.raises(ValueError, match=r"part-0 is damaged or cut short"):
      record_index.index_files([path])

  def test_a_changed_byte_raises(self, tmp_path):
    (path,) = write(tmp_path, [10])
    with open(path, "r+b") as file:
      file.seek(-20, os.SEEK_END)
      file.write(b"\xff")
    with pytest.raises(ValueError, match=r"part-0 is damaged"):
      record_index.index_files([path])

  @pytest.mark.parametrize("text", ["a text, not records\n", "\0" * 96])
  def test_a_packed_file_of_something_else_raises(self, tmp_path, text):
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ValueError, match=r"text.gz .* holds no TFRecords"):
      record_index.index_files([str(path)])

  def test_the_index_of_a_remote_file_is_found_from_anywhere(
    self, tmp_path, monkeypatch
  ):
    names = []
    for name in ("a", "b"):
      (tmp_path / name).mkdir()
      monkeypatch.chdir(tmp_path / name)
      names.append(record_index._index_file("gs://bucket/part-0", "index"))
    assert names[0] == names[1]

  def test_no_file_and_no_record_raise(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
      record_index.index_files([str(tmp_path / "nothing")])
    with pytest.raises(ValueError, match="there is no record in .*part-0"):
      record_index.index_files(write(tmp_path, [0, 0]))


class TestCheckRecords:
  def check(self, paths, **features):
    record_index.check_records(paths, {**SPEC, **features})

  def test_takes_what_fits_and_files_without_records(self, tmp_path):
    self.check(write(tmp_path, [0, 3, 2], compressed=[2]))

  @pytest.mark.parametrize(
    ("flag", "hint"),
    [(None, ""), ("max_size", "; give the --max_size that they were made with")],
  )
  def test_another_length_names_file_and_flag(self, tmp_path, flag, hint):
    paths = write(tmp_path, [3])
    told = f"part-0: weights has 2 values in its records, expected 5{hint}"
    with pytest.raises(ValueError, match=f"{told}$"):
      self.check(paths, weights=records.Feature((5,), "float32", flag))

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
        record_index.index_files([path])

  def test_a_missing_file_raises(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
      self.check([str(tmp_path / "nothing")])

  def test_other_bytes_are_no_examples(self, tmp_path):
    path = str(tmp_path / "other")
    with tf.io.TFRecordWriter(path) as writer:
      writer.write(b"\xff\xff\xff")
    with pytest.raises(ValueError, match="holds no tf.train.Example"):
      self.check([path])

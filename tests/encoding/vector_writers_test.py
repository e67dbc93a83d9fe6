"""Forms of files with vectors, read back by who reads them."""

import csv
import json
import os
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from bert_ja.encoding import part_files, vector_writers

TEXTS = ["a b", "", ("店\tx", "y"), "d", "e"]
IDS = [[2, 7, 3], [2, 3], [2, 8, 3, 9, 3], [2, 3], [2, 5, 6, 3]]
PIECES = [[f"p{i}" for i in of_text] for of_text in IDS]
BLOCKS = ([0, 1, 2], [3, 4])


def vectors(*shape):
  return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def write(path, values, layers=None):
  """Writes all texts in two blocks, as an extraction does."""
  output_file = str(path)
  size = values.shape[1] if layers is None else values[0].size
  writer = vector_writers.of(output_file, size, layers)
  starts = np.cumsum([0, *map(len, IDS)])
  with part_files.opened(output_file, writer.names, "k") as parts:
    parts.begin(writer.heads())
    for block in BLOCKS:
      first, end = block[0], block[-1] + 1
      if first < parts.rows:
        continue
      texts = TEXTS[first:end]
      if layers is None:
        data = writer.block(first, texts, values[first:end], None, None)
      else:
        of_block = values[starts[first] : starts[end]]
        data = writer.block(first, texts, of_block, PIECES[first:end], IDS[first:end])
      parts.append([data], len(block), "")
    parts.finish(lambda *paths: writer.finish(*paths, output_file))


class TestJsonLines:
  def test_a_vector_a_text(self, tmp_path):
    values = vectors(5, 3)
    write(tmp_path / "x.jsonl", values)
    lines = [json.loads(line) for line in open_lines(tmp_path / "x.jsonl")]
    assert [line["linex_index"] for line in lines] == [0, 1, 2, 3, 4]
    found = [line["values"] for line in lines]
    np.testing.assert_allclose(found, values, atol=5.1e-7, rtol=0)

  def test_vectors_of_pieces(self, tmp_path):
    values = vectors(16, 2, 3)
    write(tmp_path / "x.jsonl", values, [-1, 0])
    lines = [json.loads(line) for line in open_lines(tmp_path / "x.jsonl")]
    assert [line["linex_index"] for line in lines] == [0, 1, 2, 3, 4]
    features = [feature for line in lines for feature in line["features"]]
    assert [[x["token"] for x in line["features"]] for line in lines] == PIECES
    for feature, value in zip(features, values, strict=True):
      assert [layer["index"] for layer in feature["layers"]] == [-1, 0]
      found = [layer["values"] for layer in feature["layers"]]
      np.testing.assert_allclose(found, value, atol=5.1e-7, rtol=0)

  @pytest.mark.parametrize("name", ["x.json", "x.out", "x", "X.JSONL"])
  def test_are_what_other_endings_mean(self, name):
    assert type(vector_writers.of(name, 3, None)) is vector_writers.JsonLines


class TestArray:
  def test_is_read_as_a_map(self, tmp_path):
    values = vectors(5, 3)
    write(tmp_path / "x.npy", values)
    found = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert isinstance(found, np.memmap)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)

  def test_is_what_numpy_writes(self, tmp_path):
    values = vectors(5, 3)
    write(tmp_path / "x.npy", values)
    np.save(tmp_path / "y.npy", values)
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "y.npy").read_bytes()

  @pytest.mark.parametrize("count", [0, 1, 10**6, 10**15])
  def test_the_head_has_room_for_any_count(self, count):
    head = vector_writers._array_head(count, np.float32, 768)
    assert len(head) == len(vector_writers._array_head(0, np.float32, 768))

  @pytest.mark.parametrize("ending", [".npy", ".tsv"])
  def test_and_table_hold_no_vectors_of_pieces(self, ending):
    with pytest.raises(ValueError, match=rf"x{ending}: .*choose a pooling, or \.jsonl"):
      vector_writers.of(f"x{ending}", 3, [-1])


class TestArchive:
  def test_a_vector_a_text(self, tmp_path):
    values = vectors(5, 3)
    write(tmp_path / "x.npz", values)
    with np.load(tmp_path / "x.npz") as found:
      assert found.files == ["vectors"]
      assert found["vectors"].dtype == np.float32
      np.testing.assert_array_equal(found["vectors"], values)
    assert os.listdir(tmp_path) == ["x.npz"]

  def test_vectors_of_pieces(self, tmp_path):
    values = vectors(16, 2, 3)
    write(tmp_path / "x.npz", values, [-1, 0])
    with np.load(tmp_path / "x.npz") as found:
      np.testing.assert_array_equal(found["vectors"], values.reshape(16, 6))
      offsets = found["offsets"]
      assert (found["input_ids"].dtype, offsets.dtype) == (np.int32, np.int64)
      assert offsets.tolist() == [0, 3, 5, 10, 12, 16]
      for number, ids in enumerate(IDS):
        of_text = found["input_ids"][offsets[number] : offsets[number + 1]]
        assert of_text.tolist() == ids

  def test_is_not_packed(self, tmp_path):
    write(tmp_path / "x.npz", vectors(5, 3))
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
      assert archive.testzip() is None
      [entry] = archive.infolist()
      assert entry.compress_type == zipfile.ZIP_STORED


class TestTable:
  def test_a_line_for_each_vector_and_its_text(self, tmp_path):
    values = vectors(5, 3)
    write(tmp_path / "x.tsv", values)
    found = np.loadtxt(tmp_path / "x.tsv", delimiter="\t")
    np.testing.assert_allclose(found, values, atol=5.1e-7, rtol=0)
    with open(tmp_path / "x.metadata.tsv", encoding="utf-8", newline="") as reader:
      rows = list(csv.reader(reader, delimiter="\t"))
    assert rows == [
      ["row", "text"],
      ["0", "a b"],
      ["1", ""],
      ["2", "店 x ||| y"],
      ["3", "d"],
      ["4", "e"],
    ]
    assert sorted(os.listdir(tmp_path)) == ["x.metadata.tsv", "x.tsv"]


_KILLED = """
import os, signal, sys
from tests.encoding import vector_writers_test as test
path, left = sys.argv[1], int(sys.argv[2])
replace = os.replace

def replace_or_end(source, target):
  global left
  if not target.endswith(".part.json"):
    left -= 1
    if left < 0:
      os.kill(os.getpid(), signal.SIGKILL)
  replace(source, target)

os.replace = replace_or_end
test.write(path, test.vectors(5, 3))
"""


@pytest.mark.parametrize(
  ("name", "placed"), [("x.npz", 0), ("x.tsv", 0), ("x.tsv", 1), ("x.npy", 0)]
)
def test_a_program_killed_at_the_end_leaves_nothing_but_what_the_next_needs(
  tmp_path, name, placed
):
  path = tmp_path / name
  program = [sys.executable, "-c", _KILLED, str(path), str(placed)]
  assert subprocess.run(program, check=False).returncode == -signal.SIGKILL
  assert not path.exists()
  assert (tmp_path / f"{name}.part.json").exists()
  write(path, vectors(5, 3))
  (tmp_path / "whole").mkdir()
  write(tmp_path / "whole" / name, vectors(5, 3))
  whole = {x.name: x.read_bytes() for x in (tmp_path / "whole").iterdir()}
  found = {x.name: x.read_bytes() for x in tmp_path.iterdir() if x.is_file()}
  assert found == whole


class TestCheckTargets:
  def test_takes_new_names_and_older_results(self, tmp_path, monkeypatch):
    (tmp_path / "x.npy").write_text("")
    (tmp_path / "texts.txt").write_text("")
    for name in ("x.npy", "y.tsv", "z"):
      vector_writers.check_targets(str(tmp_path / name), str(tmp_path / "texts.txt"))
      vector_writers.check_targets(str(tmp_path / name), "-")
    monkeypatch.chdir(tmp_path)
    vector_writers.check_targets("y.npy")

  @pytest.mark.parametrize(
    ("name", "message"),
    [
      ("folder", "folder is a directory; give the name of a file in it"),
      ("folder/", "folder/ is a directory"),
      ("none/x.npy", "none/x.npy is in a directory that does not exist; make it first"),
      ("pipe", "pipe is a device or a pipe"),
      ("texts.tsv", "texts.tsv is the input, which would be lost; give another name"),
      ("folder/../texts.tsv", "is the input"),
      ("t.tsv", r"t.tsv: .*t\.metadata\.tsv is the input"),
      ("d.tsv", r"d\.metadata\.tsv is a directory"),
    ],
  )
  def test_refuses_what_a_result_cannot_replace(self, tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "d.metadata.tsv").mkdir()
    os.mkfifo(tmp_path / "pipe")
    source = tmp_path / ("t.metadata.tsv" if name == "t.tsv" else "texts.tsv")
    source.write_text("a\n")
    with pytest.raises(ValueError, match=message):
      vector_writers.check_targets(f"{tmp_path}/{name}", str(source))

  def test_refuses_devices(self):
    with pytest.raises(ValueError, match="/dev/null is a device"):
      vector_writers.check_targets("/dev/null")


def open_lines(path):
  return path.read_text(encoding="utf-8").splitlines()

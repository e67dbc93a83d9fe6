"""Vectors to files: the same bytes whatever interrupts the work."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from bert_ja.encoding import encoder, extraction, part_files, vectors
from tests import vector_model

TEXTS = vector_model.texts(50)
WIDE = {"hidden_size": 128, "intermediate_size": 256}
# (ending, options): every writer, with one vector a text and one a piece.
FORMS = [
  (".jsonl", {"pooling": "none", "layers": (-1, 0)}),
  (".jsonl", {"pooling": "mean"}),
  (".npy", {"pooling": "max", "long_text": "windows"}),
  (".npz", {"pooling": "cls", "normalize": True}),
  (".npz", {"pooling": "none", "layers": (0, 2), "layer_combination": "mean"}),
  (".tsv", {"pooling": "mean"}),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  return encoder.load(str(vector_model.write(tmp_path_factory.mktemp("model"))))


@pytest.fixture(scope="module")
def wide_model_dir(tmp_path_factory):
  """Of a model wide enough for sums in another order to have another last bit."""
  return str(vector_model.write(tmp_path_factory.mktemp("wide"), **WIDE))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
  monkeypatch.setattr(vectors, "_BLOCK_TEXTS", 8)


def options(**changes):
  values = {"max_seq_length": 16, "batch_size": 4, **changes}
  return vectors.Options(**values)


def extract(model, path, texts=TEXTS, **changes):
  return extraction.extract(model, texts, options(**changes), str(path))


def stop_after(monkeypatch, count, error=KeyboardInterrupt):
  """Ends the program within the next block, whose bytes are there but not recorded."""
  append = part_files.PartFiles.append

  def ended(self, pieces, rows, digest):
    nonlocal count
    count -= 1
    if count >= 0:
      append(self, pieces, rows, digest)
      return
    for piece in pieces:
      for name, path in self.paths.items():
        with open(path, "ab") as writer:
          writer.write(piece[name][: len(piece[name]) // 2])
    raise error

  monkeypatch.setattr(part_files.PartFiles, "append", ended)


def files_in(directory):
  return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


class TestGoingOn:
  @pytest.mark.parametrize(("ending", "changes"), FORMS)
  def test_to_the_bytes_of_an_unbroken_run(
    self, wide_model_dir, tmp_path, monkeypatch, ending, changes
  ):
    # A model of its own for each run: one that has computed is no new program.
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    assert extract(encoder.load(wide_model_dir), whole / f"x{ending}", **changes) == 50
    time.sleep(2 if ending == ".npz" else 0)  # a date in it would have changed
    with monkeypatch.context() as patch:
      stop_after(patch, 3)
      with pytest.raises(KeyboardInterrupt):
        extract(encoder.load(wide_model_dir), broken / f"x{ending}", **changes)
    assert not (broken / f"x{ending}").exists()
    assert (broken / f"x{ending}.part.json").exists()
    model, computed = encoder.load(wide_model_dir), []
    encode = model._encode

    def counted(texts, chosen):
      computed.extend(texts)
      return encode(texts, chosen)

    monkeypatch.setattr(model, "_encode", counted)
    assert extract(model, broken / f"x{ending}", **changes) == 50
    assert computed == TEXTS[24:]
    assert files_in(broken) == files_in(whole)

  def test_in_a_process_that_was_killed(self, wide_model_dir, tmp_path):
    texts = tmp_path / "texts.txt"
    lines = [t if isinstance(t, str) else " ||| ".join(t) for t in TEXTS * 8]
    texts.write_text("\n".join(lines) + "\n")
    start_process(wide_model_dir, texts, tmp_path / "whole.npy", 8).wait()
    process = start_process(wide_model_dir, texts, tmp_path / "broken.npy", 8)
    state = tmp_path / "broken.npy.part.json"
    wait_for(process, state.exists)
    assert process.returncode == -signal.SIGKILL
    assert 0 < json.loads(state.read_text())["rows"] < 400
    assert start_process(wide_model_dir, texts, tmp_path / "broken.npy", 8).wait() == 0
    assert np.load(tmp_path / "whole.npy").shape == (400, 128)
    whole = (tmp_path / "whole.npy").read_bytes()
    assert (tmp_path / "broken.npy").read_bytes() == whole
    assert sorted(os.listdir(tmp_path)) == ["broken.npy", "texts.txt", "whole.npy"]

  @pytest.mark.slow
  def test_with_20_000_lines_killed_thrice(self, wide_model_dir, tmp_path):
    texts = tmp_path / "texts.txt"
    lines = [text for text in vector_model.texts(24_000) if isinstance(text, str)]
    texts.write_text("\n".join(lines[:20_000]) + "\n")
    start_process(wide_model_dir, texts, tmp_path / "whole.npy", 1024).wait()
    output = tmp_path / "broken.npy"
    state = tmp_path / "broken.npy.part.json"
    for least in (1, 6000, 12_000):
      process = start_process(wide_model_dir, texts, output, 1024)
      wait_for(process, lambda least=least: rows_in(state) >= least)
      assert process.returncode == -signal.SIGKILL
    assert start_process(wide_model_dir, texts, output, 1024).wait() == 0
    assert np.load(output).shape == (20_000, 128)
    assert output.read_bytes() == (tmp_path / "whole.npy").read_bytes()

  def test_other_settings_are_refused(self, model, tmp_path, monkeypatch):
    path = tmp_path / "x.npy"
    with monkeypatch.context() as patch:
      stop_after(patch, 2)
      with pytest.raises(KeyboardInterrupt):
        extract(model, path, normalize=True)
    before = files_in(tmp_path)
    with pytest.raises(
      ValueError, match=r"x\.npy\.part, 16 rows, was begun .* other s"
    ):
      extract(model, path)
    assert files_in(tmp_path) == before
    assert extract(model, path, normalize=True) == 50

  def test_another_program_is_refused_and_changes_nothing(self, model, tmp_path):
    path, refused = tmp_path / "x.npy", []

    def texts():
      for number, text in enumerate(TEXTS):
        if number == 20:
          with pytest.raises(
            ValueError, match="x.npy is being made by another program"
          ):
            extract(model, path)
          refused.append(number)
        yield text

    assert extract(model, path, texts()) == 50
    assert refused == [20]
    np.testing.assert_array_equal(np.load(path), model_vectors(model))

  def test_other_texts_are_refused(self, model, tmp_path, monkeypatch):
    path = tmp_path / "x.jsonl"
    with monkeypatch.context() as patch:
      stop_after(patch, 2)
      with pytest.raises(KeyboardInterrupt):
        extract(model, path)
    before = files_in(tmp_path)
    for texts in (["w1", *TEXTS[1:]], TEXTS[:9], [*TEXTS[:15], "w1"]):
      with pytest.raises(
        ValueError, match=r"x\.jsonl\.part, 16 rows, holds .* other texts"
      ):
        extract(model, path, texts)
    assert files_in(tmp_path) == before
    # What comes behind may have changed: that is how an error in it is mended.
    texts = [*TEXTS[:16], "w1", "w2"]
    assert extract(model, path, texts) == 18

  def test_a_fault_in_the_input_keeps_what_was_made(self, model, tmp_path):
    def texts():
      yield from TEXTS[:20]
      raise ValueError("x.txt, line 21: expected UTF-8")

    path = tmp_path / "x.jsonl"
    with pytest.raises(ValueError, match="line 21"):
      extract(model, path, texts())
    assert part_state(path)["rows"] == 16
    assert extract(model, path) == 50

  def test_a_result_is_made_again_when_asked_again(self, model, tmp_path):
    path = tmp_path / "x.npy"
    extract(model, path)
    extract(model, path, TEXTS[:3])
    assert len(np.load(path)) == 3

  def test_an_unbroken_run_leaves_the_old_result_until_its_end(
    self, model, tmp_path, monkeypatch
  ):
    path = tmp_path / "x.npy"
    extract(model, path, TEXTS[:3])
    before = path.read_bytes()
    stop_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
      extract(model, path)
    assert path.read_bytes() == before


class TestExtract:
  @pytest.mark.parametrize("ending", [".jsonl", ".npy", ".npz", ".tsv"])
  def test_no_texts(self, model, tmp_path, ending):
    path = tmp_path / f"x{ending}"
    assert extract(model, path, []) == 0
    if ending in (".jsonl", ".tsv"):
      assert path.read_bytes() == b""
    elif ending == ".npy":
      assert np.load(path).shape == (0, 6)
    else:
      assert np.load(path)["vectors"].shape == (0, 6)

  def test_vectors_are_those_of_the_model(self, model, tmp_path):
    extract(model, tmp_path / "x.npy", layers=(0, -1))
    found = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(found, model_vectors(model, layers=(0, -1)))

  def test_layers_keep_their_names(self, model, tmp_path):
    path = tmp_path / "x.jsonl"
    for changes, names in (
      ({"layers": (2, -3, -1)}, [2, -3, -1]),
      ({"layers": (2, -3), "layer_combination": "mean"}, ["mean"]),
    ):
      extract(model, path, ["w1"], pooling="none", **changes)
      line = json.loads(path.read_text())
      for feature in line["features"]:
        assert [layer["index"] for layer in feature["layers"]] == names

  def test_the_first_five_texts_are_logged(self, model, tmp_path, info_lines):
    extract(model, tmp_path / "x.npy", ["w1 w2", ("w3", "w4"), *TEXTS], pooling="cls")
    lines = info_lines()
    assert lines.count("*** Example ***") == 5
    first = lines[lines.index("unique_id: 1") :][:5]
    assert first == [
      "unique_id: 1",
      "tokens: [CLS] w3 [SEP] w4 [SEP]",
      "input_ids: 2 8 3 9 3" + " 0" * 11,
      "input_mask: 1 1 1 1 1" + " 0" * 11,
      "input_type_ids: 0 0 0 1 1" + " 0" * 11,
    ]

  def test_remote_files_are_copied_at_the_end(self, model, tmp_path, monkeypatch):
    # TensorFlow's own file system in memory stands for one that cannot append.
    path = f"ram://{tmp_path}/x.tsv"
    extract(model, path)
    extract(model, tmp_path / "x.tsv")
    for name in ("x.tsv", "x.metadata.tsv"):
      with tf.io.gfile.GFile(f"ram://{tmp_path}/{name}", "rb") as reader:
        assert reader.read() == (tmp_path / name).read_bytes()

  def test_what_cannot_be_written_is_told_before_the_work(self, model, tmp_path):
    with pytest.raises(ValueError, match="--pooling=none makes one a piece"):
      extract(model, tmp_path / "x.npy", pooling="none")
    with pytest.raises(ValueError, match="--layers=7"):
      extract(model, tmp_path / "x.npy", layers=(7,))
    with pytest.raises(ValueError, match="is a directory; give the name of a file"):
      extract(model, tmp_path)
    assert os.listdir(tmp_path) == []

  @pytest.mark.parametrize(("ending", "changes"), FORMS)
  def test_bytes_do_not_depend_on_how_many_are_written_together(
    self, model, tmp_path, monkeypatch, ending, changes
  ):
    extract(model, tmp_path / f"x{ending}", **changes)
    monkeypatch.setattr(extraction, "_WRITTEN_NUMBERS", 50)
    extract(model, tmp_path / f"y{ending}", **changes)
    whole = (tmp_path / f"x{ending}").read_bytes()
    assert (tmp_path / f"y{ending}").read_bytes() == whole


def model_vectors(model, **changes):
  blocks = [found for _, found in model.blocks(TEXTS, options(**changes))]
  return np.concatenate([found.values for found in blocks])


def part_state(path):
  with open(f"{path}.part.json") as reader:
    return json.load(reader)


def rows_in(state):
  return json.loads(state.read_text())["rows"] if state.exists() else 0


_PROGRAM = """
import sys
from bert_ja import distribution
from bert_ja.encoding import encoder, extraction, vectors
from bert_ja.data import text_rows
distribution.create_strategy(distribution.RuntimeConfig())
vectors._BLOCK_TEXTS = int(sys.argv[4])
options = vectors.Options(pooling="mean", max_seq_length=20, batch_size=4)
model = encoder.load(sys.argv[1])
extraction.extract(model, text_rows.read(sys.argv[2]), options, sys.argv[3])
"""


def start_process(model_dir, texts, output, block_texts):
  arguments = [model_dir, str(texts), str(output), str(block_texts)]
  return subprocess.Popen(
    [sys.executable, "-c", _PROGRAM, *arguments],
    env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )


def wait_for(process, condition):
  """Kills a process as soon as a condition holds."""
  end = time.monotonic() + 120
  while not condition() and process.poll() is None and time.monotonic() < end:
    time.sleep(0.001)
  process.kill()
  process.wait()

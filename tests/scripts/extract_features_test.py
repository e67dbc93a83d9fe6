"""The script: the original's numbers, inputs, forms, and what it says of wrong input."""

import io
import json
import os
import pathlib
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
from absl import flags

import extract_features
from bert_ja.data import text_rows
from bert_ja.encoding import encoder, pooling, vector_writers, vectors
from tests import vector_model
from tests.scripts import runs

TEXTS = ["w1 w2 w3", "", "w4", "w5 " * 30, "w6 w7 ||| w8", "w9"]
_GOLDEN = "../shared/golden"


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
  return str(vector_model.write(tmp_path_factory.mktemp("model")))


@pytest.fixture
def run(parse_flags, model_dir, tmp_path):
  """Function: flags, and bytes of the input -> path of the output."""

  def run(*arguments, data=None, name="x.jsonl", source="texts.txt"):
    if data is None:
      data = "".join(f"{text}\n" for text in TEXTS).encode()
    (tmp_path / source).write_bytes(data)
    parse_flags(
      extract_features,
      f"--model_dir={model_dir}",
      f"--input_file={tmp_path / source}",
      f"--output_file={tmp_path / name}",
      "--max_seq_length=12",
      "--batch_size=2",
      *arguments,
    )
    extract_features.main([])
    return tmp_path / name

  return run


class TestOriginalsNumbers:
  """Contract A-164 to A-168: all but the last digits of the values."""

  def compare(self, path, expected_path):
    with open(path) as found, open(expected_path) as expected:
      for line, expected_line in zip(found, expected, strict=True):
        value, expected_value = json.loads(line), json.loads(expected_line)
        numbers, expected_numbers = [], []
        assert without_values(value, numbers) == without_values(
          expected_value, expected_numbers
        )
        np.testing.assert_allclose(numbers, expected_numbers, atol=1e-5, rtol=1e-4)
        # The same bytes but for values: spaces, order of keys, letters escaped.
        assert line == json.dumps(value) + "\n"
        assert list(value) == list(expected_value)

  def test_stored_command_line(self, shared_golden, tmp_path):
    cli = shared_golden / "cli"
    vocab = shared_golden.parent / "data" / "vocab" / "uncased_en_30522.txt"
    status, log = runs.run(
      [
        f"--vocab_file={vocab}",
        f"--bert_config_file={cli}/model/bert_config.json",
        f"--init_checkpoint={cli}/model/bert_model.ckpt",
        f"--input_file={shared_golden}/extract_features/input.txt",
        "--layers=-1,1,0",
        "--max_seq_length=16",
        "--batch_size=3",
        f"--output_file={tmp_path}/features.jsonl",
      ],
      "extract_features",
    )
    assert status == 0, log
    self.compare(tmp_path / "features.jsonl", cli / "expected/extract_features.jsonl")

  def test_stored_vectors(self, shared_golden, tmp_path, golden_model, monkeypatch):
    from bert_ja import front_ends, modeling
    from bert_ja.encoding import extraction

    model = vectors.VectorModel(
      modeling.BertConfig.from_json_file(golden_model.config_file),
      golden_model.init_checkpoint,
      front_ends.create("google", str(shared_golden / "model" / "vocab.txt")),
    )
    folder = shared_golden / "extract_features"
    options = vectors.Options(pooling="none", layers=(-1, -2), max_seq_length=24)
    texts = text_rows.read(str(folder / "input.txt"))
    extraction.extract(model, texts, options, str(tmp_path / "x.jsonl"))
    self.compare(tmp_path / "x.jsonl", folder / "output.jsonl")


def without_values(value, numbers):
  """A JSON value with its lists of numbers moved to `numbers`."""
  if isinstance(value, dict):
    return {name: without_values(item, numbers) for name, item in value.items()}
  if isinstance(value, list) and value and isinstance(value[0], float):
    numbers += value
    return len(value)
  if isinstance(value, list):
    return [without_values(item, numbers) for item in value]
  return value


def expected_vectors(model_dir, texts, **changes):
  made = encoder.Encoder(model_dir, max_seq_length=12, batch_size=2, **changes)
  pairs = [tuple(text.split(" ||| ")) if "|||" in text else text for text in texts]
  return made.encode(pairs)


class TestForms:
  def test_json_lines_of_pieces_are_the_default(self, run):
    lines = [
      json.loads(line) for line in run("--layers=-1,-2").read_text().splitlines()
    ]
    assert [line["linex_index"] for line in lines] == list(range(6))
    tokens = [[feature["token"] for feature in line["features"]] for line in lines]
    assert tokens[0] == ["[CLS]", "w1", "w2", "w3", "[SEP]"]
    assert tokens[1] == ["[CLS]", "[SEP]"]
    assert len(tokens[3]) == 12
    assert tokens[4] == ["[CLS]", "w6", "w7", "[SEP]", "w8", "[SEP]"]

  @pytest.mark.parametrize(
    ("arguments", "changes"),
    [
      (["--pooling=mean"], {}),
      (
        ["--pooling=max", "--layers=0,-1", "--normalize"],
        {"pooling": "max", "layers": (0, -1), "normalize": True},
      ),
      (
        ["--pooling=cls", "--layers=0,-1", "--layer_combination=mean"],
        {"pooling": "cls", "layers": (0, -1), "layer_combination": "mean"},
      ),
      (
        ["--pooling=mean", "--long_text=windows"],
        {"long_text": "windows"},
      ),
      (["--pooling=pooler"], {"pooling": "pooler"}),
    ],
  )
  def test_pooled_vectors_are_the_encoders(self, run, model_dir, arguments, changes):
    found = np.load(run(*arguments, name="x.npy"))
    expected = expected_vectors(model_dir, TEXTS, **changes)
    np.testing.assert_allclose(found, expected, atol=1e-5)

  def test_names_in_the_help_are_those_of_the_library(self):
    flag_values = flags.FlagValues()
    extract_features.define_flags(flag_values)
    for name, known in (
      ("pooling", pooling.POOLINGS),
      ("layer_combination", pooling.LAYER_COMBINATIONS),
      ("long_text", text_rows.LONG_TEXTS),
    ):
      assert tuple(flag_values[name].parser.enum_values) == known
    for ending in vector_writers.WRITERS:
      if ending != ".jsonl":
        assert ending in flag_values["output_file"].help

  def test_the_originals_flags_have_its_defaults(self):
    flag_values = flags.FlagValues()
    extract_features.define_flags(flag_values)
    flag_values(["extract_features.py"])
    expected = {
      "input_file": None,
      "output_file": None,
      "vocab_file": None,
      "bert_config_file": None,
      "init_checkpoint": None,
      "layers": ["-1", "-2", "-3", "-4"],
      "max_seq_length": 128,
      "do_lower_case": True,
      "batch_size": 32,
      "use_tpu": False,
      "master": None,
      "num_tpu_cores": 8,
      "use_one_hot_embeddings": False,
    }
    assert {name: flag_values[name].value for name in expected} == expected


class TestInputs:
  def test_columns(self, run, model_dir):
    data = b"a,b\nw1 w2,w3\nw4,\n"
    found = run(
      "--text_columns=a,b", "--pooling=mean", data=data, source="t.csv", name="x.npy"
    )
    expected = expected_vectors(model_dir, ["w1 w2 ||| w3", "w4"])
    np.testing.assert_allclose(np.load(found), expected, atol=1e-5)

  def test_standard_input(self, run, model_dir, monkeypatch):
    stream = types.SimpleNamespace(buffer=io.BytesIO(b"w1\n\nw2"))
    monkeypatch.setattr(sys, "stdin", stream)
    found = run("--input_file=-", "--pooling=mean", name="x.npy")
    expected = expected_vectors(model_dir, ["w1", "", "w2"])
    np.testing.assert_allclose(np.load(found), expected, atol=1e-5)

  def test_a_pipe(self, run, model_dir, tmp_path):
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pathlib.Path(pipe).write_bytes(b"w1\nw2"))
    writer.start()
    found = run(f"--input_file={pipe}", "--pooling=mean", name="x.npy")
    writer.join()
    expected = expected_vectors(model_dir, ["w1", "w2"])
    np.testing.assert_allclose(np.load(found), expected, atol=1e-5)

  def test_one_hot_embeddings_change_nothing(self, run):
    expected = np.load(run("--pooling=mean", name="x.npy"))
    found = np.load(run("--pooling=mean", "--use_one_hot_embeddings", name="y.npy"))
    np.testing.assert_allclose(found, expected, atol=1e-5)


class TestErrors:
  @pytest.mark.parametrize(
    ("arguments", "message"),
    [
      (["--layers=-1,-4"], "--layers=-4: .* its 3 layers are 0 to 2, or -3 to -1"),
      ([], "--layers=-4"),
      (["--layers=-1,last"], "--layers=-1,last: expected whole numbers"),
      (
        ["--layers=0", "--pooling=pooler"],
        "--layers=0: --pooling=pooler is of the last",
      ),
      (["--output_file=."], "--output_file=.: . is a directory; give the name"),
      (["--max_seq_length=41"], "--max_seq_length=41 is longer than the 40 positions"),
    ],
  )
  def test_flags(self, run, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
      run(*arguments)
    assert os.listdir(tmp_path) == ["texts.txt"]

  def test_a_line_that_is_not_utf_8(self, run, tmp_path):
    data = b"w1\n" * 5000 + b"\x93\xfa\n"
    message = r"texts\.txt, line 5001: expected UTF-8, found byte 0x93"
    with pytest.raises(ValueError, match=message):
      run("--layers=-1", data=data)
    # Told before the work.
    assert os.listdir(tmp_path) == ["texts.txt"]

  def test_half_a_character(self, run, tmp_path):
    data = b'{"t": "w1"}\n{"t": "w2\\ud83d"}\n'
    with pytest.raises(
      ValueError, match=r"t\.jsonl, line 2: half a character, \\ud83d"
    ):
      run(
        "--text_columns=t", "--pooling=mean", data=data, source="t.jsonl", name="x.tsv"
      )
    assert os.listdir(tmp_path) == ["t.jsonl"]

  @pytest.mark.parametrize(
    ("source", "arguments", "count"),
    [("t.csv", [], 1), ("t.csv", ["--text_columns=w1"], 0), ("t.txt", [], 0)],
  )
  def test_a_table_without_columns_is_warned_of(
    self, run, info_lines, source, arguments, count
  ):
    run(*arguments, "--pooling=mean", data=b"w1,w2\na,b\n", source=source)
    warnings = [x for x in info_lines() if "is read as lines of text" in x]
    assert len(warnings) == count

  def test_the_input_is_not_written_over(self, run, tmp_path):
    with pytest.raises(
      ValueError, match=r"texts\.txt is the input, which would be lost"
    ):
      run("--pooling=mean", name="texts.txt")
    assert (tmp_path / "texts.txt").read_text().startswith("w1 w2 w3\n")

  def test_several_workers(self, run, tmp_path, monkeypatch):
    workers = {
      "cluster": {"worker": ["a:1", "b:1"]},
      "task": {"type": "worker", "index": 0},
    }
    monkeypatch.setenv("TF_CONFIG", json.dumps(workers))
    with pytest.raises(
      ValueError, match="TF_CONFIG names several workers, each of which"
    ):
      run("--pooling=mean")
    assert os.listdir(tmp_path) == ["texts.txt"]

  def test_a_model_without_weights(self, run, tmp_path_factory):
    directory = vector_model.write(tmp_path_factory.mktemp("empty"))
    for path in directory.glob("model.ckpt*"):
      path.unlink()
    with pytest.raises(ValueError, match="holds no weights; give --init_checkpoint"):
      run(f"--model_dir={directory}")

  def test_missing_flags(self, parse_flags):
    parse_flags(extract_features, "--input_file=x")
    with pytest.raises(ValueError, match="--output_file is required"):
      extract_features.main([])

  def test_a_full_disk_is_one_line(self, model_dir, tmp_path):
    """A limit of the size of files stands for it."""
    (tmp_path / "texts.txt").write_text("w1 w2\n" * 500)
    arguments = [
      f"--model_dir={model_dir}",
      f"--input_file={tmp_path}/texts.txt",
      f"--output_file={tmp_path}/x.npy",
      "--pooling=mean",
      "--max_seq_length=12",
    ]
    limit = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (3000, 3000))"
    program = (
      f"{limit}; import runpy, sys; sys.argv[0] = 'extract_features.py'; "
      "runpy.run_path('extract_features.py', run_name='__main__')"
    )
    result = subprocess.run(
      [sys.executable, "-c", program, *arguments],
      capture_output=True,
      text=True,
      check=False,
    )
    assert result.returncode == 1
    lines = [
      x for x in result.stderr.splitlines() if x.startswith("extract_features.py")
    ]
    assert len(lines) == 1
    assert "x.npy: no space (File too large); make some" in lines[0]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "x.npy").exists()

"""create_pretraining_data.py from outside: golden records, shards, faults, kills."""

import random

import numpy as np
import pytest

from bert_ja.data import pretraining_records, records
from tests.scripts import runs

_WORDS = [f"w{index}" for index in range(40)]


def write_text(path, documents, seed, sentences=6):
  draw = random.Random(seed)
  with open(path, "w") as writer:
    for _ in range(documents):
      for _ in range(sentences):
        writer.write(" ".join(draw.choices(_WORDS, k=draw.randint(1, 9))) + "\n")
      writer.write("\n")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  """A vocabulary and five texts of unequal size."""
  folder = tmp_path_factory.mktemp("inputs")
  specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  (folder / "vocab.txt").write_text("\n".join([*specials, *_WORDS]) + "\n")
  for number in range(5):
    write_text(folder / f"text-{number}.txt", 4 + 3 * number, number)
  return str(folder)


def arguments(inputs, output, **flag_values):
  values = {
    "input_file": f"{inputs}/text-*.txt",
    "output_file": output,
    "vocab_file": f"{inputs}/vocab.txt",
    "max_seq_length": 24,
    "max_predictions_per_seq": 5,
    "dupe_factor": 3,
    **flag_values,
  }
  return [f"--{name}={value}" for name, value in values.items() if value is not None]


def run(*args, **kwargs):
  return runs.run(
    arguments(*args, **kwargs), "create_pretraining_data", PYTHONHASHSEED="random"
  )


def read(path, length=24, most=5, static=True):
  spec = pretraining_records.feature_spec(length, most, static)
  return records.read_records(str(path), spec)


def contents(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestOneShard:
  def test_the_originals_command_line_gives_its_records(self, shared_golden, tmp_path):
    golden = shared_golden / "pretraining_data"
    vocab = shared_golden.parent / "data" / "vocab" / "uncased_en_30522.txt"
    status, log = runs.run(
      [
        f"--input_file={golden}/sample_text.txt",
        f"--output_file={tmp_path}/tf_examples.tfrecord",
        f"--vocab_file={vocab}",
        "--do_lower_case=True",
        "--do_whole_word_mask=True",
        "--max_seq_length=64",
        "--max_predictions_per_seq=10",
        "--masked_lm_prob=0.2",
        "--random_seed=42",
        "--dupe_factor=3",
        "--short_seq_prob=0.3",
      ],
      "create_pretraining_data",
    )
    assert status == 0, log
    expected = read(golden / "whole_word" / "tf_examples.tfrecord", 64, 10)
    for name, found in read(tmp_path / "tf_examples.tfrecord", 64, 10).items():
      np.testing.assert_array_equal(found, expected[name], err_msg=name)
    assert log.count("*** Example ***") == 20
    assert "*** Reading from input files ***" in log
    assert "*** Writing to output files ***" in log
    assert "Wrote 67 total instances" in log
    assert "instances/s" in log

  def test_a_second_run_does_nothing_and_another_seed_does(self, inputs, tmp_path):
    output = tmp_path / "a.tfrecord"
    status, log = run(inputs, output)
    assert status == 0, log
    first, made = output.read_bytes(), output.stat().st_mtime_ns
    status, log = run(inputs, output)
    assert status == 0 and "Made before" in log
    assert output.stat().st_mtime_ns == made
    status, log = run(inputs, output, random_seed=7)
    assert status == 0 and "Made before" not in log
    assert output.read_bytes() != first

  def test_masks_later_and_compressed(self, inputs, tmp_path):
    output = tmp_path / "a.tfrecord"
    status, log = run(inputs, output, static_masking=False, compression="gzip")
    assert status == 0, log
    data = output.read_bytes()
    assert data.startswith(b"\x1f\x8b")
    import gzip

    output.write_bytes(gzip.decompress(data))
    rows = read(output, static=False)
    assert rows["word_starts"].shape == rows["input_ids"].shape
    assert "masked_lm_ids" not in rows

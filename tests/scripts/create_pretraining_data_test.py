"""create_pretraining_data.py from outside: golden records, shards, faults, kills."""

import gzip
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import create_pretraining_data
from bert_ja.data import pretraining_records, pretraining_shards, records
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
  values = arguments(*args, **kwargs)
  return runs.finish(
    runs.start(values, "create_pretraining_data", PYTHONHASHSEED="random")
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
    assert "Wrote 67 total instances\n" in log
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
    output = tmp_path / "new" / "folder" / "a.tfrecord"
    status, log = run(inputs, output, static_masking=False, compression="gzip")
    assert status == 0, log
    data = output.read_bytes()
    assert data.startswith(b"\x1f\x8b")
    output.write_bytes(gzip.decompress(data))
    rows = read(output, static=False)
    assert rows["word_starts"].shape == rows["input_ids"].shape
    assert "masked_lm_ids" not in rows


@pytest.fixture(scope="module")
def made(inputs, tmp_path_factory):
  """Three shards, by one process: (folder, log)."""
  folder = tmp_path_factory.mktemp("made")
  status, log = run(inputs, folder / "a.tfrecord", num_shards=3)
  assert status == 0, log
  return folder, log


class TestShards:
  def test_each_is_the_original_algorithm_with_its_seed(self, inputs, made, tmp_path):
    folder, log = made
    total = 0
    for number, group in enumerate([(0, 1, 2), (3,), (4,)]):
      files = ",".join(f"{inputs}/text-{n}.txt" for n in group)
      found = read(folder / f"a-{number:05d}-of-00003.tfrecord")
      total += len(found["input_ids"])
      assert len(found["input_ids"]) > 10
      if number == 0:  # Only the first has a seed that a flag can give.
        status, one_log = run(inputs, tmp_path / "one", input_file=files)
        assert status == 0, one_log
        for name, values in read(tmp_path / "one").items():
          np.testing.assert_array_equal(values, found[name])
    assert f"Wrote {total} total instances\n" in log
    assert log.count("*** Example ***") == 20

  def test_workers_change_nothing(self, inputs, made, tmp_path):
    folder, _ = made
    status, log = run(inputs, tmp_path / "a.tfrecord", num_shards=3, num_workers=2)
    assert status == 0, log
    assert contents(tmp_path) == contents(folder)
    assert log.count("*** Example ***") == 20
    assert "Traceback" not in log

  def test_only_missing_shards_are_made(self, inputs, made, tmp_path):
    folder, _ = made
    for name, data in contents(folder).items():
      (tmp_path / name).write_bytes(data)
    os.remove(tmp_path / "a-00001-of-00003.tfrecord")
    # What a killed run leaves.
    (tmp_path / "a-00001-of-00003.tfrecord.tmp-99999999").write_bytes(b"half")
    (tmp_path / "a-00002-of-00003.tfrecord.key").write_text("of something else\n")
    status, log = run(inputs, tmp_path / "a.tfrecord", num_shards=3)
    assert status == 0, log
    assert log.count("Made before") == 1
    counts = [
      len(read(tmp_path / f"a-0000{number}-of-00003.tfrecord")["input_ids"])
      for number in (1, 2)
    ]
    told = f"Wrote {sum(counts)} total instances in 2 of 3 shards; the others were made"
    assert told in log
    assert contents(tmp_path) == contents(folder)

  def test_names_for_each(self, inputs, made, tmp_path):
    folder, _ = made
    names = ",".join(str(tmp_path / name) for name in ("x", "y", "z"))
    status, log = run(inputs, names, num_shards=3, num_workers=2)
    assert status == 0, log
    for number, name in enumerate("xyz"):
      expected = folder / f"a-{number:05d}-of-00003.tfrecord"
      assert (tmp_path / name).read_bytes() == expected.read_bytes()


class TestFilesWithoutText:
  @pytest.mark.parametrize("workers", [1, 2])
  def test_their_shard_has_no_record(self, inputs, tmp_path, workers):
    for number in (0, 2, 4):
      write_text(tmp_path / f"{number}.txt", 5, number)
    for number in (1, 3):
      (tmp_path / f"{number}.txt").write_text("\n \n" * 400)
    status, log = run(
      inputs,
      tmp_path / "a",
      input_file=tmp_path / "*.txt",
      num_shards=5,
      num_workers=workers,
    )
    assert status == 0, log
    sizes = [(tmp_path / f"a-{n:05}-of-00005").stat().st_size for n in range(5)]
    assert [size > 0 for size in sizes] == [True, False, True, False, True]
    assert log.count("has no text\n") == 2
    assert f"{tmp_path}/3.txt has no text\n" in log

  def test_they_change_nothing_for_others_of_their_shard(self, inputs, tmp_path):
    write_text(tmp_path / "1.txt", 5, 1)
    (tmp_path / "0.txt").write_text("")
    for name, files in (("a", "1.txt"), ("b", "[01].txt")):
      status, log = run(inputs, tmp_path / name, input_file=tmp_path / files)
      assert status == 0, log
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class TestPlan:
  @pytest.mark.parametrize(
    "sizes, count, expected",
    [
      ((5, 5, 5, 5), 2, ["ab", "cd"]),
      ((9, 1, 1, 1), 2, ["a", "bcd"]),
      ((1, 1, 1, 9), 2, ["abc", "d"]),
      ((0, 0, 0), 3, ["a", "b", "c"]),
      ((90, 1, 1, 1), 4, ["a", "b", "c", "d"]),
      ((1, 1, 1, 90), 3, ["ab", "c", "d"]),
    ],
  )
  def test_groups_have_like_sizes_and_a_file_each(
    self, tmp_path, sizes, count, expected
  ):
    for name, size in zip("abcd", sizes, strict=False):
      (tmp_path / name).write_bytes(b"x" * size)
    files = [str(tmp_path / name) for name in "abcd"[: len(sizes)]]
    shards = pretraining_shards.plan(files, ["out"], count)
    found = ["".join(os.path.basename(p) for p in s.input_files) for s in shards]
    assert found == expected

  def test_seeds(self):
    seeds = [pretraining_shards.seed_of(7, number) for number in range(100)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 100
    assert seeds[3] != pretraining_shards.seed_of(8, 3)

  @pytest.mark.parametrize(
    "inputs, outputs, count, message",
    [
      (["a", "b"], ["x"], 3, "--num_shards=3: expected at least as many input files"),
      (["a", "b"], ["x", "y", "z"], 2, "one for each of --num_shards=2, found 3"),
      (["a"], ["x", "x"], 1, "--output_file: expected new names.*found x"),
      (["a"], ["a"], 1, "--output_file: expected new names.*found a"),
      (["a"], ["./a"], 1, "--output_file: expected new names.*found ./a"),
      (["a-00001-of-00002", "b"], ["a"], 2, "found a-00001-of-00002 twice"),
    ],
  )
  def test_numbers_that_do_not_fit(self, inputs, outputs, count, message):
    with pytest.raises(ValueError, match=message):
      pretraining_shards.plan(inputs, outputs, count)


class TestFaults:
  """One line, status 1 and no file."""

  def check(self, inputs, tmp_path, message, **flag_values):
    (tmp_path / "out").mkdir()
    status, log = run(inputs, tmp_path / "out" / "a.tfrecord", **flag_values)
    assert status == 1
    assert "Traceback" not in log
    assert message in log.strip().split("\n")[-1]
    assert contents(tmp_path / "out") == {}

  def test_no_such_file(self, inputs, tmp_path):
    message = "--input_file: nowhere* does not exist; expected a file or a glob"
    self.check(inputs, tmp_path, message, input_file="nowhere*")

  @pytest.mark.parametrize("workers", [1, 2])
  def test_another_encoding(self, inputs, tmp_path, workers):
    files = [tmp_path / name for name in ("1.txt", "2.txt")]
    for path in files:
      path.write_bytes("w1\n駅前\n".encode("cp932"))
    flag_values = {
      "input_file": ",".join(map(str, files)),
      "num_shards": 2,
      "num_workers": workers,
    }
    self.check(inputs, tmp_path, "1.txt, line 2: expected UTF-8", **flag_values)

  def test_an_empty_file(self, inputs, tmp_path):
    (tmp_path / "text.txt").write_text("")
    message = "text.txt: expected text, a sentence a line"
    self.check(inputs, tmp_path, message, input_file=tmp_path / "text.txt")

  def test_words_play_no_part(self, inputs, tmp_path):
    message = "--word_boundaries=spaces needs --do_whole_word_mask or --nostatic_mas"
    self.check(inputs, tmp_path, message, word_boundaries="spaces")

  def test_no_input(self, inputs, tmp_path):
    self.check(inputs, tmp_path, "--input_file is required", input_file=None)

  @pytest.mark.parametrize("names", ["a", "a,b"])
  def test_a_full_disk(self, inputs, tmp_path, names):
    outputs = ",".join(str(tmp_path / name) for name in names.split(","))

    def limit():
      # Writing beyond it fails as on a full disk.
      resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    # The log goes into a pipe, which has no size.
    process = subprocess.run(
      [sys.executable, create_pretraining_data.__file__, *arguments(inputs, outputs)],
      preexec_fn=limit,
      capture_output=True,
      text=True,
    )
    assert process.returncode == 1
    last = process.stderr.strip().split("\n")[-1]
    message = r"no space \(File too large\); make some and give the same command again"
    assert re.search(rf"{tmp_path}/[ab]: {message}$", last)
    assert "Traceback" not in process.stderr
    assert contents(tmp_path) == {}


def test_help_lists_the_flags_of_all_groups():
  status, log = runs.finish(runs.start(["--help"], "create_pretraining_data"))
  assert status == 1
  for name in ("input_file", "vocab_file", "model_dir", "dupe_factor", "runner"):
    assert re.search(rf"--(\[no\])?{name}:", log)
  for name in ("output_dir", "init_checkpoint", "do_train"):
    assert not re.search(rf"--(\[no\])?{name}:", log)


class TestWarnings:
  def test_words_too_long_to_be_masked(self, inputs, tmp_path):
    status, log = run(
      inputs,
      tmp_path / "a.tfrecord",
      do_whole_word_mask=True,
      max_predictions_per_seq=1,
      word_boundaries="spaces",
    )
    assert status == 0 and "have no masked piece" not in log
    # The line is one word of SentencePiece or of spaces.
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join("。".join(["駅前"] * 9) for _ in range(4)))
    vocab = tmp_path / "vocab.txt"
    vocab.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n駅\n前\n。\n")
    status, log = run(
      inputs,
      tmp_path / "b.tfrecord",
      input_file=text,
      vocab_file=vocab,
      do_whole_word_mask=True,
      word_boundaries="spaces",
      dupe_factor=2,
    )
    assert status == 0, log
    assert "8 of 8 instances have no masked piece" in log


@pytest.mark.slow
def test_killed_runs_continue_to_the_unbroken_ones_files(inputs, tmp_path):
  (tmp_path / "whole").mkdir()
  (tmp_path / "broken").mkdir()
  options = {"num_shards": 5, "num_workers": 2, "dupe_factor": 300}
  started = time.monotonic()
  status, log = run(inputs, tmp_path / "whole" / "a.tfrecord", **options)
  assert status == 0, log
  duration = time.monotonic() - started
  draw = random.Random(20)
  for _ in range(5):
    for path in (tmp_path / "broken").iterdir():
      path.unlink()
    killed = 0
    while killed < 4:
      broken = arguments(inputs, tmp_path / "broken" / "a.tfrecord", **options)
      process = runs.start(broken, "create_pretraining_data")
      runs.kill_after(process, draw.uniform(0.1, 1) * duration)
      for path in (tmp_path / "broken").glob("*.tfrecord"):
        # What has its name is whole at any moment.
        assert path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes()
      if process.returncode == -signal.SIGKILL:
        killed += 1
      else:
        # Some shards were there before: this run was shorter, and done before its kill.
        assert process.returncode == 0
        assert contents(tmp_path / "broken") == contents(tmp_path / "whole")
        for path in (tmp_path / "broken").iterdir():
          path.unlink()
    status, log = run(inputs, tmp_path / "broken" / "a.tfrecord", **options)
    assert status == 0, log
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")

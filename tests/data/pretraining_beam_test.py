"""Shards by Apache Beam: the local files, by runners inside this machine.

Where Beam is not installed, the tests that need it are left out.
"""

import importlib.util
import itertools
import os
import random
import subprocess
import sys

import pytest

from bert_ja import front_ends, tokenization
from bert_ja.data import pretraining_draws, pretraining_shards
from tests.scripts import runs

needs_beam = pytest.mark.skipif(
  importlib.util.find_spec("apache_beam") is None,
  reason='needs Apache Beam: pip install ".[beam]"',
)
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [f"w{index}" for index in range(30)]
PORTABLE = ["job_endpoint=embed", "environment_type=LOOPBACK"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
  """A folder with a vocabulary and four texts of unequal size."""
  folder = tmp_path_factory.mktemp("inputs")
  (folder / "vocab.txt").write_text("\n".join([*SPECIALS, *WORDS]) + "\n")
  draw = random.Random(3)
  for number in range(4):
    with open(folder / f"text-{number}.txt", "w") as writer:
      for _ in range((5 + 4 * number) * 6):
        writer.write(" ".join(draw.choices(WORDS, k=draw.randint(0, 9))) + "\n")
  return folder


@pytest.fixture(scope="module")
def tokenizer(inputs):
  return tokenization.FullTokenizer(str(inputs / "vocab.txt"))


def settings(**recipe):
  values = {"max_seq_length": 24, "max_predictions_per_seq": 5, "dupe_factor": 2}
  return pretraining_shards.Settings(pretraining_draws.Recipe(**{**values, **recipe}))


def plan(inputs, folder, num_shards=3):
  folder.mkdir(exist_ok=True)
  paths = sorted(map(str, inputs.glob("text-*.txt")))
  return pretraining_shards.plan(paths, [str(folder / "a.tfrecord")], num_shards)


def by_beam(*args, runner="DirectRunner", options=()):
  from bert_ja.data import pretraining_beam

  return pretraining_beam.make_shards(*args, runner, options)


def contents(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def made(inputs, tokenizer, tmp_path_factory):
  """Three shards by a local process: (folder, `Made`)."""
  folder = tmp_path_factory.mktemp("made")
  shards = plan(inputs, folder)
  return folder, pretraining_shards.make_shards(shards, tokenizer, settings())


class TestOneElement:
  def test_is_made_once(self, inputs, tokenizer, made, tmp_path):
    folder, _ = made
    shard = plan(inputs, tmp_path)[1]
    found = pretraining_shards.make_if_missing(shard, tokenizer, settings())
    assert found.instances > 20 and found.shards == 1
    expected = contents(folder)
    assert contents(tmp_path) == {name: expected[name] for name in contents(tmp_path)}
    assert sorted(contents(tmp_path)) == [
      "a-00001-of-00003.tfrecord",
      "a-00001-of-00003.tfrecord.key",
    ]
    found = pretraining_shards.make_if_missing(shard, tokenizer, settings())
    assert found == (0, 0)

  def test_its_keys_are_of_files_that_are_whole_here(self, inputs, made, tmp_path):
    folder, _ = made
    shards = plan(inputs, tmp_path)
    assert pretraining_shards.recorded_keys(shards[0]) is None
    for name, data in contents(folder).items():
      (tmp_path / name).write_bytes(data)
    found = list(map(pretraining_shards.recorded_keys, shards))
    assert found == list(map(pretraining_shards.recorded_keys, plan(inputs, folder)))
    assert len({*found, None}) == 4
    with open(shards[1].output_files[0], "ab") as file:
      file.write(b"more")
    (tmp_path / "a-00002-of-00003.tfrecord.key").write_text("")
    assert list(map(pretraining_shards.recorded_keys, shards)) == [found[0], None, None]


@needs_beam
class TestFiles:
  """Records and keys are the local ones, byte for byte."""

  @pytest.mark.parametrize("num_shards", [1, 4])
  @pytest.mark.parametrize(
    "recipe",
    [{}, {"do_whole_word_mask": True}, {"static_masking": False}],
    ids=["pieces", "words", "masks later"],
  )
  def test_of_each_recipe(self, inputs, tokenizer, tmp_path, recipe, num_shards):
    folders = [tmp_path / name for name in ("local", "beam")]
    shards = [plan(inputs, folder, num_shards) for folder in folders]
    count = pretraining_shards.make_shards(shards[0], tokenizer, settings(**recipe))
    assert count.instances > 50 and count.shards == num_shards
    assert by_beam(shards[1], tokenizer, settings(**recipe)) == count
    assert contents(folders[1]) == contents(folders[0])
    assert len(contents(folders[1])) == 2 * num_shards

  def test_of_several_files_a_shard(self, inputs, tokenizer, tmp_path):
    paths = sorted(map(str, inputs.glob("text-*.txt")))
    folders = [tmp_path / name for name in ("local", "beam")]
    for folder, make in zip(
      folders, (pretraining_shards.make_shards, by_beam), strict=True
    ):
      folder.mkdir()
      outputs = [str(folder / name) for name in "xyz"]
      make(pretraining_shards.plan(paths, outputs), tokenizer, settings())
    assert contents(folders[1]) == contents(folders[0])

  @pytest.mark.parametrize(
    "runner, options",
    [
      ("direct", ["direct_num_workers=2", "--direct_running_mode=multi_threading"]),
      ("FnApiRunner", []),
      # What runners of clusters are made of: a job server and a worker of its own.
      ("PortableRunner", PORTABLE),
    ],
  )
  def test_of_other_runners(self, inputs, tokenizer, made, tmp_path, runner, options):
    folder, count = made
    shards = plan(inputs, tmp_path)
    found = by_beam(shards, tokenizer, settings(), runner=runner, options=options)
    assert found == count
    assert contents(tmp_path) == contents(folder)

  def test_of_words_of_a_segmenter(self, tmp_path):
    pytest.importorskip("MeCab", reason='needs MeCab: pip install ".[ja]"')
    text = "駅前の店で魚を買った。\n夕方から雨が降るらしい。\n\n" * 4
    for number in range(2):
      (tmp_path / f"text-{number}.txt").write_text(text * (number + 1))
    pieces = sorted(set(text) - {"\n"})
    (tmp_path / "vocab.txt").write_text(
      "\n".join([*SPECIALS, *pieces, *(f"##{piece}" for piece in pieces)]) + "\n"
    )
    tokenizer = front_ends.create("tohoku", str(tmp_path / "vocab.txt"), None, {})
    folders = [tmp_path / name for name in ("local", "beam")]
    shards = [plan(tmp_path, folder, 2) for folder in folders]
    words = settings(do_whole_word_mask=True)
    count = pretraining_shards.make_shards(shards[0], tokenizer, words)
    assert by_beam(shards[1], tokenizer, words) == count
    assert contents(folders[1]) == contents(folders[0])


@needs_beam
class TestContinuing:
  def test_only_missing_shards_are_made(self, inputs, tokenizer, made, tmp_path):
    folder, count = made
    shards = plan(inputs, tmp_path)
    for name, data in contents(folder).items():
      (tmp_path / name).write_bytes(data)
    kept = tmp_path / "a-00000-of-00003.tfrecord"
    os.utime(kept, ns=(1, 1))
    os.remove(tmp_path / "a-00001-of-00003.tfrecord")
    # What a worker that was killed leaves.
    (tmp_path / "a-00001-of-00003.tfrecord.tmp-99999999").write_bytes(b"half")
    (tmp_path / "a-00002-of-00003.tfrecord.key").write_text("of something else\n")
    found = by_beam(shards, tokenizer, settings())
    assert 0 < found.instances < count.instances and found.shards == 2
    assert contents(tmp_path) == contents(folder)
    assert kept.stat().st_mtime_ns == 1
    assert by_beam(shards, tokenizer, settings()) == (0, 0)

  def test_shards_that_a_runner_gives_again(self, inputs, tokenizer, made, tmp_path):
    folder, _ = made
    options = ["direct_runner_bundle_repeat=1"]
    # This runner tells what the last time has made, and then all was there.
    found = by_beam(plan(inputs, tmp_path), tokenizer, settings(), options=options)
    assert found == (0, 0)
    assert contents(tmp_path) == contents(folder)


@needs_beam
class TestFaults:
  def check(self, inputs, tokenizer, folder, error, message, **how):
    with pytest.raises(error, match=message) as caught:
      by_beam(plan(inputs, folder), tokenizer, settings(), **how)
    assert "\n" not in str(caught.value)
    return contents(folder)

  @pytest.mark.parametrize(
    "runner, options, message",
    [
      ("NoSuch", [], "--runner=NoSuch: Unexpected pipeline runner"),
      ("no.such.Runner", [], "--runner=no.such.Runner: No module named 'no'"),
      ("os.NoSuchRunner", [], "--runner=os.NoSuchRunner: .*no attribute"),
      ("DirectRunner", ["direct_num_workers=x"], "--beam_option: .*_workers: invalid"),
      ("DirectRunner", ["direct_num_worker=2"], "--beam_option: .* direct_num_worker;"),
      ("DirectRunner", ["no_such"], "--beam_option: expected options .* no_such;"),
    ],
  )
  def test_what_beam_does_not_know(
    self, inputs, tokenizer, tmp_path, runner, options, message
  ):
    files = self.check(
      inputs, tokenizer, tmp_path, ValueError, message, runner=runner, options=options
    )
    assert files == {}

  @pytest.mark.parametrize(
    "how",
    [{}, {"runner": "PortableRunner", "options": PORTABLE}],
    ids=["direct", "portable"],
  )
  def test_what_a_worker_complains_of(self, tokenizer, tmp_path, how):
    for number in range(3):
      (tmp_path / f"text-{number}.txt").write_bytes("w1\n駅前\n".encode("cp932"))
    message = (
      r"^--runner=\w+: .*text-\d.txt, line 2: expected UTF-8, found byte 0x\w\w; "
    )
    files = self.check(
      tmp_path, tokenizer, tmp_path / "out", ChildProcessError, message, **how
    )
    assert files == {}

  def test_files_that_only_workers_see(self, inputs, tokenizer, tmp_path, monkeypatch):
    # Workers that write to disks of their own.
    found = pretraining_shards.Made(7, 1)
    monkeypatch.setattr(pretraining_shards, "make_if_missing", lambda *_: found)
    message = "--runner=DirectRunner ended as DONE, but the files of 3 of 3 shards are"
    self.check(inputs, tokenizer, tmp_path, ValueError, message)

  def test_older_files_where_only_workers_see_theirs(
    self, inputs, tokenizer, made, tmp_path, monkeypatch
  ):
    folder, _ = made
    (tmp_path / "here").mkdir()
    for name, data in contents(folder).items():
      (tmp_path / "here" / name).write_bytes(data)
    recorded, num_calls = pretraining_shards.recorded_keys, itertools.count()

    def first_seen_by_workers(shard):
      return "of another seed" if next(num_calls) < 2 else recorded(shard)

    monkeypatch.setattr(pretraining_shards, "recorded_keys", first_seen_by_workers)
    message = "the files of 2 of 3 shards are not here, or older ones are"
    files = self.check(inputs, tokenizer, tmp_path / "here", ValueError, message)
    assert files == contents(folder)

  def test_texts_of_blank_lines(self, tokenizer, tmp_path):
    for number in range(3):
      (tmp_path / f"text-{number}.txt").write_text("\n\n")
    message = "text-2.txt: expected text, a sentence a line"
    files = self.check(tmp_path, tokenizer, tmp_path / "out", ValueError, message)
    assert files == {}


def arguments(inputs, output, *more):
  return [
    f"--input_file={inputs}/text-*.txt",
    f"--output_file={output}",
    f"--vocab_file={inputs}/vocab.txt",
    "--max_seq_length=24",
    "--max_predictions_per_seq=5",
    "--dupe_factor=2",
    "--num_shards=3",
    *more,
  ]


class TestScript:
  def run(self, *args, **environment):
    process = runs.start(arguments(*args), "create_pretraining_data", **environment)
    return runs.finish(process)

  @needs_beam
  def test_options_reach_beam(self, inputs, made, tmp_path):
    # Only with both options are there processes, and their log has its own form.
    options = ["direct_num_workers=2", "direct_running_mode=multi_processing"]
    flags = [f"--beam_option={option}" for option in options]
    output = tmp_path / "new" / "a.tfrecord"
    status, log = self.run(inputs, output, "--runner=DirectRunner", *flags)
    assert status == 0, log
    folder, count = made
    assert contents(output.parent) == contents(folder)
    assert f"Wrote {count.instances} total instances\n" in log
    assert "Worker: severity" in log

  @needs_beam
  @pytest.mark.parametrize(
    "flags, message",
    [
      (["--runner=NoSuch"], "--runner=NoSuch: Unexpected pipeline runner"),
      (
        ["--runner=DirectRunner", "--num_workers=2"],
        "--num_workers=2 is for this mach",
      ),
    ],
  )
  def test_faults_are_one_line(self, inputs, tmp_path, flags, message):
    status, log = self.run(inputs, tmp_path / "a.tfrecord", *flags)
    assert status == 1
    assert "Traceback" not in log
    assert (
      log.strip().split("\n")[-1].startswith(f"create_pretraining_data.py: {message}")
    )
    assert contents(tmp_path) == {}

  def test_options_without_a_runner(self, inputs, tmp_path):
    output = tmp_path / "a.tfrecord"
    status, log = self.run(inputs, output, "--beam_option=streaming")
    assert status == 1
    assert "--beam_option=streaming needs --runner" in log
    assert len(log.strip().split("\n")) == 1

  def test_without_beam(self, inputs, tmp_path):
    (tmp_path / "apache_beam.py").write_text('raise ImportError("not there")\n')
    output = tmp_path / "out" / "a.tfrecord"
    environment = {"PYTHONPATH": str(tmp_path)}
    status, log = self.run(inputs, output, "--runner=DirectRunner", **environment)
    assert status == 1
    assert log.strip().endswith('(not there): pip install "bert_ja[beam]"')
    assert len(log.strip().split("\n")) == 1
    assert not output.parent.exists()


@needs_beam
def test_workers_load_no_tensorflow():
  code = (
    "import sys\n"
    "import bert_ja.data.pretraining_beam\n"
    "sys.exit('tensorflow' in sys.modules)\n"
  )
  assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""The comparison on answerability data, from the archive to the table, killed half-way."""

import csv
import glob
import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow  # Eight trainings and two tests.

_DATA = "../shared/data"
_TOML = """
script = "run_squad.py"
[flags]
version_2_with_negative = true
random_init = true
max_seq_length = 96
doc_stride = 48
max_query_length = 24
num_train_epochs = 1
predict_batch_size = 32
[grid]
train_batch_size = [8, 16]
learning_rate = [1e-3, 5e-4]
[data]
rcqa_file = "all-v1.0.json.gz"
[[models]]
name = "words"
model_dir = "words"
tokenizer = "tohoku"
[[models]]
name = "sentences"
model_dir = "sentences"
tokenizer = "bert-japanese"
"""


def _model(directory, vocab_size):
  directory.mkdir()
  config = {
    "vocab_size": vocab_size,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 96,
    "type_vocab_size": 2,
  }
  (directory / "bert_config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
  """Directory of a comparison file, its archive and two tiny models."""
  if not os.path.isdir(_DATA):
    pytest.skip(f"{_DATA} is not there: no Japanese corpus of questions")
  root = tmp_path_factory.mktemp("compare")
  (root / "comparison.toml").write_text(_TOML)
  _model(root / "words", 32768)
  vocab = os.path.abspath(f"{_DATA}/vocab/bert-base-japanese-v3_32768.txt")
  (root / "words" / "vocab.txt").symlink_to(vocab)
  _model(root / "sentences", 32000)
  for suffix in ("model", "vocab"):
    path = os.path.abspath(f"{_DATA}/sentencepiece_ja/wiki-ja_albert.{suffix}")
    (root / "sentences" / f"wiki-ja.{suffix}").symlink_to(path)
  subprocess.run(
    [
      *(sys.executable, "-m", "benchmarks.make_rcqa", "--num_questions=60"),
      f"--input_file={_DATA}/jaquad/dev/jaquad_dev_0000.json",
      f"--output_file={root}/all-v1.0.json.gz",
      "--seed=3",
    ],
    check=True,
  )
  return root


def _start(root):
  return subprocess.Popen(
    [
      *(sys.executable, "-m", "bert_ja", "compare"),
      f"--comparison_file={root}/comparison.toml",
      f"--output_dir={root}/out",
    ],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    start_new_session=True,
  )


def _finished(root):
  """{directory of a finished training: when its checkpoint was written}."""
  times = {}
  for path in glob.glob(f"{root}/out/runs/*/*/metrics.json"):
    directory = os.path.dirname(path)
    index = max(glob.glob(f"{directory}/model.ckpt-*.index"), key=os.path.getmtime)
    times[directory] = os.path.getmtime(index)
  return times


def test_goes_from_the_archive_to_the_table_and_repeats_no_finished_run(comparison):
  process = _start(comparison)
  deadline = time.monotonic() + 300
  while len(_finished(comparison)) < 3 and process.poll() is None:
    assert time.monotonic() < deadline
    time.sleep(0.5)
  assert process.poll() is None, process.communicate()[0]
  os.killpg(process.pid, signal.SIGKILL)
  process.communicate()
  before = _finished(comparison)
  assert 3 <= len(before) < 8
  process = _start(comparison)
  log, _ = process.communicate(timeout=600)
  assert process.returncode == 0, log
  after = _finished(comparison)
  assert len(after) == 8
  # The run that was under way may have written its metrics just before the kill.
  assert sum(after[directory] != when for directory, when in before.items()) <= 1
  with open(comparison / "out" / "summary.csv", encoding="utf-8") as reader:
    rows = list(csv.DictReader(reader))
  assert [row["Model"] for row in rows] == ["words", "sentences"]
  for row in rows:
    assert {"Dev EM", "Dev F1", "Test EM", "Test F1", "run"} <= row.keys()
    assert 0 <= float(row["Test EM"]) <= float(row["Test F1"]) <= 100
  assert os.path.getsize(comparison / "out" / "summary.png") > 1000

"""The benchmark of create_pretraining_data.py on little text."""

import json
import subprocess
import sys

import pytest

from benchmarks import pretraining_data_benchmark
from bert_ja import text_io


@pytest.mark.slow
def test_both_sides_make_the_same_records(tmp_path):
  subprocess.run(
    [
      sys.executable,
      "-m",
      "benchmarks.pretraining_data_benchmark",
      "--megabytes=0.02",
      "--dupe_factor=2",
      "--cases=plain,same",
      f"--output_file={tmp_path}/out.json",
    ],
    check=True,
    capture_output=True,
  )
  plain, ours = json.loads((tmp_path / "out.json").read_text())
  assert ours["same"] is True
  assert plain["instances"] == ours["instances"] > 50
  ratio = ours["instances_per_second"] / plain["instances_per_second"]
  assert abs(ours["times_first"] - ratio) < 1e-9
  assert 10 < ours["peak_mb"] < 2000


def test_a_corpus_has_the_size_that_is_asked_for(tmp_path):
  documents = [["朝。", "駅前を歩く。"], ["夜。"]]
  paths = pretraining_data_benchmark.write_corpus(documents, tmp_path, 600, 3)
  texts = list(map(text_io.read_text, paths))
  assert all(195 <= len(text.encode()) <= 205 for text in texts)
  assert texts[0].startswith("朝。\n駅前を歩く。\n\n夜。\n\n朝。\n")

"""The benchmark of reading comprehension as a program; its sides have tests of theirs."""

import json
import subprocess
import sys


def test_prints_its_tables_alone(tmp_path):
  output_file = tmp_path / "out.json"
  done = subprocess.run(
    [
      sys.executable,
      "-m",
      "benchmarks.span_benchmark",
      "--max_questions=12",
      f"--output_file={output_file}",
    ],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stderr == ""
  assert done.stdout.startswith("alignment ")
  rows = json.loads(output_file.read_text())
  assert [row["alignment"] for row in rows["times"]] == ["words", "characters"]
  assert [row["different_windows"] for row in rows["times"]] == [0, 0]

import json
import subprocess
import sys

import pytest

from benchmarks import step_benchmark
from bert_ja import modeling


class TestStepBenchmark:
  def test_flops_are_those_of_the_matrix_products(self):
    config = modeling.BertConfig(
      vocab_size=7,
      hidden_size=4,
      num_hidden_layers=3,
      num_attention_heads=2,
      intermediate_size=10,
    )
    batch, length = 5, 6
    dense = 4 * (4 * 4) + 2 * (4 * 10)  # multiplications a token and layer
    attention = 2 * length * 4
    expected = 2 * 3 * batch * length * (dense + attention) + 2 * batch * 4 * 4
    assert step_benchmark.forward_flops(config, batch, length) == expected

  def test_it_writes_a_row_for_each_combination(self, tmp_path):
    config = modeling.BertConfig(
      vocab_size=50,
      hidden_size=8,
      num_hidden_layers=1,
      num_attention_heads=2,
      intermediate_size=16,
    )
    (tmp_path / "config.json").write_text(config.to_json_string())
    subprocess.run(
      [
        sys.executable,
        "-m",
        "benchmarks.step_benchmark",
        f"--bert_config_file={tmp_path}/config.json",
        "--precisions=float32",
        "--batch_sizes=2,3",
        "--lengths=8",
        "--steps=1",
        f"--output_file={tmp_path}/out.json",
      ],
      check=True,
      capture_output=True,
    )
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [(row["batch"], row["length"]) for row in rows] == [(2, 8), (3, 8)]
    for row in rows:
      share = row["model_gflops"] / row["peak_gflops"]
      assert row["share_of_peak"] == pytest.approx(share)

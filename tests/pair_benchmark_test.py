"""The benchmark of pairs: a row for each model, with sane relations."""

import pytest

from benchmarks import extraction_benchmark, pair_benchmark


def test_a_row_for_each_model(monkeypatch):
  sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
  sizes |= {"intermediate_size": 8, "max_position_embeddings": 32}
  monkeypatch.setattr(extraction_benchmark, "_MINILM", sizes)
  texts = extraction_benchmark.generated_texts(7)
  rows = pair_benchmark.measure(texts, ["all", "attention_dot"], 16, rounds=1)
  assert [row["model"] for row in rows] == ["joint", "all", "attention_dot"]
  assert rows[0]["speed"] == 1
  assert rows[1]["speed"] == pytest.approx(rows[0]["seconds"] / rows[1]["seconds"])
  assert rows[1]["seconds_to_encode"] > 0

"""The benchmark of pairs: what is timed, told by a clock that counts encoded texts."""

import types

import pytest

from benchmarks import extraction_benchmark, pair_benchmark
from bert_ja.encoding import vectors

CANDIDATES = 6


@pytest.fixture
def rows(monkeypatch):
  """Measurements where a text takes a second, and a model's first one 1,000 more."""
  sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
  sizes |= {"intermediate_size": 8, "max_position_embeddings": 32}
  monkeypatch.setattr(extraction_benchmark, "_MINILM", sizes)
  clock = types.SimpleNamespace(now=0.0, models=set())
  monkeypatch.setattr(
    pair_benchmark, "time", types.SimpleNamespace(perf_counter=lambda: clock.now)
  )
  blocks = vectors.VectorModel.blocks

  def timed(model, texts, options):
    for block in blocks(model, texts, options):
      clock.now += len(block[0]) + (0 if id(model) in clock.models else 1000)
      clock.models.add(id(model))
      yield block

  monkeypatch.setattr(vectors.VectorModel, "blocks", timed)
  texts = extraction_benchmark.generated_texts(1 + CANDIDATES)
  return pair_benchmark.measure(texts, ["all", "attention_dot"], 16, rounds=1)


def test_one_sequence_encodes_all_pairs_and_two_towers_the_query(rows):
  assert [(row["model"], row["seconds"]) for row in rows] == [
    ("joint", CANDIDATES),
    ("all", 1),
    ("attention_dot", 1),
  ]


def test_speed_is_that_in_relation_to_one_sequence(rows):
  assert [row["speed"] for row in rows] == [1, CANDIDATES, CANDIDATES]


def test_candidates_are_encoded_once_and_apart(rows):
  assert [row["seconds_to_encode"] for row in rows] == [0, CANDIDATES, CANDIDATES]

"""The benchmark of extraction: the plain way is right, and the table says so."""

import json

import numpy as np
import pytest

from benchmarks import extraction_benchmark
from bert_ja.encoding import encoder, extraction, vectors
from tests import vector_model

OPTIONS = vectors.Options(max_seq_length=12, batch_size=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  directory = vector_model.write(tmp_path_factory.mktemp("m"), num_hidden_layers=5)
  return encoder.load(str(directory))


def test_the_plain_way_writes_the_same_lines(model, tmp_path):
  texts = vector_model.texts(11)
  options = vectors.Options("none", (-1, -2), max_seq_length=12, batch_size=4)
  extraction.extract(model, texts, options, str(tmp_path / "ours.jsonl"))
  plain = extraction_benchmark.plain_extractor(model, options)
  plain(texts, str(tmp_path / "plain.jsonl"))
  ours, theirs = (
    [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
    for name in ("ours.jsonl", "plain.jsonl")
  )
  assert len(ours) == len(theirs) == 11
  for line, expected in zip(ours, theirs, strict=True):
    assert line["linex_index"] == expected["linex_index"]
    for feature, other in zip(line["features"], expected["features"], strict=True):
      assert feature["token"] == other["token"]
      for layer, other_layer in zip(feature["layers"], other["layers"], strict=True):
        assert layer["index"] == other_layer["index"]
        np.testing.assert_allclose(layer["values"], other_layer["values"], atol=1e-5)


def test_a_row_for_each_form(model):
  texts = [f"w{index}" for index in range(9)]
  rows = extraction_benchmark.measure(model, texts, OPTIONS, rounds=2)
  assert [row["form"] for row in rows] == ["plain", *extraction_benchmark.FORMS]
  plain, array, *_ = rows
  assert (plain["speed"], plain["size"]) == (1, 1)
  head = 128
  assert array["bytes_per_line"] == pytest.approx((head + 9 * 6 * 4) / 9)
  assert array["speed"] == pytest.approx(plain["seconds"] / array["seconds"])


def test_texts_are_of_mixed_lengths():
  sizes = [len(text.split()) for text in extraction_benchmark.generated_texts(2000)]
  assert 14 < np.median(sizes) < 18
  assert min(sizes) < 4
  assert max(sizes) > 100

"""Vectors of texts: numpy on what the model says of each text alone."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import one_pass
from bert_ja.data import text_rows
from bert_ja.encoding import encoder, vectors
from tests import vector_model

TEXTS = vector_model.texts(40)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  return encoder.load(str(vector_model.write(tmp_path_factory.mktemp("model"))))


def options(**changes):
  return vectors.Options(**{"max_seq_length": 20, "batch_size": 4, **changes})


def encoded(model, texts, **changes):
  """[(texts, Vectors)] of all blocks, as one array and one list."""
  found = [of_block for _, of_block in model.blocks(texts, options(**changes))]
  return np.concatenate([of_block.values for of_block in found])


def alone(model, text, length=20):
  """(vectors of the three layers [3, S, H], pooled output [H]) of one row, no padding."""
  [row] = text_rows.model_rows((model.tokenizer, length, "truncate"), text)
  outputs = model.bert(tf.constant([row.ids]), None, tf.constant([row.segment_ids]))
  layers = np.concatenate(outputs.get_all_encoder_layers())
  return layers, outputs.get_pooled_output().numpy()[0]


def close(actual, expected):
  np.testing.assert_allclose(actual, expected, atol=1e-5, rtol=1e-4)


class TestPooling:
  @pytest.mark.parametrize(
    ("changes", "expected"),
    [
      ({"pooling": "cls"}, lambda layers, _: layers[2, 0]),
      ({"pooling": "mean"}, lambda layers, _: layers[2].mean(axis=0)),
      ({"pooling": "max"}, lambda layers, _: layers[2].max(axis=0)),
      ({"pooling": "pooler"}, lambda _, pooled: pooled),
      (
        {"pooling": "mean", "layers": (0, -2)},
        lambda layers, _: np.concatenate(
          [layers[0].mean(axis=0), layers[1].mean(axis=0)]
        ),
      ),
      (
        {"pooling": "max", "layers": (-1, 0), "layer_combination": "mean"},
        lambda layers, _: ((layers[2] + layers[0]) / 2).max(axis=0),
      ),
      (
        {"pooling": "mean", "normalize": True},
        lambda layers, _: (
          layers[2].mean(axis=0) / np.sqrt(np.sum(layers[2].mean(axis=0) ** 2))
        ),
      ),
    ],
  )
  def test_of_texts_of_all_lengths(self, model, changes, expected):
    found = encoded(model, TEXTS, **changes)
    assert found.dtype == np.float32
    assert found.shape == (40, options(**changes).size(model.config))
    for text, vector in zip(TEXTS, found, strict=True):
      close(vector, expected(*alone(model, text)))

  @pytest.mark.parametrize("normalize", [False, True])
  def test_a_vector_for_each_piece(self, model, normalize):
    changes = {"pooling": "none", "layers": (-1, 0), "normalize": normalize}
    [(texts, found)] = model.blocks(TEXTS, options(**changes))
    assert texts == TEXTS
    for text, ids, values in zip(TEXTS, found.ids, found.of_texts(), strict=True):
      [row] = text_rows.model_rows((model.tokenizer, 20, "truncate"), text)
      layers, _ = alone(model, text)
      expected = np.stack([layers[2], layers[0]], axis=1)
      if normalize:
        expected /= np.sqrt(np.sum(expected**2, axis=-1, keepdims=True))
      assert ids == row.ids
      assert values.shape == (len(ids), 2, 6)
      close(values, expected)


class TestLongTexts:
  LONG = " ".join(vector_model.WORDS)

  def windows(self, model, length):
    words = vector_model.WORDS
    size = length - 2
    parts = [words[start : start + size] for start in range(0, len(words), size)]
    counts = [len(part) for part in parts]
    return counts, [alone(model, " ".join(part), length)[0][2] for part in parts]

  def test_truncated(self, model):
    found = encoded(model, [self.LONG])
    assert len(alone(model, self.LONG)[0][2]) == 20
    close(found[0], alone(model, self.LONG)[0][2].mean(axis=0))

  def test_the_mean_of_windows_is_weighted_by_their_pieces(self, model):
    counts, layers = self.windows(model, 14)
    assert counts == [12, 12, 12, 4]
    expected = np.average([x.mean(axis=0) for x in layers], axis=0, weights=counts)
    changes = {"long_text": "windows", "max_seq_length": 14}
    found = encoded(model, ["w1 w2", self.LONG, "", "w1 w2"], **changes)
    close(found[1], expected)
    for number, text in ((0, "w1 w2"), (2, ""), (3, "w1 w2")):
      close(found[number], alone(model, text)[0][2].mean(axis=0))

  def test_of_largest_numbers_the_largest_are_taken(self, model):
    _, layers = self.windows(model, 14)
    expected = np.max([x.max(axis=0) for x in layers], axis=0)
    found = encoded(
      model, [self.LONG], long_text="windows", max_seq_length=14, pooling="max"
    )
    close(found[0], expected)

  def test_the_mean_is_normalized_not_its_parts(self, model):
    changes = {"long_text": "windows", "max_seq_length": 14}
    plain = encoded(model, [self.LONG], **changes)
    found = encoded(model, [self.LONG], normalize=True, **changes)
    close(found, plain / np.linalg.norm(plain))

  def test_a_line_of_a_megabyte(self, model):
    text = "w1 " * 350_000
    found = encoded(model, [text, "w1"])
    close(found[0], alone(model, "w1 " * 18)[0][2].mean(axis=0))


class TestBatches:
  @pytest.mark.parametrize(
    ("any_length", "expected"),
    # Where lengths are compiled for, there are sixteen at most: here steps of 8.
    [(True, set(range(3, 41, 2)) | {40}), (False, {8, 16, 24, 32, 40})],
  )
  def test_have_the_length_of_their_longest_text(
    self, model, monkeypatch, any_length, expected
  ):
    shapes = []
    computed = model._computed

    def record(features, chosen):
      shapes.append(features[0].shape)
      return computed(features, chosen)

    monkeypatch.setattr(model, "_computed", record)
    monkeypatch.setattr(model, "_any_length", any_length)
    texts = ["w1 " * count for count in range(60)]
    encoded(model, texts, max_seq_length=40, batch_size=2)
    # Sixty texts in batches of two; the two shortest have two and three pieces.
    assert [rows for rows, _ in shapes] == [2] * 30
    assert {length for _, length in shapes} == expected

  def test_vectors_do_not_depend_on_the_batch(self, model):
    close(encoded(model, TEXTS, batch_size=64), encoded(model, TEXTS, batch_size=1))

  def test_blocks_end_after_so_many_texts_or_characters(self, model, monkeypatch):
    monkeypatch.setattr(vectors, "_BLOCK_TEXTS", 3)
    monkeypatch.setattr(vectors, "_BLOCK_CHARACTERS", 20)
    texts = ["w1"] * 7 + ["w1 " * 6, ("w1 " * 3, "w2 " * 4), "w1", "w2"]
    sizes = [len(block) for block, _ in model.blocks(texts, options())]
    assert sizes == [3, 3, 2, 1, 2]

  def test_blocks_are_made_as_they_are_asked_for(self, model, monkeypatch):
    monkeypatch.setattr(vectors, "_BLOCK_TEXTS", 4)
    read = []
    texts = (read.append(i) or "w1" for i in range(100))
    next(model.blocks(texts, options()))
    assert len(read) == 4

  def test_blocks_of_vectors_of_pieces_fit_into_memory(self, model):
    chosen = options(pooling="none", layers=(0, 1, 2))
    assert chosen.block_texts(model.config) == 4096
    large = type("Config", (), {"hidden_size": 10_000})()
    # Whole batches of four.
    assert chosen.block_texts(large) == 2**27 // (4 * 20 * 3 * 10_000) - 3 == 52
    larger = type("Config", (), {"hidden_size": 10**9})()
    assert chosen.block_texts(larger) == 4

  def test_parts_of_a_block_are_of_so_many_numbers(self, model):
    chosen = options(pooling="none", layers=(0, 1))
    [(_, block)] = model.blocks(TEXTS, chosen)
    parts = list(block.parts(300))
    texts = [number for places, _ in parts for number in range(*places.indices(40))]
    assert texts == list(range(40))
    found = [values for _, part in parts for values in part.of_texts()]
    for values, expected in zip(found, block.of_texts(), strict=True):
      np.testing.assert_array_equal(values, expected)
    assert [ids for _, part in parts for ids in part.ids] == block.ids
    longest = 20 * 2 * 6
    sizes = [part.values.size for _, part in parts]
    assert max(sizes) <= 300 + longest
    assert len(sizes) < 2 * block.values.size / 300

  def test_parts_of_pooled_vectors(self, model):
    [(_, block)] = model.blocks(TEXTS, options())
    parts = list(block.parts(60))
    values = [part.values for _, part in parts]
    np.testing.assert_array_equal(np.concatenate(values), block.values)
    assert max(map(len, values)) == 10
    assert [places.start for places, _ in parts][:3] == [0, 9, 19]

  def test_no_texts(self, model):
    assert list(model.blocks([], options())) == []


class TestDevices:
  def test_on_a_cpu_wide_layers_compile_nothing(self, tmp_path, monkeypatch):
    for name in ("split_heads", "attention_probs", "residual_norm"):
      monkeypatch.setattr(one_pass, name, None)
    directory = vector_model.write(tmp_path, hidden_size=128, intermediate_size=256)
    found = encoded(encoder.load(str(directory)), ["w1 w2"])
    assert np.isfinite(found).all()

  PROGRAM = """
import sys
import numpy as np
from bert_ja import distribution
from bert_ja.encoding import encoder, vectors
from tests import vector_model
strategy = distribution.create_strategy(distribution.RuntimeConfig(num_devices=2))
one = encoder.load(sys.argv[1])

def two():
  return vectors.VectorModel(
    one.config, sys.argv[1] + "/model.ckpt-1", one.tokenizer, strategy=strategy)

for pooling in ("mean", "none"):
  options = vectors.Options(pooling=pooling, max_seq_length=20, batch_size=6)
  texts = vector_model.texts(40)
  [(_, expected)] = one.blocks(texts, options)
  [(_, found)] = two().blocks(texts, options)
  np.testing.assert_allclose(found.values, expected.values, atol=1e-4)
vectors._BLOCK_TEXTS = 12
for texts in (vector_model.texts(60), ["w1 " * count for count in range(60)]):
  whole = [found.values for _, found in two().blocks(texts, options)]
  rest = [found.values for _, found in two().blocks(texts[36:], options)]
  for found, expected in zip(rest, whole[3:], strict=True):
    np.testing.assert_array_equal(found, expected)
assert two().fingerprint() != one.fingerprint()
try:
  two().check(vectors.Options(max_seq_length=20, batch_size=3))
except ValueError as error:
  print(error)
"""

  def test_two_compute_what_one_does_and_the_same_bits_when_they_go_on(self, tmp_path):
    # Narrower layers hide the last bit.
    wide = {"hidden_size": 128, "intermediate_size": 256}
    directory = str(vector_model.write(tmp_path, **wide))
    program = [sys.executable, "-c", self.PROGRAM, directory]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "--batch_size=3 cannot be divided by 2 devices\n"


class TestFingerprint:
  def test_tells_weights_apart(self, model, tmp_path):
    same = encoder.load(str(vector_model.write(tmp_path)))
    assert same.fingerprint() == model.fingerprint()
    variable = same.bert.layers[2].output.dense.bias
    variable.assign(variable + 1e-3)
    assert same.fingerprint() != model.fingerprint()

  def test_tells_precisions_apart(self, model, tmp_path):
    other = encoder.load(str(vector_model.write(tmp_path)), "bfloat16")
    assert other.fingerprint() != model.fingerprint()

  def test_tells_ways_to_look_words_up_apart(self, model, tmp_path):
    checkpoint = str(vector_model.write(tmp_path) / "model.ckpt-1")
    other = vectors.VectorModel(
      model.config, checkpoint, model.tokenizer, use_one_hot_embeddings=True
    )
    assert other.fingerprint() != model.fingerprint()


class TestErrors:
  @pytest.mark.parametrize(
    ("changes", "message"),
    [
      (
        {"pooling": "sum"},
        "--pooling=sum: expected one of none, cls, mean, max, pooler",
      ),
      ({"layer_combination": "max"}, "--layer_combination=max: expected one of concat"),
      ({"long_text": "cut"}, "--long_text=cut: expected one of truncate, windows"),
      ({"layers": (3,)}, "--layers=3: .* its 3 layers are 0 to 2, or -3 to -1"),
      ({"layers": (-1, -4)}, "--layers=-4: the model"),
      ({"layers": ()}, "expected one number at least"),
      ({"max_seq_length": 41}, "--max_seq_length=41: .* 3 to the model's 40 positions"),
      ({"max_seq_length": 2}, "max_seq_length=2"),
      ({"batch_size": 0}, "batch_size=0"),
      ({"pooling": "pooler", "layers": (0, -1)}, "--layers=0,-1: --pooling=pooler is"),
      ({"pooling": "none", "long_text": "windows"}, "choose another pooling"),
    ],
  )
  def test_options(self, model, changes, message):
    with pytest.raises(ValueError, match=message):
      next(model.blocks(["w1"], options(**changes)))

  def test_a_pooler_without_weights(self, tmp_path):
    model = encoder.load(str(vector_model.write(tmp_path, pooler=False)))
    assert encoded(model, ["w1"]).shape == (1, 6)
    with pytest.raises(ValueError, match=r"model\.ckpt-1 has no pooler; choose mean"):
      encoded(model, ["w1"], pooling="pooler")

  def test_weights_that_lack_a_layer(self, model, tmp_path):
    directory = vector_model.write(tmp_path)
    config = dict(vector_model.CONFIG, num_hidden_layers=4)
    config = type(model.config).from_dict(config)
    with pytest.raises(ValueError, match="lacks bert/encoder/layer_3/"):
      vectors.VectorModel(config, str(directory / "model.ckpt-1"), model.tokenizer)

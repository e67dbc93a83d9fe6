"""Vectors stand for their texts: each is made once, by the weights that count."""

import tracemalloc
import types

import numpy as np
import pytest
import tensorflow as tf

from bert_ja import checkpoint, estimator, frozen_encoder, job, modeling, run_config
from bert_ja.data import records

LENGTH, SIZE = 3, 40000


def features(ids):
  ids = np.array(ids)
  return {"input_ids": ids, "input_mask": np.ones_like(ids), "segment_ids": ids * 0}


class TestDifferent:
  def test_rows_in_the_order_of_first_occurrence(self):
    texts, places = frozen_encoder._different(features([[5, 1], [4, 2], [5, 1]]))
    assert texts["input_ids"].tolist() == [[5, 1], [4, 2]]
    assert places.tolist() == [0, 1, 0]

  def test_long_rows_first(self):
    rows = features([[5, 1, 7], [4, 2, 7], [6, 3, 7]])
    rows["input_mask"][:] = [[1, 1, 0], [1, 0, 0], [1, 1, 1]]
    texts, places = frozen_encoder._different(rows)
    assert texts["input_ids"][:, 0].tolist() == [6, 5, 4]
    assert places.tolist() == [1, 2, 0]

  def test_two_texts_a_row(self):
    rows = features([[[5, 1], [3, 3]], [[3, 3], [4, 2]]])
    texts, places = frozen_encoder._different(rows)
    assert {name: array.shape for name, array in texts.items()} == {
      "input_ids": (3, 2),
      "input_mask": (3, 2),
      "segment_ids": (3, 2),
    }
    np.testing.assert_array_equal(texts["input_ids"][places], rows["input_ids"])

  def test_the_same_pieces_in_other_segments_are_another_row(self):
    rows = features([[5, 1], [5, 1]])
    rows["segment_ids"][1] = [0, 1]
    texts, places = frozen_encoder._different(rows)
    assert texts["segment_ids"].tolist() == [[0, 0], [0, 1]]
    assert places.tolist() == [0, 1]


class Encoder(tf.Module):
  """Stands for a classifier: the vector of a piece is its id times two variables."""

  def __init__(self, vectors):
    super().__init__()
    self.vectors = vectors
    self.bert = tf.Module()
    self.bert.scale = tf.Variable(2.0, name="bert/scale")
    self.bert.pooler = tf.Variable(1.0, name="bert/pooler/scale")

  def encode(self, features):
    ids = tf.cast(features["input_ids"], tf.float32) * self.bert.scale
    if self.vectors == "pieces":
      return ids[:, :, tf.newaxis] * tf.ones([SIZE])
    return tf.reduce_sum(ids, axis=1, keepdims=True) * self.bert.pooler


class OfTexts(job.Job):
  def model_fn(self, optimizer_fn, options):
    def model_fn(mode):
      module = Encoder(self.vectors)
      return run_config.ModelSpec(module, init_checkpoint=self.init_checkpoint)

    return model_fn


class Frozen(frozen_encoder.FrozenEncoder, OfTexts):
  """A job of some rows, without a script's flags and data."""

  def __init__(self, output_dir, vectors="pooler", init_checkpoint=None):
    self.vectors, self.init_checkpoint = vectors, init_checkpoint
    self.flags = types.SimpleNamespace(
      output_dir=str(output_dir),
      max_seq_length=LENGTH,
      precision="float32",
      cache_dir=None,
      pad_to_max_length=None,
      bucket_by_length=False,
      xla=False,
    )
    self.config = modeling.BertConfig(vocab_size=9)
    self.strategy = tf.distribute.get_strategy()
    self.estimator = estimator.Estimator(
      self.model_fn(None, {}), run_config.RunConfig(str(output_dir)), 4, 4, 4
    )
    self.estimator.prepare(is_training=False)

  def batches(self, ids, split="eval"):
    """Batches of vectors of rows of ids, 0 behind a text's end."""
    ids = np.array(ids)
    columns = {"input_ids": ids, "input_mask": ids > 0, "segment_ids": ids * 0}
    encoded = [
      records.encode_example(
        {name: values[row].astype(int).ravel() for name, values in columns.items()}
        | {"label_ids": [row]}
      )
      for row in range(len(ids))
    ]
    path = f"{self.flags.output_dir}/rows.tf_record"
    records.write_records(path, encoded)
    spec = dict.fromkeys(columns, records.Feature(ids.shape[1:]))
    spec["label_ids"] = records.Feature(())
    return self.record_input_fn(path, split, spec)({"batch_size": 4, "max_steps": 3})


def vectors_of(dataset):
  """{row: vector}."""
  found = {}
  for batch in dataset:
    pairs = zip(batch["row_ids"].numpy(), batch["pooled_output"].numpy(), strict=True)
    found.update(pair for pair in pairs if pair[0] >= 0)
  return found


@pytest.fixture
def peak():
  """Function: the most bytes of numpy and Python at once while `run` is called."""

  def peak(run):
    tracemalloc.start()
    try:
      run()
      return tracemalloc.get_traced_memory()[1]
    finally:
      tracemalloc.stop()

  return peak


class TestVectors:
  def test_each_row_has_that_of_its_text(self, tmp_path):
    ids = [[5, 1, 0], [4, 0, 0], [5, 1, 0], [7, 1, 1], [3, 2, 0]]
    found = vectors_of(Frozen(tmp_path).batches(ids))
    assert {row: vector.tolist() for row, vector in found.items()} == {
      0: [12], 1: [8], 2: [12], 3: [18], 4: [10]
    }  # fmt: skip
    stored = np.load(tmp_path / "eval.vectors.npy")
    assert stored.tolist() == [[18], [12], [10], [8]]

  def test_each_step_of_training_has_those_of_its_rows(self, tmp_path):
    ids = [[[number + 1, 1, 0], [7, 7, number % 2]] for number in range(9)]
    dataset = Frozen(tmp_path).batches(ids, "train")
    assert len(list(dataset)) == 3
    for batch in dataset:
      expected = 2 * np.array(ids)[batch["row_ids"]].sum(axis=-1, keepdims=True)
      np.testing.assert_array_equal(batch["pooled_output"], expected)

  def test_other_weights_make_other_vectors(self, tmp_path):
    """As --use_best does, whose encoder may be another one than the newest."""
    frozen = Frozen(tmp_path)
    rows = [[5, 1, 0], [4, 0, 0]]
    assert vectors_of(frozen.batches(rows))[1] == [8]
    best = {"bert/scale": np.float32(3), "bert/pooler/scale": np.float32(1)}
    checkpoint.save(str(tmp_path / "best" / "model.ckpt-1"), best)
    frozen.estimator.load(str(tmp_path / "best" / "model.ckpt-1"))
    assert vectors_of(frozen.batches(rows))[1] == [12]

  def test_vectors_of_all_pieces_do_not_fill_the_memory(self, tmp_path, peak):
    frozen = Frozen(tmp_path, "pieces")
    ids = np.arange(64 * LENGTH).reshape(64, LENGTH) + 1
    most = peak(lambda: frozen.batches(ids))
    size = (tmp_path / "eval.vectors.npy").stat().st_size
    assert size > 4 * 64 * LENGTH * SIZE
    # Once, for the batches to take them from.
    assert most < 1.3 * size

  def test_a_text_of_many_rows_is_in_memory_once(self, tmp_path, peak):
    frozen = Frozen(tmp_path, "pieces")
    ids = np.tile([[3, 2, 1], [5, 1, 0]], [64, 1, 1])
    batches = []
    most = peak(lambda: batches.extend(frozen.batches(ids).take(1)))
    assert batches[0]["pooled_output"].shape == (4, 2, LENGTH, SIZE)
    assert most < 4 * 64 * 2 * LENGTH * SIZE / 3


class TestWeights:
  def write(self, directory, *names):
    prefix = str(directory / "model.ckpt-1")
    checkpoint.save(prefix, {name: np.float32(5) for name in names})
    return prefix

  def test_a_pooler_of_random_numbers_is_refused(self, tmp_path):
    prefix = self.write(tmp_path / "init", "bert/scale")
    message = f"--trainable=head: {prefix} lacks bert/pooler/scale, so that the vectors"
    with pytest.raises(ValueError, match=message):
      Frozen(tmp_path / "out", "pooler", prefix)

  def test_without_use_of_the_pooler_it_may_be_missing(self, tmp_path):
    prefix = self.write(tmp_path / "init", "bert/scale")
    frozen = Frozen(tmp_path / "out", "mean", prefix)
    assert frozen.vectors == "mean"

  def test_any_other_variable_has_to_be_there(self, tmp_path):
    prefix = self.write(tmp_path / "init", "bert/pooler/scale")
    with pytest.raises(ValueError, match="lacks bert/scale"):
      Frozen(tmp_path / "out", "mean", prefix)

  def test_a_continued_training_has_its_own(self, tmp_path):
    prefix = self.write(tmp_path / "init", "bert/scale")
    (tmp_path / "out").mkdir()
    both = {"bert/scale": np.float32(3), "bert/pooler/scale": np.float32(4)}
    checkpoint.save_step(str(tmp_path / "out"), 2, both, None)
    frozen = Frozen(tmp_path / "out", "pooler", prefix)
    assert vectors_of(frozen.batches([[1, 0, 0]]))[0] == [12]

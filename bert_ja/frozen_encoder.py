"""Training of a head alone: the frozen encoder runs once for each row, not each epoch.

The model stays the whole classifier, so that checkpoints are complete and all that reads
them works on. Only its batches change: they hold vectors (`pooled_output`, which
`heads.SentenceClassifier` and `two_tower.TwoTower` take in place of texts) that were
computed before. A text that occurs in many rows is encoded once.
"""

import collections
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from absl import logging

from bert_ja import job, text_io
from bert_ja.flags import data_flags

_TEXT_FEATURES = ("input_ids", "input_mask", "segment_ids")
# Part of the key: changes with what is stored for the same rows.
_FORMAT = 2


class FrozenEncoder(job.Job):
  """Stands before another `Job` among a class's bases, whose model it trains.

  Unlike in the original, a row has the same vector in every epoch: there is no dropout
  inside the encoder, only in the head.

  Attributes:
    evaluation_batches_in_one: an evaluation of vectors is cheap, its calls of the
      device are not.
  """

  evaluation_batches_in_one = 64

  def model_fn(self, optimizer_fn: Callable[[], Any], options: Mapping[str, Any]):
    """That of the other job; rows of texts become vectors, rows of vectors outputs."""
    import tensorflow as tf

    original = super().model_fn(optimizer_fn, options)

    def model_fn(mode):
      spec = original(mode)
      self._classifier = spec.module
      self._check_weights(spec.init_checkpoint)

      def predict_fn(features):
        if "pooled_output" in features:
          return spec.predict_fn(features)
        vectors = spec.module.encode(features)
        if vectors.shape.rank == 3:  # of pieces [B, S, H]: batches differ in S
          missing = self.flags.max_seq_length - tf.shape(vectors)[1]
          vectors = tf.pad(vectors, [[0, 0], [0, missing], [0, 0]])
        return {"pooled_output": vectors}

      return dataclasses.replace(spec, predict_fn=predict_fn)

    return model_fn

  def _check_weights(self, init_checkpoint):
    """Refuses weights that lack what vectors are made by, unless none are given."""
    from bert_ja import checkpoint

    if not init_checkpoint or checkpoint.latest_checkpoint(self.flags.output_dir):
      return
    stored = checkpoint.open_checkpoint(init_checkpoint).shapes
    for name in checkpoint.named_variables(self._classifier.bert):
      is_used = self._classifier.vectors == "pooler" or "/pooler/" not in name
      if is_used and name not in stored:
        raise ValueError(
          f"--trainable=head: {init_checkpoint} lacks {name}, so that the vectors would "
          "be random numbers; give weights that have it, or train it with "
          "--trainable=last_layer or all"
        )

  def batch_sizes(self) -> tuple[int, int, int]:
    """Those of the flags, larger where only vectors are computed, or from vectors."""
    train, evaluation, prediction = super().batch_sizes()
    evaluation *= self.evaluation_batches_in_one
    return train, evaluation, max(prediction, train)

  def record_input_fn(
    self, path: str, split: str, spec: Mapping[str, Any], pad: bool = False
  ) -> Callable:
    """input_fn over the vectors of a file's records; arguments as `Job`'s."""
    import numpy as np

    from bert_ja.data import feature_cache, input_pipeline, records

    rows = records.read_records(path, spec)
    texts, places = _different({name: rows.pop(name) for name in _TEXT_FEATURES})
    file = self.output_path(f"{split}.vectors.npy")
    store = feature_cache.Store(file, self._key(texts), self.flags.cache_dir)
    # Encoding takes all workers, so that all have to find the same.
    kept = self.chief_first(store.reuse)
    if kept:
      logging.info("%d rows were encoded before: %s", len(texts["input_ids"]), kept)
    else:
      batches = self._encode(texts, pad)
      if self.estimator.is_chief:
        store.fill(lambda: _write(file, len(texts["input_ids"]), batches))
      else:
        collections.deque(batches, maxlen=0)
      self.estimator.wait_for_workers()
    rows["places"] = places
    # Vectors have no length: one position each.
    rows["input_mask"] = np.ones([len(rows["label_ids"]), 1], np.int32)
    options = input_pipeline.BatchOptions(pad_to_max_length=True)
    is_training = split == "train"
    input_fn = input_pipeline.array_input_fn_builder(rows, 1, is_training, options)
    input_fn = _with_vectors(input_fn, file)
    return input_fn if is_training else _made_once(input_fn)

  def _encode(self, texts, pad):
    """Yields batches of (places, vectors): int32 [B], float32 [B, H] or [B, S, H]."""
    from bert_ja import reporting
    from bert_ja.data import input_pipeline

    started = time.monotonic()
    input_fn = input_pipeline.array_input_fn_builder(
      texts,
      self.flags.max_seq_length,
      is_training=False,
      options=data_flags.batch_options(self.strategy, self.flags, pad),
    )
    logging.info("***** Encoding %d rows, once for all epochs *****", input_fn.num_rows)
    for row_ids, outputs in self.estimator.predict_batches(input_fn):
      yield row_ids, outputs["pooled_output"]
    seconds = time.monotonic() - started
    logging.info(
      "Encoded %d rows in %s: %.1f rows/s",
      input_fn.num_rows,
      reporting.duration_text(seconds),
      input_fn.num_rows / seconds,
    )

  def _key(self, texts):
    """Of all that the vectors depend on: the ids themselves, and the encoder.

    The encoder as it is now: other weights can be loaded between two files.
    """
    from bert_ja import checkpoint

    settings = [_FORMAT, self.flags.precision, self.config.to_dict()]
    settings.append(self._classifier.vectors)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, variable in checkpoint.named_variables(self._classifier.bert).items():
      digest.update(name.encode())
      digest.update(variable.numpy().tobytes())
    for name, array in texts.items():
      digest.update(f"{name} {array.shape} {array.dtype}".encode())
      digest.update(array.tobytes())
    return digest.hexdigest()


def _different(texts):
  """Texts without repetitions, and where each row's are among them.

  Args:
    texts: {name: int [R, S], or [R, 2, S] for two texts a row}.

  Returns:
    ({name: [T, S]}, places: int32 [R] or [R, 2]). The longest come first, as batches
    have them, so that vectors can be written as they come; then the first to occur.
  """
  import numpy as np

  from bert_ja.data import input_pipeline

  shape = texts["input_ids"].shape
  flat = {name: array.reshape(-1, shape[-1]) for name, array in texts.items()}
  numbers = {}
  places = np.array(
    [
      numbers.setdefault(row.tobytes(), len(numbers))
      for row in np.concatenate(list(flat.values()), axis=1)
    ]
  )
  _, first = np.unique(places, return_index=True)
  lengths = input_pipeline.row_lengths(flat["input_mask"][first])
  order = np.argsort(-lengths, kind="stable")
  flat = {name: array[first[order]] for name, array in flat.items()}
  new_places = np.argsort(order).astype(np.int32)
  return flat, new_places[places].reshape(shape[:-1])


def _with_vectors(input_fn, file):
  """Batches with the vectors that stand in a file, not only with their places in it."""

  def with_vectors(params):
    import tensorflow as tf

    vectors = tf.constant(_read(file))

    def batch(features):
      places = features["places"]  # [B], or [B, 2]
      others = {name: value for name, value in features.items() if name != "places"}
      return {**others, "pooled_output": tf.gather(vectors, places)}

    dataset = input_fn(params).map(batch, num_parallel_calls=2, deterministic=True)
    return dataset.prefetch(4)

  with_vectors.num_rows = input_fn.num_rows
  return with_vectors


def _made_once(input_fn):
  """The same dataset in each evaluation: making one takes longer than reading it."""
  datasets = {}

  def same_dataset(params):
    size = params["batch_size"]
    if size not in datasets:
      datasets[size] = input_fn(params)
    return datasets[size]

  same_dataset.num_rows = input_fn.num_rows
  return same_dataset


def _write(path: str, count: int, batches: Iterable) -> None:
  """Writes a .npy file of `count` rows from batches of (places, rows), in order."""
  import numpy as np

  done = 0
  with text_io.written_whole(path, "wb") as writer:
    for row_ids, vectors in batches:
      if not done:
        head = {"shape": (count, *vectors.shape[1:]), "fortran_order": False}
        head["descr"] = np.lib.format.dtype_to_descr(vectors.dtype)
        np.lib.format.write_array_header_1_0(writer, head)
      assert row_ids.tolist() == list(range(done, done + len(row_ids)))
      writer.write(vectors.tobytes())
      done += len(row_ids)
    assert done == count


def _read(path):
  """The vectors; a local file is not read before they are used."""
  import numpy as np

  if text_io.is_remote(path):
    with text_io.open_file(path, "rb") as reader:
      return np.load(reader)
  return np.load(path, mmap_mode="r")

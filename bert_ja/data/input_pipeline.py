"""Features to batches: order, padding, buckets, shares of replicas and workers.

An `input_fn(params)` keeps the original's calling convention. `params` holds

  batch_size     rows of one replica
  seed           of the training order
  start_step     updates made already
  max_steps      updates in all
  input_context  `tf.distribute.InputContext` of the worker

and the dataset holds one dictionary a replica and step, in the order of replicas,
with int32 `row_ids` [B] (the row's place in the input, -1 for padding) besides the
features.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import tensorflow as tf

from bert_ja.data import pair_features, records

# Lengths are rounded up to a multiple of this: whole vectors ...
_LENGTH_MULTIPLE = 8
# ... and few shapes, since each costs the time of compiling.
_MOST_LENGTHS = 16
# What a feature's length may come from, for its last axis to be cut with the texts.
_CUT_BY = (None, "max_seq_length")
# Steps whose rows are sorted together by length.
_BUCKET_WINDOW = 64


@dataclasses.dataclass(frozen=True)
class BatchOptions:
  """How rows become batches.

  Attributes:
    bucket_by_length: group training rows of like length.
    pad_to_max_length: full length everywhere, static shapes (TPU, XLA).
  """

  bucket_by_length: bool = False
  pad_to_max_length: bool = False


def file_based_input_fn_builder(
  input_file: str,
  seq_length: int,
  is_training: bool,
  drop_remainder: bool = False,
  spec: Mapping[str, records.Feature] | None = None,
  options: BatchOptions = BatchOptions(),
) -> Callable:
  """input_fn over a TFRecord file (A-94, A-95).

  Args:
    input_file: written by `file_based_convert_examples_to_features`.
    seq_length: length S of the records.
    is_training: whether rows are shuffled.
    drop_remainder: unused, as the name stays: training never makes a partial
      batch, evaluation and prediction fill theirs with rows that are not real.
    spec: name -> feature; those of a sentence classifier by default.
    options: padding and buckets.
  """
  del drop_remainder
  spec = spec or pair_features.feature_spec(seq_length)
  arrays = records.read_records(input_file, spec)
  # As many classes as positions, by chance.
  uncut = [n for n, feature in spec.items() if feature.flag not in _CUT_BY]
  return array_input_fn_builder(arrays, seq_length, is_training, options, uncut)


def input_fn_builder(
  features: Sequence[pair_features.InputFeatures],
  seq_length: int,
  is_training: bool,
  drop_remainder: bool = False,
  options: BatchOptions = BatchOptions(),
) -> Callable:
  """input_fn over features in memory, for notebooks."""
  del drop_remainder
  arrays = {
    "input_ids": [feature.input_ids for feature in features],
    "input_mask": [feature.input_mask for feature in features],
    "segment_ids": [feature.segment_ids for feature in features],
    "is_real_example": [int(feature.is_real_example) for feature in features],
  }
  arrays = {name: np.asarray(values, np.int32) for name, values in arrays.items()}
  # Places of classes; or numbers, of which a multi-label row has as many as classes.
  labels = np.asarray([feature.label_id for feature in features])
  label_type = np.float32 if labels.dtype.kind == "f" else np.int32
  arrays["label_ids"] = labels.astype(label_type)
  return array_input_fn_builder(arrays, seq_length, is_training, options, ["label_ids"])


def array_input_fn_builder(
  arrays: Mapping[str, np.ndarray],
  seq_length: int,
  is_training: bool,
  options: BatchOptions = BatchOptions(),
  uncut: Collection[str] = (),
) -> Callable:
  """input_fn over arrays [R, ...]; a last axis of S positions is cut to the batch.

  Args:
    arrays: features by name.
    seq_length: S.
    is_training: whether rows are shuffled.
    options: padding and buckets.
    uncut: features whose last axis is no text's, whatever its length.

  Raises:
    ValueError: there is no row.
  """
  num_rows = len(arrays["input_mask"])
  if num_rows == 0:
    raise ValueError("the input has no examples")
  lengths = row_lengths(arrays["input_mask"])

  def input_fn(params):
    context = params.get("input_context") or tf.distribute.InputContext()
    replicas = context.num_replicas_in_sync
    batch_size = params["batch_size"] * replicas
    if is_training:
      rows = training_rows(
        lengths,
        batch_size,
        params.get("seed", 0),
        params.get("start_step", 0),
        params["max_steps"],
        options.bucket_by_length,
      )
    else:
      rows = evaluation_rows(lengths, batch_size)
    cuts = np.full(len(rows), seq_length)
    if not options.pad_to_max_length:
      cuts = batch_lengths(lengths, rows, seq_length)
    rows, cuts = _share_of_worker(rows, cuts, context)
    whole = arrays if options.pad_to_max_length else uncut
    return _gather(arrays, rows, cuts, seq_length, whole)

  input_fn.num_rows = num_rows
  return input_fn


def row_lengths(input_mask: np.ndarray) -> np.ndarray:
  """Positions up to the last real one, over all choices of a row: int [R]."""
  positions = np.arange(1, input_mask.shape[-1] + 1, dtype=np.int32)
  last = np.max(np.where(input_mask > 0, positions, 0), axis=-1)
  return last.reshape(len(input_mask), -1).max(axis=1)


def training_rows(
  lengths: np.ndarray,
  batch_size: int,
  seed: int,
  start_step: int,
  max_steps: int,
  bucket_by_length: bool = False,
) -> np.ndarray:
  """Rows of the steps from `start_step` to `max_steps`: int32 [steps, batch_size].

  Step k reads places k * batch_size and on of an endless stream of permutations of
  all rows, the one of epoch e drawn from (seed, e): no step depends on where a run
  began. Buckets sort the rows of 64 consecutive steps by length and shuffle the
  resulting batches among those steps.
  """
  order = _PermutationStream(len(lengths), seed)
  if not bucket_by_length:
    rows = order.read(start_step * batch_size, max_steps * batch_size)
    return rows.reshape(-1, batch_size)
  first = start_step // _BUCKET_WINDOW
  last = -(-max_steps // _BUCKET_WINDOW)
  windows = []
  for window in range(first, last):
    size = _BUCKET_WINDOW * batch_size
    rows = order.read(window * size, (window + 1) * size)
    batches = rows[np.argsort(lengths[rows], kind="stable")].reshape(-1, batch_size)
    shuffle = np.random.default_rng([seed, 1, window]).permutation(len(batches))
    windows.append(batches[shuffle])
  if not windows:
    return np.zeros([0, batch_size], np.int32)
  offset = first * _BUCKET_WINDOW
  return np.concatenate(windows)[start_step - offset : max_steps - offset]


class _PermutationStream:
  """Permutations of 0..num_rows-1, one an epoch, end to end."""

  def __init__(self, num_rows, seed):
    self._num_rows, self._seed = num_rows, seed

  def read(self, start, stop):
    epochs = range(start // self._num_rows, -(-stop // self._num_rows))
    parts = [
      np.random.default_rng([self._seed, 0, epoch]).permutation(self._num_rows)
      for epoch in epochs
    ]
    if not parts:
      return np.zeros([0], np.int32)
    offset = epochs[0] * self._num_rows
    return np.concatenate(parts)[start - offset : stop - offset].astype(np.int32)


def evaluation_rows(lengths: np.ndarray, batch_size: int) -> np.ndarray:
  """Rows longest first, the last batch filled with -1: int32 [batches, batch_size]."""
  order = np.argsort(-lengths, kind="stable").astype(np.int32)
  padding = -len(order) % batch_size
  return np.pad(order, (0, padding), constant_values=-1).reshape(-1, batch_size)


def batch_lengths(lengths: np.ndarray, rows: np.ndarray, seq_length: int) -> np.ndarray:
  """Length that each batch is cut to: int [batches].

  A multiple of 8, and in long rows of more, so that there are at most 16 lengths; or
  S itself.
  """
  longest = np.where(rows < 0, 0, lengths[rows]).max(axis=1, initial=1)
  step = _LENGTH_MULTIPLE * -(-seq_length // (_LENGTH_MULTIPLE * _MOST_LENGTHS))
  rounded = -(-longest // step) * step
  return np.minimum(rounded, seq_length)


def _share_of_worker(rows, cuts, context):
  replicas = context.num_replicas_in_sync
  local = replicas // context.num_input_pipelines
  first = context.input_pipeline_id * local
  size = rows.shape[1] // replicas
  rows = rows.reshape(len(rows), replicas, size)[:, first : first + local]
  return rows.reshape(len(rows) * local, size), np.repeat(cuts, local)


def _gather(arrays, rows, cuts, seq_length, uncut):
  tensors = {name: tf.constant(array) for name, array in arrays.items()}

  def batch(row_ids, cut):
    real = row_ids >= 0
    features = {"row_ids": row_ids}
    for name, tensor in tensors.items():
      value = tf.gather(tensor, tf.maximum(row_ids, 0))
      # A padding row is all zeros.
      shape = [-1] + [1] * (tensor.shape.rank - 1)
      value *= tf.cast(tf.reshape(real, shape), value.dtype)
      if tensor.shape.rank > 1 and tensor.shape[-1] == seq_length and name not in uncut:
        value = value[..., :cut]
      features[name] = value
    return features

  dataset = tf.data.Dataset.from_tensor_slices((rows, cuts.astype(np.int32)))
  return dataset.map(batch, num_parallel_calls=2, deterministic=True).prefetch(4)

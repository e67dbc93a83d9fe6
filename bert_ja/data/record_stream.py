"""Records of many TFRecord files in a stream: a seeded order that can begin anywhere.

The order is a function of (files, seed, place) alone, not of devices, workers or where
a run began:

  stretch  consecutive records of a file: 256, or all of a gzip file, which can be
           read from its start only
  epoch    all stretches, permuted; cut into 8 lanes that are read side by side
  window   about 8192 records, 1/8 of them from each lane, permuted

A window is all that is held in memory, besides one number for each 256 records.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from bert_ja import text_io
from bert_ja.data import record_index, records

_LANES = 8
_WINDOW = 8192

# Features of the batch of one update, their row ids and epochs -> features.
Transform = Callable[
  [dict[str, tf.Tensor], tf.Tensor, tf.Tensor], Mapping[str, tf.Tensor]
]


# --- Order ----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Epoch:
  """Records of an epoch in the order in which lanes and windows take them.

  Attributes:
    order: stretches, int [U].
    ends: records in the first 1, 2, ... U of them, int [U].
    bounds: where lanes begin, and the end; int [lanes + 1].
  """

  order: np.ndarray
  ends: np.ndarray
  bounds: np.ndarray

  def window(self, number: int) -> Iterator[tuple[int, int, int, int]]:
    """Yields (lane, stretch, first record, end) of each part of a window."""
    part = _WINDOW // (len(self.bounds) - 1)
    for lane, (first, last) in enumerate(itertools.pairwise(self.bounds)):
      start = min(first + number * part, last)
      stop = min(start + part, last)
      place = int(np.searchsorted(self.ends, start, "right"))
      while start < stop:
        begin = self.ends[place - 1] if place else 0
        end = min(stop, self.ends[place])
        yield lane, int(self.order[place]), int(start - begin), int(end - begin)
        start, place = end, place + 1

  @property
  def window_size(self) -> int:
    """Records of each window but the last, which may have fewer."""
    lanes = len(self.bounds) - 1
    return _WINDOW // lanes * lanes


def shuffled_epoch(sizes: np.ndarray, seed: int, epoch: int) -> Epoch:
  """An epoch's order; `sizes` int [U] are the records of the stretches."""
  order = np.random.default_rng([seed, 2, epoch]).permutation(len(sizes))
  ends = np.cumsum(sizes[order])
  lanes = min(_LANES, len(sizes))
  return Epoch(order, ends, ends[-1] * np.arange(lanes + 1) // lanes)


def plain_epoch(sizes: np.ndarray) -> Epoch:
  """The order of the files."""
  ends = np.cumsum(sizes)
  return Epoch(np.arange(len(sizes)), ends, np.array([0, ends[-1]]))


class RecordReader:
  """Reads the endless stream of epochs, from any place on.

  One thread at a time; reading on from the last place is what is fast.
  """

  def __init__(self, files: Sequence[record_index.RecordFile], seed: int | None = None):
    """Opens nothing yet.

    Args:
      files: in the order that row ids count.
      seed: of the order; None for that of the files.
    """
    self._files, self._seed = files, seed
    stretches = [file.stretches for file in files]
    sizes = list(itertools.chain.from_iterable(stretches))
    self._sizes = np.array(sizes, np.int64)
    self._firsts = np.cumsum(self._sizes) - self._sizes
    counts = [len(sizes) for sizes in stretches]
    self._file_of = np.repeat(np.arange(len(files)), counts)
    self._first_stretch = np.cumsum(counts) - counts
    self.num_rows = int(self._sizes.sum())
    self._epoch = functools.lru_cache(maxsize=1)(self._order_of)
    self._window = functools.lru_cache(maxsize=1)(self._read_window)
    self._gzips = {}

  def read(self, start: int, count: int) -> tuple[list[bytes], np.ndarray, np.ndarray]:
    """Records at places `start` to `start + count` of the stream.

    Returns:
      (serialized records, row ids int64 [count], epochs int64 [count]); a row id is
      the record's number over all files.
    """
    serialized, row_ids, epochs = [], [], []
    while count:
      number, place = divmod(start, self.num_rows)
      window, place = divmod(place, self._epoch(number).window_size)
      some, ids = self._window(number, window)
      taken = slice(place, place + count)
      serialized += some[taken]
      row_ids.append(ids[taken])
      epochs.append(np.full(len(row_ids[-1]), number, np.int64))
      start, count = start + len(row_ids[-1]), count - len(row_ids[-1])
    return serialized, np.concatenate(row_ids), np.concatenate(epochs)

  def _order_of(self, epoch):
    if self._seed is None:
      return plain_epoch(self._sizes)
    return shuffled_epoch(self._sizes, self._seed, epoch)

  def _read_window(self, epoch, window):
    serialized, row_ids = [], []
    for lane, stretch, start, stop in self._epoch(epoch).window(window):
      serialized += self._read_stretch(lane, stretch, start, stop)
      first = self._firsts[stretch]
      row_ids.append(np.arange(first + start, first + stop))
    row_ids = np.concatenate(row_ids)
    if self._seed is None:
      return serialized, row_ids
    draw = np.random.default_rng([self._seed, 3, epoch, window])
    order = draw.permutation(len(row_ids))
    return [serialized[place] for place in order], row_ids[order]

  def _read_stretch(self, lane, stretch, start, stop):
    number = self._file_of[stretch]
    file = self._files[number]
    if not file.offsets.size:
      return self._read_gzip(lane, file.path, start, stop)
    place = stretch - self._first_stretch[number]
    begin, end = file.offsets[place : place + 2].tolist()
    with text_io.open_file(file.path, "rb") as reader:
      reader.seek(begin)
      data = reader.read(end - begin)
    found, here = [], 0
    for _ in range(stop):
      length = int.from_bytes(data[here : here + 8], "little")
      found.append(data[here + record_index.HEAD : here + record_index.HEAD + length])
      here += record_index.HEAD + length + record_index.FOOT
    return found[start:]

  def _read_gzip(self, lane, path, start, stop):
    """A lane reads on where it stopped, if it stands in the same file before `start`."""
    open_path, here, reader = self._gzips.get(lane, (None, 0, None))
    if open_path != path or here > start:
      if reader:
        reader.close()
      here, reader = 0, record_index.open_records(path)
    for _ in record_index.read_records(reader, start - here):
      pass
    found = list(record_index.read_records(reader, stop - start))
    self._gzips[lane] = path, stop, reader
    return found


# --- input_fn -------------------------------------------------------------------------


def stream_input_fn_builder(
  files: Sequence[record_index.RecordFile],
  spec: records.FeatureSpec,
  is_training: bool,
  num_batches: int | None = None,
  transform: Transform | None = None,
) -> Callable:
  """input_fn over a stream of records, in batches of fixed shapes.

  Each worker reads and parses the whole batch of an update, of which it gives its
  devices their shares: `transform` sees what no share has, and reading is a small part
  of the work of an update.

  Args:
    files: of `record_index.index_files`.
    spec: name -> feature.
    is_training: whether the order is shuffled. In evaluation it is that of the files,
      again and again (A-159), and row ids count the rows of the evaluation.
    num_batches: of an evaluation.
    transform: (features of the whole batch, row ids, epochs) -> features.
  """
  num_rows = sum(file.count for file in files)

  def input_fn(params):
    context = params.get("input_context") or tf.distribute.InputContext()
    replicas = context.num_replicas_in_sync
    size = params["batch_size"] * replicas
    steps = range(num_batches or 0)
    if is_training:
      steps = range(params.get("start_step", 0), params["max_steps"])
    seed = params.get("seed", 0) if is_training else None
    batches = _batches(files, spec, seed, steps, size, transform)
    local = replicas // context.num_input_pipelines
    first = context.input_pipeline_id * local

    def shares(features):
      return {
        name: tf.reshape(value, [replicas, size // replicas, *value.shape[1:]])[
          first : first + local
        ]
        for name, value in features.items()
      }

    return batches.map(shares).unbatch().prefetch(4)

  input_fn.num_rows = num_rows
  return input_fn


def _batches(files, spec, seed, steps, size, transform):
  """Whole batches of updates; `steps` are their numbers."""
  reader = RecordReader(files, seed)

  def read(step):
    serialized, row_ids, epochs = reader.read(int(step) * size, size)
    return np.array(serialized, object), row_ids, epochs

  def parse(step):
    read_types = (tf.string, tf.int64, tf.int64)
    serialized, row_ids, epochs = tf.numpy_function(read, [step], read_types)
    return [tf.ensure_shape(x, [size]) for x in (serialized, row_ids, epochs)]

  def features_of(step, serialized, row_ids, epochs):
    parsed = tf.io.parse_example(serialized, records.parse_spec(spec))
    features = {
      name: tf.cast(value, tf.int32) if value.dtype == tf.int64 else value
      for name, value in parsed.items()
    }
    if transform is not None:
      features = dict(transform(features, row_ids, epochs))
    if seed is None:
      row_ids = step * size + tf.range(size, dtype=tf.int64)
    return {**features, "row_ids": row_ids}

  # One call after the other, in order: the reader keeps its place.
  dataset = tf.data.Dataset.range(steps.start, steps.stop)
  dataset = dataset.map(lambda step: (step, *parse(step)))
  return dataset.map(features_of, num_parallel_calls=2, deterministic=True)

"""TFRecord files whose records are numbered through."""

import itertools
import os

import tensorflow as tf

from bert_ja.data import records

SPEC = {"number": records.Feature((1,)), "weights": records.Feature((2,), "float32")}


def example(number):
  # Records of several lengths, so that no offset is right by chance.
  values = {"number": [number], "weights": [number / 2, 1.5], "unused": [7] * number}
  return records.encode_example(values)


def write(directory, counts, compressed=()):
  """Files of these many records, numbered through."""
  numbers, paths = itertools.count(), []
  for index, count in enumerate(counts):
    path = os.path.join(directory, f"part-{index}")
    options = "GZIP" if index in compressed else None
    with tf.io.TFRecordWriter(path, options) as writer:
      for _ in range(count):
        writer.write(example(next(numbers)))
    paths.append(path)
  return paths

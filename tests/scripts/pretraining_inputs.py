"""Records that a tiny model can learn from, and arguments of run_pretraining.py."""

import json
import os
import random

import numpy as np

SPECIALS, WORDS = 5, 30  # ids below 5 are special
PAD, CLS, SEP, MASK = 0, 2, 3, 4
PREDICTIONS = 3
CONFIG = {
  "vocab_size": SPECIALS + WORDS,
  "hidden_size": 16,
  "num_hidden_layers": 2,
  "num_attention_heads": 4,
  "intermediate_size": 24,
  "max_position_embeddings": 24,
  "type_vocab_size": 2,
}


def write(directory):
  """Training records in three files, held-out ones, longer ones, some without
  masks, a config and a vocabulary with a piece more than it."""
  draw = random.Random(5)
  os.makedirs(directory, exist_ok=True)
  for name, count, length, compression in (
    ("train-0.tfrecord", 40, 16, None),
    ("train-1.tfrecord", 23, 16, "GZIP"),
    ("train-2.tfrecord", 17, 16, None),
    ("dev.tfrecord", 30, 16, None),
    ("long.tfrecord", 40, 24, None),
  ):
    _write(os.path.join(directory, name), count, length, compression, draw)
  _write(os.path.join(directory, "whole.tfrecord"), 40, 16, None, draw, masks=False)
  with open(os.path.join(directory, "bert_config.json"), "w") as writer:
    json.dump(CONFIG, writer)
  with open(os.path.join(directory, "vocab.txt"), "w") as writer:
    writer.write("".join(f"w{number}\n" for number in range(SPECIALS + WORDS + 1)))


def _write(path, count, length, compression, draw, masks=True):
  import tensorflow as tf

  from bert_ja.data import records

  with tf.io.TFRecordWriter(path, compression) as writer:
    for _ in range(count):
      writer.write(records.encode_example(_instance(length, draw, masks)))


def _instance(length, draw, masks):
  """One word again and again; a random second part has another one."""
  size = draw.randint(length // 2, length) - 3  # words of both parts
  first = draw.randint(2, size - 2)
  word, is_random = SPECIALS + draw.randrange(WORDS), draw.random() < 0.5
  other = SPECIALS + draw.randrange(WORDS) if is_random else word
  ids = [CLS, *[word] * first, SEP, *[other] * (size - first), SEP]
  places = [i for i, number in enumerate(ids) if number >= SPECIALS]
  chosen = sorted(draw.sample(places, draw.randint(1, PREDICTIONS)))
  labels = [ids[i] for i in chosen]
  for place in chosen if masks else ():
    ids[place] = MASK
  segments = [0] * (first + 2) + [1] * (len(ids) - first - 2)

  def padded(values, size):
    return values + [0] * (size - len(values))

  features = {
    "input_ids": padded(ids, length),
    "input_mask": padded([1] * len(ids), length),
    "segment_ids": padded(segments, length),
    "next_sentence_labels": [int(is_random)],
  }
  if not masks:
    # Words of two pieces.
    return {**features, "word_starts": padded([i % 2 for i in range(len(ids))], length)}
  return features | {
    "masked_lm_positions": padded(chosen, PREDICTIONS),
    "masked_lm_ids": padded(labels, PREDICTIONS),
    "masked_lm_weights": np.float32(padded([1] * len(chosen), PREDICTIONS)),
  }


def arguments(inputs, output_dir, **flag_values):
  """Arguments of a training run of 24 steps; `flag_values` replace and add."""
  values = {
    "input_file": f"{inputs}/train-*.tfrecord",
    "bert_config_file": f"{inputs}/bert_config.json",
    "output_dir": output_dir,
    "max_seq_length": 16,
    "max_predictions_per_seq": PREDICTIONS,
    "train_batch_size": 8,
    "eval_batch_size": 5,
    "max_eval_steps": 6,
    "num_train_steps": 24,
    "num_warmup_steps": 4,
    "learning_rate": 3e-3,
    "save_checkpoints_steps": 5,
    "do_train": True,
    **flag_values,
  }
  return [f"--{name}={value}" for name, value in values.items() if value is not None]

"""Pre-training instances by the rules of the contract (A-139 to A-153), one at a time.

The measure of the tests and of the speed benchmark: lists of tokens, `random.Random`'s
own methods, and nothing clever.
"""

import random


def read_documents(paths, tokenize):
  """Documents as lists of sentences, which are lists of tokens."""
  documents = [[]]
  for path in paths:
    with open(path, encoding="utf-8") as reader:
      for line in reader:
        line = line.strip()
        if not line:
          documents.append([])
          continue
        tokens = tokenize(line)
        if tokens:
          documents[-1].append(tokens)
  return [document for document in documents if document]


def truncate(tokens_a, tokens_b, capacity, rng):
  """Contract A-146."""
  while len(tokens_a) + len(tokens_b) > capacity:
    longer = tokens_a if len(tokens_a) > len(tokens_b) else tokens_b
    if rng.random() < 0.5:
      del longer[0]
    else:
      longer.pop()


def mask(tokens, probability, most, words, rng, whole_words=False):
  """Contract A-148 to A-151: (tokens, positions, labels)."""
  groups = []
  for index, token in enumerate(tokens):
    if token in ("[CLS]", "[SEP]"):
      continue
    if whole_words and groups and token.startswith("##"):
      groups[-1].append(index)
    else:
      groups.append([index])
  rng.shuffle(groups)
  budget = min(most, max(1, int(round(len(tokens) * probability))))
  output, labels = list(tokens), {}
  for group in groups:
    if len(labels) >= budget:
      break
    if len(labels) + len(group) > budget:
      continue
    for index in group:
      labels[index] = tokens[index]
      if rng.random() < 0.8:
        output[index] = "[MASK]"
      elif rng.random() >= 0.5:
        output[index] = words[rng.randint(0, len(words) - 1)]
  positions = sorted(labels)
  return output, positions, [labels[index] for index in positions]


def pairs_of_document(documents, number, capacity, short, rng):
  """Contract A-142 to A-146: yields (tokens of A, of B, whether B is random)."""
  document = documents[number]
  target = capacity
  if rng.random() < short:
    target = rng.randint(2, capacity)
  chunk, place = [], 0
  while place < len(document):
    chunk.append(document[place])
    if place == len(document) - 1 or sum(map(len, chunk)) >= target:
      end = 1 if len(chunk) == 1 else rng.randint(1, len(chunk) - 1)
      first = [token for sentence in chunk[:end] for token in sentence]
      second = []
      is_random = len(chunk) == 1 or rng.random() < 0.5
      if is_random:
        for _ in range(10):
          other = rng.randint(0, len(documents) - 1)
          if other != number:
            break
        start = rng.randint(0, len(documents[other]) - 1)
        for sentence in documents[other][start:]:
          second += sentence
          if len(second) >= target - len(first):
            break
        place -= len(chunk) - end
      else:
        second = [token for sentence in chunk[end:] for token in sentence]
      truncate(first, second, capacity, rng)
      yield first, second, is_random
      chunk = []
    place += 1


def instances(
  paths,
  tokenize,
  words,
  seed,
  length=128,
  most=20,
  probability=0.15,
  short=0.1,
  passes=10,
  whole_words=False,
):
  """All instances in their order: dicts of tokens, segments, masks and the label."""
  rng = random.Random(seed)
  documents = read_documents(paths, tokenize)
  rng.shuffle(documents)
  made = []
  for _ in range(passes):
    for number in range(len(documents)):
      for a, b, is_random in pairs_of_document(
        documents, number, length - 3, short, rng
      ):
        tokens = ["[CLS]", *a, "[SEP]", *b, "[SEP]"]
        output, positions, labels = mask(
          tokens, probability, most, words, rng, whole_words
        )
        made.append(
          {
            "tokens": output,
            "segment_ids": [0] * (len(a) + 2) + [1] * (len(b) + 1),
            "positions": positions,
            "labels": labels,
            "is_random": is_random,
          }
        )
  rng.shuffle(made)
  return made


def features(instance, vocab, length=128, most=20):
  """Contract A-152."""

  def padded(values, size):
    return values + [0] * (size - len(values))

  ids = [vocab[token] for token in instance["tokens"]]
  labels = [vocab[token] for token in instance["labels"]]
  return {
    "input_ids": padded(ids, length),
    "input_mask": padded([1] * len(ids), length),
    "segment_ids": padded(instance["segment_ids"], length),
    "masked_lm_positions": padded(instance["positions"], most),
    "masked_lm_ids": padded(labels, most),
    "masked_lm_weights": [1.0] * len(labels) + [0.0] * (most - len(labels)),
    "next_sentence_labels": [int(instance["is_random"])],
  }


def write(path, made, vocab, length=128, most=20):
  """One TFRecord file."""
  import tensorflow as tf

  def feature(values):
    if isinstance(values[0], float):
      return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

  with tf.io.TFRecordWriter(path) as writer:
    for instance in made:
      values = features(instance, vocab, length, most)
      example = tf.train.Example(
        features=tf.train.Features(feature={k: feature(v) for k, v in values.items()})
      )
      writer.write(example.SerializeToString())

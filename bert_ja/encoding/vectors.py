"""Texts to vectors: rows batched by length, pooled on the device, given in input order.

B rows of a batch, S positions, L layers asked for, H hidden size; R texts, T pieces of
all texts, D numbers of a pooled vector.
"""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from bert_ja import checkpoint, distribution, modeling, tokenization
from bert_ja.data import input_pipeline, parallel, text_rows
from bert_ja.encoding import pooling

DEFAULT_LENGTH = 128

# Texts that are sorted by length together; fewer where their vectors or the texts
# themselves would take too much memory.
_BLOCK_TEXTS = 4096
_BLOCK_BYTES = 1 << 27
_BLOCK_CHARACTERS = 1 << 22


@dataclasses.dataclass(frozen=True)
class Options:
  """Which vectors.

  Attributes:
    pooling: "mean" and "max" are over all real pieces of a text, [CLS] and [SEP]
      included; "cls" is the vector of [CLS]; "pooler" that of the layer which was
      pre-trained upon it (`layers` do not matter then); "none": one vector a piece.
    layers: of the encoder, 0 for the first, -1 for the last.
    layer_combination: several layers one after the other, or their mean.
    normalize: divide each vector by its length.
    long_text: "truncate" long texts; or cut them into "windows" side by side and take
      the mean of their vectors, weighted by their pieces (with "max" the largest of
      each number). Pairs are always truncated.
    max_seq_length: S at most, [CLS] and [SEP] included.
    batch_size: B.
  """

  pooling: str = "mean"
  layers: tuple[int, ...] = (-1,)
  layer_combination: str = "concat"
  normalize: bool = False
  long_text: str = "truncate"
  max_seq_length: int = DEFAULT_LENGTH
  batch_size: int = 32

  def check(self, config: modeling.BertConfig) -> None:
    """Checks the options, and those that a model limits.

    Raises:
      ValueError: a name or layer is not known, a number is out of range, or windows of
        texts whose pieces have a vector each.
    """
    for name, known in (
      ("pooling", pooling.POOLINGS),
      ("layer_combination", pooling.LAYER_COMBINATIONS),
      ("long_text", text_rows.LONG_TEXTS),
    ):
      value = getattr(self, name)
      if value not in known:
        raise ValueError(f"--{name}={value}: expected one of {', '.join(known)}")
    count = config.num_hidden_layers
    for layer in self.layers:
      if not -count <= layer < count:
        raise ValueError(
          f"--layers={layer}: the model has no such layer; its {count} layers are "
          f"0 to {count - 1}, or {-count} to -1 from the last one"
        )
    if not self.layers:
      raise ValueError("--layers: expected one number at least, found none")
    if not 3 <= self.max_seq_length <= config.max_position_embeddings:
      raise ValueError(
        f"--max_seq_length={self.max_seq_length}: expected a number from 3 to the model's "
        f"{config.max_position_embeddings} positions"
      )
    if self.batch_size < 1:
      raise ValueError(f"--batch_size={self.batch_size}: expected 1 or more")
    if self.pooling == "none" and self.long_text == "windows":
      raise ValueError(
        "--long_text=windows takes the mean of windows, --pooling=none has none; choose "
        "another pooling, or truncate"
      )
    if self.pooling == "pooler" and self.layers not in ((-1,), (count - 1,)):
      raise ValueError(
        f"--layers={','.join(map(str, self.layers))}: --pooling=pooler is of the last "
        "layer; leave --layers away, or choose another pooling"
      )

  @property
  def num_vectors(self) -> int:
    """L vectors of a piece, after the layers are combined."""
    return 1 if self.layer_combination == "mean" else len(self.layers)

  def size(self, config: modeling.BertConfig) -> int:
    """D numbers of a vector."""
    count = 1 if self.pooling == "pooler" else self.num_vectors
    return count * config.hidden_size

  def block_texts(self, config: modeling.BertConfig) -> int:
    """Texts that are sorted together."""
    if self.pooling != "none":
      return _BLOCK_TEXTS
    most_bytes = 4 * self.max_seq_length * self.num_vectors * config.hidden_size
    batches = min(_BLOCK_TEXTS, _BLOCK_BYTES // most_bytes) // self.batch_size
    return max(1, batches) * self.batch_size


@dataclasses.dataclass(frozen=True)
class Vectors:
  """Of a block of texts.

  Attributes:
    values: float32 [R, D]; without pooling [T, L, H].
    ids: of each text's pieces, [CLS] and [SEP] included; None with pooling.
  """

  values: np.ndarray
  ids: list[list[int]] | None = None

  def of_texts(self) -> list[np.ndarray]:
    """Without pooling: float32 [T, L, H] of each text."""
    ends = np.cumsum([len(ids) for ids in self.ids])
    return np.split(self.values, ends[:-1])

  def parts(self, numbers: int) -> Iterator[tuple[slice, "Vectors"]]:
    """Yields (which texts, their vectors), in order, of so many numbers together.

    Args:
      numbers: float32 values of a part; one text may add its own.
    """
    has_pieces = self.ids is not None
    counts = [len(ids) for ids in self.ids] if has_pieces else [1] * len(self.values)
    ends = np.cumsum(counts)
    of_part = ends * np.prod(self.values.shape[1:], dtype=np.int64) // numbers
    starts = [0, *(np.flatnonzero(np.diff(of_part)) + 1).tolist()]
    for start, end in itertools.pairwise([*starts, len(counts)]):
      values = self.values[ends[start] - counts[start] : ends[end - 1]]
      texts = slice(start, end)
      yield texts, Vectors(values, self.ids[texts] if has_pieces else None)


class VectorModel:
  """An encoder with its weights and its tokenizer.

  Attributes:
    config: `modeling.BertConfig`.
    tokenizer: `tokenization.Tokenizer`.
    bert: `modeling.BertModel`.
  """

  def __init__(
    self,
    config: modeling.BertConfig,
    init_checkpoint: str,
    tokenizer: tokenization.Tokenizer,
    precision: str = "float32",
    strategy: tf.distribute.Strategy | None = None,
    use_one_hot_embeddings: bool = False,
  ):
    """Creates the model and loads its weights.

    Args:
      config: the model's sizes.
      init_checkpoint: see `checkpoint.init_from_checkpoint`.
      tokenizer: the model's.
      precision: see `modeling.Precision.from_name`.
      strategy: where to compute.
      use_one_hot_embeddings: look words up by a matrix product (TPU).

    Raises:
      ValueError: the weights are of another model, or lack a layer of it.
    """
    self.config, self.tokenizer = config, tokenizer
    self._strategy = strategy or tf.distribute.get_strategy()
    on_cpu = distribution.on_cpu(self._strategy)
    types = modeling.Precision.from_name(precision, on_cpu)
    # Where nothing is compiled, a batch can have any length.
    self._any_length = on_cpu
    types = dataclasses.replace(types, one_pass=not on_cpu)
    with self._strategy.scope(), tf.name_scope(""):
      self.bert = modeling.BertModel(
        config, precision=types, use_one_hot_embeddings=use_one_hot_embeddings
      )
      variables = checkpoint.named_variables(self.bert)
    loaded = checkpoint.init_from_checkpoint(init_checkpoint, variables)
    missing = [name for name in variables if name not in loaded]
    # Models that fill in masks may come without the pooler, which few vectors need.
    self._lacks_pooler = any("/pooler/" in name for name in missing)
    missing = [name for name in missing if "/pooler/" not in name]
    if missing:
      raise ValueError(
        f"{init_checkpoint} lacks {missing[0]}; its vectors would be random numbers: "
        "give the weights that belong to the configuration"
      )
    self._init_checkpoint = init_checkpoint
    self._is_tpu = distribution.is_tpu(self._strategy)
    device = "TPU" if self._is_tpu else "CPU" if on_cpu else "GPU"
    replicas = self._strategy.num_replicas_in_sync
    self._computing = [precision, use_one_hot_embeddings, device, replicas]
    self._functions = {}

  def fingerprint(self) -> str:
    """Hex SHA-256 of all that vectors depend on besides tokenizer and options."""
    digest = hashlib.sha256(self.config.to_json_string().encode())
    digest.update(json.dumps(self._computing).encode())
    for name, variable in checkpoint.named_variables(self.bert).items():
      if not (self._lacks_pooler and "/pooler/" in name):
        digest.update(np.ascontiguousarray(variable.numpy()))
    return digest.hexdigest()

  def check(self, options: Options) -> None:
    """Checks options against the model; see `Options.check`.

    Raises:
      ValueError: also where the pooler is asked for and has no weights, or a batch
        cannot be divided over the devices.
    """
    options.check(self.config)
    if options.pooling == "pooler" and self._lacks_pooler:
      raise ValueError(
        f"--pooling=pooler: {self._init_checkpoint} has no pooler; choose mean or cls"
      )
    replicas = self._strategy.num_replicas_in_sync
    if options.batch_size % replicas:
      raise ValueError(
        f"--batch_size={options.batch_size} cannot be divided by {replicas} devices"
      )

  def blocks(
    self, texts: Iterable[text_rows.Text], options: Options
  ) -> Iterator[tuple[list[text_rows.Text], Vectors]]:
    """Yields blocks of the texts and their vectors, in the order of the texts.

    Where blocks end depends on the options and the texts from there on alone.
    """
    self.check(options)
    most = options.block_texts(self.config)
    for block in _blocks(texts, most, _BLOCK_CHARACTERS):
      yield block, self._encode(block, options)

  def _encode(self, texts, options):
    settings = self.tokenizer, options.max_seq_length, options.long_text
    windows = list(parallel.ordered_map(text_rows.model_rows, settings, texts))
    rows = [row for of_text in windows for row in of_text]
    lengths = np.array([len(row.ids) for row in rows])
    found = self._run(rows, lengths, options)
    if options.pooling == "none":
      values = np.concatenate(found)
    else:
      values = np.stack(found)
      if len(rows) > len(texts):
        counts = [len(of_text) for of_text in windows]
        values = pooling.merged(values, lengths - 2, counts, options.pooling)
    if options.normalize:
      values = pooling.normalized(values)
    ids = [row.ids for row in rows] if options.pooling == "none" else None
    return Vectors(values, ids)

  def _run(self, rows, lengths, options):
    """The device's results: [D] of each row, or [its pieces, L, H]."""
    order = input_pipeline.evaluation_rows(lengths, options.batch_size)
    cuts = self._cuts(lengths, order, options.max_seq_length)
    results = [None] * len(rows)
    for batch, cut in zip(order, cuts, strict=True):
      values = self._computed(self._features(rows, batch, cut), options)
      # Where a batch is padded, its last rows are none of the texts'.
      for row, value in zip(batch[batch >= 0], values, strict=False):
        if options.pooling == "none":
          value = value[: lengths[row]].copy()  # a view would keep the whole batch
        results[row] = value
    return results

  def _cuts(self, lengths, order, max_seq_length):
    """Length S of each batch."""
    if self._is_tpu:
      return np.full(len(order), max_seq_length)
    if self._any_length:
      return np.where(order < 0, 0, lengths[order]).max(axis=1)
    return input_pipeline.batch_lengths(lengths, order, max_seq_length)

  def _features(self, rows, batch, length):
    """ids, mask and segments, int32 [B, S] each; a row of no text has one piece."""
    ids = np.full([len(batch), length], self.tokenizer.pad_id, np.int32)
    mask, segment_ids = np.zeros_like(ids), np.zeros_like(ids)
    mask[:, 0] = 1
    for place, row in enumerate(batch[batch >= 0]):
      count = len(rows[row].ids)
      ids[place, :count] = rows[row].ids
      mask[place, :count] = 1
      segment_ids[place, :count] = rows[row].segment_ids
    return ids, mask, segment_ids

  def _computed(self, features, options):
    replicas = self._strategy.num_replicas_in_sync
    features = [x.reshape(replicas, -1, x.shape[1]) for x in features]
    found = self._function(options)(*map(tf.constant, features))
    parts = self._strategy.experimental_local_results(found)
    return np.concatenate([part.numpy() for part in parts])

  def _function(self, options):
    """Traced once for each kind of vector.

    It takes ids, mask and segments, int32 [devices, B / devices, S], to the values.
    """
    key = options.pooling, options.layers, options.layer_combination
    if key not in self._functions:

      def replica(*features):
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        ids, mask, segment_ids = [feature[number] for feature in features]
        return pooling.pooled(self.bert(ids, mask, segment_ids), mask, *key)

      # Of any size from the start: functions of certain sizes differ in the last bit, and
      # a run that goes on meets other sizes first than an unbroken one. On a TPU all
      # batches have one size, which it must know.
      sizes = [tf.TensorSpec([None] * 3, tf.int32)] * 3
      self._functions[key] = tf.function(
        lambda *features: self._strategy.run(replica, args=features),
        input_signature=None if self._is_tpu else sizes,
      )
    return self._functions[key]


def _blocks(texts, most_texts, most_characters):
  """Lists of the texts in their order."""
  block, characters = [], 0
  for text in texts:
    block.append(text)
    characters += sum(map(len, [text] if isinstance(text, str) else text))
    if len(block) == most_texts or characters >= most_characters:
      yield block
      block, characters = [], 0
  if block:
    yield block

"""Pre-training instances to TFRecord files (contract A-151 to A-153).

B is the number of instances in a batch, S of positions, P of predictions.
"""

import contextlib
import functools
import gzip
from collections.abc import Iterator, Sequence

import numpy as np

from bert_ja import text_io, tokenization
from bert_ja.data import (
  example_log,
  pair_features,
  record_columns,
  record_frames,
  records,
)
from bert_ja.data.pretraining_instances import Instances, Progress, TrainingInstance

_BATCH = 256
_GZIP_LEVEL = 6


def feature_spec(
  max_seq_length: int, max_predictions_per_seq: int, static_masking: bool = True
) -> dict[str, records.Feature]:
  """What a record holds (contract A-152).

  Args:
    max_seq_length: S.
    max_predictions_per_seq: P.
    static_masking: whether masks were drawn. If not, the three features of masks are
      missing and `word_starts` [S] is 1 for a piece that starts a word, and 0 for one
      that goes on with it, for [CLS], [SEP] and padding.
  """
  text = records.Feature((max_seq_length,), flag="max_seq_length")
  masks, flag = (max_predictions_per_seq,), "max_predictions_per_seq"
  spec = {"input_ids": text, "input_mask": text, "segment_ids": text}
  if static_masking:
    spec["masked_lm_positions"] = records.Feature(masks, flag=flag)
    spec["masked_lm_ids"] = records.Feature(masks, flag=flag)
    spec["masked_lm_weights"] = records.Feature(masks, "float32", flag)
  spec["next_sentence_labels"] = records.Feature((1,))
  if not static_masking:
    spec["word_starts"] = text
  return spec


def write_instance_to_example_files(
  instances: Instances | Sequence[TrainingInstance],
  tokenizer: tokenization.Tokenizer,
  max_seq_length: int,
  max_predictions_per_seq: int,
  output_files: Sequence[str],
  compression: str = "",
  progress: Progress | None = None,
  num_logged: int = 20,
) -> int:
  """Writes instances to files in turn: all files whole, or none.

  Args:
    instances: what to write.
    tokenizer: gives the ids of tokens.
    max_seq_length: S.
    max_predictions_per_seq: P.
    output_files: paths; the first gets the first instance, and so on round and round.
    compression: "" or "GZIP".
    progress: called with (instances written, all) as they are written.
    num_logged: how many are logged.

  Returns:
    The number of instances.

  Raises:
    OSError: a file cannot be written.
    ValueError: an instance is longer than S, or has more masks than P.
  """
  columns_of = _columns_of(
    instances, tokenizer, max_seq_length, max_predictions_per_seq
  )
  for index in range(min(num_logged, len(instances))):
    _log_instance(instances[index], columns_of([index]))
  written = 0
  with contextlib.ExitStack() as stack:
    # All files take their names when the last one is written.
    paths = [stack.enter_context(text_io.path_written_whole(p)) for p in output_files]
    for number, path in enumerate(paths):
      indices = range(number, len(instances), len(paths))
      with _open(path, compression) as writer:
        for start in range(0, len(indices), _BATCH):
          batch = indices[start : start + _BATCH]
          writer.write(record_frames.frame(list(encode(columns_of(batch)))))
          written += len(batch)
          if progress is not None:
            progress(written, len(instances))
  return written


def encode(columns: dict[str, np.ndarray]) -> Iterator[bytes]:
  """Serialized examples of features {name: [B, ...]}."""
  weights = columns.get("masked_lm_weights")
  integers = {name: c for name, c in columns.items() if name != "masked_lm_weights"}
  encoded = record_columns.encode_columns(integers)
  if weights is None:
    yield from encoded
    return
  counts = weights.sum(axis=1).astype(int).tolist()
  for record, count in zip(encoded, counts, strict=True):
    # Two messages end to end are one with the fields of both.
    yield record + _weights(count, weights.shape[1])


@functools.lru_cache(maxsize=1 << 12)
def _weights(count, length):
  """A serialized example of the weights of `count` masks."""
  weights = pair_features.pad([1.0] * count, length, 0.0)
  return records.encode_example({"masked_lm_weights": weights})


@contextlib.contextmanager
def _open(path, compression):
  """A file to write bytes to."""
  with text_io.open_file(path, "wb") as writer:
    if compression != "GZIP":
      yield writer
      return
    # Without name and time: the same records are the same bytes.
    with gzip.GzipFile("", "wb", _GZIP_LEVEL, writer, mtime=0) as packed:
      yield packed


def _columns_of(instances, tokenizer, max_seq_length, max_predictions_per_seq):
  """A function: places -> features of the instances there."""
  if isinstance(instances, Instances):
    sizes = instances.recipe.max_seq_length, instances.recipe.max_predictions_per_seq
    if sizes == (max_seq_length, max_predictions_per_seq):
      return instances.columns

  def columns(indices):
    rows = [
      _row(instances[index], tokenizer, max_seq_length, max_predictions_per_seq)
      for index in indices
    ]
    return {
      name: np.array([row[name] for row in rows], value.dtype)
      for name, value in rows[0].items()
    }

  return columns


def _row(instance, tokenizer, max_seq_length, max_predictions_per_seq):
  """Features of one instance."""
  size, masks = len(instance.tokens), len(instance.masked_lm_positions)
  if size > max_seq_length or masks > max_predictions_per_seq:
    raise ValueError(
      f"an instance of {size} pieces, {masks} of them masked, does not fit "
      f"--max_seq_length={max_seq_length} and "
      f"--max_predictions_per_seq={max_predictions_per_seq}"
    )
  to_ids = tokenizer.convert_tokens_to_ids

  def padded(values, length, filler=0, dtype=np.int64):
    return np.array(pair_features.pad(values, length, filler), dtype)

  text = max_seq_length
  row = {
    "input_ids": padded(to_ids(instance.tokens), text, tokenizer.pad_id),
    "input_mask": padded([1] * size, text),
    "segment_ids": padded(instance.segment_ids, text),
  }
  if instance.word_starts is None:
    length = max_predictions_per_seq
    row |= {
      "masked_lm_positions": padded(instance.masked_lm_positions, length),
      "masked_lm_ids": padded(to_ids(instance.masked_lm_labels), length),
      "masked_lm_weights": padded([1.0] * masks, length, 0.0, np.float32),
    }
  row["next_sentence_labels"] = np.array(int(instance.is_random_next))
  if instance.word_starts is not None:
    row["word_starts"] = padded(instance.word_starts, text)
  return row


def _log_instance(instance, columns):
  # Truth values are shown as numbers.
  values = {name: (rows[0].ravel() + 0).tolist() for name, rows in columns.items()}
  example_log.log_example([("tokens", instance.tokens), *values.items()])

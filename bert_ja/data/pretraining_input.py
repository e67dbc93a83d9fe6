"""Batches of pre-training: records with masks, or with masks drawn as they are read."""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from bert_ja import japanese_tokenization, pretraining_heads, tokenization
from bert_ja.data import (
  masking,
  pretraining_records,
  record_index,
  record_stream,
  records,
)

_MASKS = ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights")
_WORD_STARTS = "word_starts"


def record_spec(
  paths: Sequence[str],
  max_seq_length: int,
  max_predictions_per_seq: int,
  is_training: bool,
  next_sentence: bool = True,
  masker: masking.Masking | None = None,
) -> dict[str, records.Feature]:
  """Features to read, as the records have masks or not; checks them against the flags.

  Args:
    paths: TFRecord files.
    max_seq_length: S.
    max_predictions_per_seq: P.
    is_training: where masks are drawn anew; an evaluation keeps those that are stored.
    next_sentence: whether there is a next-sentence head.
    masker: draws masks.

  Returns:
    Name -> feature.

  Raises:
    FileNotFoundError: a file is not there.
    ValueError: the records have another length, or lack what is needed.
  """
  found = next(filter(None, map(record_index.first_features, paths)), {})
  has_masks = _MASKS[0] in found or not found
  spec = pretraining_records.feature_spec(
    max_seq_length, max_predictions_per_seq, has_masks
  )
  if not has_masks and masker is None:
    raise ValueError(
      f"{paths[0]}: its records have no masks; give --dynamic_masking, or make them "
      "with --static_masking"
    )
  draws = masker is not None and (is_training or not has_masks)
  if draws and masker.whole_words and has_masks:
    raise ValueError(
      f"{paths[0]}: its records do not say where words start, which "
      "--do_whole_word_mask needs; make them with --nostatic_masking"
    )
  if not (draws and masker.whole_words):
    spec.pop(_WORD_STARTS, None)
  if not next_sentence:
    del spec["next_sentence_labels"]
  if draws and has_masks:
    # Where masks are drawn anew, the flag says how many, whatever the records hold.
    length = found.get(_MASKS[0], max_predictions_per_seq)
    spec |= {name: records.Feature((length,), spec[name].dtype) for name in _MASKS}
  record_index.check_records(paths, spec)
  return spec


def input_fn_builder(
  files: Sequence[record_index.RecordFile],
  spec: Mapping[str, records.Feature],
  vocab_size: int,
  is_training: bool,
  num_batches: int | None = None,
  masker: masking.Masking | None = None,
) -> Callable:
  """input_fn over records; one with a piece that the model lacks ends the run.

  Args:
    files: of `record_index.index_files`.
    spec: of `record_spec`, with the same `masker` and `is_training`.
    vocab_size: pieces that the model has.
    is_training: whether rows are shuffled.
    num_batches: of an evaluation.
    masker: draws masks. A row's masks are other ones in each epoch of a training, and
      always the same in evaluations.
  """
  draws = masker is not None and (is_training or _MASKS[0] not in spec)

  def transform(features, row_ids, epochs):
    features = _with_known_pieces(features, vocab_size)
    if draws:
      epochs = epochs if is_training else tf.zeros_like(epochs)
      features = _with_masks(masker, features, row_ids, epochs)
    return pretraining_heads.add_prediction_scale(features)

  return record_stream.stream_input_fn_builder(
    files, spec, is_training, num_batches, transform
  )


def _with_known_pieces(features, vocab_size):
  """The features; a GPU would look pieces up that are not there, and go on."""
  checks = [
    tf.debugging.assert_less(
      features[name],
      vocab_size,
      f"the records hold pieces that a model with a vocab_size of {vocab_size} lacks; "
      "they were made with another vocabulary",
      summarize=1,
    )
    for name in ("input_ids", "masked_lm_ids")
    if name in features
  ]
  with tf.control_dependencies(checks):
    return {name: tf.identity(value) for name, value in features.items()}


def _with_masks(masker, features, row_ids, epochs):
  """Features of a batch with masks in place of those stored, if any."""
  features = dict(features)
  stored = [features.pop(name) for name in _MASKS if name in features]
  starts = features.pop(_WORD_STARTS, None)
  input_ids = features["input_ids"]
  batch = input_ids.shape[0]

  def draw(input_ids, input_mask, row_ids, epochs, *others):
    if stored:
      input_ids, others = masking.unmasked(input_ids, *others[:3]), others[3:]
    word_starts = others[0] if others else None
    drawn = masker.draw(input_ids, input_mask, word_starts, row_ids, epochs)
    return [drawn[name] for name in ("input_ids", *_MASKS)]

  inputs = [input_ids, features["input_mask"], row_ids, epochs, *stored]
  inputs += [] if starts is None else [starts]
  types = [tf.int32, tf.int32, tf.int32, tf.float32]
  drawn = tf.numpy_function(draw, inputs, types)
  shapes = [input_ids.shape, *[[batch, masker.max_predictions]] * len(_MASKS)]
  names = ("input_ids", *_MASKS)
  return features | {
    name: tf.ensure_shape(value, shape)
    for name, value, shape in zip(names, drawn, shapes, strict=True)
  }


def mask_token_id(vocab_file: str | None) -> int:
  """The id of [MASK] in a vocabulary of either form.

  Raises:
    ValueError: there is no vocabulary, or none with [MASK].
  """
  loaders = (tokenization.load_vocab, japanese_tokenization.load_piece_vocab)
  for load in loaders if vocab_file else ():
    mask_id = load(vocab_file).get("[MASK]")
    if mask_id is not None:
      return mask_id
  raise ValueError(
    "--dynamic_masking has to know the id of [MASK]"
    + (f", which {vocab_file} lacks" if vocab_file else "")
    + "; give --mask_token_id, or a --model_dir with a vocabulary"
  )

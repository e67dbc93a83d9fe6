"""Vectors of the texts of a file, to a file; what was interrupted goes on."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator

from bert_ja import reporting, text_io
from bert_ja.data import example_log, feature_cache, text_rows
from bert_ja.encoding import part_files, vector_writers, vectors

# Part of the key of what was begun: changes with what is written for the same texts.
_FORMAT = 1
_WRITTEN_NUMBERS = 1 << 22  # of vectors that become bytes together
_LOGGED_TEXTS = 5


def extract(
  model: vectors.VectorModel,
  texts: Iterable[text_rows.Text],
  options: vectors.Options,
  output_file: str,
  total: int | None = None,
) -> int:
  """Writes the vectors of texts in their order; returns the number of texts.

  What is written grows in `<output_file>.part` and takes its name at the end. The same
  call goes on with such a file, to the same bytes as an unbroken run on the same
  machine. To a remote path it is copied at the end, and begun anew each time.

  Args:
    model: the encoder.
    texts: read once, a block at a time.
    options: which vectors.
    output_file: its ending says which form, see `vector_writers.WRITERS`.
    total: number of texts, if it is known.

  Raises:
    OSError: the disk is full.
    ValueError: the form cannot hold such vectors; the path cannot be written; what was
      begun is of other texts, another model, other settings or devices; or another
      program is at it.
  """
  model.check(options)
  vector_writers.check_targets(output_file)
  layers = _layer_names(options) if options.pooling == "none" else None
  writer = vector_writers.of(output_file, options.size(model.config), layers)
  key = _key(model, options, writer)
  with (
    _local(output_file) as local_file,
    part_files.opened(local_file, writer.names, key) as parts,
  ):
    digest, rest = hashlib.sha256(), iter(texts)
    for text in itertools.islice(rest, parts.rows):
      _add(digest, text)
    if parts.rows and digest.hexdigest() != parts.digest:
      raise ValueError(
        f"{local_file}.part, {parts.rows} rows, holds the vectors of other texts than "
        "those that the input begins with; give the input that it was begun with, or "
        f"remove {local_file}.part* to begin anew"
      )
    parts.begin(writer.heads())
    with reporting.Progress(
      total, "text", "extract", initial=parts.rows, examples_per_unit=1
    ) as progress:
      for block, found in model.blocks(rest, options):
        if parts.rows == 0:
          _log_first(model, block, options)
        for text in block:
          _add(digest, text)
        data = _written(model, writer, parts.rows, block, found)
        parts.append(data, len(block), digest.hexdigest())
        progress.update(len(block))
    parts.finish(lambda *paths: writer.finish(*paths, local_file))
    if local_file != output_file:
      _copy_results(local_file, output_file)
  return parts.rows


def _layer_names(options):
  return ["mean"] if options.layer_combination == "mean" else list(options.layers)


def _written(model, writer, first, block, found):
  """Yields the writer's bytes of a block, part by part: JSON takes several times more.

  Args:
    model: the encoder.
    writer: of the form.
    first: number of the block's first text.
    block: texts.
    found: their `vectors.Vectors`.
  """
  for texts, part in found.parts(_WRITTEN_NUMBERS):
    pieces = None
    if part.ids is not None:
      pieces = [model.tokenizer.convert_ids_to_tokens(ids) for ids in part.ids]
    start = first + texts.start
    yield writer.block(start, block[texts], part.values, pieces, part.ids)


def _key(model, options, writer):
  settings = [
    _FORMAT,
    model.fingerprint(),
    dataclasses.asdict(options),
    options.block_texts(model.config),
    type(writer).__name__,
  ]
  return feature_cache.content_key(model.tokenizer, settings, [])


def _add(digest, text):
  digest.update(json.dumps(text).encode() + b"\n")


@contextlib.contextmanager
def _local(output_file: str) -> Iterator[str]:
  """The path itself, or a temporary one for a file system that cannot append."""
  if not text_io.is_remote(output_file):
    yield output_file
    return
  with tempfile.TemporaryDirectory() as directory:
    yield os.path.join(directory, os.path.basename(output_file))


def _copy_results(local_file, output_file):
  targets = map(vector_writers.targets, (local_file, output_file))
  for source, target in zip(*targets, strict=True):
    text_io.copy(source, target)


def _log_first(model, block, options):
  """The first texts as the model sees them (contract A-165)."""
  settings = model.tokenizer, options.max_seq_length, options.long_text
  for index, text in enumerate(block[:_LOGGED_TEXTS]):
    row = text_rows.model_rows(settings, text)[0]
    padding = [0] * (options.max_seq_length - len(row.ids))
    tokens = model.tokenizer.convert_ids_to_tokens(row.ids)
    example_log.log_example(
      [
        ("unique_id", index),
        ("tokens", tokens),
        ("input_ids", [*row.ids, *[model.tokenizer.pad_id] * len(padding)]),
        ("input_mask", [*[1] * len(row.ids), *padding]),
        ("input_type_ids", [*row.segment_ids, *padding]),
      ]
    )

"""Pre-training data in shards: each made by itself, whole, once.

A shard is some input files and the files that their instances go to. It is the
original's algorithm with its own seed, so that neither the number of processes nor the
order in which they work plays a part, and memory holds one shard a process.
"""

import dataclasses
import functools
import glob
import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from bert_ja import plain_log, text_io, tokenization
from bert_ja.data import (
  feature_cache,
  parallel,
  pretraining_documents,
  pretraining_instances,
  pretraining_records,
)
from bert_ja.data.pretraining_draws import Recipe

# Called with (what is done, its unit, how many are done, how many there are).
Progress = Callable[[str, str, int, int], None]

# Part of the key: changes with what is written for the same texts.
_FORMAT = 1
_READ_BYTES = 1 << 20
_LOGGED_INSTANCES = 20


@dataclasses.dataclass(frozen=True)
class Shard:
  """A part of the data.

  Attributes:
    number: from 0.
    input_files: paths of texts.
    output_files: paths of records; instances go to them in turn.
  """

  number: int
  input_files: tuple[str, ...]
  output_files: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Settings:
  """What all shards have in common.

  Attributes:
    recipe: how instances are made.
    random_seed: the seeds of all shards come from it.
    compression: "" or "GZIP".
  """

  recipe: Recipe = Recipe()
  random_seed: int = 12345
  compression: str = ""


class Made(NamedTuple):
  """What a run has made: instances, in so many shards."""

  instances: int
  shards: int


def plan(
  input_files: Sequence[str], output_files: Sequence[str], num_shards: int = 1
) -> list[Shard]:
  """Puts input files into shards of about the same number of bytes, in their order.

  Args:
    input_files: paths.
    output_files: one path for each shard; or one, which each shard's number is put
      into; with one shard any number of paths, which take instances in turn.
    num_shards: at most as many as input files.

  Raises:
    ValueError: other numbers of files, or an output file that is named elsewhere too.
  """
  if len(output_files) == 1:
    output_files = text_io.numbered(output_files[0], num_shards)
  _check_names(input_files, output_files)
  if num_shards == 1:
    return [Shard(0, tuple(input_files), tuple(output_files))]
  if num_shards > len(input_files):
    raise ValueError(
      f"--num_shards={num_shards}: expected at least as many input files, found "
      f"{len(input_files)}; split them between documents, or lower the flag"
    )
  if len(output_files) != num_shards:
    raise ValueError(
      f"--output_file: expected one name, or one for each of --num_shards={num_shards}, "
      f"found {len(output_files)}"
    )
  groups = _groups(input_files, list(map(text_io.size, input_files)), num_shards)
  return [
    Shard(number, group, (output,))
    for number, (group, output) in enumerate(zip(groups, output_files, strict=True))
  ]


def _check_names(input_files, output_files):
  taken = set(map(text_io.absolute, input_files))
  for path in output_files:
    name = text_io.absolute(path)
    if name in taken:
      raise ValueError(
        f"--output_file: expected new names, each of them once, found {path} twice or "
        "among the input files"
      )
    taken.add(name)


def _groups(files, sizes, count) -> Iterator[tuple[str, ...]]:
  """Cuts a list into `count` parts, each next to its share of the bytes."""
  so_far, start = np.cumsum(sizes), 0
  for number in range(1, count + 1):
    nearest = 1 + int(np.argmin(np.abs(so_far - so_far[-1] * number / count)))
    # Each part has a file, and those that follow too.
    end = min(max(nearest, start + 1), len(files) - (count - number))
    yield tuple(files[start:end])
    start = end


def seed_of(random_seed: int, number: int) -> int | str:
  """What `random.Random` gets for a shard; the first one has the seed itself."""
  return random_seed if number == 0 else f"{random_seed}/{number}"


def make_shards(
  shards: Sequence[Shard],
  tokenizer: tokenization.Tokenizer,
  settings: Settings,
  num_workers: int = 1,
  progress: Progress | None = None,
) -> Made:
  """Makes the shards that were not made before.

  Beside each output file `<file>.key` says what it holds. A run that was ended makes
  only what is missing when it is started again. A shard whose files have no text has
  no record.

  Args:
    shards: of `plan`.
    tokenizer: makes the pieces.
    settings: as for all shards.
    num_workers: processes, each at a shard; where one shard is missing, they tokenize.
    progress: called as the work goes on.

  Raises:
    ChildProcessError: a worker was ended from outside.
    FileNotFoundError: an input file does not exist.
    OSError: an output file cannot be written.
    ValueError: an input file is not UTF-8, no file has text, or that of a shard has no
      word.
  """
  check_texts(shards)
  missing = []
  for shard in shards:
    if stores := _missing_stores(shard, tokenizer, settings):
      missing.append((shard, stores))
  remove_leftovers([shard for shard, _ in missing])
  if num_workers == 1 or len(missing) == 1:
    counts = [
      _make(tokenizer, settings, *item, num_workers, progress) for item in missing
    ]
    return Made(sum(counts), len(missing))
  shared = tokenizer, settings, logging.get_verbosity()
  # Without patience: a shard is long work, and this process takes no part in it.
  counts = parallel.ordered_map(_make_in_worker, shared, missing, num_workers, 0, 1)
  total = 0
  for done, count in enumerate(counts, 1):
    total += count
    if progress is not None:
      progress("make", "instance", total, total * len(missing) // done)
  return Made(total, len(missing))


def check_texts(shards: Sequence[Shard]) -> None:
  """Warns of files without text.

  Raises:
    FileNotFoundError: a file does not exist.
    ValueError: no file has text.
  """
  paths = [path for shard in shards for path in shard.input_files]
  blank = [path for path in paths if not pretraining_documents.has_text(path)]
  if len(blank) == len(paths):
    raise ValueError(
      f"{', '.join(paths)}: expected text, a sentence a line and a blank line between "
      "documents; found blank lines or nothing"
    )
  for path in blank:
    logging.warning("%s has no text", path)


def make_if_missing(
  shard: Shard, tokenizer: tokenization.Tokenizer, settings: Settings
) -> Made:
  """Makes one shard, unless it was made before; see `make_shards`."""
  stores = _missing_stores(shard, tokenizer, settings)
  if not stores:
    return Made(0, 0)
  return Made(_make(tokenizer, settings, shard, stores), 1)


def recorded_keys(shard: Shard) -> str | None:
  """What the keys of a shard's files say, in short; None if a file is not whole here."""
  keys = list(map(feature_cache.recorded_key, shard.output_files))
  if None in keys:
    return None
  return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32]


def remove_leftovers(shards: Sequence[Shard]) -> None:
  """Removes what processes that were killed have left beside the output files.

  Other programs' globs would take it for data. Call it while nobody makes the shards.
  """
  for shard in shards:
    for path in shard.output_files:
      for leftover in text_io.glob(f"{glob.escape(path)}.tmp-*"):
        text_io.remove(leftover)


def _missing_stores(shard, tokenizer, settings):
  """The stores of a shard, or none if it was made before."""
  stores = _stores(shard, tokenizer, settings)
  if all(store.reuse() for store in stores):
    logging.info("Made before: %s", ", ".join(shard.output_files))
    return []
  return stores


def _stores(shard, tokenizer, settings):
  """One `feature_cache.Store` for each output file."""
  digests = [[_digest(path)] for path in shard.input_files]
  what = [_FORMAT, dataclasses.asdict(settings), shard.number, len(shard.output_files)]
  return [
    feature_cache.Store(
      path, feature_cache.content_key(tokenizer, [*what, place], digests)
    )
    for place, path in enumerate(shard.output_files)
  ]


def _digest(path):
  """Hex SHA-256 of a file's content."""
  digest = hashlib.sha256()
  with text_io.open_file(path, "rb") as reader:
    while data := reader.read(_READ_BYTES):
      digest.update(data)
  return digest.hexdigest()


def _make_in_worker(shared, item):
  tokenizer, settings, verbosity = shared
  shard, stores = item
  plain_log.start(verbosity)
  return _make(tokenizer, settings, shard, stores)


def _make(tokenizer, settings, shard, stores, workers=1, progress=None):
  """Makes a shard; returns the number of its instances."""

  def step(name, unit):
    return progress and functools.partial(progress, name, unit)

  recipe, instances = settings.recipe, ()
  if any(map(pretraining_documents.has_text, shard.input_files)):
    instances = _instances(tokenizer, settings, shard, workers, step)

  def write():
    pretraining_records.write_instance_to_example_files(
      instances,
      tokenizer,
      recipe.max_seq_length,
      recipe.max_predictions_per_seq,
      shard.output_files,
      settings.compression,
      step("write", "instance"),
      _LOGGED_INSTANCES if shard.number == 0 else 0,
    )

  # Each store's key is written when all files are.
  for store in stores:
    write = functools.partial(store.fill, write)
  write()
  return len(instances)


def _instances(tokenizer, settings, shard, workers, step):
  """Instances of a shard with text; arguments as in `_make`."""
  recipe = settings.recipe
  documents = pretraining_documents.read_documents(
    shard.input_files, tokenizer, recipe.words, workers, step("read", "line")
  )
  rng = random.Random(seed_of(settings.random_seed, shard.number))
  instances = pretraining_instances.draw_instances(
    documents, tokenizer, recipe, rng, step("draw", "instance")
  )
  if instances.num_without_masks:
    logging.warning(
      "%s: %d of %d instances have no masked piece, since no word of theirs has few "
      "enough pieces; do spaces stand between the words? See --word_boundaries",
      shard.output_files[0],
      instances.num_without_masks,
      len(instances),
    )
  return instances

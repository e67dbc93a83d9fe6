"""Pre-training data by many machines: an Apache Beam pipeline of the local shards.

An element is a shard, and a worker makes it as a local process would, so that the files
are the same. This module imports Beam: import it only where one asked for it.
"""

import contextlib
import io
import pickle
import re
from collections.abc import Sequence

from absl import logging

from bert_ja import tokenization
from bert_ja.data import pretraining_shards

try:
  import apache_beam as beam
  from apache_beam.options import pipeline_options
  from apache_beam.runners.portability import portable_runner
except ImportError as error:
  raise ImportError(
    f'--runner needs apache-beam ({error}): pip install "bert_ja[beam]"'
  ) from error

_INSTANCES, _SHARDS, _KEYS = "instances", "shards", "keys"
# Beam's DirectRunner first tries a runner that it downloads; this one is inside Beam.
_LOCAL = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
# What Beam puts around a worker's message.
_AROUND = re.compile(r"^\w+Error: | \[while running '[^']*'\]$")


def make_shards(
  shards: Sequence[pretraining_shards.Shard],
  tokenizer: tokenization.Tokenizer,
  settings: pretraining_shards.Settings,
  runner: str,
  beam_options: Sequence[str] = (),
) -> pretraining_shards.Made:
  """Makes the shards that were not made before, as `pretraining_shards.make_shards`.

  Args:
    shards: of `pretraining_shards.plan`; each worker must be able to read and write the
      files by these paths.
    tokenizer: makes the pieces; travels to the workers with its vocabulary. It has a
      fingerprint.
    settings: as for all shards.
    runner: a runner's name as Beam knows it.
    beam_options: Beam's own, each "name=value", or "name" for a switch.

  Returns:
    What the runner has counted: without the work of one that was lost after its shard
    was whole.

  Raises:
    ChildProcessError: the pipeline failed.
    ImportError: the runner needs a package that is not installed.
    ValueError: Beam knows no such runner or option, no input file has text, or files
      that workers have written are not seen here.
  """
  pipeline = _pipeline(runner, beam_options)
  pretraining_shards.check_texts(shards)
  # Here and not by workers: some runners give a shard to two of them at once.
  pretraining_shards.remove_leftovers(shards)
  (
    pipeline
    | "Shards" >> beam.Create(list(shards))
    # Without, one worker may get all of them.
    | "Spread" >> beam.Reshuffle()
    | "Make" >> beam.ParDo(_MakeShard(tokenizer, settings))
  )
  try:
    result = pipeline.run()
    result.wait_until_finish()
  except Exception as error:
    raise ChildProcessError(f"--runner={runner}: {_last_line(error)}") from error
  pretraining_shards.remove_leftovers(shards)
  _check_outputs(shards, runner, result)
  counters = (_found(result, "counters", name) for name in (_INSTANCES, _SHARDS))
  return pretraining_shards.Made(*map(sum, counters))


class _MakeShard(beam.DoFn):
  """Makes one shard, unless it was made before."""

  def __init__(self, tokenizer, settings):
    # As bytes: Beam has several picklers, and a tokenizer is made for the standard one.
    self._shared = pickle.dumps((tokenizer, settings))
    self._verbosity = logging.get_verbosity()
    metrics = beam.metrics.Metrics
    self._instances = metrics.counter(type(self), _INSTANCES)
    self._shards = metrics.counter(type(self), _SHARDS)
    self._keys = metrics.string_set(type(self), _KEYS)

  def setup(self):
    self._tokenizer, self._settings = pickle.loads(self._shared)
    logging.set_verbosity(self._verbosity)

  def process(self, shard):
    made = pretraining_shards.make_if_missing(shard, self._tokenizer, self._settings)
    self._instances.inc(made.instances)
    self._shards.inc(made.shards)
    self._keys.add(f"{shard.number} {pretraining_shards.recorded_keys(shard)}")


def _pipeline(runner, beam_options):
  """An empty pipeline; arguments as in `make_shards`."""
  flags = [f"--{option.lstrip('-')}" for option in beam_options]
  is_direct = runner.lower().removesuffix("runner") == "direct"
  complaint = io.StringIO()
  try:
    with contextlib.redirect_stderr(complaint):  # Pages of usage before the message.
      options = pipeline_options.PipelineOptions(
        flags, runner=_LOCAL if is_direct else runner
      )
      given = options.get_all_options(retain_unknown_options=True)
  except SystemExit:
    message = complaint.getvalue().strip().split("\n")[-1]
    raise ValueError(f"--beam_option: {message.partition('error: ')[2]}") from None
  try:
    pipeline = beam.Pipeline(options=options)
  except (AttributeError, ValueError, ModuleNotFoundError) as error:
    raise ValueError(f"--runner={runner}: {error}") from None
  # The server of a portable runner may know more options.
  is_portable = isinstance(pipeline.runner, portable_runner.PortableRunner)
  known = given if is_portable else options.get_all_options()
  if unknown := sorted(given.keys() - known.keys()):
    raise ValueError(
      f"--beam_option: expected options that {runner} knows, found "
      f"{', '.join(unknown)}; look up their names in Beam"
    )
  return pipeline


def _last_line(error):
  """What went wrong on a worker: Beam sends the text of its traceback."""
  lines = [line.strip() for line in str(error).split("\n")]
  return _AROUND.sub("", next(filter(None, reversed(lines)), type(error).__name__))


def _check_outputs(shards, runner, result):
  """Compares keys here with those that workers have seen beside the files."""
  seen = set().union(*_found(result, "string_sets", _KEYS))
  # Not of all shards: a worker may be lost, and a runner may not count in this way.
  numbers = {entry.split(" ")[0] for entry in seen}
  lacking = []
  for shard in shards:
    keys = pretraining_shards.recorded_keys(shard)
    if keys is None or (
      str(shard.number) in numbers and f"{shard.number} {keys}" not in seen
    ):
      lacking.append(shard.output_files[0])
  if lacking:
    raise ValueError(
      f"--runner={runner} ended as {result.state}, but the files of {len(lacking)} of "
      f"{len(shards)} shards are not here, or older ones are, the first of them "
      f"{lacking[0]}; name --output_file in storage that this machine and all workers "
      "share, such as gs://"
    )


def _found(result, kind, name):
  """Values of a metric, one of each step that has it."""
  by_name = beam.metrics.MetricsFilter().with_name(name)
  return [found.result for found in result.metrics().query(by_name)[kind]]

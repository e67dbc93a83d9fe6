"""Seconds to score one text with many: one sequence against two towers.

  python -m benchmarks.pair_benchmark
  python -m benchmarks.pair_benchmark --candidates=1000 --output_file=pairs.json

One sequence: the encoder runs on each (query, candidate), then pooler and a linear
layer. Two towers: the candidates' vectors are there, the encoder runs on the query
alone. Both sort rows by length and run the same encoder on the same devices; they take
turns, and seconds are medians over the rounds, those of a clock. A first round, which
traces functions, does not count. The time that the vectors of the candidates took once
is told beside.

The model has random weights and the size of MiniLM (six layers of 384), which has no
influence on the time; texts are lines of invented words.
"""

import os
import statistics
import tempfile
import time
from typing import Any

from absl import flags, logging

from benchmarks import extraction_benchmark
from bert_ja import reporting, text_io
from bert_ja.flags import command_line

FLAGS = flags.FLAGS

JOINT = "joint"
_LABELS = ["no", "yes"]


def write_model(directory: str, combination: str, max_seq_length: int) -> None:
  """Makes the encoder of a directory a model of two towers, with a random head."""
  from bert_ja import checkpoint, modeling, two_tower

  config = modeling.BertConfig.from_json_file(f"{directory}/bert_config.json")
  model = two_tower.TwoTower(
    config, len(_LABELS), pair=two_tower.PairOptions(combination)
  )
  checkpoint.save_step(directory, 1, checkpoint.named_variables(model), None)
  recorded = {
    "pair_model": "two_tower",
    "combination": combination,
    "attention_size": 64,
    "head": "linear",
    "max_seq_length": max_seq_length,
  }
  task = {"labels": _LABELS, "flags": recorded}
  text_io.write_json(os.path.join(directory, "task.json"), task)


def joint_scorer(directory: str, options: Any):
  """Function (query, texts) -> float32 [N, C]: one sequence for each pair.

  Args:
    directory: a model's.
    options: `vectors.Options`.
  """
  import numpy as np

  from bert_ja.encoding import encoder

  model = encoder.load(directory)
  draw = np.random.default_rng(1)
  weights = draw.normal(size=[model.config.hidden_size, len(_LABELS)])

  def score(query, texts):
    pairs = [(query, text) for text in texts]
    blocks = model.blocks(pairs, options)
    logits = np.concatenate([block.values for _, block in blocks]) @ weights
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)

  return score


def measure(
  texts: list[str], combinations: list[str], max_seq_length: int, rounds: int
) -> list[dict[str, Any]]:
  """Times all models.

  Args:
    texts: the query, and the candidates.
    combinations: of two towers.
    max_seq_length: of a text; a pair may have twice as many pieces.
    rounds: how often each model scores.

  Returns:
    For each model {"model", "seconds", "speed" in relation to one sequence,
    "seconds_to_encode" of all candidates, once}.
  """
  from bert_ja import pair_scoring
  from bert_ja.encoding import vectors

  query, *candidates = texts
  options = vectors.Options("pooler", max_seq_length=2 * max_seq_length)
  once = {JOINT: 0.0}
  with tempfile.TemporaryDirectory() as folder:
    extraction_benchmark.write_model(texts, folder)
    joint = joint_scorer(folder, options)
    runs = {JOINT: lambda: joint(query, candidates)}
    for combination in combinations:
      write_model(folder, combination, max_seq_length)
      scorer = pair_scoring.PairScorer(folder)
      scorer.encode(candidates[:32])  # traces
      started = time.perf_counter()
      encoded = scorer.encode(candidates)
      once[combination] = time.perf_counter() - started
      runs[combination] = lambda s=scorer, e=encoded: s.score(query, e)
    seconds = {name: [] for name in runs}
    for number in range(rounds + 1):
      for name, run in runs.items():
        started = time.perf_counter()
        scores = run()
        if number:
          seconds[name].append(time.perf_counter() - started)
        if scores.shape != (len(candidates), len(_LABELS)):
          raise AssertionError(f"{name}: {scores.shape} scores")
  medians = {name: statistics.median(values) for name, values in seconds.items()}
  return [
    {
      "model": name,
      "seconds": median,
      "speed": medians[JOINT] / median,
      "seconds_to_encode": once[name],
    }
    for name, median in medians.items()
  ]


def define_flags(flag_values=FLAGS):
  """Defines the benchmark's flags."""
  flags.DEFINE_integer("candidates", 1000, "Texts to score.", 1, None, flag_values)
  flags.DEFINE_list(
    "combinations",
    "all,attention_dot,attention_reduced",
    "Of two towers; see run_classifier.py.",
    flag_values,
  )
  flags.DEFINE_integer("max_seq_length", 64, "Of a text.", 3, None, flag_values)
  flags.DEFINE_integer("rounds", 3, "Rounds of each model.", 1, None, flag_values)
  flags.DEFINE_string("output_file", None, "JSON of the results.", flag_values)


def main(_):
  """Measures and prints."""
  logging.set_verbosity(logging.WARNING)
  command_line.import_tensorflow()
  from bert_ja import distribution

  distribution.create_strategy(distribution.RuntimeConfig())
  texts = extraction_benchmark.generated_texts(FLAGS.candidates + 1)
  rows = measure(texts, FLAGS.combinations, FLAGS.max_seq_length, FLAGS.rounds)
  table = [list(row.values()) for row in rows]
  print(reporting.format_table(table, list(rows[0]), digits=4))
  if FLAGS.output_file:
    text_io.write_json(
      FLAGS.output_file, {"candidates": FLAGS.candidates, "models": rows}
    )


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

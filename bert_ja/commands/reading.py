"""Choose the paragraph that answers a question, then the answer in it: train, score."""

import json
import shlex
import sys
from collections.abc import Sequence

from absl import flags

from bert_ja.commands import compare
from bert_ja.flags import (
  command_line,
  data_flags,
  model_flags,
  runtime_flags,
  tokenizer_flags,
  training_flags,
)

FLAGS = flags.FLAGS
_SCRIPTS = {"select": "run_classifier.py", "span": "run_squad.py"}
_LENGTH = 384
# What the two scripts have in common, and is handed to both.
_SHARED = (
  (model_flags, {"without": ("output_dir",)}),
  (tokenizer_flags, {}),
  (data_flags, {"max_seq_length": _LENGTH}),
  (training_flags, {"without": ("eval_batch_size", "best_metric")}),
  (runtime_flags, {}),
)


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  for name, text in (
    ("train_file", "Questions to train on, see docs/reading.md."),
    ("predict_file", "Questions to answer; scored if their answers are known."),
    ("context_file", "Paragraphs of questions in a list: a JSON list of texts."),
    ("output_dir", "Where models, data and results go; created if missing."),
    (
      "trained_dir",
      "--output_dir of an earlier run, whose models answer; in place of --train_file.",
    ),
    ("select_flags", "Flags of run_classifier.py alone: '--num_train_epochs=1'."),
    ("span_flags", "Flags of run_squad.py alone: '--doc_stride=64'."),
  ):
    flags.DEFINE_string(name, None, text, flag_values)
  flags.DEFINE_enum(
    "candidates",
    "document",
    ["document", "pool"],
    "A question's paragraphs: its own (of its document, or in its list), or all.",
    flag_values,
  )
  for name, default, least, text in (
    ("num_choices", 4, 2, "Paragraphs of a training row: the right one and others."),
    (
      "max_candidates",
      0,
      0,
      "Most paragraphs that a question is asked of: the right one and a sample; 0 for "
      "all.",
    ),
    ("jobs", 1, 1, "Trainings at a time."),
  ):
    flags.DEFINE_integer(name, default, text, least, flag_values=flag_values)
  _define_shared(flag_values)


def _define_shared(flag_values):
  for group, options in _SHARED:
    group.define(flag_values, **options)


def main(argv: Sequence[str]) -> None:
  """Runs what is not finished; prints the results as JSON."""
  del argv
  from bert_ja import reading, run_queue, text_io

  command_line.require(FLAGS, "predict_file", "output_dir")
  if bool(FLAGS.train_file) == bool(FLAGS.trained_dir):
    raise ValueError("give --train_file, or --trained_dir of an earlier run")
  if text_io.is_remote(FLAGS.output_dir):
    raise ValueError(f"--output_dir={FLAGS.output_dir}: expected a local directory")
  train = _read(FLAGS.train_file, True) if FLAGS.train_file else None
  predict = _read(FLAGS.predict_file, False)
  stages = {name: _stage(name, predict.is_answered) for name in _SCRIPTS}
  pipeline = reading.Pipeline(
    train,
    predict,
    stages,
    FLAGS.output_dir,
    reading.Options(FLAGS.num_choices, FLAGS.max_candidates, FLAGS.seed),
    FLAGS.trained_dir,
  )
  results = pipeline.run(run_queue.Options(jobs=FLAGS.jobs))
  if predict.is_answered:
    sys.stderr.write(reading.format_results(results))
  print(json.dumps(results, indent=2))


def _read(path, is_training):
  from bert_ja import reading
  from bert_ja.tasks import reading_data

  whole_pool = FLAGS.candidates == "pool"
  questions = reading_data.read(path, FLAGS.context_file, whole_pool)
  return reading.check_answered(questions, path, is_training)


def _stage(name, is_answered):
  from bert_ja import reading

  shared = flags.FlagValues()
  _define_shared(shared)
  given = [FLAGS[flag].serialize() for flag in shared if FLAGS[flag].present]
  if FLAGS.train_file and not FLAGS["max_seq_length"].present:
    given.append(f"--max_seq_length={_LENGTH}")
  given += shlex.split(FLAGS[f"{name}_flags"].value or "")
  script = compare.script_path(_SCRIPTS[name])
  values = compare.parse(script, given, f"--{name}_flags")
  for flag in ("eval_steps", "eval_epochs"):
    if flag in values and values[flag].value and not is_answered:
      raise ValueError(f"--{flag} needs a --predict_file with answers")
  return reading.Stage((sys.executable, script), tuple(given), values.use_best)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

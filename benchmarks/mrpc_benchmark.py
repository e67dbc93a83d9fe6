"""Fine-tuning on MRPC from files to scores: seconds of each phase, two ways.

  python -m benchmarks.mrpc_benchmark --model_dir=MODEL --data_dir=MRPC

Compares float32 at fixed length, the original's way, with bfloat16 in batches of like
length. Rows, batch size and optimizer are the same; only the first `--steps` steps of
the order are made, so the scores of whole runs are in docs/results.md.
"""

import os
import tempfile
import time

from absl import flags

from bert_ja.flags import command_line

FLAGS = flags.FLAGS


def define_flags(flag_values=FLAGS):
  """Defines the benchmark's flags."""
  flags.DEFINE_string("model_dir", None, "A model's directory.", flag_values)
  flags.DEFINE_string("data_dir", None, "MRPC's train.tsv and dev.tsv.", flag_values)
  flags.DEFINE_integer("steps", 64, "Timed steps.", 1, flag_values=flag_values)
  flags.DEFINE_string("output_file", None, "JSON of the results.", flag_values)


def measure(files, precision, options, steps, data_dir):
  """{phase: seconds or rate} of one way."""
  import tensorflow as tf

  from bert_ja import (
    checkpoint,
    heads,
    losses,
    modeling,
    optimization,
    reporting,
    tokenization,
    train_step,
  )
  from bert_ja.data import input_pipeline, pair_features
  from bert_ja.tasks import glue

  clock = _Clock()
  processor = glue.MrpcProcessor()
  examples = processor.get_train_examples(data_dir)
  tokenizer = tokenization.FullTokenizer(files.vocab_file)
  result = {"read": clock.lap()}
  with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "train.tf_record")
    pair_features.file_based_convert_examples_to_features(
      examples, processor.get_labels(), 128, tokenizer, path
    )
    result["tokenize"] = clock.lap()
    input_fn = input_pipeline.file_based_input_fn_builder(
      path, 128, True, options=options
    )
  config = modeling.BertConfig.from_json_file(files.config_file)
  model = heads.SentenceClassifier(
    config, 2, precision=modeling.Precision.from_name(precision)
  )
  variables = checkpoint.named_variables(model)
  checkpoint.init_from_checkpoint(files.init_checkpoint, variables)
  optimizer = optimization.create_optimizer(5e-5, 343, 34)
  optimizer.build(variables)
  step = train_step.TrainStep(
    lambda features, stream: losses.cross_entropy(
      model(features, stream), features["label_ids"]
    ),
    optimizer,
    variables,
    tf.distribute.get_strategy(),
    train_step.StepOptions(),
  )
  iterator = iter(input_fn({"batch_size": 32, "max_steps": steps + 64}))
  result["load"] = clock.lap()
  # Every length is met once before the clock starts: new shapes are compiled.
  step.run(iterator, 64)
  result["first 64 steps"] = clock.lap()
  step.run(iterator, steps)
  seconds = clock.lap()
  result["steps"] = seconds
  result["examples/s"] = steps * 32 / seconds
  result["peak memory GB"] = reporting.peak_memory_bytes() / 1e9
  return result


class _Clock:
  def __init__(self):
    self._last = time.perf_counter()

  def lap(self):
    now = time.perf_counter()
    seconds, self._last = now - self._last, now
    return seconds


def main(_):
  """Measures both ways."""
  command_line.require(FLAGS, "model_dir", "data_dir")
  command_line.import_tensorflow()
  from bert_ja import distribution, model_files, reporting, text_io
  from bert_ja.data import input_pipeline

  distribution.create_strategy(distribution.RuntimeConfig())
  files = model_files.find(FLAGS.model_dir)
  ways = {
    "float32, fixed length": (
      "float32",
      input_pipeline.BatchOptions(pad_to_max_length=True),
    ),
    "bfloat16, buckets": (
      "bfloat16",
      input_pipeline.BatchOptions(bucket_by_length=True),
    ),
  }
  results = {
    name: measure(files, precision, options, FLAGS.steps, FLAGS.data_dir)
    for name, (precision, options) in ways.items()
  }
  plain, fast = results.values()
  rows = [[phase, plain[phase], fast[phase]] for phase in plain]
  rows.append(["speed, ratio", 1.0, fast["examples/s"] / plain["examples/s"]])
  print(reporting.format_table(rows, ["phase (s)", *results], digits=2))
  if FLAGS.output_file:
    text_io.write_json(FLAGS.output_file, results)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

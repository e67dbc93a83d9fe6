"""Speed of a training step as a share of the machine's matrix-product peak.

  python -m benchmarks.step_benchmark
  python -m benchmarks.step_benchmark --bert_config_file=bert_config.json \
    --batch_sizes=8,32 --lengths=64,128 --precisions=bfloat16 --tasks=pretraining

Model FLOPs are those of the matrix products alone: 3 x forward for a step (forward,
and two products backward). The peak is the sustained rate of the fastest of a few large
products, measured in turn with the steps, since shared machines differ from hour to
hour; medians of both.
"""

import itertools
import statistics
import time

from absl import flags

from bert_ja.flags import command_line

FLAGS = flags.FLAGS
_MASKED_SHARE = 0.15
_PEAK_SHAPES = ((1024, 768, 3072), (1024, 3072, 768), (2048, 2048, 2048))


def define_flags(flag_values=FLAGS):
  """Defines the benchmark's flags."""
  flags.DEFINE_string(
    "bert_config_file", None, "Architecture; BERT-base by default.", flag_values
  )
  flags.DEFINE_list(
    "tasks",
    "classification,pretraining",
    "What to train: two classes, or masked words and next sentences.",
    flag_values,
  )
  flags.DEFINE_list("precisions", "float32,bfloat16", "To measure.", flag_values)
  flags.DEFINE_list("batch_sizes", "8", "To measure.", flag_values)
  flags.DEFINE_list("lengths", "128", "To measure.", flag_values)
  flags.DEFINE_integer(
    "steps", 8, "Timed steps; the median counts.", 1, None, flag_values
  )
  flags.DEFINE_string("output_file", None, "JSON of the results.", flag_values)


def num_predictions(length):
  """Masked positions of a row in pre-training."""
  return round(_MASKED_SHARE * length)


def forward_flops(task, config, batch_size, length):
  """Floating-point operations of a model's matrix products for one batch."""
  hidden, inner = config.hidden_size, config.intermediate_size
  tokens = batch_size * length
  dense = 2 * tokens * (4 * hidden * hidden + 2 * hidden * inner)
  attention = 2 * 2 * batch_size * length * length * hidden
  encoder = config.num_hidden_layers * (dense + attention) + 2 * batch_size * hidden**2
  if task == "classification":
    return encoder
  predictions = batch_size * num_predictions(length)
  return encoder + 2 * predictions * hidden * (hidden + config.vocab_size)


def gemm_rate(precision):
  """() -> FLOP/s of the fastest of a few large products, sustained for half a second."""
  import tensorflow as tf

  def timed(shape, count):
    m, k, n = shape
    a = tf.cast(tf.random.normal([m, k]), precision)
    b = tf.cast(tf.random.normal([k, n]), precision)
    product = tf.function(tf.matmul)
    product(a, b)
    started = time.perf_counter()
    for _ in range(count):
      product(a, b)
    return 2 * m * k * n * count / (time.perf_counter() - started)

  fastest = max(_PEAK_SHAPES, key=lambda shape: timed(shape, 20))
  m, k, n = fastest
  count = max(1, int(0.5 * timed(fastest, 20) / (2 * m * k * n)))
  return lambda: timed(fastest, count)


def classification(config, precision):
  """(model, features and dropout stream -> losses)."""
  from bert_ja import heads, losses

  model = heads.SentenceClassifier(config, 2, precision=precision)

  def loss_fn(features, stream):
    return losses.cross_entropy(model(features, stream), features["label_ids"])

  return model, loss_fn


def pretraining(config, precision):
  """(model, features and dropout stream -> losses)."""
  from bert_ja import pretraining_heads

  model = pretraining_heads.PretrainingModel(config, precision=precision)

  def loss_fn(features, stream):
    return pretraining_heads.row_losses(model(features, stream), features)

  return model, loss_fn


_TASKS = {"classification": classification, "pretraining": pretraining}


def random_features(config, batch_size, length):
  """Features of either task, every row full."""
  import numpy as np

  random = np.random.default_rng(1)
  shape, masked = (batch_size, length), (batch_size, num_predictions(length))
  positions = [random.permutation(length)[: masked[1]] for _ in range(batch_size)]
  return {
    "input_ids": random.integers(0, config.vocab_size, shape, np.int32),
    "input_mask": np.ones(shape, np.int32),
    "segment_ids": np.zeros(shape, np.int32),
    "label_ids": random.integers(0, 2, [batch_size], np.int32),
    "masked_lm_positions": np.array(positions, np.int32),
    "masked_lm_ids": random.integers(0, config.vocab_size, masked, np.int32),
    "masked_lm_weights": np.ones(masked, np.float32),
    "masked_lm_scale": np.full([batch_size], 1 / masked[1], np.float32),
    "next_sentence_labels": random.integers(0, 2, [batch_size, 1], np.int32),
  }


def training_step(task, config, precision, batch_size, length):
  """A compiled step with dropout and optimizer on random ids: () -> seconds."""
  import tensorflow as tf

  from bert_ja import checkpoint, modeling, optimization, train_step

  model, loss_fn = _TASKS[task](config, modeling.Precision.from_name(precision))
  variables = checkpoint.named_variables(model)
  optimizer = optimization.create_optimizer(2e-5, 10_000, 1_000)
  optimizer.build(variables)
  strategy = tf.distribute.get_strategy()
  step = train_step.TrainStep(
    loss_fn, optimizer, variables, strategy, train_step.StepOptions()
  )
  features = random_features(config, batch_size, length)
  iterator = iter(tf.data.Dataset.from_tensors(features).repeat())

  def run():
    started = time.perf_counter()
    step.run(iterator, 1)
    return time.perf_counter() - started

  return run


def measure(task, config, precision, batch_size, length):
  """One row of the table."""
  from bert_ja import reporting

  run = training_step(task, config, precision, batch_size, length)
  rate = gemm_rate(precision)
  run()
  run()
  # In turn, and typical against typical: the machine's speed drifts.
  pairs = [(run(), rate()) for _ in range(FLAGS.steps)]
  seconds, peak = map(statistics.median, zip(*pairs, strict=True))
  flops = 3 * forward_flops(task, config, batch_size, length) / seconds
  return {
    "task": task,
    "precision": precision,
    "batch": batch_size,
    "length": length,
    "seconds": seconds,
    "examples_per_second": batch_size / seconds,
    "model_gflops": flops / 1e9,
    "peak_gflops": peak / 1e9,
    "share_of_peak": flops / peak,
    "memory_gb": reporting.peak_memory_bytes() / 1e9,
  }


def main(_):
  """Measures every combination."""
  command_line.import_tensorflow()
  from bert_ja import distribution, modeling, reporting, text_io

  unknown = set(FLAGS.tasks) - set(_TASKS)
  if unknown:
    raise ValueError(f"--tasks: expected some of {', '.join(_TASKS)}, found {unknown}")
  distribution.create_strategy(distribution.RuntimeConfig())
  config = modeling.BertConfig(vocab_size=30522, type_vocab_size=2)
  if FLAGS.bert_config_file:
    config = modeling.BertConfig.from_json_file(FLAGS.bert_config_file)
  combinations = itertools.product(
    FLAGS.precisions, map(int, FLAGS.batch_sizes), map(int, FLAGS.lengths), FLAGS.tasks
  )
  rows = [measure(task, config, *where) for *where, task in combinations]
  print(reporting.format_table([list(row.values()) for row in rows], list(rows[0])))
  if FLAGS.output_file:
    text_io.write_json(FLAGS.output_file, rows)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

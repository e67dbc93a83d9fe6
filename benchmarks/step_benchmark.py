"""Speed of a training step as a share of the machine's matrix-product peak.

  python -m benchmarks.step_benchmark
  python -m benchmarks.step_benchmark --bert_config_file=bert_config.json \
    --batch_sizes=8,32 --lengths=64,128 --precisions=bfloat16

Model FLOPs are those of the matrix products alone: 3 x forward for a step (forward,
and two products backward). The peak is the sustained rate of the fastest of a few large
products, measured in turn with the steps, since shared machines differ from hour to
hour; medians of both.
"""

import statistics
import time

from absl import flags

from bert_ja.flags import command_line

FLAGS = flags.FLAGS
_PEAK_SHAPES = ((1024, 768, 3072), (1024, 3072, 768), (2048, 2048, 2048))


def define_flags(flag_values=FLAGS):
  """Defines the benchmark's flags."""
  flags.DEFINE_string(
    "bert_config_file", None, "Architecture; BERT-base by default.", flag_values
  )
  flags.DEFINE_list("precisions", "float32,bfloat16", "To measure.", flag_values)
  flags.DEFINE_list("batch_sizes", "8", "To measure.", flag_values)
  flags.DEFINE_list("lengths", "128", "To measure.", flag_values)
  flags.DEFINE_integer(
    "steps", 8, "Timed steps; the median counts.", 1, None, flag_values
  )
  flags.DEFINE_string("output_file", None, "JSON of the results.", flag_values)


def forward_flops(config, batch_size, length):
  """Floating-point operations of the encoder's matrix products for one batch."""
  hidden, inner = config.hidden_size, config.intermediate_size
  tokens = batch_size * length
  dense = 2 * tokens * (4 * hidden * hidden + 2 * hidden * inner)
  attention = 2 * 2 * batch_size * length * length * hidden
  return config.num_hidden_layers * (dense + attention) + 2 * batch_size * hidden**2


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


def training_step(config, precision, batch_size, length):
  """A compiled step with dropout and optimizer on random ids: () -> seconds."""
  import numpy as np
  import tensorflow as tf

  from bert_ja import checkpoint, heads, modeling, optimization, train_step

  strategy = tf.distribute.get_strategy()
  model = heads.SentenceClassifier(
    config, 2, precision=modeling.Precision.from_name(precision)
  )
  variables = checkpoint.named_variables(model)
  optimizer = optimization.create_optimizer(2e-5, 10_000, 1_000)
  optimizer.build(variables)

  def loss_fn(features, stream):
    return heads.cross_entropy(model(features, stream), features["label_ids"])

  step = train_step.TrainStep(
    loss_fn, optimizer, variables, strategy, train_step.StepOptions()
  )
  random = np.random.default_rng(1)
  shape = [batch_size, length]
  features = {
    "input_ids": random.integers(0, config.vocab_size, shape, np.int32),
    "input_mask": np.ones(shape, np.int32),
    "segment_ids": np.zeros(shape, np.int32),
    "label_ids": random.integers(0, 2, [batch_size], np.int32),
  }
  iterator = iter(tf.data.Dataset.from_tensors(features).repeat())

  def run():
    started = time.perf_counter()
    step.run(iterator, 1)
    return time.perf_counter() - started

  return run


def main(_):
  """Measures every combination."""
  command_line.import_tensorflow()
  from bert_ja import distribution, modeling, reporting, text_io

  distribution.create_strategy(distribution.RuntimeConfig())
  config = modeling.BertConfig(vocab_size=30522, type_vocab_size=2)
  if FLAGS.bert_config_file:
    config = modeling.BertConfig.from_json_file(FLAGS.bert_config_file)
  rows = []
  for precision in FLAGS.precisions:
    for batch_size in map(int, FLAGS.batch_sizes):
      for length in map(int, FLAGS.lengths):
        run = training_step(config, precision, batch_size, length)
        rate = gemm_rate(precision)
        run()
        run()
        # In turn, and typical against typical: the machine's speed drifts.
        pairs = [(run(), rate()) for _ in range(FLAGS.steps)]
        seconds, peak = map(statistics.median, zip(*pairs, strict=True))
        flops = 3 * forward_flops(config, batch_size, length) / seconds
        rows.append(
          {
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
        )
  print(reporting.format_table([list(row.values()) for row in rows], list(rows[0])))
  if FLAGS.output_file:
    text_io.write_json(FLAGS.output_file, rows)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

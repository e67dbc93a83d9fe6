"""Lines a second and bytes a line of vectors: pooled, of pieces, and the plain way.

  python -m benchmarks.extraction_benchmark
  python -m benchmarks.extraction_benchmark --model_dir=MODEL --input_file=lines.txt \
    --output_file=extraction.json

The plain way is the original's algorithm: every row has the full length, float32, the
last four layers of each piece go into JSON lines, a number after the other. It runs the
same model on the same devices. The forms take turns; seconds are medians over the
rounds, those of a clock. They begin when the model is read and its functions are
compiled, and end when the file is there.

Without a model the benchmark makes one of random weights, of the size of MiniLM (six
layers of 384); without texts it makes lines of 1 to 200 words, 16 the median.
"""

import json
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags, logging

from benchmarks import tokenizer_benchmark
from bert_ja import reporting, text_io
from bert_ja.data import text_rows
from bert_ja.flags import command_line

FLAGS = flags.FLAGS

PLAIN = "plain"
# Name -> (ending, what differs from the default options).
FORMS = {
  "mean .npy": (".npy", {}),
  "mean .jsonl": (".jsonl", {}),
  "pieces .jsonl": (".jsonl", {"pooling": "none", "layers": (-1, -2, -3, -4)}),
}
_MINILM = {
  "hidden_size": 384,
  "num_hidden_layers": 6,
  "num_attention_heads": 12,
  "intermediate_size": 1536,
  "type_vocab_size": 2,
}


# --- The plain way (contract) ------------------------------------------


def plain_extractor(model: Any, options: Any) -> Callable:
  """Function of (texts, path) that writes JSON lines; traced once.

  Args:
    model: `vectors.VectorModel`.
    options: its length, batch size and layers count.
  """
  import numpy as np
  import tensorflow as tf

  length = options.max_seq_length

  @tf.function
  def run(ids, mask, segment_ids):
    layers = model.bert(ids, mask, segment_ids).get_all_encoder_layers()
    return [tf.cast(layers[index], tf.float32) for index in options.layers]

  def extract(texts, path):
    with open(path, "w") as writer:
      for start in range(0, len(texts), options.batch_size):
        rows = []
        for text in texts[start : start + options.batch_size]:
          settings = model.tokenizer, length, "truncate"
          rows += text_rows.model_rows(settings, text)
        features = np.zeros([3, options.batch_size, length], np.int32)
        for place, row in enumerate(rows):
          count = len(row.ids)
          features[0, place, :count] = row.ids
          features[1, place, :count] = 1
          features[2, place, :count] = row.segment_ids
        layers = [layer.numpy() for layer in run(*features)]
        for place, row in enumerate(rows):
          line = {"linex_index": start + place, "features": []}
          tokens = model.tokenizer.convert_ids_to_tokens(row.ids)
          for position, token in enumerate(tokens):
            of_piece = []
            for index, layer in zip(options.layers, layers, strict=True):
              values = [round(float(x), 6) for x in layer[place, position]]
              of_piece.append({"index": index, "values": values})
            line["features"].append({"token": token, "layers": of_piece})
          writer.write(json.dumps(line) + "\n")

  return extract


# --- Measuring ------------------------------------------------------------------------


def generated_texts(count: int, seed: int = 1) -> list[str]:
  """Lines of invented Latin words; the number of words is log-normal."""
  generator = random.Random(seed)
  words = [w for line in tokenizer_benchmark.generated_lines() for w in line.split(" ")]
  words = [word for word in words if word.isascii()]
  texts = []
  for _ in range(count):
    size = round(math.exp(generator.gauss(math.log(16), 0.8)))
    texts.append(" ".join(generator.choices(words, k=min(max(size, 1), 200))))
  return texts


def write_model(texts: Sequence[str], directory: str) -> None:
  """A model of random weights, with a vocabulary of the texts."""
  from bert_ja import checkpoint, modeling

  tokens = tokenizer_benchmark.derived_vocabulary(texts, {})
  text_io.write_text(os.path.join(directory, "vocab.txt"), "\n".join(tokens) + "\n")
  config = modeling.BertConfig(len(tokens), **_MINILM)
  path = os.path.join(directory, "bert_config.json")
  text_io.write_text(path, config.to_json_string())
  variables = checkpoint.named_variables(modeling.BertModel(config))
  arrays = {name: variable.numpy() for name, variable in variables.items()}
  checkpoint.save(os.path.join(directory, "bert_model.ckpt"), arrays)


def measure(
  model: Any, texts: Sequence[str], options: Any, rounds: int
) -> list[dict[str, Any]]:
  """Times all forms.

  Args:
    model: `vectors.VectorModel`.
    texts: the lines.
    options: `vectors.Options` of a pooled vector.
    rounds: how often each form is made.

  Returns:
    For each form {"form", "seconds", "lines_per_second", "bytes_per_line", "speed" and
    "size" in relation to the plain way}.
  """
  import dataclasses

  from bert_ja.encoding import extraction

  def extractor(changes):
    changed = dataclasses.replace(options, **changes)
    return lambda texts, path: extraction.extract(model, texts, changed, path)

  of_pieces = dataclasses.replace(options, layers=FORMS["pieces .jsonl"][1]["layers"])
  extractors = {PLAIN: (".jsonl", plain_extractor(model, of_pieces))}
  for name, (ending, changes) in FORMS.items():
    extractors[name] = ending, extractor(changes)
  seconds, sizes = {name: [] for name in extractors}, {}
  with tempfile.TemporaryDirectory() as folder:
    paths = {name: os.path.join(folder, f"x{e}") for name, (e, _) in extractors.items()}
    for number in range(rounds + 1):
      for name, (_, extract) in extractors.items():
        # The first round is not measured: a function is traced once, and a GPU compiles
        # for each length. The plain way has one.
        is_first = number == 0
        lines = texts[: options.batch_size] if is_first and name == PLAIN else texts
        started = time.perf_counter()
        extract(lines, paths[name])
        if not is_first:
          seconds[name].append(time.perf_counter() - started)
          sizes[name] = os.path.getsize(paths[name])
  medians = {name: statistics.median(values) for name, values in seconds.items()}
  return [
    {
      "form": name,
      "seconds": medians[name],
      "lines_per_second": len(texts) / medians[name],
      "bytes_per_line": sizes[name] / len(texts),
      "speed": medians[PLAIN] / medians[name],
      "size": sizes[name] / sizes[PLAIN],
    }
    for name in extractors
  ]


def define_flags(flag_values=FLAGS):
  """Defines the benchmark's flags."""
  flags.DEFINE_string("model_dir", None, "A model; made by default.", flag_values)
  flags.DEFINE_string("input_file", None, "Lines; made by default.", flag_values)
  flags.DEFINE_integer("lines", 256, "Lines at most.", 1, None, flag_values)
  flags.DEFINE_integer("max_seq_length", 128, "As the script.", 3, None, flag_values)
  flags.DEFINE_integer("batch_size", 32, "As the script.", 1, None, flag_values)
  flags.DEFINE_integer("rounds", 3, "Rounds of each form.", 1, None, flag_values)
  flags.DEFINE_string("output_file", None, "JSON of the results.", flag_values)


def main(_):
  """Measures and prints."""
  logging.set_verbosity(logging.WARNING)
  command_line.import_tensorflow()
  from bert_ja import distribution
  from bert_ja.encoding import encoder, vectors

  distribution.create_strategy(distribution.RuntimeConfig())
  if FLAGS.input_file:
    texts = text_io.read_lines(FLAGS.input_file)[: FLAGS.lines]
  else:
    texts = generated_texts(FLAGS.lines)
  with tempfile.TemporaryDirectory() as folder:
    if not FLAGS.model_dir:
      write_model(texts, folder)
    model = encoder.load(FLAGS.model_dir or folder)
  options = vectors.Options(
    max_seq_length=FLAGS.max_seq_length, batch_size=FLAGS.batch_size
  )
  rows = measure(model, texts, options, FLAGS.rounds)
  table = [list(row.values()) for row in rows]
  print(reporting.format_table(table, list(rows[0]), digits=4))
  if FLAGS.output_file:
    text_io.write_json(FLAGS.output_file, {"lines": len(texts), "forms": rows})


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

"""Speed and memory of create_pretraining_data.py, against the plain algorithm.

  python -m benchmarks.pretraining_data_benchmark
  python -m benchmarks.pretraining_data_benchmark --aozora_archive=aozora_sample.tar.gz \
    --megabytes=50 --vocab_file=vocab.txt --output_file=out/pretraining_data.json

Each run is a program of its own, from text to a TFRecord file: the plain algorithm of
`plain_pretraining`, ours with the same draws, ours with masks left for later (one
process each), and ours in shards with one and with two processes. Rates are instances
a second of wall time and, of runs in one process, of processor time, which a busy
machine does not change; the plain one imports TensorFlow before its time begins. "same"
says whether the examples are the plain ones, one by one. Memory is the largest that the
processes of a run had at one time, text, records and TensorFlow included.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time

from absl import flags, logging

from benchmarks import plain_pretraining, plain_tokenizer, tokenizer_benchmark
from bert_ja import corpora, reporting, text_io, tokenization
from bert_ja.flags import command_line

FLAGS = flags.FLAGS

_NUM_SHARDS = 4
_SEED = 12345
_COMPARED = ("plain", "same draws")


def define_flags(flag_values=FLAGS):
  """Defines the benchmark's flags."""
  flags.DEFINE_string(
    "aozora_archive",
    None,
    "Archive of Aozora Bunko's cp932 texts; invented text by default.",
    flag_values,
  )
  flags.DEFINE_string(
    "vocab_file", None, "Word pieces; made from the text by default.", flag_values
  )
  flags.DEFINE_bool("do_lower_case", True, "As for the scripts.", flag_values)
  flags.DEFINE_float(
    "megabytes", 2, "Text of the measurement.", 0.01, None, flag_values
  )
  flags.DEFINE_float(
    "more_megabytes",
    0,
    "Also the memory of a run over so much text, in shards of the size above.",
    flag_values=flag_values,
  )
  flags.DEFINE_integer("dupe_factor", 10, "Passes over it.", 1, None, flag_values)
  flags.DEFINE_list(
    "cases", [], "Names of runs, or their beginnings; all by default.", flag_values
  )
  flags.DEFINE_string("output_file", None, "JSON of the results.", flag_values)


def invented_documents():
  """Documents of 40 sentences."""
  lines = tokenizer_benchmark.generated_lines()
  return [lines[start : start + 40] for start in range(0, len(lines), 40)]


def write_corpus(documents, folder, num_bytes, count):
  """`count` files of so many bytes together; documents are repeated."""
  texts = ["\n".join(sentences) + "\n\n" for sentences in documents]
  place, paths = 0, []
  for number in range(count):
    paths.append(os.path.join(folder, f"text-{number}.txt"))
    size = 0
    with open(paths[-1], "w", encoding="utf-8") as writer:
      while size < num_bytes / count:
        # A long book may be cut: the size is what counts here.
        text = texts[place % len(texts)].encode()[: int(num_bytes / count - size) + 1]
        writer.write(text.decode("utf-8", "ignore"))
        size, place = size + len(text), place + 1
  return paths


def run_plain(settings):
  """The plain algorithm: {"instances", "seconds", "processor_seconds"}."""
  vocab = tokenization.load_vocab(settings["vocab_file"])
  lower = settings["do_lower_case"]

  def tokenize(line):
    return plain_tokenizer.tokenize(line, vocab, do_lower_case=lower)

  def make():
    made = plain_pretraining.instances(
      settings["input_files"],
      tokenize,
      list(vocab),
      _SEED,
      passes=settings["dupe_factor"],
    )
    plain_pretraining.write(settings["output_file"], made, vocab)
    return len(made)

  command_line.import_tensorflow()
  return _timed(make)


def run_ours(settings):
  """`pretraining_shards.make_shards`, as `run_plain`."""
  from bert_ja.data import pretraining_draws, pretraining_shards

  tokenizer = tokenization.FullTokenizer(
    settings["vocab_file"], settings["do_lower_case"]
  )
  recipe = pretraining_draws.Recipe(
    dupe_factor=settings["dupe_factor"], static_masking=settings["static_masking"]
  )
  shards = pretraining_shards.plan(
    settings["input_files"], [settings["output_file"]], settings["num_shards"]
  )
  return _timed(
    lambda: (
      pretraining_shards.make_shards(
        shards,
        tokenizer,
        pretraining_shards.Settings(recipe, _SEED),
        settings["num_workers"],
      ).instances
    )
  )


def _timed(make):
  started, processor = time.perf_counter(), time.process_time()
  count = make()
  return {
    "instances": count,
    "seconds": time.perf_counter() - started,
    "processor_seconds": time.process_time() - processor,
  }


def measure(settings):
  """Runs one case in a process of its own; adds "peak_mb" to what it says."""
  program = [sys.executable, "-m", "benchmarks.pretraining_data_benchmark"]
  with subprocess.Popen(
    [*program, f"--child={json.dumps(settings)}"],
    stdout=subprocess.PIPE,
    text=True,
    env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
  ) as process:
    watch = _Memory(process.pid)
    output, _ = process.communicate()
    watch.stop()
  if process.returncode:
    raise ChildProcessError(f"{settings['run']} ended with {process.returncode}")
  return {**json.loads(output.splitlines()[-1]), "peak_mb": watch.peak / 1e6}


class _Memory(threading.Thread):
  """Watches the memory of a process and its children.

  Attributes:
    peak: bytes.
  """

  def __init__(self, pid):
    super().__init__(daemon=True)
    self.peak, self._pid, self._stopped = 0, pid, threading.Event()
    self.start()

  def run(self):
    while not self._stopped.wait(0.2):
      self.peak = max(self.peak, self._total(self._pid))

  def stop(self):
    self._stopped.set()
    self.join()

  def _total(self, pid):
    try:
      with open(f"/proc/{pid}/statm") as reader:
        size = int(reader.read().split()[1]) * resource.getpagesize()
      with open(f"/proc/{pid}/task/{pid}/children") as reader:
        return size + sum(map(self._total, reader.read().split()))
    except (FileNotFoundError, ProcessLookupError, IndexError):
      return 0


def cases(common, folder, megabytes, more_megabytes, documents):
  """(name, settings) of each run."""
  paths = write_corpus(documents, folder, megabytes * 1e6, _NUM_SHARDS)
  ours = {
    **common,
    "run": "ours",
    "input_files": paths,
    "num_shards": 1,
    "num_workers": 1,
    "static_masking": True,
  }
  shards = {**ours, "num_shards": _NUM_SHARDS}
  yield "plain", {**ours, "run": "plain"}
  yield "same draws", ours
  yield "masks later", {**ours, "static_masking": False}
  yield f"{_NUM_SHARDS} shards", shards
  yield f"{_NUM_SHARDS} shards, 2 processes", {**shards, "num_workers": 2}
  if more_megabytes:
    more, count = os.path.join(folder, "more"), round(more_megabytes / megabytes)
    os.makedirs(more)
    paths = write_corpus(documents, more, more_megabytes * 1e6, count)
    name = f"{more_megabytes:g} MB in {count} shards"
    yield name, {**ours, "input_files": paths, "num_shards": count}


def same_records(first, second):
  """Whether two files hold the same examples."""
  command_line.import_tensorflow()
  import tensorflow as tf

  def examples(path):
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
      yield tf.train.Example.FromString(record)

  return all(a == b for a, b in zip(examples(first), examples(second), strict=True))


def main(_):
  """Measures and prints."""
  if FLAGS.child:
    settings = json.loads(FLAGS.child)
    logging.set_verbosity(logging.WARNING)
    run = run_plain if settings["run"] == "plain" else run_ours
    print(json.dumps(run(settings)))
    return
  if FLAGS.aozora_archive:
    books = corpora.read_aozora([FLAGS.aozora_archive])
    documents = [book.sentences for book in books if book.sentences]
  else:
    documents = invented_documents()
  rows = []
  with tempfile.TemporaryDirectory() as folder:
    common = {
      "vocab_file": FLAGS.vocab_file or _write_vocabulary(documents, folder),
      "do_lower_case": FLAGS.do_lower_case,
      "dupe_factor": FLAGS.dupe_factor,
    }
    kept = {}
    for name, settings in cases(
      common, folder, FLAGS.megabytes, FLAGS.more_megabytes, documents
    ):
      if FLAGS.cases and not name.startswith(tuple(FLAGS.cases)):
        continue
      with tempfile.TemporaryDirectory(dir=folder) as outputs:
        output = os.path.join(outputs, "records.tfrecord")
        result = measure({**settings, "output_file": output})
        if name in _COMPARED:
          kept[name] = os.path.join(folder, f"{len(kept)}.tfrecord")
          os.rename(output, kept[name])
      rows.append(_row(name, settings, result, rows))
      if len(kept) == len(_COMPARED) and name == _COMPARED[-1]:
        rows[-1]["same"] = same_records(*kept.values())
  _print(rows)


def _write_vocabulary(documents, folder):
  path = os.path.join(folder, "vocab.txt")
  lines = [sentence for document in documents for sentence in document]
  switches = {"do_lower_case": FLAGS.do_lower_case}
  tokens = tokenizer_benchmark.derived_vocabulary(lines, switches)
  text_io.write_text(path, "\n".join(tokens))
  return path


def _row(name, settings, result, rows):
  rate = result["instances"] / result["seconds"]
  processor_rate = result["instances"] / result["processor_seconds"]
  row = {
    "case": name,
    "instances": result["instances"],
    "instances_per_second": rate,
    "per_processor_second": processor_rate if settings["num_workers"] == 1 else None,
    "peak_mb": result["peak_mb"],
  }
  if rows:
    first = rows[0]
    row["times_first"] = rate / first["instances_per_second"]
    if row["per_processor_second"] and first["per_processor_second"]:
      row["times_first_processor"] = processor_rate / first["per_processor_second"]
  return row


def _print(rows):
  names = list(dict.fromkeys(name for row in rows for name in row))
  cells = [[row.get(name) for name in names] for row in rows]
  cells = [["" if cell is None else cell for cell in row] for row in cells]
  print(reporting.format_table(cells, names, digits=2))
  if FLAGS.output_file:
    text_io.write_json(FLAGS.output_file, rows)


if __name__ == "__main__":
  define_flags()
  flags.DEFINE_string("child", None, "Internal: what one run does, as JSON.")
  command_line.run(main)

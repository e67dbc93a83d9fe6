"""A tiny model and corpus, and runs of the scripts on them."""

import functools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_SCRIPTS = (
  "create_pretraining_data",
  "extract_features",
  "run_classifier",
  "run_pretraining",
  "run_squad",
)
_WORDS = [f"w{index}" for index in range(40)]


def write_inputs(directory, layers=1):
  """A corpus of 48 + 16 + 9 rows, a vocabulary and a config of so many layers."""
  os.makedirs(directory, exist_ok=True)
  draw = random.Random(5)
  for name, count in (("train", 48), ("dev", 16), ("test", 9)):
    rows = ["text,label"]
    for _ in range(count):
      words = draw.choices(_WORDS, k=draw.randint(2, 11))
      label = "odd" if _WORDS.index(words[0]) % 2 else "even"
      rows.append(f"{' '.join(words)},{label}")
    with open(f"{directory}/{name}.csv", "w") as writer:
      writer.write("\n".join(rows) + "\n")
  with open(f"{directory}/vocab.txt", "w") as writer:
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    writer.write("\n".join([*specials, *_WORDS]) + "\n")
  config = {
    "vocab_size": 45,
    "hidden_size": 16,
    "num_hidden_layers": layers,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
  }
  with open(f"{directory}/bert_config.json", "w") as writer:
    json.dump(config, writer)


def arguments(inputs, output_dir, **flag_values):
  """Arguments of a training run of 24 steps; `flag_values` replace and add."""
  values = {
    "task_name": "table",
    "data_dir": inputs,
    "vocab_file": f"{inputs}/vocab.txt",
    "bert_config_file": f"{inputs}/bert_config.json",
    "output_dir": output_dir,
    "max_seq_length": 16,
    "train_batch_size": 8,
    "num_train_epochs": 4,
    "learning_rate": 3e-3,
    "save_checkpoints_steps": 5,
    "do_train": True,
    **flag_values,
  }
  return [f"--{name}={value}" for name, value in values.items() if value is not None]


def _environment(changes):
  return {**os.environ, "CUDA_VISIBLE_DEVICES": "", **changes}


def start(script_arguments, script="run_classifier", **environment):
  """Starts a script; standard error holds its log."""
  return subprocess.Popen(
    [sys.executable, os.path.join(_ROOT, f"{script}.py"), *script_arguments],
    cwd=_ROOT,
    env=_environment(environment),
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


def finish(process, timeout=180):
  """Waits; returns (status, log)."""
  try:
    log, _ = process.communicate(timeout=timeout)
  except subprocess.TimeoutExpired:
    process.kill()
    raise
  return process.returncode, log


SEPARATOR = "=== next run ==="
_SERVER = """
import importlib, json, os, sys
from absl import flags
from absl.testing import flagsaver
from bert_ja.flags import command_line
command_line.import_tensorflow()
for name in ("bert_ja.estimator", *sys.argv[1:]):
  importlib.import_module(name)
def run(name, jobs, separator, environment, log_file):
  os.dup2(os.open(log_file, os.O_WRONLY), 1)
  os.dup2(1, 2)
  os.environ.clear()
  os.environ.update(environment)
  script = importlib.import_module(name)
  script.define_flags()
  def main(_):
    for arguments in jobs:
      print(separator, file=sys.stderr, flush=True)
      with flagsaver.flagsaver():
        flags.FLAGS([name, *arguments])
        script.main([])
  sys.argv = [f"{name}.py"]
  if separator is None:
    sys.argv += jobs[0]
  command_line.run(script.main if separator is None else main)
for line in sys.stdin:
  child = os.fork()
  if child == 0:
    run(*json.loads(line))
  print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@functools.cache
def _server():
  """A process that has imported what runs need, and done nothing; ends with us."""
  return subprocess.Popen(
    [sys.executable, "-c", _SERVER, *_SCRIPTS],
    cwd=_ROOT,
    env=_environment({}),
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )


def _run_copy(script, jobs, separator, environment):
  server = _server()
  with tempfile.NamedTemporaryFile("r") as log:
    request = script, jobs, separator, _environment(environment), log.name
    print(json.dumps(request), file=server.stdin, flush=True)
    status = server.stdout.readline()
    assert status, "the process that copies itself has ended"
    return int(status), log.read()


def run(script_arguments, script="run_classifier", **environment):
  """Runs to the end; returns (status, log).

  In a copy of a process that has imported TensorFlow, which takes most of the time of a
  short run. `start` does as a user does.
  """
  return _run_copy(script, [list(map(str, script_arguments))], None, environment)


def run_many(jobs, script="run_classifier", **environment):
  """Runs several argument lists in one process.

  Returns:
    (status, log); each run's part of the log follows `SEPARATOR`.
  """
  return _run_copy(script, jobs, SEPARATOR, environment)


def logs_of_many(jobs, script="run_classifier", **environment):
  """Each run's part of the log of `run_many`, which has to succeed."""
  status, log = run_many(jobs, script, **environment)
  assert status == 0, log
  return log.split(SEPARATOR)[1:]


def arrays(output_dir):
  """{name: value} of the newest checkpoint."""
  import tensorflow as tf

  reader = tf.train.load_checkpoint(output_dir)
  names = sorted(reader.get_variable_to_shape_map())
  return {name: reader.get_tensor(name) for name in names}


def assert_same(expected, actual):
  """Equal names and equal bits."""
  assert expected.keys() == actual.keys()
  for name, value in expected.items():
    np.testing.assert_array_equal(value, actual[name], err_msg=name)


def assert_close(expected, actual, relative):
  """Equal names; each array differs by `relative` of its largest value at most."""
  assert expected.keys() == actual.keys()
  for name, value in expected.items():
    if "/key/bias" in name:
      # Softmax does not see it: its gradient is 0, and what is stored is rounding.
      assert max(np.abs(value).max(), np.abs(actual[name]).max()) < 1e-7
      continue
    scale = np.abs(value).max()
    np.testing.assert_allclose(
      actual[name], value, rtol=relative, atol=relative * scale, err_msg=name
    )


def kill_after(process, seconds):
  """SIGKILL at a moment, unless the run has ended by then."""
  time.sleep(seconds)
  if process.poll() is None:
    os.kill(process.pid, signal.SIGKILL)
  finish(process)


def newest_step(output_dir):
  """Of the complete checkpoints; -1 without one."""
  names = os.listdir(output_dir) if os.path.isdir(output_dir) else []
  found = [re.fullmatch(r"model\.ckpt-(\d+)\.index", name) for name in names]
  return max((int(match[1]) for match in found if match), default=-1)


def kill_in_training(process, output_dir, seconds):
  """SIGKILL that long after the run's first new checkpoint, unless it has ended."""
  before = newest_step(output_dir)
  while process.poll() is None and newest_step(output_dir) <= before:
    time.sleep(0.01)
  kill_after(process, seconds)

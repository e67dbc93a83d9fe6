"""`bert-ja compare`: what is printed and written, and what a second start does."""

import dataclasses
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import pytest

from bert_ja.commands import compare
from bert_ja.comparisons import comparison_file
from tests import fake_script
from tests.scripts import runs as classifier_runs

_ROOT = pathlib.Path(__file__).parents[2]
_FILE = """
script = "run_squad.py"
seeds = [7]
[flags]
{flags}
[grid]
x = [1, 2]
[data]
train = "train.json"
dev = "dev.json"
test = "test.json"
[[models]]
name = "one"
model_dir = "."
tokenizer = "tohoku"
[[models]]
name = "two"
model_dir = "."
"""
_SCORES = {
  "one/x=1,seed=7": {"eval_exact_match": 10},
  "one/x=2,seed=7": {"eval_exact_match": 20},
  "two/x=1,seed=7": {"eval_exact_match": 30},
  "two/x=2,seed=7": {"eval_exact_match": 5},
  "one/x=2,seed=7/test": {"eval_exact_match": 21},
  "two/x=1,seed=7/test": {"eval_exact_match": 31},
}
_MAIN = """
import sys
from bert_ja import __main__ as program
from bert_ja.commands import compare
compare.script_path = lambda name: {script!r}
program.main(["bert-ja", "compare", *sys.argv[1:]])
"""


class Bench:
  """A comparison file, a fake script, and the command over them."""

  def __init__(self, directory):
    self.directory = directory
    (directory / "script").mkdir()
    self.script = fake_script.FakeScript(directory / "script")
    self.script.score(_SCORES)
    for name in ("train", "dev", "test"):
      (directory / f"{name}.json").touch()
    self.write()

  def write(self, flags="", old="", new=""):
    text = _FILE.format(flags=flags).replace(old, new)
    (self.directory / "comparison.toml").write_text(text)

  def start(self, *arguments):
    return subprocess.Popen(
      [
        *(sys.executable, "-c", _MAIN.format(script=self.script.path)),
        f"--comparison_file={self.directory}/comparison.toml",
        f"--output_dir={self.directory}/out",
        *arguments,
      ],
      cwd=_ROOT,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )

  def run(self, *arguments):
    """(status, standard output, standard error)."""
    process = self.start(*arguments)
    out, error = process.communicate(timeout=120)
    return process.returncode, out, error

  def summary(self):
    return (self.directory / "out" / "summary.csv").read_text().splitlines()


@pytest.fixture
def bench(tmp_path):
  return Bench(tmp_path)


def wait_for(condition, seconds=60):
  end = time.monotonic() + seconds
  while not condition() and time.monotonic() < end:
    time.sleep(0.02)
  assert condition()


DONE = [
  "Model,Dev EM,Dev F1,Test EM,Test F1,Dev character F1,Test character F1,run,best of",
  "one,20.0,,21.0,,,,x=2,",
  "two,30.0,,31.0,,,,x=1,Dev EM; Test EM",
]


class TestMain:
  def test_one_command_trains_tests_and_shows(self, bench):
    status, out, error = bench.run("--jobs=2")
    assert (status, out) == (0, "")
    assert bench.summary() == DONE
    assert "train: run 4/4 (100%), run " in error
    assert "| two   | **30.00** " in error

  def test_wrong_flags_are_told_before_anything_is_run(self, bench):
    bench.write(flags="trian_file = 1")
    status, _, error = bench.run()
    assert status == 1
    assert error.startswith("bert-ja compare: ")
    assert "comparison.toml: run one/x=1,seed=7: Unknown command line flag" in error
    assert "Did you mean: train_file" in error
    assert len(error.splitlines()) == 1
    assert bench.script.starts() == []
    assert not (bench.directory / "out").exists()

  def test_wrong_values_are_told_too(self, bench):
    bench.write(old="x = [1, 2]", new='x = [1, "two"]')
    status, _, error = bench.run()
    assert status == 1
    assert "run one/x=two,seed=7: flag --x=two: " in error
    assert bench.script.starts() == []

  def test_a_failed_run_is_named_with_status_1(self, bench):
    bench.script.score(_SCORES | {"two/x=2,seed=7": "GPU is gone"})
    status, _, error = bench.run()
    assert status == 1
    last = error.splitlines()[-1]
    assert last.startswith(
      "bert-ja compare: 1 of 5 runs failed: two/x=2,seed=7: status"
    )
    assert "(GPU is gone)" in last

  @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
  def test_killed_half_way_it_goes_on_without_repeating(self, bench, number):
    slow = _SCORES["two/x=1,seed=7"] | {"wait": True}
    bench.script.score(_SCORES | {"two/x=1,seed=7": slow})
    process = bench.start()
    wait_for(lambda: "two/x=1,seed=7" in bench.script.starts())
    process.send_signal(number)
    process.communicate(timeout=120)
    assert process.returncode != 0
    assert bench.summary()[1] == "one,20.0,,,,,,x=2,Dev EM"  # what is there is shown
    bench.script.score(_SCORES)
    (bench.directory / "script" / "go").touch()
    assert bench.run()[0] == 0
    assert bench.summary() == DONE
    assert bench.script.starts() == [
      "one/x=1,seed=7",
      "one/x=2,seed=7",
      "two/x=1,seed=7",
      "two/x=1,seed=7",
      "two/x=2,seed=7",
      "one/x=2,seed=7/test",
      "two/x=1,seed=7/test",
    ]

  def test_commands_are_printed_for_other_means(self, bench):
    counts = []
    while True:
      status, out, _ = bench.run("--print_commands")
      assert status == 0
      lines = out.splitlines()
      counts.append(len(lines))
      if not lines:
        break
      for line in lines:
        subprocess.run(shlex.split(line), check=True)
    assert counts == [4, 2, 0]
    assert bench.summary() == DONE

  def submit(self, bench):
    """Flags for a scheduler that starts its jobs at once."""
    qsub = bench.directory / "qsub"
    qsub.write_text('#!/bin/sh\nsh "$2" &\necho job\n')
    qsub.chmod(0o755)
    return f"--submit={qsub} -x", "--poll_seconds=0.1"

  def test_jobs_of_a_scheduler(self, bench):
    submit = self.submit(bench)
    status, _, error = bench.run(*submit, "--nowait")
    assert status == 0
    assert "one/x=1,seed=7: job" in error
    assert "Jobs are with the scheduler; the same command goes on" in error
    assert bench.run(*submit)[0] == 0
    assert bench.summary() == DONE
    assert len(bench.script.starts()) == 6

  def test_failed_jobs_are_named(self, bench):
    bench.script.score(_SCORES | {"one/x=1,seed=7": "no licence"})
    status, _, error = bench.run(*self.submit(bench))
    assert status == 1
    assert "runs failed: one/x=1,seed=7: status 1 (no licence)" in error


class TestFlags:
  @pytest.mark.parametrize(
    ("arguments", "message"),
    [
      (["--output_dir=out"], "--comparison_file is required"),
      (["--comparison_file=a"], "--output_dir is required"),
      (["--comparison_file=a", "--output_dir=gs://b"], "expected a local directory"),
      (
        ["--comparison_file=a", "--output_dir=b", "--submit=q", "--print_commands"],
        "--submit and --print_commands exclude each other",
      ),
    ],
  )
  def test_what_does_not_go(self, parse_flags, arguments, message):
    parse_flags(compare, *arguments)
    with pytest.raises(ValueError, match=message):
      compare.main([])

  def test_whether_tests_have_answers_is_looked_up(self, tmp_path, parse_flags):
    for name in ("data", "other"):
      classifier_runs.write_inputs(str(tmp_path / name))
    (tmp_path / "other" / "test.csv").write_text("text,label\nw1 w2,\nw3,odd\n")
    text = _TINY.replace('"seeded"', '"seeded"\ndata = {data_dir = "other"}')
    (tmp_path / "tiny.toml").write_text(text)
    plan = comparison_file.read(str(tmp_path / "tiny.toml"))
    script = compare.script_path(plan.script.name)
    parse_flags(compare, f"--output_dir={tmp_path}/out")
    plan = compare.with_known_answers(plan, script)
    assert [model.test_is_scored for model in plan.models] == [True, False]
    (tmp_path / "other" / "test.csv").unlink()
    message = "tiny.toml: model 'seeded': .*/other has no test set"
    with pytest.raises(FileNotFoundError, match=message):
      compare.with_known_answers(plan, script)
    plan = dataclasses.replace(plan, test=False)
    assert compare.with_known_answers(plan, script) is plan

  def test_the_scripts_lie_beside_the_package(self):
    assert compare.script_path("run_classifier.py") == str(_ROOT / "run_classifier.py")

  def test_a_script_that_is_not_there_is_told(self):
    with pytest.raises(FileNotFoundError, match="run_x.py does not exist; install"):
      compare.script_path("run_x.py")


_TINY = """
script = "run_classifier.py"
[flags]
task_name = "table"
max_seq_length = 16
train_batch_size = 8
learning_rate = 3e-3
[grid]
num_train_epochs = [1, 2]
[data]
data_dir = "data"
[[models]]
name = "plain"
flags = {bert_config_file = "data/bert_config.json", vocab_file = "data/vocab.txt"}
[[models]]
name = "seeded"
flags = {bert_config_file = "data/bert_config.json", vocab_file = "data/vocab.txt", seed = 3}
"""


@pytest.mark.slow
class TestClassifier:
  def test_two_tiny_models(self, tmp_path):
    classifier_runs.write_inputs(str(tmp_path / "data"))
    (tmp_path / "tiny.toml").write_text(_TINY)
    result = subprocess.run(
      [
        *(sys.executable, "-m", "bert_ja", "compare", "--jobs=2"),
        *(f"--comparison_file={tmp_path}/tiny.toml", f"--output_dir={tmp_path}/out"),
      ],
      cwd=_ROOT,
      env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
      capture_output=True,
      text=True,
      check=False,
    )
    assert result.returncode == 0, result.stderr
    header, *rows = (tmp_path / "out" / "summary.csv").read_text().splitlines()
    assert header.startswith("Model,Dev accuracy,Dev macro F1,Test accuracy,Test macro")
    assert [row.split(",")[0] for row in rows] == ["plain", "seeded"]
    for row in rows:
      assert all(0 <= float(cell) <= 1 for cell in row.split(",")[1:5])
    assert len(list((tmp_path / "out" / "runs").glob("*/*/model.ckpt-*.index"))) >= 4

"""`bert-ja study`: what is told before anything is run, and studies of tiny models."""

import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import absl
import pytest

from bert_ja import table_files
from bert_ja.commands import compare, study
from tests.commands import compare_test
from tests.scripts import runs as classifier_runs

_MODES = ("head", "all")
_ROOT = pathlib.Path(__file__).parents[2]
_FILE = """
seeds = [1, 2]
baselines = ["majority", "tfidf_logistic"]
{top}
[flags]
task_name = "table"
max_seq_length = 16
train_batch_size = 8
learning_rate = 3e-3
num_train_epochs = 1
eval_epochs = 1
{flags}
[baseline_flags]
tokenizer = "google"
{baseline_flags}
[[sets]]
name = "first"
data_dir = "first"
[[sets]]
name = "second"
data_dir = "second"
[[models]]
name = "tiny"
flags = {{bert_config_file = "first/bert_config.json", vocab_file = "first/vocab.txt", random_init = true}}
[[modes]]
name = "head"
flags = {{trainable = "head"}}
[[modes]]
name = "all"
"""


@pytest.fixture
def write(tmp_path):
  """Function: parts of a file -> the command's arguments; its data lie beside it."""
  for name in ("first", "second"):
    classifier_runs.write_inputs(str(tmp_path / name))

  def write(top="", flags="", baseline_flags=""):
    text = _FILE.format(top=top, flags=flags, baseline_flags=baseline_flags)
    (tmp_path / "tiny.toml").write_text(text)
    return [f"--study_file={tmp_path}/tiny.toml", f"--output_dir={tmp_path}/out"]

  return write


@pytest.fixture
def change(write, tmp_path):
  """Function: what to replace by what, parts of a file -> the command's arguments."""

  def change(old, new, **parts):
    arguments, path = write(**parts), tmp_path / "tiny.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return arguments

  return change


@pytest.fixture
def run(monkeypatch, parse_flags):
  """Function: arguments -> what the command returns, in this process."""

  def run(arguments):
    parse_flags(study, *arguments)
    monkeypatch.setattr(compare, "FLAGS", study.FLAGS)
    return study.main([])

  return run


class TestBeforeAnythingIsRun:
  @pytest.mark.parametrize(
    ("parts", "message"),
    [
      ({"flags": "trian_file = 1"}, "run first/tiny/head/seed=1: Unknown command line"),
      (
        {"flags": 'eval_steps = "x"'},
        "run first/tiny/head/seed=1: flag --eval_steps=x",
      ),
      ({"baseline_flags": "max_feature = 1"}, "tiny.toml: baselines/first: Unknown"),
      (
        {"top": 'columns = ["acuracy"]'},
        "columns: there is no metric 'acuracy' of set",
      ),
      (
        {"flags": 'positive_labels = ["od"]'},
        "tiny.toml: set 'first': .*'od'.*'odd'",
      ),
    ],
  )
  def test_what_is_misspelt(self, write, run, tmp_path, parts, message):
    with pytest.raises(ValueError, match=message) as error:
      run(write(**parts))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()

  @pytest.mark.parametrize("split", ["dev", "test"])
  def test_a_set_without_positive_rows(self, write, run, tmp_path, split):
    arguments = write()
    (tmp_path / "second" / f"{split}.csv").write_text("text,label\nw0,even\n")
    message = f"set 'second': its {split} set has no rows of label 'odd', the positive"
    with pytest.raises(ValueError, match=message):
      run(arguments)
    assert not (tmp_path / "out").exists()

  def test_a_set_that_lacks_a_split(self, write, run, tmp_path):
    arguments = write()
    os.remove(tmp_path / "second" / "test.csv")
    message = "tiny.toml: set 'second': .*/second has no test set"
    with pytest.raises(FileNotFoundError, match=message):
      run(arguments)

  def test_the_task_is_needed(self, write, run, tmp_path):
    arguments = write()
    path = tmp_path / "tiny.toml"
    path.write_text(path.read_text().replace('task_name = "table"', ""))
    with pytest.raises(ValueError, match=r"set 'first': \[flags\] lacks task_name"):
      run(arguments)

  def test_baselines_do_not_get_the_task_of_a_mode(self, change, run):
    arguments = change('trainable = "head"', 'trainable = "head", task_name = "table"')
    change_task = 'task_name = "table"\nmax_seq', "max_seq"
    path = pathlib.Path(arguments[0].partition("=")[2])
    text = path.read_text().replace(*change_task)
    path.write_text(text.replace('name = "all"', ""))
    path.write_text(path.read_text().rpartition("[[modes]]")[0])
    message = r"'first': \[flags\] lacks task_name, .*; baselines get it from there or"
    with pytest.raises(ValueError, match=message) as error:
      run(arguments)
    assert "\n" not in str(error.value)

  @pytest.mark.parametrize(
    ("name", "message"),
    [
      (
        "encoder_logistic",
        r"set 'first': baselines, \[baseline_flags\]: .*encoder_logistic needs --model_d",
      ),
      (
        "vectors_mlp",
        r"set 'first': baselines, \[baseline_flags\]: .*vectors_mlp needs --vectors_file",
      ),
    ],
  )
  def test_baselines_without_their_input(self, change, run, tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
      run(change("tfidf_logistic", name))
    assert not (tmp_path / "out").exists()

  def test_two_dev_sets(self, change, run):
    arguments = change(
      'data_dir = "second"',
      'data_dir = "second"\ndev_file = "dev.csv"',
      flags="validation_fraction = 0.25",
    )
    message = "set 'second': its dev_file and the flag validation_fraction exclude each"
    with pytest.raises(ValueError, match=message):
      run(arguments)

  def test_baselines_that_nothing_is_left_to_score_on(self, write, run, tmp_path):
    (tmp_path / "second" / "dev.csv").unlink()
    arguments = write("test = false", "validation_fraction = 0.25")
    message = (
      r"set 'second': baselines, \[baseline_flags\]: --data_dir=.*/second has no dev set "
      "with labels"
    )
    with pytest.raises(ValueError, match=message):
      run(arguments)

  def test_rows_that_a_mode_drops_and_another_does_not(self, change, run, tmp_path):
    arguments = change(
      'name = "all"',
      'name = "all"\nflags = {max_seq_length = 8}',
      flags="drop_longer = true",
    )
    message = (
      r"set 'first': rows differ between 'tiny, head' and 'tiny, all' \(train: 48 and "
      r"\d\d\), .*: drop_longer counts the pieces of each one's tokenizer"
    )
    with pytest.raises(ValueError, match=message) as error:
      run(arguments)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()

  def test_rows_that_baselines_count_with_another_tokenizer(self, write, run, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(tmp_path / "first" / "bert_config.json", other)
    # Words of two and three pieces.
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "w"]
    pieces += [f"##{digit}" for digit in range(10)]
    (other / "vocab.txt").write_text("\n".join(pieces) + "\n")
    flags = "drop_longer = true"
    with pytest.raises(
      ValueError,
      match=r"'first': baselines, \[baseline_flags\]: rows differ between 'ti",
    ):
      run(write(flags=flags, baseline_flags='model_dir = "other"'))

  def test_each_set_is_read_once(self, write, run, monkeypatch, tmp_path):
    paths, read_table = [], table_files.read_table

    def read(path):
      paths.append(os.path.relpath(path, tmp_path))
      return read_table(path)

    monkeypatch.setattr(table_files, "read_table", read)
    run([*write(), "--print_commands"])
    assert sorted(paths) == [
      f"{one}/{split}.csv"
      for one in ("first", "second")
      for split in ("dev", "test", "train")
    ]

  @pytest.mark.parametrize(
    ("arguments", "message"),
    [
      (["--output_dir=out"], "--study_file is required"),
      (["--study_file=a"], "--output_dir is required"),
      (["--study_file=a", "--output_dir=gs://b"], "expected a local directory"),
      (
        ["--study_file=a", "--output_dir=b", "--submit=q", "--print_commands"],
        "--submit and --print_commands exclude each other",
      ),
    ],
  )
  def test_what_does_not_go(self, run, arguments, message):
    with pytest.raises(ValueError, match=message):
      run(arguments)


def test_commands_are_printed_and_the_rows_counted(write, run, tmp_path, capsys):
  run([*write(), "--print_commands"])
  lines = capsys.readouterr().out.splitlines()
  assert len(lines) == 2 + 2 * 2 * 2
  program = _ROOT / "bert_ja" / "__main__.py"
  assert all(f"{program} baselines --" in line for line in lines[:2])
  assert "--baselines=majority,tfidf_logistic --tokenizer=google" in lines[0]
  report = (tmp_path / "out" / "report.md").read_text()
  assert "| first  | even  |" in report
  assert "train: 0 of 10 runs are finished." in report


def test_baselines_start_from_anywhere_without_an_installation(tmp_path):
  packages = os.path.dirname(os.path.dirname(absl.__file__))
  # With -S, an installation that only points to the checkout is not seen.
  command = [sys.executable, "-S", compare.program_path(), "--help"]
  environment = {**os.environ, "PYTHONPATH": packages}
  done = subprocess.run(
    command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
  assert "baselines" in done.stdout


def _start(arguments):
  return subprocess.Popen(
    [sys.executable, "-m", "bert_ja", "study", *arguments],
    cwd=_ROOT,
    env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    start_new_session=True,
  )


def _rows_of(directory):
  with open(directory / "report.csv", encoding="utf-8") as reader:
    return list(csv.DictReader(reader))


@pytest.mark.slow
def test_two_sets_and_two_modes_killed_and_continued(change, tmp_path):
  arguments, out = change("seeds = [1, 2]", "seeds = [1]"), tmp_path / "out"

  def trained():
    """{result file of a training: when it was written}."""
    paths = out.glob("runs/*/*/*/*/metrics.json")
    return {path: path.stat().st_mtime_ns for path in paths}

  process = _start(arguments)
  compare_test.wait_for(lambda: len(trained()) >= 2 or process.poll() is not None, 900)
  assert process.poll() is None, process.communicate()[0]
  os.killpg(process.pid, signal.SIGKILL)
  process.communicate()
  before = trained()
  process = _start(arguments)
  log, _ = process.communicate(timeout=1800)
  assert process.returncode == 0, log
  after = trained()
  # The run that was under way may have written its scores just before the kill.
  assert sum(after[path] != when for path, when in before.items()) <= 1
  rows = _rows_of(out)
  found = [(row["set"], row["model"], row["mode"], row["seed"]) for row in rows]
  assert found == [
    *((one, "tiny", mode, "1") for one in ("first", "second") for mode in _MODES),
    *(
      (one, name, "baseline", "")
      for one in ("first", "second")
      for name in ("majority", "tfidf_logistic")
    ),
  ]
  for row in rows:
    for metric in ("accuracy", "recall", "f1", "f1_macro"):
      assert 0 <= float(row[f"dev {metric}"]) <= 1
      assert 0 <= float(row[f"test {metric}"]) <= 1
  stored = {path.parts[-5:-1]: json.loads(path.read_text()) for path in after}
  assert {parts[::2]: scores["eval_accuracy"] for parts, scores in stored.items()} == {
    (row["set"], row["mode"]): pytest.approx(float(row["dev accuracy"]), abs=1e-6)
    for row in rows
    if row["seed"]
  }
  assert {row["one class"] for row in rows if row["model"] == "majority"} == {"yes"}
  report = (out / "report.md").read_text(encoding="utf-8")
  for part in ("## F1 of the positive class", "†", "![Learning curves]"):
    assert part in report
  for name in ("learning_curves.png", "scores.png"):
    assert (out / name).stat().st_size > 1000

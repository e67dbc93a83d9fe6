"""Studies of fake runs, whose scores the tests choose: runs, tests and the report."""

import csv
import os
import shlex
import subprocess
import sys

import pytest

from bert_ja import label_reports, learning_curve, run_queue, run_state
from bert_ja.studies import study, study_file
from bert_ja.studies.study_data import Counts
from tests import fake_script

_FILE = """
seeds = {seeds}
{top}
[[sets]]
name = "room"
data_dir = "."
[[sets]]
name = "food"
data_dir = "."
[[models]]
name = "small"
model_dir = "."
{modes}
"""
_MODES = """
[[modes]]
name = "head"
flags = {x = 3}
[[modes]]
name = "all"
"""
_COUNTS = {
  name: Counts(("0", "1"), {"train": (4, 4), "dev": (2, 2), "test": (2, 2)})
  for name in ("room", "food")
}
NAMES = [
  f"{one}/small/{mode}/seed={seed}"
  for one in ("room", "food")
  for mode in ("head", "all")
  for seed in (1, 2)
]
SCORES = {name: {"eval_accuracy": 0.5} for name in NAMES} | {
  f"{name}/test": {"accuracy": number / 8} for number, name in enumerate(NAMES, 1)
}


class Work:
  """A study of one model in two modes on two sets, with two seeds."""

  def __init__(self, directory):
    self.directory = directory / "out"
    (directory / "script").mkdir()
    self.script = fake_script.FakeScript(directory / "script")
    self.script.score(SCORES)
    self._path = directory / "genres.toml"

  def make(self, top="", baseline_runs=(), seeds=(1, 2), modes=_MODES):
    text = _FILE.format(top=top, seeds=list(seeds), modes=modes)
    self._path.write_text(text)
    return study.Study(
      study_file.read(str(self._path)),
      _COUNTS,
      ("accuracy",),
      str(self.directory),
      (sys.executable, "-S", self.script.path),
      baseline_runs,
    )

  def run(self, *arguments, **values):
    assert self.make(*arguments, **values).run(run_queue.Options())

  def rows(self):
    with open(self.directory / "report.csv", encoding="utf-8", newline="") as reader:
      return list(csv.DictReader(reader))

  def table(self):
    """Cells of the table of accuracies."""
    text = (self.directory / "report.md").read_text(encoding="utf-8")
    lines = text.partition("## Accuracy\n\n")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture
def work(tmp_path):
  return Work(tmp_path)


class TestRun:
  def test_all_are_trained_and_then_tested(self, work):
    work.run()
    assert work.script.starts() == [*NAMES, *(f"{name}/test" for name in NAMES)]

  def test_the_report_shows_tests_over_seeds_and_sets(self, work):
    work.run()
    assert work.table() == [
      ["small", "head", "0.188 ± 0.088", "0.688 ± 0.088", "0.438 ± 0.088"],
      [
        *("small", "all", "**0.438 ± 0.088**", "**0.938 ± 0.088**"),
        "**0.688 ± 0.088**",
      ],
    ]
    assert [row["test accuracy"] for row in work.rows()] == [
      str(number / 8) for number in range(1, 9)
    ]
    assert {row["shown"] for row in work.rows()} == {"yes"}

  def test_the_chart_is_a_picture_of_the_report(self, work):
    work.run()
    data = (work.directory / "scores.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert "![Scores](scores.png)" in (work.directory / "report.md").read_text()

  def test_a_printed_test_has_ended_when_its_scores_are_there(self, work):
    for command in work.make().commands():
      subprocess.run(shlex.split(command), check=True)
    tests = work.make().commands()
    assert len(tests) == 8
    directory = work.directory / "runs" / NAMES[0] / "test"
    (directory / "predictions.tsv").touch()
    assert work.make().commands() == tests
    subprocess.run(shlex.split(tests[0]), check=True)
    assert work.make().commands() == tests[1:]

  def test_what_is_left_is_counted_as_the_progress_does(self, work):
    work.script.score(SCORES | {f"{NAMES[3]}/test": "no memory"})
    with pytest.raises(ValueError, match="1 of 16 runs failed"):
      work.run()
    text = (work.directory / "report.md").read_text()
    assert "test: 7 of 8 runs are finished." in text
    assert "train:" not in text

  def test_a_second_start_runs_nothing(self, work):
    work.run()
    work.run()
    assert len(work.script.starts()) == 16

  def test_a_further_seed_adds_its_runs(self, work):
    work.run()
    third = {
      name.replace("seed=1", "seed=3"): scores
      for name, scores in SCORES.items()
      if "seed=1" in name
    }
    work.script.score(SCORES | third)
    work.run(seeds=[1, 2, 3])
    assert sorted(work.script.starts()[16:]) == sorted(third)

  def test_of_a_grid_the_best_on_dev_is_tested_and_shown(self, work):
    best = {
      "room/small/head/x=2,seed=1": {"eval_accuracy": 0.9},
      "room/small/head/x=2,seed=2": {"eval_accuracy": 0.8},
      "room/small/head/x=2,seed=1/test": {"accuracy": 0.25},
      "room/small/head/x=2,seed=2/test": {"accuracy": 0.75},
    }
    plain = {
      f"{one}/small/head/x={x},seed={seed}{test}": {name: 0.5}
      for one in ("room", "food")
      for x in (1, 2)
      for seed in (1, 2)
      for test, name in (("", "eval_accuracy"), ("/test", "accuracy"))
    }
    work.script.score(plain | best)
    work.run("grid = {x = [1, 2]}", modes=_MODES.partition("flags")[0])
    assert work.table()[0][2] == "**0.500 ± 0.354**"
    shown = [row for row in work.rows() if row["set"] == "room"]
    assert [(row["x"], row["seed"], row["shown"]) for row in shown] == [
      *(("1", "1", ""), ("1", "2", "")),
      *(("2", "1", "yes"), ("2", "2", "yes")),
    ]

  def test_without_a_test_dev_is_shown(self, work):
    work.run("test = false")
    assert len(work.script.starts()) == 8
    assert work.table()[0] == ["small", "head", *["**0.500 ± 0.000**"] * 3]

  def test_a_failed_run_leaves_its_cells_empty_and_is_named(self, work):
    work.script.score(SCORES | {"food/small/head/seed=2": "no memory"})
    message = r"runs failed: food/small/head/seed=2: status 1 \(no memory\)"
    with pytest.raises(ValueError, match=message):
      work.run()
    assert work.table()[0] == ["small", "head", "0.188 ± 0.088", "", ""]
    text = (work.directory / "report.md").read_text()
    assert "7 of 8 runs are finished." in text
    assert "food/small/head/seed=2 failed: status 1 (no memory)" in text
    assert [row["state"] for row in work.rows()][5] == "failed"

  def test_curves_of_all_runs_are_on_one_page(self, work):
    work.run()
    history = [{"step": 1, "epoch": 1.0, "split": "train", "loss": 2.0}]
    for name in NAMES[:3]:
      learning_curve.write(str(work.directory / "runs" / name), history)
    work.run()
    data = (work.directory / "learning_curves.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")


class TestBaselines:
  def run_of(self, work, one):
    """A program that writes a baseline's scores."""
    directory = str(work.directory / "baselines" / one)
    code = (
      "import json, os, sys\n"
      "for name in ('majority', 'majority/test'):\n"
      "  os.makedirs(f'{sys.argv[1]}/{name}')\n"
      "  prefix = '' if name.endswith('test') else 'eval_'\n"
      "  with open(f'{sys.argv[1]}/{name}/metrics.json', 'w') as writer:\n"
      "    json.dump({prefix + 'accuracy': 0.625}, writer)\n"
      "open(f'{sys.argv[1]}/summary.csv', 'w').close()\n"
    )
    return run_state.Run(
      f"baselines/{one}",
      (sys.executable, "-S", "-c", code),
      (directory,),
      directory,
      f"{directory}/summary.csv",
    )

  def test_they_are_rows_of_the_tables(self, work, info_lines):
    runs = [self.run_of(work, one) for one in ("room", "food")]
    work.run('baselines = ["majority"]', runs)
    assert work.table()[2] == ["majority", "baseline", "**0.625**", "0.625", "0.625"]
    last = work.rows()[-1]
    assert (last["mode"], last["seed"], last["dev accuracy"]) == (
      *("baseline", ""),
      "0.625",
    )
    lines = [line for line in info_lines() if line.startswith("train: run 1/")]
    assert lines[0].startswith("train: run 1/10 (10%), run baselines/room, accuracy in")

  def test_before_they_are_run_their_cells_are_empty(self, work):
    runs = [self.run_of(work, one) for one in ("room", "food")]
    work.make('baselines = ["majority"]', runs).write_tables()
    assert work.table()[2] == ["majority", "baseline", "", "", ""]
    assert work.rows()[-1]["state"] == "open"


class TestOneClass:
  def write(self, directory, predicted, names=("a b", "1 2")):
    os.makedirs(directory, exist_ok=True)
    label_reports.write_classification_report(directory, [0, 1, 1], predicted, names)
    return os.path.join(directory, "confusion_matrix.txt")

  @pytest.mark.parametrize(
    ("predicted", "expected"),
    [([0, 0, 0], True), ([1, 1, 1], True), ([0, 0, 1], False), ([0, 1, 1], False)],
  )
  def test_it_is_read_from_the_confusion_matrix(self, tmp_path, predicted, expected):
    path = self.write(str(tmp_path), predicted)
    assert study.predicts_one_class(path) == expected

  def test_of_many_classes_too(self, tmp_path):
    names = [f"a class of a long name {number}" for number in range(12)]
    path = self.write(str(tmp_path), [3, 3, 3], names)
    assert study.predicts_one_class(path)

  def test_without_a_matrix_nothing_is_said(self, tmp_path):
    assert not study.predicts_one_class(str(tmp_path / "no.txt"))

  def test_such_runs_are_marked(self, work):
    work.run()
    tested = work.directory / "runs" / NAMES[4] / "test" / "test"
    self.write(str(tested), [1, 1, 1])
    work.make().write_tables()
    assert work.table()[0][3] == "0.688 ± 0.088†"
    text = (work.directory / "report.md").read_text(encoding="utf-8")
    assert "of one class: small, head on food, seed 1." in text
    assert [row["one class"] for row in work.rows()].count("yes") == 1

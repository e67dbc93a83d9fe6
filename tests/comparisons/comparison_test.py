"""Comparisons of fake runs, whose scores the tests choose: choice, tests and tables."""

import csv
import dataclasses
import os
import sys

import pytest

from bert_ja import run_queue
from bert_ja.comparisons import comparison, comparison_plan
from bert_ja.comparisons.comparison_plan import Model, Plan
from bert_ja.tasks import rcqa
from tests import fake_script
from tests.tasks import rcqa_rows

_DATA = {"train": "/train.json", "dev": "/dev.json", "test": "/test.json"}


@pytest.fixture
def script(tmp_path):
  folder = tmp_path / "script"
  folder.mkdir()
  return fake_script.FakeScript(folder)


class Work:
  """A comparison of models `one` and `two`, with values 1 and 2 of the flag --x."""

  def __init__(self, script, directory):
    self.script, self.directory = script, directory

  def plan(self, **values):
    models = tuple(
      Model(name, name, {"model_dir": f"/{name}"}, _DATA, "text")
      for name in ("one", "two")
    )
    defaults = {
      "path": "comparison.toml",
      "script": comparison_plan.SCRIPTS["run_squad.py"],
      "metric": "exact_match",
      "columns": (("exact_match", "f1"), ("character_f1",)),
      "seeds": (None,),
      "flags": {},
      "grid": {"x": (1, 2)},
      "models": models,
      "test": True,
      "rcqa_file": None,
    }
    return Plan(**(defaults | values))

  def make(self, **values):
    program = (sys.executable, "-S", self.script.path)
    return comparison.Comparison(self.plan(**values), str(self.directory), program)

  def run(self, scores, **values):
    """Runs to the end; returns the rows of `summary.csv` below the header."""
    self.script.score(scores)
    assert self.make(**values).run(run_queue.Options())
    return self.summary()

  def summary(self):
    return self.rows("summary.csv")[1:]

  def rows(self, name):
    with open(self.directory / name, encoding="utf-8", newline="") as reader:
      return list(csv.reader(reader))

  def text(self, name):
    return (self.directory / name).read_text(encoding="utf-8")


@pytest.fixture
def work(script, tmp_path):
  return Work(script, tmp_path / "out")


def scores(exact_match, f1=0.0, character_f1=0.0):
  return {
    "eval_exact_match": exact_match,
    "eval_f1": f1,
    "eval_character_f1": character_f1,
    "global_step": 5,
  }


SCORES = {
  "one/x=1": scores(50.126, 61, 72),
  "one/x=2": scores(40, 90, 99),
  "one/x=1/test": scores(48, 59.5, 70),
  "two/x=1": scores(20, 30, 40),
  "two/x=2": scores(49, 61, 73),
  "two/x=2/test": scores(51, 60, 70),
}


class TestRun:
  def test_the_summary_shows_the_best_of_each_model_and_its_test(self, work):
    work.run(SCORES)
    assert work.text("summary.md").splitlines() == [
      "| Model | Dev EM    | Dev F1    | Test EM   | Test F1   | Dev character F1 "
      "| Test character F1 | run |",
      "| ----- | --------- | --------- | --------- | --------- | ---------------- "
      "| ----------------- | --- |",
      "| one   | **50.13** | **61.00** | 48.00     | 59.50     | 72.00            "
      "| **70.00**         | x=1 |",
      "| two   | 49.00     | **61.00** | **51.00** | **60.00** | **73.00**        "
      "| **70.00**         | x=2 |",
      "",
      "Each model's best run by EM on dev. EM and F1 are the official ones, F1 over "
      "tokens between white space; character F1 is over characters.",
    ]

  def test_csv_has_the_whole_numbers_and_says_where_a_row_is_best(self, work):
    work.run(SCORES)
    assert work.rows("summary.csv") == [
      [
        "Model",
        "Dev EM",
        "Dev F1",
        "Test EM",
        "Test F1",
        "Dev character F1",
        "Test character F1",
        "run",
        "best of",
      ],
      [
        "one",
        "50.126",
        "61.0",
        "48.0",
        "59.5",
        "72.0",
        "70.0",
        "x=1",
        "Dev EM; Dev F1; Test character F1",
      ],
      [
        "two",
        "49.0",
        "61.0",
        "51.0",
        "60.0",
        "73.0",
        "70.0",
        "x=2",
        "Dev F1; Test EM; Test F1; Dev character F1; Test character F1",
      ],
    ]

  def test_all_runs_are_in_a_table_of_their_own(self, work):
    work.run(SCORES)
    header, *rows = work.rows("all_runs.csv")
    assert header == [
      *("model", "x", "seed", "state", "exact_match", "f1", "character_f1"),
      "global_step",
    ]
    assert [row[:5] for row in rows] == [
      ["one", "1", "", "finished", "50.126"],
      ["one", "2", "", "finished", "40.0"],
      ["two", "1", "", "finished", "20.0"],
      ["two", "2", "", "finished", "49.0"],
    ]

  def test_the_chart_is_a_picture(self, work):
    work.run(SCORES)
    data = (work.directory / "summary.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")

  def test_only_the_best_is_tested(self, work, script):
    work.run(SCORES)
    assert script.starts() == [
      "one/x=1",
      "one/x=2",
      "two/x=1",
      "two/x=2",
      "one/x=1/test",
      "two/x=2/test",
    ]

  def test_a_second_start_runs_nothing(self, work, script, info_lines):
    work.run(SCORES)
    before = script.starts()
    work.run(SCORES)
    assert script.starts() == before
    assert "train: 4 of 4 runs were finished before" in info_lines()

  def test_a_larger_grid_adds_its_runs(self, work, script):
    work.run(SCORES)
    more = {"one/x=3": scores(60), "two/x=3": scores(1)}
    rows = work.run(SCORES | more | {"one/x=3/test": scores(1)}, grid={"x": (1, 2, 3)})
    assert script.starts()[6:] == ["one/x=3", "two/x=3", "one/x=3/test"]
    assert [row[-2] for row in rows] == ["x=3", "x=2"]

  def test_each_run_that_ends_is_told_with_its_score(self, work, info_lines):
    work.run(SCORES)
    lines = [line for line in info_lines() if line.startswith("train: run ")]
    assert lines[0].startswith("train: run 1/4 (25%), run one/x=1, exact match 50.13")
    assert lines[3].startswith("train: run 4/4 (100%), run two/x=2, exact match 49,")

  def test_without_a_test_there_are_no_test_columns(self, work, script):
    work.run(SCORES, test=False)
    assert work.rows("summary.csv")[0] == [
      *("Model", "Dev EM", "Dev F1", "Dev character F1", "run", "best of")
    ]
    assert len(script.starts()) == 4

  def test_a_bar_in_a_name_does_not_end_a_cell(self, work):
    models = (Model("a|b", "ab", {}, _DATA, "text"),)
    work.run({"ab/x=1": scores(1), "ab/x=2": scores(2)}, models=models, test=False)
    assert "| a\\|b " in work.text("summary.md")


class TestChoice:
  def chosen(self, work, one, two, name="eval_exact_match", **values):
    """The value of x that wins."""
    both = {"one/x=1": {name: one}, "one/x=2": {name: two}}
    models = (Model("one", "one", {}, _DATA, "text"),)
    ((*_, run, _),) = work.run(both, models=models, test=False, **values)
    return run

  def test_the_larger_wins(self, work):
    assert self.chosen(work, 1.0, 2.0) == "x=2"

  def test_of_equal_ones_the_first_wins(self, work):
    assert self.chosen(work, 2.0, 2.0) == "x=1"

  def test_what_is_no_number_does_not_win(self, work):
    assert self.chosen(work, float("nan"), -2.0) == "x=2"

  @pytest.mark.parametrize("metric", ["loss", "mean_absolute_error"])
  def test_the_smaller_loss_or_error_wins(self, work, metric):
    values = {"metric": metric, "columns": ((metric,),)}
    assert self.chosen(work, 0.5, 0.7, f"eval_{metric}", **values) == "x=1"
    (row,) = work.summary()
    assert row[-1] == f"Dev {metric}".replace("_", " ")

  def test_the_smaller_loss_is_the_best_of_its_column(self, work):
    values = {"metric": "loss", "columns": (("loss",),), "grid": {}, "test": False}
    rows = work.run({"one/run": {"loss": 2}, "two/run": {"loss": 1}}, **values)
    assert [row[-1] for row in rows] == ["", "Dev loss"]

  def test_a_metric_that_is_not_there_ends_the_runs(self, work, script):
    script.score({"one/x=1": scores(1)})
    message = "metric: .*/one/x=1/metrics.json has no exactmatch; choose one of char"
    with pytest.raises(ValueError, match=message):
      work.make(metric="exactmatch").run(run_queue.Options())
    assert script.starts() == ["one/x=1"]
    work.run(SCORES)  # the trained ones serve under the right name
    assert script.starts().count("one/x=1") == 1


class TestSeeds:
  SCORES = {
    "one/x=1,seed=3": scores(10, 30),
    "one/x=1,seed=4": scores(50, 40),
    "one/x=2,seed=3": scores(29),
    "one/x=2,seed=4": scores(29),
    "one/x=1,seed=3/test": scores(1, 5),
    "one/x=1,seed=4/test": scores(2, 7),
  }
  MODELS = (Model("one", "one", {}, _DATA, "text"),)

  def test_means_choose_and_are_shown(self, work, script):
    (row,) = work.run(self.SCORES, seeds=(3, 4), models=self.MODELS)
    assert row[:6] == ["one", "30.0", "35.0", "1.5", "6.0", "0.0"]
    assert row[-2] == "x=1"
    assert script.starts()[4:] == ["one/x=1,seed=3/test", "one/x=1,seed=4/test"]
    assert "best run by EM on dev; means over the seeds 3, 4." in work.text(
      "summary.md"
    )

  def test_a_combination_without_all_its_seeds_is_not_chosen(self, work):
    failing = self.SCORES | {"one/x=1,seed=4": "no memory"}
    with pytest.raises(ValueError, match="one/x=1,seed=4: status 1"):
      work.run(failing, seeds=(3, 4), models=self.MODELS)
    (row,) = work.summary()
    assert (row[1], row[-2]) == ("29.0", "x=2")

  def test_all_runs_name_their_seeds(self, work):
    work.run(self.SCORES, seeds=(3, 4), models=self.MODELS)
    assert [row[1:3] for row in work.rows("all_runs.csv")[1:]] == [
      ["1", "3"],
      ["1", "4"],
      ["2", "3"],
      ["2", "4"],
    ]


class TestFailures:
  def test_the_others_are_finished_and_the_failed_are_named(self, work, script):
    message = (
      r"^1 of 5 runs failed: two/x=1: status 1 \(no memory\). Each has a log.txt in its "
      "directory; the same command starts them again$"
    )
    with pytest.raises(ValueError, match=message):
      work.run(SCORES | {"two/x=1": "no memory"})
    # Its best may still change, so the second model is not tested.
    assert script.starts()[4:] == ["one/x=1/test"]
    assert [row[:5] for row in work.summary()] == [
      ["one", "50.126", "61.0", "48.0", "59.5"],
      ["two", "49.0", "61.0", "", ""],
    ]
    notes = work.text("summary.md").splitlines()
    assert "two: 1 of 2 runs are finished." in notes
    assert "two/x=1 failed: status 1 (no memory)" in notes
    states = [row[3] for row in work.rows("all_runs.csv")[1:]]
    assert states == ["finished", "finished", "failed", "finished"]

  def test_a_second_start_runs_the_rest(self, work, script):
    with pytest.raises(ValueError, match="1 of 5 runs failed"):
      work.run(SCORES | {"two/x=1": "no memory"})
    work.run(SCORES)
    assert script.starts()[5:] == ["two/x=1", "two/x=2/test"]
    assert "finished." not in work.text("summary.md")

  def test_a_failed_test_leaves_its_cells_empty(self, work):
    with pytest.raises(ValueError, match="1 of 6 runs failed: one/x=1/test: status 1"):
      work.run(SCORES | {"one/x=1/test": "no test set"})
    assert [row[3] for row in work.summary()] == ["", "51.0"]


class TestCommands:
  def test_trainings_first_then_the_tests(self, work, script):
    script.score(SCORES)
    commands = work.make().commands()
    assert len(commands) == 4
    assert commands[0].startswith(f"{sys.executable} -S {script.path} --do_train=true")
    assert script.starts() == []
    for command in commands[:2]:
      assert os.system(command) == 0
    commands = work.make().commands()
    assert [command.rpartition("/runs/")[2] for command in commands] == [
      "two/x=1",
      "two/x=2",
      "one/x=1/test",
    ]


class TestClassifier:
  def test_a_test_set_without_labels_has_no_scores(self, work):
    script = dataclasses.replace(
      comparison_plan.SCRIPTS["run_classifier.py"], train_data={}, test_data={}
    )
    one, two = work.plan().models
    values = {
      "script": script,
      "metric": "accuracy",
      "columns": script.columns,
      "grid": {},
      "models": (one, dataclasses.replace(two, test_is_scored=False)),
    }
    rows = work.run(
      {
        "one/run": {"eval_accuracy": 0.5, "eval_f1_macro": 0.25},
        "two/run": {"eval_accuracy": 0.75},
        "one/run/test": {"accuracy": 0.625, "f1_macro": 0.125},
        "two/run/test": None,
      },
      **values,
    )
    assert rows == [
      ["one", "0.5", "0.25", "0.625", "0.125", "run", "Dev macro F1; Test accuracy; "
       "Test macro F1"],
      ["two", "0.75", "", "", "", "run", "Dev accuracy"],
    ]  # fmt: skip
    assert "| **0.7500**" in work.text("summary.md")


class TestConvertData:
  def plan(self, work, path, suffixes=("text",)):
    models = tuple(
      Model(f"m{n}", f"m{n}", {"model_dir": "/m"}, {}, suffix)
      for n, suffix in enumerate(suffixes)
    )
    return work.plan(models=models, rcqa_file=str(path))

  @pytest.fixture
  def rcqa_file(self, tmp_path):
    return rcqa_rows.write(tmp_path / "rcqa.json.gz")

  def test_a_plan_with_files_stays(self, work):
    plan = work.plan()
    assert comparison.convert_data(plan, "/nowhere") is plan

  def test_each_model_gets_the_files_of_its_suffix(self, work, rcqa_file):
    plan = self.plan(work, rcqa_file)
    converted = comparison.convert_data(plan, str(work.directory))
    (model,) = converted.models
    folder = str(work.directory / "data")
    assert model.data == rcqa.output_files(folder, "text")
    assert all(map(os.path.exists, model.data.values()))
    assert converted.rcqa_file is None

  def test_files_that_are_there_serve_again(self, work, rcqa_file):
    plan = self.plan(work, rcqa_file)
    (model,) = comparison.convert_data(plan, str(work.directory)).models
    os.truncate(model.data["dev"], 0)
    comparison.convert_data(plan, str(work.directory))
    assert os.path.getsize(model.data["dev"]) == 0

  def test_other_data_want_another_directory(self, work, rcqa_file, tmp_path):
    comparison.convert_data(self.plan(work, rcqa_file), str(work.directory))
    other = self.plan(work, rcqa_rows.write(tmp_path / "other.json.gz"))
    with pytest.raises(
      ValueError, match="rcqa.json.gz, .* choose another --output_dir"
    ):
      comparison.convert_data(other, str(work.directory))

  def test_an_unknown_suffix_is_told(self, work, rcqa_file):
    with pytest.raises(ValueError, match="'txt' is not one of text, jumandic"):
      comparison.convert_data(self.plan(work, rcqa_file, ("txt",)), str(work.directory))

  def test_two_sentence_piece_models_of_one_suffix_are_told(
    self, work, rcqa_file, tmp_path
  ):
    plan = self.plan(work, rcqa_file, ("bert-wiki-ja", "bert-wiki-ja"))
    for model, content in zip(plan.models, ("a", "b"), strict=True):
      path = tmp_path / f"{model.name}.model"
      path.write_text(content)
      model.flags["model_file"] = str(path)
    with pytest.raises(
      ValueError, match="'m1': suffix 'bert-wiki-ja' has two Sentence"
    ):
      comparison.convert_data(plan, str(work.directory))

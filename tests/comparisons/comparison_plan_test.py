"""The runs of a plan: which, in which order, where, and with which arguments."""

import dataclasses

import pytest
from absl import flags

from bert_ja.comparisons import comparison_plan
from bert_ja.comparisons.comparison_plan import Model, Plan


def plan(script="run_squad.py", **values):
  models = (
    Model(
      "One",
      "one",
      {"model_dir": "/m/one", "tokenizer": "tohoku"},
      {"train": "/d/train.json", "dev": "/d/dev.json", "test": "/d/test.json"},
      "text",
    ),
  )
  defaults = {
    "path": "comparison.toml",
    "script": comparison_plan.SCRIPTS[script],
    "metric": "exact_match",
    "columns": (("exact_match",),),
    "seeds": (None,),
    "flags": {"max_seq_length": 64, "use_best": False},
    "grid": {"learning_rate": (5e-5, 1.0), "x": ("a b", True)},
    "models": models,
    "test": True,
    "rcqa_file": None,
  }
  return Plan(**(defaults | values))


def trials(**values):
  return plan(**values).trials("/out", ("python", "script.py"))


class TestTrials:
  def test_the_last_flag_of_the_grid_changes_fastest(self):
    assert [trial.run.name for trial in trials()] == [
      "one/learning_rate=5e-05,x=a_b",
      "one/learning_rate=5e-05,x=true",
      "one/learning_rate=1.0,x=a_b",
      "one/learning_rate=1.0,x=true",
    ]

  def test_arguments(self):
    trial = trials()[1]
    directory = "/out/runs/one/learning_rate=5e-05,x=true"
    assert trial.run.program == ("python", "script.py")
    assert sorted(trial.run.arguments) == sorted(
      [
        "--do_train=true",
        "--do_eval=true",
        "--cache_dir=/out/cache",
        "--max_seq_length=64",
        "--use_best=false",
        "--model_dir=/m/one",
        "--tokenizer=tohoku",
        "--learning_rate=5e-05",
        "--x=true",
        "--train_file=/d/train.json",
        "--predict_file=/d/dev.json",
        f"--output_dir={directory}",
      ]
    )
    assert trial.run.directory == directory
    assert trial.run.result_file == f"{directory}/metrics.json"

  def test_seeds_are_runs_of_their_own(self):
    both = trials(grid={"x": (1,)}, seeds=(7, 8))
    assert [trial.run.name for trial in both] == ["one/x=1,seed=7", "one/x=1,seed=8"]
    assert [trial.seed for trial in both] == [7, 8]
    assert "--seed=8" in both[1].run.arguments
    assert both[0].settings == both[1].settings

  def test_without_a_grid_there_is_one_run(self):
    assert [trial.run.name for trial in trials(grid={})] == ["one/run"]

  def test_a_list_is_joined_with_commas(self):
    (trial,) = trials(grid={"x": (("a", "b"),)})
    assert "--x=a,b" in trial.run.arguments
    assert trial.run.name == "one/x=a_b"

  @pytest.mark.parametrize(
    "values", [("a,b", "c"), ('say "x"', "y"), ("a,b",), ("",), ("a", "b c")]
  )
  def test_a_list_is_read_as_it_was_written(self, values):
    (trial,) = trials(grid={"x": (values,)})
    flag_values = flags.FlagValues()
    flags.DEFINE_list("x", None, "", flag_values)
    flag_values(["script", *(a for a in trial.run.arguments if a.startswith("--x="))])
    assert tuple(flag_values.x) == values

  def test_a_cache_of_ones_own_serves(self):
    (trial,) = trials(grid={}, flags={"cache_dir": "/cache"})
    assert [a for a in trial.run.arguments if "cache" in a] == ["--cache_dir=/cache"]

  def test_a_models_flag_comes_before_the_common_one(self):
    model = dataclasses.replace(plan().models[0], flags={"max_seq_length": 32})
    (trial,) = trials(grid={}, models=(model,))
    assert [a for a in trial.run.arguments if "max_seq" in a] == ["--max_seq_length=32"]


class TestTestRun:
  def test_it_reads_what_the_trial_has_trained(self):
    run = plan().test_run(trials()[3])
    trained = "/out/runs/one/learning_rate=1.0,x=true"
    assert sorted(run.arguments) == sorted(
      [
        "--do_eval=true",
        "--cache_dir=/out/cache",
        "--max_seq_length=64",
        "--tokenizer=tohoku",
        "--learning_rate=1.0",
        "--x=true",
        "--predict_file=/d/test.json",
        f"--model_dir={trained}",
        f"--output_dir={trained}/test",
      ]
    )
    assert run.name == "one/learning_rate=1.0,x=true/test"
    assert run.result_file == f"{trained}/test/metrics.json"

  @pytest.mark.parametrize("flag", ["init_checkpoint", "random_init"])
  def test_it_does_not_start_from_the_weights_before_the_training(self, flag):
    values = {"flags": {flag: "/m/bert_model.ckpt"}, "grid": {}}
    (trial,) = trials(**values)
    assert any(flag in argument for argument in trial.run.arguments)
    run = plan(**values).test_run(trial)
    assert not [argument for argument in run.arguments if flag in argument]

  def test_the_best_checkpoint_is_tested_if_it_was_evaluated(self):
    values = {"flags": {"use_best": True, "eval_steps": 5}, "grid": {}}
    (trial,) = trials(**values)
    run = plan(**values).test_run(trial)
    assert "--model_dir=/out/runs/one/run/best" in run.arguments
    assert not [argument for argument in run.arguments if "use_best" in argument]

  def test_a_classifier_predicts_the_test_set_of_its_directory(self):
    model = Model("One", "one", {"model_dir": "/m/one"}, {"data_dir": "/d"}, "text")
    values = {
      "script": "run_classifier.py",
      "models": (model,),
      "grid": {},
      "flags": {},
    }
    (trial,) = trials(**values)
    assert set(trial.run.arguments) == {
      "--do_train=true",
      "--do_eval=true",
      "--model_dir=/m/one",
      "--data_dir=/d",
      "--cache_dir=/out/cache",
      "--output_dir=/out/runs/one/run",
    }
    run = plan(**values).test_run(trial)
    assert set(run.arguments) == {
      "--do_predict=true",
      "--model_dir=/out/runs/one/run",
      "--data_dir=/d",
      "--cache_dir=/out/cache",
      "--output_dir=/out/runs/one/run/test",
    }
    # Predictions are written before their scores.
    assert run.result_file == "/out/runs/one/run/test/test/metrics.json"

  def test_without_answers_predictions_are_the_result(self):
    data = {"data_dir": "/d"}
    model = Model("One", "one", {"model_dir": "/m/one"}, data, "text", False)
    values = {"script": "run_classifier.py", "models": (model,), "grid": {}}
    run = plan(**values).test_run(trials(**values)[0])
    assert run.result_file == "/out/runs/one/run/test/predictions.tsv"

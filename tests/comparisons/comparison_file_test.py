"""Comparison files: what they leave out, where their paths lie, what is wrong in them."""

import os

import pytest

from bert_ja.comparisons import comparison_file

_SQUAD = """
script = "run_squad.py"
{top}
[flags]
max_seq_length = 384
{flags}
[data]
train = "train.json"
dev = "dev.json"
test = "test.json"
{data}
[[models]]
name = "one"
model_dir = "models/one"
{model}
"""


@pytest.fixture
def write(tmp_path):
  """Function: text -> path; what the file may name is beside it."""
  for name in ("train.json", "dev.json", "test.json", "rcqa.json.gz", "vocab.txt"):
    (tmp_path / name).touch()
  for name in ("models/one", "models/two", "table"):
    (tmp_path / name).mkdir(parents=True)

  def write(text):
    path = tmp_path / "comparison.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)

  return write


@pytest.fixture
def read(write):
  """Function: parts of a file about questions -> Plan."""

  def read(top="", flags="", data="", model=""):
    text = _SQUAD.format(top=top, flags=flags, data=data, model=model)
    return comparison_file.read(write(text))

  return read


class TestDefaults:
  def test_the_grid_is_that_of_the_study(self, read):
    assert read().grid == {
      "train_batch_size": (16, 32),
      "learning_rate": (5e-5, 3e-5, 2e-5),
      "num_train_epochs": (2, 3, 4),
    }

  def test_a_common_flag_takes_its_part_of_the_default_grid(self, read):
    plan = read(flags="learning_rate = 1e-4")
    assert list(plan.grid) == ["train_batch_size", "num_train_epochs"]
    assert plan.flags == {"max_seq_length": 384, "learning_rate": 1e-4}

  def test_questions_are_chosen_by_exact_match(self, read):
    plan = read()
    assert (plan.metric, plan.columns) == (
      "exact_match",
      (("exact_match", "f1"), ("character_f1",)),
    )
    assert (plan.seeds, plan.test, plan.rcqa_file) == ((None,), True, None)

  def test_sentences_are_chosen_by_accuracy(self, write):
    plan = comparison_file.read(
      write(
        'script = "run_classifier.py"\n[data]\ndata_dir = "table"\n'
        'test_file = "more.csv"\n[[models]]\nname = "one"\nmodel_dir = "models/one"\n'
      )
    )
    assert (plan.metric, plan.columns) == ("accuracy", (("accuracy", "f1_macro"),))
    (model,) = plan.models
    assert os.path.isabs(model.data["data_dir"])
    assert model.data["test_file"] == "more.csv"  # a name within data_dir

  @pytest.mark.parametrize(
    ("task", "metric"),
    [
      ("tagging", "f1"),
      ("regression", "pearson"),
      ("multi_label", "f1_micro"),
      ("multiple_choice", "accuracy"),
    ],
  )
  def test_other_tasks_are_chosen_by_the_first_of_their_scores(
    self, write, task, metric
  ):
    plan = comparison_file.read(
      write(
        f'script = "run_classifier.py"\n[flags]\ntask_name = "{task}"\n[data]\n'
        'data_dir = "table"\n[[models]]\nname = "one"\nmodel_dir = "models/one"\n'
      )
    )
    assert (plan.metric, plan.columns) == (metric, ((metric,),))


class TestValues:
  def test_paths_are_relative_to_the_file(self, read, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    plan = read(
      flags='vocab_file = "vocab.txt"\ncache_dir = "new"\ntask_name = "table"',
      model='data = {train = "models/../dev.json"}',
    )
    (model,) = plan.models
    assert model.flags == {"model_dir": str(tmp_path / "models" / "one")}
    assert model.data == {
      "train": str(tmp_path / "dev.json"),
      "dev": str(tmp_path / "dev.json"),
      "test": str(tmp_path / "test.json"),
    }
    assert plan.flags["vocab_file"] == str(tmp_path / "vocab.txt")
    assert plan.flags["cache_dir"] == str(tmp_path / "new")
    assert plan.flags["task_name"] == "table"

  def test_remote_paths_stay(self, write):
    text = _SQUAD.format(top="", flags="", data="", model="")
    text = text.replace("models/one", "gs://bucket/one")
    (model,) = comparison_file.read(write(text)).models
    assert model.flags["model_dir"] == "gs://bucket/one"

  def test_a_models_tokenizer_and_flags_are_its_flags(self, read):
    (model,) = read(
      model='tokenizer = "tohoku"\nflags = {do_lower_case = false, x = [1, "b"]}'
    ).models
    assert model.flags.pop("model_dir").endswith("one")
    assert model.flags == {
      "tokenizer": "tohoku",
      "do_lower_case": False,
      "x": (1, "b"),
    }

  def test_a_name_may_be_anything_that_makes_a_directory(self, write):
    text = _SQUAD.format(top="", flags="", data="", model="")
    plan = comparison_file.read(write(text.replace('"one"', '"東北 (v3)/大"')))
    (model,) = plan.models
    assert (model.name, model.directory) == ("東北 (v3)/大", "東北__v3__大")

  def test_metric_columns_and_seeds(self, read):
    plan = read('metric = "eval_f1"\ncolumns = ["eval_f1", "exact"]\nseeds = [3, 1, 3]')
    assert plan.metric == "f1"
    assert plan.columns == (("f1", "exact"),)
    assert plan.seeds == (3, 1)

  def test_the_prefix_of_a_checkpoint_is_a_path(self, read, tmp_path):
    (tmp_path / "bert_model.ckpt.index").touch()
    plan = read(flags='init_checkpoint = "bert_model.ckpt"')
    assert plan.flags["init_checkpoint"] == str(tmp_path / "bert_model.ckpt")

  def test_data_to_convert(self, write, tmp_path):
    plan = comparison_file.read(
      write(
        'script = "run_squad.py"\n[data]\nrcqa_file = "rcqa.json.gz"\n'
        '[[models]]\nname = "one"\nmodel_dir = "models/one"\n'
        '[[models]]\nname = "two"\nmodel_dir = "models/two"\nsuffix = "ipadic"\n'
      )
    )
    assert plan.rcqa_file == str(tmp_path / "rcqa.json.gz")
    assert [model.suffix for model in plan.models] == ["text", "ipadic"]


_GRID = "\n[grid]\n"


class TestErrors:
  @pytest.mark.parametrize(
    ("parts", "message"),
    [
      ({"top": "sede = [1]"}, "sede: there is no such key; did you mean 'seeds'?"),
      ({"top": "x = 1"}, "x: there is no such key; known: script, metric, columns"),
      ({"data": 'tst = "a"'}, "data.tst: there is no such key; did you mean 'test'?"),
      ({"model": "modeldir = 1"}, r"models\[1\].modeldir: there .* mean 'model_dir'?"),
      ({"top": "metric = 1"}, "metric: expected a text, found 1"),
      ({"top": 'test = "no"'}, "test: expected true or false, found 'no'"),
      ({"top": "columns = []"}, r"columns: expected names of metrics, found \[\]"),
      ({"top": "columns = [1]"}, r"columns: expected names of metrics, found \[1\]"),
      ({"top": "seeds = 3"}, "seeds: expected a list, found 3"),
      ({"top": "seeds = []"}, r"seeds: expected whole numbers from 0 on, found \[\]"),
      ({"top": "seeds = [1.5]"}, "seeds: expected whole numbers from 0 on, found"),
      ({"top": "seeds = [true]"}, "seeds: expected whole numbers from 0 on, found"),
      ({"flags": "output_dir = 1"}, "flags.output_dir: the comparison gives this flag"),
      ({"flags": "do_train = true"}, "flags.do_train: the comparison gives this flag"),
      ({"flags": 'train_file = "a"'}, "flags.train_file: the comparison gives this"),
      ({"flags": "d = 2020-01-01"}, "flags.d: expected a text, number, truth value or"),
      ({"flags": 'vocab_file = "v"'}, "flags.vocab_file: /.*/v does not exist"),
      ({"flags": _GRID + "x = 1"}, "grid.x: expected a list of values, found 1"),
      ({"flags": _GRID + "x = []"}, r"grid.x: expected a list of values, found \[\]"),
      ({"flags": _GRID + "max_seq_length = [1]"}, "grid.max_seq_length: this flag is"),
      (
        {"flags": _GRID + 'x = ["a b", "a/b"]'},
        "grid.x: two values give one directory",
      ),
      ({"flags": _GRID + "x = [{}]"}, "grid.x: expected a text, number, truth value"),
      ({"top": "seeds = [1]", "flags": "seed = 2"}, "flags.seed: the comparison gives"),
      ({"data": 'rcqa_file = "rcqa.json.gz"'}, "data.train: rcqa_file gives all sets"),
      ({"model": "flags = {learning_rate = 1}"}, "'one': its flag learning_rate is in"),
      ({"model": 'suffix = "text2"'}, "'one': suffix is for data that rcqa_file gives"),
      (
        {"model": 'data = {dev = "no"}'},
        r"models\[1\].data.dev: /.*/no does not exist",
      ),
      ({"model": "tokenizer = 1"}, r"models\[1\].tokenizer: expected a text, found 1"),
      (
        {"model": '[[models]]\nname = "one"'},
        r"models\[2\].name: 'one' is too near to that of models\[1\]",
      ),
      ({"model": "[[models]]"}, r"models\[2\].name: is missing; give a text"),
      ({"model": '[[models]]\nname = ".."'}, "name: '..' cannot name a directory"),
      ({"model": '[[models]]\nname = "x"'}, "model 'x': give its model_dir"),
    ],
  )
  def test_one_line_says_where_and_what(self, read, parts, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
      read(**parts)
    assert "comparison.toml: " in str(error.value)
    assert "\n" not in str(error.value)

  def test_the_seed_may_be_a_flag_without_seeds(self, read):
    assert read(flags="seed = 2").flags["seed"] == 2

  @pytest.mark.parametrize(
    ("text", "message"),
    [
      ("", "script: is missing; give a text"),
      ('script = "run_squd.py"', "script: expected 'run_squad.py' or 'run_classif"),
      ("x = 1\nscript =\n", "comparison.toml: not TOML: .*line 2"),
      ('script = "run_squad.py"', "models: is missing; give a list"),
      ('script = "run_squad.py"\nmodels = [1]', r"models: expected one or more \[\["),
      ('script = "run_squad.py"\nmodels = []', r"models: expected one or more \[\["),
      ('script = "run_squad.py"\nflags = 1', "flags: expected a table, found 1"),
      (
        'script = "run_squad.py"\ndata = {train = "train.json", dev = "dev.json"}\n'
        '[[models]]\nname = "one"\nmodel_dir = "models/one"',
        r"'one': \[data\] lacks test, or write test = false",
      ),
      (
        'script = "run_classifier.py"\n[[models]]\nname = "a"\nmodel_dir = "models/one"',
        r"'a': \[data\] lacks data_dir$",
      ),
      (
        'script = "run_classifier.py"\ndata = {rcqa_file = "rcqa.json.gz"}',
        "data.rcqa_file: there is no such key",
      ),
    ],
  )
  def test_what_is_missing(self, write, text, message):
    with pytest.raises(ValueError, match=message):
      comparison_file.read(write(text))

  def test_no_test_set_is_needed_without_a_test(self, write):
    text = _SQUAD.format(top="test = false", flags="", data="", model="")
    plan = comparison_file.read(write(text.replace('test = "test.json"', "")))
    assert not plan.test

  def test_a_missing_file_is_not_found(self, tmp_path):
    with pytest.raises(FileNotFoundError, match="none.toml"):
      comparison_file.read(str(tmp_path / "none.toml"))

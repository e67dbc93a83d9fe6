"""Study files: the runs that they make, and what is wrong in them."""

import pytest

from bert_ja.studies import study_file

_STUDY = """
{top}
[flags]
task_name = "table"
{flags}
[[sets]]
name = "rooms"
data_dir = "rooms"
{one}
[[sets]]
name = "food"
data_dir = "food"
train_file = "small.csv"
flags = {{max_seq_length = 32}}
[[models]]
name = "small"
model_dir = "models/small"
{model}
{modes}
"""
_MODES = """
[[modes]]
name = "head"
flags = {trainable = "head", learning_rate = 1e-3}
[[modes]]
name = "all"
"""


@pytest.fixture
def read(tmp_path):
  """Function: parts of a file -> StudyPlan; what it may name is beside it."""
  for name in ("rooms", "food", "models/small"):
    (tmp_path / name).mkdir(parents=True)

  def read(top="", flags="", one="", model="", modes=_MODES):
    text = _STUDY.format(top=top, flags=flags, one=one, model=model, modes=modes)
    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    return study_file.read(str(path))

  return read


def arguments(trial):
  return dict(argument[2:].split("=", 1) for argument in trial.run.arguments)


class TestRuns:
  def test_each_model_in_each_mode_on_each_set_with_each_seed(self, read):
    plan = read("seeds = [3, 4]")
    names = [trial.run.name for trial in plan.runs.trials("/out", ())]
    assert names == [
      f"{one}/small/{mode}/seed={seed}"
      for one in ("rooms", "food")
      for mode in ("head", "all")
      for seed in (3, 4)
    ]
    assert plan.entries == (("small", "head"), ("small", "all"))
    assert [model.directory for model in plan.models_of(1)] == [
      "food/small/head",
      "food/small/all",
    ]

  def test_a_run_has_the_flags_and_data_of_all_its_parts(self, read, tmp_path):
    trial = read().runs.trials("/out", ())[2]
    expected = {
      "task_name": "table",
      "max_seq_length": "32",
      "model_dir": str(tmp_path / "models" / "small"),
      "trainable": "head",
      "learning_rate": "0.001",
      "data_dir": str(tmp_path / "food"),
      "train_file": "small.csv",
      "cache_dir": "/out/cache",
    }
    assert expected.items() <= arguments(trial).items()

  def test_the_mode_counts_most_then_the_model_then_the_set(self, read):
    plan = read(
      flags="seed = 1\nnum_train_epochs = 1",
      one="flags = {num_train_epochs = 2, eval_steps = 2, learning_rate = 2}",
      model="flags = {eval_steps = 3, learning_rate = 3}",
    )
    found = arguments(plan.runs.trials("/out", ())[0])
    names = ("seed", "num_train_epochs", "eval_steps", "learning_rate")
    assert [found[name] for name in names] == ["1", "2", "3", "0.001"]

  def test_without_modes_a_model_is_trained_as_it_is(self, read):
    plan = read(modes="")
    assert plan.entries == (("small", "fine-tuning"),)
    assert len(plan.runs.trials("/out", ())) == 2

  def test_there_is_no_grid_unless_one_is_given(self, read):
    assert read().runs.grid == {}
    plan = read(modes="[grid]\ntrain_batch_size = [8, 16]")
    assert len(plan.runs.trials("/out", ())) == 4

  def test_defaults(self, read):
    plan = read()
    assert (plan.runs.metric, plan.runs.seeds, plan.runs.test) == (
      *("accuracy", (None,)),
      True,
    )
    assert (plan.columns, plan.baselines) == (None, ())
    assert plan.baseline_runs("/out", (), ()) == []


class TestTextsFile:
  def test_a_path_relative_to_the_file_counts_first(self, read, tmp_path):
    (tmp_path / "texts.json").touch()
    plan = read(flags='texts_file = "texts.json"')
    assert plan.runs.flags["texts_file"] == str(tmp_path / "texts.json")

  def test_another_one_is_looked_for_in_the_sets(self, read):
    assert read(flags='texts_file = "t.json"').runs.flags["texts_file"] == "t.json"


class TestBaselines:
  def runs(self, read, shared, **parts):
    plan = read('baselines = ["majority", "tfidf_logistic"]', **parts)
    return plan.baseline_runs("/out", ("python",), shared)

  def test_one_program_a_set_with_the_flags_that_it_shares(self, read, tmp_path):
    first, second = self.runs(
      read, {"task_name", "max_seq_length"}, flags="num_train_epochs = 3"
    )
    assert first.name == "baselines/rooms"
    assert first.result_file == "/out/baselines/rooms/summary.csv"
    assert arguments_of(second) == {
      "task_name": "table",
      "max_seq_length": "32",
      "data_dir": str(tmp_path / "food"),
      "train_file": "small.csv",
      "baselines": "majority,tfidf_logistic",
      "output_dir": "/out/baselines/food",
    }

  def test_without_tests_they_are_scored_on_dev(self, read):
    plan = read('test = false\nbaselines = ["majority"]')
    for run in plan.baseline_runs("/out", (), ()):
      assert arguments_of(run)["score_sets"] == "dev"

  def test_their_own_flags_are_common_or_of_a_set(self, read, tmp_path):
    for name in ("a.npy", "b.npy"):
      (tmp_path / name).touch()
    first, second = self.runs(
      read,
      (),
      flags='[baseline_flags]\ntokenizer = "google"\nmax_features = 5',
      one='baseline_flags = {vectors_file = ["a.npy", "b.npy"], max_features = 7}',
    )
    expected = {
      "tokenizer": "google",
      "max_features": "7",
      "vectors_file": f"{tmp_path}/a.npy,{tmp_path}/b.npy",
    }
    assert expected.items() <= arguments_of(first).items()
    assert arguments_of(second)["max_features"] == "5"


def arguments_of(run):
  return dict(argument[2:].split("=", 1) for argument in run.arguments)


class TestErrors:
  @pytest.mark.parametrize(
    ("parts", "message"),
    [
      ({"top": "sede = [1]"}, "sede: there is no such key; did you mean 'seeds'?"),
      ({"top": "data = 1"}, "data: there is no such key; known: metric, columns"),
      (
        {"one": 'datadir = "x"'},
        r"sets\[1\].datadir: .* did you mean 'data_dir'\?",
      ),
      ({"model": "mode = 1"}, r"models\[1\].mode: there is no such key"),
      ({"model": "data = {}"}, r"models\[1\].data: there is no such key"),
      (
        {"modes": '[[modes]]\nname = "x"\nflag = 1'},
        r"modes\[1\].flag: .* did you mean 'flags'\?",
      ),
      ({"modes": "[[modes]]"}, r"modes\[1\].name: is missing; give a text"),
      (
        {"modes": '[[modes]]\nname = "a b"\n[[modes]]\nname = "a/b"'},
        r"modes\[2\].name: 'a/b' is too near to that of modes\[1\]",
      ),
      ({"modes": '[[sets]]\nname = "c"'}, r"sets\[3\].data_dir: is missing; give a"),
      (
        {"modes": '[[sets]]\nname = "c"\ndata_dir = "no"'},
        r"sets\[3\].data_dir: /.*/no does not exist",
      ),
      (
        {"flags": 'data_dir = "rooms"'},
        "flags.data_dir: the study gives this flag itself; what it takes are the sets'",
      ),
      (
        {"modes": '[[modes]]\nname = "x"\nflags = {do_train = true}'},
        r"modes\[1\].flags.do_train: the study gives this flag itself",
      ),
      (
        {"modes": "[grid]\nmax_seq_length = [8]"},
        "model 'small, fine-tuning, food': its flag max_seq_length is in the grid too",
      ),
      (
        {"top": 'baselines = ["majorty"]'},
        "baselines: there is no baseline 'majorty'; did you mean 'majority'?",
      ),
      ({"top": 'baselines = ["majority", "majority"]'}, "'majority' is named twice"),
      ({"top": 'baselines = "all"'}, "baselines: expected a list, found 'all'"),
      (
        {"modes": '[baseline_flags]\ntokenizer = "google"'},
        "baseline_flags: the file names no baselines; name some, or leave it out",
      ),
      (
        {"one": "baseline_flags = {max_features = 1}"},
        r"sets\[1\].baseline_flags: the file names no baselines",
      ),
      (
        {
          "top": 'baselines = ["majority"]',
          "one": 'baseline_flags = {score_sets = "dev"}',
        },
        r"sets\[1\].baseline_flags.score_sets: the study gives this flag itself",
      ),
      (
        {
          "top": 'baselines = ["majority"]',
          "one": "baseline_flags = {output_dir = 1}",
        },
        r"sets\[1\].baseline_flags.output_dir: the study gives this flag itself",
      ),
      ({"top": "test = 1"}, "test: expected true or false, found 1"),
    ],
  )
  def test_one_line_says_where_and_what(self, read, parts, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
      read(**parts)
    assert "study.toml: " in str(error.value)
    assert "\n" not in str(error.value)

  @pytest.mark.parametrize("key", ["sets", "models"])
  def test_what_is_missing(self, tmp_path, key):
    other = {"sets": "", "models": '[[sets]]\nname = "a"\ndata_dir = "."'}[key]
    (tmp_path / "study.toml").write_text(other)
    with pytest.raises(ValueError, match=f"{key}: is missing; give a list"):
      study_file.read(str(tmp_path / "study.toml"))

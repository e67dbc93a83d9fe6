"""When a run's flags are recorded, and by which process."""

import types

import numpy as np
import pytest
from absl import flags

import run_classifier
from bert_ja import job, model_files
from bert_ja.flags import run_record


class Estimator:
  """Takes the place of one that computes; `train` notes what is recorded by then."""

  def __init__(self, directory, is_chief):
    self._directory, self.is_chief = directory, is_chief

  def train(self, *_):
    self.recorded = run_record.read(self._directory)

  def evaluate(self, _):
    return {"eval_accuracy": 0.5}, {}

  def predict(self, _):
    return [{"probabilities": np.array([0.5, 0.5])}]


class Kind:
  """Writes nothing, or fails as a full disk does."""

  row_options = {"label_separator": "|"}

  def __init__(self, fails):
    self._fails = fails

  def write_evaluation(self, *_):
    return ["metrics.json"]

  def write_rows(self, *_):
    if self._fails:
      raise OSError("no space left")
    return ["predictions.tsv"]

  write_predictions = write_rows


@pytest.fixture
def create(tmp_path, monkeypatch):
  """Function: -> a job of all acts, before its first."""

  def create(is_chief=True, fails=False, create_job=run_classifier.ClassifierJob):
    values = flags.FlagValues()
    for act in run_record.ACTS:
      flags.DEFINE_bool(act, True, "", values)
    for name in ("eval_steps", "train_batch_size", "eval_batch_size"):
      flags.DEFINE_integer(name, 0, "", flag_values=values)
    flags.DEFINE_integer("predict_batch_size", 1, "", flag_values=values)
    flags.DEFINE_string("output_dir", str(tmp_path), "", values)
    values(["run"])
    values.eval_batch_size = 1
    monkeypatch.setattr(run_classifier, "FLAGS", values)
    one = object.__new__(create_job)
    one.flags, one.num_train_steps = values, 1
    one.files = model_files.ModelFiles("model", None, None, None, {}, {})
    one.estimator = Estimator(str(tmp_path), is_chief)
    one.kind, one.examples = Kind(fails), {"eval": [], "predict": []}
    one.processor = types.SimpleNamespace(
      kind="multi_label", test_labels_are_known=True
    )
    one.input_fn = lambda split: types.SimpleNamespace(num_rows=1)
    one._describe = lambda directory: None
    return one

  return create


@pytest.mark.parametrize("is_chief", [True, False])
def test_training_is_recorded_when_it_starts_and_by_one_process(create, is_chief):
  one = create(is_chief)
  one.train()
  assert list(one.estimator.recorded) == (["do_train"] if is_chief else [])


@pytest.mark.parametrize("act", ["evaluate", "predict"])
@pytest.mark.parametrize("is_chief", [True, False])
def test_other_acts_are_recorded_with_their_results(create, tmp_path, act, is_chief):
  one = create(is_chief)
  assert bool(getattr(one, act)()) == is_chief
  name = {"evaluate": "do_eval", "predict": "do_predict"}[act]
  assert list(run_record.read(str(tmp_path))) == ([name] if is_chief else [])


@pytest.mark.parametrize("act", ["evaluate", "predict"])
def test_an_act_that_fails_is_not_recorded(create, tmp_path, act):
  with pytest.raises(OSError, match="no space left"):
    getattr(create(fails=True), act)()
  assert run_record.read(str(tmp_path)) == {}


def test_acts_that_a_run_does_not_do_are_left_out(create, tmp_path):
  one = create()
  one.flags.do_predict = False
  one.record("do_eval", "do_predict")
  assert list(run_record.read(str(tmp_path))) == ["do_eval"]


def test_the_record_says_how_predictions_are_read(create, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  create().evaluate()
  entry = run_record.read(str(tmp_path))["do_eval"]
  assert entry["kind"] == "multi_label"
  assert entry["row_options"] == {"label_separator": "|"}
  # From wherever the page is written later.
  assert entry["model_directory"] == str(tmp_path / "model")


def test_a_model_given_by_its_weights_lies_beside_them(create):
  one = create(create_job=job.TrainingJob)
  one.files = model_files.ModelFiles("", "/models/a/model.ckpt", None, None, {}, {})
  assert one.record_facts() == {"model_directory": "/models/a"}
  one.files = model_files.ModelFiles("", None, None, None, {}, {})
  assert one.record_facts() == {}

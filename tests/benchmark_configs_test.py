"""Comparison and study files of the benchmarks: flags that exist, scores that tasks have."""

import pathlib
import tomllib

import numpy as np
import pytest
from absl import flags

from bert_ja.commands import baselines, compare
from bert_ja.comparisons import comparison_file
from bert_ja.data import word_features
from bert_ja.flags import task_flags
from bert_ja.studies import study_file
from bert_ja.tasks import kinds, registry

_FOLDER = pathlib.Path(__file__).parents[1] / "benchmarks" / "configs"
_FILES = {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}
_TRUTH = {"label_ids": np.arange(2)}
# Of a kind, labels and what a model gives of two rows.
_OUTPUTS = {
  "choice": ([], {"scores": np.eye(2), **_TRUTH}),
  "multi_label": ("ab", {"probabilities": np.eye(2), "label_ids": np.eye(2)}),
  "regression": (["label"], {"prediction": np.arange(2), **_TRUTH}),
  "sentence": ("ab", {"probabilities": np.eye(2), **_TRUTH}),
  "token": (
    ["O", "B-x"],
    {
      "rows": [word_features.WordExample(n, ["w"], ["B-x"]) for n in "12"],
      "tag_ids": np.array([[0], [1]]),
    },
  ),
}


@pytest.fixture
def read(monkeypatch):
  """Function: name of a file -> (its `Plan`, its `StudyPlan` or None); no data needed."""
  monkeypatch.setattr(
    comparison_file.Reader,
    "resolve",
    lambda self, place, value, must_exist=True: value,
  )

  def read(name):
    if "sets" not in tomllib.loads(_FILES[name].read_text(encoding="utf-8")):
      return comparison_file.read(str(_FILES[name])), None
    study = study_file.read(str(_FILES[name]))
    return study.runs, study

  return read


@pytest.mark.parametrize("name", _FILES)
def test_flags_exist_and_take_their_values(read, name):
  plan, study = read(name)
  script = compare.script_path(plan.script.name)
  for trial in plan.trials("/out", ()):
    compare.parse(script, trial.run.arguments, trial.run.name)
  if study is not None:
    shared = flags.FlagValues()
    task_flags.define(shared)
    for run in study.baseline_runs("/out", (), set(shared)):
      compare.parse(baselines.__file__, run.arguments, run.name)


@pytest.mark.parametrize("name", _FILES)
def test_what_chooses_and_is_shown_is_a_score_of_the_task(read, name):
  plan, study = read(name)
  if "task_name" not in plan.flags:
    pytest.skip("question answering has one set of scores")
  kind = registry.get_processor(plan.flags["task_name"]).kind
  labels, outputs = _OUTPUTS[kind]
  known = set(kinds.get(kind)(labels).scores(outputs))
  columns = plan.columns if study is None else [study.columns or ()]
  assert {plan.metric, *(name for group in columns for name in group)} <= known
  assert kinds.get(kind).best_metric.removeprefix("eval_") in known


def test_there_are_studies_among_them(read):
  assert [name for name in _FILES if read(name)[1] is not None] == ["study_reviews"]

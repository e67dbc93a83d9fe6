"""Comparison files of the benchmarks: flags that exist, scores that their tasks have."""

import importlib
import pathlib
import tomllib

import pytest
from absl import flags

from bert_ja.tasks import kinds, registry

_FOLDER = pathlib.Path(__file__).parents[1] / "benchmarks" / "configs"
_FILES = {
  path.stem: values
  for path in sorted(_FOLDER.glob("*.toml"))
  if "data" in (values := tomllib.loads(path.read_text(encoding="utf-8")))
}
# Of a kind, scores that its evaluations have.
_SCORES = {
  "choice": {"accuracy"},
  "multi_label": {"f1_micro", "f1_macro", "subset_accuracy"},
  "regression": {"pearson", "spearman"},
  "sentence": {"accuracy", "f1_macro", "f1"},
  "token": {"f1", "token_accuracy", "joint_accuracy", "strict_f1"},
}


def parts(values):
  """All tables of flags of a file."""
  return [values["flags"], *(model.get("flags", {}) for model in values["models"])]


@pytest.mark.parametrize("name", _FILES)
def test_flags_exist(name):
  values = _FILES[name]
  flag_values = flags.FlagValues()
  script = importlib.import_module(values["script"].removesuffix(".py"))
  script.define_flags(flag_values)
  given = {flag for part in parts(values) for flag in part} | set(values["grid"])
  assert not given - set(flag_values)


@pytest.mark.parametrize(
  "name", [n for n, values in _FILES.items() if "task_name" in values["flags"]]
)
def test_what_chooses_and_is_shown_is_a_score_of_the_task(name):
  values = _FILES[name]
  kind = registry.get_processor(values["flags"]["task_name"]).kind
  assert {values["metric"], *values.get("columns", ())} <= _SCORES[kind]
  assert kinds.get(kind).best_metric.removeprefix("eval_") in _SCORES[kind]

"""Flags of a script like `run_classifier.py`, on an object of their own."""

import pytest
from absl import flags

from bert_ja.flags import (
  data_flags,
  model_flags,
  runtime_flags,
  task_flags,
  tokenizer_flags,
  training_flags,
)

_GROUPS = (
  model_flags,
  tokenizer_flags,
  task_flags,
  data_flags,
  training_flags,
  runtime_flags,
)


@pytest.fixture
def parse():
  """Function: arguments, and the groups to define (all by default) -> FlagValues."""

  def parse(*arguments, groups=_GROUPS):
    flag_values = flags.FlagValues()
    for group in groups:
      group.define(flag_values)
    if training_flags in groups:
      flags.DEFINE_bool("do_train", False, "As the scripts have it.", flag_values)
    flag_values(["script", *arguments])
    return flag_values

  return parse


@pytest.fixture
def own_values(parse):
  """Function: a group -> {flag: default} of all that it defines."""

  def own_values(group):
    flag_values = parse(groups=(group,))
    defined = flag_values.flags_by_module_dict()[group.__name__]
    return {flag.name: flag.value for flag in defined}

  return own_values

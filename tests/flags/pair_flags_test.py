"""Flags of pair models: defaults, what they fill, what they exclude."""

import pytest
from absl import flags

from bert_ja import two_tower
from bert_ja.data import tower_features
from bert_ja.flags import pair_flags


def parse(*arguments):
  flag_values = flags.FlagValues()
  pair_flags.define(flag_values)
  flag_values(["script", *arguments])
  return flag_values


def test_one_sequence_is_the_default():
  flag_values = parse()
  assert pair_flags.read(flag_values) is None
  assert pair_flags.features(flag_values) is None
  assert pair_flags.recorded(flag_values) == {"pair_model": "joint"}


def test_two_towers():
  flag_values = parse("--pair_model=two_tower", "--attention_size=5")
  assert pair_flags.read(flag_values) == two_tower.PairOptions("all", 5)
  assert pair_flags.features(flag_values) is tower_features
  assert pair_flags.recorded(flag_values) == {
    "pair_model": "two_tower",
    "combination": "all",
    "attention_size": 5,
  }


@pytest.mark.parametrize("combination", list(two_tower.COMBINATIONS))
def test_each_combination_has_its_flag_value(combination):
  flag_values = parse("--pair_model=two_tower", f"--combination={combination}")
  assert pair_flags.read(flag_values).combination == combination


@pytest.mark.parametrize("name", ["combination=all", "attention_size=8"])
def test_a_comparison_means_nothing_to_one_sequence(name):
  flag = name.partition("=")[0]
  with pytest.raises(ValueError, match=f"--{flag} needs --pair_model=two_tower"):
    pair_flags.read(parse(f"--{name}"))


@pytest.mark.parametrize(
  "argument", ["pair_model=x", "combination=x", "attention_size=0"]
)
def test_an_impossible_value_is_named(argument):
  with pytest.raises(flags.IllegalFlagValueError, match=f"flag --{argument}"):
    parse(f"--{argument}")

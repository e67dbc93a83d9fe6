"""Flags of a classifier's head: defaults and the options they fill."""

import pytest
from absl import flags

from bert_ja import heads
from bert_ja.flags import head_flags

DEFAULTS = {"head": "linear", "mlp_layers": ["256", "128"], "head_dropout": 0.1}


def parse(*arguments):
  flag_values = flags.FlagValues()
  head_flags.define(flag_values)
  flag_values(["script", *arguments])
  return flag_values


class TestDefine:
  def test_defaults(self):
    assert head_flags.recorded(parse()) == DEFAULTS

  @pytest.mark.parametrize("argument", ["head=deep", "head_dropout=-1"])
  def test_an_impossible_value_is_named(self, argument):
    with pytest.raises(flags.IllegalFlagValueError, match=f"flag --{argument}"):
      parse(f"--{argument}")


class TestRead:
  @pytest.mark.parametrize(
    ("arguments", "expected"),
    [
      ((), heads.HeadOptions((), 0.1)),
      (("--head_dropout=0.3",), heads.HeadOptions((), 0.3)),
      (("--head=mlp",), heads.HeadOptions((256, 128), 0.1)),
      (("--head=mlp", "--mlp_layers=7"), heads.HeadOptions((7,), 0.1)),
    ],
  )
  def test_options(self, arguments, expected):
    assert head_flags.read(parse(*arguments)) == expected

  def test_the_original_head_is_the_default(self):
    assert head_flags.read(parse()) == heads.HeadOptions()

  @pytest.mark.parametrize("sizes", ["", "0", "8,x", "8,-1", "8,,4"])
  def test_sizes_are_whole_numbers_from_1_on(self, sizes):
    message = f"--mlp_layers={sizes}: expected sizes of hidden layers from 1 on"
    with pytest.raises(ValueError, match=message):
      head_flags.read(parse("--head=mlp", f"--mlp_layers={sizes}"))

  def test_sizes_mean_nothing_to_a_linear_head(self):
    with pytest.raises(ValueError, match="--mlp_layers needs --head=mlp"):
      head_flags.read(parse("--mlp_layers=7"))

  def test_recorded_sizes_of_a_linear_head_are_no_error(self):
    flag_values = parse()
    flag_values["mlp_layers"].value = ["256", "128"]  # as a trained model's are taken
    assert head_flags.read(flag_values).hidden_sizes == ()


class TestRecorded:
  def test_values(self):
    flag_values = parse("--head=mlp", "--mlp_layers=7,5", "--head_dropout=0.3")
    assert head_flags.recorded(flag_values) == {
      "head": "mlp",
      "mlp_layers": ["7", "5"],
      "head_dropout": 0.3,
    }

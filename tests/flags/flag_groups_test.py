"""Parts of groups: which flags there are, and whose they are."""

import sys

import pytest
from absl import flags

from bert_ja.flags import data_flags, flag_groups, model_flags, training_flags


@flag_groups.selectable
def define(flag_values=flags.FLAGS, text="a", count=1):
  """A group of three."""
  flags.DEFINE_string("text", text, "Text.", flag_values)
  flags.DEFINE_integer("count", count, "Numbers.", 0, flag_values=flag_values)
  flags.DEFINE_bool("switch", False, "One or the other.", flag_values)


def defined(*arguments, **options):
  """{flag: default} of what a call defines."""
  flag_values = flags.FlagValues()
  define(flag_values, *arguments, **options)
  return {name: flag_values[name].value for name in flag_values}


class TestSelectable:
  def test_all_by_default(self):
    assert defined() == {"text": "a", "count": 1, "switch": False}

  def test_some(self):
    assert defined(only=("count",)) == {"count": 1}
    assert defined(without=("count",)) == {"text": "a", "switch": False}

  def test_the_groups_own_arguments_go_on_to_it(self):
    assert defined("b", count=2, without=("switch",)) == {"text": "b", "count": 2}

  @pytest.mark.parametrize("choice", [{"only": ["counts"]}, {"without": ["counts"]}])
  def test_a_flag_that_is_not_of_the_group_is_an_error(self, choice):
    with pytest.raises(ValueError, match="flag_groups_test has no flag counts"):
      defined(**choice)

  def test_a_part_is_listed_as_the_groups(self):
    """So that --help shows it with the script's own flags."""
    flag_values = flags.FlagValues()
    define(flag_values, only=("text", "count"))
    flags.adopt_module_key_flags(sys.modules[__name__], flag_values)
    found = flag_values.get_key_flags_for_module(__name__)
    assert sorted(flag.name for flag in found) == ["count", "text"]

  def test_a_part_is_parsed_with_its_bounds(self):
    flag_values = flags.FlagValues()
    define(flag_values, only=("count",))
    with pytest.raises(flags.IllegalFlagValueError, match="count=-1"):
      flag_values(["script", "--count=-1"])

  @pytest.mark.parametrize("group", [data_flags, model_flags, training_flags])
  def test_groups_can_be_divided(self, group):
    whole, part, rest = flags.FlagValues(), flags.FlagValues(), flags.FlagValues()
    group.define(whole)
    names = list(whole)[::2]
    group.define(part, only=names)
    group.define(rest, without=names)
    assert set(part) == set(names)
    assert set(part) | set(rest) == set(whole)
    assert not set(part) & set(rest)

"""Flags of records for pre-training: defaults, and the settings that they come to."""

import pytest
from absl import flags

from bert_ja.data import pretraining_draws, pretraining_shards
from bert_ja.flags import pretraining_data_flags


@pytest.fixture
def parsed():
  """Function: arguments -> FlagValues of this group."""

  def parsed(*arguments):
    flag_values = flags.FlagValues()
    pretraining_data_flags.define(flag_values)
    flag_values(["script", *arguments])
    return flag_values

  return parsed


class TestDefine:
  def test_defaults(self, own_values):
    """Contract A-11; what is not of the original comes last."""
    assert own_values(pretraining_data_flags) == {
      "input_file": None,
      "output_file": None,
      "do_whole_word_mask": False,
      "max_seq_length": 128,
      "max_predictions_per_seq": 20,
      "random_seed": 12345,
      "dupe_factor": 10,
      "masked_lm_prob": 0.15,
      "short_seq_prob": 0.1,
      "compression": "",
      "num_shards": 1,
      "num_workers": 1,
      "runner": None,
      "beam_option": [],
      "word_boundaries": "auto",
      "static_masking": True,
    }


class TestSettings:
  def test_the_flags_are_taken(self, parsed):
    flag_values = parsed(
      "--max_seq_length=32",
      "--dupe_factor=3",
      "--word_boundaries=spaces",
      "--nostatic_masking",
      "--random_seed=4",
      "--compression=gzip",
    )
    recipe = pretraining_draws.Recipe(
      max_seq_length=32, dupe_factor=3, static_masking=False, word_boundaries="spaces"
    )
    expected = pretraining_shards.Settings(recipe, 4, "GZIP")
    assert pretraining_data_flags.settings(flag_values) == expected

  def test_word_boundaries_need_words(self, parsed):
    boundaries = "--word_boundaries=spaces"
    pretraining_data_flags.settings(parsed(boundaries, "--do_whole_word_mask"))
    with pytest.raises(ValueError, match=f"^{boundaries} needs --do_whole_word_mask"):
      pretraining_data_flags.settings(parsed(boundaries))

"""Flags of rows and batches: defaults, and the choice of full length."""

import pytest
import tensorflow as tf
from absl import flags

from bert_ja import distribution
from bert_ja.flags import data_flags


class TestDefine:
  def test_defaults(self, own_values):
    """Contract A-8."""
    assert own_values(data_flags) == {
      "max_seq_length": 128,
      "bucket_by_length": False,
      "pad_to_max_length": None,
      "cache_dir": None,
    }

  def test_a_script_chooses_its_length(self):
    flag_values = flags.FlagValues()
    data_flags.define(flag_values, max_seq_length=384)
    assert flag_values["max_seq_length"].value == 384

  def test_two_scripts_keep_their_own_values(self):
    classifier, squad = flags.FlagValues(), flags.FlagValues()
    data_flags.define(classifier)
    data_flags.define(squad, max_seq_length=384)
    classifier(["script", "--max_seq_length=64", "--cache_dir=a"])
    squad(["script"])
    assert (classifier.max_seq_length, classifier.cache_dir) == (64, "a")
    assert (squad.max_seq_length, squad.cache_dir) == (384, None)

  def test_a_length_has_room_for_a_piece(self, parse):
    with pytest.raises(flags.IllegalFlagValueError, match="max_seq_length=2"):
      parse("--max_seq_length=2")


class TestBatchOptions:
  @pytest.mark.parametrize(
    ("arguments", "is_tpu", "full"),
    [
      ((), False, False),
      ((), True, True),
      (("--xla",), False, True),
      (("--pad_to_max_length",), False, True),
      (("--nopad_to_max_length", "--xla"), False, False),
      (("--nopad_to_max_length",), True, False),
    ],
  )
  def test_full_length_where_shapes_have_to_stand_still(
    self, parse, monkeypatch, arguments, is_tpu, full
  ):
    monkeypatch.setattr(distribution, "is_tpu", lambda strategy: is_tpu)
    options = data_flags.batch_options(tf.distribute.get_strategy(), parse(*arguments))
    assert options.pad_to_max_length is full

  def test_buckets_are_asked_for(self, parse):
    strategy = tf.distribute.get_strategy()
    assert not data_flags.batch_options(strategy, parse()).bucket_by_length
    flag_values = parse("--bucket_by_length")
    assert data_flags.batch_options(strategy, flag_values).bucket_by_length

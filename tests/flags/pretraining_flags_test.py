"""Flags of pre-training: defaults, the records that they name, the masks they ask for."""

import pytest
from absl import flags

from bert_ja.data import masking
from bert_ja.flags import pretraining_flags, training_flags

VOCAB = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nw1\nw2\n"


@pytest.fixture
def parsed():
  """Function: arguments -> FlagValues of this group, with --seed and --eval_steps."""

  def parsed(*arguments):
    flag_values = flags.FlagValues()
    pretraining_flags.define(flag_values)
    training_flags.define(flag_values, only=("seed", "eval_steps"))
    flag_values(["script", *arguments])
    return flag_values

  return parsed


class TestDefine:
  def test_defaults(self, own_values):
    """Contract A-10."""
    assert own_values(pretraining_flags) == {
      "input_file": None,
      "eval_file": None,
      "cache_dir": None,
      "do_train": False,
      "do_eval": False,
      "max_predictions_per_seq": 20,
      "num_train_steps": 100000,
      "num_warmup_steps": 10000,
      "max_eval_steps": 100,
      "next_sentence": True,
      "dynamic_masking": False,
      "do_whole_word_mask": False,
      "masked_lm_prob": 0.15,
      "mask_token_id": None,
    }


class TestCheck:
  @pytest.mark.parametrize(
    "arguments",
    [
      ["--do_train"],
      ["--do_eval", "--eval_file=a"],
      ["--do_train", "--eval_file=a", "--eval_steps=5"],
    ],
  )
  def test_takes_what_is_used(self, parsed, arguments):
    pretraining_flags.check(parsed(*arguments))

  @pytest.mark.parametrize(
    ("arguments", "message"),
    [
      ([], "nothing to do: give --do_train or --do_eval"),
      (["--do_train", "--eval_file=a"], "--eval_file=a needs --do_eval or --eval_st"),
    ],
  )
  def test_what_has_no_effect_is_told(self, parsed, arguments, message):
    with pytest.raises(ValueError, match=message):
      pretraining_flags.check(parsed(*arguments))


class TestPaths:
  def test_each_record_file_once_without_what_stands_beside_it(self, parsed, tmp_path):
    for name in ("b", "a", "a.key", "a.tmp-7"):
      (tmp_path / name).touch()
    flag_values = parsed(f"--eval_file={tmp_path}/b,{tmp_path}/*")
    found = pretraining_flags.paths("eval_file", flag_values)
    assert found == [f"{tmp_path}/b", f"{tmp_path}/a"]

  def test_what_names_nothing_is_told_with_its_flag(self, parsed, tmp_path):
    (tmp_path / "a.key").touch()
    flag_values = parsed(f"--eval_file={tmp_path}/a*")
    with pytest.raises(FileNotFoundError, match=r"--eval_file: .*/a\* does not exist"):
      pretraining_flags.paths("eval_file", flag_values)


class TestMasker:
  def test_records_keep_their_masks_by_default(self, parsed):
    assert pretraining_flags.masker(None, 7, parsed()) is None

  def test_the_flags_are_taken(self, parsed, tmp_path):
    (tmp_path / "vocab.txt").write_text(VOCAB)
    flag_values = parsed(
      "--dynamic_masking",
      "--do_whole_word_mask",
      "--masked_lm_prob=0.5",
      "--max_predictions_per_seq=3",
      "--seed=4",
    )
    found = pretraining_flags.masker(str(tmp_path / "vocab.txt"), 7, flag_values)
    assert found == masking.Masking(
      mask_id=4,
      vocab_size=7,
      max_predictions=3,
      masked_lm_prob=0.5,
      whole_words=True,
      seed=4,
    )

  @pytest.mark.parametrize(
    ("arguments", "message"),
    [
      (["--do_whole_word_mask"], "--do_whole_word_mask needs --dynamic_masking"),
      (["--masked_lm_prob=0.15"], "--masked_lm_prob needs --dynamic_masking"),
      (["--mask_token_id=4"], "--mask_token_id needs --dynamic_masking"),
      (["--dynamic_masking"], "give --mask_token_id"),
      (["--dynamic_masking", "--mask_token_id=7"], "^--mask_token_id=7, but the mo"),
    ],
  )
  def test_what_does_not_fit_is_told(self, parsed, arguments, message):
    with pytest.raises(ValueError, match=message):
      pretraining_flags.masker(None, 7, parsed(*arguments))

  def test_an_id_that_the_model_lacks_is_told_with_its_file(self, parsed, vocab_file):
    path, flag_values = vocab_file("a"), parsed("--dynamic_masking")
    message = f"^{path} has .MASK. as piece 4, but the model has 4 pieces"
    with pytest.raises(ValueError, match=message):
      pretraining_flags.masker(path, 4, flag_values)

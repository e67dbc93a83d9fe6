"""Flags of questions and answers: defaults, and what does not fit together."""

import pytest
from absl import flags

from bert_ja.flags import data_flags, span_flags, training_flags


@pytest.fixture
def parsed():
  """Function: arguments -> FlagValues of a script like `run_squad.py`."""

  def parse(*arguments):
    flag_values = flags.FlagValues()
    span_flags.define(flag_values)
    data_flags.define(flag_values, max_seq_length=384)
    training_flags.define(flag_values, "eval_f1", without=("eval_batch_size",))
    for name in ("do_train", "do_predict", "do_eval"):
      flags.DEFINE_bool(name, False, "As the script has it.", flag_values)
    flag_values(["script", *arguments])
    return flag_values

  return parse


class TestDefine:
  def test_defaults(self, own_values):
    """Contract A-9."""
    assert own_values(span_flags) == {
      "train_file": None,
      "predict_file": None,
      "doc_stride": 128,
      "max_query_length": 64,
      "n_best_size": 20,
      "max_answer_length": 30,
      "version_2_with_negative": False,
      "null_score_diff_threshold": 0.0,
      "answer_alignment": "auto",
      "verbose_logging": False,
    }

  def test_evaluation_takes_the_batches_of_prediction(self, parsed):
    values = parsed("--train_batch_size=4", "--predict_batch_size=6")
    assert training_flags.batch_sizes(values) == (4, 6, 6)


class TestCheck:
  @pytest.mark.parametrize(
    ("arguments", "message"),
    [
      ((), "nothing to do: give --do_train, --do_predict or --do_eval"),
      (("--do_train",), "--do_train needs --train_file"),
      (("--do_predict",), "need --predict_file"),
      (("--do_eval",), "need --predict_file"),
      (("--do_train", "--train_file=a", "--eval_steps=5"), "need --predict_file"),
    ],
  )
  def test_names_what_is_missing(self, parsed, arguments, message):
    """Contract A-14, A-18."""
    with pytest.raises(ValueError, match=message):
      span_flags.check(parsed(*arguments))


class TestCheckLengths:
  def test_a_window_has_room_for_a_piece(self, parsed):
    """Contract A-18."""
    message = "--max_seq_length=67 must be greater than --max_query_length=64 plus 3"
    with pytest.raises(ValueError, match=message):
      span_flags.check_lengths(parsed("--max_seq_length=67"))
    assert span_flags.check_lengths(parsed("--max_seq_length=68")) is None


class TestRecorded:
  def test_holds_the_alignment_that_was_chosen(self, parsed):
    values = span_flags.recorded("characters", parsed("--doc_stride=7"))
    assert values == {
      "max_seq_length": 384,
      "doc_stride": 7,
      "max_query_length": 64,
      "max_answer_length": 30,
      "version_2_with_negative": False,
      "answer_alignment": "characters",
    }


class TestWindowOptions:
  def test_holds_the_flags(self, parsed):
    options = span_flags.window_options("words", parsed("--max_query_length=9"))
    assert (options.max_seq_length, options.doc_stride) == (384, 128)
    assert (options.max_query_length, options.answer_alignment) == (9, "words")

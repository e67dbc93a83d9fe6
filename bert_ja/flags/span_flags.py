"""Flags that say which questions, how contexts are cut and how answers are chosen."""

from typing import Any

from absl import flags

# Flags whose values belong to a trained model: with --model_dir they need not be given.
RECORDED = (
  "max_seq_length",
  "doc_stride",
  "max_query_length",
  "max_answer_length",
  "version_2_with_negative",
  "answer_alignment",
)


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group (A-9)."""
  flags.DEFINE_string(
    "train_file", None, "Questions to train on, in SQuAD's JSON.", flag_values
  )
  flags.DEFINE_string(
    "predict_file", None, "Questions to answer, in SQuAD's JSON.", flag_values
  )
  for name, default, text in (
    ("doc_stride", 128, "Pieces from the start of a window to the next."),
    ("max_query_length", 64, "Most pieces of a question; longer ones are cut."),
    ("n_best_size", 20, "Answers of a question in nbest_predictions.json."),
    ("max_answer_length", 30, "Most pieces of an answer."),
  ):
    flags.DEFINE_integer(name, default, text, 1, flag_values=flag_values)
  flags.DEFINE_bool(
    "version_2_with_negative",
    False,
    "Some questions have no answer in their context (SQuAD 2.0).",
    flag_values,
  )
  flags.DEFINE_float(
    "null_score_diff_threshold",
    0.0,
    "With --version_2_with_negative: no answer where its score leads by more than this.",
    flag_values=flag_values,
  )
  flags.DEFINE_enum(
    "answer_alignment",
    "auto",
    ["auto", "words", "characters"],
    "How answers are placed in the context: by words, as the original does, or by "
    "characters, which text without spaces needs; auto takes words for spaced text "
    "with the tokenizers google and multilingual-cased.",
    flag_values,
  )
  flags.DEFINE_bool(
    "verbose_logging",
    False,
    "Log answers that are not found in their context.",
    flag_values,
  )


def check(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Checks that the files are named which the run needs (A-14, A-18).

  Raises:
    ValueError: one is not, or there is nothing to do.
  """
  predicts = flag_values.do_predict or flag_values.do_eval or flag_values.eval_steps
  if not (flag_values.do_train or flag_values.do_predict or flag_values.do_eval):
    raise ValueError("nothing to do: give --do_train, --do_predict or --do_eval")
  if flag_values.do_train and not flag_values.train_file:
    raise ValueError("--do_train needs --train_file")
  if predicts and not flag_values.predict_file:
    raise ValueError("--do_predict, --do_eval and --eval_steps need --predict_file")


def check_lengths(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Checks that a window has room for a context (A-18).

  Raises:
    ValueError: it has none.
  """
  if flag_values.max_seq_length <= flag_values.max_query_length + 3:
    raise ValueError(
      f"--max_seq_length={flag_values.max_seq_length} must be greater than "
      f"--max_query_length={flag_values.max_query_length} plus 3"
    )


def window_options(alignment: str, flag_values: flags.FlagValues = flags.FLAGS) -> Any:
  """The flags as `span_features.WindowOptions`."""
  from bert_ja.data import span_features

  return span_features.WindowOptions(
    flag_values.max_seq_length,
    flag_values.doc_stride,
    flag_values.max_query_length,
    alignment,
  )


def recorded(
  alignment: str, flag_values: flags.FlagValues = flags.FLAGS
) -> dict[str, Any]:
  """The values to keep beside a trained model."""
  values = {name: flag_values[name].value for name in RECORDED}
  return values | {"answer_alignment": alignment}

"""Flags that say how text becomes pieces."""

from typing import Any

from absl import flags

_SWITCHES = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group."""
  flags.DEFINE_string("vocab_file", None, "One piece a line.", flag_values)
  flags.DEFINE_bool(
    "do_lower_case", True, "Lower-case the text: for uncased models.", flag_values
  )
  flags.DEFINE_bool(
    "strip_accents",
    None,
    "Remove accents, and with them the voicing marks of kana; as --do_lower_case by "
    "default. Use --nostrip_accents for Japanese.",
    flag_values,
  )
  flags.DEFINE_bool(
    "tokenize_chinese_chars", True, "Make each ideograph a word.", flag_values
  )


def create_tokenizer(files: Any, flag_values: flags.FlagValues = flags.FLAGS) -> Any:
  """Tokenizer of a model: given flags, else the model's settings, else the defaults.

  Args:
    files: `model_files.ModelFiles`.
    flag_values: parsed flags.

  Raises:
    ValueError: there is no vocabulary.
  """
  from bert_ja import tokenization

  if not files.vocab_file:
    raise ValueError(
      f"{files.directory or 'the model'} has no vocabulary; give --vocab_file"
    )
  settings = {}
  for name in _SWITCHES:
    if not flag_values[name].present and name in files.tokenizer_settings:
      settings[name] = files.tokenizer_settings[name]
    else:
      settings[name] = flag_values[name].value
  return tokenization.FullTokenizer(files.vocab_file, **settings)


def check(tokenizer: Any, config: Any, files: Any) -> None:
  """Checks that tokenizer, config and checkpoint belong together (A-19, A-22).

  Raises:
    ValueError: more pieces than rows of the embedding table, or the wrong case.
  """
  from bert_ja import tokenization

  if len(tokenizer.vocab) > config.vocab_size:
    raise ValueError(
      f"{files.vocab_file} has {len(tokenizer.vocab)} pieces, {files.config_file} a "
      f"vocab_size of {config.vocab_size}; use the vocabulary of this model"
    )
  tokenization.validate_case_matches_checkpoint(
    tokenizer.settings["do_lower_case"], files.init_checkpoint
  )

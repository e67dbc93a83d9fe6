"""Flags that say how text becomes pieces."""

from typing import Any

from absl import flags, logging

from bert_ja.flags import model_flags


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group."""
  from bert_ja import front_ends

  flags.DEFINE_enum(
    "tokenizer",
    "auto",
    ["auto", *front_ends.FRONT_ENDS],
    "The model's way from text to pieces; auto looks at the model's files.",
    flag_values,
  )
  flags.DEFINE_string("vocab_file", None, "One piece a line.", flag_values)
  flags.DEFINE_string(
    "model_file", None, "SentencePiece model, for models that have one.", flag_values
  )
  flags.DEFINE_bool(
    "do_lower_case",
    True,
    "Lower-case the text: for uncased models. Other tokenizers than google have their "
    "own default.",
    flag_values,
  )
  flags.DEFINE_bool(
    "strip_accents",
    None,
    "Remove accents, and with them the voicing marks of kana; as --do_lower_case by "
    "default. --nostrip_accents keeps が from becoming か; it helps where the "
    "vocabulary has が, and that of Google's Chinese model has not.",
    flag_values,
  )
  flags.DEFINE_bool(
    "tokenize_chinese_chars", True, "Make each ideograph a word.", flag_values
  )


def choose(files: Any, flag_values: flags.FlagValues = flags.FLAGS) -> Any:
  """The front end: --tokenizer, or what the model's files speak for.

  Returns:
    `front_end_choice.Choice`.

  Raises:
    ValueError: there is no vocabulary.
  """
  from bert_ja import front_end_choice

  front_end_choice.require_vocabulary(files)
  name = flag_values.tokenizer
  if name == "auto":
    return front_end_choice.choose(files)
  return front_end_choice.Choice(name, "--tokenizer names it", files.tokenizer_settings)


def create_tokenizer(
  files: Any, flag_values: flags.FlagValues = flags.FLAGS, choice: Any = None
) -> Any:
  """Tokenizer of a model: given flags, else its settings, else its front end's defaults.

  Args:
    files: `model_files.ModelFiles`.
    flag_values: parsed flags.
    choice: what `choose` gave, for a caller that has it.

  Raises:
    FileNotFoundError: no such file.
    ImportError: a package or program is not installed.
    ValueError: there is no vocabulary, files do not fit the front end, or a switch
      means nothing to it.
  """
  from bert_ja import front_ends

  choice = choice or choose(files, flag_values)
  front_end = front_ends.get(choice.name)
  logging.info(
    "Tokenizer: %s (%s): %s", choice.name, choice.reason, front_end.description
  )
  settings = dict(choice.settings)
  for name in front_ends.GOOGLE_SWITCHES:
    if flag_values[name].present:
      if name not in front_end.switches:
        raise ValueError(
          f"--{name} means nothing to --tokenizer={choice.name}; leave it out, or "
          "choose google or multilingual-cased"
        )
      settings[name] = flag_values[name].value
  return front_ends.create(choice.name, files.vocab_file, files.model_file, settings)


def read_model(
  files: Any, flag_values: flags.FlagValues, max_seq_length: int | None
) -> tuple[str, Any, Any]:
  """What turns text into a model's ids, all of it checked.

  Args:
    files: `model_files.ModelFiles`.
    flag_values: parsed flags.
    max_seq_length: what the model needs positions for; None for what it has.

  Returns:
    (name of the front end, `modeling.BertConfig`, `tokenization.Tokenizer`).

  Raises:
    ValueError: a part is missing or damaged, or parts do not belong together.
  """
  choice = choose(files, flag_values)
  config = model_flags.load_config(files, choice.name)
  if max_seq_length is not None:
    model_flags.check_length(max_seq_length, config, files)
  tokenizer = create_tokenizer(files, flag_values, choice)
  check(tokenizer, config, files)
  return choice.name, config, tokenizer


def check(tokenizer: Any, config: Any, files: Any) -> None:
  """Checks that tokenizer, config and checkpoint belong together (A-19, A-22).

  Raises:
    ValueError: more pieces than rows of the embedding table, or the wrong case.
  """
  from bert_ja import tokenization

  check_vocab_size(len(tokenizer.vocab), config, files)
  tokenization.validate_case_matches_checkpoint(
    tokenizer.settings.get("do_lower_case", False), files.init_checkpoint
  )


def check_vocab_size(num_pieces: int, config: Any, files: Any) -> None:
  """Checks that the model has a row for each piece (A-22).

  Raises:
    ValueError: it has fewer.
  """
  if num_pieces > config.vocab_size:
    raise ValueError(
      f"{files.vocab_file} has {num_pieces} pieces, {files.config_file or 'the model'} "
      f"a vocab_size of {config.vocab_size}; use the vocabulary of this model"
    )

"""Flags of masked-word and next-sentence training: records, steps, masks."""

from typing import Any

from absl import flags


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group (A-10)."""
  flags.DEFINE_string(
    "input_file",
    None,
    "Records to train on: TFRecord files, plain or gzip; globs, separated by commas.",
    flag_values,
  )
  flags.DEFINE_string(
    "eval_file",
    None,
    "Records to evaluate with, like --input_file, which is taken without it.",
    flag_values,
  )
  flags.DEFINE_string(
    "cache_dir",
    None,
    "Where the places of records in their files are kept, for other runs too; in "
    "--output_dir by default.",
    flag_values,
  )
  flags.DEFINE_bool("do_train", False, "Train on --input_file.", flag_values)
  flags.DEFINE_bool("do_eval", False, "Evaluate.", flag_values)
  for name, default, lowest, text in (
    ("max_predictions_per_seq", 20, 1, "Masked words of a record, padding included."),
    ("num_train_steps", 100000, 1, "Updates in all, those of earlier runs included."),
    ("num_warmup_steps", 10000, 0, "Updates with a rising rate."),
    ("max_eval_steps", 100, 1, "Batches of an evaluation."),
  ):
    flags.DEFINE_integer(name, default, text, lowest, flag_values=flag_values)
  flags.DEFINE_bool(
    "next_sentence",
    True,
    "Train the next-sentence head too; --nonext_sentence makes a model without it.",
    flag_values,
  )
  _define_masking(flag_values)


def _define_masking(flag_values):
  flags.DEFINE_bool(
    "dynamic_masking",
    False,
    "Draw masks anew in each epoch, also where the records have masks; evaluations "
    "keep those.",
    flag_values,
  )
  flags.DEFINE_bool(
    "do_whole_word_mask",
    False,
    "With --dynamic_masking: mask all pieces of a word or none; the records have to "
    "say where words start.",
    flag_values,
  )
  flags.DEFINE_float(
    "masked_lm_prob",
    0.15,
    "With --dynamic_masking: share of masked pieces.",
    0,
    1,
    flag_values,
  )
  flags.DEFINE_integer(
    "mask_token_id",
    None,
    "With --dynamic_masking: the id of [MASK], if no vocabulary in --model_dir says it.",
    0,
    flag_values=flag_values,
  )


def check(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Checks that there is something to do, and for each file that was given.

  Raises:
    ValueError: there is not.
  """
  if not (flag_values.do_train or flag_values.do_eval):
    raise ValueError("nothing to do: give --do_train or --do_eval")
  if flag_values.eval_file and not (flag_values.do_eval or flag_values.eval_steps):
    raise ValueError(
      f"--eval_file={flag_values.eval_file} needs --do_eval or --eval_steps"
    )


def paths(name: str, flag_values: flags.FlagValues = flags.FLAGS) -> list[str]:
  """Files that the globs of a flag name, each once and in their order.

  Raises:
    FileNotFoundError: a glob names no file.
  """
  from bert_ja import input_files

  patterns = flag_values[name].value.split(",")
  found = input_files.paths_of(patterns, f"--{name}", "a file or a glob")
  return list(dict.fromkeys(found))


def masker(
  vocab_file: str | None, vocab_size: int, flag_values: flags.FlagValues = flags.FLAGS
) -> Any:
  """The flags as `masking.Masking`; None where records keep their masks.

  Args:
    vocab_file: has the id of [MASK], where no flag says it.
    vocab_size: pieces of the model.
    flag_values: parsed flags.

  Raises:
    ValueError: the id of [MASK] is not known, or not the model's; or something is said
      of masks where none are drawn.
  """
  from bert_ja.data import masking, pretraining_input

  if not flag_values.dynamic_masking:
    for name in ("do_whole_word_mask", "masked_lm_prob", "mask_token_id"):
      if flag_values[name].present and flag_values[name].value is not False:
        raise ValueError(
          f"--{name} needs --dynamic_masking: masks in the records stay as they are"
        )
    return None
  mask_id = flag_values.mask_token_id
  place = f"--mask_token_id={mask_id}"
  if mask_id is None:
    mask_id = pretraining_input.mask_token_id(vocab_file)
    place = f"{vocab_file} has [MASK] as piece {mask_id}"
  if mask_id >= vocab_size:
    raise ValueError(
      f"{place}, but the model has {vocab_size} pieces; give the model's own"
    )
  return masking.Masking(
    mask_id,
    vocab_size,
    flag_values.max_predictions_per_seq,
    flag_values.masked_lm_prob,
    flag_values.do_whole_word_mask,
    flag_values.seed,
  )

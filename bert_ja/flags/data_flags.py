"""Flags that say which rows, how long, and how they become batches."""

from typing import Any

from absl import flags

from bert_ja.flags import flag_groups


@flag_groups.selectable
def define(
  flag_values: flags.FlagValues = flags.FLAGS, max_seq_length: int = 128
) -> None:
  """Defines the group, or some of its flags.

  Args:
    flag_values: where.
    max_seq_length: default of the flag.
  """
  flags.DEFINE_integer(
    "max_seq_length",
    max_seq_length,
    "Most pieces of a row, special ones included; longer rows are cut.",
    lower_bound=3,
    flag_values=flag_values,
  )
  flags.DEFINE_bool(
    "bucket_by_length", False, "Group training rows of like length.", flag_values
  )
  flags.DEFINE_bool(
    "pad_to_max_length",
    None,
    "Pad every batch to --max_seq_length instead of its longest row; the default on "
    "TPU and with --xla.",
    flag_values,
  )
  flags.DEFINE_string(
    "cache_dir",
    None,
    "Where converted rows are kept by content, for other runs too; beside the results "
    "by default.",
    flag_values,
  )


def batch_options(
  strategy: Any, flag_values: flags.FlagValues = flags.FLAGS, pad: bool = False
) -> Any:
  """The flags as `input_pipeline.BatchOptions` for a strategy.

  Args:
    strategy: where batches go.
    flag_values: parsed flags.
    pad: whether batches have full length where the flags do not say.
  """
  from bert_ja import distribution
  from bert_ja.data import input_pipeline

  full = flag_values.pad_to_max_length
  if full is None:
    full = pad or distribution.is_tpu(strategy) or flag_values.xla
  return input_pipeline.BatchOptions(flag_values.bucket_by_length, full)

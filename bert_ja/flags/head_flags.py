"""Flags that say what stands on the encoder: a linear layer, or layers before it."""

from typing import Any

from absl import flags

# Flags whose values belong to a trained model: with --model_dir they need not be given.
RECORDED = ("head", "mlp_layers", "head_dropout")


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group."""
  flags.DEFINE_enum(
    "head",
    "linear",
    ["linear", "mlp"],
    "What turns a row's vector into classes: one linear layer, as the original has, or "
    "hidden layers before it.",
    flag_values,
  )
  flags.DEFINE_list(
    "mlp_layers", "256,128", "With --head=mlp: sizes of the hidden layers.", flag_values
  )
  flags.DEFINE_float(
    "head_dropout",
    0.1,
    "Dropout before each layer of the head, from 0 to less than 1.",
    0,
    None,
    flag_values,
  )


def read(flag_values: flags.FlagValues = flags.FLAGS) -> Any:
  """The flags as `heads.HeadOptions`.

  Raises:
    ValueError: a size is no whole number, or is given for another head.
  """
  from bert_ja import heads

  if flag_values.head == "linear":
    if flag_values["mlp_layers"].present:
      raise ValueError("--mlp_layers needs --head=mlp")
    return heads.HeadOptions((), flag_values.head_dropout)
  sizes = flag_values.mlp_layers
  if not sizes or not all(size.isdecimal() and int(size) for size in sizes):
    raise ValueError(
      f"--mlp_layers={','.join(sizes)}: expected sizes of hidden layers from 1 on, "
      "such as 256,128"
    )
  return heads.HeadOptions(tuple(map(int, sizes)), flag_values.head_dropout)


def recorded(flag_values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
  """The values to keep beside a trained model."""
  return {name: flag_values[name].value for name in RECORDED}

"""Flags that say how the two texts of a row meet: in one sequence, or behind it."""

from typing import Any

from absl import flags

_COMPARISON = ("combination", "attention_size")


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the group."""
  flags.DEFINE_enum(
    "pair_model",
    "joint",
    ["joint", "two_tower"],
    "Two texts of a row as one sequence, as the original has them; or each encoded "
    "alone, with --max_seq_length of its own, and their vectors compared.",
    flag_values,
  )
  flags.DEFINE_enum(
    "combination",
    "all",
    [
      "concat",
      "difference",
      "product",
      "all",
      "attention_dot",
      "attention_additive",
      "attention_reduced",
    ],
    "With --pair_model=two_tower: how vectors u and v are compared. all is u, v, "
    "|u - v|, u * v; an attention compares the vectors of all pieces.",
    flag_values,
  )
  flags.DEFINE_integer(
    "attention_size",
    64,
    "With --combination=attention_additive or attention_reduced: size that vectors are "
    "projected to for the scores.",
    1,
    None,
    flag_values,
  )


def read(flag_values: flags.FlagValues = flags.FLAGS) -> Any:
  """The flags as `two_tower.PairOptions`; None for one sequence.

  Raises:
    ValueError: a flag of the comparison is given where there is none.
  """
  if flag_values.pair_model == "joint":
    for name in _COMPARISON:
      if flag_values[name].present:
        raise ValueError(f"--{name} needs --pair_model=two_tower")
    return None
  from bert_ja import two_tower

  return two_tower.PairOptions(flag_values.combination, flag_values.attention_size)


def features(flag_values: flags.FlagValues = flags.FLAGS) -> Any:
  """The module that makes rows of two texts; None for a task's own."""
  from bert_ja.data import tower_features

  return None if flag_values.pair_model == "joint" else tower_features


def recorded(flag_values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
  """The values to keep beside a trained model."""
  names = ("pair_model",)
  if flag_values.pair_model != "joint":
    names += _COMPARISON
  return {name: flag_values[name].value for name in names}

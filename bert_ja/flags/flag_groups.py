"""What the groups of flags have in common."""

import functools
from collections.abc import Callable, Collection

from absl import flags


def selectable(define: Callable) -> Callable:
  """Decorates a group's `define(flag_values, ...)`, so that it can define a part.

  Returns:
    The function with two more arguments, `only` and `without`: names of the flags to
    define, or of those to leave out. All flags are the group's, whichever there are.
  """

  @functools.wraps(define)
  def define_some(
    flag_values: flags.FlagValues = flags.FLAGS,
    *arguments,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
    **options,
  ):
    if only is None and not without:
      define(flag_values, *arguments, **options)
      return
    group = flags.FlagValues()
    define(group, *arguments, **options)
    names = list(group) if only is None else only
    if unknown := {*names, *without} - {*group}:
      raise ValueError(f"{define.__module__} has no flag {', '.join(sorted(unknown))}")
    for name in names:
      if name not in without:
        flags.DEFINE_flag(group[name], flag_values, define.__module__)

  return define_some

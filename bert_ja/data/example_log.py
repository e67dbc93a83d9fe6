"""The first examples in a log, so that a user sees what a model is given."""

from collections.abc import Iterable
from typing import Any

from absl import logging

_UNKNOWN = ("[UNK]", "<unk>")
_MOST_UNKNOWN = 0.2  # of an example's pieces; texts that fit have far fewer


def log_example(lines: Iterable[tuple[str, Any]]) -> None:
  """Logs an example as the original does.

  Where many of its `tokens` are unknown, a warning follows: the ids of a vocabulary that
  is not the model's look like any others.

  Args:
    lines: (name, value) of each line; a value of several parts, such as a list, is
      shown with spaces between them.
  """
  logging.info("*** Example ***")
  for name, value in lines:
    if name == "tokens":
      value = list(value)
      unknown = sum(token in _UNKNOWN for token in value)
      if unknown >= max(_MOST_UNKNOWN * len(value), 3):
        logging.warning(
          "%d of %d pieces of this example are unknown: check that --vocab_file and "
          "--tokenizer are the model's; bert-ja tokenize shows what they make of a file",
          *(unknown, len(value)),
        )
    if isinstance(value, Iterable) and not isinstance(value, str):
      value = " ".join(map(str, value))
    logging.info("%s: %s", name, value)

"""Makes tables of SNIPS's intents, which lie in files beside those of its slots.

  python -m benchmarks.make_snips_intents --snips_dir=snips --output_dir=snips_intents

The slots need none: `--task_name=tagging --data_dir=snips` reads the folders train, valid
and test, with `seq.in` and `seq.out`.
"""

import os
from collections.abc import Sequence

from absl import flags

from bert_ja import text_io
from bert_ja.commands import livedoor
from bert_ja.flags import command_line

FLAGS = flags.FLAGS
_SETS = {"train": "train", "valid": "dev", "test": "test"}


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags."""
  for name, text in (
    ("snips_dir", "Its folders train, valid and test, with seq.in and label."),
    ("output_dir", "Where train.tsv, dev.tsv and test.tsv go; created if missing."),
  ):
    flags.DEFINE_string(name, None, text, flag_values)


def main(argv: Sequence[str]) -> None:
  """Writes the tables."""
  del argv
  command_line.require(FLAGS, "snips_dir", "output_dir")
  # All are read before the first is written.
  tables = {
    name: read_set(os.path.join(FLAGS.snips_dir, folder))
    for folder, name in _SETS.items()
  }
  text_io.makedirs(FLAGS.output_dir)
  for name, rows in tables.items():
    path = os.path.join(FLAGS.output_dir, f"{name}.tsv")
    livedoor.write_rows(path, rows)
    print(f"{path}: {len(rows)} sentences")


def read_set(directory: str) -> list[tuple[str, str]]:
  """(sentence, intent) of a folder's lines.

  Raises:
    FileNotFoundError: a file is missing.
    ValueError: the files have not as many lines.
  """
  texts, labels = (
    [line.strip() for line in text_io.read_lines(os.path.join(directory, name))]
    for name in ("seq.in", "label")
  )
  if len(texts) != len(labels):
    raise ValueError(
      f"{directory}: expected a label for each sentence, found {len(texts)} lines in "
      f"seq.in and {len(labels)} in label"
    )
  return list(zip(texts, labels, strict=True))


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

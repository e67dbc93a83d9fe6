"""Makes small Japanese tasks from published data, to compare models on.

  python -m benchmarks.make_japanese_tasks --jrte_dir=jrte --jglue_dir=jglue \
    --output_dir=tasks

reviews: hotel reviews of JRTE's pn.tsv, labels 1 and -1, its own split; train_500.tsv and
train_1000.tsv are drawn from the train set, the first from the second.
jsquad: JSQuAD's valid set in two (`halve_questions`).
"""

import os
import random
from collections.abc import Sequence

from absl import flags

from benchmarks import halve_questions
from bert_ja import table_files, text_io
from bert_ja.commands import livedoor
from bert_ja.flags import command_line

FLAGS = flags.FLAGS
_REVIEW_SETS = ("train", "dev", "test")
_REVIEW_LABELS = ("1", "-1")
_REVIEW_PARTS = (500, 1000)
_SEED = 12345


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags."""
  for name, text in (
    ("jrte_dir", "JRTE's folder, with pn.tsv."),
    ("jglue_dir", "JGLUE's folder, with jsquad-v1.3."),
    ("output_dir", "Where the folders reviews and jsquad go; created if missing."),
  ):
    flags.DEFINE_string(name, None, text, flag_values)


def main(argv: Sequence[str]) -> None:
  """Writes both."""
  del argv
  command_line.require(FLAGS, "jrte_dir", "jglue_dir", "output_dir")
  make_reviews(FLAGS.jrte_dir, os.path.join(FLAGS.output_dir, "reviews"))
  jsquad = os.path.join(FLAGS.jglue_dir, "jsquad-v1.3", "valid-v1.3.json")
  halve_questions.halve(jsquad, os.path.join(FLAGS.output_dir, "jsquad"))


def make_reviews(jrte_dir: str, output_dir: str) -> None:
  """Writes train, dev, test and parts of train, with the columns text and label."""
  tables = {name: [] for name in _REVIEW_SETS}
  for row in table_files.read_tsv(os.path.join(jrte_dir, "pn.tsv")):
    _, label, text, _, name = row
    if label in _REVIEW_LABELS:
      tables[name].append((text, label))
  drawn = list(tables["train"])
  random.Random(_SEED).shuffle(drawn)
  tables |= {f"train_{number}": drawn[:number] for number in _REVIEW_PARTS}
  text_io.makedirs(output_dir)
  for name, rows in tables.items():
    path = os.path.join(output_dir, f"{name}.tsv")
    livedoor.write_rows(path, rows)
    print(f"{path}: {len(rows)} reviews")


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

"""Makes a train and a dev set of a single file of SQuAD's form.

  python -m benchmarks.halve_questions --dataset_file=DRCD_dev.json --output_dir=drcd

Articles go in turn to dev.json and train.json, so that the sets have none in common. Each
question of train.json keeps the first of its answers: training takes one.
"""

import os
from collections.abc import Sequence

from absl import flags

from bert_ja import text_io
from bert_ja.flags import command_line

FLAGS = flags.FLAGS


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags."""
  flags.DEFINE_string("dataset_file", None, "A file of SQuAD's form.", flag_values)
  flags.DEFINE_string("output_dir", None, "Created if missing.", flag_values)


def main(argv: Sequence[str]) -> None:
  """Writes both."""
  del argv
  command_line.require(FLAGS, "dataset_file", "output_dir")
  halve(FLAGS.dataset_file, FLAGS.output_dir)


def halve(dataset_file: str, output_dir: str) -> None:
  """Writes train.json and dev.json into a directory, which is created if missing."""
  articles = text_io.read_json(dataset_file)["data"]
  text_io.makedirs(output_dir)
  for first, name in enumerate(("dev", "train")):
    path, half = os.path.join(output_dir, f"{name}.json"), articles[first::2]
    paragraphs = [part for article in half for part in article["paragraphs"]]
    questions = [question for part in paragraphs for question in part["qas"]]
    if name == "train":
      for question in questions:
        question["answers"] = question["answers"][:1]
    text_io.write_json(path, {"data": half})
    print(f"{path}: {len(half)} articles, {len(questions)} questions")


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

"""Divides hotel reviews by what they speak of, for a study over genres.

  python -m benchmarks.make_japanese_tasks --jrte_dir=jrte --jglue_dir=jglue \
    --output_dir=tasks
  python -m benchmarks.make_review_genres --reviews_dir=tasks/reviews --output_dir=genres

A sentence belongs to the genre whose word stands first in it; sentences with none of the
words are left out.
"""

import os
import re
from collections.abc import Sequence

from absl import flags

from bert_ja import table_files, text_io
from bert_ja.commands import livedoor
from bert_ja.flags import command_line

FLAGS = flags.FLAGS
GENRES = {
  "room": "部屋|ベッド|清潔|掃除|アメニティ",
  "food": "食|料理|バイキング|味",
  "bath": "風呂|温泉|露天|浴場|お湯|シャワー",
  "staff": "スタッフ|対応|接客|サービス|フロント|従業員",
  "place": "駅|立地|場所|近|便利|景色|眺め",
}


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags."""
  for name, text in (
    ("reviews_dir", "train.tsv, dev.tsv and test.tsv with the columns text and label."),
    ("output_dir", "Where a folder for each genre goes; created if missing."),
  ):
    flags.DEFINE_string(name, None, text, flag_values)


def main(argv: Sequence[str]) -> None:
  """Writes train.tsv, dev.tsv and test.tsv of each genre."""
  del argv
  command_line.require(FLAGS, "reviews_dir", "output_dir")
  for split in ("train", "dev", "test"):
    name = f"{split}.tsv"
    _, rows = table_files.read_table(os.path.join(FLAGS.reviews_dir, name))
    reviews = [(row["text"], row["label"]) for _, row in rows]
    for genre in GENRES:
      directory = os.path.join(FLAGS.output_dir, genre)
      text_io.makedirs(directory)
      of_genre = [review for review in reviews if genre_of(review[0]) == genre]
      path = os.path.join(directory, name)
      livedoor.write_rows(path, of_genre)
      print(f"{path}: {len(of_genre)} reviews")


def genre_of(text: str) -> str | None:
  """The genre whose word stands first in a text; None if none does."""
  found = {genre: re.search(words, text) for genre, words in GENRES.items()}
  places = {genre: match.start() for genre, match in found.items() if match}
  return min(places, key=places.get, default=None)


if __name__ == "__main__":
  define_flags()
  command_line.run(main)

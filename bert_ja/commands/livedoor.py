"""Make training, development and test files from the livedoor news corpus."""

import collections
import csv
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Iterable, Sequence

from absl import flags, logging

from bert_ja import text_io
from bert_ja.flags import command_line

FLAGS = flags.FLAGS

Row = tuple[str, str]

# Address and time of an article come before its title.
_HEAD_LINES = 2
_SEED = 23
_SMALL_FRACTION = 0.2


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of this command."""
  flags.DEFINE_string(
    "archive",
    None,
    "The corpus as published: ldcc-20140209.tar.gz.",
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    "output_dir",
    None,
    "Where train.tsv, dev.tsv and test.tsv go; created if missing.",
    flag_values=flag_values,
  )
  flags.DEFINE_bool(
    "small",
    False,
    "Also write train_small.tsv, one fifth of the training rows.",
    flag_values=flag_values,
  )


def main(argv: Sequence[str]) -> None:
  """Reads the archive and writes the files."""
  del argv
  command_line.require(FLAGS, "archive", "output_dir")
  parts = split(read_articles(FLAGS.archive))
  if FLAGS.small:
    parts["train_small"] = small_part(parts["train"])
  text_io.makedirs(FLAGS.output_dir)
  for name, rows in parts.items():
    path = os.path.join(FLAGS.output_dir, f"{name}.tsv")
    write_rows(path, rows)
    logging.info("%s: %d articles", path, len(rows))


def read_articles(archive: str) -> list[Row]:
  """Articles of the corpus, by category and then by file name (contract B-29, B-30).

  Args:
    archive: a tar file, compressed or not, with `text/<category>/<category>-<id>.txt`.

  Returns:
    (text, category) rows.

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: it is no tar file, is damaged, has another content, or lacks a category.
  """
  from bert_ja.tasks import livedoor

  names = re.compile(rf"(?:\./)?text/({'|'.join(livedoor.LABELS)})/\1-[^/]*\.txt")
  articles = {}
  damaged = f"{archive} is damaged or no tar archive; expected ldcc-20140209.tar.gz"
  try:
    with (
      text_io.open_file(archive, "rb") as reader,
      tarfile.open(fileobj=reader) as tar,
    ):
      for member in tar:
        match = names.fullmatch(member.name)
        if match and member.isfile():
          data = tar.extractfile(member).read()
          articles[match[1], member.name] = article_text(data, member.name)
  except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
    if getattr(error, "errno", None) is not None:  # of the system, not of the data
      raise
    raise ValueError(f"{damaged} ({error})") from None
  counts = collections.Counter(category for category, _ in articles)
  missing = [label for label in livedoor.LABELS if label not in counts]
  if missing:
    raise ValueError(
      f"{archive} has no articles text/<category>/<category>-<id>.txt of "
      f"{', '.join(missing)}; expected ldcc-20140209.tar.gz"
    )
  return [(text, key[0]) for key, text in sorted(articles.items())]


def article_text(data: bytes, name: str) -> str:
  """The title and body of an article's file in one line (contract B-30).

  Raises:
    ValueError: the file is not UTF-8.
  """
  try:
    lines = data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n").split("\n")
  except UnicodeDecodeError:
    raise ValueError(f"{name} in the archive: expected UTF-8") from None
  text = "".join(line.strip() for line in lines[_HEAD_LINES:])
  return text.replace("\t", "\u3000")


def split(rows: Sequence[Row]) -> dict[str, list[Row]]:
  """Shuffles and splits 2 : 2 : 6 (contract B-31).

  Returns:
    {"test", "dev", "train": rows}
  """
  rows = _sample(rows, len(rows))
  one, two = len(rows) // 5, len(rows) * 2 // 5
  return {"test": rows[:one], "dev": rows[one:two], "train": rows[two:]}


def small_part(rows: Sequence[Row]) -> list[Row]:
  """One fifth of the training rows (contract B-37)."""
  return _sample(rows, round(_SMALL_FRACTION * len(rows)))


def _sample(rows, count):
  """The rows that pandas' `sample(n=count, random_state=23)` draws, in its order."""
  import numpy as np

  order = np.random.RandomState(_SEED).permutation(len(rows))
  return [rows[index] for index in order[:count]]


def write_rows(path: str, rows: Iterable[Row]) -> None:
  """Writes `text`, `label` columns as pandas does, whole or not at all (B-32).

  A cell with a quote is quoted and its quotes are doubled.
  """
  with text_io.written_whole(path) as writer:
    table = csv.writer(writer, delimiter="\t", lineterminator="\n")
    table.writerow(("text", "label"))
    table.writerows(rows)

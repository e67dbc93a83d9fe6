"""Livedoor news: which of nine sites is an article from? (contract B-29..33)."""

import os

from bert_ja import table_files
from bert_ja.tasks import base, registry

LABELS = (
  "dokujo-tsushin",
  "it-life-hack",
  "kaden-channel",
  "livedoor-homme",
  "movie-enter",
  "peachy",
  "smax",
  "sports-watch",
  "topic-news",
)


@registry.register("livedoor")
class LivedoorProcessor(base.SetProcessor):
  """Files that `bert-ja livedoor` makes, or the fork's notebook made.

  Columns `text` and `label` are found by name. As in the fork: quotes are ordinary
  characters, so an article that the writer quoted is read with its outer quotes.

  Args:
    train_file: training file in the data directory, for example `train_small.tsv`.
    dev_file: development file.
    test_file: test file; its labels are read too.
  """

  test_labels_are_known = True

  def __init__(
    self,
    train_file: str = "train.tsv",
    dev_file: str = "dev.tsv",
    test_file: str = "test.tsv",
  ):
    self._files = {"train": train_file, "dev": dev_file, "test": test_file}

  def get_labels(self) -> list[str]:
    return list(LABELS)

  def examples(self, data_dir: str, set_type: str) -> list[base.InputExample]:
    path = os.path.join(data_dir, self._files[set_type])
    header = next(iter(table_files.read_tsv(path)), [])
    for name in ("text", "label"):
      if name not in header:
        raise ValueError(
          f"{path}, line 1: expected columns text and label, found "
          f"{', '.join(header) or 'none'}"
        )
    text, label = header.index("text"), header.index("label")
    return [
      base.InputExample(f"{set_type}-{row}", cells[text], None, cells[label], source)
      for row, cells, source in base.read_rows(path, max(text, label) + 1)
    ]

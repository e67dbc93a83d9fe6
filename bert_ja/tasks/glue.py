"""The GLUE tasks of the original: MRPC, MNLI, CoLA (contract A-84..86)."""

import os

from bert_ja.tasks import base, registry


@registry.register("mrpc")
class MrpcProcessor(base.SetProcessor):
  """Microsoft Research paraphrase corpus: whether two sentences say the same."""

  def get_labels(self) -> list[str]:
    return ["0", "1"]

  def examples(self, data_dir: str, set_type: str) -> list[base.InputExample]:
    path = os.path.join(data_dir, f"{set_type}.tsv")
    return [
      base.InputExample(
        guid=f"{set_type}-{row}",
        text_a=cells[3],
        text_b=cells[4],
        label="0" if set_type == "test" else cells[0],
        source=source,
      )
      for row, cells, source in base.read_rows(path, 5)
    ]


@registry.register("mnli")
class MnliProcessor(base.DataProcessor):
  """Multi-genre natural language inference, the matched sets."""

  def get_train_examples(self, data_dir: str) -> list[base.InputExample]:
    return self._examples(data_dir, "train.tsv", "train")

  def get_dev_examples(self, data_dir: str) -> list[base.InputExample]:
    return self._examples(data_dir, "dev_matched.tsv", "dev_matched")

  def get_test_examples(self, data_dir: str) -> list[base.InputExample]:
    return self._examples(data_dir, "test_matched.tsv", "test")

  def get_labels(self) -> list[str]:
    return ["contradiction", "entailment", "neutral"]

  def _examples(self, data_dir, file_name, set_type):
    path, is_test = os.path.join(data_dir, file_name), set_type == "test"
    # Texts in columns 8 and 9; a label in the last one is a column more.
    return [
      base.InputExample(
        guid=f"{set_type}-{cells[0]}",
        text_a=cells[8],
        text_b=cells[9],
        label="contradiction" if is_test else cells[-1],
        source=source,
      )
      for _, cells, source in base.read_rows(path, 10 if is_test else 11)
    ]


@registry.register("cola")
class ColaProcessor(base.DataProcessor):
  """Corpus of linguistic acceptability: whether a sentence is grammatical."""

  def get_train_examples(self, data_dir: str) -> list[base.InputExample]:
    return self._labelled(data_dir, "train")

  def get_dev_examples(self, data_dir: str) -> list[base.InputExample]:
    return self._labelled(data_dir, "dev")

  def get_test_examples(self, data_dir: str) -> list[base.InputExample]:
    path = os.path.join(data_dir, "test.tsv")
    return [
      base.InputExample(f"test-{row}", cells[1], label="0", source=source)
      for row, cells, source in base.read_rows(path, 2)
    ]

  def get_labels(self) -> list[str]:
    return ["0", "1"]

  def _labelled(self, data_dir, set_type):
    """Only the test file has a header."""
    path = os.path.join(data_dir, f"{set_type}.tsv")
    return [
      base.InputExample(f"{set_type}-{row}", cells[3], label=cells[1], source=source)
      for row, cells, source in base.read_rows(path, 4, header=False)
    ]

"""XNLI: natural language inference in 15 languages (contract A-87, A-88)."""

import os

from bert_ja.tasks import base, registry


@registry.register("xnli")
class XnliProcessor(base.DataProcessor):
  """One language of XNLI.

  Args:
    language: its code in the files; the original had `zh` in its source. Training
      reads `multinli/multinli.train.<language>.tsv`.
  """

  test_labels_are_known = True

  def __init__(self, language: str = "zh"):
    self.language = language

  def get_train_examples(self, data_dir: str) -> list[base.InputExample]:
    path = os.path.join(data_dir, "multinli", f"multinli.train.{self.language}.tsv")
    return [
      base.InputExample(
        guid=f"train-{row}",
        text_a=cells[0],
        text_b=cells[1],
        # The translated training files have another spelling than the label list.
        label="contradiction" if cells[2] == "contradictory" else cells[2],
        source=source,
      )
      for row, cells, source in base.read_rows(path, 3)
    ]

  def get_dev_examples(self, data_dir: str) -> list[base.InputExample]:
    return self._of_language(data_dir, "dev")

  def get_test_examples(self, data_dir: str) -> list[base.InputExample]:
    """As the development set, from `xnli.test.tsv`; the original had no reader."""
    return self._of_language(data_dir, "test")

  def get_labels(self) -> list[str]:
    return ["contradiction", "entailment", "neutral"]

  def _of_language(self, data_dir, set_type):
    path = os.path.join(data_dir, f"xnli.{set_type}.tsv")
    examples, languages = [], set()
    for row, cells, source in base.read_rows(path, 8):
      languages.add(cells[0])
      if cells[0] == self.language:
        examples.append(
          base.InputExample(f"{set_type}-{row}", cells[6], cells[7], cells[1], source)
        )
    if not examples:
      raise ValueError(
        f"{path} has no row in language {self.language!r} "
        f"(found: {', '.join(sorted(languages)) or 'no row at all'}); set --xnli_language"
      )
    return examples

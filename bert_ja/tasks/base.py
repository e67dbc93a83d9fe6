"""What every task has: examples of three sets and a list of labels."""

from collections.abc import Iterator, Mapping
from typing import Any

from bert_ja import table_files

# Defined where they become features; a task's file finds them here, as readers of the
# original expect.
from bert_ja.data.pair_features import InputExample as InputExample
from bert_ja.data.pair_features import InputFeatures as InputFeatures
from bert_ja.data.pair_features import PaddingInputExample as PaddingInputExample


class DataProcessor:
  """Reads the examples of a task.

  Options are keyword arguments of the constructor; `registry.get_processor` hands a
  task those it names.

  Attributes:
    kind: what is predicted, a name of `kinds`: `"sentence"` for one label for one or
      two texts.
    kind_options: keyword arguments of the kind's constructor besides labels.
    test_labels_are_known: whether labels of the test set are true ones, so that
      predictions can be scored. The original's tasks put dummies there.
    left_out: for each set that was read how many of its rows were too long to stay.
  """

  kind = "sentence"
  kind_options: Mapping[str, Any] = {}
  test_labels_are_known = False
  left_out: Mapping[str, int] = {}

  def get_train_examples(self, data_dir: str) -> list[InputExample]:
    """The examples to train on."""
    raise NotImplementedError(f"{type(self).__name__} has no training set")

  def get_dev_examples(self, data_dir: str) -> list[InputExample]:
    """The examples to evaluate on."""
    raise NotImplementedError(f"{type(self).__name__} has no development set")

  def get_test_examples(self, data_dir: str) -> list[InputExample]:
    """The examples to predict; their labels may be dummies or None."""
    raise NotImplementedError(f"{type(self).__name__} has no test set")

  def get_labels(self) -> list[str]:
    """The labels; a label's id is its place in the list."""
    raise NotImplementedError(f"{type(self).__name__} has no labels")

  @classmethod
  def _read_tsv(cls, input_file: str, quotechar: None = None) -> list[list[str]]:
    """Rows of tab-separated cells with literal quotes (contract A-83).

    For processors written for the original; `read_rows` has better messages.
    """
    if quotechar is not None:
      raise ValueError(
        f"quotechar={quotechar!r}: quotes are ordinary characters in these files"
      )
    return table_files.read_tsv(input_file)


class SetProcessor(DataProcessor):
  """A task that reads its three sets alike: a subclass defines `examples`."""

  def examples(self, data_dir: str, set_type: str) -> list[InputExample]:
    """The examples of "train", "dev" or "test"."""
    raise NotImplementedError(f"{type(self).__name__} defines no examples")

  def get_train_examples(self, data_dir: str) -> list[InputExample]:
    return self.examples(data_dir, "train")

  def get_dev_examples(self, data_dir: str) -> list[InputExample]:
    return self.examples(data_dir, "dev")

  def get_test_examples(self, data_dir: str) -> list[InputExample]:
    return self.examples(data_dir, "test")


def read_rows(
  path: str, num_cells: int, header: bool = True
) -> Iterator[tuple[int, list[str], str]]:
  """Rows of a TSV file, with literal quotes (contract A-83), that are long enough.

  Args:
    path: the file.
    num_cells: cells that a row has at least.
    header: whether the first line is column names, to be left out.

  Yields:
    (row number from 0, header included; cells; `"<path>, line <number from 1>"`)

  Raises:
    FileNotFoundError: the path does not exist.
    ValueError: a row has fewer cells.
  """
  for row, cells in enumerate(table_files.read_tsv(path)):
    if row == 0 and header:
      continue
    source = f"{path}, line {row + 1}"
    if len(cells) < num_cells:
      raise ValueError(
        f"{source}: expected at least {num_cells} tab-separated cells, "
        f"found {len(cells)}"
      )
    yield row, cells, source

"""Rows of a study's sets: counts by label, and sets that cannot be used."""

import pytest

from bert_ja.studies import study_data
from bert_ja.studies.study_data import Counts
from bert_ja.tasks import base, registry

_ROWS = {
  "train": ["1", "0", "0", "1", "0", "0", "0", "0"],
  "dev": ["0", "1", "0"],
  "test": ["1", "1", "0"],
}


@pytest.fixture
def table(tmp_path):
  """Function: labels of each split (None for an empty cell) -> (processor, data_dir)."""

  def table(task_name="table", **labels):
    for split, names in {**_ROWS, **labels}.items():
      lines = [f"row {number},{name}\n" for number, name in enumerate(names)]
      (tmp_path / f"{split}.csv").write_text("text,label\n" + "".join(lines))
    return registry.get_processor(task_name, data_dir=str(tmp_path)), str(tmp_path)

  return table


class TestRead:
  def test_rows_of_each_label_and_split(self, table):
    processor, data_dir = table()
    rows = study_data.read(processor, data_dir, ("train", "dev", "test"))
    assert study_data.count(processor.get_labels(), rows) == Counts(
      ("0", "1"), {"train": (6, 2), "dev": (2, 1), "test": (1, 2)}
    )

  def test_without_a_test_none_is_read(self, table):
    rows = study_data.read(*table(test=["x"]), ("train", "dev"))
    assert list(rows) == ["train", "dev"]

  def test_rows_held_out_are_the_dev_set(self, table):
    rows = study_data.read(*table(dev=["x"]), ("train", "dev"), 0.5, 1)
    counts = study_data.count(("0", "1"), rows)
    assert counts.rows == {"train": (3, 1), "dev": (3, 1)}

  def test_a_test_set_without_labels_is_told(self, table):
    with pytest.raises(ValueError, match="1 rows of the test set lack labels, so that"):
      study_data.read(*table(test=["0", "", "1"]), ("train", "dev", "test"))

  def test_another_kind_of_task_is_told(self, table):
    with pytest.raises(ValueError, match="this task's kind is 'regression', choose"):
      study_data.read(*table("regression"), ("train", "dev"))


class TestSameRows:
  def rows(self, *lines, label="0", text="x"):
    return [
      base.InputExample("", text, None, label, f"dev.csv, line {line}")
      for line in lines
    ]

  @pytest.fixture
  def same(self):
    same = study_data.SameRows()
    same.check("'small, all'", {"train": self.rows(2), "dev": self.rows(2, 3)})
    return same

  @pytest.mark.parametrize(
    "rows",
    [{"dev": ((2,), {})}, {"dev": ((2, 4), {})}, {"dev": ((2, 3), {"label": "1"})}],
  )
  def test_other_rows_or_labels_are_told(self, same, rows):
    lines, values = rows["dev"]
    message = (
      rf"^rows differ between 'small, all' and 'b' \(dev: 2 and {len(lines)}\), "
    )
    with pytest.raises(ValueError, match=message):
      same.check("'b'", {"train": self.rows(2), "dev": self.rows(*lines, **values)})

  def test_texts_and_further_splits_may_differ(self, same):
    rows = {"dev": self.rows(2, 3, text="another column"), "test": self.rows(7)}
    same.check("'b'", rows)


def counts(labels=("0", "1"), **rows):
  whole = (3,) * len(labels)
  return Counts(labels, {"train": whole, "dev": whole, "test": whole, **rows})


class TestCheck:
  def test_sets_that_have_all_pass(self):
    study_data.check("s.toml", {"a": counts(), "b": counts(("x", "y"))})

  @pytest.mark.parametrize("split", ["train", "dev", "test"])
  def test_a_set_without_positive_rows(self, split):
    message = (
      f"^s.toml: set 'b': its {split} set has no rows of label '1', the positive one; "
      "divide its rows otherwise, or leave the set out$"
    )
    with pytest.raises(ValueError, match=message):
      study_data.check("s.toml", {"a": counts(), "b": counts(**{split: (3, 0)})})

  def test_a_set_without_negative_rows(self):
    with pytest.raises(
      ValueError, match="its dev set has no rows of label '0'; divide"
    ):
      study_data.check("s.toml", {"a": counts(dev=(0, 3))})

  def test_a_label_that_another_set_has(self):
    message = "set 'b': its train set has no rows of label 'y', which 'a' has"
    sets = {"a": counts(("x", "y", "z")), "b": counts(("x", "z"))}
    with pytest.raises(ValueError, match=message):
      study_data.check("s.toml", sets)

  def test_a_single_label(self):
    with pytest.raises(
      ValueError, match="all rows of its train set have the label '1'"
    ):
      study_data.check("s.toml", {"a": counts(("1",))})

  def test_of_many_labels_dev_and_test_may_lack_some(self):
    three = ("x", "y", "z")
    study_data.check("s.toml", {"a": counts(three, dev=(1, 0, 0), test=(0, 1, 1))})
    with pytest.raises(ValueError, match="its train set has no rows of label 'z'"):
      study_data.check("s.toml", {"a": counts(three, train=(1, 1, 0))})


class TestColumns:
  TWO, THREE = {"a": counts()}, {"a": counts(), "b": counts(("x", "y", "z"))}

  def test_of_two_labels_the_positive_one_has_its_own(self):
    assert study_data.columns("s.toml", None, "accuracy", self.TWO) == (
      *("accuracy", "recall", "f1"),
      "f1_macro",
    )

  def test_of_more_labels_there_is_no_positive_one(self):
    found = study_data.columns("s.toml", None, "accuracy", self.THREE)
    assert found == ("accuracy", "f1_macro")

  def test_the_files_own_stay(self):
    chosen = ("auc", "precision")
    assert study_data.columns("s.toml", chosen, "loss", self.TWO) == chosen

  @pytest.mark.parametrize(
    ("chosen", "metric", "message"),
    [
      (("acuracy",), "f1", "columns: there is no metric 'acuracy' of set 'a', which "),
      (("f1",), "acuracy", "metric: .*'acuracy'.* did you mean 'accuracy'?"),
    ],
  )
  def test_misspelt_metrics(self, chosen, metric, message):
    with pytest.raises(ValueError, match=f"^s.toml: {message}"):
      study_data.columns("s.toml", chosen, metric, self.TWO)

  def test_a_metric_of_two_labels_is_none_of_three(self):
    with pytest.raises(ValueError, match="'recall' of set 'b', which has 3 labels"):
      study_data.columns("s.toml", ("recall",), "accuracy", self.THREE)

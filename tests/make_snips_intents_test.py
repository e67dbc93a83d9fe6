"""SNIPS's folders to tables that a task reads."""

import pytest

from benchmarks import make_snips_intents
from bert_ja.tasks import registry

SETS = {
  "train": (["play x \n", 'rate "y" 5\n'], ["PlayMusic\n", "RateBook\n"]),
  "valid": (["play y\n"], ["PlayMusic\n"]),
  "test": (["rate x 1\n"], ["RateBook\n"]),
}


@pytest.fixture
def make(tmp_path, parse_flags):
  """Function: SNIPS's sets -> the directory of the tables."""

  def make(**sets):
    for name, (texts, labels) in sets.items():
      (tmp_path / name).mkdir()
      (tmp_path / name / "seq.in").write_text("".join(texts), encoding="utf-8")
      (tmp_path / name / "label").write_text("".join(labels), encoding="utf-8")
    output_dir = tmp_path / "out"
    directories = f"--snips_dir={tmp_path}", f"--output_dir={output_dir}"
    parse_flags(make_snips_intents, *directories)
    make_snips_intents.main([])
    return output_dir

  return make


def test_a_table_task_reads_what_is_written(make):
  directory = str(make(**SETS))
  processor = registry.get_processor("table", data_dir=directory)
  found = [
    [(row.text_a, row.label) for row in read(directory)]
    for read in (
      processor.get_train_examples,
      processor.get_dev_examples,
      processor.get_test_examples,
    )
  ]
  assert found == [
    [("play x", "PlayMusic"), ('rate "y" 5', "RateBook")],
    [("play y", "PlayMusic")],
    [("rate x 1", "RateBook")],
  ]
  assert processor.get_labels() == ["PlayMusic", "RateBook"]


def test_lines_without_a_partner_are_told_before_anything_is_written(make, tmp_path):
  with pytest.raises(ValueError, match="found 1 lines in seq.in and 2 in label"):
    make(**SETS | {"test": (["a\n"], ["x\n", "y\n"])})
  assert not (tmp_path / "out").exists()

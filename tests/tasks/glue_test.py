"""MRPC, MNLI and CoLA: columns, labels, names of examples."""

import json
import pathlib

import pytest

from bert_ja.tasks import glue

SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared"


def write(folder, name, rows):
  text = "".join("\t".join(row) + "\n" for row in rows)
  (folder / name).write_text(text, encoding="utf-8")


def seen(examples):
  return [(e.guid, e.text_a, e.text_b, e.label) for e in examples]


class TestMrpcProcessor:
  HEADER = ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"]

  def test_texts_are_in_columns_three_and_four(self, tmp_path):
    rows = [self.HEADER, ["1", "7", "8", 'a "b', "c"], ["0", "7", "9", "d", "e"]]
    write(tmp_path, "train.tsv", rows)
    found = glue.MrpcProcessor().get_train_examples(str(tmp_path))
    assert seen(found) == [("train-1", 'a "b', "c", "1"), ("train-2", "d", "e", "0")]
    assert found[1].source == f"{tmp_path / 'train.tsv'}, line 3"

  def test_the_development_set_may_start_with_a_byte_order_mark(self, tmp_path):
    header = ["\ufeffQuality", *self.HEADER[1:]]
    write(tmp_path, "dev.tsv", [header, ["1", "7", "8", "a", "b"]])
    found = glue.MrpcProcessor().get_dev_examples(str(tmp_path))
    assert seen(found) == [("dev-1", "a", "b", "1")]

  def test_the_test_label_is_zero(self, tmp_path):
    write(tmp_path, "test.tsv", [self.HEADER, ["17", "7", "8", "a", "b"]])
    found = glue.MrpcProcessor().get_test_examples(str(tmp_path))
    assert seen(found) == [("test-1", "a", "b", "0")]

  def test_a_short_row_is_named(self, tmp_path):
    write(tmp_path, "train.tsv", [self.HEADER, ["1", "7", "8", "a"]])
    message = r"train.tsv, line 2: expected at least 5 tab-separated cells, found 4"
    with pytest.raises(ValueError, match=message):
      glue.MrpcProcessor().get_train_examples(str(tmp_path))

  def test_labels(self):
    assert glue.MrpcProcessor().get_labels() == ["0", "1"]

  def test_the_published_files_and_the_originals_names_of_rows(self):
    data, golden = SHARED / "data/mrpc", SHARED / "golden/classifier/features.json"
    if not (data.exists() and golden.exists()):
      pytest.skip(f"{data} or {golden} is not there")
    processor = glue.MrpcProcessor()
    train = processor.get_train_examples(str(data))
    dev = processor.get_dev_examples(str(data))
    test = processor.get_test_examples(str(data))
    assert (len(train), len(dev), len(test)) == (3668, 408, 1725)
    assert sum(example.label == "1" for example in dev) == 279
    by_guid = {example.guid: example for example in train}
    stored = json.loads(golden.read_text(encoding="utf-8"))["examples"]
    compared = [row for row in stored if row["text_b"] and row["guid"] in by_guid]
    assert compared
    for row in compared:
      example = by_guid[row["guid"]]
      found = (example.text_a, example.text_b, example.label)
      assert found == (row["text_a"], row["text_b"], row["label"])


class TestMnliProcessor:
  HEADER = [f"column {i}" for i in range(12)]

  def row(self, number, label):
    return [str(number), *"1234567", "premise", "hypothesis", "x", label]

  def test_texts_are_in_columns_eight_and_nine_and_the_label_is_last(self, tmp_path):
    write(tmp_path, "train.tsv", [self.HEADER, self.row(31, "neutral")])
    found = glue.MnliProcessor().get_train_examples(str(tmp_path))
    assert seen(found) == [("train-31", "premise", "hypothesis", "neutral")]

  def test_the_matched_development_set_has_its_name_in_the_guid(self, tmp_path):
    write(tmp_path, "dev_matched.tsv", [self.HEADER, self.row(5, "entailment")])
    found = glue.MnliProcessor().get_dev_examples(str(tmp_path))
    assert seen(found) == [("dev_matched-5", "premise", "hypothesis", "entailment")]

  def test_the_test_label_is_contradiction(self, tmp_path):
    write(tmp_path, "test_matched.tsv", [self.HEADER[:10], self.row(5, "")[:10]])
    found = glue.MnliProcessor().get_test_examples(str(tmp_path))
    assert seen(found) == [("test-5", "premise", "hypothesis", "contradiction")]

  def test_a_labelled_row_has_a_cell_more(self, tmp_path):
    write(tmp_path, "train.tsv", [self.HEADER, self.row(5, "")[:10]])
    with pytest.raises(ValueError, match="train.tsv, line 2: expected at least 11 tab"):
      glue.MnliProcessor().get_train_examples(str(tmp_path))

  def test_labels(self):
    found = glue.MnliProcessor().get_labels()
    assert found == ["contradiction", "entailment", "neutral"]


class TestColaProcessor:
  def test_labelled_sets_have_no_header(self, tmp_path):
    for name in ("train", "dev"):
      write(tmp_path, f"{name}.tsv", [["s", "1", "", "text"], ["s", "0", "*", "more"]])
    processor = glue.ColaProcessor()
    assert seen(processor.get_train_examples(str(tmp_path))) == [
      ("train-0", "text", None, "1"),
      ("train-1", "more", None, "0"),
    ]
    assert processor.get_dev_examples(str(tmp_path))[0].guid == "dev-0"

  def test_the_test_set_has_a_header_and_label_zero(self, tmp_path):
    write(tmp_path, "test.tsv", [["index", "sentence"], ["0", "text"]])
    found = glue.ColaProcessor().get_test_examples(str(tmp_path))
    assert seen(found) == [("test-1", "text", None, "0")]

  def test_short_rows_are_named(self, tmp_path):
    write(tmp_path, "dev.tsv", [["s", "1", "", "text"], ["s", "1"]])
    with pytest.raises(ValueError, match="dev.tsv, line 2: expected at least 4 tab"):
      glue.ColaProcessor().get_dev_examples(str(tmp_path))
    write(tmp_path, "test.tsv", [["index", "sentence"], ["0"]])
    with pytest.raises(ValueError, match="test.tsv, line 2: expected at least 2 tab"):
      glue.ColaProcessor().get_test_examples(str(tmp_path))

  def test_labels(self):
    assert glue.ColaProcessor().get_labels() == ["0", "1"]

"""XNLI: languages, the training files' spelling, the test set."""

import pytest

from bert_ja.tasks import xnli

HEADER = [f"column {i}" for i in range(9)]


def row(language, label, premise, hypothesis):
  return [language, label, "2", "3", "4", "5", premise, hypothesis, "8"]


def write(folder, name, rows):
  path = folder / name
  path.parent.mkdir(exist_ok=True)
  path.write_text("".join("\t".join(cells) + "\n" for cells in rows), encoding="utf-8")


def seen(examples):
  return [(e.guid, e.text_a, e.text_b, e.label) for e in examples]


class TestXnliProcessor:
  def test_training_reads_the_file_of_the_language(self, tmp_path):
    rows = [["premise", "hypo", "label"], ["一", "二", "contradictory"]]
    write(tmp_path, "multinli/multinli.train.zh.tsv", rows)
    rows = [["premise", "hypo", "label"], ["ein", "zwei", "neutral"]]
    write(tmp_path, "multinli/multinli.train.de.tsv", rows)
    found = xnli.XnliProcessor().get_train_examples(str(tmp_path))
    assert seen(found) == [("train-1", "一", "二", "contradiction")]
    found = xnli.XnliProcessor(language="de").get_train_examples(str(tmp_path))
    assert seen(found) == [("train-1", "ein", "zwei", "neutral")]

  @pytest.mark.parametrize("name", ["dev", "test"])
  def test_dev_and_test_keep_the_rows_of_the_language(self, tmp_path, name):
    rows = [HEADER, row("ar", "neutral", "a", "b"), row("zh", "entailment", "c", "d")]
    write(tmp_path, f"xnli.{name}.tsv", rows)
    processor = xnli.XnliProcessor()
    read = processor.get_dev_examples if name == "dev" else processor.get_test_examples
    assert seen(read(str(tmp_path))) == [(f"{name}-2", "c", "d", "entailment")]

  def test_a_language_without_rows_is_told(self, tmp_path):
    rows = [HEADER, row("zh", "neutral", "a", "b"), row("ar", "neutral", "c", "d")]
    write(tmp_path, "xnli.dev.tsv", rows)
    message = (
      r"xnli.dev.tsv has no row in language 'ja' \(found: ar, zh\); set --xnli_language"
    )
    with pytest.raises(ValueError, match=message):
      xnli.XnliProcessor(language="ja").get_dev_examples(str(tmp_path))

  def test_a_file_without_rows_is_told(self, tmp_path):
    write(tmp_path, "xnli.test.tsv", [HEADER])
    with pytest.raises(ValueError, match=r"language 'zh' \(found: no row at all\)"):
      xnli.XnliProcessor().get_test_examples(str(tmp_path))

  def test_short_rows_are_named(self, tmp_path):
    write(tmp_path, "xnli.dev.tsv", [HEADER, ["zh", "neutral"]])
    with pytest.raises(ValueError, match="xnli.dev.tsv, line 2: expected at least 8"):
      xnli.XnliProcessor().get_dev_examples(str(tmp_path))
    write(tmp_path, "multinli/multinli.train.zh.tsv", [HEADER, ["a", "b"]])
    with pytest.raises(ValueError, match="train.zh.tsv, line 2: expected at least 3"):
      xnli.XnliProcessor().get_train_examples(str(tmp_path))

  def test_labels(self):
    found = xnli.XnliProcessor().get_labels()
    assert found == ["contradiction", "entailment", "neutral"]

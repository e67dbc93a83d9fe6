"""Livedoor files: columns by name, quotes as they are."""

import pytest

from bert_ja.tasks import livedoor


def write(folder, name, text):
  (folder / name).write_text(text, encoding="utf-8")


def seen(examples):
  return [(e.guid, e.text_a, e.text_b, e.label) for e in examples]


class TestLivedoorProcessor:
  @pytest.mark.parametrize("name", ["train", "dev", "test"])
  def test_columns_are_found_by_name(self, tmp_path, name):
    write(tmp_path, f"{name}.tsv", "label\tid\ttext\nsmax\t1\t新機種\n")
    processor = livedoor.LivedoorProcessor()
    found = getattr(processor, f"get_{name}_examples")(str(tmp_path))
    assert seen(found) == [(f"{name}-1", "新機種", None, "smax")]
    assert found[0].source == f"{tmp_path / name}.tsv, line 2"

  def test_quotes_of_the_writer_are_kept(self, tmp_path):
    write(tmp_path, "test.tsv", 'text\tlabel\n"a ""b"""\tpeachy\n')
    [found] = livedoor.LivedoorProcessor().get_test_examples(str(tmp_path))
    assert found.text_a == '"a ""b"""'

  def test_another_training_file_is_an_option(self, tmp_path):
    write(tmp_path, "train_small.tsv", "text\tlabel\na\tpeachy\n")
    processor = livedoor.LivedoorProcessor(train_file="train_small.tsv")
    assert len(processor.get_train_examples(str(tmp_path))) == 1

  @pytest.mark.parametrize(
    ("text", "found"), [("body\tlabel\na\tpeachy\n", "body, label"), ("", "none")]
  )
  def test_a_missing_column_is_told(self, tmp_path, text, found):
    write(tmp_path, "dev.tsv", text)
    message = f"dev.tsv, line 1: expected columns text and label, found {found}"
    with pytest.raises(ValueError, match=message):
      livedoor.LivedoorProcessor().get_dev_examples(str(tmp_path))

  def test_a_short_row_is_named(self, tmp_path):
    write(tmp_path, "dev.tsv", "text\tlabel\na\tpeachy\nb\n")
    with pytest.raises(ValueError, match="dev.tsv, line 3: expected at least 2 tab"):
      livedoor.LivedoorProcessor().get_dev_examples(str(tmp_path))

  def test_nine_labels_in_order(self):
    found = livedoor.LivedoorProcessor().get_labels()
    assert len(found) == 9 and found == sorted(found)

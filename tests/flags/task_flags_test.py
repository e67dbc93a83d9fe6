"""A task from flags, and the values kept beside a trained model."""

import json

import pytest

from bert_ja.flags import task_flags
from bert_ja.tasks import registry, table, xnli

TASK = """
from bert_ja.tasks import base, registry

@registry.register("weather")
class Weather(base.DataProcessor):
  def get_labels(self):
    return ["rain", "sun"]
"""


class TestDefine:
  def test_defaults(self, own_values):
    """Contract A-8, A-87."""
    assert own_values(task_flags) == {
      "data_dir": None,
      "task_name": None,
      "task_module": None,
      "text_columns": None,
      "label_column": None,
      "id_column": None,
      "choice_columns": None,
      "num_choices": None,
      "label_separator": None,
      "threshold": None,
      "labels_file": None,
      "train_file": None,
      "dev_file": None,
      "test_file": None,
      "xnli_language": "zh",
    }


class TestGetProcessor:
  def test_a_table_gets_its_columns_and_files(self, parse, tmp_path):
    (tmp_path / "t.csv").write_text("kind,q,a,key\nno,one,two,row 7\n")
    flag_values = parse(
      "--task_name=table",
      "--text_columns=q,a",
      "--label_column=kind",
      "--id_column=key",
      "--train_file=t.csv",
      f"--data_dir={tmp_path}",
    )
    processor = task_flags.get_processor(["no", "yes"], flag_values)
    assert isinstance(processor, table.TableProcessor)
    (example,) = processor.get_train_examples(str(tmp_path))
    values = (example.text_a, example.text_b, example.label)
    assert values == ("one", "two", "no")
    assert "row 7" in example.guid

  def test_labels_of_a_trained_model_come_first(self, parse, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("a\nb\n")
    flag_values = parse("--task_name=table", f"--labels_file={path}")
    assert task_flags.get_processor(None, flag_values).get_labels() == ["a", "b"]
    assert task_flags.get_processor(["b", "a"], flag_values).get_labels() == ["b", "a"]

  def test_a_task_takes_only_what_it_has_a_use_for(self, parse):
    flag_values = parse("--task_name=XNLI", "--xnli_language=ja", "--label_column=x")
    processor = task_flags.get_processor(None, flag_values)
    assert isinstance(processor, xnli.XnliProcessor)
    assert processor.language == "ja"

  def test_a_users_file_brings_its_task(self, parse, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_PROCESSORS", dict(registry._PROCESSORS))
    path = tmp_path / "weather.py"
    path.write_text(TASK)
    flag_values = parse("--task_name=weather", f"--task_module={path}")
    processor = task_flags.get_processor(None, flag_values)
    assert processor.get_labels() == ["rain", "sun"]

  def test_an_unknown_task_gets_a_near_match(self, parse):
    """Contract A-17."""
    with pytest.raises(ValueError, match="'tabel' is not known; did you mean 'table'"):
      task_flags.get_processor(None, parse("--task_name=tabel"))


class TestRecorded:
  def test_the_task_and_its_form_are_kept_and_no_path(self, parse):
    flag_values = parse(
      "--task_name=table",
      "--text_columns=q,a",
      "--data_dir=somewhere",
      "--labels_file=labels.txt",
    )
    assert task_flags.recorded(flag_values) == {
      "task_name": "table",
      "max_seq_length": 128,
      "text_columns": ["q", "a"],
      "label_column": None,
      "id_column": None,
      "choice_columns": None,
      "label_separator": None,
      "threshold": None,
      "xnli_language": "zh",
    }

  def test_it_is_json(self, parse):
    recorded = task_flags.recorded(parse("--text_columns=q,a"))
    assert json.loads(json.dumps(recorded)) == recorded

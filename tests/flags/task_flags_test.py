"""A task from flags, and the values kept beside a trained model."""

import json

import pytest

from bert_ja.flags import (
  data_flags,
  model_flags,
  pair_flags,
  task_flags,
  tokenizer_flags,
)
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
      "texts_file": None,
      "positive_labels": None,
      "context_sentences": None,
      "document_column": None,
      "drop_longer": False,
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


class TestRowOptions:
  @pytest.fixture
  def model_dir(self, tmp_path):
    directory = tmp_path / "model"
    directory.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
    (directory / "vocab.txt").write_text("\n".join(pieces) + "\n")
    (directory / "bert_config.json").write_text("{}")
    return directory

  @pytest.fixture
  def data_dir(self, tmp_path):
    rows = "text_a,text_b,label\na,b,x\na b,b,y\na b a,b,z\na b a b,a,x\n"
    (tmp_path / "train.csv").write_text(rows)
    return tmp_path

  def test_a_table_gets_them(self, parse, data_dir):
    (data_dir / "texts.json").write_text('{"p": "x"}')
    (data_dir / "train.csv").write_text("text,label,doc\np,a,1\np,b,1\np,c,2\n")
    flag_values = parse(
      "--task_name=table",
      "--texts_file=texts.json",
      "--positive_labels=b,c",
      "--context_sentences=2",
      "--document_column=doc",
    )
    processor = task_flags.get_processor(None, flag_values)
    rows = processor.get_train_examples(str(data_dir))
    assert [(row.text_a, row.text_b, row.label) for row in rows] == [
      ("", "x", "0"),
      ("x", "x", "1"),
      ("", "x", "1"),
    ]

  def kept(self, flag_values, data_dir):
    processor = task_flags.get_processor(None, flag_values)
    return [row.guid for row in processor.get_train_examples(str(data_dir))]

  def test_rows_are_measured_by_the_models_tokenizer(self, parse, model_dir, data_dir):
    given = "--task_name=table", "--drop_longer", "--max_seq_length=6"
    flag_values = parse(*given, f"--vocab_file={model_dir}/vocab.txt")
    assert self.kept(flag_values, data_dir) == ["train-1", "train-2"]

  def test_texts_that_are_read_apart_are_measured_so(self, parse, model_dir, data_dir):
    flag_values = parse(
      "--task_name=table",
      "--drop_longer",
      "--pair_model=two_tower",
      "--max_seq_length=5",
      f"--vocab_file={model_dir}/vocab.txt",
      groups=(task_flags, model_flags, tokenizer_flags, data_flags, pair_flags),
    )
    assert self.kept(flag_values, data_dir) == ["train-1", "train-2", "train-3"]

  def test_baselines_take_the_tokenizer_of_their_model(
    self, parse, model_dir, data_dir
  ):
    def of_baselines(*arguments):
      given = "--task_name=table", "--drop_longer", "--max_seq_length=7", *arguments
      return parse(*given, groups=(task_flags, model_flags, data_flags))

    flag_values = of_baselines(f"--model_dir={model_dir}")
    assert self.kept(flag_values, data_dir) == ["train-1", "train-2", "train-3"]
    with pytest.raises(ValueError, match="--drop_longer counts the pieces .*--model_d"):
      task_flags.get_processor(None, of_baselines())

  @pytest.mark.parametrize(
    "argument",
    [
      "--texts_file=t.json",
      "--positive_labels=a",
      "--context_sentences=2",
      "--document_column=doc",
      "--drop_longer",
    ],
  )
  def test_a_task_that_has_no_rows_of_a_table_refuses(self, parse, model_dir, argument):
    vocab = f"--vocab_file={model_dir}/vocab.txt"
    flag_values = parse("--task_name=livedoor", argument, vocab)
    name = argument.split("=")[0]
    with pytest.raises(ValueError, match=f"{name} means nothing to --task_name=livedo"):
      task_flags.get_processor(None, flag_values)


class TestRecorded:
  def test_the_task_and_its_form_are_kept_and_not_where_its_data_lie(self, parse):
    flag_values = parse(
      "--task_name=table",
      "--text_columns=q,a",
      "--positive_labels=a",
      "--data_dir=somewhere",
      "--labels_file=labels.txt",
    )
    assert task_flags.recorded(flag_values) == {
      "task_name": "table",
      "max_seq_length": 128,
      "text_columns": ["q", "a"],
      "label_column": None,
      "id_column": None,
      "texts_file": None,
      "positive_labels": ["a"],
      "context_sentences": None,
      "document_column": None,
      "drop_longer": False,
      "choice_columns": None,
      "label_separator": None,
      "threshold": None,
      "xnli_language": "zh",
    }

  def test_it_is_json(self, parse):
    recorded = task_flags.recorded(parse("--text_columns=q,a"))
    assert json.loads(json.dumps(recorded)) == recorded

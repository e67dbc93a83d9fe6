"""`bert-ja rcqa`: files for each suffix, a table of what they hold, clear refusals."""

import os
import re

import pytest

from bert_ja.commands import rcqa
from tests import published_models
from tests.tasks import rcqa_rows

sentencepiece = pytest.importorskip("sentencepiece")


@pytest.fixture
def run(tmp_path, parse_flags, capsys):
  """Function: flags -> what was printed."""
  input_file = rcqa_rows.write(tmp_path / "all-v1.0.json.gz")

  def run(**options):
    options = {"input_file": input_file, "output_dir": tmp_path / "out", **options}
    parse_flags(rcqa, *(f"--{name}={value}" for name, value in options.items()))
    rcqa.main(["rcqa"])
    return capsys.readouterr().out

  return run


def written(folder):
  return sorted(name for _, _, names in os.walk(folder) for name in names)


def expected(model_file, text):
  processor = sentencepiece.SentencePieceProcessor(model_file=model_file)
  return " ".join(processor.encode(text.lower(), out_type=str))


def test_plain_text_is_the_default(run, tmp_path):
  run()
  assert written(tmp_path / "out") == [
    "dev-v1.0.text.json",
    "test-v1.0.text.json",
    "train-v1.0.text.json",
  ]


def test_the_table_has_a_row_a_file(run, tmp_path):
  header, *rows, last = run().splitlines()
  names = ["file", "documents", "answerable", "answer found", "not found"]
  assert re.split("  +", header) == names
  folder = tmp_path / "out"
  assert [row.split() for row in rows] == [
    [f"{folder}/dataset_train/train-v1.0.text.json", "9", "7", "6", "1"],
    [f"{folder}/dataset_train/dev-v1.0.text.json", "6", "4", "4", "0"],
    [f"{folder}/dataset_eval/test-v1.0.text.json", "5", "4", "1", "3"],
  ]
  assert last == "questions without documents, left out: 1"


def test_each_model_goes_to_its_suffix(run, tmp_path):
  (tmp_path / "pieces").mkdir()
  files = published_models.write_sentence_pieces(str(tmp_path / "pieces"))
  models = [files["hottosns"][1], files["bert-japanese"][1]]
  suffixes = ("hottoSNS-bert", "text", "bert-wiki-ja")
  run(suffixes=",".join(suffixes), model_file=",".join(models))
  pieces = dict(zip((suffixes[0], suffixes[2]), models, strict=True))
  for suffix, model in pieces.items():
    contexts = [
      entry["paragraphs"][0]["context"]
      for entry in rcqa_rows.read(tmp_path / "out", suffix)["train"]["data"]
    ]
    text = rcqa_rows.ROWS[0][-1][0][0]
    assert contexts[0] == expected(model, text)
  assert len(written(tmp_path / "out")) == 9


def test_a_missing_analyser_is_told_before_the_work(run, tmp_path, monkeypatch):
  pytest.importorskip("mojimoji")
  monkeypatch.setenv("PATH", str(tmp_path))
  with pytest.raises(FileNotFoundError, match="--suffixes=jumanpp needs the program"):
    run(suffixes="text,jumanpp")
  assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
  ("options", "message"),
  [
    (
      {"suffixes": "text,text"},
      "--suffixes=text,text: expected some of text, jumandic",
    ),
    ({"suffixes": ""}, "--suffixes=: expected some of text, jumandic"),
    ({"suffixes": "txt"}, "--suffixes: 'txt' is not one of text"),
    (
      {"suffixes": "bert-wiki-ja"},
      "--model_file: expected 1 SentencePiece models, one for each of the suffixes "
      "bert-wiki-ja, found 0",
    ),
    (
      {"model_file": "a.model"},
      r"--model_file: expected 0 SentencePiece models, one for each of the suffixes "
      r"\(none\), found 1",
    ),
  ],
)
def test_flags_that_do_not_fit_are_told(run, options, message):
  with pytest.raises(ValueError, match=message):
    run(**options)


@pytest.mark.parametrize("name", ["input_file", "output_dir"])
def test_a_missing_flag_is_told(parse_flags, name):
  given = {"input_file": "a", "output_dir": "b"}
  del given[name]
  parse_flags(rcqa, *(f"--{key}={value}" for key, value in given.items()))
  with pytest.raises(ValueError, match=f"--{name} is required"):
    rcqa.main([])

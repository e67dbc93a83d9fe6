"""`bert-ja corpus`: flags, files and the table at the end."""

import logging as python_logging
import sys

import pytest

from bert_ja.commands import corpus


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, parse_flags):
  """Function: flags -> what was printed; paths are relative to `tmp_path`."""
  monkeypatch.chdir(tmp_path)

  def run(*arguments):
    parse_flags(corpus, *arguments)
    corpus.main([])
    return capsys.readouterr().out

  return run


@pytest.fixture
def put(tmp_path):
  """Function: relative path and text -> nothing."""

  def put(name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")

  return put


@pytest.fixture
def result(tmp_path):
  """Function: name of a file -> its text."""
  return lambda name="out.txt": (tmp_path / name).read_text(encoding="utf-8")


WIKI = '<doc id="1" title="Ａ">\nＡ\n\nＡＢＣとDef。！？次。\n</doc>\n'


def test_wikipedia_is_as_for_the_published_model(run, put, result):
  put("wiki_00", WIKI)
  run("--format=wikipedia", "--input=wiki_00", "--output_file=out.txt")
  assert result() == "ａｂｃとdef。\n！？次。\n\n"


def test_wikipedia_with_other_settings(run, put, result):
  put("wiki/AA/wiki_00", WIKI)
  run(
    "--format=wikipedia",
    "--input=wiki",
    "--output_file=out.txt",
    "--sentence_end=brackets",
    "--normalize=nfkc",
    "--nolower_case",
  )
  assert result() == "ABCとDef。!?\n次。\n\n"


def test_other_formats_keep_capitals(run, put, result):
  put("a.jsonl", '{"body": "ＡＢ。Ｃ"}\n')
  run("--format=jsonl", "--text_field=body", "--input=*.jsonl", "--output_file=out.txt")
  assert result() == "ＡＢ。\nＣ\n\n"
  run("--format=text", "--lower_case", "--input=out.txt", "--output_file=low/out.txt")
  assert result("low/out.txt") == "ａｂ。\nｃ\n\n"


def test_the_table_sums_up_the_numbered_files(run, put, result):
  put("a.txt", "一。\n二三\n\n四\n\n五\n")
  arguments = ("--format=text", "--input=a.txt", "--output_file=o.txt", "--num_files=2")
  assert run(*arguments).splitlines() == [
    "file                  documents  sentences  characters",
    "o-00000-of-00002.txt          2          3           5",
    "o-00001-of-00002.txt          1          1           1",
    "(sum)                         3          4           6",
  ]
  assert result("o-00000-of-00002.txt") == "一。\n二三\n\n五\n\n"


def test_documents_are_left_out_by_name_and_length(run, put, result, caplog):
  for name, text in {"a": "一二三", "b": "四五六", "c": "七"}.items():
    put(f"in/{name}.txt", text)
  put("names", "b.txt\nz.txt\n\n")
  with caplog.at_level(python_logging.INFO, logger="absl"):
    run(
      "--format=folder",
      "--input=in",
      "--output_file=out.txt",
      "--exclude_file=names",
      "--min_characters=2",
    )
  assert result() == "一二三\n\n"
  assert "1 documents by name, 1 with fewer than 2 characters" in caplog.text
  assert "names: 1 of the names are of no document, such as 'z.txt'" in caplog.text


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (
      ["--format=text", "--text_field=x"],
      "--text_field means nothing to --format=text",
    ),
    (
      ["--format=jsonl", "--exclude_file=x"],
      "only to wikipedia, aozora, folder, squad",
    ),
    (["--format=folder", "--sentence_end=full_stop"], "--sentence_end means nothing"),
  ],
)
def test_a_flag_without_effect_is_an_error(run, arguments, message):
  with pytest.raises(ValueError, match=message):
    run(*arguments, "--input=x", "--output_file=y")


def test_a_missing_input_is_an_error(run):
  with pytest.raises(FileNotFoundError, match="--input: none does not exist"):
    run("--format=text", "--input=none", "--output_file=out.txt")


@pytest.mark.parametrize("output", ["in/a.txt", "in/b.txt", "in/deep/c.txt"])
def test_what_is_read_is_not_written(run, put, result, output):
  put("in/a.txt", "一")
  with pytest.raises(ValueError, match="is among what --input="):
    run("--format=text", "--input=in,in/a.txt", f"--output_file={output}")
  assert result("in/a.txt") == "一"


def test_numbered_files_are_not_written_over_what_is_read(run, put, result):
  put("a-00001-of-00002.txt", "一\n\n二")
  message = "--output_file: a-00001-of-00002.txt is among what --input="
  with pytest.raises(ValueError, match=message):
    run("--format=text", "--input=a-*.txt", "--output_file=a.txt", "--num_files=2")
  assert result("a-00001-of-00002.txt") == "一\n\n二"


def test_bad_input_leaves_no_file(run, put, tmp_path):
  put("a.txt", "一\n")
  (tmp_path / "b.txt").write_bytes(b"\xff")
  with pytest.raises(ValueError, match=r"b\.txt, line 1: expected UTF-8"):
    run("--format=text", "--input=a.txt,b.txt", "--output_file=out.txt")
  assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def test_no_tensorflow_is_needed(run, put, monkeypatch):
  monkeypatch.setitem(sys.modules, "tensorflow", None)
  put("a.txt", "一")
  assert run("--format=text", "--input=a.txt", "--output_file=out.txt")

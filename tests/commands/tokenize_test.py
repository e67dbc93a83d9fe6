"""`bert-ja tokenize`: what a person sees of a model's way from text to ids."""

import io
import json
import sys
import types

import pytest

from bert_ja import front_ends
from bert_ja.commands import tokenize

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "食べ", "##た", "パン", "を")


@pytest.fixture
def model_dir(tmp_path):
  path = tmp_path / "model"
  path.mkdir()
  (path / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
  (path / "config.json").write_text("{}")
  settings = {"tokenizer": "pretokenized"}
  (path / "tokenizer_config.json").write_text(json.dumps(settings))
  return str(path)


@pytest.fixture
def run(monkeypatch, capsys, model_dir, parse_flags):
  """Function: arguments and bytes of standard input -> what was printed."""

  def run(*arguments, stdin=b""):
    parse_flags(tokenize, f"--model_dir={model_dir}", *arguments)
    stream = types.SimpleNamespace(buffer=io.BytesIO(stdin))
    monkeypatch.setattr(sys, "stdin", stream)
    tokenize.main([])
    return capsys.readouterr().out

  return run


def test_a_table_shows_piece_id_span_and_text(run):
  printed = run(stdin="パン を\t鯛\n".encode())
  assert printed.splitlines() == [
    "パン を\t鯛",
    "piece  id  span  text",
    'パン    7  0-2   "パン"',
    'を      8  3-4   "を"',
    '[UNK]   1  5-6   "鯛"',
    "",
  ]


def test_json_lines_hold_the_same(run, tmp_path):
  path = tmp_path / "lines.txt"
  path.write_text("食べ ##た\n\nを\n", encoding="utf-8")
  printed = run("--format=jsonl", f"--input_file={path}")
  first, second, third = map(json.loads, printed.splitlines())
  assert first == {
    "text": "食べ ##た",
    "tokens": ["食べ", "##た"],
    "ids": [5, 6],
    "spans": [[0, 2], [3, 6]],
  }
  assert (second["ids"], third["ids"]) == ([], [8])


def test_a_summary_counts_unknown_pieces(run):
  printed = run("--format=summary", stdin="パン を 鯛\nを\n".encode())
  headers, values = printed.splitlines()
  assert headers.split()[-3:] == ["unknown", "unknown", "%"]
  assert values.split() == ["2", "7", "4", "2.0", "1", "25.000"]


def test_the_flag_chooses_another_tokenizer(run):
  printed = run("--format=jsonl", "--tokenizer=tohoku", stdin="パンを食べた".encode())
  assert json.loads(printed)["tokens"] == ["パン", "を", "食べ", "[UNK]"]


def test_bytes_that_are_no_text_name_their_line(run):
  with pytest.raises(ValueError, match="standard input, line 2: expected UTF-8"):
    run(stdin="を\n".encode() + b"\xff\n")


def test_no_tensorflow_is_needed(run, monkeypatch):
  monkeypatch.setitem(sys.modules, "tensorflow", None)
  assert run("--format=jsonl", stdin="を\n".encode())


def test_every_front_end_can_be_named():
  from absl import flags

  for name in front_ends.FRONT_ENDS:
    flag_values = flags.FlagValues()
    tokenize.define_flags(flag_values)
    flag_values(["tokenize", f"--tokenizer={name}"])
    assert flag_values.tokenizer == name

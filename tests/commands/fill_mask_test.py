"""`bert-ja fill_mask`: what it shows and writes, and what it says of wrong input."""

import io
import json
import os
import subprocess
import sys
import types

import pytest

from bert_ja.commands import fill_mask
from tests import published_models

PIECES = (*published_models.SPECIALS, "パン", "ご飯", "を", "食べ", "##た", "。")
CONFIG = {**published_models.CONFIG, "vocab_size": len(PIECES), "hidden_size": 8}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
  from bert_ja import checkpoint, modeling, pretraining_heads

  path = tmp_path_factory.mktemp("model")
  (path / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
  (path / "bert_config.json").write_text(json.dumps(CONFIG))
  settings = {"tokenizer": "pretokenized"}
  (path / "tokenizer_config.json").write_text(json.dumps(settings))
  model = pretraining_heads.PretrainingModel(modeling.BertConfig.from_dict(CONFIG))
  # ご飯 is what this model always finds best, パン second.
  model.masked_lm.output_bias.assign([8, 8, 8, 8, 8, 4, 6, 0, 0, 0, 0])
  checkpoint.save(str(path / "model.ckpt-7"), checkpoint.named_variables(model))
  return path


@pytest.fixture
def run(monkeypatch, capsys, model_dir, parse_flags):
  """Function: arguments and bytes of standard input -> what was printed."""

  def run(*arguments, stdin=b""):
    rest = parse_flags(fill_mask, f"--model_dir={model_dir}", *arguments)
    stream = types.SimpleNamespace(buffer=io.BytesIO(stdin), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", stream)
    fill_mask.main(rest)
    return capsys.readouterr().out

  return run


def test_a_table_shows_rank_piece_probability_and_sentence(run):
  printed = run("[MASK] を 食べ ##た 。", "--top_k=2").splitlines()
  assert printed[0].split() == ["rank", "piece", "probability", "sentence"]
  assert [line.split()[:2] for line in printed[1:]] == [
    ["1", "ご飯"],
    ["2", "パン"],
    [],
  ]
  cells = printed[1].split(maxsplit=3)
  assert cells[3] == "ご飯 を 食べ ##た 。"
  assert 0 < float(cells[2]) < 1
  # Wide characters count as two columns.
  assert printed[0].index("sentence") - 2 == printed[1].index("ご飯 を")


def test_of_several_masks_each_is_shown(run):
  printed = run("--top_k=1", "[MASK] を [MASK]").splitlines()
  assert [line.split(maxsplit=4) for line in printed[:3]] == [
    ["mask", "rank", "piece", "probability", "sentence"],
    ["1", "1", "ご飯", printed[1].split()[3], "ご飯 を [MASK]"],
    ["2", "1", "ご飯", printed[2].split()[3], "[MASK] を ご飯"],
  ]


def test_sentences_come_from_arguments_a_file_or_standard_input(run, tmp_path):
  sentences = ["[MASK] を 。", "食べ [MASK]"]
  path = tmp_path / "lines.txt"
  # A blank line is passed over.
  path.write_text("\n\n".join(sentences), encoding="utf-8")
  printed = run(*sentences)
  assert printed.count("sentence\n") == 2
  assert run(f"--input_file={path}") == printed
  assert run(stdin=path.read_bytes()) == printed


def test_json_lines_hold_the_same(run, tmp_path):
  path = tmp_path / "filled.jsonl"
  printed = run(
    "[MASK] 。", "を [MASK] を [MASK]", f"--output_file={path}", "--top_k=3"
  )
  assert printed == ""
  first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
  assert first["text"] == "[MASK] 。"
  assert [len(fillers) for fillers in second["masks"]] == [3, 3]
  best = second["masks"][1][0]
  assert (best["piece"], best["sentence"]) == ("ご飯", "を [MASK] を ご飯")
  assert best["probability"] > second["masks"][1][1]["probability"]


def test_after_an_error_there_is_no_file(run, tmp_path):
  with pytest.raises(ValueError, match=r"standard input, line 2: expected \[MASK\]"):
    run(f"--output_file={tmp_path}/a.jsonl", stdin="[MASK]\nパン\n".encode())
  assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["[MASK]", "パン を"], r"sentence 2: expected \[MASK\] .* found 'パン を'"),
    (
      ["[MASK]", "--input_file=a.txt"],
      "--input_file=a.txt and the sentence .* exclude",
    ),
    (["[MASK]", "--max_seq_length=33"], "longer than the 32 positions"),
    (
      ["[MASK] を を [MASK]", "--max_seq_length=5"],
      "sentence 1: its masks are 4 pieces",
    ),
  ],
)
def test_wrong_input(run, arguments, message):
  with pytest.raises(ValueError, match=message):
    run(*arguments)


def test_a_model_without_weights(run, model_dir, tmp_path):
  for name in ("bert_config.json", "vocab.txt"):
    (tmp_path / name).write_bytes((model_dir / name).read_bytes())
  with pytest.raises(ValueError, match="holds no weights; give --model_dir"):
    run("[MASK]", f"--model_dir={tmp_path}")


def test_a_model_without_the_head(run, models):
  with pytest.raises(
    ValueError, match="cannot fill in masks: it lacks cls/predictions"
  ):
    run("[MASK]", f"--model_dir={models['multilingual-cased'][0]}")


def test_no_model(run):
  with pytest.raises(ValueError, match="the model holds no weights"):
    run("[MASK]", "--model_dir=")


def program(*arguments):
  return subprocess.run(
    [sys.executable, "-m", "bert_ja", "fill_mask", *arguments],
    capture_output=True,
    text=True,
    check=False,
  )


def test_flags_may_stand_behind_sentences(model_dir):
  done = program("[MASK] 。", f"--model_dir={model_dir}", "--top_k=1")
  assert done.returncode == 0, done.stderr
  assert "ご飯 。" in done.stdout


def test_help_loads_no_tensorflow(monkeypatch, tmp_path):
  (tmp_path / "tensorflow.py").write_text("raise SystemExit('imported')\n")
  monkeypatch.setenv("PYTHONPATH", str(tmp_path))
  done = program("--help")
  assert "--top_k" in done.stdout
  assert "imported" not in done.stderr
